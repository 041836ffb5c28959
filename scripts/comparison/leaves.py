"""Each single difference that oasdiff sees, and whether an entry that it rates is about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from scripts.document.reading import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

# Which rules are about a keyword, by what their ids contain, where it is not the keyword itself.
_RULES = {
    "type": "-type-|-list-of-types-|-nullable",
    "listOfTypes": "-type-|-list-of-types-",
    "format": "-type-",
    "enum": "enum",
    "required": "required|optional",
    "properties": "new-.*-property|-property-added|-property-removed",
    "patternProperties": "pattern-property",
    "dependentSchemas": "dependent-schema",
    "deprecated": "deprecated|reactivated|sunset",
    "content": "media-type",
    "responses": "status",
    "parameters": "parameter",
    "headers": "header",
    "name": "media-type",
    "requestBody": "request-body-(added|removed)",
    "max": "(?<!exclusive)-max-(set|in|de)",
    "min": "(?<!exclusive)-min-(set|in|de)",
}
# Whatever else differs of what is gone or of another type is said with it.
_WHOLE = re.compile("-property-removed$|-type-changed$")
_WORDS = {
    "additionalPropertiesAllowed": "additionalProperties",
    "unevaluatedPropertiesAllowed": "unevaluatedProperties",
    "exclusiveMax": "exclusiveMaximum",
    "exclusiveMin": "exclusiveMinimum",
    "max": "maximum",
    "min": "minimum",
    "maxProps": "maxProperties",
    "minProps": "minProperties",
    "name": "content",
}
# What is asked of a value that the tool sees differ and does not rate, as a user says it.
_ASKED = {
    "multipleOf": "value must be a multiple of `{}` now",
    "uniqueItems": "list must hold no value twice now",
    "minItems": "list must hold `{}` values or more now",
    "maxItems": "list must hold `{}` values or fewer now",
    "minProps": "object must hold `{}` properties or more now",
    "maxProps": "object must hold `{}` properties or fewer now",
    "not": "value must not be one of some that it might be before",
}
_CLOSING = {"additionalPropertiesAllowed", "unevaluatedPropertiesAllowed"}
# What is added to these or deleted is a name.
_NAMING = {"content", "headers", "parameters", "patternProperties", "responses"}
_AS_A_WHOLE = {"schemaAdded", "schemaDeleted"}
# What stands between the names of properties for schemas that have none.
_NAMELESS = re.compile(r"^(items|additionalProperties|(any|one|all)Of\[.*\]|)$")


@dataclass(frozen=True)
class Leaf:
    """A single difference.

    Attributes:
        keys: The keys of the description that lead to it, without the names that publishers chose.
        path: The names of the properties that lead to it, itself included where it is one.
        names: What else it is called by: the status, the parameter.
        value: What was added or deleted, or `from` and `to`.
        steps: All keys of the tree that lead to it.
    """

    keys: tuple[str, ...]
    path: tuple[str, ...]
    names: tuple[str, ...]
    value: Any
    steps: tuple[str, ...]

    def __str__(self) -> str:
        if self.is_new_property:
            return f"the new property `{'/'.join(self.path)}`"
        what = f"`{_WORDS.get(self.keyword, self.keyword)}`"
        place = f" of `{'/'.join(self.path)}`" if self.path else ""
        others = f" ({', '.join(self.names)})" if self.names else ""
        return f"{what}{place}{others}"

    @property
    def keyword(self) -> str:
        """The keyword whose value differs."""
        return self.keys[-1]

    @property
    def plain_path(self) -> tuple[str, ...]:
        """The path as the tool's own names are read."""
        return _plain("/".join(self.path))

    @property
    def is_aside(self) -> bool:
        """Whether it is said for tools alone: `$schema`, `$defs`, which of several is meant."""
        return any(key.startswith("$") or key == "discriminatorDiff" for key in self.keys)

    @property
    def is_new_property(self) -> bool:
        """Whether it is a property more; those that must be given are among what is required."""
        return self.keyword == "properties" and self.steps[-1] == "added"

    @property
    def is_closing(self) -> bool:
        """Whether an object takes no other properties any more."""
        return self.keyword in _CLOSING and self.value["to"] is False

    @property
    def demand(self) -> str:
        """What a request is asked for now, in a user's words; empty where none are known."""
        if self.keyword not in _ASKED or self.keys[0] == "responses":
            return ""
        path = [f"`{'/'.join(self.path)}`"] if self.path else []
        if self.keys[0] == "parameters":
            whole = " ".join(["the", *path, *(f"`{name}`" for name in self.names), "parameter's"])
        else:
            whole = " ".join(["the", *path, "request property's" if path else "request's"])
        return f"{whole} {_ASKED[self.keyword]}".format(self.value.get("to"))

    def is_told_by(self, entry: dict[str, Any]) -> bool:
        """Tell whether a rated entry is about it."""
        rule, told = str(entry["id"]), named_in(str(entry["text"]))
        path = self.plain_path
        if not all(_plain(name) in told for name in self.names):
            return False
        if _WHOLE.search(rule):
            whole = [()] if "-body-" in rule else [name for name in told if name]
            if any(path[: len(name)] == name for name in whole):
                return True
        is_of_body = "schema" in self.keys and not self.path and self.keys[0] != "parameters"
        if is_of_body and "-body-" not in rule:
            return False
        kebab = re.sub(r"([A-Z])", r"-\1", self.keyword).lower()
        return bool(re.search(_RULES.get(self.keyword, kebab), rule)) and (not path or path in told)

    def asks_nothing(self) -> bool:
        """Tell whether a request may be what it might not be, or an answer is less than it was."""
        if self.is_new_property or self.keyword == "deprecated":
            return True
        if self.keyword == "type" and self.value == "null":
            return (self.steps[-1] == "deleted") == (self.keys[0] == "responses")
        if "schema" not in self.keys or not is_mapping(self.value):
            return False
        is_answer = self.keys[0] == "responses"
        if is_answer and self.keyword in _CLOSING:
            return True
        if _AS_A_WHOLE & self.value.keys():
            return ("schemaAdded" in self.value) == is_answer
        before, after = self.value.get("from"), self.value.get("to")
        if is_answer:
            before, after = after, before
        if self.keyword in _CLOSING:
            return after is not False
        if after is None or after is False or after == "":
            return True
        if not (isinstance(before, int | float) and isinstance(after, int | float)):
            return False
        if self.keyword == "multipleOf":
            return (Fraction(str(before)) / Fraction(str(after))).denominator == 1
        if self.keyword.startswith("max"):
            return after > before
        return self.keyword.startswith("min") and after < before


def leaves(node: Any, steps: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Give each single difference of a tree, or of a part of it that `steps` lead to."""
    last = steps[-1] if steps else ""
    if is_list(node) and last == "modified":
        # Of several that a schema may be, those that are the same for the most part.
        for one in node:
            yield from leaves(one["diff"], steps[:-1])
    elif is_list(node):
        for one in node:
            yield _leaf(steps, one)
    elif not is_mapping(node) or node.keys() <= {"from", "to"} or _is_one(node, steps):
        yield _leaf(steps, node)
    else:
        for key in node.keys() - {"enumAdded", "enumDeleted"}:
            yield from leaves(node[key], (*steps, key))


def _is_one(node: dict[str, Any], steps: tuple[str, ...]) -> bool:
    """Tell whether a part of the tree is a single difference: a schema more, or another name."""
    is_name = steps[-1] == "name" and steps[-4:-2] == ("content", "modified")
    return is_name or bool(node.keys() & _AS_A_WHOLE)


def _leaf(steps: tuple[str, ...], value: Any) -> Leaf:
    keys: list[str] = []
    path: list[str] = []
    names: list[str] = []
    waiting = iter(steps)
    for step in waiting:
        if step in ("added", "deleted"):
            names += [name for name in waiting if name != "added" and keys[-1] == "parameters"]
            if isinstance(value, str) and keys[-1] in ("properties", "required"):
                path.append(value)
            elif keys[-1] in _NAMING and isinstance(value, str):
                names.append(value)
        elif step != "modified":
            keys.append(step)
        elif keys[-1] == "properties":
            path.append(next(waiting))
        elif keys[-1] == "parameters":
            names += [next(waiting), next(waiting)]
        elif (name := next(waiting)) and keys[-1] != "content":
            names.append(name)
    return Leaf(tuple(keys), tuple(path), tuple(names), value, steps)


@cache
def named_in(text: str) -> list[tuple[str, ...]]:
    """Give the names that a text puts between backticks, those of properties as their paths."""
    return [_plain(name) for name in re.findall(r"`([^`]*)`", text)]


def _plain(name: str) -> tuple[str, ...]:
    """Give the names of the properties in the name that oasdiff has for one of them."""
    return tuple(part for part in name.split("/") if not _NAMELESS.match(part))
