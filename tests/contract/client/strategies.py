"""Values drawn from the document's schemas, through Schemathesis, which draws requests.

So a schema becomes the body of one, in a document that has nothing else.
"""

import contextlib
import functools
import importlib
import json
import re

import hypothesis
from hypothesis import strategies as st

from tests.contract.run import document, edition, mappings, narrowed, schema

SCHEMAS = document().get("components", {}).get("schemas", {})

settings = hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    suppress_health_check=list(hypothesis.HealthCheck),
    # Each phase but the one that traces every line to explain a failure, for minutes.
    phases=set(hypothesis.Phase) - {hypothesis.Phase.explain},
)


def values(part, breadth=None) -> st.SearchStrategy:
    """Valid values of a schema, with at most `breadth` properties of each object."""
    return _values(json.dumps(part), breadth)


@functools.cache
def _values(written: str, breadth: int | None) -> st.SearchStrategy:
    """The same; made once, as several tests draw from it, and making it takes as long."""
    part = json.loads(written)
    drawn = _operation(part, breadth).as_strategy().map(lambda case: case.body)
    return drawn.filter(edition().validator(part).is_valid)


def _operation(part, breadth: int | None):
    body = {"required": True, "content": {"application/json": {"schema": part}}}
    operation = {"requestBody": body, "responses": {"200": {"description": "Never sent."}}}
    contents = {
        "openapi": document()["openapi"],
        "info": {"title": "A schema", "version": "1"},
        "components": {"schemas": _schemas(breadth)},
        "paths": {"/": {"post": operation}},
    }
    return schema(contents)["/"]["POST"]


def _schemas(breadth: int | None):
    """Schemas of what is sent and received alike, where the judge would leave out either."""
    made = narrowed(SCHEMAS, breadth)
    for part in mappings(made):
        for word in ("readOnly", "writeOnly"):
            if part.get(word) is True:  # as a property, it would be a schema
                del part[word]
    return made


@functools.cache
def models() -> dict[str, type]:
    """The generated classes, by their names without case and punctuation."""
    package = importlib.import_module("modelgates_api.models")
    return {_plain(name): getattr(package, name) for name in package.__all__}


def model(name: str) -> type | None:
    """The generated class of a schema of ours, or None where it has another name."""
    titles = [_plain(schema.get("title", each)) for each, schema in SCHEMAS.items()]
    title = _plain(SCHEMAS[name].get("title", name))
    return models().get(title) if titles.count(title) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"\W|_", "", name).lower()


def ours() -> list[str]:
    """The names of the schemas that our operation reaches."""
    reached = _reached(edition().item["post"], edition().item.get("parameters", []))
    names = (each.rpartition("/")[2].replace("~1", "/").replace("~0", "~") for each in reached)
    return list(dict.fromkeys(name for name in names if name in SCHEMAS))


def holds_files(name: str) -> bool:
    """Whether a schema of ours reaches a file, which JSON cannot hold."""
    reached = _reached({"$ref": f"#/components/schemas/{name}"}).values()
    return any('"format": "binary"' in json.dumps(part) for part in reached)


def _reached(*parts) -> dict[str, object]:
    """What the parts of a document refer to, directly or not, by the references."""
    found: dict[str, object] = {}
    waiting = list(parts)
    while waiting:
        for reference in re.findall(r'"\$ref": "(#[^"]*)"', json.dumps(waiting.pop())):
            if reference not in found:
                with contextlib.suppress(KeyError):  # in an example it is a text like any other
                    found[reference] = edition().resolved({"$ref": reference})
                    waiting.append(found[reference])
    return found


def is_header_safe(text: str) -> bool:
    return re.fullmatch(r"[\x21-\x7e]+", text) is not None
