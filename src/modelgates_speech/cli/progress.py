"""The bars on a terminal's standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

from modelgates_speech.cli.exits import needs_extra

if TYPE_CHECKING:
    from modelgates_speech import AudioStream


def bar_is_welcome() -> bool:
    """Return whether standard error is a terminal, the only place a bar is drawn."""
    return sys.stderr is not None and sys.stderr.isatty()


class Bar:
    """A bar, wiped away at the end; or nothing, unless `shown`."""

    def __init__(self, *, shown: bool, **settings: Any) -> None:
        with needs_extra("cli"):
            from tqdm import tqdm
        self._bar = tqdm(leave=False, dynamic_ncols=True, disable=not shown, **settings)

    def show(self, done: int, note: str | None) -> None:
        """Show how much is done, and a note beside it."""
        if note is not None:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()


class ProgressBar(Bar):
    """A bar that is called with the total of bytes received so far."""

    def __init__(self) -> None:
        super().__init__(shown=True, desc="speaking", unit="B", unit_scale=True)
        self._stream: AudioStream | None = None

    def describe(self, stream: AudioStream) -> None:
        """Show from now on what `stream` says of its audio."""
        self._stream = stream

    def __call__(self, received: int) -> None:
        """Show that `received` bytes have come so far."""
        seconds = self._stream.duration if self._stream else None
        self.show(received, None if seconds is None else f"{seconds:.1f} s of audio")
