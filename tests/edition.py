"""What the document of the day asks for, so that tests need not be rewritten with it."""

import inspect
import json
from fnmatch import fnmatchcase
from importlib.resources import files

import pytest

from modelgates_speech._binding import ARGUMENTS

DOCUMENT = json.loads(files("modelgates_api").joinpath("openapi.json").read_text("utf-8"))
SPEECH = DOCUMENT["paths"]["/audio/speech"]["post"]
AUDIO_TYPES = list(SPEECH["responses"]["200"]["content"])

needs_mp3 = pytest.mark.skipif(
    "mp3" not in ARGUMENTS.get("response_format", {}).get("values", ()),
    reason="the document no longer has mp3",
)

# What the client's arguments give at least.
PLAIN = {"input": "Hello", "model": "a/b", "voice": "c"}


def _resolved(node):
    while "$ref" in node:
        found = DOCUMENT
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        node = found
    return node


def _sample(schema):
    """Make a value of a simple type."""
    schema = _resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    return {"integer": 1, "number": 1.0, "boolean": True}.get(schema.get("type"), "sample")


_REQUEST = _resolved(_resolved(SPEECH["requestBody"])["content"]["application/json"]["schema"])

# Beyond what the client's arguments give.
REQUIRED_HEADERS = {
    parameter["name"]: str(_sample(parameter["schema"]))
    for parameter in map(_resolved, SPEECH.get("parameters", []))
    if parameter["in"] == "header"
    and parameter.get("required")
    and parameter["name"].lower() != "authorization"
}
REQUIRED_BODY = {
    name: _sample(_REQUEST["properties"][name])
    for name in _REQUEST.get("required", [])
    if name not in PLAIN
}
WHOLE = PLAIN | REQUIRED_BODY
# The same under the names that arguments have in Python.
REQUIRED_ARGUMENTS = {
    name: REQUIRED_BODY[argument["name"]]
    for name, argument in ARGUMENTS.items()
    if argument["name"] in REQUIRED_BODY
}


def is_documented(content_type):
    """Whether speech may have a content type, which the document may say with a wildcard."""
    media_type = content_type.partition(";")[0]
    return any(fnmatchcase(media_type, documented) for documented in AUDIO_TYPES)


def asks_for_more():
    """Whether the document requires what no argument of the client gives."""
    return bool(REQUIRED_HEADERS or REQUIRED_BODY)


def arguments_of(operation):
    """A value for each argument that a generated operation requires, but for client and body."""
    parameters = inspect.signature(operation._get_kwargs).parameters.values()
    needed = [each for each in parameters if each.default is each.empty and each.name != "body"]
    return {each.name: "Bearer sample" for each in needed}
