"""The bars on a terminal's standard error."""

from __future__ import annotations

import sys
from typing import Any, Self

from modelgates_speech.config import installed


def bar_is_welcome() -> bool:
    """Return whether standard error is a terminal, the only place a bar is drawn."""
    return sys.stderr is not None and sys.stderr.isatty()


class Bar:
    """A bar, wiped away at the end; or nothing, unless `shown`."""

    def __init__(self, *, shown: bool, **settings: Any) -> None:
        self._bar: Any = None
        if shown:
            tqdm = installed("tqdm", "the bar", "cli").tqdm
            self._bar = tqdm(leave=False, dynamic_ncols=True, **settings)

    def show(self, done: int, note: str | None) -> None:
        """Show how much is done, and a note beside it."""
        if self._bar is None:
            return
        if note is not None:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
