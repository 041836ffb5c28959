"""The arguments of a call, as an OpenAPI document describes them."""

from __future__ import annotations

import keyword
import unicodedata
from typing import TYPE_CHECKING, Any

from openapi_python_client.strings import PythonIdentifier

from scripts.document.operation import METHOD, PATH, json_media, merged, resolve
from scripts.document.reading import is_list, is_mapping
from scripts.document.references import free_name
from scripts.generation.methods import RESERVED

if TYPE_CHECKING:
    from collections.abc import Collection


def request_properties(document: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """Give the schemas of the request's properties by name, and the names of those required."""
    item = resolve(document, document["paths"][PATH])
    properties, required = merged(document, json_media(document, item[METHOD]).get("schema", {}))
    return {name: _told(document, value) for name, value in properties.items()}, required


def _told(document: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Give a property's schema without detours: null aside, what can only be of one type is."""
    if not is_mapping(schema):
        return {}
    told: dict[str, Any] = resolve(document, schema)
    if "const" in told:
        told = {"enum": [told["const"]], **told}
    for key in ("allOf", "anyOf", "oneOf"):
        parts = [_told(document, part) for part in told.get(key, [])]
        parts = [part for part in parts if part.get("type") != "null"]
        kinds = {_type_of(document, part) for part in parts}
        if key == "allOf" and len(plain := kinds - {"any"}) == 1 and not plain & {"object"}:
            # All of it is said of one value.
            parts = [{name: part[name] for part in parts for name in part}]
        if len(parts) == 1 or (kinds == {"string"} and key != "allOf"):
            values = [value for part in parts for value in part.get("enum", [])]
            rest = {name: told[name] for name in told if name != key}
            return {**parts[0], **({"enum": values} if values else {}), **rest}
    return told


def arguments_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give what `_binding.ARGUMENTS` holds: each argument by its name in Python."""
    properties, required = request_properties(document)
    found: dict[str, dict[str, Any]] = {}
    for name, schema in properties.items():
        if schema.get("readOnly"):
            continue
        values = tuple(value for value in _values_of(document, schema) if isinstance(value, str))
        found[python_name(name, found)] = {
            "name": name,
            "type": _type_of(document, schema),
            "values": values,
            "required": name in required,
            "deprecated": bool(schema.get("deprecated")),
            "description": str(schema.get("description") or schema.get("title") or ""),
        }
    return found


def python_name(name: str, taken: Collection[str]) -> str:
    """Give the argument's name: the property's own where Python and our options allow."""
    name = unicodedata.normalize("NFKC", name)
    own = name if name.isidentifier() else PythonIdentifier(name, "field_").rstrip("_")
    if keyword.iskeyword(own) or own in RESERVED or own.startswith("__"):
        own = f"{own.lstrip('_') or 'field'}_"
    return free_name(own, taken)


def _type_of(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """Name the type of a schema, several as in `string|object`; `any` where it may be of each."""
    given: Any = schema.get("type")
    kinds = given if is_list(given) else [given]
    values: list[Any] = schema.get("enum", [])
    if given is None:
        kinds = [_type_of(document, part) for part in _either(document, schema)]
        if "properties" in schema:
            kinds = ["object"]
        elif values and all(isinstance(value, str) for value in values):
            kinds = ["string"]
    found = {kind for each in kinds for kind in str(each).split("|")} - {"null"}
    return "any" if not found or "any" in found else "|".join(sorted(found))


def _values_of(document: dict[str, Any], schema: dict[str, Any]) -> list[Any]:
    """Give the values that a schema names, be it as one of several parts."""
    if is_list(values := schema.get("enum")):
        return values
    parts = _either(document, schema)
    return [value for part in parts for value in _values_of(document, part)]


def _either(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the parts of which a value is one."""
    parts = schema.get("anyOf", schema.get("oneOf", []))
    return [_told(document, part) for part in parts]
