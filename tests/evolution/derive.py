"""Derive the documents of this folder from `openapi.yaml`.

Each file in `documents/` is a kind of change. Each of its entries says what changes (`what`), how
that must be rated (`rating`), which operations must be reported as left out (`left_out`), and the
change as a JSON Patch whose paths may hold `*` for "each that there is", and begin with `SPEECH`
for our operation and with `REQUEST` for the schema of its request. One that is made `of` others has
all their changes at once, so that trying it tries them.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonpatch
from jsonpointer import JsonPointer
from ruamel.yaml import YAML

FOLDER = Path(__file__).parent / "documents"
SHORT = {
    "SPEECH": "/paths/~1audio~1speech/post",
    "REQUEST": "/components/schemas/SpeechRequest",
}


@dataclass(frozen=True)
class Evolution:
    """One way in which upstream may change its document."""

    name: str
    what: str
    rating: str
    patch: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    of: list[str] = field(default_factory=list)

    def apply(self, document: dict[str, Any]) -> dict[str, Any]:
        """Give the changed document; the given one stays as it is."""
        document = deepcopy(document)
        known = {evolution.name: evolution for evolution in evolutions()} if self.of else {}
        for name in self.of:
            document = known[name].apply(document)
        for operation in deepcopy(self.patch):
            written = operation | {
                key: _written_out(operation[key]) for key in ("path", "from") if key in operation
            }
            for path in _expand(written["path"].split("/")[1:], document):
                jsonpatch.apply_patch(document, [written | {"path": path}], in_place=True)
        return document


@cache
def evolutions() -> list[Evolution]:
    """Read all of them, by name."""
    yaml = YAML(typ="safe")
    found = [
        Evolution(name, **entry)
        for path in FOLDER.glob("*.yaml")
        for name, entry in yaml.load(path).items()
    ]
    return sorted(found, key=lambda evolution: evolution.name)


def _written_out(path: str) -> str:
    start, slash, rest = path.partition("/")
    return SHORT.get(start, start) + slash + rest


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
