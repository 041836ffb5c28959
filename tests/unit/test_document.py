"""The vendored document is what upstream publishes, and is sound."""

import hashlib
from pathlib import Path

from tests.edition import BODY, EDITION

DOCUMENT = Path(__file__).parents[2] / "openapi.yaml"

# Of the published document with all white space removed, for a page may show it on one line.
# `nox -s update_spec` writes it.
PUBLISHED = Path(__file__).with_name("published.sha256").read_text("ascii").strip()


def test_the_document_is_the_published_one_white_space_aside():
    text = "".join(DOCUMENT.read_text(encoding="utf-8-sig").split())
    assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED


def test_the_document_tells_a_request_and_an_answer():
    assert EDITION.audio_types
    assert EDITION.allows(EDITION.schema, BODY)
