"""How a call waits: all that the sync and the async client do not share.

What either does is written once, as coroutines. Those of the sync client never wait for an event
loop, for they block their thread instead, so that one step is all they take.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias, TypeVar

import anyio

T = TypeVar("T")

_NOTHING: AbstractContextManager[object] = nullcontext()

# When the step that a thread is at `ends`, if it is to.
_step = threading.local()


class Blocking:
    """Waits in its thread."""

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""
        time.sleep(seconds)  # noqa: ASYNC251 - no event loop runs this

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call what works on a file."""
        return function(*arguments)

    async def ask(self, engine: Any, request: Any) -> Any:
        """Have an engine send a request, and wait for the head of the reply."""
        return engine.handle_request(request)

    def pieces(self, stream: Any) -> Any:
        """The body of a reply, piece by piece."""
        return filter(None, stream)

    async def next(self, pieces: Any) -> bytes:
        """Its next piece, ``b""`` at its end."""
        piece: bytes = next(pieces, b"")
        return piece

    async def close(self, thing: Any) -> None:
        """Close an engine or what comes of it, if it can be closed."""
        if close := getattr(thing, "close", None):
            close()

    def within(self, seconds: float) -> AbstractContextManager[object]:
        """A step that ends after so long; here its sockets see to that, by `time_left`."""
        return _NOTHING if seconds == math.inf else _ending_after(seconds)

    def shielded(self) -> AbstractContextManager[object]:
        """A step that is done even in a call that is cancelled; here none is."""
        return _NOTHING


class Yielding:
    """Lets the event loop go on; each as `Blocking` has it."""

    # ruff: disable[D102]
    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        return await in_thread(function, *arguments)

    async def ask(self, engine: Any, request: Any) -> Any:
        return await engine.handle_async_request(request)

    def pieces(self, stream: Any) -> Any:
        return aiter(stream)

    async def next(self, pieces: Any) -> bytes:
        # A loop that ends closes its generators: what they gave was not all.
        if getattr(pieces, "ag_frame", self) is None:
            raise RuntimeError("its event loop has ended")
        piece: bytes
        async for piece in pieces:
            if piece:
                return piece
        return b""

    async def close(self, thing: Any) -> None:
        if close := getattr(thing, "aclose", None):
            await close()

    def within(self, seconds: float) -> AbstractContextManager[object]:
        return _NOTHING if seconds == math.inf else anyio.fail_after(seconds)

    def shielded(self) -> AbstractContextManager[object]:
        return anyio.CancelScope(shield=True)

    # ruff: enable[D102]


@contextmanager
def _ending_after(seconds: float) -> Generator[None]:
    outer = getattr(_step, "ends", None)
    _step.ends = time.monotonic() + seconds
    try:
        yield
    finally:
        _step.ends = outer


def time_left(timeout: float | None) -> float | None:
    """What remains of a socket's `timeout` within the step that this thread is at.

    Each asks anew, so that not even a server that drips bytes outlives the deadline.
    """
    if (ends := getattr(_step, "ends", None)) is not None:
        left = ends - time.monotonic()
        timeout = left if timeout is None else min(timeout, left)
    # To a socket a timeout of 0 means "do not block", not "give up".
    return None if timeout is None else max(0.001, timeout)


Waiting: TypeAlias = Blocking | Yielding


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that is `Blocking`."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits for an event loop")


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call `function` in a thread, and wait for its end even when cancelled.

    To be cancelled by asyncio itself would otherwise leave the thread at work on a file that is
    being dropped.
    """
    # Here, for the sync client has no need of them.
    from concurrent.futures import Future

    from anyio import to_thread

    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - raised below, where no group wraps it
            outcome.set_exception(error)

    async def run() -> None:
        try:
            await to_thread.run_sync(work)
        except RuntimeError:
            # The system has no thread left. The loop waits: what it has may be paid for.
            work()

    # A task group does not end before its tasks, nor these before their threads.
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
    return outcome.result()
