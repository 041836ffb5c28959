"""Values drawn from the document's schemas, through Schemathesis, which draws requests.

So a schema becomes the body of one, in a document that has nothing else.
"""

import functools
import importlib
import json
import re

import hypothesis
from hypothesis import strategies as st

from tests.contract.run import document, edition, narrowed, schema

SCHEMAS = document().get("components", {}).get("schemas", {})

settings = hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    suppress_health_check=list(hypothesis.HealthCheck),
)


def values(part, breadth=None) -> st.SearchStrategy:
    """Valid values of a schema, with at most `breadth` properties of each object."""
    drawn = _operation(json.dumps(part), breadth).as_strategy().map(lambda case: case.body)
    return drawn.filter(edition().validator(part).is_valid)


@functools.cache
def _operation(part: str, breadth: int | None):
    body = {"required": True, "content": {"application/json": {"schema": json.loads(part)}}}
    operation = {"requestBody": body, "responses": {"200": {"description": "Never sent."}}}
    contents = {
        "openapi": document()["openapi"],
        "info": {"title": "A schema", "version": "1"},
        "components": {"schemas": narrowed(SCHEMAS, breadth)},
        "paths": {"/": {"post": operation}},
    }
    return schema(contents)["/"]["POST"]


@functools.cache
def models() -> dict[str, type]:
    """The generated classes, by their names without case and punctuation."""
    package = importlib.import_module("modelgates_api.models")
    return {_plain(name): getattr(package, name) for name in package.__all__}


def model(name: str) -> type | None:
    """The generated class of a schema of ours, or None where it has another name."""
    return models().get(_plain(SCHEMAS[name].get("title", name)))


def _plain(name: str) -> str:
    return re.sub(r"\W|_", "", name).lower()


def ours() -> list[str]:
    """The names of the schemas that our operation reaches."""
    found: list[str] = []
    waiting = [edition().item["post"], edition().item.get("parameters", [])]
    while waiting:
        for reference in re.findall(r'"\$ref": "(#[^"]*)"', json.dumps(waiting.pop())):
            part = edition().resolved({"$ref": reference})
            name = reference.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
            if name in SCHEMAS and name not in found:
                found.append(name)
            if part not in waiting and name not in _seen:
                waiting.append(part)
                _seen.add(name)
    return found


_seen: set[str] = set()


def is_header_safe(text: str) -> bool:
    return re.fullmatch(r"[\x21-\x7e]+", text) is not None
