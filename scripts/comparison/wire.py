"""What changed on the wire, as oasdiff sees and rates it.

What it sees and does not rate counts as breaking, for nobody has looked at it.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.comparison.changes import Change, Rating, grouped
from scripts.comparison.comparable import comparable, ways_of_the_key
from scripts.comparison.oasdiff import OasdiffError, changelog, differences
from scripts.comparison.objects import object_changes
from scripts.comparison.rating import TEXTS, differences_of, rated, unrated
from scripts.comparison.widened import widened
from scripts.document.operation import server_urls
from scripts.document.reading import is_mapping
from scripts.document.simpler import bare

if TYPE_CHECKING:
    from collections.abc import Iterator

UNSEEN = "nothing but how it is written"
# So many places of other words are named.
_SHOWN = 3
# Schemas have names for those who read the document; on the wire there are none.
_NOT_ON_THE_WIRE = {"api-schema-removed", "api-schema-added"}
# What oasdiff puts into its tree to say how it got there.
_STEPS = {"modified", "operations", "properties", "schemas"}


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
        was, is_now = comparable(old), comparable(new)
        changes = {*widened(was, is_now), *object_changes(old, new), *_key(old, new)}
        try:
            found, tree = _compared(was, is_now, before, after)
        except OasdiffError:
            # Of samples and links that are wrong it reads nothing at all.
            found, tree = _compared(bare(was), bare(is_now), before, after)
        entries = [entry for entry in found if entry["id"] not in _NOT_ON_THE_WIRE]
        by_operation = differences_of(tree)
        said = frozenset(changes)
        changes |= {*rated(entries, by_operation, was), *unrated(entries, by_operation, said)}
        changes |= set(_servers(old, new))
        if not changes:
            texts = sorted(set(_texts(differences(before, after, texts=True))))
            more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
            what = "; ".join(texts[:_SHOWN]) + more or UNSEEN
            details = tuple(texts) if more else ()
            changes.add(Change(Rating.DOCUMENTATION, "wire", what, details))
    return grouped(sorted(changes, reverse=True))


def _compared(
    old: dict[str, Any], new: dict[str, Any], before: Path, after: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    before.write_text(json.dumps(old), encoding="utf-8")
    after.write_text(json.dumps(new), encoding="utf-8")
    return changelog(before, after), differences(before, after)


def _servers(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    before, after = server_urls(old), server_urls(new)
    # A document that names none says nothing of where the API is.
    moved = before and after and before[0] != after[0]
    if moved and before[0] in after:
        text = f"the first server is now {after[0]}: base_url={before[0]!r} stays at the old one"
        yield Change(Rating.BREAKING, "wire", text)
    elif moved:
        text = f"the API is now at {after[0]}, no longer at {before[0]}"
        yield Change(Rating.BREAKING, "wire", text)
    for url in after[1:] if moved else after:
        if url not in before:
            yield Change(Rating.COMPATIBLE, "wire", f"the server {url} is new")


def _key(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Tell where the document takes the key in other ways than that of this client."""
    took_bearer, known = ways_of_the_key(old)
    takes_bearer, others = ways_of_the_key(new)
    if took_bearer and not takes_bearer:
        text = f"the key is asked for by {', '.join(others)}, no longer as a bearer token"
        yield Change(
            Rating.COMPATIBLE, "wire", f"{text}, as which this client sends it all the same"
        )
    elif more := [each for each in others if each not in known]:
        text = f"the key may be given by {', '.join(more)}, too"
        yield Change(Rating.DOCUMENTATION, "wire", f"{text}; this client sends a bearer token")


def _texts(node: Any, place: str = "") -> Iterator[str]:
    """Name the places below which texts differ."""
    if is_mapping(node):
        for key, value in node.items():
            if key in TEXTS:
                yield f"the {key} of {place or 'the document'}"
            else:
                yield from _texts(value, place if key in _STEPS else f"{place} {key}".strip())
