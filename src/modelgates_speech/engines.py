"""What carries requests and has nothing to do at the moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Engines:
    """The engines that are idle, the one used last on top. It does no I/O and needs no lock.

    Each is a connection of the library's, made by its pool but not kept there: a pool looks at all
    that it has whenever a request comes or goes. Or they are one, `shared` by all requests, which a
    user has brought.
    """

    def __init__(self, new: Callable[[], Any], *, shared: bool) -> None:
        self._new = new
        self._shared = shared
        self._idle: deque[Any] = deque()
        self._busy: set[Any] = set()
        self._unused: deque[Any] = deque()
        self._ended = False

    def take(self) -> Any:
        """One that is idle, or a new one."""
        if self._shared:
            return self._new()
        try:
            while (engine := self._idle.pop()).has_expired():
                self._unused.append(engine)
        except IndexError:
            engine = self._new()
        self._busy.add(engine)
        return engine

    def put_back(self, engine: Any, *, failed: bool) -> None:
        """Make it idle, unless its request `failed`, or it was closed meanwhile."""
        if self._shared:
            return
        usable = engine in self._busy and engine.is_idle() and not failed
        self._busy.discard(engine)
        (self._idle if usable else self._unused).append(engine)
        if len(self._idle) > 1:
            # Of those that a busy hour has left, one at a time is looked at.
            with suppress(IndexError):  # another thread was quicker
                oldest = self._idle.popleft()
                (self._unused.append if oldest.has_expired() else self._idle.appendleft)(oldest)
        if self._ended:
            self._unused_from(self._idle)  # last: who cleared it saw only what was in a queue

    def next_unused(self) -> Any:
        """One that is to be closed, or None."""
        with suppress(IndexError):
            return self._unused.popleft()

    def clear(self) -> None:
        """Have all of them closed, and those of calls that begin now when these end."""
        self._ended = True
        if self._shared:
            self._unused.append(self._new())
        self._unused_from(self._busy)
        self._unused_from(self._idle)

    def _unused_from(self, engines: set[Any] | deque[Any]) -> None:
        # One by one, for another thread may put one there.
        with suppress(LookupError):
            while True:
                self._unused.append(engines.pop())
