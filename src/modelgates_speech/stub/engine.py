"""What the stub expects of something that speaks."""

from __future__ import annotations

from typing import Protocol


class Engine(Protocol):
    """Something that can speak."""

    @property
    def name(self) -> str:
        """What the answer's `X-Stub-Engine` header says."""
        ...

    def say(self, text: str, *, voice: str, speed: float) -> bytes:
        """Speak one piece of text.

        Arguments:
            text: at most 240 characters.
            voice: any name; the same name always sounds the same.
            speed: 0.25 to 4, 1 being normal.

        Returns:
            Raw PCM: signed 16-bit little-endian, 24 kHz, mono.
        """
        ...


class EngineUnavailableError(Exception):
    """There is no speech engine here; the message says why."""
