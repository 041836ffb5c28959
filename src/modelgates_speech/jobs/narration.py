"""A text of any length as one stream of audio: several requests at once, delivered in order.

What is asked for next, and what of the answers is handed out, is decided by `_Line`, without
I/O. The sync and the async narration differ only in how they wait.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import anyio
import attrs

from modelgates_speech.audio import AudioMetadata, Receiver
from modelgates_speech.call import prepare
from modelgates_speech.config import (
    DEFAULT_CHANNELS,
    DEFAULT_RATE,
    MAX_CHARS,
    NARRATE_CONCURRENCY,
)
from modelgates_speech.errors import ConfigurationError, ModelGatesError
from modelgates_speech.forks import survive_forks
from modelgates_speech.jobs.cache import as_cache
from modelgates_speech.jobs.joining import Joiner, check_joinable
from modelgates_speech.jobs.splitting import Piece, split
from modelgates_speech.loops import later
from modelgates_speech.streams import AsyncAudioStream, AudioStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Open = Callable[[dict[str, Any]], AudioStream]
    OpenAsync = Callable[[dict[str, Any]], AsyncAudioStream]

ChannelT = TypeVar("ChannelT")
T = TypeVar("T")

# Pieces asked for beyond the one being delivered, for each request at once: enough to go on
# while that one is slow, and a bound on the audio that waits in memory.
READ_AHEAD = 2


@attrs.frozen
class NarrationProgress:
    """How far a narration has been handed out.

    Attributes:
        pieces: Pieces handed out whole.
        characters: The offset in the text after the last of them.
        seconds: Seconds of audio in them.
    """

    pieces: int
    characters: int
    seconds: float


@attrs.frozen
class NarrationPlan:
    """What a narration would ask for.

    Attributes:
        pieces: How many requests it takes.
        characters: How many characters they hold; blank pieces are not sent.
        pieces_to_buy: How many of the pieces `cache_dir` does not hold yet.
        characters_to_buy: How many characters those hold.
    """

    pieces: int
    characters: int
    pieces_to_buy: int
    characters_to_buy: int


@attrs.frozen(kw_only=True)
class _Settings:
    pieces: Iterator[Piece]
    request: dict[str, Any]
    concurrency: int
    on_progress: Callable[[NarrationProgress], None] | None

    @property
    def keeps(self) -> bool:
        return self.request.get("cache_dir") is not None


def narrate(stream: Open, arguments: dict[str, Any]) -> AudioStream:
    """The narration of a text, each piece of which `stream` speaks."""
    settings = _settings(**arguments)
    return AudioStream(lambda: _Narration(stream, settings).open())


def narrate_async(stream: OpenAsync, arguments: dict[str, Any]) -> AsyncAudioStream:
    """The narration of a text, each piece of which `stream` speaks."""
    settings = _settings(**arguments)
    return AsyncAudioStream(lambda: _AsyncNarration(stream, settings).open())


def plan(arguments: dict[str, Any], base_url: str) -> NarrationPlan:
    """What a narration with these arguments would ask for; nothing is sent."""
    settings = _settings(**arguments)
    cache_dir = settings.request.get("cache_dir")
    cache = None if cache_dir is None else as_cache(cache_dir)
    sizes: list[int] = []
    missing: list[int] = []
    for piece in settings.pieces:
        if piece.silent:
            continue
        sizes.append(len(piece.text))
        call = prepare(input=piece.text, **settings.request)
        if cache is None or not cache.holds(cache.key_of(call, base_url)):
            missing.append(len(piece.text))
    return NarrationPlan(len(sizes), sum(sizes), len(missing), sum(missing))


def _settings(
    *,
    input: str | Iterable[str],  # noqa: A002 - the document's name
    concurrency: int = NARRATE_CONCURRENCY,
    max_chars: int = MAX_CHARS,
    language: str = "en",
    on_progress: Callable[[NarrationProgress], None] | None = None,
    **request: Any,
) -> _Settings:
    if concurrency < 1:
        raise ConfigurationError(f"concurrency must be 1 or more, not {concurrency}")
    # What is wrong with a request is wrong with the first already: better said before it is sent.
    check_joinable(prepare(input="", **request).response_format)
    return _Settings(
        pieces=split(input, max_chars=max_chars, language=language),
        request=request,
        concurrency=concurrency,
        on_progress=on_progress,
    )


@attrs.frozen
class _Job(Generic[ChannelT]):
    """A piece that was asked for, and the channel that its audio comes through.

    Through it come the `AudioMetadata`, bytes, and None at the end; or an exception.
    """

    piece: Piece
    items: ChannelT


class _Line(Generic[ChannelT]):
    """The pieces in the order of the text: which are due, and what of them is handed out."""

    def __init__(self, settings: _Settings, channel: Callable[[], ChannelT]) -> None:
        self.pending: deque[_Job[ChannelT]] = deque()
        self._settings = settings
        self._channel = channel
        self._joiner = Joiner()
        self._done = 0

    def due(self) -> Iterator[_Job[ChannelT]]:
        """The jobs to be started now."""
        while len(self.pending) < READ_AHEAD * self._settings.concurrency:
            spoken = (piece for piece in self._settings.pieces if not piece.silent)
            piece = next(spoken, None)
            if piece is None:
                return
            job = _Job(piece, self._channel())
            self.pending.append(job)
            yield job

    def take(self, item: object) -> bytes:
        """Take what came through the first job's channel, and return what is to hand out.

        Raises:
            ModelGatesError: If its request failed, or its audio does not fit what came before.
        """
        piece = self.pending[0].piece
        try:
            match item:
                case AudioMetadata():
                    self._joiner.begin(item)
                    return b""
                case bytes():
                    return self._joiner.feed(item)
                case None:
                    rest = self._joiner.end()
                case _:
                    assert isinstance(item, BaseException)
                    raise item
        except ModelGatesError as error:
            _locate(error, piece)
            raise
        self.pending.popleft()
        self._done += 1
        if self._settings.on_progress:
            progress = NarrationProgress(self._done, piece.end, self._joiner.seconds)
            self._settings.on_progress(progress)
        return rest

    def receiver(self, metadata: object) -> Receiver:
        """The receiver of the whole, given what came first through the first channel."""
        self.take(metadata)
        assert isinstance(metadata, AudioMetadata)
        # These two tell of the first piece's body, not of the whole.
        headers = {
            name: value
            for name, value in metadata.headers.items()
            if name not in ("content-length", "content-encoding")
        }
        if metadata.format == "wav":
            # What is joined are the samples.
            layout = f"rate={metadata.sample_rate};channels={metadata.channels}"
            headers["content-type"] = f"audio/pcm;{layout}"
        return _Whole(
            headers,
            metadata.format,
            sample_rate=metadata.sample_rate or DEFAULT_RATE,
            channels=metadata.channels or DEFAULT_CHANNELS,
        )


class _Whole(Receiver):
    """The receiver of the whole: the failure of a piece keeps its class."""

    def cut(self, reason: ModelGatesError | str) -> NoReturn:
        if isinstance(reason, ModelGatesError):
            raise reason
        raise super().cut(reason)


def _locate(error: ModelGatesError, piece: Piece) -> None:
    error.characters = (piece.start, piece.end)
    error.message = (
        f"{error.message} (while speaking characters {piece.start:,} to {piece.end:,} of the text)"
    )
    error.args = (error.message, *error.args[1:])


def _nothing_to_say() -> ConfigurationError:
    return ConfigurationError("there is nothing to say: input is empty or blank")


class _Narration:
    """The sync narration: the stream's reply, fed by threads."""

    def __init__(self, stream: Open, settings: _Settings) -> None:
        self._stream = stream
        self._settings = settings
        self._line = _Line(settings, SimpleQueue[object])
        self._work: SimpleQueue[_Job[SimpleQueue[object]] | None] = SimpleQueue()
        self._threads = 0
        self._halted = False
        self._closed = False
        survive_forks(self)

    def after_fork(self) -> None:
        """Wait for no thread, in a child: those of the parent are not there."""
        self._threads = 0
        for job in self._line.pending:
            job.items.put(ConfigurationError("this stream is its parent's: make another call"))

    def open(self) -> tuple[Any, Receiver]:
        try:
            self._start_due()
            if not self._line.pending:
                raise _nothing_to_say()
            return self, self._line.receiver(self._line.pending[0].items.get())
        except BaseException as error:
            self._wait_for_what_is_paid(error)
            self.close()
            raise

    def read(self) -> bytes:
        try:
            while self._line.pending:
                if data := self._line.take(self._line.pending[0].items.get()):
                    return data
                self._start_due()
        except BaseException as error:
            self._wait_for_what_is_paid(error)
            raise
        # Here already, for a stream that is read to its end need not be closed.
        self.close()
        return b""

    def close(self) -> None:
        self._halted = self._closed = True
        for _ in range(self._threads):
            self._work.put(None)

    # A queue takes what a finalizer gives it, and the threads see to the rest.
    abandon = close

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

    def _speak(self, job: _Job[SimpleQueue[object]]) -> None:
        with self._stream({**self._settings.request, "input": job.piece.text}) as stream:
            job.items.put(stream.metadata)
            for data in stream:
                job.items.put(data)
                if self._closed:
                    return

    def _wait_for_what_is_paid(self, error: BaseException) -> None:
        """After a piece has failed, let those under way end and be kept; start no other."""
        self._halted = True
        if isinstance(error, Exception) and self._settings.keeps:
            for job in list(self._line.pending)[1:]:
                while not isinstance(job.items.get(), BaseException | None):
                    pass


class _AsyncNarration:
    """The async narration: the stream's reply, fed by workers in a task of their own.

    The task belongs to the event loop and not to whoever reads: no cancel scope or task group of
    ours stays open across a return to the caller, so any task may read, under any scope.
    """

    def __init__(self, stream: OpenAsync, settings: _Settings) -> None:
        self._stream = stream
        self._settings = settings
        self._line = _Line(settings, _Channel[object])
        self._work: _Channel[_Job[_Channel[object]]] = _Channel()
        self._scope = anyio.CancelScope()
        # Set while the workers are at work: one that was cancelled before it began never is.
        self._over: anyio.Event | None = None
        self._halted = False
        self._later = later()

    async def open(self) -> tuple[Any, Receiver]:
        self._start_due()
        if not self._line.pending:
            raise _nothing_to_say()
        self._later(self._work_off_all)
        try:
            return self, self._line.receiver(await self._line.pending[0].items.get())
        except BaseException as error:
            await self._wait_for_what_is_paid(error)
            await self.aclose()
            raise

    async def read(self) -> bytes:
        try:
            while self._line.pending:
                if data := self._line.take(await self._line.pending[0].items.get()):
                    return data
                self._start_due()
        except BaseException as error:
            await self._wait_for_what_is_paid(error)
            raise
        # Here already, for a stream that is read to its end need not be closed.
        await self.aclose()
        return b""

    async def aclose(self) -> None:
        self._halted = True
        self._scope.cancel()
        if self._over is not None:
            # Shielded: a cancelled narration must still give its connections back.
            with anyio.CancelScope(shield=True):
                await self._over.wait()

    def abandon(self) -> None:
        """End the workers, when nobody holds the stream any more."""
        self._halted = True
        self._later(self.aclose)

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

    async def _speak(self, job: _Job[_Channel[object]]) -> None:
        async with self._stream({**self._settings.request, "input": job.piece.text}) as stream:
            job.items.put(stream.metadata)
            async for data in stream:
                job.items.put(data)

    async def _wait_for_what_is_paid(self, error: BaseException) -> None:
        """See `_Narration._wait_for_what_is_paid`."""
        self._halted = True
        if isinstance(error, Exception) and self._settings.keeps:
            for job in list(self._line.pending)[1:]:
                while not isinstance(await job.items.get(), BaseException | None):
                    pass


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
