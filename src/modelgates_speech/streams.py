"""Audio as it arrives, into memory or into a file."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

from modelgates_speech.audio import Audio, AudioMetadata, Receiver, file_header, suffix_of
from modelgates_speech.config import checked_callback
from modelgates_speech.errors import (
    APIConnectionError,
    ConfigurationError,
    InvalidResponseError,
    NotSentError,
)
from modelgates_speech.files import AtomicFile
from modelgates_speech.keeping import Keeping, format_for_file, unfit
from modelgates_speech.waiting import Blocking, Waiting, Yielding, at_once

Progress = Callable[[int], None]
# A reply, or what reads like one, and what takes its bytes.
Opened = tuple[Any, Receiver]


class _Turn:
    """Taken for what two at once would pay for twice, or take from each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise ConfigurationError("another thread or task is at this stream: use one at a time")

    def __exit__(self, *error: object) -> None:
        self._lock.release()


class _Stream:
    """What a sync and an async stream share: everything but waiting."""

    _waiting: Waiting
    # Here, for a traceback with locals shows one that a Ctrl-C left half made.
    _opened: Opened | None = None
    _closed = False

    def __init__(self, start: Callable[[], Awaitable[Opened]], requested: str) -> None:
        self._start = start
        self._requested = requested
        self._entered = 0.0
        self._alone = _Turn()
        self._first_byte: float | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._opened else "not yet sent"
        return f"<{type(self).__name__} {state}, {self.bytes_received:,} bytes received>"

    def __reduce__(self) -> NoReturn:
        # A copy that is dropped would hang up on the other.
        raise TypeError("a stream cannot be copied or pickled: read() it, and pass the audio on")

    @property
    def metadata(self) -> AudioMetadata:
        """What the audio is, by its first bytes and the response's headers.

        Raises:
            NotSentError: If the stream was not entered yet.
        """
        if self._opened is None:
            raise NotSentError("nothing was sent yet: enter the stream with `with` first")
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
        """Samples per second and channel for PCM and WAV, else None."""
        return self.metadata.sample_rate

    @property
    def channels(self) -> int | None:
        """Channels for PCM and WAV, else None."""
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
        """Seconds of audio that arrived so far for PCM, WAV and MP3, else None."""
        return self._opened[1].duration if self._opened else self.metadata.duration_of(0)

    @property
    def time_to_first_byte(self) -> float | None:
        """Seconds from entering the stream to the first audio; None before that."""
        return self._first_byte

    def __del__(self) -> None:
        # One that was read to its end has given its connection back.
        if self._opened is None or self._closed:
            return
        self._opened[0].abandon()
        warnings.warn(
            f"{self!r} was dropped while it held a connection: use it in a `with` statement, or "
            "read it to its end",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )

    async def _open(self) -> Opened:
        if self._closed and not (self._opened and self._opened[1].finished):
            raise ConfigurationError("this stream is closed: make another call")
        if self._opened is None:
            with self._alone:
                self._entered = time.monotonic()
                self._opened = self._opened or await self._start()
        # What the audio is, its first bytes show.
        reply, receiver = self._opened
        while not (receiver.settled or receiver.finished):
            with self._alone:
                await self._receive(reply, receiver)
        return self._opened

    async def _receive(self, reply: Any, receiver: Receiver) -> None:
        try:
            try:
                data = await reply.read()
            except APIConnectionError as error:
                raise receiver.cut(error) from error
            try:
                receiver.feed(data)
            except InvalidResponseError as error:
                # What else the server says of it belongs into the error. The frames below hold its
                # start, not yet freed of the key.
                data = b""
                if error.body:
                    error.body = await reply.drain(error.body)
                raise error.with_traceback(None) from None
        except BaseException:
            await self._end()
            raise
        if self._first_byte is None and receiver.bytes_received:
            self._first_byte = time.monotonic() - self._entered

    async def _next(self) -> bytes:
        """The next piece; ``b""`` at the end."""
        reply, receiver = await self._open()
        while not (piece := receiver.take()):
            if receiver.finished:
                await self._end()
                break
            with self._alone:
                await self._receive(reply, receiver)
        return piece

    async def _read(self) -> Audio:
        ended = self._closed
        await self._open()
        kept = Keeping(self.metadata)
        with kept.even_on_failure():
            while piece := await self._next():
                kept.add(piece)
            if ended:
                kept.check_some()
        return kept.audio()

    def _file(self, path: str | os.PathLike[str], on_progress: Progress | None) -> AtomicFile:
        """The file to save to, if it is not known already that it cannot hold the audio."""
        checked_callback(on_progress, "on_progress")
        if self._opened is not None:
            file_header(self.metadata, suffix_of(path), None)
        elif self._requested:
            format_for_file(path, self._requested)
        return AtomicFile(path)

    async def write(self, file: AtomicFile, on_progress: Progress | None) -> Path:
        """Write the rest of the audio to a file that is open already; see `AudioStream.save`."""
        await self._open()
        try:
            kept = Keeping(self.metadata, file)
        except ConfigurationError as error:
            raise unfit(error, await self._read()) from error
        with kept.even_on_failure():
            while piece := await self._next():
                await self._waiting.call(kept.add, piece)
                if on_progress:
                    on_progress(self.bytes_received)
            kept.check_some()
            return await self._waiting.call(kept.commit)

    async def _end(self) -> None:
        self._closed = True
        if self._opened:
            await self._opened[0].aclose()


class AudioStream(_Stream):
    """Audio as it arrives. A context manager and an iterator of bytes.

    PCM comes in whole sample frames, signed 16-bit little-endian. While it is open the stream
    holds a connection. It belongs to one thread.

    Examples:
        >>> with client.audio.speech.stream(model="m/n", voice="alloy", input="Hi") as stream:
        ...     sum(len(chunk) for chunk in stream) == stream.bytes_received
        True
    """

    _waiting = Blocking()

    def __enter__(self) -> Self:
        at_once(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if piece := at_once(self._next()):
            return piece
        raise StopIteration

    def read(self) -> Audio:
        """All that has not been handed out yet, once it has arrived.

        Raises:
            ConfigurationError: If nothing is left, because all was handed out before.
            IncompleteAudioError: If the audio broke off; `partial` has what arrived.
            InvalidResponseError: If it turns out not to be audio.
        """
        return at_once(self._read())

    def save(
        self, path: str | os.PathLike[str], *, on_progress: Callable[[int], None] | None = None
    ) -> Path:
        """Write the rest of the audio to a file that appears whole or not at all.

        Args:
            path: The target; its suffix decides as in `Audio.save`.
            on_progress: Called with the bytes of audio received so far.

        Returns:
            The path.

        Raises:
            ConfigurationError: If the suffix contradicts the audio's format, or nothing is left of
                the stream; it stays as it was, and so does the file.
            SaveError: If the file cannot be written; `partial` has the audio if any was read.
            IncompleteAudioError: If the audio broke off; `partial` has what arrived.
        """
        with self._file(path, on_progress) as file:
            return at_once(self.write(file, on_progress))

    def close(self) -> None:
        """Free the connection, however much has been read. May be called again."""
        at_once(self._end())


class AsyncAudioStream(_Stream):
    """Audio as it arrives. An async context manager and an async iterator of bytes.

    Otherwise as `AudioStream`.

    Examples:
        >>> async def size(text):
        ...     async with AsyncModelGates() as client:
        ...         stream = client.audio.speech.stream(model="m/n", voice="alloy", input=text)
        ...         return sum([len(chunk) async for chunk in stream])
        >>> asyncio.run(size("Hello")) > 0
        True
    """

    _waiting = Yielding()

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if piece := await self._next():
            return piece
        raise StopAsyncIteration

    async def read(self) -> Audio:
        """All that has not been handed out yet; see `AudioStream.read`."""
        return await self._read()

    async def save(
        self, path: str | os.PathLike[str], *, on_progress: Callable[[int], None] | None = None
    ) -> Path:
        """Write the rest of the audio to a file; see `AudioStream.save`."""
        async with self._file(path, on_progress) as file:
            return await self.write(file, on_progress)

    async def aclose(self) -> None:
        """Free the connection, however much has been read. May be called again."""
        await self._end()
