"""How many requests at once: more while all goes well, half when the server says "too many"."""

from __future__ import annotations

from modelgates_speech.config import checked_count

START = 4
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Aimd:
    """Additive increase, multiplicative decrease, as TCP shares a line. No I/O, no clock.

    A success raises the limit by one per round of requests. A 429 halves it, once for all the
    requests that were under way together, and nothing is started until the pause is over that
    the server asked for, or that doubles from one second on while nothing succeeds.
    """

    def __init__(self, ceiling: int) -> None:
        self.running = 0
        self.ceiling = checked_count(ceiling, "concurrency")
        self._limit = float(min(START, self.ceiling))
        self._round = 0
        self._resume_at = 0.0
        self._refusals = 0

    @property
    def limit(self) -> int:
        """How many requests may run at once."""
        return int(self._limit)

    def wait(self, now: float) -> float | None:
        """Seconds until a request may start: 0 for now, None for when another has ended."""
        if self.running >= self.limit:
            return None
        return max(0.0, self._resume_at - now)

    def start(self) -> int:
        """Note that a request starts; return the round that it belongs to."""
        self.running += 1
        return self._round

    def end(self) -> None:
        """Note that a request ended without a word about the rate."""
        self.running -= 1

    def succeed(self) -> None:
        """Note that a request ended well."""
        self.running -= 1
        self._refusals = 0
        self._limit = min(float(self.ceiling), self._limit + 1 / self._limit)

    def refuse(self, began_in: int, now: float, retry_after: float | None) -> float:
        """Note that a request was refused for the rate; `start` said what it `began_in`.

        Returns:
            By how many seconds that puts off the next start.
        """
        self.running -= 1
        if began_in == self._round:
            self._limit = max(1.0, self._limit / 2)
            self._round += 1
            self._refusals += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self._refusals - 1))
        before = max(self._resume_at, now)
        self._resume_at = max(before, now + (pause if retry_after is None else retry_after))
        return self._resume_at - before
