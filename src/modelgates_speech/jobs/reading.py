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
from modelgates_speech.loops import calls, later

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Generator

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
    """Advances a generator when it is asked for more, and no sooner.

    One thread does so from first to last, for what belongs to a thread, as a database's cursor
    does. It is a daemon: one that waits for a pipe or a program for ever is left behind.
    """

    def __init__(self, items: Generator[T]) -> None:
        self._asked: SimpleQueue[Literal["next"] | None] = SimpleQueue()
        self._given = Channel()
        self._call = calls()
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

    def _work(self, items: Generator[T]) -> None:
        with contextlib.closing(items):
            while self._asked.get():
                given: T | BaseException | None
                try:
                    given = next(items, None)
                except BaseException as error:  # noqa: BLE001 - given where it was asked for
                    given = error
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    self._call(self._given.put, given)


def from_loop(items: AsyncIterable[T]) -> Generator[T]:
    """What an async iterable gives, for another thread than the loop's that runs now.

    One task advances it from first to last, for what belongs to a task, and when it is asked.
    """
    call, begin, asked = calls(), later(), Channel()
    given: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()

    async def give() -> None:
        try:
            async for item in items:
                given.put((item,))
                if await asked.get() == "enough":
                    break
            given.put(None)
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            given.put(error)
        with contextlib.suppress(Exception):  # it is a generator, most often
            await items.aclose()  # type: ignore[attr-defined]

    def take() -> Generator[T]:
        begin(give)
        try:
            while found := given.get():
                if isinstance(found, BaseException):
                    raise found
                yield found[0]
                call(asked.put, "more")
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                call(asked.put, "enough")

    return take()
