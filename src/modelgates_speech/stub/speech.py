"""From text to PCM, a sentence at a time, with whichever engine is there."""

from __future__ import annotations

import functools
import logging
import re
from typing import TYPE_CHECKING

from modelgates_speech.stub.audio import SAMPLE_RATE, SAMPLE_WIDTH
from modelgates_speech.stub.engine import EngineUnavailableError
from modelgates_speech.stub.espeak import Espeak
from modelgates_speech.stub.tones import Tones

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelgates_speech.stub.engine import Engine

LONGEST_PIECE = 240
SLOWEST, FASTEST = 0.25, 4.0

_SENTENCE_END = re.compile(r"(?<=[.!?;:\u2026])\s+|(?<=[\u3002\uff01\uff1f\uff1b])|\n+")
_WORD_END = re.compile(r"[\s,]")

log = logging.getLogger("modelgates_speech.stub")


@functools.cache
def default_engine() -> Engine:
    """Find the speech engine, once a process: espeak-ng, or tones with a notice in the log."""
    try:
        return Espeak()
    except EngineUnavailableError as error:
        log.warning(
            "no speech engine, so the stub plays tones instead of speaking: %s; "
            "pip install 'modelgates-speech[stub]' brings one",
            error,
        )
        return Tones()


def synthesize(text: str, *, voice: str, speed: float, engine: Engine) -> Iterator[bytes]:
    """Speak a text of any length, holding one sentence at a time.

    Arguments:
        text: any text; what cannot be spoken is silence.
        voice: any name.
        speed: clamped to 0.25 ... 4.
        engine: what speaks.

    Returns:
        PCM chunks as `Engine.say` returns them; at least a tenth of a second in all.
    """
    clamped = float(min(max(speed, SLOWEST), FASTEST))
    silent = True
    for piece in pieces(text):
        if spoken := engine.say(piece, voice=voice, speed=clamped):
            silent = False
            yield spoken
    if silent:
        yield bytes(SAMPLE_RATE // 10 * SAMPLE_WIDTH)


def pieces(text: str) -> Iterator[str]:
    """Cut a text into sentences, and longer ones into at most 240 characters; drop no word."""
    start = 0
    while start < len(text):
        window = text[start : start + LONGEST_PIECE]
        if end := _SENTENCE_END.search(window):
            length = end.end()
        elif start + LONGEST_PIECE >= len(text):
            length = len(window)
        else:
            length = max((space.end() for space in _WORD_END.finditer(window)), default=len(window))
        if piece := window[:length].strip():
            yield piece
        start += max(length, 1)
