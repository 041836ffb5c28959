"""The OpenAPI document as the stub reads it, and all that the stub demands or answers by it."""

from __future__ import annotations

import importlib
import importlib.resources
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import attrs
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from modelgates_speech.stub.schemas import BASE, FORMATS, JOINED, Json, absolute, fields, problem

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@attrs.define
class RefusedError(Exception):
    """A request that is not allowed: the status that says so, and why, for people and programs."""

    status: int
    message: str
    metadata: Mapping[str, Json] | None = attrs.field(default=None, kw_only=True)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], kw_only=True)

    def __str__(self) -> str:
        return self.message


@attrs.frozen
class Reply:
    """A documented response: the schema of each media type, and of the headers that are sent."""

    content: Mapping[str, Json]
    headers: Mapping[str, Json]


@attrs.frozen(kw_only=True)
class Operation:
    """One operation of the OpenAPI document, references resolved; by default, one of nothing.

    `path` begins with `prefix`, the server's; bodies have the schema of each media type;
    `credentials` are the headers that may carry the key, in lower case, with whether it is a bearer
    token; an `anonymous` call needs none. `defaults` are those of a body's fields.
    """

    method: str = ""
    prefix: str = ""
    path: str = ""
    bodies: Mapping[str, Json] = {}
    body_required: bool = False
    defaults: Mapping[str, Json] = {}
    parameters: Sequence[Mapping[str, Json]] = ()
    replies: Mapping[str, Reply] = {}
    credentials: Mapping[str, bool] = {}
    anonymous: bool = False

    def reply(self, status: int) -> Reply:
        """What is documented of a status, alone or with others; else a reply of nothing."""
        keys = (str(status), f"{status // 100}XX", "DEFAULT")
        return next((self.replies[key] for key in keys if key in self.replies), Reply({}, {}))

    @property
    def success(self) -> int:
        """The first documented success, or redirection."""
        found = (status for status in sorted(self.replies) if status[0] in "23")
        return int(next(found, "200").replace("X", "0"))


class Document:
    """An OpenAPI 3.1 document, parsed; without paths, it is a `ValueError`."""

    def __init__(self, contents: Mapping[str, Json]) -> None:
        if "swagger" in fields(contents):
            raise ValueError("this is Swagger 2.0, not OpenAPI 3: convert it first")
        if not isinstance(fields(contents).get("paths"), Mapping):
            raise ValueError("this is not an OpenAPI document: it has no paths")
        self.contents = contents  # as it was given
        # References made absolute, any part of the OpenAPI document can be handed to a validator.
        self._contents = cast("dict[str, Json]", absolute(contents))
        resource = DRAFT202012.create_resource(self._contents)
        registry: Registry[Json] = Registry()
        self._registry = registry.with_resource(BASE, resource)
        paths = self._contents["paths"].items()
        items = [(path, fields(self._resolve(reference))) for path, reference in paths]
        self.operations = [
            self._read_operation(path, method, item)
            for path, item in items
            for method in _METHODS
            if method in item
        ]

    @property
    def prefix(self) -> str:
        """The path of the server that speech has, or that all operations have."""
        speech = (each.prefix for each in self.operations if each.path.endswith("/speech"))
        return next(speech, _server_path(self._contents.get("servers")))

    def _read_operation(self, path: str, method: str, item: Json) -> Operation:
        operation = item[method]
        everywhere = self._contents.get("servers")
        prefix = _server_path(operation.get("servers") or item.get("servers") or everywhere)
        declared = [*item.get("parameters", []), *operation.get("parameters", [])]
        body = self._resolve(operation.get("requestBody", {}))
        security: Json = operation.get("security", self._contents.get("security"))
        # Whatever else an edition of the document names: a bearer token is what the API knows.
        credentials = self._schemes(security or []) | {"authorization": True}
        sent_anyway = {*credentials, "accept", "content-type"}
        return Operation(
            method=method.upper(),
            prefix=prefix,
            path=prefix + path,
            bodies=_schemas(body),
            body_required=body.get("required", False),
            defaults={
                name: part["default"]
                for schema in _schemas(body).values()
                for name, value in self.properties(schema).items()
                for part in reversed(self._parts(value, *JOINED))
                if "default" in part
            },
            parameters=[
                parameter
                for parameter in map(self._resolve, declared)
                if parameter["in"] != "path" and parameter["name"].lower() not in sent_anyway
            ],
            replies={
                str(status).upper(): self._read_reply(self._resolve(response))
                for status, response in operation.get("responses", {}).items()
                if not str(status).startswith("x-")
            },
            credentials=credentials,
            anonymous=security is not None and (not security or {} in security),
        )

    def _read_reply(self, response: Json) -> Reply:
        headers = {
            name: self._resolve(header) for name, header in fields(response.get("headers")).items()
        }
        wanted = {
            name.lower(): header.get("schema", True)
            for name, header in headers.items()
            # The stub sends this one in any case.
            if header.get("required") or name.lower() == "x-request-id"
        }
        content = _schemas(response)
        if (schema := fields(content.get("*/*"))) and schema.get("type") != "string":
            # Whatever a client takes: of what is no file, it is JSON.
            content["application/json"] = content.pop("*/*")
        return Reply(content, wanted)

    def _schemes(self, security: Json) -> dict[str, bool]:
        schemes = self._contents.get("components", {}).get("securitySchemes", {})
        found: dict[str, bool] = {}
        for name in (name for requirement in security for name in requirement):
            scheme = self._resolve(schemes.get(name, {}))
            if scheme.get("type") == "http":
                found["authorization"] = True
            elif scheme.get("in") == "header":
                found[scheme["name"].lower()] = False
        return found

    def _resolve(self, part: Json) -> Json:
        while reference := fields(part).get("$ref"):
            found: Json = self._registry.resolver(BASE).lookup(reference).contents
            beside = {key: value for key, value in fields(part).items() if key != "$ref"}
            part = {**fields(found), **beside} if beside else found
        return part

    def problem(self, schema: Json, value: Json) -> tuple[str, str] | None:
        """Check a value against a schema: what is wrong, and where (`$.speed`), or None."""
        known: Json = {} if schema is None else schema
        return problem(known, value, registry=self._registry, format_checker=FORMATS)

    def _parts(self, schema: Json, *keys: str) -> list[Mapping[str, Json]]:
        known = fields(self._resolve(schema))
        inner = (each for key in keys for each in known.get(key, []))
        return [known, *(part for each in inner for part in self._parts(each, *keys))]

    def properties(self, schema: Json) -> dict[str, Mapping[str, Json]]:
        """Give what an object may hold, by name, be it said by parts of its schema."""
        found = [fields(part.get("properties")) for part in self._parts(schema, *JOINED)]
        return {
            name: fields(self._resolve(value)) for part in found for name, value in part.items()
        }

    def fields_of(self, operation: Operation) -> tuple[Mapping[str, Mapping[str, Json]], set[str]]:
        """Give the schemas of what the JSON of a request may hold, and what it must hold."""
        schema = _json(operation.bodies)
        required = (part.get("required", []) for part in self._parts(schema, "allOf"))
        return self.properties(schema), {name for names in required for name in names}

    def headers(self, operation: Operation, status: int, ours: Mapping[str, str]) -> dict[str, str]:
        """Make the headers of a response: those it must have, and `ours` as far as they fit."""
        made = {**ours}
        for name, schema in operation.reply(status).headers.items():
            if name not in ours or self.problem(schema, ours[name]):
                value = self.example(schema, {})
                made[name] = value if isinstance(value, str) else json.dumps(value)
        return made

    def error(self, operation: Operation, status: int, **hints: Json) -> tuple[str | None, bytes]:
        """Build the content type and content of an error as the OpenAPI document wants it.

        A status that is not documented gets the shape of one that is. `hints` are values for
        fields by name, wherever the schema has one that allows it.
        """
        message = hints.get("message", "")
        hints = {"code": status, "status": status} | dict.fromkeys(_SAYING, message) | hints
        others = sorted(operation.replies.items(), reverse=True)
        found = [
            operation.reply(status).content,
            *(reply.content for key, reply in others if key[0] in "45" and _json(reply.content)),
        ]
        content = next(filter(None, found), {"application/json": None})
        for media_type, schema in content.items():
            if "json" in media_type:
                plain = {"error": {"code": status, "message": message}}
                # It says what happened where it may, also by a schema that says nothing.
                free = not self.properties(schema) and self.problem(schema, plain) is None
                value = plain if free else self.example(schema, hints)
                return media_type, json.dumps(value).encode()
        kind = next((kind for kind in content if kind.startswith("text/")), None)
        return kind, str(message).encode() if kind else b""

    def example(self, schema: Json, hints: Mapping[str, Json]) -> Json:
        """Make a value that fits a schema: its required fields, and those in `hints`."""
        candidates = self._candidates(fields(self._resolve(schema)), hints)
        first = next(candidates)
        tried = itertools.chain([first], candidates)
        return next((value for value in tried if self.problem(schema, value) is None), first)

    def _candidates(self, known: Mapping[str, Json], hints: Mapping[str, Json]) -> Iterator[Json]:
        if "const" in known:
            yield known["const"]
        samples: list[Json] = [known[key] for key in ("example", "default") if key in known]
        samples += [*known.get("examples", []), *known.get("enum", [])]
        kind = known.get("type", "object" if {"properties", "allOf"} & known.keys() else None)
        kinds: Sequence[Json] = cast("Any", kind) if isinstance(kind, list) else [kind]
        if "object" in kinds:
            # A sample says what is not known better here.
            begun = next((fields(each) for each in samples if fields(each)), fields(None))
            yield self._example_object(known, hints, begun)
        yield from samples
        for part in (part for way in JOINED for part in known.get(way, [])):
            yield self.example(part, hints)
        match kinds[0]:
            case "array":
                least = known.get("minItems", 0)
                yield [self.example(known.get("items"), hints)] * least if least else []
            case "string":
                if text := _OF_FORMAT.get(known.get("format", "")):
                    yield text
                yield "example".ljust(known.get("minLength", 0), "e")[: known.get("maxLength")]
                yield from _OF_FORMAT.values()
            case "integer" | "number":
                least = known.get("minimum", known.get("exclusiveMinimum", 0))
                yield from (least, least + 1, known.get("maximum"))
            case "boolean":
                yield False
            case _:
                yield None

    def _example_object(
        self, schema: Mapping[str, Json], hints: Mapping[str, Json], begun: Mapping[str, Json]
    ) -> Json:
        made: dict[str, Json] = {**begun}
        parts = self._parts(schema, "allOf")
        required = {name for part in parts for name in part.get("required", [])}
        for part in schema.get("allOf", []):
            made |= fields(self.example(part, hints))
        described = (pair for part in parts for pair in part.get("properties", {}).items())
        for name, value in described:
            hinted = [hints[name], str(hints[name])] if name in hints else []
            fitting = [hint for hint in hinted if self.problem(value, hint) is None]
            known = fields(self._resolve(value))
            listing = name in _LISTING and known.get("type") == "array"
            if fitting:
                made[name] = fitting[0]
                continue
            # What is there by this name already may have to be completed, or replaced.
            wanted = self.problem(value, made[name]) if name in made else name in required
            if listing or wanted or isinstance(begun.get(name), Mapping):
                known = {"minItems": 1, **known} if listing else known
                known = {**known, "example": begun[name]} if name in begun else known
                made[name] = self.example(known, hints)
        return {name: hints.get(name) for name in required} | made


# Fields in which errors say what happened, in the shapes that are known.
_SAYING = ("message", "msg", "detail", "title", "error", "error_description")
_LISTING = ("detail", "errors")
# A text of each format. Another format, or a pattern, is likely to take one of them.
_OF_FORMAT = {
    "uri": "https://example.com/",
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "a@example.com",
    "uuid": "0c6ff3a4-1f5b-4cc1-9f67-64b9a3a1d1c4",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "time": "00:00:00Z",
    "duration": "P1D",
    "hostname": "example.com",
    "json-pointer": "/example",
    "uri-reference": "/example",
}


def load(
    document: Mapping[str, Json] | str | os.PathLike[str] | None = None,
) -> Document:
    """Read an OpenAPI document: parsed, of a JSON or YAML file, or the one of this release.

    Raises:
        ValueError: It is not an OpenAPI document.
        OSError: The file cannot be read.
    """
    if isinstance(document, Mapping):
        return Document(document)
    bundled = importlib.resources.files("modelgates_api") / "openapi.json"
    source = bundled if document is None else Path(document)
    text = source.read_text("utf-8-sig")
    kind, read = (
        ("YAML", _read_yaml) if source.name.endswith((".yaml", ".yml")) else ("JSON", json.loads)
    )
    try:
        parsed = read(text)
    except Exception as error:
        raise ValueError(f"{source} is not {kind}: {error}") from error
    return Document(parsed)


# What a plain scalar is in YAML 1.2, which OpenAPI is written in: no date, and `no` is a text.
_SCALARS = {
    "null": "~|null|Null|NULL|",
    "bool": "true|True|TRUE|false|False|FALSE",
    "int": "[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
    "merge": "<<",
}


def _read_yaml(text: str) -> Json:
    # Only here: parsing JSON takes no YAML.
    yaml: Any = importlib.import_module("yaml")
    loader: Any = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    for kind, form in _SCALARS.items():
        loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"({form})$"), None)
    return yaml.load(text, Loader=loader)


def _server_path(servers: Json) -> str:
    server = fields(next(iter(servers or []), None))
    url: str = server.get("url", "/")
    for name, variable in fields(server.get("variables")).items():
        url = url.replace(f"{{{name}}}", variable["default"])
    return urlsplit(url).path.rstrip("/")


def _schemas(part: Mapping[str, Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for media_type, content in part.get("content", {}).items():
        schema: Json = content.get("schema", True)
        if "example" in content and isinstance(schema, Mapping):
            schema = {**fields(schema), "example": content["example"]}
        found[media_type.partition(";")[0].strip().lower()] = schema
    return found


def _json(content: Mapping[str, Json]) -> Json:
    return next((schema for media_type, schema in content.items() if "json" in media_type), None)
