"""Connections and the queue for them, for threads and for event loops.

`httpcore` has pools of its own, which look at all of their connections whenever a request comes or
goes: at 50 at once that costs five times the request itself, and at 500 calls time out.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import httpcore

from modelgates_speech._http import Response
from modelgates_speech.deadline import Budget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from modelgates_speech._http import AsyncBody, AsyncTransport, Body, Request, Transport

C = TypeVar("C")


class Limits:
    """How many connections there may be, and the seconds that an unused one is kept."""

    def __init__(self, max_connections: int = 100, keepalive_expiry: float = 5.0) -> None:
        self.max_connections = max_connections
        self.keepalive_expiry = keepalive_expiry


class _Connections(Generic[C]):
    """Which connections are idle and which are busy. It does no I/O and needs no lock."""

    def __init__(self, new: Callable[[], C], expiry: float) -> None:
        self._new = new
        self._expiry = expiry
        self.busy: set[C] = set()
        # The first is made here, so that a proxy that cannot work fails here and not in a call.
        self.idle: deque[tuple[C, float]] = deque([(new(), time.monotonic())])

    def take(self) -> C:
        # The one used last is the likeliest to be open still; the others grow old and go.
        try:
            connection, _ = self.idle.pop()
        except IndexError:
            connection = self._new()
        self.busy.add(connection)
        return connection

    def put_back(self, connection: C, *, sound: bool) -> C | None:
        """Make it idle; give the one that is to be closed instead, itself if not `sound`."""
        self.busy.discard(connection)
        if not sound:
            return connection
        now = time.monotonic()
        self.idle.append((connection, now))
        try:
            oldest = self.idle.popleft()
        except IndexError:
            # Another thread was quicker.
            return None
        if oldest[1] + self._expiry < now:
            return oldest[0]
        self.idle.appendleft(oldest)
        return None

    def clear(self) -> list[C]:
        """Forget all of them, and give them."""
        known = [*self.busy, *(connection for connection, _ in self.idle)]
        self.idle.clear()
        return known


class Pool:
    """Connections for any number of threads.

    Args:
        new: Makes a connection, not yet opened.
        limits: How many there may be, and how long an unused one is kept.
    """

    def __init__(self, new: Callable[[], Transport], limits: Limits) -> None:
        self.connections = _Connections(new, limits.keepalive_expiry)
        self._free = threading.Semaphore(limits.max_connections)

    def send(self, request: Request) -> Response[Body]:
        if not self._free.acquire(timeout=Budget.left(request.timeout["pool"])):
            raise httpcore.PoolTimeout("no connection became free")
        connection = self.connections.take()
        try:
            response = connection.send(request)
        except BaseException:
            self._give_back(connection, sound=False)
            raise
        body = _Borrowed(response.body, functools.partial(self._give_back, connection))
        return Response(response.status, response.headers, body)

    def close(self) -> None:
        for connection in self.connections.clear():
            connection.close()

    def _give_back(self, connection: Transport, *, sound: bool) -> None:
        stale = self.connections.put_back(connection, sound=sound)
        self._free.release()
        if stale is not None:
            stale.close()


class _Borrowed:
    """A body whose connection is given back once it is closed."""

    def __init__(self, body: Body, give_back: Callable[..., None]) -> None:
        self._body = body
        self._give_back: Callable[..., None] | None = give_back

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is None:
            return
        sound = False
        try:
            self._body.close()
            sound = True
        finally:
            give_back(sound=sound)


class AsyncPool:
    """Connections for the tasks of one event loop; otherwise as `Pool`."""

    def __init__(self, new: Callable[[], AsyncTransport], limits: Limits) -> None:
        self.connections = _Connections(new, limits.keepalive_expiry)
        self._free = anyio.Semaphore(limits.max_connections, fast_acquire=True)

    async def send(self, request: Request) -> Response[AsyncBody]:
        await self._wait(request.timeout["pool"])
        connection = self.connections.take()
        try:
            response = await connection.send(request)
        except BaseException:
            await self._give_back(connection, sound=False)
            raise
        body = _AsyncBorrowed(response.body, functools.partial(self._give_back, connection))
        return Response(response.status, response.headers, body)

    async def aclose(self) -> None:
        for connection in self.connections.clear():
            await connection.aclose()

    async def _wait(self, seconds: float) -> None:
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(seconds) as waiting:
                await self._free.acquire()
            if waiting.cancelled_caught:
                raise httpcore.PoolTimeout("no connection became free") from None

    async def _give_back(self, connection: AsyncTransport, *, sound: bool) -> None:
        stale = self.connections.put_back(connection, sound=sound)
        self._free.release()
        if stale is not None:
            # A cancelled call closes its connection all the same.
            with anyio.CancelScope(shield=True):
                await stale.aclose()


class _AsyncBorrowed:
    """A body whose connection is given back once it is closed."""

    def __init__(self, body: AsyncBody, give_back: Callable[..., Awaitable[None]]) -> None:
        self._body = body
        self._give_back: Callable[..., Awaitable[None]] | None = give_back

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is None:
            return
        sound = False
        try:
            await self._body.aclose()
            sound = True
        finally:
            await give_back(sound=sound)
