"""The workers of a narration, threads or tasks: they differ only in how they wait."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from modelgates_speech.config import GRACE_SECONDS
from modelgates_speech.errors import ConfigurationError
from modelgates_speech.forks import survive_forks
from modelgates_speech.jobs.narration import Job, Line, Settings, settings_of
from modelgates_speech.jobs.reading import Channel, News, Reader, from_loop
from modelgates_speech.loops import is_running, later
from modelgates_speech.streams import AsyncAudioStream, AudioStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelgates_speech.audio import Receiver

StreamT = TypeVar("StreamT", AudioStream, AsyncAudioStream)


def narrate(
    kind: type[StreamT], stream: Callable[[dict[str, Any]], StreamT], arguments: dict[str, Any]
) -> StreamT:
    """The narration of a text, each piece of which `stream` speaks."""
    if isinstance(arguments["input"], AsyncIterable):
        if kind is AudioStream or not is_running():
            raise ConfigurationError("async input is for AsyncModelGates, in a running event loop")
        arguments["input"] = from_loop(cast("AsyncIterable[str]", arguments["input"]))
    settings = settings_of(**arguments)
    narration = _BlockingNarration if kind is AudioStream else _YieldingNarration
    return kind(lambda: narration(stream, settings).open(), settings.response_format)


class _Narration:
    """What is read in the place of a reply: the pieces, one after another."""

    def __init__(
        self, stream: Any, settings: Settings, channel: Callable[[], Any], turn: Callable[[], Any]
    ) -> None:
        self._stream = stream
        self._settings = settings
        self._line = Line(settings, channel, turn)
        self._work: Any = channel()
        self._halted = self._closed = False
        # Seconds for what is under way when this ends early; None for as long as it takes.
        self._patience: float | None = GRACE_SECONDS

    async def open(self) -> tuple[Any, Receiver]:
        try:
            self._start_due()
            if not await self._has_more():
                what = "there is nothing to say: input has neither letters nor digits"
                raise self._line.broken or ConfigurationError(what)
            return self, self._line.receiver(await self._first())
        except BaseException as error:
            self._fail(error)
            await self.aclose()
            raise

    async def read(self) -> bytes:
        try:
            while await self._has_more():
                if data := self._line.take(await self._first()):
                    return data
                self._halted = self._halted or self._line.unfit is not None
                self._start_due()
            if self._line.broken:
                raise self._line.broken
        except BaseException as error:
            self._fail(error)
            raise
        # Here already, for a stream that is read to its end need not be closed.
        await self.aclose()
        return b""

    def _fail(self, error: BaseException) -> None:
        self._halted = True
        if isinstance(error, Exception):
            self._patience = None

    def _start_due(self) -> None:
        """Have pieces asked for, or whoever does so look whether there is room for more."""
        raise NotImplementedError

    async def _has_more(self) -> bool:
        """Whether there is a piece that is not at its end."""
        return bool(self._line.pending)

    async def _wait_for_what_is_paid(self) -> None:
        """Let the pieces under way end and be kept, of which no other is started."""
        while self._settings.keeps and self._line.pending and not self._closed:
            if isinstance(await self._first(), BaseException | None):
                self._line.pending.popleft()

    async def _first(self) -> object:
        """What comes next of the first piece that is not at its end."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """End the workers, once what is under way is kept."""
        raise NotImplementedError


class _BlockingNarration(_Narration):
    """Fed by threads."""

    def __init__(self, stream: Any, settings: Settings) -> None:
        super().__init__(stream, settings, SimpleQueue, threading.Lock)
        self._threads = 0
        self._until: float | None = None
        survive_forks(self)

    def after_fork(self) -> None:
        """Wait for no thread, in a child: those of the parent are not there."""
        self._threads = 0
        for job in self._line.pending:
            job.items.put(
                ConfigurationError("this stream belongs to the parent: make another call")
            )

    async def _first(self) -> object:
        left = None if self._until is None else max(0.0, self._until - time.monotonic())
        return self._line.pending[0].items.get(timeout=left)

    async def aclose(self) -> None:
        self._halted = True
        self._until = None if self._patience is None else time.monotonic() + self._patience
        try:
            with contextlib.suppress(Empty):
                await self._wait_for_what_is_paid()
        finally:
            self.abandon()

    def abandon(self) -> None:
        # A queue takes what a finalizer gives it, and the threads see to the rest.
        self._halted = self._closed = True
        for _ in range(self._threads):
            self._work.put(None)

    def _start_due(self) -> None:
        for job in self._line.due():
            self._start(job)
            # Text may arrive slowly: what can be handed out does not wait for more than a piece.
            if not self._line.pending[0].items.empty():
                return

    def _start(self, job: Job) -> None:
        self._work.put(job)
        if self._threads < self._settings.concurrency:
            # A daemon: a request that nobody waits for any more must not delay the exit.
            work = (self._work_off,)
            try:
                threading.Thread(
                    target=copy_context().run, args=work, name="modelgates-narrate", daemon=True
                ).start()
                self._threads += 1
            except RuntimeError as error:
                # Those that are there go on alone.
                if not self._threads:
                    self._line.pending.clear()
                    raise ConfigurationError(f"nothing can be spoken: {error}") from error

    def _work_off(self) -> None:
        while job := self._work.get():
            with job.turn:
                try:
                    if not self._halted:
                        self._speak(job)
                    job.items.put(None)
                except BaseException as error:  # noqa: BLE001 - raised where the audio is taken
                    self._halted = True
                    job.items.put(error)

    def _speak(self, job: Job) -> None:
        with self._stream({**self._settings.request, "input": job.piece.text}) as stream:
            job.items.put(stream.metadata)
            for data in stream:
                job.items.put(data)
                if self._closed:
                    return


class _YieldingNarration(_Narration):
    """Fed by workers in a task of their own.

    The task belongs to the event loop and not to whoever reads: no cancel scope or task group of
    ours stays open across a return to the caller, so any task may read, under any scope.
    """

    def __init__(self, stream: Any, settings: Settings) -> None:
        super().__init__(stream, settings, Channel, anyio.Lock)
        self._text_ended = False
        self._news = News()
        self._scope = anyio.CancelScope()
        # Set while the workers are at work: one that was cancelled before it began never is.
        self._over: anyio.Event | None = None
        self._later = later()

    async def open(self) -> tuple[Any, Receiver]:
        self._later(self._work_off_all)
        return await super().open()

    def _start_due(self) -> None:
        self._news.tell()

    async def _has_more(self) -> bool:
        await self._news.until(lambda: self._line.pending or self._text_ended)
        return await super()._has_more()

    async def _first(self) -> object:
        return await self._line.pending[0].items.get()

    async def aclose(self) -> None:
        self._halted = True
        self._news.tell()
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

    async def _work_off_all(self) -> None:
        self._over = anyio.Event()
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._take_text)
                    for _ in range(self._settings.concurrency):
                        group.start_soon(self._work_off)
        finally:
            self._over.set()
            # Whoever waits for a piece still must not wait for ever, as when the loop ends.
            closed = ConfigurationError("this stream is closed: make another call")
            for job in self._line.pending:
                job.items.put(closed)
            self._end_text(closed)

    async def _take_text(self) -> None:
        """Start pieces as the text arrives, while those that are there are spoken and heard."""
        reason = None
        with contextlib.closing(Reader(self._settings.pieces)) as text:
            while not self._halted and (piece := await text.next()):
                if isinstance(piece, BaseException):
                    reason = piece
                    break
                self._work.put(self._line.add(piece))
                self._news.tell()
                await self._news.until(lambda: self._line.has_room or self._halted)
        self._end_text(reason)

    def _end_text(self, reason: BaseException | None) -> None:
        if not self._text_ended:
            self._line.broken, self._text_ended = reason, True
            self._news.tell()

    async def _work_off(self) -> None:
        while True:
            job = await self._work.get()
            async with job.turn:
                try:
                    if not self._halted:
                        await self._speak(job)
                    job.items.put(None)
                except Exception as error:  # noqa: BLE001 - raised where the audio is taken
                    self._halted = True
                    job.items.put(error)

    async def _speak(self, job: Job) -> None:
        async with self._stream({**self._settings.request, "input": job.piece.text}) as stream:
            job.items.put(stream.metadata)
            async for data in stream:
                job.items.put(data)
