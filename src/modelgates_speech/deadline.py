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

    def check(self) -> None:
        """Raise when it has passed."""
        if time.monotonic() >= self.expires:
            raise TimeoutError
