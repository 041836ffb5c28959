"""The bars on a terminal's standard error."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modelgates_speech.config import installed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def bar_is_welcome(*, quiet: bool, as_json: bool) -> bool:
    """Return whether a bar is to be drawn: on a terminal alone, and where people are told."""
    return not (quiet or as_json) and sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def bar(*, shown: bool, **settings: Any) -> Generator[Callable[[int, str | None], None]]:
    """Draw a bar if `shown`, wiped away at the end; it takes how much is done, and a note."""
    if not shown:
        yield lambda _done, _note: None
        return
    tqdm = installed("tqdm", "the bar", "cli").tqdm
    with tqdm(leave=False, dynamic_ncols=True, **settings) as drawn:

        def show(done: int, note: str | None) -> None:
            if note is not None:
                drawn.set_postfix_str(note, refresh=False)
            drawn.update(done - drawn.n)

        yield show
