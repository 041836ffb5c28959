"""The engine of last resort: a tone a word, as long as the word would take."""

from __future__ import annotations

import math
import sys
import zlib
from array import array

from modelgates_speech.stub.audio import SAMPLE_RATE

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
