"""Audio that was paid for is kept beside the file that it was meant for."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from modelgates_speech.cli.exits import CommandError, exit_for, in_words
from modelgates_speech.errors import ModelGatesError
from modelgates_speech.files import AtomicFile
from modelgates_speech.keeping import keep

if TYPE_CHECKING:
    from collections.abc import Generator

    from modelgates_speech.errors import HeldAudio


@contextmanager
def opened(output: Path | None, spare: Path | None) -> Generator[AtomicFile | None]:
    """Open the file for the speech, if there is one; what a failure leaves is kept near either.

    What cannot be written is better found before the speech is paid for than after.
    """
    near = output or spare
    writing = AtomicFile(output) if output else nullcontext()
    with _rescued(near) if near else nullcontext(), writing as file:
        yield file


@contextmanager
def _rescued(output: Path) -> Generator[None]:
    """Keep the audio that an error holds, replacing nothing, and say where it is."""
    try:
        yield
    except ModelGatesError as error:
        # What was joined already, and a piece that could not be.
        names = ("partial", "audio")
        found: list[HeldAudio | None] = [getattr(error, name, None) for name in names]
        held = [audio for audio in found if audio and audio.content]
        if not held:
            raise
        kept = [keep_near(output, audio, f"{output.stem}.partial") for audio in held]
        where = "what arrived could not be saved anywhere"
        if saved := [f"{path}" for path in kept if path]:
            where = f"what arrived is in {' and '.join(saved)}"
        raise CommandError(f"{in_words(error)}; {where}", exit_for(error)) from error


def keep_near(output: Path, audio: HeldAudio, stem: str) -> Path | None:
    """Keep audio beside `output`, or else among temporary files, as another disk may take it."""
    pcm = output.suffix if output.suffix.lower() in {".pcm", ".raw"} else ".wav"
    folders = (output.parent, Path(tempfile.gettempdir()))
    return next(filter(None, (keep(audio, folder, stem, pcm) for folder in folders)), None)
