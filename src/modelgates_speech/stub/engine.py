"""What the stub expects of something that speaks, and what speaks where nothing else does."""

from __future__ import annotations

import math
import re
import sys
import zlib
from array import array
from typing import Protocol

from modelgates_speech.stub.audio import SAMPLE_RATE


class Engine(Protocol):
    """Something that can speak."""

    @property
    def name(self) -> str:
        """What the answer's `X-Stub-Engine` header says."""
        ...

    def say(self, text: str, *, voice: str, speed: float) -> bytes:
        """Speak one piece of text.

        Args:
            text: At most 240 characters.
            voice: Any name; the same name always sounds the same.
            speed: 0.25 to 4, 1 being normal.

        Returns:
            Raw PCM: signed 16-bit little-endian, 24 kHz, mono.
        """
        ...


# What people say where the engine says it in another way.
_ALIASES = {"en": "en-us", "en-gb": "en", "my": "en-us", "no": "nb", "zh": "cmn"}


def languages(voice: str) -> list[str]:
    """Give the languages that a voice may speak by its name, the likeliest first.

    `pt-BR-anna` is Brazilian, else Portuguese, else English as all voices are.
    """
    first, _, rest = voice.lower().partition("-")
    asked = [f"{first}-{rest.partition('-')[0]}", first] if rest else []
    # A code is two or three letters; `my-voice` is not Burmese, but `my-mm-voice` is.
    known = [code for code in asked if re.fullmatch("[a-z]{2,3}(-[a-z0-9]+)?", code)]
    return [*(_ALIASES.get(code, code) for code in known), "en-us"]


class EngineUnavailableError(Exception):
    """There is no speech engine here; the message says why."""


_SECONDS_PER_CHARACTER = 0.065
_PITCHES = (200, 240, 300, 320, 375, 400)  # whole periods at 24 kHz, so that cycles just repeat


class Tones:
    """Plays tones: the right format and about the right length, without a speech engine."""

    name = "tones"

    def say(self, text: str, *, voice: str, speed: float) -> bytes:
        """Play the words of `text` as tones; see `Engine.say`."""
        samples = array("h")
        for word in text.split():
            pitch = _PITCHES[zlib.crc32(f"{voice} {word}".encode()) % len(_PITCHES)]
            around = range(SAMPLE_RATE // pitch)
            period = [round(6000 * math.sin(math.tau * i / len(around))) for i in around]
            length = round((len(word) + 1) * _SECONDS_PER_CHARACTER / speed * SAMPLE_RATE)
            heard = length - length // 8
            samples.extend(array("h", period) * (heard // len(period)))
            samples.extend(array("h", bytes(2 * (length - heard))))
        if sys.byteorder == "big":
            samples.byteswap()
        return samples.tobytes()
