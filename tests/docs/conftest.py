"""What the programs of the pages start with."""

import os

import pytest

from tests.cli.conftest import LEAN


@pytest.fixture(autouse=True)
def _without_trio(monkeypatch):
    """Leave out of the programs what their readers hardly have, and what takes long to import."""
    entries = [LEAN, *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entries))
