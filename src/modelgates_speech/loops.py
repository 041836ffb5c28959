"""What belongs to one event loop, on asyncio and on trio alike."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import current_token

if TYPE_CHECKING:
    import asyncio


def current_loop() -> Any:
    """The event loop that runs now: asyncio's, or the token of trio's."""
    return current_token().native_token


def is_running() -> bool:
    """Whether an event loop runs here now."""
    try:
        current_loop()
    except RuntimeError:
        return False
    return True


def calls() -> Callable[..., Any]:
    """A way to call a function in the loop that runs now, from any thread.

    It raises a RuntimeError when the loop has ended.
    """
    loop = current_loop()
    call: Callable[..., Any] = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    return call


def later() -> Callable[[Callable[[], Coroutine[Any, Any, None]]], None]:
    """A way to have this loop run a coroutine function soon, from any thread or finalizer.

    It runs in the context of its caller. After the loop has ended it does nothing: what was open
    has ended with it. The function must not raise: trio takes that for a fault of its own.
    """
    loop, call = current_loop(), calls()
    tasks: set[asyncio.Task[None]] = set()

    def on_asyncio(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = loop.create_task(function())
        # The loop itself holds tasks weakly.
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def on_trio(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        from trio.lowlevel import spawn_system_task

        # A loop that is about to end takes no more of them.
        with contextlib.suppress(RuntimeError):
            spawn_system_task(function, context=copy_context())

    run = on_asyncio if hasattr(loop, "create_task") else on_trio

    def soon(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with contextlib.suppress(RuntimeError):
            call(copy_context().run, run, function)

    return soon


async def live(
    kept: dict[object, Any], loop: object, close: Callable[[], Coroutine[Any, Any, None]]
) -> AsyncGenerator[None]:
    """Close what belongs to an event loop with it, even if nobody else does.

    A loop that ends closes its async generators; this one, once begun, calls `close` in turn and
    takes the loop out of `kept`.
    """
    try:
        yield
    finally:
        kept.pop(loop, None)
        # A loop that was dropped before its end, as nest_asyncio does, can wait for nothing more.
        if is_running():
            await close()
