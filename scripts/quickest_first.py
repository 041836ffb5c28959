"""A plugin of pytest for `nox -s mutation`: the tests that take least are run first.

Most changes are noticed by many tests, and mutmut hands them over in no order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

TIMES = Path("mutmut-stats.json")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort them by what they took when mutmut looked which test runs what."""
    if TIMES.exists():
        seconds: dict[str, float] = json.loads(TIMES.read_text("utf-8"))["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
