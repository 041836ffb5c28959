"""Find what a request may hold of more types than before, and hold it against what it was.

Where a text may be a list as well, the text is compared with the text: what is asked of it now
would be lost otherwise.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from scripts.comparison.changes import Change, Rating
from scripts.comparison.objects import DEEP
from scripts.document.operation import json_media, operations, resolve
from scripts.document.reading import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is said of values of one type alone.
_SAID_OF = {
    "array": {"items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"},
    "object": {"properties", "required", "additionalProperties", "minProperties", "maxProperties"},
    "string": {"format", "pattern", "minLength", "maxLength"},
}


def widened(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Write what the requests of `new` take beside what they took as what they took, and tell.

    Args:
        old: A document in the one way.
        new: Another, which is changed.
    """
    for method, path, operation in operations(new):
        known = old["paths"].get(path, {}).get(method)
        if known is None:
            continue
        before, after = json_media(old, known), json_media(new, operation)
        if "schema" in before and "schema" in after:
            pair = _Pair(old, new)
            after["schema"] = pair.held(before["schema"], after["schema"])
            for name, kinds in pair.told.items():
                of = f"the request property `{name}`" if name else "the request"
                text = f"{method.upper()} {path}: {of} may be of more types: {', '.join(kinds)}"
                yield Change(Rating.COMPATIBLE, "wire", text)


class _Pair:
    """Two documents, and which types are new by the name of the property."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self._old, self._new = old, new
        self.told: dict[str, list[str]] = {}

    def held(self, before: Any, after: Any, name: tuple[str, ...] = ()) -> Any:
        """Give the part of a schema that is of the types that it was."""
        given = after
        if not is_mapping(before) or not is_mapping(after) or len(name) > DEEP:
            return given
        before, after = resolve(self._old, before), resolve(self._new, after)
        same = self._of_the_same_types(before, after)
        if same is not None:
            more = [kind for kind in self._kinds(after) if kind not in self._kinds(same)]
            self.told["/".join(name)] = sorted(f"`{kind}`" for kind in more)
            given = after = same
        inner = {
            key: self.held(before["properties"][key], schema, (*name, key))
            for key, schema in after.get("properties", {}).items()
            if key in before.get("properties", {})
        }
        if any(inner[key] is not after["properties"][key] for key in inner):
            return {**after, "properties": after["properties"] | inner}
        if "items" in before and "items" in after:
            items = self.held(before["items"], after["items"], (*name, "items"))
            return given if items is after["items"] else {**after, "items": items}
        return given

    def _of_the_same_types(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> dict[str, Any] | None:
        if {"anyOf", "oneOf"} & before.keys():
            return None
        kinds = {*self._kinds(before)} - {"null"}
        either = [key for key in ("anyOf", "oneOf") if key in after]
        if kinds and not either and is_list(after.get("type")):
            left = [kind for kind in after["type"] if kind in {*kinds, "null"}]
            wider = kinds < {*after["type"]} - {"null"}
            gone = {*after["type"]} - {*left}
            lost = {word for kind in gone for word in _SAID_OF.get(kind, ())}
            told = {key: value for key, value in after.items() if key not in lost}
            return {**told, "type": left if len(left) > 1 else left[0]} if wider else None
        if not kinds or len(either) != 1 or "type" in after:
            return None
        [key] = either
        parts = [resolve(self._new, part) for part in after[key] if is_mapping(part)]
        same = [part for part in parts if {*self._kinds(part)} & kinds]
        others = [part for part in parts if part not in same and part.get("type") != "null"]
        if len(same) != 1 or not others or not all(map(self._kinds, others)):
            return None
        found = deepcopy({**same[0], **{k: v for k, v in after.items() if k != key}})
        if len(parts) > len(same) + len(others) and isinstance(found.get("type"), str):
            found["type"] = [found["type"], "null"]
        return found

    def _kinds(self, schema: dict[str, Any]) -> list[str]:
        """Name the types that a schema is of; none where it does not say."""
        given = schema.get("type", "object" if "properties" in schema else None)
        kinds: list[str] = [*given] if is_list(given) else [given] if given else []
        for key in ("anyOf", "oneOf"):
            for part in schema.get(key, []):
                kinds += self._kinds(resolve(self._new, part))
        return list(dict.fromkeys(kinds))
