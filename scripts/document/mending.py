"""Mend what is wrong in a document and can only mean one thing, and say what was mended."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings

from jsonschema.exceptions import UnknownType
from openapi_schema_validator import OAS31Validator

from scripts.document.layout import Mend, lay_out
from scripts.document.operation import merged, operations, resolve
from scripts.document.reading import is_list, is_mapping, without_repeats
from scripts.document.references import follow, keys_of, parts, pointer, reachable, references
from scripts.document.spelling import spell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.document.references import Place


_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
# What publishers call a type by the name that their language has for it.
_WORDS = {
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    **dict.fromkeys(("int", "long"), "integer"),
    **dict.fromkeys(("str", "text"), "string"),
    **dict.fromkeys(("dict", "map"), "object"),
    "bool": "boolean",
    "list": "array",
    **{kind: kind for kind in ("string", "integer", "number", "boolean", "array", "object")},
}
# Or by what texts are, which OpenAPI calls their format; and by what says nothing.
_FORMATS = {
    **dict.fromkeys(("file", "binary"), "binary"),
    **dict.fromkeys(("date-time", "datetime"), "date-time"),
    **{word: word for word in ("date", "uuid", "uri", "email")},
}
_ANYTHING = {"any", "mixed"}
# What is true or false, and how YAML 1.1 said that.
_SWITCHES = {
    *(
        "additionalProperties",
        "allowEmptyValue",
        "allowReserved",
        "deprecated",
        "exclusiveMaximum",
        "exclusiveMinimum",
    ),
    *("explode", "nullable", "readOnly", "required", "uniqueItems", "writeOnly"),
}
_TRUE_OR_FALSE = {
    **dict.fromkeys(("true", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "no", "off", "n"), False),
}
# Groups with names, letters and digits of every script.
_PATTERNS = {
    r"\(\?<(?=[A-Za-z])": "(?P<",
    r"\\p\{L\w?\}": r"[^\\W\\d_]",
    r"\\p\{N\w?\}": r"\\d",
    # A bracket first in a set: Python warns that it may mean more one day. `[[:` is POSIX.
    r"(?<!\\)\[(\^?)\[(?!:)": r"[\1\\[",
}
# What is said of a parameter or a header itself, not of what it holds.
_OF_A_PARAMETER = {
    *("name", "in", "description", "required", "deprecated", "example", "examples"),
    *("style", "explode", "allowReserved", "allowEmptyValue"),
}
_LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_COUNTS = {f"{end}{of}" for end in ("min", "max") for of in ("Items", "Length", "Properties")}
# What says of a value by itself whether it may be.
_JUDGED = {"type", "format", "enum", "const", "nullable", *_LIMITS, *_COUNTS}
# What a schema says of the kind of value that it allows.
_ALLOWING = ("type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf")
_INT64 = 2**63
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
    mends = [*spell(copy), *lay_out(copy), *_leave_children_to_parents(copy), *_mend(copy)]
    mends += _let_parts_hold_each_other(copy)
    _require_of_each_side_what_is_its_own(copy)
    _let_answers_fit_several(copy)
    return copy, [*mends, *_take_bytes_in_json_as_text(copy)]


def _leave_children_to_parents(document: dict[str, Any]) -> Iterator[Mend]:
    """Have what is a part of each of its alternatives be a part without them, or it never ends."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    for name, parent in schemas.items():
        listed = _listed(parent, "oneOf") or _listed(parent, "anyOf")
        if not listed:
            continue
        own = {"$ref": pointer(("components", "schemas", name))}
        children = [each for each in schemas.values() if own in _listed(each, "allOf")]
        if any(follow(document, str(_ref(part))) in children for part in listed):
            left = {"oneOf", "anyOf", "discriminator", "title"}
            common = {key: value for key, value in parent.items() if key not in left}
            for child in children:
                child["allOf"] = [deepcopy(common) if p == own else p for p in child["allOf"]]
            what = "each of its alternatives has it as a part, which counts without them"
            yield Mend(("components", "schemas", name), what)


def _let_parts_hold_each_other(document: dict[str, Any]) -> Iterator[Mend]:
    """Have a part that takes no other properties take those of the parts beside it.

    By the letter, nothing but what all of them name would fit; the whole of them is meant.
    """
    for place, node in list(parts(document)):
        changed = False
        for key in ("allOf", "anyOf", "oneOf"):
            listed = _listed(node, key)
            for number, part in enumerate(listed):
                others = [it for at, it in enumerate(listed) if at != number and key == "allOf"]
                rest = {k: v for k, v in node.items() if k not in {key, "$ref"}}
                beside = merged(document, {**rest, "allOf": [*_listed(rest, "allOf"), *others]})[0]
                listed[number] = _holding(document, part, beside)
                changed |= listed[number] is not part
        if node.get("additionalProperties") is False:
            whole = _holding(document, node, merged(document, node)[0])
            changed |= whole is not node
            node |= whole
        if changed:
            what = "a part of it takes no properties of the others: those of all are taken"
            yield Mend(place, what)


def _holding(document: dict[str, Any], part: Any, names: dict[str, Any]) -> Any:
    """Give a part that takes certain properties, too, if it is one that names all that it takes."""
    whole = resolve(document, part) if is_mapping(part) and names else {}
    own = whole.get("properties", {})
    missing = {name: deepcopy(names[name]) for name in names if name not in own}
    if missing and whole.get("additionalProperties") is False:
        part = whole = {**whole, "properties": {**own, **missing}}
    for key in ("allOf", "anyOf", "oneOf"):
        listed = [_holding(document, each, names) for each in _listed(whole, key)]
        if any(new is not each for new, each in zip(listed, _listed(whole, key), strict=True)):
            part = whole = {**whole, key: listed}
    return part


def _take_bytes_in_json_as_text(document: dict[str, Any]) -> Iterator[Mend]:
    """Take bytes as text within JSON, which has none, but for what forms hold, too."""
    contents = (node.get("content") for _, node in parts(document))
    media = [item for content in contents if is_mapping(content) for item in content.items()]
    texts = reachable(document, [it for kind, it in media if "json" in kind])
    files = reachable(document, [it for kind, it in media if "json" not in kind])
    for place, node in parts(document):
        is_inline = any(a == "content" and "json" in str(b) for a, b in pairwise(place))
        if node.get("format") == "binary" and (is_inline or place[1:3] in texts.keys() - files):
            del node["format"]
            yield Mend(place, "JSON holds no bytes, so it is any text")


def _listed(schema: Any, key: str) -> list[Any]:
    found = schema.get(key) if is_mapping(schema) else None
    return found if is_list(found) else []


def _ref(schema: Any) -> Any:
    return schema.get("$ref") if is_mapping(schema) else None


def _side(document: dict[str, Any], side: str) -> dict[Place, Any]:
    """Give what operations ask or answer with: their own parts, and the components in these."""
    own = {(path, method): {side: it.get(side)} for method, path, it in operations(document)}
    found: dict[Place, Any] = {("paths", *where): part for where, part in own.items()}
    needed = reachable(document, [*found.values()])
    return found | {("components", *where): part for where, part in needed.items()}


def _let_answers_fit_several(document: dict[str, Any]) -> None:
    """Take `oneOf` of answers as `anyOf`: whether one fits several, makes no difference."""
    asked = _side(document, "requestBody")
    for start, answer in _side(document, "responses").items():
        for _, node in parts(answer) if asked.get(start) is not answer else ():
            if _listed(node, "oneOf") and not {"anyOf", "discriminator"} & node.keys():
                node["anyOf"] = node.pop("oneOf")


def _require_of_each_side_what_is_its_own(document: dict[str, Any]) -> None:
    """Have no request require what only answers hold, and no answer what only requests do."""
    for side, word in (("requestBody", "readOnly"), ("responses", "writeOnly")):
        for _, node in parts([*_side(document, side).values()]):
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
        name
        for place, target in references(document)
        if "allOf" in place[-3:]
        for name in keys_of(target)[-1:]
    }
    for place, node in parts(document):
        yield from (Mend(place, what) for what in _mend_schema(node, modern=modern))
        if node.get("default", place) is None and not _takes_null(document, node):
            del node["default"]
            yield Mend(place, "the default null is no value of it, so it has none")
        if "allOf" not in {*node, *place} and place[-1:] and place[-1] not in joined:
            yield from (Mend(place, what) for what in _mend_required(node))
        if _has_schema_to_be(place, node) and not {"schema", "content", "$ref"} & node.keys():
            words = {key: node.pop(key) for key in [*node] if key not in _OF_A_PARAMETER}
            node["schema"] = words
            yield Mend(
                place, "what it holds belongs into a schema" if words else "it has no schema"
            )
        if place[-2:-1] == ("responses",) and not {"description", "$ref"} & node.keys():
            node["description"] = ""
            yield Mend(place, "it has no description")
    for place, node in parts(document):
        # A server's variable must have a default, and no server is asked for it here.
        is_schema = "default" in node and place[-4:-3] != ("servers",)
        if is_schema and (why := _why_not(document, node)):
            del node["default"]
            yield Mend(place, f"its default is no value of it, so it has none: {why}")


def _has_schema_to_be(place: Place, node: dict[str, Any]) -> bool:
    """Tell whether it is a header of an answer or a parameter, which say what they hold."""
    match place:
        case (*_, "responses", _, "headers", _) | ("components", "headers", _):
            return True
        case (*_, "parameters", _):
            return node.get("in") in {"query", "header", "path", "cookie"}
        case _:
            return False


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


def _why_not(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """Say why a schema does not take its own default, as far as its types and limits say."""
    known = resolve(document, schema)
    limits = {key: known[key] for key in _JUDGED & known.keys()}
    if known["default"] is None or not limits:
        return ""
    for _ in mend_old_words(limits):
        pass
    judge: Any = OAS31Validator(limits, format_checker=OAS31Validator.FORMAT_CHECKER)
    try:
        error = next(judge.iter_errors(known["default"]), None)
    except (ArithmeticError, TypeError, ValueError, UnknownType):
        # Whoever says this says what is no limit, which is told elsewhere.
        return ""
    return str(error.message) if error else ""


def _mend_required(node: dict[str, Any]) -> Iterator[str]:
    """Take a property that is required and not described as one of any type."""
    properties, required = node.get("properties"), node.get("required")
    if is_mapping(properties) and is_list(required) and not {"anyOf", "oneOf"} & node.keys():
        for name in required:
            if isinstance(name, str) and name not in properties:
                properties[name] = {}
                yield f"`required` names {name!r}, which is not described: it may be anything"


def _mend_schema(node: dict[str, Any], *, modern: bool) -> Iterator[str]:
    for key in sorted((_LIMITS | _COUNTS) & node.keys()):
        if _NUMBER.fullmatch(str(text := node[key])) and isinstance(text, str):
            node[key] = json.loads(text)
            yield f"{text!r} means {text}"
    node |= {key: _whole(node[key]) for key in _COUNTS & node.keys()}
    switches: set[str] = _SWITCHES | ({"default"} if node.get("type") == "boolean" else set())
    for key in [key for key in switches & node.keys() if isinstance(node[key], str)]:
        if (word := node[key].lower()) in _TRUE_OR_FALSE:
            node[key] = _TRUE_OR_FALSE[word]
            yield f"{word!r} means {json.dumps(node[key])}"
    for key in ("required", "enum"):
        values = node.get(key)
        if is_list(values):
            once = without_repeats(values)
            if len(once) < len(values):
                node[key] = once
                yield f"`{key}` has a value twice"
    if isinstance(node.get("required"), bool) and not {"in", "content", "schema"} & node.keys():
        del node["required"]
        yield "`required` stands at a property, where it says nothing"
    values = node.get("enum")
    takes_null = node.get("nullable") is True or "null" in _listed(node, "type")
    if takes_null and is_list(values) and None not in values:
        values.append(None)
        yield "it may be null, so null is one of its values"
    yield from mend_old_words(node) if modern else _mend_new_words(node)
    if isinstance(node.get("pattern"), str):
        yield from _mend_pattern(node)
    kind = node.get("type")
    if isinstance(kind, str) and _WORDS.get(kind.lower(), kind) != kind and "in" not in node:
        node["type"] = _WORDS[kind.lower()]
        yield f"the type {kind!r} means {node['type']!r}"
        kind = node["type"]
    if isinstance(kind, str) and "in" not in node and kind.lower() in _ANYTHING | _FORMATS.keys():
        del node["type"]
        if form := _FORMATS.get(kind.lower()):
            node |= {"type": "string", "format": form}
        yield f"the type {kind!r} means {f'a string in the format {form}' if form else 'anything'}"
    if isinstance(kind, str) and kind in _TYPES:
        yield from _mend_values(node, kind)


def _mend_values(node: dict[str, Any], kind: str) -> Iterator[str]:
    """Drop values that are not of the type, and write numbers as the texts that they stand for."""
    if kind == "integer":
        node |= {key: _whole(node[key]) for key in ("default", "const", "enum") if key in node}
        # Some tools write the largest number of 64 bits as 9.2e18, near which few floats are.
        for key in _LIMITS & node.keys():
            if isinstance(node[key], float) and abs(node[key]) <= _INT64:
                node[key] = _whole(node[key])
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


def _whole(value: Any) -> Any:
    """Write whole numbers without a fraction, as 1.0 and 1e2 are to JSON."""
    if is_list(value):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
        with catch_warnings(action="error", category=FutureWarning):
            re.compile(pattern)
    except (re.error, FutureWarning):
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
        yield "`nullable` is not a word of OpenAPI 3.1, and is taken as 3.0 means it"


def _mend_new_words(node: dict[str, Any]) -> Iterator[str]:
    """Say as OpenAPI 3.0 does what only 3.1 says so, and who reads 3.0 refuses."""
    for exclusive, bound in _BOUNDS.items():
        end = node.get(exclusive)
        if isinstance(end, int | float) and not isinstance(end, bool):
            sign = 1 if bound == "minimum" else -1
            node[exclusive] = sign * node.get(bound, end) <= sign * end
            node[bound] = end if node[exclusive] else node[bound]
            yield f"`{exclusive}` is true or false in OpenAPI 3.0"


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
