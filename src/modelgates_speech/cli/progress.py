"""The progress bar: bytes, seconds of audio and rate, on a terminal's standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from modelgates_speech.cli.exits import needs_extra

if TYPE_CHECKING:
    from types import TracebackType

    from modelgates_speech import AudioStream

__all__ = ["ProgressBar", "bar_is_welcome"]


def bar_is_welcome() -> bool:
    """Return whether standard error is a terminal, the only place a bar is drawn."""
    return sys.stderr is not None and sys.stderr.isatty()


class ProgressBar:
    """A bar that is called with the total of bytes received so far."""

    def __init__(self) -> None:
        with needs_extra("cli"):
            from tqdm import tqdm
        self._stream: AudioStream | None = None
        self._bar = tqdm(
            desc="speaking", unit="B", unit_scale=True, leave=False, dynamic_ncols=True
        )

    def describe(self, stream: AudioStream) -> None:
        """Show from now on what `stream` says of its audio."""
        self._stream = stream

    def __call__(self, received: int) -> None:
        """Show that `received` bytes have come so far."""
        seconds = self._stream.duration if self._stream else None
        if seconds is not None:
            self._bar.set_postfix_str(f"{seconds:.1f} s of audio", refresh=False)
        self._bar.update(received - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
