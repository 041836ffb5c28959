"""Find and follow the `$ref`s of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.document import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = tuple[str | int, ...]

# What stands below these is a sample of data, not a part of the description.
SAMPLES = {"const", "default", "enum", "example", "examples"}


def references(node: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Give the place and the target of each `$ref` at or below `node`, which is at `place`."""
    if is_mapping(node):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield (*place, key), value
            # A property may be called `default`: only outside of `properties` is it a sample.
            elif key not in SAMPLES or place[-1:] == ("properties",):
                yield from references(value, (*place, key))
    elif is_list(node):
        for index, value in enumerate(node):
            yield from references(value, (*place, index))


def reachable(document: dict[str, Any], start: Any) -> set[tuple[str, str]]:
    """Give kind and name of each component that `start` needs, directly or not."""
    found: set[tuple[str, str]] = set()
    waiting = [start]
    while waiting:
        for _, reference in references(waiting.pop()):
            match keys_of(reference):
                case ["components", kind, name, *_] if (kind, name) not in found:
                    found.add((kind, name))
                    waiting.append(follow(document, f"#/components/{_escaped(kind, name)}"))
                case _:
                    pass
    return found


def _escaped(*parts: str) -> str:
    return "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


def keys_of(reference: str) -> list[str]:
    """Give the keys that a `$ref` within the document names, from the outermost."""
    parts = reference.removeprefix("#").split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def follow(document: Any, reference: str) -> Any:
    """Give what a `$ref` within the document points at, or None where nothing is."""
    for part in keys_of(reference):
        if is_mapping(document):
            document = document.get(part)
        elif is_list(document) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document
