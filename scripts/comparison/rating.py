"""Rate what oasdiff found, and say what it does not rate."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from scripts.comparison.changes import Change, Rating
from scripts.comparison.leaves import leaves, named_in
from scripts.comparison.objects import says_closed
from scripts.document.operation import METHOD, PATH, resolve
from scripts.document.reading import is_mapping

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from scripts.comparison.leaves import Leaf

_LEVELS = {1: Rating.COMPATIBLE, 2: Rating.BREAKING, 3: Rating.BREAKING}
# What the tool rates otherwise than those see it who use the client.
_RATINGS = {
    # Whoever leaves the property out gets something else.
    "request-property-default-value-changed": Rating.BREAKING,
    "request-parameter-default-value-changed": Rating.BREAKING,
    # It must be given, default or not.
    "new-required-request-property-with-default": Rating.BREAKING,
    "request-property-became-required-with-default": Rating.BREAKING,
}
# Which part of an operation a rule is about, by what its id contains; the first that fits.
_ASPECTS = {
    "operation-id": "operationID",
    "tag": "tags",
    "parameter": "parameters",
    "response": "responses",
    "request": "requestBody",
    "deprecated": "deprecated",
}
# What is looked at one difference at a time; the rest is rated as a whole or not at all.
_IN_DETAIL = {"parameters", "requestBody", "responses"}
_HARMLESS = {"tags", "operationID", "externalDocs"}
TEXTS = {"description", "title", "summary", "examples", "extensions", "example"}
# What oasdiff does not rate and what asks nothing of a client that does not use it.
_OFFERS = {
    "callbacks": "its callbacks changed",
    "headers": "the headers of its responses changed",
    "links": "the links of its responses changed",
}
# So many differences that nothing rates are named.
_SHOWN = 3
# What the tool says in words of JSON Schema, and how a user says it.
_ASKED = {
    **dict.fromkeys(("if", "then", "else"), "depends on a condition"),
    "contains": "holds a certain value",
    "propertyNames": "holds properties of certain names alone",
    "contentSchema": "holds text of a certain shape",
}
_CONSTRAINT = re.compile(
    r"^(added|removed) '(\w+)'(?: subschema| constraint)? (?:to|from) (the .+)$"
)
_ALTERNATIVE = re.compile(r"^(added|removed) `(.*?)` (?:to|from) (the .+?) `\w+Of` list(.*)$")
_WORDINGS = {
    r"^(the .+) dependentRequired was added: when (.+) is present, (.+) are required$": (
        r"\1 must hold \3 where it holds \2"
    ),
    r"^added the dependent schema (`.+?`) to (the .+)$": (
        r"\2 depends on a condition where it holds \1"
    ),
    r"(content\w+) changed from `` to (`.+`)": r"\1 is \2 now",
    r"(content\w+) changed from (`.+`) to ``": r"\1 is \2 no longer",
}
_TYPES = re.compile(r"type/format changed from `(.*)`/`(.*)` to `(.*)`/`(.*?)`")
# What is asked of a request that holds a certain property.
_DEPENDENT = re.compile(r"^request-body-dependent-(required|schema)-added$")
# A list of values for each of which there is an entry of its own.
_LISTED = re.compile(
    r"^(?:(request)-property-enum-value-removed|response-.*property-enum-value-(\w+))$"
)
_NEW_LIST = re.compile(r"^request-.*(any|one)-of-added$")


class Difference(NamedTuple):
    """What differs of an operation: each aspect, as a tree and one by one."""

    aspects: dict[str, Any]
    leaves: list[Leaf]


Differences = dict[tuple[str, str], Difference]


def differences_of(tree: dict[str, Any]) -> Differences:
    """Give what differs of each operation that both documents have, by its method and path."""
    found: Differences = {}
    for path, item in tree.get("paths", {}).get("modified", {}).items():
        for method, aspects in item.get("operations", {}).get("modified", {}).items():
            detailed = sorted(aspects.keys() & _IN_DETAIL)
            single = [leaf for key in detailed for leaf in leaves(aspects[key], (key,))]
            found[method, path] = Difference(aspects, single)
    return found


def rated(
    entries: list[dict[str, Any]], differences: Differences, old: dict[str, Any]
) -> Iterator[Change]:
    """Rate each entry, and say it as those who call the client see it.

    Args:
        entries: What the tool rates.
        differences: All that differs.
        old: The document as it was compared.
    """
    fresh = {_subject(e) for e in entries if e["id"] == "new-optional-request-property"}
    lists = {_subject(entry) for entry in entries if entry["id"].endswith("-became-enum")}
    for entry in entries:
        if entry["id"].endswith("-enum-value-added") and _subject(entry) in lists:
            # None is new where any was taken.
            continue
        where = " ".join(str(entry[key]) for key in ("operation", "path") if entry.get(key))
        rating = _RATINGS.get(entry["id"], _LEVELS[entry["level"]])
        known = differences.get((entry.get("operation", ""), entry.get("path", "")))
        text = _said(entry, known)
        if known and (told := _list_as_a_whole(entry, known)):
            rating, text = told
        elif _DEPENDENT.search(entry["id"]) and _subject(entry, 0) in fresh:
            rating = Rating.COMPATIBLE
        elif _NEW_LIST.search(entry["id"]) and known and _is_new_list(entry, known, old):
            rating, text = Rating.BREAKING, f"{text}, where there was none: one of them must fit"
        yield Change(rating, "wire", f"{where}: {text}" if where else text)


def _subject(entry: dict[str, Any], which: int = -1) -> tuple[Any, ...]:
    """Tell which property or parameter an entry is about: the one that it names last."""
    names = re.findall(r"`([^`]*)`", entry["text"]) or [""]
    return entry.get("operation"), entry.get("path"), names[which]


def _said(entry: dict[str, Any], known: Difference | None) -> str:
    """Say what changed, where the tool's own sentence says too little or what is wrong."""
    text = _worded(str(entry["text"]).removesuffix(" and replaced with ``"))
    if entry["id"].endswith("default-value-changed"):
        text += ": whoever leaves it out gets something else"
    if entry["id"].endswith("default-value-removed"):
        text += ": whoever leaves it out gets what the server chooses"
    if known and "`undefined` enum value" in text:
        told = [leaf for leaf in known.leaves if _tells(entry, leaf)]
        values = [leaf.value for leaf in told if leaf.keyword == "enum"]
        if None in values and "undefined" not in values:
            text = text.replace("`undefined`", "`null`")
    if match := _TYPES.search(text):
        before, after = _kind(match[1], match[2]), _kind(match[3], match[4])
        text = _TYPES.sub(lambda _: f"was {before} and is {after} now", text)
    return text


def _worded(text: str) -> str:
    """Say in a user's words what the tool says in those of JSON Schema."""
    for theirs, ours in _WORDINGS.items():
        text = re.sub(theirs, ours, text)
    if (match := _CONSTRAINT.match(text)) and match[2] in _ASKED:
        what = f"{match[3]} {_ASKED[match[2]]}"
        return f"{what} now" if match[1] == "added" else f"nothing asks any more that {what}"
    if match := _ALTERNATIVE.match(text):
        named = [part.rpartition("/")[2] for part in match[2].split(", ") if part[:1] == "#"]
        listed = ", ".join(f"`{name}`" for name in named) or "something else"
        end = "as well" if match[1] == "added" else "no longer"
        return f"{match[3]}{match[4]} may be {listed} {end}"
    return text


def _kind(kind: str, form: str) -> str:
    named = f"`{kind}`" if kind else "of no single type"
    return f"{named} (`{form}`)" if form else named


def _list_as_a_whole(entry: dict[str, Any], known: Difference) -> tuple[Rating, str] | None:
    """Rate and say a value as its whole list, where there was none before or is none now."""
    if not (match := _LISTED.search(entry["id"])):
        return None
    value, name = re.findall(r"`([^`]*)`", entry["text"])[:2]
    is_new, side = match[2] == "added", "requestBody" if match[1] else "responses"
    flag, values = ("enumAdded", "added") if is_new else ("enumDeleted", "deleted")
    nodes = _mappings(known.aspects.get(side, {}))
    if not any(node.get(flag) and value in map(str, node[values]) for node in nodes):
        return None
    if side == "requestBody":
        return Rating.COMPATIBLE, f"the request property `{name}` lists no values any more"
    text = f"the response property `{name}` {entry['text'].partition(' response property ')[2]}"
    if is_new:
        return Rating.COMPATIBLE, f"{text} holds one of a list of values now"
    return Rating.BREAKING, f"{text} may hold any value now"


def _mappings(node: Any) -> Iterator[dict[str, Any]]:
    if is_mapping(node):
        yield node
        for value in node.values():
            yield from _mappings(value)


def _is_new_list(entry: dict[str, Any], known: Difference, old: dict[str, Any]) -> bool:
    """Tell whether a schema that must be one of several might be anything before."""
    operation = old["paths"][entry["path"]][entry["operation"].lower()]
    return any(
        leaf.keyword in {"anyOf", "oneOf"}
        and _tells(entry, leaf)
        and leaf.keyword not in _at(old, operation, leaf.steps[:-2])
        for leaf in known.leaves
    )


def _at(document: dict[str, Any], node: Any, steps: tuple[str, ...]) -> dict[str, Any]:
    """Give the part of a document that differs, by the keys of the tree that lead to it."""
    for step in steps:
        node = resolve(document, node) if is_mapping(node) else {}
        node = node if step == "modified" else node.get(step, {})
    return resolve(document, node) if is_mapping(node) else {}


def _tells(entry: dict[str, Any], leaf: Leaf) -> bool:
    return _aspect(entry["id"]) == leaf.keys[0] and leaf.is_told_by(entry)


class _About:
    """The entries of an operation by what they name, for there may be thousands of them."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self._all = entries
        self._of_bodies = [entry for entry in entries if "-body-" in entry["id"]]
        self._by_name: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for entry in entries:
            for name in named_in(str(entry["text"])):
                self._by_name.setdefault(name, []).append(entry)

    def near(self, leaf: Leaf) -> list[dict[str, Any]]:
        """Give those that may be about a difference."""
        path = leaf.plain_path
        if not path:
            return self._all
        named = [self._by_name.get(path[:end], []) for end in range(1, len(path) + 1)]
        return [*self._of_bodies, *chain.from_iterable(named)]


def unrated(
    entries: list[dict[str, Any]], differences: Differences, said: Collection[Change]
) -> Iterator[Change]:
    """Give what differs and no entry is about.

    Args:
        entries: What the tool rates.
        differences: All that differs.
        said: What else is said of our request.
    """
    for (method, path), (aspects, found) in differences.items():
        ours = [e for e in entries if (e.get("operation"), e.get("path")) == (method, path)]
        rated = {_aspect(entry["id"]) for entry in ours}
        where = f"{method} {path}"
        for aspect in sorted(aspects.keys() - _HARMLESS - TEXTS - _IN_DETAIL - rated):
            if aspect in _OFFERS:
                yield Change(Rating.COMPATIBLE, "wire", f"{where}: {_OFFERS[aspect]}")
            else:
                yield _unknown(where, aspect, [])
        about = _About(ours)
        left = [leaf for leaf in found if not any(_tells(e, leaf) for e in about.near(leaf))]
        if where == f"{METHOD.upper()} {PATH}":
            left = [leaf for leaf in left if not _is_closed(leaf, said)]
        for aspect in sorted(_IN_DETAIL):
            several = [leaf for leaf in left if leaf.keys[0] == aspect]
            yield from _left(where, aspect, several)


def _is_closed(leaf: Leaf, said: Collection[Change]) -> bool:
    is_ours = leaf.keys[0] == "requestBody" and leaf.is_closing
    return is_ours and any(says_closed(change, leaf.path) for change in said)


def _left(where: str, aspect: str, found: list[Leaf]) -> Iterator[Change]:
    """Say what is left of one aspect."""
    fresh = [leaf for leaf in found if leaf.keys == ("responses",) and leaf.steps[-1] == "added"]
    if fresh:
        statuses = ", ".join(sorted(leaf.names[-1] for leaf in fresh))
        yield Change(Rating.COMPATIBLE, "wire", f"{where}: responses are new: {statuses}")
    harmless: list[Leaf] = []
    unknown: list[Leaf] = []
    for leaf in found:
        offer = next((key for key in leaf.keys if key in _OFFERS), None)
        if offer:
            yield Change(Rating.COMPATIBLE, "wire", f"{where}: {_OFFERS[offer]}")
        elif leaf.asks_nothing():
            harmless.append(leaf)
        elif demand := leaf.demand:
            yield Change(Rating.BREAKING, "wire", f"{where}: {demand}")
        elif leaf.keyword not in TEXTS and leaf not in fresh and not leaf.is_aside:
            unknown.append(leaf)
    if harmless:
        text = f"{where}: a change that asks nothing of who calls it"
        yield _listed(Rating.COMPATIBLE, text, harmless)
    if unknown:
        yield _unknown(where, aspect, unknown)


def _unknown(where: str, aspect: str, found: list[Leaf]) -> Change:
    text = f"{where}: {aspect} changed in a way that nothing here rates"
    return _listed(Rating.BREAKING, text, found)


def _listed(rating: Rating, text: str, found: list[Leaf]) -> Change:
    names = sorted({str(leaf) for leaf in found})
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = f": {', '.join(names[:_SHOWN])}{more}" if names else ""
    return Change(rating, "wire", f"{text}{shown}", tuple(names) if more else ())


def _aspect(rule: str) -> str:
    return next((aspect for part, aspect in _ASPECTS.items() if part in rule), "")
