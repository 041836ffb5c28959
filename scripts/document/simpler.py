"""Say the schemas of a document in shapes that the generator has.

It knows references to components and to nothing else, no
conditions beside properties, no request that is one of several objects, no lists in headers.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from scripts.document.operation import merged, request_schema, resolve
from scripts.document.reading import is_list, is_mapping, without_repeats
from scripts.document.references import follow, free_name, keys_of, parts, pointer, put, references

_ONE_SCHEMA = {"schema", "items", "not", "contains", "propertyNames", "if", "then", "else"}
_NAMED_SCHEMAS = {"properties", "patternProperties", "dependentSchemas", "schemas", "$defs"}
_LISTED_SCHEMAS = {"allOf", "anyOf", "oneOf", "prefixItems"}
# What says which properties go together, and nothing of what they are.
_CONDITION = {"required", "not", "if", "then", "else", "title", "description"}
_NOT_USED = {
    *("callbacks", "example", "examples", "externalDocs", "links", "xml"),
    *("contact", "license", "termsOfService"),
}
# What is said to people alone.
_WORDS = {"title", "description", "deprecated", "default", "readOnly", "writeOnly"}
# What is said of an object.
_OF_AN_OBJECT = {"properties", "required", "additionalProperties"}
# What is said of one of several values.
_VALUE = {"const", "enum", "default", "title", "description", "type", "deprecated"}
# What JSON calls the types of values.
KINDS = {
    "str": "string",
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "NoneType": "null",
}
# What makes a class of a schema, or of a part of it.
_COMPOUND = {"properties", "additionalProperties", "items", "allOf", "anyOf", "oneOf"}
_PLAIN = {"string", "number", "integer", "boolean", "null"}
# What the generator writes everywhere else.
_NOT_IN_HEADERS = {"binary", "date", "date-time"}
_ONCE = {"parameters", "requestBodies", "responses", "headers"}


def simplify(document: dict[str, Any]) -> None:
    """Change a document so that it means the same in fewer words of OpenAPI."""
    for _, node in parts(document):
        _make_one_value(document, node)
        _make_one_part_two(node)
    _write_where_it_is_used(document)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in schemas:
        schemas[name] = _only_part(schemas[name])
    name_what_is_pointed_at(document)
    _make_one_object(document)
    for _, node in parts(document):
        for key in {"anyOf", "oneOf"} & node.keys():
            if is_condition(node, key):
                del node[key]
            elif all(_is_of_values(part) for part in node[key]):
                given = node.pop(key)
                listed = [part.get("enum", [part.get("const")]) for part in given]
                values = [value for each in listed for value in each]
                node["enum"] = without_repeats(values)
                defaults = [part["default"] for part in given if "default" in part]
                if len(defaults) == 1:
                    node.setdefault("default", defaults[0])
                if all(isinstance(value, str) for value in values):
                    node["type"] = "string"
    _name_alternatives(schemas)


def _is_of_values(schema: dict[str, Any]) -> bool:
    return bool({"const", "enum"} & schema.keys()) and set(schema) <= _VALUE


def _make_one_value(document: dict[str, Any], node: dict[str, Any]) -> None:
    """Write `allOf` of what is no object as one: the generator would make an object of it."""
    given = node.get("allOf")
    if is_list(given):
        # What only describes, or is there, makes no object of what may be null.
        is_either = any(_is_either(document, part) for part in given)
        said = {*_WORDS, "required"} if is_either else _WORDS
        words = [part for part in given if set(part) <= said]
        if 0 < len(words) < len(given):
            given = node["allOf"] = [part for part in given if part not in words]
            for part in words:
                node |= {key: part[key] for key in _WORDS & part.keys() - node.keys()}
        _say_once(document, node)
    if is_list(given) and len(given) > 1 and any(_is_plain(document, part) for part in given):
        for part in node.pop("allOf"):
            node |= deepcopy({**resolve(document, part), **node})


def _say_once(document: dict[str, Any], node: dict[str, Any]) -> None:
    """Leave a property to the last part of `allOf` that has it, unless the generator joins both."""
    later = dict(_mapping(node.get("properties")))
    given: list[dict[str, Any]] = node["allOf"]
    for number, part in reversed([*enumerate(given)]):
        given[number] = _left(document, part, later)


def _left(document: dict[str, Any], part: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Give a part without what later ones say, of its parts too, and add to those what it says."""
    whole = resolve(document, part)
    own, parts = _mapping(whole.get("properties")), whole.get("allOf")
    rest = {n: each for n, each in own.items() if n not in later or _is_joined(each, later[n])}
    later |= {**own, **later}
    left = {**deepcopy(whole), "properties": deepcopy(rest)} if len(rest) < len(own) else part
    if is_list(parts):
        fewer = [_left(document, each, later) for each in reversed(parts)]
        if any(new is not each for new, each in zip(fewer, reversed(parts), strict=True)):
            left = {**deepcopy(whole if left is part else left), "allOf": [*reversed(fewer)]}
    return left


def _is_joined(one: Any, other: Any) -> bool:
    """Whether the generator makes one of what two parts say: of texts, of the like, and of any."""
    kinds = [each.get("type") if is_mapping(each) else None for each in (one, other)]
    return one == other or not (one and other) or (kinds[0] == kinds[1] and str(kinds[0]) in _PLAIN)


def _is_either(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    whole = resolve(document, schema)
    several = is_list(whole.get("type")) or whole.get("nullable") is True
    return several or bool({"anyOf", "oneOf"} & whole.keys())


def _make_one_part_two(node: dict[str, Any]) -> None:
    """Add a part to an only one, which the generator takes for all that is said of an object."""
    only = [{"$ref": node["$ref"]}] if "$ref" in node else node.get("allOf")
    own = [key for key in _OF_AN_OBJECT & node.keys() if not isinstance(node[key], bool)]
    if is_list(only) and len(only) == 1 and own:
        node.pop("$ref", None)
        node["allOf"] = [*only, {"type": "object"}]


def _only_part(schema: dict[str, Any]) -> dict[str, Any]:
    """Give the reference that a schema is, of which the generator would make a class again."""
    listed = [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, [])]
    return listed[0] if len(listed) == 1 and "$ref" in listed[0] else schema


def _name_alternatives(schemas: dict[str, Any]) -> None:
    """Make a component of what one may be, or list: the generator would make its classes twice."""
    waiting: list[tuple[str, Any, Any]] = [(name, schemas, name) for name in schemas]
    while waiting:
        name, holder, key = waiting.pop()
        node = holder[key] = _only_part(holder[key])
        types = node.get("type")
        if is_list(types) and {"array", "object"} & {*types}:
            node = holder[key] = {"anyOf": [{**node, "type": kind} for kind in types]}
        if holder is not schemas and _COMPOUND & node.keys() and "$ref" not in node:
            own = free_name(name, schemas)
            schemas[own], holder[key] = node, {"$ref": pointer(("components", "schemas", own))}
        for way in ("anyOf", "oneOf"):
            for number, part in enumerate(node.get(way, ())):
                waiting.append((f"{name}_{part.get('title', f'type_{number}')}", node[way], number))
        if is_mapping(node.get("items")):
            waiting.append((f"{name}_item", node, "items"))


def is_condition(schema: dict[str, Any], key: str) -> bool:
    """Tell whether `anyOf` or `oneOf` says which properties go together, and nothing of them."""
    given = schema.get(key)
    return "properties" in schema and is_list(given) and all(set(it) <= _CONDITION for it in given)


def bare(document: dict[str, Any]) -> dict[str, Any]:
    """Give a copy without what no client is generated from: samples, links, callbacks."""
    document = deepcopy(document)
    for _, node in list(parts(document)):
        for key in _NOT_USED & node.keys():
            del node[key]
        if isinstance(node.get("default"), dict | list):
            # The generator knows none of these, and loses what holds one.
            del node["default"]
    return document


def write_plainly(document: dict[str, Any]) -> None:
    """Say less where the generator cannot write all: parameters are the text that is sent."""
    for _, node in parts(document):
        if node.get("additionalProperties") is False and node.get("patternProperties"):
            # It knows nothing of patterns, and would drop what they allow.
            del node["additionalProperties"]
        for way in {"anyOf", "oneOf"} & node.keys():
            _make_one_list(document, node[way])
        types = node.get("type")
        if "array" in (types if is_list(types) else [types]) and "prefixItems" not in node:
            # The generator has no list of which nothing is said.
            node.setdefault("items", {})
        values: list[Any] = [node["const"]] if "const" in node else node.get("enum", [])
        kinds = {KINDS.get(type(value).__name__, "any") for value in values}
        if kinds & {"any", "boolean", "number"} or kinds == {"null"} or len(kinds - {"null"}) > 1:
            # Python has no type of such values, or the generator has none.
            node.pop("const", node.pop("enum", None))
            kinds -= {"integer"} if "number" in kinds else set()
            if "any" not in kinds:
                node.setdefault("type", sorted(kinds))
        elif "null" in kinds and (is_list(node.get("type")) or node.get("nullable")):
            # Or it would make a class of the values for each of the types.
            node.pop("type", None)
            node.pop("nullable", None)
        joined = [node, *map(_mapping, node["allOf"])] if is_list(node.get("allOf")) else []
        narrowed = [it for part in joined for it in _mapping(part.get("properties")).values()]
        for value in map(_mapping, [*narrowed, *node.get("anyOf", ()), *node.get("oneOf", ())]):
            # It can narrow a text to one of several values, not to the only one, and what is not
            # the only value of one alternative may be another.
            if type(value.get("const")) in (str, int):
                value["enum"] = [value.pop("const")]
        if is_mapping(node.get("requestBody")):
            _take_any_text(document, resolve(document, node["requestBody"]))
        if "in" in node and "name" in node:
            is_text = node["in"] == "query" and "content" not in node
            schema = node.get("schema", {"type": None})
            in_header = node["in"] == "header"
            if not is_text and not _is_plain(document, schema, in_header=in_header):
                node.pop("content", None)
                node["schema"] = {"type": "string"}
            # It would send the default unasked. The server knows it.
            _mapping(node.get("schema")).pop("default", None)


def _make_one_list(document: dict[str, Any], several: list[dict[str, Any]]) -> None:
    """Make lists of several kinds one list of several: Python cannot tell them apart by type."""
    wholes = [resolve(document, each) for each in several]
    lists = [whole for whole in wholes if whole.get("type") == "array"]
    items = without_repeats([whole.get("items", {}) for whole in lists])
    if len(items) > 1 and not any("prefixItems" in whole for whole in lists):
        one = {**lists[0], "items": {"anyOf": deepcopy(items)}}
        several[:] = [
            each for each, whole in zip(several, wholes, strict=True) if whole not in lists
        ]
        several.append(one)


def _take_any_text(document: dict[str, Any], body: dict[str, Any]) -> None:
    """Take one of several texts, which need not be sent, as anything: it writes no Python of it."""
    content = {} if body.get("required") else _mapping(body.get("content"))
    for media in map(_mapping, content.values()):
        schema = resolve(document, media.get("schema", {}))
        several: list[Any] = schema.get("anyOf") or schema.get("oneOf") or []
        wholes = [{"type": "string", **resolve(document, each)} for each in several]
        if wholes and all(_is_plain({}, it) and not _COMPOUND & it.keys() for it in wholes):
            media["schema"] = {}


def spell_out(document: dict[str, Any]) -> None:
    """Write the schemas `true` and `false` as the objects that they stand for."""
    for _, node in parts(document):
        for key in _ONE_SCHEMA & node.keys():
            node[key] = _spelled_out(node[key])
        for key in _NAMED_SCHEMAS & node.keys():
            if is_mapping(node[key]):
                node[key] = {name: _spelled_out(part) for name, part in node[key].items()}
        for key in _LISTED_SCHEMAS & node.keys():
            if is_list(node[key]):
                node[key] = [_spelled_out(part) for part in node[key]]


def _spelled_out(schema: Any) -> Any:
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    return schema


def _write_where_it_is_used(document: dict[str, Any]) -> None:
    """Write what one component says by another in both."""
    components = document.get("components", {})
    for named in (components.get(kind, {}) for kind in _ONCE):
        for name, part in named.items():
            if is_mapping(part) and "$ref" in part:
                named[name] = deepcopy(resolve(document, part))


def name_what_is_pointed_at(document: dict[str, Any], *, beside_components: bool = False) -> None:
    """Make a component of each part of a schema that is pointed at where it stands.

    Args:
        document: Is changed.
        beside_components: Only where that is in no component.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    names: dict[str, str] = {}
    copied = True
    while copied:
        copied = False
        # Anew after each copy, which may point at what it is a copy of.
        for place, reference in list(references(document)):
            last = _last(document, reference)
            match keys_of(last):
                case ["components", *_] if beside_components:
                    continue
                case ["components", _, _]:
                    put(document, place, last)
                    continue
                case _ if not {"schema", "itemSchema", "schemas"} & {*place}:
                    continue
                case [*_, name] if follow(document, last) is not None:
                    names.setdefault(last, free_name(name, schemas))
                case _:
                    continue
            if names[last] not in schemas:
                schemas[names[last]] = deepcopy(follow(document, last))
                copied = True
            put(document, place, f"#/components/schemas/{names[last]}")
    if beside_components:
        return
    for name in [name for name, schema in schemas.items() if "$ref" in _mapping(schema)]:
        del schemas[name]


def _mapping(node: Any) -> dict[str, Any]:
    return node if is_mapping(node) else {}


def _last(document: dict[str, Any], reference: str) -> str:
    """Follow what is nothing but a reference."""
    seen = {reference}
    while True:
        target = follow(document, reference)
        if not is_mapping(target) or target.get("$ref", reference) in seen:
            return reference
        reference = target["$ref"]
        seen.add(reference)


def _is_plain(document: dict[str, Any], schema: dict[str, Any], *, in_header: bool = False) -> bool:
    schema = resolve(document, schema)
    either = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    if either:
        return all(_is_plain(document, part, in_header=in_header) for part in either)
    if in_header and ("const" in schema or schema.get("format") in _NOT_IN_HEADERS):
        return False
    kind = schema.get("type", "string" if {"enum", "const"} & schema.keys() else None)
    return {*(kind if is_list(kind) else [kind])} <= _PLAIN


def _make_one_object(document: dict[str, Any]) -> None:
    """Write a request that is one of several objects, or null, as one that has what any has."""
    schema = request_schema(document)
    if "$ref" in schema:
        schema = follow(document, schema["$ref"])
    whole = [schema, *(resolve(document, part) for part in schema.get("allOf", []))]
    listed = [(part, key) for part in whole for key in {"anyOf", "oneOf"} & part.keys()]
    if any(not is_condition(part, key) for part, key in listed):
        properties, required = merged(document, schema)
        kept = {key: value for key, value in schema.items() if key in {"title", "description"}}
        schema.clear()
        schema |= {"type": "object", **kept, "properties": deepcopy(properties)}
        schema["required"] = [name for name in properties if name in required]
    elif is_list(schema.get("type")) or schema.get("nullable"):
        schema["type"] = "object"
        schema.pop("nullable", None)
