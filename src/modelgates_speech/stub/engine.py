"""What the stub expects of something that speaks."""

from __future__ import annotations

import re
from typing import Protocol


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
