"""What is said of each answer on the terminal: never the key, never the text."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Seen:
    """One answer.

    Arguments:
        method: the HTTP method.
        path: the path of the URL.
        status: the status answered; None when the connection was left without one.
        characters: how many characters were to be spoken.
        seconds: of audio sent, for PCM; else None.
        milliseconds: until the answer had ended.
    """

    method: str
    path: str
    status: int | None
    characters: int
    seconds: float | None
    milliseconds: float

    def as_line(self) -> str:
        """Say it for people."""
        audio = "" if self.seconds is None else f", {self.seconds:.2f} s of audio"
        return (
            f"{self.method} {self.path} {self.status or 'no answer'} "
            f"{self.characters} characters{audio}, {self.milliseconds:.0f} ms"
        )

    def as_json(self) -> str:
        """Say it for machines."""
        return json.dumps(asdict(self))
