"""The document in a page of Markdown, which is how some publishers show one."""

from __future__ import annotations

import re
from typing import NamedTuple

from scripts.document.reading import DocumentError

_FENCED = re.compile(rb"^(`{3,}|~{3,})[^\n]*\n(.*?)^\1[ \t\r]*$", re.MULTILINE | re.DOTALL)
# Wherever it stands: programs sort the keys.
_VERSION = re.compile(rb"""(?:^|["'])(?:openapi|swagger)["']?\s*:""", re.MULTILINE)


class Shown(NamedTuple):
    """A document, and how many lines of the file stand before it."""

    data: bytes
    before: int = 0


def document_in(data: bytes) -> Shown:
    """Give the OpenAPI document of a page in Markdown; what is no such page, as it is.

    Raises:
        DocumentError: The page shows several.
    """
    shown = [
        Shown(found[2], data.count(b"\n", 0, found.start(2)))
        for found in _FENCED.finditer(data)
        if _VERSION.search(found[2])
    ]
    if len(shown) > 1:
        lines = " and ".join(str(each.before + 1) for each in shown)
        raise DocumentError(f"a page with documents at lines {lines}: save the one that is meant")
    return shown[0] if shown else Shown(data)
