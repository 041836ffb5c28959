"""From text to PCM, a sentence at a time, with whichever engine is there."""

from __future__ import annotations

import functools
import importlib
import logging
import re
import textwrap
from typing import TYPE_CHECKING, Any

from modelgates_speech.stub.audio import SAMPLE_RATE, SAMPLE_WIDTH
from modelgates_speech.stub.engine import Engine, EngineUnavailableError, Tones, languages
from modelgates_speech.stub.espeak import Espeak

if TYPE_CHECKING:
    from collections.abc import Iterator


# It has no types.
sentencex: Any = importlib.import_module("sentencex")

LONGEST_PIECE = 240
SLOWEST, FASTEST = 0.25, 4.0

# Seconds, at the usual speed.
AFTER_SENTENCE, AFTER_CLAUSE, BETWEEN_PARAGRAPHS = 0.3, 0.15, 0.4
# Somebody's own engine makes its own pauses.
_OURS = (Espeak, Tones)

_PARAGRAPH = re.compile(r"\n\s*\n")
# What divides a text beside the ends of its sentences.
_MARK = re.compile(r"(?<=[;:])\s+|(?<=\uff1b)|\n+")
_WHITE = re.compile(r"[^\S\n]")
_HALF = re.compile("[\ud800-\udfff]")


@functools.cache
def default_engine() -> Engine:
    """Find the speech engine, once a process: espeak-ng, or tones with a notice in the log."""
    try:
        return Espeak()
    except EngineUnavailableError as error:
        logging.getLogger("modelgates_speech.stub").warning(
            "no speech engine, so the stub plays tones instead of speaking: %s; "
            "pip install 'modelgates-speech[stub]' brings one",
            error,
        )
        return Tones()


def synthesize(text: str, *, voice: str, speed: float, engine: Engine) -> Iterator[bytes]:
    """Speak a text of any length, holding one sentence at a time, with pauses as people make them.

    What cannot be spoken is silence; the speed is clamped to 0.25 ... 4; a voice that begins with a
    language, such as `de-anna`, speaks it. The chunks are at least a tenth of a second in all.
    """
    clamped = float(min(max(speed, SLOWEST), FASTEST))
    ours, silent = isinstance(engine, _OURS), True
    for paragraph in _PARAGRAPH.split(text):
        if ours and not silent:
            yield _silence(BETWEEN_PARAGRAPHS / clamped)
        for piece in pieces(paragraph, language=languages(voice)[0]):
            if spoken := engine.say(piece, voice=voice, speed=clamped):
                silent = False
                yield spoken + _silence(_pause(piece) / clamped if ours else 0)
    if silent:
        yield _silence(0.1)


def _silence(seconds: float) -> bytes:
    return bytes(round(seconds * SAMPLE_RATE) * SAMPLE_WIDTH)


def _pause(piece: str) -> float:
    """Give the seconds of silence after a piece."""
    last = piece.rstrip("\"')]\u00bb\u201d\u2019")[-1:]
    if last.isalnum() or last == ",":
        # A heading ends as a sentence does; what was cut for its length does not end at all.
        return AFTER_SENTENCE if len(piece) < LONGEST_PIECE // 2 else 0
    return AFTER_CLAUSE if last in {";", ":"} else AFTER_SENTENCE


def pieces(text: str, *, language: str = "en") -> Iterator[str]:
    """Cut a text into sentences, and longer ones into at most 240 characters; drop no word.

    The abbreviations of the language, a code such as `de` or `pt-br`, do not end a sentence.
    """
    # A white space of one byte: sentencex 1.0 panics at some others, and at half characters.
    plain = _HALF.sub("?", _WHITE.sub(" ", text))
    for sentence in sentencex.segment(language.partition("-")[0], plain):
        for clause in _MARK.split(sentence):
            yield from textwrap.wrap(clause.strip(), LONGEST_PIECE, break_on_hyphens=False)
