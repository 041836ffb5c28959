"""A plugin of pytest for `nox -s mutation`: the tests that take least are run first.

Most changes are noticed by many tests, and mutmut hands over a thousand by name, in no order. To
look for each of them takes pytest longer than to run the first ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

TIMES = Path("mutmut-stats.json")
WANTED: set[str] = set()


def pytest_configure(config: pytest.Config) -> None:
    """Have files collected, not tests."""
    WANTED.clear()
    WANTED.update(config.args)
    config.args = list(dict.fromkeys(name.partition("::")[0] for name in config.args))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that were asked for, by what each took when mutmut looked what it runs."""
    items[:] = [item for item in items if {item.nodeid, item.nodeid.partition("::")[0]} & WANTED]
    if TIMES.exists():
        seconds: dict[str, float] = json.loads(TIMES.read_text("utf-8"))["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
