"""What the objects of our request take, of which the tool that compares sees little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.comparison.changes import Change, Rating
from scripts.document.operation import METHOD, PATH, merged, request_schema, resolve
from scripts.document.reading import is_list, is_mapping
from scripts.document.simpler import is_condition

if TYPE_CHECKING:
    from collections.abc import Iterator

# So deep are objects within objects looked at.
DEEP = 4
_CLOSED = "takes no properties but those that it names"


def object_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Say which objects take less than before of what the document does not name or combines."""
    more = _kinds(new, request_schema(new)) - _kinds(old, request_schema(old)) - {"object"}
    if named := ", ".join(f"`{kind}`" for kind in sorted(more)):
        text = f"the request may be {named} as well, which this client never sends"
        yield Change(Rating.COMPATIBLE, "wire", f"{METHOD.upper()} {PATH}: {text}")
    for place, before, after in _objects(old, new, request_schema(old), request_schema(new)):
        name = f"the request property `{'/'.join(place)}`" if place else "the request"
        text = f"{METHOD.upper()} {PATH}: {name}"
        if _is_open(before) and not _is_open(after):
            yield Change(Rating.BREAKING, "wire", f"{text} {_CLOSED}")
        known, conditions = _conditions(before), _conditions(after)
        given = merged(old, before)
        if conditions != known and not all(_is_met(*each, *given) for each in conditions):
            what = "takes only certain properties together"
            yield Change(Rating.BREAKING, "wire", f"{text} {what}")
        elif known and not conditions:
            what = "takes its properties in any combination now"
            yield Change(Rating.COMPATIBLE, "wire", f"{text} {what}")


def says_closed(change: Change, path: tuple[str, ...]) -> bool:
    """Tell whether a change says that the object at a place takes no other properties."""
    name = f"`{'/'.join(path)}` " if path else f"{METHOD.upper()} {PATH}: the request "
    return change.what.endswith(name + _CLOSED)


def _objects(
    old: dict[str, Any],
    new: dict[str, Any],
    before: dict[str, Any],
    after: dict[str, Any],
    place: tuple[str, ...] = (),
) -> Iterator[tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]]:
    before, after = resolve(old, before), resolve(new, after)
    yield place, before, after
    if len(place) < DEEP:
        known, _ = merged(old, before)
        for name, schema in merged(new, after)[0].items():
            if is_mapping(schema) and is_mapping(known.get(name)):
                yield from _objects(old, new, known[name], schema, (*place, name))


def _kinds(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """Name the types that a schema, or one of its alternatives, is of."""
    whole = resolve(document, schema)
    given = whole.get("type", [])
    kinds = {*given} if is_list(given) else {str(given)}
    kinds |= {"null"} if whole.get("nullable") else set()
    either = [*whole.get("anyOf", ()), *whole.get("oneOf", ())]
    return kinds.union(*(_kinds(document, part) for part in either))


def _is_open(schema: dict[str, Any]) -> bool:
    return all(
        schema.get(key) is not False for key in ("additionalProperties", "unevaluatedProperties")
    )


def _conditions(schema: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """Give what no generator expresses, and what is left out where documents are compared."""
    return [(key, schema[key]) for key in ("anyOf", "oneOf") if is_condition(schema, key)]


def _is_met(key: str, parts: list[Any], properties: dict[str, Any], required: set[str]) -> bool:
    """Tell whether a request meets a condition that has what was required, and nothing new."""
    if not all(set(part) <= {"required", "title", "description"} for part in parts):
        return False
    met = [part for part in parts if {*part.get("required", [])} <= required]
    possible = [part for part in parts if {*part.get("required", [])} <= properties.keys()]
    return bool(met) and (key == "anyOf" or len(possible) == 1)
