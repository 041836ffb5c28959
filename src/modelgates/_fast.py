"""The transport of the extra `fast`: HTTP/1.1 with llhttp's parser, over httpcore's sockets.

What makes `httpx` slow is not its sockets but what lies above them: the parser in Python and the
pool. This is the part of HTTP/1.1 that a call needs, and no more.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NoReturn, cast

import anyio
import httpcore
import httptools
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

CHUNK = 64 * 1024
MAX_HEAD = 100 * 1024

_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError)


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
        self._failure: httpx.RemoteProtocolError | None = None
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
            httpx.RemoteProtocolError: If what came after the last piece was no HTTP.
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
                self._failure = httpx.RemoteProtocolError(f"the reply is not HTTP: {error}")
        if not self.headed:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                self._failure = httpx.RemoteProtocolError("the reply's headers are too long")

    def _end(self) -> None:
        self.reusable = False
        if self.headed and (self.complete or not self._framed):
            self.complete = True
        elif self._failure is None:
            where = "inside the body" if self.headed else "without a whole reply"
            self._failure = httpx.RemoteProtocolError(f"the server disconnected {where}")


def written(request: httpx.Request) -> bytes:
    """`request` as it goes over the wire.

    Raises:
        httpx.LocalProtocolError: If a header would inject another.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % item for item in request.headers.raw]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise httpx.LocalProtocolError("a header holds a line break")
    return b"%b\r\n\r\n%b" % (head, request.content)


def _translate(error: Exception) -> NoReturn:
    """Raise the exception of `httpx` that has the name of httpcore's."""
    kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
    raise kind(str(error)) from error


class _Origin:
    """Where connections go, and how."""

    def __init__(self, base_url: str, context: ssl.SSLContext) -> None:
        url = httpx.URL(base_url)
        self.host = url.raw_host.decode("ascii")
        self.port = url.port or {"http": 80, "https": 443}[url.scheme]
        self.context = context if url.scheme == "https" else None
        context.set_alpn_protocols(["http/1.1"])


class _Connection:
    """A connection, opened when it is needed; it carries one call at a time."""

    def __init__(self, origin: _Origin, backend: httpcore.NetworkBackend) -> None:
        self._origin = origin
        self._backend = backend
        self._stream: httpcore.NetworkStream | None = None
        self.idle_since = 0.0

    def send(self, request: httpx.Request, give_back: Callable[[], None]) -> httpx.Response:
        """Send `request` and wait for the head of the reply."""
        timeout: Mapping[str, float] = request.extensions["timeout"]
        message = Message()
        try:
            data = written(request)
            stream = self._open(timeout["connect"])
            # A server that refuses early stops reading, but what it says is there to be read.
            with contextlib.suppress(httpcore.WriteError):
                stream.write(data, timeout["write"])
            while not message.headed:
                message.feed(stream.read(CHUNK, timeout["read"]))
                if not message.headed:
                    message.take()
        except _BROKEN as error:
            self.close()
            _translate(error)
        except BaseException:
            self.close()
            raise
        body = _Body(stream, message, timeout["read"], self, give_back)
        return httpx.Response(message.status, headers=message.headers, stream=body)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open(self, timeout: float) -> httpcore.NetworkStream:
        stream = self._stream
        if stream is not None:
            # Whatever comes before it is asked for can only be the end, or an intruder.
            if not stream.get_extra_info("is_readable"):
                return stream
            self.close()
        origin = self._origin
        stream = self._backend.connect_tcp(origin.host, origin.port, timeout)
        if origin.context:
            stream = stream.start_tls(origin.context, origin.host, timeout)
        self._stream = stream
        return stream


class _Body(httpx.SyncByteStream):
    """A body as it arrives."""

    def __init__(
        self,
        stream: httpcore.NetworkStream,
        message: Message,
        timeout: float,
        connection: _Connection,
        give_back: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._message = message
        self._timeout = timeout
        self._connection = connection
        self._give_back = give_back

    def __iter__(self) -> Iterator[bytes]:
        message = self._message
        try:
            while True:
                if piece := message.take():
                    yield piece
                elif message.complete:
                    return
                else:
                    message.feed(self._stream.read(CHUNK, self._timeout))
        except _BROKEN as error:
            _translate(error)

    def close(self) -> None:
        if not (self._message.complete and self._message.reusable):
            self._connection.close()
        self._give_back()


class FastTransport(httpx.BaseTransport):
    """A pool of connections to one origin, for any number of threads."""

    def __init__(
        self,
        base_url: str,
        context: ssl.SSLContext,
        limits: httpx.Limits,
        backend: httpcore.NetworkBackend,
    ) -> None:
        self._origin = _Origin(base_url, context)
        self._backend = backend
        self._expiry = limits.keepalive_expiry or math.inf
        self._free = threading.Semaphore(limits.max_connections or sys.maxsize)
        self._idle: deque[_Connection] = deque()
        self._busy: set[_Connection] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self._free.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise httpx.PoolTimeout("no connection became free")
        try:
            # The one used last is the likeliest to be open still; the others grow old and go.
            connection = self._idle.pop()
        except IndexError:
            connection = _Connection(self._origin, self._backend)
        self._busy.add(connection)
        try:
            return connection.send(request, lambda: self._give_back(connection))
        except BaseException:
            self._give_back(connection)
            raise

    def close(self) -> None:
        for connection in (*self._busy, *self._idle):
            connection.close()
        self._idle.clear()

    def _give_back(self, connection: _Connection) -> None:
        try:
            self._busy.remove(connection)
        except KeyError:
            return
        now = connection.idle_since = time.monotonic()
        self._idle.append(connection)
        with contextlib.suppress(IndexError):
            oldest = self._idle.popleft()
            if oldest.idle_since + self._expiry < now:
                oldest.close()
            else:
                self._idle.appendleft(oldest)
        self._free.release()


class AsyncConnection(httpx.AsyncBaseTransport):
    """A connection, opened when it is needed; it carries one call at a time."""

    def __init__(self, origin: _Origin) -> None:
        self._origin = origin
        # Where anyio is missing httpcore has another class of that name; here it never is.
        self._backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeout: Mapping[str, float] = request.extensions["timeout"]
        message = Message()
        try:
            data = written(request)
            stream = await self._open(timeout["connect"])
            # As in `_Connection.send`.
            with contextlib.suppress(httpcore.WriteError):
                await stream.write(data, timeout["write"])
            while not message.headed:
                message.feed(await stream.read(CHUNK, timeout["read"]))
                if not message.headed:
                    message.take()
        except _BROKEN as error:
            await self.aclose()
            _translate(error)
        except BaseException:
            await self.aclose()
            raise
        body = _AsyncBody(stream, message, timeout["read"], self)
        return httpx.Response(message.status, headers=message.headers, stream=body)

    async def aclose(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with anyio.CancelScope(shield=True):
                await stream.aclose()

    async def _open(self, seconds: float) -> httpcore.AsyncNetworkStream:
        stream = self._stream
        if stream is not None:
            if not stream.get_extra_info("is_readable"):
                return stream
            await self.aclose()
        origin = self._origin
        stream = await self._backend.connect_tcp(origin.host, origin.port, seconds)
        if origin.context:
            stream = await stream.start_tls(origin.context, origin.host, seconds)
        self._stream = stream
        return stream


class _AsyncBody(httpx.AsyncByteStream):
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
        try:
            while True:
                if piece := message.take():
                    yield piece
                elif message.complete:
                    return
                else:
                    message.feed(await self._stream.read(CHUNK, self._timeout))
        except _BROKEN as error:
            _translate(error)

    async def aclose(self) -> None:
        if not (self._message.complete and self._message.reusable):
            await self._connection.aclose()


def connections(base_url: str, context: ssl.SSLContext) -> Callable[[], AsyncConnection]:
    """What makes connections to the origin of `base_url`."""
    return functools.partial(AsyncConnection, _Origin(base_url, context))
