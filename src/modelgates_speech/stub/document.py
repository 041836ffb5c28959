"""The OpenAPI document as the stub reads it, and all that the stub demands or answers by it."""

from __future__ import annotations

import importlib
import importlib.resources
import json
import os
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import attrs

from modelgates_speech.stub.schemas import JOINED, Json, Samples, fields

# Headers that a server sends as each connection wants them, whatever a document says. So it is with
# those that tell browsers which pages may read an answer.
_OF_CONNECTIONS = {
    *("connection", "content-length", "date", "keep-alive", "proxy-authenticate", "te", "trailer"),
    *("proxy-authorization", "server", "transfer-encoding", "upgrade", "vary"),
}


def is_written(kind: str) -> bool:
    """Tell whether a media type is of a text, which people read and nobody hears."""
    return bool(re.search("^text/|json|xml|yaml", kind.lower()))


def is_the_servers(name: str) -> bool:
    """Tell whether a header, in lower case, is the server's own to send, or not to."""
    return name in _OF_CONNECTIONS or name.startswith("access-control-")


HEADER_VALUE = {
    "pattern": r"^(?![\t ])[\t -~\u0080-\u00ff]*(?<![\t ])$",
    "type": "string",
    "x-means": "text of Latin-1 in one line that neither begins nor ends with a blank",
}
# What headers hold that have a meaning to programs, where a document gives them no sample.
_MEANT = {
    "(content-)?location": "/",  # of this machine: who follows it needs no network
    "etag": '"example"',
    "expires|last-modified|sunset": "Thu, 01 Jan 2026 00:00:00 GMT",
    "link": '</>; rel="self"',
    "age|retry-after|(x-)?rate-?limit.*": "1",
}
# Read at once: a test may put a file system of its own in place of this one, as pyfakefs does.
_BUNDLED = importlib.resources.files("modelgates_api").joinpath("openapi.json").read_text("utf-8")
_NAME = re.compile(r"\{[^}]*\}")  # in a path
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

    `path` begins with `prefix`, the server's; bodies have the schema of each media type; `fields`
    are what the JSON of a request may hold, `required` what it must; `credentials` are the headers
    that may carry the key, in lower case, with whether it is a bearer token; an `anonymous` call
    needs none. `defaults` are those of a body's fields.
    """

    method: str = ""
    prefix: str = ""
    path: str = ""
    bodies: Mapping[str, Json] = {}
    body_required: bool = False
    fields: Mapping[str, Mapping[str, Json]] = {}
    required: Container[str] = ()
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


class Document(Samples):
    """An OpenAPI 3.1 document, parsed; without paths, it is a `ValueError`."""

    def __init__(self, contents: Mapping[str, Json]) -> None:
        if "swagger" in fields(contents):
            raise ValueError("this is Swagger 2.0, not OpenAPI 3: convert it first")
        if not isinstance(fields(contents).get("paths"), Mapping):
            raise ValueError("this is not an OpenAPI document: it has no paths")
        self.contents = contents  # as it was given
        super().__init__(contents)
        paths = self._contents["paths"].items()
        items = [(path, fields(self._resolve(reference))) for path, reference in paths]
        self.operations = [
            self._read_operation(path, method, item)
            for path, item in items
            for method in _METHODS
            if method in item
        ]
        # Of two shapes that fit, that with more text is meant: it comes last.
        self._shapes = [
            (re.compile("[^/]+".join(map(re.escape, _NAME.split(each.path)))), each)
            for each in sorted(self.operations, key=lambda each: len(_NAME.sub("", each.path)))
        ]

    def at(self, path: str) -> dict[str, Operation]:
        """Give the operations at the path of a request, by method."""
        found = [(shape, each) for shape, each in self._shapes if shape.fullmatch(path)]
        # Frameworks write two paths of one shape for two methods: `/voices/{id}`, `/voices/{name}`.
        return {each.method: each for shape, each in found if shape == found[-1][0]}

    @property
    def prefix(self) -> str:
        """The path of the server that speech has, or that all operations have."""
        speech = (each.prefix for each in self.operations if each.path.endswith("/speech"))
        return next(speech, _server_path(self._contents.get("servers")))

    def _read_operation(self, path: str, method: str, item: Json) -> Operation:
        operation = item[method]
        everywhere = self._contents.get("servers")
        prefix = _server_path(operation.get("servers") or item.get("servers") or everywhere)
        given = [*item.get("parameters", []), *operation.get("parameters", [])]
        declared = [self._resolve(parameter) for parameter in given]
        body = self._resolve(operation.get("requestBody", {}))
        bodies = _schemas(body)
        required = (part.get("required", []) for part in self._parts(_json(bodies), "allOf"))
        security: Json = operation.get("security", self._contents.get("security"))
        # Whatever else an edition of the document names: a bearer token is what the API knows.
        credentials = self._schemes(security or []) | {"authorization": True}
        sent_anyway = {*credentials, "accept", "content-type"}
        # Programs write an empty list for what nobody has said.
        asks = any(p["name"].lower() == "authorization" and p.get("required") for p in declared)
        return Operation(
            method=method.upper(),
            prefix=prefix,
            path=prefix + path,
            bodies=bodies,
            body_required=body.get("required", False),
            fields=self.properties(_json(bodies)),
            required={name for names in required for name in names},
            defaults={
                name: part["default"]
                for schema in bodies.values()
                for name, value in self.properties(schema).items()
                for part in reversed(self._parts(value, *JOINED))
                if "default" in part
            },
            parameters=[
                parameter
                for parameter in declared
                if parameter["in"] != "path" and parameter["name"].lower() not in sent_anyway
            ],
            replies={
                str(status).upper(): self._read_reply(self._resolve(response))
                for status, response in operation.get("responses", {}).items()
                if not str(status).startswith("x-")
            },
            credentials=credentials,
            anonymous=security is not None and ({} in security or not (security or asks)),
        )

    def _read_reply(self, response: Json) -> Reply:
        headers = {
            name: self._resolve(header) for name, header in fields(response.get("headers")).items()
        }
        wanted = {
            name.lower(): _sampled(header)
            for name, header in headers.items()
            # The stub sends this one in any case.
            if header.get("required") or name.lower() == "x-request-id"
            # What is sent is not compressed.
            if not (name.lower() == "content-encoding" or is_the_servers(name.lower()))
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

    def headers(self, operation: Operation, status: int, ours: Mapping[str, str]) -> dict[str, str]:
        """Make the headers of a response: those it must have, and `ours` as far as they fit."""
        made = {**ours}
        for name, schema in operation.reply(status).headers.items():
            if name not in ours or self.problem(schema, ours[name]):
                known = fields(self._resolve(schema))
                meant = [text for names, text in _MEANT.items() if re.fullmatch(names, name)]
                samples = {"examples": [*known.get("examples", []), *meant]}
                value = self.example({**known, **samples} if meant else schema, {})
                text = value if isinstance(value, str) else json.dumps(value)
                # What no header can hold is written as in a URL.
                made[name] = quote(text) if self.problem(HEADER_VALUE, text) else text
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
                value = self.example(schema, hints)
                if json.dumps(message) not in json.dumps(value):
                    # It says what happened where it may, also by a schema that says nothing.
                    said, known = fields(value), {"message": message}
                    for code in ({"code": status}, {"code": str(status)}, {}):
                        plain = {**said, "error": {**code, **known, **fields(said.get("error"))}}
                        if self.problem(schema, plain) is None:
                            value = plain
                            break
                return media_type, json.dumps(value).encode()
        kind = next((kind for kind in content if kind.startswith("text/")), None)
        return kind, str(message).encode() if kind else b""


# Fields in which errors say what happened, in the shapes that are known.
_SAYING = ("message", "msg", "detail", "title", "error", "error_description")


def load(
    document: Mapping[str, Json] | str | os.PathLike[str] | None = None,
) -> Document:
    """Read an OpenAPI document: parsed, of a JSON or YAML file, or the one of this release.

    Raises:
        ValueError: It is not an OpenAPI document.
        OSError: The file cannot be read.
    """
    if document is None:
        return Document(json.loads(_BUNDLED))
    if isinstance(document, Mapping):
        return Document(document)
    source = Path(document)
    text = source.read_text("utf-8-sig")
    is_yaml = source.name.endswith((".yaml", ".yml"))
    try:
        return Document(_read_yaml(text) if is_yaml else json.loads(text))
    except Exception as error:
        kind = "YAML" if is_yaml else "JSON"
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{source} is not {kind} that can be followed: {what}") from error


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
    contents = part.get("content", {}).items()
    return {kind.strip().lower(): _sampled(content) for kind, content in contents}


def _sampled(part: Mapping[str, Json]) -> Json:
    """The schema of a content or a header, with the sample that stands beside it."""
    schema: Json = part.get("schema", True)
    beside = {"example": part["example"]} if "example" in part else {}
    return {**fields(schema), **beside} if beside and isinstance(schema, Mapping) else schema


def _json(content: Mapping[str, Json]) -> Json:
    return next((schema for media_type, schema in content.items() if "json" in media_type), None)
