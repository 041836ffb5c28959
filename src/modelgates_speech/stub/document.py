"""The OpenAPI document as the stub reads it: paths, what a request must be, what answers look like.

Everything that the stub demands or answers comes from here, so that a changed document changes
the stub.
"""

from __future__ import annotations

import importlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from modelgates_speech.stub.shapes import Json, fields

if TYPE_CHECKING:
    import os

_BASE = "urn:modelgates:openapi"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class RefusedError(Exception):
    """A request that the document does not allow.

    Arguments:
        status: the HTTP status that says so.
        message: what is wrong and what would be right, for people.
        metadata: the same for programs.
        headers: added to the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        metadata: Mapping[str, Json] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.metadata = metadata
        self.headers = headers or {}


@dataclass(frozen=True)
class Parameter:
    """A parameter in the query, a header or a cookie."""

    name: str
    place: str
    required: bool
    schema: Json


@dataclass(frozen=True)
class Operation:
    """One operation of the document, references resolved.

    Arguments:
        bodies: the schema of each media type that a request may have; empty without a body.
        responses: per status, the schema of each media type that an answer may have.
        credentials: the headers that may carry the key, lower case, with whether it is a bearer
            token; empty when anybody may call.
    """

    method: str
    path: str
    bodies: Mapping[str, Json] = field(default_factory=dict[str, Json])
    body_required: bool = False
    parameters: Sequence[Parameter] = ()
    responses: Mapping[str, Mapping[str, Json]] = field(
        default_factory=dict[str, Mapping[str, Json]]
    )
    credentials: Mapping[str, bool] = field(default_factory=dict[str, bool])

    @property
    def success(self) -> tuple[int, Mapping[str, Json]]:
        """The first documented success: its status and media types."""
        for status, content in sorted(self.responses.items()):
            if status.startswith("2"):
                return int(status.replace("X", "0")), content
        return 200, {}


class Document:
    """An OpenAPI 3.1 document.

    Arguments:
        contents: the parsed document.

    Raises:
        ValueError: it has no paths, so it is no OpenAPI document.
    """

    def __init__(self, contents: Mapping[str, Json]) -> None:
        if not isinstance(fields(contents).get("paths"), Mapping):
            raise ValueError("this is no OpenAPI document: it has no paths")
        # References made absolute, any part of the document can be handed to a validator.
        self._contents = cast("dict[str, Json]", _absolute(contents))
        resource = DRAFT202012.create_resource(self._contents)
        registry: Registry[Json] = Registry()
        self._registry = registry.with_resource(_BASE, resource)
        self.prefix = self._server_path()
        self.operations = list(self._read_operations())

    def _server_path(self) -> str:
        server = fields(next(iter(self._contents.get("servers") or []), None))
        url: str = server.get("url", "/")
        for name, variable in fields(server.get("variables")).items():
            url = url.replace(f"{{{name}}}", variable["default"])
        return urlsplit(url).path.rstrip("/")

    def _read_operations(self) -> Sequence[Operation]:
        found: list[Operation] = []
        for path, reference in self._contents["paths"].items():
            item = self._resolve(reference)
            for method in _METHODS:
                if method in item:
                    found.append(self._read_operation(path, method, item))  # noqa: PERF401
        return found

    def _read_operation(self, path: str, method: str, item: Json) -> Operation:
        operation = item[method]
        declared = [*item.get("parameters", []), *operation.get("parameters", [])]
        parameters = [self._resolve(parameter) for parameter in declared]
        body = self._resolve(operation.get("requestBody", {}))
        credentials = self._schemes(operation.get("security", self._contents.get("security", [])))
        for parameter in parameters:
            if parameter["in"] == "header" and parameter["name"].lower() == "authorization":
                credentials["authorization"] = True
        return Operation(
            method=method.upper(),
            path=self.prefix + path,
            bodies=_schemas(body),
            body_required=body.get("required", False),
            parameters=[
                Parameter(
                    name=parameter["name"],
                    place=parameter["in"],
                    required=parameter.get("required", False),
                    schema=parameter.get("schema", True),
                )
                for parameter in parameters
                if parameter["in"] != "path" and parameter["name"].lower() not in credentials
            ],
            responses={
                str(status).upper(): _schemas(self._resolve(response))
                for status, response in operation.get("responses", {}).items()
            },
            credentials=credentials,
        )

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
            part = self._registry.resolver(_BASE).lookup(reference).contents
        return part

    def problem(self, schema: Json, value: Json) -> tuple[str, str] | None:
        """Check a value against a schema of this document.

        Returns:
            What is wrong, and where (`$.speed`); None when nothing is.
        """
        validator: Any = Draft202012Validator(schema, registry=self._registry)
        error = next(iter(validator.iter_errors(value)), None)
        if error is None:
            return None
        # A message quotes the value it is about, which may be a book.
        message = error.message if len(error.message) < 300 else f"{error.message[:300]}..."
        return message, error.json_path

    def with_defaults(self, operation: Operation, body: Json) -> Mapping[str, Json]:
        """Add to the fields of a body those that it left to their defaults."""
        defaults: dict[str, Json] = {}
        for schema in operation.bodies.values():
            properties = fields(self._resolve(schema)).get("properties")
            for name, reference in fields(properties).items():
                value = fields(self._resolve(reference))
                if "default" in value:
                    defaults[name] = value["default"]
        return {**defaults, **fields(body)}

    def error(self, operation: Operation | None, status: int, **hints: Json) -> Json:
        """Build an error body as the document wants it.

        Arguments:
            operation: where; None for a path that the document does not know.
            status: the HTTP status; one that is not documented gets the shape of one that is.
            hints: values for fields by name, wherever the schema has one that allows it.
        """
        hints = {"code": status} | hints
        operation = operation or next(iter(self.operations), None)
        responses: Mapping[str, Mapping[str, Json]] = operation.responses if operation else {}
        keys = [str(status), f"{status // 100}XX", "DEFAULT", *sorted(responses, reverse=True)]
        for key in keys:
            if (key in responses and key[0] not in "123") and (schema := _json(responses[key])):
                return self.example(schema, hints)
        return {"error": {"code": status, "message": hints.get("message", "")}}

    def example(self, schema: Json, hints: Mapping[str, Json]) -> Json:
        """Make a value that fits a schema: its required fields, and those in `hints`."""
        known = fields(self._resolve(schema))
        for key in ("const", "default", "example"):
            if key in known:
                return known[key]
        for key in ("examples", "enum"):
            if known.get(key):
                return known[key][0]
        for key in ("oneOf", "anyOf"):
            if known.get(key):
                return self.example(known[key][0], hints)
        kinds = known.get("type", "object" if "properties" in known or "allOf" in known else None)
        match kinds if isinstance(kinds, str | None) else kinds[0]:
            case "object":
                return self._example_object(known, hints)
            case "array":
                return [self.example(known.get("items"), hints)] * known.get("minItems", 0)
            case "string":
                return "example".ljust(known.get("minLength", 0), "e")
            case "integer" | "number":
                return known.get("minimum", 0)
            case "boolean":
                return False
            case _:
                return None

    def _example_object(self, schema: Mapping[str, Json], hints: Mapping[str, Json]) -> Json:
        made: dict[str, Json] = {}
        for part in schema.get("allOf", []):
            made |= self.example(part, hints) or {}
        for name, value in schema.get("properties", {}).items():
            if name in hints and self.problem(value, hints[name]) is None:
                made[name] = hints[name]
            elif name in schema.get("required", []):
                made[name] = self.example(value, hints)
        return made


def load(
    document: Document | Mapping[str, Json] | str | os.PathLike[str] | None = None,
) -> Document:
    """Read a document.

    Arguments:
        document: parsed, or the path of a JSON or YAML file; by default the one
            that this release was generated from.

    Raises:
        ValueError: it is no OpenAPI document.
        OSError: the file cannot be read.
    """
    if isinstance(document, Document):
        return document
    if isinstance(document, Mapping):
        return Document(document)
    if document is None:
        source = importlib.resources.files("modelgates_api").joinpath("openapi.json")
        return Document(json.loads(source.read_text("utf-8")))
    path = Path(document)
    text = path.read_text("utf-8")
    if path.suffix not in {".yaml", ".yml"}:
        return Document(json.loads(text))
    yaml: Any = importlib.import_module("yaml")  # only here: parsing JSON takes no YAML
    try:
        return Document(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error


def _schemas(part: Mapping[str, Json]) -> dict[str, Json]:
    return {
        media_type.lower(): content.get("schema", True)
        for media_type, content in part.get("content", {}).items()
    }


def _json(content: Mapping[str, Json]) -> Json:
    return next((schema for media_type, schema in content.items() if "json" in media_type), None)


def _absolute(part: Json) -> Json:
    if isinstance(part, Mapping):
        return {
            str(key): f"{_BASE}{value}"
            if key == "$ref" and str(value).startswith("#")
            else _absolute(value)
            for key, value in fields(part).items()
        }
    if isinstance(part, list):
        return [_absolute(value) for value in cast("Sequence[Json]", part)]
    return part
