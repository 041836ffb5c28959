"""What changed on the wire, as oasdiff sees and rates it.

What it sees and does not rate counts as breaking, for nobody has looked at it.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.binding import base_url
from scripts.changes import Change, Rating
from scripts.document import is_list, is_mapping
from scripts.oasdiff import changelog, differences
from scripts.terms import bodies

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEVELS = {1: Rating.COMPATIBLE, 2: Rating.BREAKING, 3: Rating.BREAKING}
# Which part of an operation a rule is about, by what its id contains; the first that fits.
_ASPECTS = {
    "security": "securityRequirements",
    "operation-id": "operationID",
    "tag": "tags",
    "parameter": "parameters",
    "response": "responses",
    "request": "requestBody",
}
_TEXTS = {"description", "title", "summary", "examples", "extensions", "example"}
# What oasdiff puts into its tree to say how it got there.
_STEPS = {"modified", "operations", "properties", "schemas"}
_ONE_SCHEMA = {"schema", "items", "not", "contains", "propertyNames", "if", "then", "else"}
_NAMED_SCHEMAS = {"properties", "patternProperties", "dependentSchemas", "schemas"}
_HARMLESS = {"tags", "operationID", "externalDocs"}


def wire_changes(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Compare two documents.

    Args:
        old: The document as it is, parsed.
        new: The document as it would be, parsed.

    Returns:
        The changes, the worst first; empty only if the documents are the same.

    Raises:
        BindingError: One of them does not say where the API is.
        OasdiffError: They cannot be compared.
    """
    if json.dumps(old) == json.dumps(new):
        return []
    with TemporaryDirectory(prefix="modelgates-wire-") as folder:
        before, after = Path(folder, "old.json"), Path(folder, "new.json")
        before.write_text(json.dumps(_comparable(old)), encoding="utf-8")
        after.write_text(json.dumps(_comparable(new)), encoding="utf-8")
        entries = changelog(before, after)
        tree = differences(before, after)
        changes = {_rated(entry) for entry in entries} | set(_unrated(entries, tree))
        if base_url(old) != base_url(new):
            text = f"the API is now at {base_url(new)}, no longer at {base_url(old)}"
            changes.add(Change(Rating.BREAKING, "wire", text))
        if not changes:
            texts = sorted(set(_texts(differences(before, after, texts=True))))
            what = "; ".join(texts) or "nothing but how it is written"
            changes.add(Change(Rating.DOCUMENTATION, "wire", what))
    return sorted(changes, reverse=True)


def _comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Say in one way what OpenAPI 3.0 and 3.1 say in two, and schemas in two for raw bytes."""
    document = deepcopy(document) | {"openapi": "3.1.0"}
    _modernize(document)
    for body in bodies(document):
        for media_type, media in body["content"].items():
            if "json" not in media_type and not media_type.startswith(("text/", "multipart/")):
                media.pop("schema", None)
    return document


def _modernize(node: Any) -> None:
    if is_mapping(node):
        # oasdiff does not know that `true` and `false` are schemas, too.
        _spell_out(node, _ONE_SCHEMA & node.keys())
        for key in _NAMED_SCHEMAS & node.keys():
            if is_mapping(node[key]):
                _spell_out(node[key], set(node[key]))
        if node.get("nullable") is True and isinstance(node.get("type"), str):
            node["type"] = [node["type"], "null"]
            del node["nullable"]
        for value in node.values():
            _modernize(value)
    elif is_list(node):
        for value in node:
            _modernize(value)


def _spell_out(node: dict[str, Any], keys: set[str]) -> None:
    for key in keys:
        if isinstance(node[key], bool):
            node[key] = {} if node[key] else {"not": {}}


def _rated(entry: dict[str, Any]) -> Change:
    where = " ".join(str(entry[key]) for key in ("operation", "path") if entry.get(key))
    what = f"{where}: {entry['text']}" if where else str(entry["text"])
    return Change(_LEVELS[entry["level"]], "wire", what)


def _unrated(entries: list[dict[str, Any]], tree: dict[str, Any]) -> Iterator[Change]:
    """Give what the tree of differences has and no rated entry is about."""
    rated = {(entry.get("operation"), entry.get("path"), _aspect(entry["id"])) for entry in entries}
    for path, item in tree.get("paths", {}).get("modified", {}).items():
        found = item.get("operations", {}).get("modified", {})
        for method, aspects in found.items():
            for aspect in aspects.keys() - _HARMLESS - _TEXTS:
                if (method, path, aspect) not in rated:
                    text = f"{method} {path}: {aspect} changed in a way that nothing here rates"
                    yield Change(Rating.BREAKING, "wire", text)
    for url in tree.get("servers", {}).get("added", []):
        yield Change(Rating.COMPATIBLE, "wire", f"the server {url} is new")
    if "security" in tree and not any(_aspect(e["id"]) == "securityRequirements" for e in entries):
        yield Change(Rating.BREAKING, "wire", "what all operations ask for as security changed")


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
