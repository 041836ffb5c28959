"""``client.audio.speech``: the operation ``create-audio-speech`` of the document."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Required,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from modelgates_speech import _binding
from modelgates_speech._operations import Call, HasDict, operation_kwargs
from modelgates_speech.audio import (
    Audio,
    AudioMetadata,
    Receiver,
    file_header,
    format_for_file,
    suffix_of,
)
from modelgates_speech.config import DEFAULT, Default
from modelgates_speech.errors import (
    APIConnectionError,
    ConfigurationError,
    IncompleteAudioError,
    InvalidResponseError,
    SaveError,
)
from modelgates_speech.files import AtomicFile, in_thread

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
    from pathlib import Path
    from types import TracebackType

    from modelgates_speech._transport import AsyncReply, Reply
    from modelgates_speech.config import Timeout
    from modelgates_speech.jobs.cache import AudioCache
    from modelgates_speech.jobs.narrate import NarrationPlan, NarrationProgress
    from modelgates_speech.retry import RetryPolicy

    Progress = Callable[[int], None]
    Opened = tuple["ReplyT", Receiver]

ReplyT = TypeVar("ReplyT", "Reply", "AsyncReply")

# What a failed `save` keeps in memory of audio that was paid for: 22 minutes of 24 kHz mono PCM.
MAX_RESCUED = 64 * 1024 * 1024


class RequestArguments(TypedDict, total=False):
    """The keyword arguments of all that speaks, but for the text (schema ``SpeechRequest``).

    Attributes:
        model: The model's identifier, such as ``elevenlabs/eleven-turbo-v2``.
        voice: The voice's identifier; each provider has its own.
        response_format: ``pcm`` or ``mp3``. Other values are passed on. Default: ``pcm``, for
            `save` what the path's suffix says.
        speed: Playback speed, 1.0 being normal; only some models heed it.
        provider: Options for providers, as a mapping shaped like the document's schema
            (``{"options": {"openai": {"instructions": "calm"}}}``) or the generated model.
        extra_body: Properties to add to the request's JSON, for what the document does not
            have yet. They win over the arguments above.
        extra_headers: Headers to add to the request; they win over the client's.
        timeout: Seconds for each phase, or a `Timeout`; in place of the client's.
        deadline: Seconds for the whole call, retries and body included, or None for no limit;
            in place of the client's.
        retry: A `RetryPolicy`, or None for none; in place of the client's.
        cache_dir: A folder, or a `modelgates_speech.jobs.AudioCache`, that keeps the speech: what
            is in it is not asked for again. Default: none.
    """

    model: Required[str]
    voice: Required[str]
    response_format: Literal["pcm", "mp3"] | str | None
    speed: float | None
    provider: Mapping[str, Any] | HasDict | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    timeout: float | Timeout | Default
    deadline: float | Default | None
    retry: RetryPolicy | Default | None
    cache_dir: str | os.PathLike[str] | AudioCache | None


class SpeechArguments(RequestArguments):
    """The keyword arguments of `create`, `stream` and `save`: `RequestArguments` and the text.

    Attributes:
        input: The text to speak.
    """

    input: Required[str]


class NarrateArguments(RequestArguments, total=False):
    """The keyword arguments of `narrate`: `RequestArguments`, the text and how it is cut.

    ``timeout``, ``deadline`` and ``retry`` are those of each request.

    Attributes:
        input: The text to speak, of any length: a string, or strings that joined are the text
            (a file opened as text will do).
        concurrency: How many requests at once, 1 or more. Default: 4.
        max_chars: The most characters of one request, 1 or more. Default: 1,000.
        language: ISO 639-1 code of the text, by which ends of sentences are told. Default: en.
        on_progress: Called after each piece that was handed out.
    """

    input: Required[str | Iterable[str]]
    concurrency: int
    max_chars: int
    language: str
    on_progress: Callable[[NarrationProgress], None] | None


def prepare(
    *,
    input: str,  # noqa: A002 - the document's name
    model: str,
    voice: str | None = None,
    response_format: str | None = None,
    speed: float | None = None,
    provider: Mapping[str, Any] | HasDict | None = None,
    extra_body: Mapping[str, Any] | None = None,
    extra_headers: Mapping[str, str] | None = None,
    timeout: float | Timeout | Default = DEFAULT,
    deadline: float | Default | None = DEFAULT,
    retry: RetryPolicy | Default | None = DEFAULT,
    cache_dir: str | os.PathLike[str] | AudioCache | None = None,
) -> tuple[Call, str]:
    """The call that `SpeechArguments` describe, and the format that it asks for.

    Raises:
        ConfigurationError: If they cannot be sent.
    """
    fields: dict[str, Any] = {"input": input, "model": model}
    # Whether it is required is for the document to say, which may stop doing so.
    if voice is not None:
        fields["voice"] = voice
    if speed is not None:
        fields["speed"] = speed
    # Set on the finished JSON: values newer than the document, which the generated model would
    # refuse, and the provider's, whose 111 models are not worth loading to copy a mapping.
    extra: dict[str, Any] = {}
    if response_format is not None:
        extra["response_format"] = response_format
    if provider is not None:
        extra["provider"] = dict(provider) if isinstance(provider, Mapping) else provider.to_dict()
    extra.update(extra_body or {})
    kwargs = operation_kwargs(_binding.speech_operation, {"body": _request(fields, extra)})
    kwargs["json"].update(extra)
    call = Call(
        operation=_binding.speech_operation,
        kwargs=kwargs,
        headers=extra_headers or {},
        timeout=timeout,
        deadline=deadline,
        retry=retry,
        cache_dir=cache_dir,
    )
    return call, str(kwargs["json"].get("response_format") or _binding.DEFAULT_RESPONSE_FORMAT)


def _request(fields: dict[str, Any], extra: Mapping[str, Any]) -> Any:
    """The generated model of a request; what it requires beyond `fields` comes from `extra`."""
    while True:
        try:
            return _binding.SpeechRequest.from_dict(fields)
        except KeyError as error:
            [name] = error.args
            if name in fields or name not in extra:
                raise ConfigurationError(f"the document requires {name!r}: pass it") from None
            fields = {**fields, name: extra[name]}


class Speech:
    """Text to speech, blocking. Reached as ``client.audio.speech``."""

    def __init__(self, start: Callable[[Call, str], Opened[Reply]], base_url: str) -> None:
        self._start = start
        self._base_url = base_url

    def create(self, **arguments: Unpack[SpeechArguments]) -> Audio:
        """Speak a text and return the whole audio (operation ``create-audio-speech``).

        Args:
            **arguments: See `SpeechArguments`.

        Returns:
            The audio: PCM (signed 16-bit little-endian) unless another format was asked for.

        Raises:
            ConfigurationError: If the call cannot be made; nothing was sent.
            APIConnectionError: If no response came.
            APIStatusError: If the server refused.
            InvalidResponseError: If it answered 200 with something else than audio.
            IncompleteAudioError: If the audio broke off; `partial` has what arrived.
        """
        with self.stream(**arguments) as stream:
            return stream.read()

    def stream(self, **arguments: Unpack[SpeechArguments]) -> AudioStream:
        """Speak a text and hand out the audio as it arrives.

        The request is sent when the stream is entered (``with``) or first used.

        Args:
            **arguments: See `SpeechArguments`.

        Returns:
            The stream; use it in a ``with`` statement, so that its connection is given back.

        Raises:
            ConfigurationError: If the call cannot be made; nothing was sent. The stream itself
                raises what `create` does.
        """
        call, requested = prepare(**arguments)
        return AudioStream(lambda: self._start(call, requested))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int], None] | None = None,
        **arguments: Unpack[SpeechArguments],
    ) -> Path:
        """Speak a text into a file that appears whole or not at all, in constant memory.

        Args:
            path: The target. Its suffix decides the format to ask for: ``.wav`` (PCM with a
                header), ``.pcm`` or ``.raw``, ``.mp3``.
            on_progress: Called with the bytes of audio received so far.
            **arguments: See `SpeechArguments`.

        Returns:
            The path.

        Raises:
            ConfigurationError: If the suffix contradicts ``response_format``; nothing was sent.
            SaveError: If the file cannot be written. What can be known before anything is sent
                (no such folder, no permission) is; after that `partial` has the audio.
            ModelGatesError: Otherwise as `create` does.
        """
        arguments["response_format"] = format_for_file(path, arguments.get("response_format"))
        with AtomicFile(path) as file, self.stream(**arguments) as stream:
            return stream._write(file, on_progress)  # noqa: SLF001

    @overload
    def narrate(
        self, *, dry_run: Literal[False] = False, **arguments: Unpack[NarrateArguments]
    ) -> AudioStream: ...

    @overload
    def narrate(
        self, *, dry_run: Literal[True], **arguments: Unpack[NarrateArguments]
    ) -> NarrationPlan: ...

    def narrate(
        self, *, dry_run: bool = False, **arguments: Unpack[NarrateArguments]
    ) -> AudioStream | NarrationPlan:
        """Speak a text of any length, in constant memory (extra ``jobs``).

        The text is cut at the ends of sentences; the pieces are spoken several at once and
        handed out in order as one stream. PCM joins without a gap; each MP3 piece adds a pause
        of some 60 ms. With ``cache_dir`` every finished piece is kept, so that after a failure
        the same call buys only what is missing.

        Args:
            dry_run: Say what would be sent, and send nothing.
            **arguments: See `NarrateArguments`; ``response_format`` is ``pcm`` or ``mp3``.

        Returns:
            The stream, as `stream` does; or the plan.

        Raises:
            ConfigurationError: If the call cannot be made; nothing was sent. The stream itself
                raises what `stream` does, with the characters of the text that it failed at.
        """
        from modelgates_speech.jobs.narrate import narrate, plan

        return plan(arguments, self._base_url) if dry_run else narrate(self, arguments)


class AsyncSpeech:
    """Text to speech, for event loops. Reached as ``client.audio.speech``."""

    def __init__(
        self, start: Callable[[Call, str], Awaitable[Opened[AsyncReply]]], base_url: str
    ) -> None:
        self._start = start
        self._base_url = base_url

    async def create(self, **arguments: Unpack[SpeechArguments]) -> Audio:
        """Speak a text and return the whole audio; see `Speech.create`."""
        async with self.stream(**arguments) as stream:
            return await stream.read()

    def stream(self, **arguments: Unpack[SpeechArguments]) -> AsyncAudioStream:
        """Speak a text and hand out the audio as it arrives; see `Speech.stream`."""
        call, requested = prepare(**arguments)
        return AsyncAudioStream(lambda: self._start(call, requested))

    async def save(
        self,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int], None] | None = None,
        **arguments: Unpack[SpeechArguments],
    ) -> Path:
        """Speak a text into a file that appears whole or not at all; see `Speech.save`."""
        arguments["response_format"] = format_for_file(path, arguments.get("response_format"))
        # Opened here and not in a thread: cancelled meanwhile, nobody would close it.
        with AtomicFile(path) as file:
            async with self.stream(**arguments) as stream:
                return await stream._write(file, on_progress)  # noqa: SLF001

    @overload
    def narrate(
        self, *, dry_run: Literal[False] = False, **arguments: Unpack[NarrateArguments]
    ) -> AsyncAudioStream: ...

    @overload
    def narrate(
        self, *, dry_run: Literal[True], **arguments: Unpack[NarrateArguments]
    ) -> NarrationPlan: ...

    def narrate(
        self, *, dry_run: bool = False, **arguments: Unpack[NarrateArguments]
    ) -> AsyncAudioStream | NarrationPlan:
        """Speak a text of any length; see `Speech.narrate`. The stream belongs to one task."""
        from modelgates_speech.jobs.narrate import narrate_async, plan

        return plan(arguments, self._base_url) if dry_run else narrate_async(self, arguments)


class _Stream(Generic[ReplyT]):
    """What a sync and an async stream share: everything but waiting."""

    def __init__(self) -> None:
        self._entered = time.monotonic()
        self._opened: Opened[ReplyT] | None = None
        self._closed = False
        self._first_byte: float | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._opened else "not yet sent"
        return f"<{type(self).__name__} {state}, {self.bytes_received:,} bytes received>"

    @property
    def metadata(self) -> AudioMetadata:
        """What the response's headers say of the audio.

        Raises:
            ConfigurationError: If the stream was not entered yet.
        """
        if self._opened is None:
            raise ConfigurationError("nothing was sent yet: enter the stream with `with` first")
        return self._opened[1].metadata

    @property
    def format(self) -> str:
        """``pcm``, ``mp3``, or what else the response says."""
        return self.metadata.format

    @property
    def content_type(self) -> str | None:
        """The content type as received."""
        return self.metadata.content_type

    @property
    def sample_rate(self) -> int | None:
        """Samples per second and channel for PCM, else None."""
        return self.metadata.sample_rate

    @property
    def channels(self) -> int | None:
        """Channels for PCM, else None."""
        return self.metadata.channels

    @property
    def headers(self) -> Mapping[str, str]:
        """The response's headers, names in lower case."""
        return self.metadata.headers

    @property
    def request_id(self) -> str | None:
        """The request's id, or None."""
        return self.metadata.request_id

    @property
    def bytes_received(self) -> int:
        """Bytes of audio that arrived so far."""
        return self._opened[1].bytes_received if self._opened else 0

    @property
    def duration(self) -> float | None:
        """Seconds of audio that arrived so far; None unless this is PCM."""
        return self.metadata.duration_of(self.bytes_received)

    @property
    def time_to_first_byte(self) -> float | None:
        """Seconds from entering the stream to the first audio; None before that."""
        return self._first_byte

    def _check_usable(self) -> None:
        if self._closed and not self._exhausted():
            raise ConfigurationError("this stream is closed: make another call")

    def _exhausted(self) -> bool:
        return self._opened is not None and self._opened[1].finished

    def _feed(self, receiver: Receiver, data: bytes) -> None:
        receiver.feed(data)
        if self._first_byte is None and receiver.bytes_received:
            self._first_byte = time.monotonic() - self._entered


class AudioStream(_Stream["Reply"]):
    """Audio as it arrives. A context manager and an iterator of bytes.

    PCM comes in whole sample frames, signed 16-bit little-endian. While it is open the stream
    holds a connection. It belongs to one thread.
    """

    def __init__(self, start: Callable[[], Opened[Reply]]) -> None:
        super().__init__()
        self._start = start

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._exhausted():
            raise StopIteration
        reply, receiver = self._open()
        try:
            while not (piece := receiver.take()):
                if receiver.finished:
                    raise StopIteration
                try:
                    data = reply.read()
                except APIConnectionError as error:
                    raise receiver.cut(error) from error
                self._feed(receiver, data)
        except BaseException:
            self.close()
            raise
        return piece

    def read(self) -> Audio:
        """All that has not been handed out yet, once it has arrived.

        Raises:
            IncompleteAudioError: If the audio broke off; `partial` has what arrived.
            InvalidResponseError: If it turns out to be none.
        """
        self._open()
        kept = _Kept(self.metadata)
        with kept.even_on_failure():
            for piece in self:
                kept.add(piece)
        return kept.audio()

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> Path:
        """Write the rest of the audio to a file that appears whole or not at all.

        Args:
            path: The target; its suffix decides as in `Audio.save`.
            on_progress: Called with the bytes of audio received so far.

        Returns:
            The path.

        Raises:
            ConfigurationError: If the suffix contradicts the audio's format; the stream stays
                as it was.
            SaveError: If the file cannot be written; `partial` has the audio if any was read.
            IncompleteAudioError: If the audio broke off; `partial` has what arrived.
        """
        self._open()
        file_header(self.metadata, suffix_of(path), None)
        with AtomicFile(path) as file:
            return self._write(file, on_progress)

    def close(self) -> None:
        """Give the connection back, whatever has been read. May be called again."""
        self._closed = True
        if self._opened:
            self._opened[0].close()

    def _open(self) -> Opened[Reply]:
        self._check_usable()
        if self._opened is None:
            self._entered = time.monotonic()
            self._opened = self._start()
        return self._opened

    def _write(self, file: AtomicFile, on_progress: Progress | None) -> Path:
        self._open()
        try:
            kept = _Kept(self.metadata, file)
        except ConfigurationError as error:
            raise _unfit(error, self.read()) from error
        with kept.even_on_failure():
            for piece in self:
                kept.add(piece)
                if on_progress:
                    on_progress(self.bytes_received)
            return kept.commit()


class AsyncAudioStream(_Stream["AsyncReply"]):
    """Audio as it arrives. An async context manager and an async iterator of bytes.

    Otherwise as `AudioStream`.
    """

    def __init__(self, start: Callable[[], Awaitable[Opened[AsyncReply]]]) -> None:
        super().__init__()
        self._start = start

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._exhausted():
            raise StopAsyncIteration
        reply, receiver = await self._open()
        try:
            while not (piece := receiver.take()):
                if receiver.finished:
                    raise StopAsyncIteration
                try:
                    data = await reply.read()
                except APIConnectionError as error:
                    raise receiver.cut(error) from error
                self._feed(receiver, data)
        except BaseException:
            await self.aclose()
            raise
        return piece

    async def read(self) -> Audio:
        """All that has not been handed out yet; see `AudioStream.read`."""
        await self._open()
        kept = _Kept(self.metadata)
        with kept.even_on_failure():
            async for piece in self:
                kept.add(piece)
        return kept.audio()

    async def save(
        self,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> Path:
        """Write the rest of the audio to a file; see `AudioStream.save`."""
        await self._open()
        file_header(self.metadata, suffix_of(path), None)
        with AtomicFile(path) as file:
            return await self._write(file, on_progress)

    async def aclose(self) -> None:
        """Give the connection back, whatever has been read. May be called again."""
        self._closed = True
        if self._opened:
            await self._opened[0].aclose()

    async def _open(self) -> Opened[AsyncReply]:
        self._check_usable()
        if self._opened is None:
            self._entered = time.monotonic()
            self._opened = await self._start()
        return self._opened

    async def _write(self, file: AtomicFile, on_progress: Progress | None) -> Path:
        await self._open()
        try:
            kept = _Kept(self.metadata, file)
        except ConfigurationError as error:
            raise _unfit(error, await self.read()) from error
        with kept.even_on_failure():
            async for piece in self:
                await in_thread(kept.add, piece)
                if on_progress:
                    on_progress(self.bytes_received)
            return await in_thread(kept.commit)


class _Kept:
    """Audio taken off a stream, into a file or into memory, which outlives any failure.

    It is paid for: when the file fails, what it held and what still comes is kept in memory.
    """

    def __init__(self, metadata: AudioMetadata, file: AtomicFile | None = None) -> None:
        self._metadata = metadata
        self._file = file
        self._size = 0
        self._memory: list[bytes] = []
        self._failure: SaveError | None = None
        self._header = b""
        if file is not None:
            self._header = file_header(metadata, suffix_of(file.path), None)
            file.write(self._header)

    def add(self, piece: bytes) -> None:
        """Keep `piece`, in memory if need be.

        Raises:
            SaveError: If the file has failed and the memory for it is used up.
        """
        if self._file is not None and self._failure is None:
            try:
                self._file.write(piece)
            except SaveError as error:
                self._memory.append(self._written())
                self._failure = error
            else:
                self._size += len(piece)
                return
        self._memory.append(piece)
        self._size += len(piece)
        if self._failure and self._size > MAX_RESCUED:
            raise self._failure

    def audio(self) -> Audio:
        """What was kept, as far as memory is meant to hold it."""
        in_file = self._file is not None and self._failure is None
        return self._metadata.with_content(self._written() if in_file else b"".join(self._memory))

    def commit(self) -> Path:
        """Give the file its name, now that the audio is whole.

        Raises:
            SaveError: If it has failed before or does so now.
        """
        if self._failure or self._file is None:
            raise self._failure or AssertionError("commit needs a file")
        if self._header:
            suffix = suffix_of(self._file.path)
            self._file.rewrite_start(file_header(self._metadata, suffix, self._size))
        return self._file.commit()

    @contextmanager
    def even_on_failure(self) -> Generator[None]:
        """Attach what was kept to the error, should the stream or the file fail."""
        try:
            yield
        except IncompleteAudioError as error:
            kept = self.audio().content + error.partial.content
            error.partial = self._metadata.with_content(kept)
            raise
        except SaveError as error:
            error.partial = self.audio()
            raise

    def _written(self) -> bytes:
        assert self._file is not None
        try:
            return self._file.read(len(self._header), min(self._size, MAX_RESCUED))
        except OSError:
            # The disk does not even give back what it took; the error that led here says so.
            return b""


def _unfit(error: ConfigurationError, audio: Audio) -> InvalidResponseError:
    return InvalidResponseError(
        f"{error}; the audio is in .audio",
        content_type=audio.content_type,
        request_id=audio.request_id,
        audio=audio,
    )
