"""Mend what is wrong in a document and can only mean one thing, and say what was mended."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from scripts.document import is_list, is_mapping
from scripts.references import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.references import Place


class Mend(NamedTuple):
    """What was mended, and where."""

    place: Place
    what: str


_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def mended(document: dict[str, Any]) -> tuple[dict[str, Any], list[Mend]]:
    """Give a document as it was meant.

    Args:
        document: A document, parsed; it stays as it is.

    Returns:
        The mended copy, or the document itself where there was nothing to mend, and the mends.
    """
    copy = deepcopy(document)
    mends = list(_mend(copy, (), modern=str(document.get("openapi", "")).startswith("3.1")))
    return (copy if mends else document), mends


def _mend(node: Any, place: Place, *, modern: bool) -> Iterator[Mend]:
    if is_mapping(node):
        names = place[-1:] == ("properties",)
        if not names:
            yield from (Mend(place, what) for what in _mend_schema(node, modern=modern))
        for key, value in node.items():
            # A property may be called `default`: only outside of `properties` is it a sample.
            if names or key not in SAMPLES:
                yield from _mend(value, (*place, key), modern=modern)
    elif is_list(node):
        for index, value in enumerate(node):
            yield from _mend(value, (*place, index), modern=modern)


def _mend_schema(node: dict[str, Any], *, modern: bool) -> Iterator[str]:
    for key in ("required", "enum"):
        values = node.get(key)
        if is_list(values):
            once = [value for index, value in enumerate(values) if value not in values[:index]]
            if len(once) < len(values):
                node[key] = once
                yield f"`{key}` has a value twice"
    if isinstance(node.get("required"), bool) and "in" not in node and "content" not in node:
        del node["required"]
        yield "`required` stands at a property, where it says nothing"
    if modern:
        yield from _mend_old_words(node)
    kind = node.get("type")
    if "default" in node and isinstance(kind, str) and kind in _TYPES:
        given = node["default"]
        fits = isinstance(given, _TYPES[kind]) and (
            kind == "boolean" or not isinstance(given, bool)
        )
        if not fits and not (given is None and node.get("nullable")):
            del node["default"]
            yield f"the default {given!r} is not of type {kind}"


def _mend_old_words(node: dict[str, Any]) -> Iterator[str]:
    """Say as OpenAPI 3.1 does what only 3.0 says so."""
    for exclusive, bound in _BOUNDS.items():
        if isinstance(node.get(exclusive), bool):
            if node.pop(exclusive) and bound in node:
                node[exclusive] = node.pop(bound)
            yield f"`{exclusive}` is a number in OpenAPI 3.1"
    if isinstance(node.get("nullable"), bool) and isinstance(node.get("type"), str):
        if node.pop("nullable"):
            node["type"] = [node["type"], "null"]
        yield "`nullable` is not a word of OpenAPI 3.1"
