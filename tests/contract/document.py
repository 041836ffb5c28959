"""The OpenAPI document that a run judges by."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from modelgates_speech.stub.document import load
from tests.contract.settings import Settings
from tests.edition import Edition


def read(path: str) -> dict[str, Any]:
    """Read a document; ours as it was generated from."""
    if Path(path) == Path(Settings.document):
        # Without what is left out of it, which nobody promises to serve.
        source = files("modelgates_api").joinpath("openapi.json")
        contents: dict[str, Any] = json.loads(source.read_text("utf-8"))
        return contents
    return dict(load(path).contents)


# Not when imported: a process that judges is told by which document after it has begun.
@functools.cache
def document() -> dict[str, Any]:
    """Give the document of this run."""
    return read(Settings.load().document)


@functools.cache
def edition() -> Edition:
    """Give the same as tests need it."""
    return Edition(document())
