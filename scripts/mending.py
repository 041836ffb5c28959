"""Mend what is wrong in a document and can only mean one thing, and say what was mended."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from scripts.document import is_list, is_mapping
from scripts.layout import Mend, lay_out
from scripts.references import follow, keys_of, parts, reachable, references
from scripts.terms import operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.references import Place


_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
# What publishers call a type by the name that their language has for it.
_WORDS = {
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    **dict.fromkeys(("int", "long"), "integer"),
    **dict.fromkeys(("str", "text"), "string"),
    **dict.fromkeys(("dict", "map"), "object"),
    "bool": "boolean",
    "list": "array",
}
# Groups with names, letters and digits of every script.
_PATTERNS = {
    r"\(\?<(?=[A-Za-z])": "(?P<",
    r"\\p\{L\w?\}": r"[^\\W\\d_]",
    r"\\p\{N\w?\}": r"\\d",
}
# What a schema says of the kind of value that it allows.
_ALLOWING = ("type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf")
# Schemas may refer to each other without end.
_DEEP = 20
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
        The mended copy, and the mends.
    """
    copy = deepcopy(document)
    mends = [*lay_out(copy), *_mend(copy)]
    _require_of_each_side_what_is_its_own(copy)
    return copy, mends


def _require_of_each_side_what_is_its_own(document: dict[str, Any]) -> None:
    """Have no request require what only answers hold, and no answer what only requests do."""
    known = [operation for _, _, operation in operations(document)]
    for side, word in (("requestBody", "readOnly"), ("responses", "writeOnly")):
        start = [operation.get(side) for operation in known]
        for _, node in parts([*start, *reachable(document, start).values()]):
            properties, required = node.get("properties"), node.get("required")
            if is_mapping(properties) and is_list(required):
                others = [name for name in properties if _says(document, properties[name], word)]
                node["required"] = [name for name in required if name not in others]


def _says(document: dict[str, Any], schema: Any, word: str) -> bool:
    """Whether a schema, or what it refers to, says of itself that it is `word`."""
    if not is_mapping(schema):
        return False
    target = follow(document, str(schema["$ref"])) if "$ref" in schema else None
    return any(is_mapping(each) and each.get(word) is True for each in (schema, target))


def _mend(document: dict[str, Any]) -> Iterator[Mend]:
    modern = not str(document["openapi"]).startswith("3.0")
    # What `required` names may be a property of another part of the whole.
    joined = {
        keys_of(target)[-1] for place, target in references(document) if "allOf" in place[-3:]
    }
    for place, node in parts(document):
        yield from (Mend(place, what) for what in _mend_schema(node, modern=modern))
        if node.get("default", place) is None and not _takes_null(document, node):
            del node["default"]
            yield Mend(place, "the default null is no value of it, so it has none")
        yield from (Mend(place, what) for what in _mend_recursion(node, place))
        if "allOf" not in {*node, *place} and place[-1:] and place[-1] not in joined:
            yield from (Mend(place, what) for what in _mend_required(node))
        if place[-2:-1] == ("responses",) and not {"description", "$ref"} & node.keys():
            node["description"] = ""
            yield Mend(place, "it has no description")


def _takes_null(document: dict[str, Any], schema: Any, depth: int = 0) -> bool:
    """Whether a schema may hold null, as far as its type and its alternatives say."""
    if not is_mapping(schema) or depth > _DEEP or schema.get("nullable") is True:
        return True
    if "$ref" in schema:
        return _takes_null(document, follow(document, str(schema["$ref"])), depth + 1)
    if "type" in schema:
        return "null" in str(schema["type"])
    alternatives = [schema[key] for key in ("oneOf", "anyOf") if is_list(schema.get(key))]
    return all(any(_takes_null(document, each, depth + 1) for each in it) for it in alternatives)


def _mend_recursion(node: dict[str, Any], place: Place) -> Iterator[str]:
    """Say by `$ref` that a schema holds itself, as JSON Schema of 2019 did not."""
    if "$recursiveAnchor" in node:
        del node["$recursiveAnchor"]
        yield "`$recursiveAnchor` is not a word of OpenAPI"
    if node.get("$recursiveRef") == "#" and place[:2] == ("components", "schemas"):
        del node["$recursiveRef"]
        node["$ref"] = f"#/components/schemas/{place[2]}"
        yield "`$recursiveRef` is `$ref` in OpenAPI"


def _mend_required(node: dict[str, Any]) -> Iterator[str]:
    """Take a property that is required and not described as one of any type."""
    properties, required = node.get("properties"), node.get("required")
    if is_mapping(properties) and is_list(required) and not {"anyOf", "oneOf"} & node.keys():
        for name in required:
            if isinstance(name, str) and name not in properties:
                properties[name] = {}
                yield f"`required` names {name!r}, which is not described: it may be anything"


def _mend_schema(node: dict[str, Any], *, modern: bool) -> Iterator[str]:
    for key in ("required", "enum"):
        values = node.get(key)
        if is_list(values):
            once = [value for index, value in enumerate(values) if value not in values[:index]]
            if len(once) < len(values):
                node[key] = once
                yield f"`{key}` has a value twice"
    if isinstance(node.get("required"), bool) and not {"in", "content", "schema"} & node.keys():
        del node["required"]
        yield "`required` stands at a property, where it says nothing"
    if modern:
        yield from mend_old_words(node)
    if isinstance(node.get("pattern"), str):
        yield from _mend_pattern(node)
    kind = node.get("type")
    if isinstance(kind, str) and kind.lower() in _WORDS and "in" not in node:
        node["type"] = _WORDS[kind.lower()]
        yield f"the type {kind!r} means {node['type']!r}"
        kind = node["type"]
    if isinstance(kind, str) and kind in _TYPES:
        yield from _mend_values(node, kind)


def _mend_values(node: dict[str, Any], kind: str) -> Iterator[str]:
    """Drop values that are not of the type, and write numbers as the texts that they stand for."""
    if "default" in node and not _fits(node["default"], kind, node):
        yield f"the default {node.pop('default')!r} is not of type {kind}"
    values = node.get("enum")
    if not is_list(values) or all(_fits(value, kind, node) for value in values):
        return
    if kind == "string":
        values = [json.dumps(v) if isinstance(v, int | float) else v for v in values]
    node["enum"] = [value for value in values if _fits(value, kind, node)]
    if not node["enum"]:
        del node["enum"]
    yield f"`enum` has values that are not of type {kind}"


def _fits(value: Any, kind: str, node: dict[str, Any]) -> bool:
    if value is None and node.get("nullable"):
        return True
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _mend_pattern(node: dict[str, Any]) -> Iterator[str]:
    """Write a pattern, which is JavaScript's, so that Python reads it too."""
    given = pattern = node["pattern"]
    for theirs, both in _PATTERNS.items():
        pattern = re.sub(theirs, both, pattern)
    try:
        re.compile(pattern)
    except re.error:
        del node["pattern"]
        yield f"the pattern {given!r} cannot be read here, so nothing checks it"
    else:
        node["pattern"] = pattern


def mend_old_words(node: dict[str, Any]) -> Iterator[str]:
    """Say as OpenAPI 3.1 does what only 3.0 says so."""
    for exclusive, bound in _BOUNDS.items():
        if isinstance(node.get(exclusive), bool):
            if node.pop(exclusive) and bound in node:
                node[exclusive] = node.pop(bound)
            yield f"`{exclusive}` is a number in OpenAPI 3.1"
    if isinstance(node.get("nullable"), bool):
        if node.pop("nullable"):
            add_null(node)
        yield "`nullable` is not a word of OpenAPI 3.1"


def add_null(node: dict[str, Any]) -> None:
    """Have a schema allow null beside what it allows, in the words of OpenAPI 3.1."""
    said = [key for key in _ALLOWING if key in node]
    if said in (["oneOf"], ["anyOf"]) and is_list(node[said[0]]):
        node[said[0]].append({"type": "null"})
    elif isinstance(node.get("type"), str) and {*said} <= {"type", "enum"}:
        node["type"] = [node["type"], "null"]
        if is_list(node.get("enum")):
            node["enum"] = [*(value for value in node["enum"] if value is not None), None]
    elif said:
        node["anyOf"] = [{key: node.pop(key) for key in said}, {"type": "null"}]
