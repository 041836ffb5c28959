"""Say in one way what documents say in several, so that only the wire is compared."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from scripts.document.layout import is_bearer
from scripts.document.mending import mend_old_words
from scripts.document.operation import METHOD, PATH, bodies, operations, resolve
from scripts.document.reading import is_list, is_mapping
from scripts.document.references import follow, parts
from scripts.document.simpler import KINDS, simplify
from scripts.generation.terms import leave_out_the_key

# What says nothing of a value.
TEXTS = {"title", "description", "example", "examples"}
# What else says of what type a value is.
_TYPING = {"type", "$ref", "allOf", "anyOf", "oneOf"}
# What is put into documents that ask for the key in another way than this client sends it.
OUR_SCHEME, BEARER = "bearerKey", {"type": "http", "scheme": "bearer"}


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Give a copy of a document in the one way.

    Where the API is and how the key is asked for is left out: the former is compared apart, and
    the latter is a bearer token whichever way the document says it.
    """
    document = deepcopy(document) | {"openapi": "3.1.0"}
    simplify(document)
    leave_out_the_key(document)
    # Whatever asks for the key, a bearer token will do: see `_add_bearer` in layout.py.
    document.get("components", {}).pop("securitySchemes", None)
    items = document["paths"].values()
    for level in (document, *items, *(operation for _, _, operation in operations(document))):
        level.pop("servers", None)
        level.pop("security", None)
    for _, _, operation in operations(document):
        _number_success(operation.get("responses", {}))
    _modernize(document)
    for body in bodies(document):
        body["content"] = {
            kind.partition(";")[0].strip().lower(): media for kind, media in body["content"].items()
        }
        for media_type, media in body["content"].items():
            if "json" not in media_type and not media_type.startswith(("text/", "multipart/")):
                media.pop("schema", None)
    return document


def ways_of_the_key(document: dict[str, Any]) -> tuple[bool, list[str]]:
    """Tell whether our operation takes its key as a bearer token, and name the other ways."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    operation = document["paths"].get(PATH, {}).get(METHOD, {})
    security: list[dict[str, Any]] = operation.get("security", document.get("security")) or []
    known = [name for requirement in security for name in requirement if name in schemes]
    names = [name for name in known if (name, schemes[name]) != (OUR_SCHEME, BEARER)]
    others = [name for name in names if not is_bearer(schemes[name])]
    said = [schemes[name].get("name", schemes[name].get("scheme", name)) for name in others]
    takes_bearer = {} in security or len(others) < len(names) or not names
    return takes_bearer, [f"`{each}`" for each in dict.fromkeys(said)]


def _number_success(responses: dict[str, Any]) -> None:
    """Call any success 200 where it is the only one, as a client takes the one as the other."""
    if [status for status in responses if status.startswith("2")] == ["2XX"]:
        responses["200"] = responses.pop("2XX")


def _modernize(document: dict[str, Any]) -> None:
    for _, node in parts(document):
        if is_list(node.get("allOf")):
            _merge_parts(node, document)
        for _ in mend_old_words(node):
            pass
        for key in ("anyOf", "oneOf"):
            if is_list(node.get(key)):
                _widen(node, key, document)
            if is_list(node.get(key)):
                _allow_null(node, key, document)
        others = node.get("additionalProperties", False)
        if others is True or (is_mapping(others) and set(others) <= TEXTS):
            # As where nothing is said of them.
            del node["additionalProperties"]
        _name_values(node)
        if node.get("format") in ("float", "double"):
            # In JSON a number is a number.
            del node["format"]


def _name_values(node: dict[str, Any]) -> None:
    """Write one value as a list of one, and of what type values are where nothing else says it."""
    if "const" in node:
        node["enum"] = [node.pop("const")]
    values: Any = node.get("enum")
    if is_list(values) and values and not _TYPING & node.keys():
        kinds = [*dict.fromkeys(KINDS.get(type(value).__name__, "") for value in values)]
        if all(kinds):
            node["type"] = kinds[0] if len(kinds) == 1 else kinds


def _merge_parts(node: dict[str, Any], document: dict[str, Any]) -> None:
    """Write `allOf` of objects as the one object that it means."""
    joined: list[dict[str, Any]] = []
    waiting = list(node["allOf"])
    while waiting:
        part = waiting.pop(0)
        if len(joined) > 100 or not is_mapping(part):
            return
        if "$ref" in part:
            part = {**follow(document, part["$ref"]), **{k: part[k] for k in part if k != "$ref"}}
        waiting = [*part.get("allOf", []), *waiting]
        joined.append({key: value for key, value in part.items() if key != "allOf"})
    if any({"anyOf", "oneOf", "not", "if"} & part.keys() for part in joined):
        return
    del node["allOf"]
    properties: dict[str, Any] = {}
    required: list[str] = []
    own = dict(node)
    for part in (*joined, own):
        node |= deepcopy(part)
        properties |= deepcopy(part.get("properties", {}))
        required += [name for name in part.get("required", []) if name not in required]
    if properties:
        node |= {"properties": properties, "type": "object"}
    if required:
        node["required"] = required


def _allow_null(node: dict[str, Any], key: str, document: dict[str, Any]) -> None:
    """Write something or null as something that may be null."""
    given = [resolve(document, part) for part in node[key]]
    others = [part for part in given if part.get("type") != "null"]
    if len(others) == 1 and len(given) > 1 and isinstance(others[0].get("type"), str):
        del node[key]
        node |= {**deepcopy(others[0]), **node, "type": [others[0]["type"], "null"]}


def _widen(node: dict[str, Any], key: str, document: dict[str, Any]) -> None:
    """Write any text, or one of these texts, as any text, whatever else it may be."""
    given = [resolve(document, part) if is_mapping(part) else {} for part in node[key]]
    if not any(part.get("type") == "string" and set(part) <= {"type", *TEXTS} for part in given):
        return
    others = [part for part, it in zip(node[key], given, strict=True) if not _is_text(it)]
    if others:
        node[key] = [{"type": "string"}, *others]
    else:
        del node[key]
        node["type"] = "string"


def _is_text(schema: dict[str, Any]) -> bool:
    values = schema.get("enum", [schema.get("const")])
    return schema.get("type") == "string" or all(isinstance(value, str) for value in values)
