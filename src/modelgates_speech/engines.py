"""What carries requests and has nothing to do at the moment."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from modelgates_speech.config import KEEPALIVE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

EngineT = TypeVar("EngineT")


class Engines(Generic[EngineT]):
    """The engines that are idle, the one used last on top. It does no I/O and needs no lock.

    Each is a pool of the library's with one connection: with more it looks at all of them
    whenever a request comes or goes, which at 100 costs more than the request. Or they are one,
    `shared` by all requests, which a user has brought.
    """

    def __init__(self, new: Callable[[], EngineT], *, shared: bool) -> None:
        self._new = new
        self._shared = shared
        # The first is made now: what does not work had better fail here than in a call.
        self._idle: deque[tuple[EngineT, float]] = deque([(new(), time.monotonic())])
        self._busy: set[EngineT] = set()

    def take(self) -> EngineT:
        """One that is idle, or a new one."""
        try:
            engine, _ = self._idle.pop()
        except IndexError:
            engine = self._new()
        self._busy.add(engine)
        return engine

    def put_back(self, engine: EngineT, *, failed: bool = False) -> EngineT | None:
        """Make it idle; give one that is to be closed: itself if it `failed`, or one too old."""
        self._busy.discard(engine)
        if failed and not self._shared:
            # After a failed handshake through a proxy the library's pool stays taken for ever.
            return engine
        now = time.monotonic()
        self._idle.append((engine, now))
        try:
            oldest = self._idle.popleft()
        except IndexError:  # another thread was quicker
            return None
        if oldest[1] + KEEPALIVE_SECONDS < now and not self._shared:
            return oldest[0]
        self._idle.appendleft(oldest)
        return None

    def clear(self) -> list[EngineT]:
        """Forget all of them, and give them."""
        known = [*self._busy, *(engine for engine, _ in self._idle)]
        self._idle.clear()
        return known
