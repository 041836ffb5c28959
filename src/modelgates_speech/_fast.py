"""The transport of the extra `fast`: HTTP/1.1 with llhttp's parser, over sockets of httpcore's.

What makes `httpx` slow is not its sockets but what lies above them: the parser in Python and the
pool. This is the part of HTTP/1.1 that a call needs, and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import aiohappyeyeballs
import anyio
import httpcore
import httptools

from modelgates_speech._http import Response
from modelgates_speech.deadline import DeadlineBackend

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator

    from modelgates_speech._http import AsyncBody, Body, Request

# As much as malloc serves without asking the system for memory anew each time.
CHUNK = 112 * 1024
# Bytes of one sample of up to eight channels.
LONGEST_FRAME = 16
MAX_HEAD = 100 * 1024
# What may wait to be taken before the socket is read no further.
MAX_UNREAD = 256 * 1024


class Message:
    """One reply, made of what a connection gives. It does no I/O.

    `feed` it what arrives (``b""`` when the connection has ended); once `headed` it has a status
    and headers; `take` the body until it is `complete`.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.headed = False
        self.complete = False
        # Whether the connection can carry another message after this one.
        self.reusable = False
        self._parser = httptools.HttpResponseParser(self)
        self._head_size = 0
        self._pieces: deque[bytes] = deque()
        self._failure: httpcore.RemoteProtocolError | None = None
        self._framed = False
        # Bytes of the body that are still to come, where its length was announced.
        self._left: int | None = None

    def feed(self, data: bytes) -> None:
        """Take what the connection gave. What it may have of a failure shows in `take`."""
        if not data:
            self._end()
        elif self._left is None or not self.headed:
            self._parse(data)
        elif len(data) <= self._left:
            # Past the parser, which would copy it.
            self._add(data)
        else:
            self.reusable = False
            self._add(data[: self._left])

    def take(self) -> bytes:
        """The next piece of the body, ``b""`` if none is here.

        Raises:
            httpcore.RemoteProtocolError: If what came after the last piece was no HTTP.
        """
        if self._pieces:
            return self._pieces.popleft()
        if self._failure is not None:
            raise self._failure
        return b""

    def on_message_begin(self) -> None:
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headed:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.headed or 100 <= status < 200:
            self.headers = self.headers if self.headed else []
            return
        self.status, self.headed = status, True
        self.reusable = self._parser.should_keep_alive()
        names = {name.lower(): value for name, value in self.headers}
        self._framed = bool({b"transfer-encoding", b"content-length"} & names.keys())
        if b"transfer-encoding" not in names and b"content-length" in names:
            self._left = int(names[b"content-length"])

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._add(data)

    def on_message_complete(self) -> None:
        self.complete = self.complete or self.headed

    def _add(self, data: bytes) -> None:
        self._pieces.append(data)
        if self._left is not None:
            self._left -= len(data)
            self.complete = self._left == 0

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # After the end of the message it matters only to whoever comes next.
            self.reusable = False
            if not self.complete:
                self._failure = httpcore.RemoteProtocolError(f"the reply is not HTTP: {error}")
        if not self.headed:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                self._failure = httpcore.RemoteProtocolError("the reply's headers are too long")

    def _end(self) -> None:
        self.reusable = False
        if self.headed and (self.complete or not self._framed):
            self.complete = True
        elif self._failure is None:
            where = "inside the body" if self.headed else "without a whole reply"
            self._failure = httpcore.RemoteProtocolError(f"the server disconnected {where}")


def written(request: Request) -> bytes:
    """`request` as it goes over the wire.

    Raises:
        httpcore.LocalProtocolError: If a header would inject another.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method, request.url.target)]
    lines += [b"%b: %b" % item for item in request.headers]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise httpcore.LocalProtocolError("a header holds a line break")
    return b"%b\r\n\r\n%b" % (head, request.content)


class _Address:
    """Where connections go, and how."""

    def __init__(self, origin: httpcore.Origin, context: ssl.SSLContext) -> None:
        self.host = origin.host.decode("ascii")
        self.port = origin.port
        self.context = context if origin.scheme == b"https" else None


class Connection:
    """A connection, opened when it is needed; it carries one call at a time."""

    def __init__(self, origin: httpcore.Origin, context: ssl.SSLContext) -> None:
        self._address = _Address(origin, context)
        self._stream: httpcore.NetworkStream | None = None

    def send(self, request: Request) -> Response[Body]:
        timeout = request.timeout
        message = Message()
        data = written(request)
        stream = self._open(timeout["connect"])
        stream.write(data, timeout["write"])
        while not message.headed:
            message.feed(stream.read(CHUNK, timeout["read"]))
            if not message.headed:
                message.take()
        body = _Body(stream, message, timeout["read"], self)
        return Response(message.status, message.headers, body)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open(self, seconds: float) -> httpcore.NetworkStream:
        stream = self._stream
        if stream is not None:
            # Whatever comes before it is asked for can only be the end, or an intruder.
            if not stream.get_extra_info("is_readable"):
                return stream
            self.close()
        to = self._address
        stream = DeadlineBackend().connect_tcp(to.host, to.port, seconds)
        if to.context:
            stream = stream.start_tls(to.context, to.host, seconds)
        self._stream = stream
        return stream


class _Body:
    """A body as it arrives."""

    def __init__(
        self,
        stream: httpcore.NetworkStream,
        message: Message,
        timeout: float,
        connection: Connection,
    ) -> None:
        self._stream = stream
        self._message = message
        self._timeout = timeout
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        message = self._message
        received = 0
        while True:
            if piece := message.take():
                received += len(piece)
                yield piece
            elif message.complete:
                return
            else:
                # So that a piece ends where a sample does, and need not be cut.
                message.feed(self._stream.read(CHUNK - received % LONGEST_FRAME, self._timeout))

    def close(self) -> None:
        if not (self._message.complete and self._message.reusable):
            self._connection.close()


class AsyncConnection:
    """The same for an event loop."""

    def __init__(self, origin: httpcore.Origin, context: ssl.SSLContext) -> None:
        self._address = _Address(origin, context)
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def send(self, request: Request) -> Response[AsyncBody]:
        timeout = request.timeout
        message = Message()
        data = written(request)
        stream = await self._open(timeout["connect"])
        # A server that refuses early stops reading, but what it says is there to be read.
        with contextlib.suppress(httpcore.WriteError):
            await stream.write(data, timeout["write"])
        while not message.headed:
            message.feed(await stream.read(CHUNK, timeout["read"]))
            if not message.headed:
                message.take()
        body = _AsyncBody(stream, message, timeout["read"], self)
        return Response(message.status, message.headers, body)

    async def aclose(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with anyio.CancelScope(shield=True):
                await stream.aclose()

    async def _open(self, seconds: float) -> httpcore.AsyncNetworkStream:
        stream = self._stream
        if stream is not None:
            if not stream.get_extra_info("is_readable"):
                return stream
            await self.aclose()
        self._stream = stream = await _connected(self._address, seconds)
        return stream


class _AsyncBody:
    """A body as it arrives."""

    def __init__(
        self,
        stream: httpcore.AsyncNetworkStream,
        message: Message,
        timeout: float,
        connection: AsyncConnection,
    ) -> None:
        self._stream = stream
        self._message = message
        self._timeout = timeout
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        message = self._message
        while True:
            if piece := message.take():
                yield piece
            elif message.complete:
                return
            else:
                message.feed(await self._stream.read(CHUNK, self._timeout))

    async def aclose(self) -> None:
        if not (self._message.complete and self._message.reusable):
            await self._connection.aclose()


class _AsyncioStream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A socket of asyncio's, without what anyio adds to every read and write."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._received: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: Exception | None = None
        self._may_write = True
        # Whoever waits to read or to write: one at a time, since a call does both in turn.
        self._waiting: asyncio.Future[None] | None = None
        self._lost = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._size += len(data)
        if self._size > MAX_UNREAD:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error = True, exc
        # Whoever was cancelled while waiting for it has cancelled it, too.
        if not self._lost.done():
            self._lost.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self._wake()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """What came, however much of it; ``b""`` at the end."""
        while not self._received and not self._ended:
            await self._wait(timeout, httpcore.ReadTimeout)
        if self._received:
            data = self._received.popleft()
            if self._size > MAX_UNREAD >= self._size - len(data):
                self._transport.resume_reading()
            self._size -= len(data)
            return data
        if self._error is not None:
            raise httpcore.ReadError(str(self._error)) from self._error
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._transport.write(buffer)
        while not self._may_write and not self._lost.done():
            await self._wait(timeout, httpcore.WriteTimeout)

    async def aclose(self) -> None:
        # Not `close`, which would wait for what is still to be sent, for ever if need be.
        self._transport.abort()
        await self._lost

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return self._transport.get_extra_info(info)
        # The system is asked too, for the event loop may have slept.
        opened = self._transport.get_extra_info("socket")
        return bool(self._received) or self._ended or _is_readable(opened)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _wait(self, seconds: float | None, error: type[Exception]) -> None:
        waiting = self._waiting = self._loop.create_future()
        timer = self._loop.call_later(seconds, _expire, waiting, error) if seconds else None
        try:
            await waiting
        finally:
            if timer:
                timer.cancel()


def _expire(waiting: asyncio.Future[None], error: type[Exception]) -> None:
    if not waiting.done():
        waiting.set_exception(error())


async def _connected(to: _Address, seconds: float) -> httpcore.AsyncNetworkStream:
    """A new connection, TLS included."""
    if not _in_asyncio():
        # Where anyio is missing httpcore has another class of that name; here it never is.
        backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        stream = await backend.connect_tcp(to.host, to.port, seconds)
        if to.context:
            stream = await stream.start_tls(to.context, to.host, seconds)
        return stream
    try:
        async with asyncio.timeout(seconds):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
            opened = await aiohappyeyeballs.start_connection(  # pyright: ignore[reportUnknownMemberType]
                found, happy_eyeballs_delay=0.25
            )
            _, stream = await loop.create_connection(
                _AsyncioStream,
                sock=opened,
                ssl=to.context,
                server_hostname=to.host if to.context else None,
            )
            return stream
    except TimeoutError as error:
        raise httpcore.ConnectTimeout from error
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error


def _in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_readable(opened: Any) -> bool:
    """Whether a socket has something to read, be it the end."""
    if not hasattr(select, "poll"):  # pragma: no cover - Windows
        return bool(select.select([opened], [], [], 0)[0])
    poll = select.poll()
    poll.register(opened.fileno(), select.POLLIN)
    return bool(poll.poll(0))
