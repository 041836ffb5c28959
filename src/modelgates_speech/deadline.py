"""How long a call may take, all its tries together."""

from __future__ import annotations

import math
import time


class Deadline:
    """The moment by which a call must be over."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.expires = math.inf if seconds is None else time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then: 0 when it has passed, infinity when there is none."""
        return max(0.0, self.expires - time.monotonic())

    def still(self) -> float:
        """What is left, for the next step of the call; raise when nothing is."""
        if left := self.left():
            return left
        raise TimeoutError
