"""Derive the documents of this folder from `openapi.yaml`.

Each file in `documents/` says what changes (`what`), how that must be rated (`rating`), which
operations the generator must say that it left out (`left_out`), and the change as a JSON Patch
whose paths may hold `*` for "each that there is".
"""

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonpatch
from jsonpointer import JsonPointer
from ruamel.yaml import YAML

FOLDER = Path(__file__).parent / "documents"


@dataclass(frozen=True)
class Evolution:
    """One way in which upstream may change its document."""

    name: str
    what: str
    rating: str
    patch: list[dict[str, Any]]
    left_out: list[str] = field(default_factory=list)

    def apply(self, document: dict[str, Any]) -> dict[str, Any]:
        """Give the changed document; the given one stays as it is."""
        document = deepcopy(document)
        for operation in self.patch:
            for path in _expand(operation["path"].split("/")[1:], document):
                jsonpatch.apply_patch(document, [operation | {"path": path}], in_place=True)
        return document


def evolutions() -> list[Evolution]:
    """Read all of them, by name."""
    yaml = YAML(typ="safe")
    return [Evolution(path.stem, **yaml.load(path)) for path in sorted(FOLDER.glob("*.yaml"))]


def _expand(parts: list[str], document: Any) -> list[str]:
    """Give each path that `parts` with `*` stand for, whose parent is there."""
    if "*" not in parts:
        return [
            JsonPointer.from_parts([p.replace("~1", "/").replace("~0", "~") for p in parts]).path
        ]
    star = parts.index("*")
    start = JsonPointer("/" + "/".join(parts[:star])).resolve(document)
    found = []
    for key in start:
        chosen = [*parts[:star], key.replace("~", "~0").replace("/", "~1"), *parts[star + 1 :]]
        if (
            "*" in chosen
            or JsonPointer("/" + "/".join(chosen[:-1])).resolve(document, None) is not None
        ):
            found += _expand(chosen, document)
    return found
