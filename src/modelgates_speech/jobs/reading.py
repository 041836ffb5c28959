"""How tasks wait for each other, and for what users give piece by piece, in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from contextvars import copy_context
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import anyio

from modelgates_speech.errors import ConfigurationError
from modelgates_speech.loops import current_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class News:
    """Wakes the tasks of one event loop that wait for something to have changed."""

    def __init__(self) -> None:
        self._told = anyio.Event()

    def tell(self) -> None:
        """Wake all who wait."""
        self._told.set()

    async def wait(self) -> None:
        """Wait until it is told of again."""
        if self._told.is_set():
            self._told = anyio.Event()
        await self._told.wait()

    async def until(self, ready: Callable[[], object]) -> None:
        """Wait until that is so."""
        while not ready():
            await self.wait()


class Channel:
    """A queue between tasks, of which nothing need be closed."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._news = News()

    def put(self, item: Any) -> None:
        """Add an item."""
        self._items.append(item)
        self._news.tell()

    async def get(self) -> Any:
        """Take the next item, once it is there."""
        await self._news.until(lambda: self._items)
        return self._items.popleft()


class Reader(Generic[T]):
    """Advances an iterable when it is asked for more, and no sooner.

    One thread does so from first to last, for what belongs to a thread, as a database's cursor
    does. It is a daemon: one that waits for a pipe or a program for ever is left behind.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._asked: SimpleQueue[Literal["next"] | None] = SimpleQueue()
        self._given = Channel()
        loop = current_loop()
        self._tell = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
        work = (self._work, items)
        thread = threading.Thread(target=copy_context().run, args=work, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._given.put(ConfigurationError(f"nothing can be read: {error}"))

    async def next(self) -> T | BaseException | None:
        """The next item, None at the end; or what the iterable raised, for the caller to raise."""
        self._asked.put("next")
        given: T | BaseException | None = await self._given.get()
        return given

    def close(self) -> None:
        """Ask for no more."""
        self._asked.put(None)

    def _work(self, items: Iterable[T]) -> None:
        iterator = None
        while self._asked.get():
            given: T | BaseException | None
            try:
                iterator = iterator or iter(items)
                given = next(iterator, None)
            except BaseException as error:  # noqa: BLE001 - given where it was asked for
                given = error
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._tell(self._given.put, given)
