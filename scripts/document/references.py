"""Find and follow the `$ref`s of a document."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from scripts.document.reading import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

Place = tuple[str | int, ...]

LONGEST_NAME = 80
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

# What stands below these is a sample of data, not a part of the description.
_SAMPLES = {"const", "default", "enum", "example", "examples"}
# What is below these has names that the publisher chose: `default` may be one of them.
NAMED = {
    *("properties", "patternProperties", "dependentSchemas", "$defs", "responses", "schemas"),
    *("parameters", "requestBodies", "headers", "callbacks", "links", "pathItems", "content"),
    *("paths", "webhooks", "securitySchemes", "encoding"),
}


def parts(node: Any, place: Place = (), *, named: bool = False) -> Iterator[tuple[Place, Any]]:
    """Give each mapping of the description at or below `node`, with its place; no sample of data.

    Args:
        node: A part of a document.
        place: Where it is.
        named: Whether its keys are names that the publisher chose.
    """
    if is_mapping(node):
        if not named:
            yield place, node
        for key, value in node.items():
            if named or key not in _SAMPLES:
                inner = not named and key in NAMED
                yield from parts(value, (*place, key), named=inner)
    elif is_list(node):
        for index, value in enumerate(node):
            yield from parts(value, (*place, index))


def references(node: Any) -> Iterator[tuple[Place, str]]:
    """Give the place and the target of each `$ref` at or below `node`."""
    for place, part in parts(node):
        if isinstance(part.get("$ref"), str):
            yield (*place, "$ref"), part["$ref"]


def _mapped(node: Any) -> Iterator[str]:
    """Give what the discriminators at or below `node` point at."""
    for place, part in parts(node):
        if place[-1:] == ("discriminator",) and is_mapping(mapping := part.get("mapping")):
            for target in mapping.values():
                yield target if "/" in target else f"#/components/schemas/{target}"


def reachable(document: dict[str, Any], start: Any) -> dict[tuple[str, str], Any]:
    """Give each component that `start` needs, directly or not, by its kind and name."""
    found: dict[tuple[str, str], Any] = {}
    waiting = [start]
    while waiting:
        node = waiting.pop()
        for reference in (*(target for _, target in references(node)), *_mapped(node)):
            match keys_of(reference):
                case ["components", kind, name, *_] if (kind, name) not in found:
                    part = follow(document, pointer(("components", kind, name)))
                    found[kind, name] = part
                    waiting.append(part)
                case _:
                    pass
    return found


def pointer(place: Place) -> str:
    """Give the `$ref` to a place."""
    return "/".join(["#", *(str(step).replace("~", "~0").replace("/", "~1") for step in place)])


def keys_of(reference: str) -> list[str]:
    """Give the keys that a `$ref` within the document names, from the outermost."""
    parts = unquote(reference.removeprefix("#")).split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def follow(document: Any, reference: str) -> Any:
    """Give what a `$ref` within the document points at, or None where nothing is."""
    if not reference.startswith("#/"):
        return None
    for part in keys_of(reference):
        if is_mapping(document):
            document = document.get(part)
        elif is_list(document) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def put(document: Any, place: Place, value: Any) -> None:
    """Put something at a place of the document."""
    for step in place[:-1]:
        document = document[step]
    document[place[-1]] = value


def variants(name: str) -> Iterator[str]:
    """Give a name, and what to call it with a number should that be taken."""
    yield name
    yield from (f"{name[: LONGEST_NAME // 2]}_{number}" for number in count(2))


def free_name(name: str, taken: Container[str]) -> str:
    """Give a name that is not taken: with a number, should it be."""
    return next(each for each in variants(name) if each not in taken)
