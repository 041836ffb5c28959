"""The workers of a narration, threads or tasks: they differ only in how they wait."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from modelgates_speech.config import GRACE_SECONDS
from modelgates_speech.errors import ConfigurationError
from modelgates_speech.forks import survive_forks
from modelgates_speech.jobs.narration import Job, Line, Settings, settings_of
from modelgates_speech.loops import later
from modelgates_speech.streams import AsyncAudioStream, AudioStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelgates_speech.audio import Receiver

    Open = Callable[[dict[str, Any]], AudioStream]
    OpenAsync = Callable[[dict[str, Any]], AsyncAudioStream]

T = TypeVar("T")


def narrate(stream: Open, arguments: dict[str, Any]) -> AudioStream:
    """The narration of a text, each piece of which `stream` speaks."""
    settings = settings_of(**arguments)
    return AudioStream(lambda: _Narration(stream, settings).open())


def narrate_async(stream: OpenAsync, arguments: dict[str, Any]) -> AsyncAudioStream:
    """The narration of a text, each piece of which `stream` speaks."""
    settings = settings_of(**arguments)
    return AsyncAudioStream(lambda: _AsyncNarration(stream, settings).open())


def _nothing_to_say() -> ConfigurationError:
    return ConfigurationError("there is nothing to say: input is empty or blank")


class _Narration:
    """The sync narration: the stream's reply, fed by threads."""

    def __init__(self, stream: Open, settings: Settings) -> None:
        self._stream = stream
        self._settings = settings
        self._line = Line(settings, SimpleQueue[object])
        self._work: SimpleQueue[Job[SimpleQueue[object]] | None] = SimpleQueue()
        self._threads = 0
        self._halted = False
        self._closed = False
        # Seconds for what is under way when this ends early; None for as long as it takes.
        self._patience: float | None = GRACE_SECONDS
        survive_forks(self)

    def after_fork(self) -> None:
        """Wait for no thread, in a child: those of the parent are not there."""
        self._threads = 0
        for job in self._line.pending:
            job.items.put(ConfigurationError("this stream is the parent's: make another call"))

    def open(self) -> tuple[Any, Receiver]:
        try:
            self._start_due()
            if not self._line.pending:
                raise _nothing_to_say()
            return self, self._line.receiver(self._line.pending[0].items.get())
        except BaseException as error:
            self._fail(error)
            self.close()
            raise

    def read(self) -> bytes:
        try:
            while self._line.pending:
                if data := self._line.take(self._line.pending[0].items.get()):
                    return data
                self._start_due()
        except BaseException as error:
            self._fail(error)
            raise
        # Here already, for a stream that is read to its end need not be closed.
        self.close()
        return b""

    def close(self) -> None:
        self._halted = True
        try:
            self._wait_for_what_is_paid()
        finally:
            self.abandon()

    def abandon(self) -> None:
        # A queue takes what a finalizer gives it, and the threads see to the rest.
        self._halted = self._closed = True
        for _ in range(self._threads):
            self._work.put(None)

    def _fail(self, error: BaseException) -> None:
        self._halted = True
        if isinstance(error, Exception):
            self._patience = None

    def _start_due(self) -> None:
        for job in self._line.due():
            self._work.put(job)
            if self._threads < self._settings.concurrency:
                self._threads += 1
                # A daemon: a request that nobody waits for any more must not delay the exit.
                threading.Thread(
                    target=self._work_off, name="modelgates-narrate", daemon=True
                ).start()

    def _work_off(self) -> None:
        while job := self._work.get():
            try:
                if not self._halted:
                    self._speak(job)
                job.items.put(None)
            except BaseException as error:  # noqa: BLE001 - raised where the audio is taken
                self._halted = True
                job.items.put(error)

    def _speak(self, job: Job[SimpleQueue[object]]) -> None:
        with self._stream({**self._settings.request, "input": job.piece.text}) as stream:
            job.items.put(stream.metadata)
            for data in stream:
                job.items.put(data)
                if self._closed:
                    return

    def _wait_for_what_is_paid(self) -> None:
        """Let the pieces under way end and be kept, of which no other is started."""
        until = None if self._patience is None else time.monotonic() + self._patience
        with contextlib.suppress(Empty):
            while self._settings.keeps and self._line.pending and not self._closed:
                left = None if until is None else max(0.0, until - time.monotonic())
                item = self._line.pending[0].items.get(timeout=left)
                if isinstance(item, BaseException | None):
                    self._line.pending.popleft()


class _AsyncNarration:
    """The async narration: the stream's reply, fed by workers in a task of their own.

    The task belongs to the event loop and not to whoever reads: no cancel scope or task group of
    ours stays open across a return to the caller, so any task may read, under any scope.
    """

    def __init__(self, stream: OpenAsync, settings: Settings) -> None:
        self._stream = stream
        self._settings = settings
        self._line = Line(settings, _Channel[object])
        self._work: _Channel[Job[_Channel[object]]] = _Channel()
        self._scope = anyio.CancelScope()
        # Set while the workers are at work: one that was cancelled before it began never is.
        self._over: anyio.Event | None = None
        self._halted = False
        self._patience: float | None = GRACE_SECONDS
        self._later = later()

    async def open(self) -> tuple[Any, Receiver]:
        self._start_due()
        if not self._line.pending:
            raise _nothing_to_say()
        self._later(self._work_off_all)
        try:
            return self, self._line.receiver(await self._line.pending[0].items.get())
        except BaseException as error:
            self._fail(error)
            await self.aclose()
            raise

    async def read(self) -> bytes:
        try:
            while self._line.pending:
                if data := self._line.take(await self._line.pending[0].items.get()):
                    return data
                self._start_due()
        except BaseException as error:
            self._fail(error)
            raise
        # Here already, for a stream that is read to its end need not be closed.
        await self.aclose()
        return b""

    async def aclose(self) -> None:
        self._halted = True
        # Shielded: a cancelled narration must still give its connections back.
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self._patience):
                await self._wait_for_what_is_paid()
            self._scope.cancel()
            if self._over is not None:
                await self._over.wait()

    def abandon(self) -> None:
        """End the workers, when nobody holds the stream any more."""
        self._halted, self._patience = True, 0
        self._later(self.aclose)

    def _fail(self, error: BaseException) -> None:
        self._halted = True
        if isinstance(error, Exception):
            self._patience = None

    def _start_due(self) -> None:
        for job in self._line.due():
            self._work.put(job)

    async def _work_off_all(self) -> None:
        self._over = anyio.Event()
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    for _ in range(self._settings.concurrency):
                        group.start_soon(self._work_off)
        finally:
            self._over.set()
            # Whoever waits for a piece still must not wait for ever, as when the loop ends.
            for job in self._line.pending:
                job.items.put(ConfigurationError("this stream is closed: make another call"))

    async def _work_off(self) -> None:
        while True:
            job = await self._work.get()
            try:
                if not self._halted:
                    await self._speak(job)
                job.items.put(None)
            except Exception as error:  # noqa: BLE001 - raised where the audio is taken
                self._halted = True
                job.items.put(error)

    async def _speak(self, job: Job[_Channel[object]]) -> None:
        async with self._stream({**self._settings.request, "input": job.piece.text}) as stream:
            job.items.put(stream.metadata)
            async for data in stream:
                job.items.put(data)

    async def _wait_for_what_is_paid(self) -> None:
        """See `_Narration._wait_for_what_is_paid`."""
        while self._settings.keeps and self._line.pending:
            item = await self._line.pending[0].items.get()
            if isinstance(item, BaseException | None):
                self._line.pending.popleft()


class _Channel(Generic[T]):
    """A queue between tasks, of which nothing need be closed."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._news = anyio.Event()

    def put(self, item: T) -> None:
        self._items.append(item)
        self._news.set()

    async def get(self) -> T:
        while not self._items:
            if self._news.is_set():
                self._news = anyio.Event()
            await self._news.wait()
        return self._items.popleft()
