"""Speech that is heard while it arrives, and kept whatever the device does: it is paid for."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from modelgates_speech.cli.exits import CommandError, exit_for, in_words, to_nowhere
from modelgates_speech.cli.rescue import keep_near
from modelgates_speech.errors import ConfigurationError, PlaybackError
from modelgates_speech.keeping import Keeping, unfit
from modelgates_speech.playback import PLAYABLE, check_device, play_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from modelgates_speech import AudioStream
    from modelgates_speech.files import AtomicFile


def check_playable(response_format: str | None) -> None:
    """Find out that nothing can be heard before the speech is paid for rather than after."""
    if response_format not in (None, *PLAYABLE):
        raise click.UsageError(f"--play plays {', '.join(PLAYABLE)}, not {response_format}")
    with _silent_libraries():
        check_device()


def listen(
    stream: AudioStream,
    file: AtomicFile | None,
    spare: Path | None,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Play a stream while it arrives, and return when it has been heard.

    `file` is written as well, whole whatever the device does. Without it the audio is kept near
    `spare` if the device fails, unless that is None, for it is kept already.
    """
    if file is None and spare is None:
        play_pieces(stream.metadata, stream)
        return
    try:
        kept = Keeping(stream.metadata, file)
    except ConfigurationError as error:
        raise unfit(error, stream.read()) from error

    def pieces() -> Iterator[bytes]:
        for piece in kept.through(stream):
            if on_progress:
                on_progress(stream.bytes_received)
            yield piece
        # Before it has been heard: who has heard enough has the file all the same.
        if file is not None:
            kept.commit()

    arriving = pieces()
    with kept.even_on_failure():
        try:
            play_pieces(stream.metadata, arriving)
        except PlaybackError as error:
            for _ in arriving:
                pass
            where = file.path if file else spare and keep_near(spare, kept.audio(), spare.stem)
            kept_in_words = f"the audio is in {where}" if where else "it could not be saved"
            raise CommandError(f"{in_words(error)}; {kept_in_words}", exit_for(error)) from error


@contextmanager
def _silent_libraries() -> Generator[None]:
    """Keep the system's libraries from printing on standard error, where they bury our line."""
    try:
        shown = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        to_nowhere(2)
        yield
    finally:
        os.dup2(shown, 2)
        os.close(shown)
