"""What changed on the wire, as oasdiff sees and rates it.

What it sees and does not rate counts as breaking, for nobody has looked at it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.binding import METHOD, PATH, json_media, merged, resolve, server_urls
from scripts.changes import Change, Rating, grouped
from scripts.comparable import comparable
from scripts.document import is_mapping
from scripts.oasdiff import OasdiffError, changelog, differences
from scripts.simpler import bare

if TYPE_CHECKING:
    from collections.abc import Iterator

UNSEEN = "nothing but how it is written"
# So many places of other words are named.
_SHOWN = 3
# So deep are objects within objects looked at.
_DEEP = 4
_CLOSED = {"id": "request-closed", "operation": METHOD.upper(), "path": PATH}
_LEVELS = {1: Rating.COMPATIBLE, 2: Rating.BREAKING, 3: Rating.BREAKING}
# What the tool rates otherwise than those see it who use the client.
_RATINGS = {
    # Whoever leaves the property out gets something else.
    "request-property-default-value-changed": Rating.BREAKING,
    "request-parameter-default-value-changed": Rating.BREAKING,
    # What other schemes ask for, the client does not send by itself.
    "api-security-added": Rating.BREAKING,
    # It must be given, default or not.
    "new-required-request-property-with-default": Rating.BREAKING,
    "request-property-became-required-with-default": Rating.BREAKING,
}
# Schemas have names for those who read the document; on the wire there are none.
_NOT_ON_THE_WIRE = {"api-schema-removed", "api-schema-added"}
# Which part of an operation a rule is about, by what its id contains; the first that fits.
_ASPECTS = {
    "security": "securityRequirements",
    "operation-id": "operationID",
    "deprecated": "deprecated",
    "tag": "tags",
    "parameter": "parameters",
    "response": "responses",
    "request": "requestBody",
}
_TEXTS = {"description", "title", "summary", "examples", "extensions", "example"}
# What oasdiff puts into its tree to say how it got there.
_STEPS = {"modified", "operations", "properties", "schemas"}
_HARMLESS = {"tags", "operationID", "externalDocs"}
# What oasdiff does not rate and what asks nothing of a client that does not use it.
_OFFERS = {
    "callbacks": "its callbacks changed",
    "headers": "the headers of its responses changed",
    "links": "the links of its responses changed",
}


def wire_changes(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Compare two documents.

    Args:
        old: The document as it is, parsed.
        new: The document as it would be, parsed.

    Returns:
        The changes, the worst first; empty only if the documents are the same.

    Raises:
        OasdiffError: They cannot be compared.
    """
    if json.dumps(old) == json.dumps(new):
        return []
    with TemporaryDirectory(prefix="modelgates-wire-") as folder:
        before, after = Path(folder, "old.json"), Path(folder, "new.json")
        try:
            found, tree = _compared(comparable(old), comparable(new), before, after)
        except OasdiffError:
            # Of samples and links that are wrong it reads nothing at all.
            found, tree = _compared(bare(comparable(old)), bare(comparable(new)), before, after)
        entries = [entry for entry in found if entry["id"] not in _NOT_ON_THE_WIRE]
        closed = [*_closed(old, new, _request(old), _request(new))]
        if closed:
            # What nothing else rates of the request is rated here.
            entries.append(_CLOSED)
        changes = {_rated(entry, tree) for entry in entries if entry is not _CLOSED}
        changes |= {*closed, *_unrated(entries, tree)}
        changes |= set(_servers(old, new))
        if not changes:
            texts = sorted(set(_texts(differences(before, after, texts=True))))
            more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
            what = "; ".join(texts[:_SHOWN]) + more or UNSEEN
            details = tuple(texts) if more else ()
            changes.add(Change(Rating.DOCUMENTATION, "wire", what, details))
    return grouped(sorted(changes, reverse=True))


def _request(document: dict[str, Any]) -> dict[str, Any]:
    operation = document["paths"].get(PATH, {}).get(METHOD, {})
    schema: dict[str, Any] = json_media(document, operation).get("schema", {})
    return schema


def _closed(
    old: dict[str, Any],
    new: dict[str, Any],
    before: dict[str, Any],
    after: dict[str, Any],
    place: tuple[str, ...] = (),
) -> Iterator[Change]:
    """Give the objects of our request that no longer take what the document does not name."""
    before, after = resolve(old, before), resolve(new, after)
    was_open = before.get("additionalProperties") is not False
    if was_open and after.get("additionalProperties") is False:
        name = f"the request property `{'/'.join(place)}`" if place else "the request"
        text = f"{METHOD.upper()} {PATH}: {name} takes no properties but those that it names"
        yield Change(Rating.BREAKING, "wire", text)
    if len(place) < _DEEP:
        known, _ = merged(old, before)
        for name, schema in merged(new, after)[0].items():
            if is_mapping(schema) and is_mapping(known.get(name)):
                yield from _closed(old, new, known[name], schema, (*place, name))


def _compared(
    old: dict[str, Any], new: dict[str, Any], before: Path, after: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    before.write_text(json.dumps(old), encoding="utf-8")
    after.write_text(json.dumps(new), encoding="utf-8")
    return changelog(before, after), differences(before, after)


def _servers(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    before, after = server_urls(old), server_urls(new)
    # A document that names none says nothing of where the API is.
    if before and after and before[0] != after[0]:
        text = f"the API is now at {after[0]}, no longer at {before[0]}"
        yield Change(Rating.BREAKING, "wire", text)
    for url in after:
        if url not in before:
            yield Change(Rating.COMPATIBLE, "wire", f"the server {url} is new")


def _rated(entry: dict[str, Any], tree: dict[str, Any]) -> Change:
    where = " ".join(str(entry[key]) for key in ("operation", "path") if entry.get(key))
    rating, text = _RATINGS.get(entry["id"], _LEVELS[entry["level"]]), str(entry["text"])
    if entry["id"] == "request-property-enum-value-removed" and _takes_any(entry, tree):
        name = text.rpartition(" property ")[2]
        rating, text = Rating.COMPATIBLE, f"the request property {name} takes any value now"
    if entry["id"].endswith("default-value-changed"):
        text += ": whoever leaves it out gets something else"
    return Change(rating, "wire", f"{where}: {text}" if where else text)


def _takes_any(entry: dict[str, Any], tree: dict[str, Any]) -> bool:
    """Tell whether no value is listed any more where this one was."""
    values = re.findall(r"`([^`]*)`", entry["text"])
    item = tree.get("paths", {}).get("modified", {}).get(entry["path"], {})
    operation = item.get("operations", {}).get("modified", {}).get(entry["operation"], {})
    return any(
        node.get("enumDeleted") and values[0] in map(str, node.get("deleted", []))
        for node in _mappings(operation.get("requestBody", {}))
    )


def _mappings(node: Any) -> Iterator[dict[str, Any]]:
    if is_mapping(node):
        yield node
        for value in node.values():
            yield from _mappings(value)


def _unrated(entries: list[dict[str, Any]], tree: dict[str, Any]) -> Iterator[Change]:
    """Give what the tree of differences has and no rated entry is about."""
    rated = {(entry.get("operation"), entry.get("path"), _aspect(entry["id"])) for entry in entries}
    for path, item in tree.get("paths", {}).get("modified", {}).items():
        found = item.get("operations", {}).get("modified", {})
        for method, aspects in found.items():
            for aspect in aspects.keys() - _HARMLESS - _TEXTS:
                if (method, path, aspect) in rated:
                    continue
                offered = _offered(aspect, aspects[aspect])
                if offered:
                    yield Change(Rating.COMPATIBLE, "wire", f"{method} {path}: {offered}")
                else:
                    text = f"{method} {path}: {aspect} changed in a way that nothing here rates"
                    yield Change(Rating.BREAKING, "wire", text)
    if "security" in tree and not any(_aspect(e["id"]) == "securityRequirements" for e in entries):
        yield Change(Rating.BREAKING, "wire", "what all operations ask for as security changed")


def _offered(aspect: str, node: Any) -> str:
    """Say what changed where it asks nothing of a client; nothing where it may."""
    if aspect in _OFFERS:
        return _OFFERS[aspect]
    if aspect != "responses" or "deleted" in node:
        return ""
    if "added" in node:
        return f"responses are new: {', '.join(map(str, node['added']))}"
    parts = {part for response in node["modified"].values() for part in response} - _TEXTS
    return "; ".join(_OFFERS[part] for part in sorted(parts)) if parts <= _OFFERS.keys() else ""


def _aspect(rule: str) -> str:
    return next((aspect for part, aspect in _ASPECTS.items() if part in rule), "")


def _texts(node: Any, place: str = "") -> Iterator[str]:
    """Name the places below which texts differ."""
    if is_mapping(node):
        for key, value in node.items():
            if key in _TEXTS:
                yield f"the {key} of {place or 'the document'}"
            else:
                yield from _texts(value, place if key in _STEPS else f"{place} {key}".strip())
