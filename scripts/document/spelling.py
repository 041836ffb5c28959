"""Write in one way what documents write in several, before anything else looks at it.

Programs that write documents say null where they have nothing to say, point at whatever they wrote
first, and name components after types of their own language.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from scripts.document.layout import Mend
from scripts.document.operation import resolve
from scripts.document.reading import is_list, is_mapping
from scripts.document.references import (
    NAMED,
    follow,
    free_name,
    keys_of,
    parts,
    pointer,
    put,
    references,
)
from scripts.document.simpler import name_what_is_pointed_at, spell_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.document.references import Place


# Where null is a value as good as any.
_MAY_BE_NULL = {"const", "default", "example"}
# Where a list with nothing in it would let nothing through.
_NEVER_EMPTY = {"type", "enum", "allOf", "anyOf", "oneOf", "prefixItems"}
# What has no more to say than that it is there.
_MAY_BE_EMPTY = {"properties", "patternProperties", "$defs", "schemas", "content", "responses"}
# What no component may have in its name.
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9._-]+")


def spell(document: dict[str, Any]) -> Iterator[Mend]:
    """Change a document so that what means the same is written alike."""
    for place, node in parts(document):
        # What a publisher says for itself may be anything, and point at anything.
        named = (node.get("paths"), node.get("responses")) if place != ("components",) else ()
        for said in filter(is_mapping, (node, *named)):
            for key in [key for key in said if str(key).startswith("x-")]:
                del said[key]
    yield from _leave_out_null(document)
    spell_out(document)
    renamed: dict[tuple[str, str], str] = {}
    yield from _name_components(document, renamed)
    _point_by_place(document, renamed)
    _write_where_it_is_pointed_from(document)
    for place, node in parts(document):
        if is_list(kinds := node.get("type")) and len(kinds) == 1:
            node["type"] = kinds[0]
        if place != ("components",) and is_mapping(responses := node.get("responses")):
            node["responses"] = {_class(status): each for status, each in responses.items()}
        if is_mapping(content := node.get("content")):
            node["content"] = {_lower(kind, content): media for kind, media in content.items()}


def _leave_out_null(document: dict[str, Any]) -> Iterator[Mend]:
    """Drop what is null and would be a description, as programs write what they do not know."""
    nothing = "null says nothing here, nor do an empty list and no end of a limit, so left aside"
    for place, node in list(parts(document)):
        kind = node.get("type", "")
        is_one_of_several = place[-2:-1] in (("anyOf",), ("oneOf",))
        if (kind is None and is_one_of_several) or (is_list(kind) and None in kind):
            node["type"] = [each or "null" for each in kind] if is_list(kind) else "null"
            yield Mend((*place, "type"), "the type null is written 'null'")
        for key, value in list(node.items()):
            is_empty = value == [] and key in _NEVER_EMPTY
            if is_empty or (value is None and key not in _MAY_BE_NULL):
                if place[-2:-1] == ("security",):
                    node[key] = []
                else:
                    del node[key]
                yield Mend((*place, key), nothing)
            if not (key in NAMED and is_mapping(value)):
                continue
            for name in [name for name in value if value[name] is None]:
                if key in _MAY_BE_EMPTY:
                    value[name] = {}
                else:
                    del value[name]
                yield Mend((*place, key, name), nothing)


def _name_components(
    document: dict[str, Any], renamed: dict[tuple[str, str], str]
) -> Iterator[Mend]:
    """Name components as OpenAPI lets them be; what they were called is put into `renamed`."""
    components = document.get("components")
    for kind, named in list(components.items()) if is_mapping(components) else ():
        if not is_mapping(named):
            continue
        taken = dict(named)
        for name in filter(_NOT_IN_NAMES.search, named):
            own = renamed[kind, name] = free_name(
                _NOT_IN_NAMES.sub("_", name).strip("_") or kind, taken
            )
            taken[own] = None
            what = "a component's name is of A-Z, a-z, 0-9, . _ and -: others are written as _"
            yield Mend(("components", kind, name), what)
        document["components"][kind] = {
            renamed.get((kind, name), name): part for name, part in named.items()
        }
    for _, node in parts(document) if renamed else ():
        if is_mapping(discriminator := node.get("discriminator")):
            mapping: dict[str, str] = discriminator.get("mapping", {})
            targets = {value: (keys_of(it) or [it])[-1] for value, it in mapping.items()}
            # What is not mapped is meant by its own name.
            told = {*targets.values()}
            targets |= {name: name for name in _alternatives(node) if name not in told}
            for value, last in targets.items():
                if ("schemas", last) in renamed:
                    place = pointer(("components", "schemas", renamed["schemas", last]))
                    discriminator.setdefault("mapping", {})[value] = place
        for requirement in node["security"] if is_list(node.get("security")) else ():
            for name in list(requirement):
                requirement[renamed.get(("securitySchemes", name), name)] = requirement.pop(name)


def _alternatives(schema: dict[str, Any]) -> Iterator[str]:
    """Name the components that a schema may be."""
    for part in (*(schema.get("oneOf") or ()), *(schema.get("anyOf") or ())):
        if is_mapping(part) and "$ref" in part:
            yield from keys_of(str(part["$ref"]))[-1:]


def _point_by_place(document: dict[str, Any], renamed: dict[tuple[str, str], str]) -> None:
    """Have each `$ref` name a place in the document, plainly, and no name that a schema has."""
    known: dict[str, Place] = {}
    for place, node in list(parts(document)):
        for key, sign in (("$anchor", "#"), ("$dynamicAnchor", "#"), ("$id", "")):
            if place and isinstance(node.get(key), str):
                known[sign + node.pop(key)] = place
        # As a schema holds itself, or what is to be put into it, if nothing is.
        node.pop("$recursiveAnchor", None)
        for key in {"$recursiveRef", "$dynamicRef"} & node.keys():
            node["$ref"] = node.pop(key)
    for place, reference in list(references(document)):
        base, _, fragment = reference.partition("#")
        start = known.get(reference, known.get(base))
        if start is None and (base or fragment[:1] not in ("", "/")):
            continue
        keys: list[Place] = [(*(start or ()), *([] if reference in known else keys_of(reference)))]
        match keys[0]:
            case ["components", kind, name, *rest] if (kind, name) in renamed:
                keys = [("components", kind, renamed[str(kind), str(name)], *rest)]
            case _:
                # What is written for itself points at its own parts.
                keys += [(*start, *keys[0]) for start in _schemas_around(place)]
        found = [p for p in map(pointer, keys) if follow(document, p) is not None]
        if found:
            put(document, place, found[0])


def _schemas_around(place: Place) -> Iterator[Place]:
    """Give the places of the whole schemas that a place is in."""
    for end in range(3, len(place)):
        if place[end - 1] == "schema" or (end == 3 and place[:2] == ("components", "schemas")):
            yield place[:end]


def _write_where_it_is_pointed_from(document: dict[str, Any]) -> None:
    """Take what is pointed at within an operation out of it, for operations are looked at alone."""
    name_what_is_pointed_at(document, beside_components=True)
    for place, node in list(parts(document)):
        reference = str(node.get("$ref", "#/components"))
        is_path = place[:1] == ("paths",) and len(place) == 2
        if keys_of(reference)[:1] != ["components"] and follow(document, reference) and not is_path:
            put(document, place, deepcopy(resolve(document, node)))


def _class(status: Any) -> Any:
    """Give the class of statuses that `4xx` is in capital letters, and any other as it is."""
    return status.upper() if re.fullmatch("[1-5][xX]{2}", str(status)) else status


def _lower(kind: str, others: dict[str, Any]) -> str:
    """Give a media type in small letters, in which alone it is looked for."""
    name, semicolon, rest = kind.partition(";")
    own = name.lower() + semicolon + rest
    return kind if own in others else own
