"""How long a call may take, all its tries together, and what that leaves for each step."""

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

    def within(self, phases: dict[str, float]) -> dict[str, float]:
        """The timeouts of `phases`, each cut short by this deadline if there is one."""
        if self.seconds is None:
            return phases
        return {phase: Budget(seconds, self) for phase, seconds in phases.items()}


class Budget(float):
    """The timeout of one phase, cut short by the call's deadline when that is nearer.

    A plain number to any transport. What opens our sockets asks it anew before each read and
    write, so that not even a server that drips bytes outlives the deadline.
    """

    deadline: Deadline

    def __new__(cls, seconds: float, deadline: Deadline) -> Budget:
        """Allow this many seconds, within `deadline`."""
        budget = super().__new__(cls, seconds)
        budget.deadline = deadline
        return budget

    @staticmethod
    def left(timeout: float | None) -> float | None:
        """What remains of `timeout`, whatever kind of number it is."""
        if isinstance(timeout, Budget):
            # To a socket a timeout of 0 means "do not block", not "give up".
            return max(0.001, min(timeout, timeout.deadline.left()))
        return timeout
