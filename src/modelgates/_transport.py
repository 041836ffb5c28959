"""The only module that knows the HTTP library: requests, replies, timeouts and exceptions.

Requests go straight to an `httpx` transport: a call needs neither cookies nor redirects nor
hooks, so there is no `httpx.Client` between.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import ssl
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore
import httpx

from modelgates._version import __version__
from modelgates.audio import MAX_EXCERPT
from modelgates.config import is_loopback
from modelgates.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    ModelGatesError,
)
from modelgates_api import Client as GeneratedClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
    from types import ModuleType, TracebackType

    from modelgates._exchange import Deadline, ReplyHead
    from modelgates.config import Secret, Timeout
    from modelgates.errors import Phase

LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=5.0)
# An error's body is read for its message alone; a server that drips one is not waited for.
EXCERPT_SECONDS = 5.0

_TIMEOUTS: dict[type[Exception], tuple[Phase, bool]] = {
    httpx.ConnectTimeout: ("connect", False),
    httpx.PoolTimeout: ("pool", False),
    httpx.WriteTimeout: ("write", True),
    httpx.ReadTimeout: ("read", True),
}
_NOT_SENT = (httpx.ConnectError, httpx.ProxyError, httpx.UnsupportedProtocol)
_PARSER = GeneratedClient(base_url="")
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Budget(float):
    """The timeout of one phase, cut short by the call's deadline when that is nearer.

    A plain number to any transport; `_DeadlineStream` asks it anew before each read and write,
    so that not even a server that drips bytes outlives the deadline.
    """

    deadline: Deadline

    @classmethod
    def of(cls, seconds: float, deadline: Deadline) -> Budget:
        """`seconds` within `deadline`."""
        budget = cls(seconds)
        budget.deadline = deadline
        return budget

    @staticmethod
    def left(timeout: float | None) -> float | None:
        """What remains of `timeout`, whatever kind of number it is."""
        if isinstance(timeout, Budget):
            # A timeout of 0 means "do not block" to a socket, not "give up".
            return max(0.001, min(timeout, timeout.deadline.left()))
        return timeout


def build_request(
    kwargs: Mapping[str, Any],
    *,
    base_url: str,
    headers: Mapping[str, str],
    secret: Secret,
    timeout: Timeout,
    deadline: Deadline,
) -> httpx.Request:
    """The request that a generated operation's ``_get_kwargs`` describes, ready to be sent.

    Raises:
        ConfigurationError: If its body is no JSON or its URL no URL.
    """
    kwargs = dict(kwargs)
    address = base_url + kwargs.pop("url")
    # Later ones win, whatever their case; `httpx.Headers` does the same at five times the cost.
    merged = {"user-agent": f"modelgates-python/{__version__}"}
    for given in (kwargs.pop("headers", {}), headers):
        merged |= {name.lower(): value for name, value in given.items()}
    merged |= {"accept": "*/*", "accept-encoding": "identity"}
    phases = timeout.phases()
    if deadline.expires != math.inf:
        phases = {name: Budget.of(seconds, deadline) for name, seconds in phases.items()}
    try:
        url = _parsed_url(address)
        if "json" in kwargs:
            content = encode_json(kwargs.pop("json"))
            kwargs["stream"] = httpx.ByteStream(content)
            merged |= {"host": url.netloc.decode("ascii"), "content-length": str(len(content))}
        request = httpx.Request(
            kwargs.pop("method"),
            url,
            # The key is in no variable: a traceback with locals shows this frame.
            headers=merged | {"authorization": secret.bearer()},
            extensions={"timeout": phases},
            **kwargs,
        )
        request.read()
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        _cleanse(error, secret)
        raise ConfigurationError(f"no request to {address} can be made: {error}") from error
    return request


# Parsing costs more than all the rest of building a request.
@functools.lru_cache(maxsize=64)
def _parsed_url(address: str) -> httpx.URL:
    return httpx.URL(address)


def encode_json(payload: object) -> bytes:
    """`payload` as JSON in UTF-8.

    Raises:
        ConfigurationError: If it holds what JSON cannot say.
    """
    try:
        return _JSON.encode(payload).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"the request holds a lone surrogate ({error.object[error.start]!r}), which is no "
            "character: read the text with the right encoding"
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from error


def parse(operation: ModuleType, reply: ReplyHead, body: bytes) -> object:
    """What the generated `operation` makes of a reply.

    Raises:
        Exception: Anything; generated parsers trust their input.
    """
    response = httpx.Response(
        reply.status,
        headers={"content-type": reply.headers.get("content-type", "")},
        content=body,
    )
    return operation._parse_response(client=_PARSER, response=response)  # noqa: SLF001


def parse_error(operation: ModuleType, reply: ReplyHead, body: bytes) -> object:
    """What the generated `operation` makes of a failed reply, or None if it cannot."""
    try:
        return parse(operation, reply, body)
    except Exception:  # noqa: BLE001 - a body outside the document must not hide the status
        return None


class _Scrubbing:
    """Takes the key out of what a server may have echoed.

    Headers, the bodies of errors, and the start of any other body, by which text is told from
    audio, are scrubbed. Audio itself is never changed.
    """

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._at_start = True
        self.scrub = secret.scrub

    def _scrubbed_start(self, data: bytes) -> bytes:
        if not self._at_start:
            return data
        self._at_start = False
        return self.scrub(data)


class Reply(_Scrubbing):
    """A reply of a sync transport; its body is read piece by piece."""

    def __init__(self, response: httpx.Response, deadline: Deadline, secret: Secret) -> None:
        super().__init__(secret)
        self.status = response.status_code
        self.headers = _headers(response, secret)
        self._response = response
        self._deadline = deadline
        stream = cast("httpx.SyncByteStream", response.stream)
        self._pieces: Iterator[bytes] = filter(None, stream)

    def read(self) -> bytes:
        """The next piece of the body, ``b""`` at its end.

        Raises:
            APIConnectionError: If the connection breaks or the time runs out.
        """
        with _translated(self._deadline, self._secret):
            _check(self._deadline)
            return self._scrubbed_start(next(self._pieces, b""))

    def drain(self) -> bytes:
        """The start of the body, as far as it comes, at most `MAX_EXCERPT`; then close."""
        excerpt = _Excerpt()
        with contextlib.suppress(APIConnectionError), contextlib.closing(self):
            while excerpt.wants_more() and (data := self.read()):
                excerpt.add(data)
        return self.scrub(excerpt.content())

    def close(self) -> None:
        """Release the connection. May be called again."""
        with contextlib.suppress(Exception):
            self._response.close()


class AsyncReply(_Scrubbing):
    """A reply of an async transport; its body is read piece by piece."""

    def __init__(self, response: httpx.Response, deadline: Deadline, secret: Secret) -> None:
        super().__init__(secret)
        self.status = response.status_code
        self.headers = _headers(response, secret)
        self._response = response
        self._deadline = deadline
        self._chunks: AsyncIterator[bytes] = aiter(cast("httpx.AsyncByteStream", response.stream))

    async def read(self) -> bytes:
        """The next piece of the body, ``b""`` at its end.

        Raises:
            APIConnectionError: If the connection breaks or the time runs out.
        """
        with _translated(self._deadline, self._secret), _within(self._deadline):
            _check(self._deadline)
            async for data in self._chunks:
                if data:
                    return self._scrubbed_start(data)
            return b""

    async def drain(self) -> bytes:
        """The start of the body, as far as it comes, at most `MAX_EXCERPT`; then close."""
        excerpt = _Excerpt()
        async with contextlib.aclosing(self):
            with contextlib.suppress(APIConnectionError):
                while excerpt.wants_more() and (data := await self.read()):
                    excerpt.add(data)
        return self.scrub(excerpt.content())

    async def aclose(self) -> None:
        """Release the connection. May be called again."""
        if self._response.is_closed:
            return
        # Shielded: a cancelled call must still give its connection back.
        with contextlib.suppress(Exception), anyio.CancelScope(shield=True):
            try:
                # A generator, most often: one that is only dropped ends when the loop gets to it.
                if close := getattr(self._chunks, "aclose", None):
                    await close()
            finally:
                await self._response.aclose()


def send(
    transport: httpx.BaseTransport, request: httpx.Request, deadline: Deadline, secret: Secret
) -> Reply:
    """Send `request` and wait for the head of the reply.

    Raises:
        APIConnectionError: If no reply comes.
    """
    with _translated(deadline, secret):
        _check(deadline)
        return Reply(transport.handle_request(request), deadline, secret)


async def asend(
    transport: httpx.AsyncBaseTransport, request: httpx.Request, deadline: Deadline, secret: Secret
) -> AsyncReply:
    """Send `request` and wait for the head of the reply.

    Raises:
        APIConnectionError: If no reply comes.
    """
    with _translated(deadline, secret), _within(deadline):
        _check(deadline)
        return AsyncReply(await transport.handle_async_request(request), deadline, secret)


class _Excerpt:
    """The start of a body that is wanted for an error only."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._until = time.monotonic() + EXCERPT_SECONDS

    def wants_more(self) -> bool:
        return len(self._data) < MAX_EXCERPT and time.monotonic() < self._until

    def add(self, data: bytes) -> None:
        self._data += data[: MAX_EXCERPT - len(self._data)]

    def content(self) -> bytes:
        return bytes(self._data)


def _headers(response: httpx.Response, secret: Secret) -> dict[str, str]:
    return {name: secret.scrub_text(value) for name, value in response.headers.items()}


def _check(deadline: Deadline) -> None:
    if not deadline.left():
        raise TimeoutError


def _within(deadline: Deadline) -> contextlib.AbstractContextManager[object]:
    left = deadline.left()
    return contextlib.nullcontext() if left == math.inf else anyio.fail_after(left)


class _translated:  # noqa: N801 - used as a function; a generator would cost thrice as much
    """Turns whatever a transport raises into the errors of our tree, free of the key."""

    __slots__ = ("_deadline", "_secret")

    def __init__(self, deadline: Deadline, secret: Secret) -> None:
        self._deadline = deadline
        self._secret = secret

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, ModelGatesError):
            return
        _cleanse(error, self._secret)
        if isinstance(error, Exception):
            raise translate(error, self._deadline) from error


def translate(error: Exception, deadline: Deadline) -> APIConnectionError:
    """The error of our tree for whatever a transport raised."""
    phase, request_sent = _TIMEOUTS.get(type(error), (None, not isinstance(error, _NOT_SENT)))
    if not deadline.left() and (phase or isinstance(error, TimeoutError)):
        total = deadline.expires - deadline.started
        return APITimeoutError(
            f"the call was not over within its deadline of {total:g} s",
            phase="deadline",
            request_sent=request_sent,
        )
    if phase:
        return APITimeoutError(
            f"the {phase} timeout ran out", phase=phase, request_sent=request_sent
        )
    untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error))
    what = "the connection broke" if request_sent else "no connection could be made"
    return APIConnectionError(
        f"{what}: {error or type(error).__name__}",
        request_sent=request_sent,
        transient=not untrusted,
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _cleanse(error: BaseException, secret: Secret) -> None:
    # The frames below hold the headers, key included, where a traceback with locals shows them,
    # those of a cancellation or a Ctrl-C too; and a message may quote what a server has echoed.
    for link in _chain(error):
        link.__traceback__ = None
        link.args = tuple(
            secret.scrub_text(str(part)) if isinstance(part, str | Exception) else part
            for part in link.args
        )


class _DeadlineStream(httpcore.NetworkStream):
    """A socket whose every operation asks anew how much time is left."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, Budget.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), MAX_EXCERPT):
            piece = buffer[start : start + MAX_EXCERPT]
            self._stream.write(piece, Budget.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, Budget.left(timeout))
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.NetworkBackend):
    """Opens sockets that keep to the deadline."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore.NetworkStream:
        return _DeadlineStream(
            self._backend.connect_tcp(host, port, Budget.left(timeout), *args, **kwargs)
        )


class _AsyncPool(httpx.AsyncBaseTransport):
    """Connections, each a transport of its own, and a queue for them.

    A single `httpx` transport looks at all of its connections whenever a request comes or goes:
    at 50 at once that costs five times the request itself, and at 500 calls time out.
    """

    def __init__(self, new: Callable[[], httpx.AsyncBaseTransport], limits: httpx.Limits) -> None:
        self._new = new
        self._expiry = limits.keepalive_expiry or math.inf
        self._free = anyio.Semaphore(limits.max_connections or sys.maxsize, fast_acquire=True)
        self._busy: set[httpx.AsyncBaseTransport] = set()
        # The first is made here, so that a proxy that cannot work fails here and not in a call.
        self._idle: deque[tuple[httpx.AsyncBaseTransport, float]] = deque()
        self._idle.append((self._new(), time.monotonic()))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._wait(request.extensions["timeout"]["pool"])
        # The one used last is the likeliest to be open still; the others grow old and go.
        connection = self._idle.pop()[0] if self._idle else self._new()
        self._busy.add(connection)
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._give_back(connection, sound=False)
            raise
        stream = cast("httpx.AsyncByteStream", response.stream)
        response.stream = _Borrowed(stream, functools.partial(self._give_back, connection))
        return response

    async def aclose(self) -> None:
        for connection in (*self._busy, *(connection for connection, _ in self._idle)):
            await connection.aclose()
        self._idle.clear()

    async def _wait(self, seconds: float | None) -> None:
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(seconds) as waiting:
                await self._free.acquire()
            if waiting.cancelled_caught:
                raise httpx.PoolTimeout("no connection became free") from None

    async def _give_back(self, connection: httpx.AsyncBaseTransport, *, sound: bool) -> None:
        if connection not in self._busy:
            return
        self._busy.remove(connection)
        now = time.monotonic()
        if sound:
            self._idle.append((connection, now))
        self._free.release()
        if not sound:
            # A cancelled task leaves httpcore's books in disorder: it would wait for ever.
            stale = connection
        elif self._idle[0][1] + self._expiry < now:
            stale, _ = self._idle.popleft()
        else:
            return
        with anyio.CancelScope(shield=True):
            await stale.aclose()


class _Borrowed(httpx.AsyncByteStream):
    """A body whose connection is given back once it is closed."""

    def __init__(
        self, stream: httpx.AsyncByteStream, give_back: Callable[..., Awaitable[None]]
    ) -> None:
        self._stream = stream
        self._give_back = give_back

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        sound = False
        try:
            await self._stream.aclose()
            sound = True
        finally:
            await self._give_back(sound=sound)


def new_transport(
    base_url: str, given: httpx.BaseTransport | Literal["fast"] | None = None
) -> httpx.BaseTransport:
    """The transport `given`, or the default one with proxies and certificates as usual.

    Raises:
        ConfigurationError: If the environment names a proxy or certificates that do not work,
            what was given is no sync transport, or the fast one is not installed.
    """
    if given is not None and given != "fast":
        return _checked(given, httpx.BaseTransport)
    with _configuring():
        context = httpx.create_ssl_context()
        proxy = _proxy_for(httpx.URL(base_url))
        if given == "fast" and proxy is None:
            backend = _DeadlineBackend(httpcore.SyncBackend())
            fast: httpx.BaseTransport = _fast().FastTransport(base_url, context, LIMITS, backend)
            return fast
        transport = httpx.HTTPTransport(verify=context, limits=LIMITS, proxy=proxy)
    # httpx offers no public way to give its pool a network backend, and without one a reply
    # whose headers drip would outlive any deadline.
    pool = transport._pool  # noqa: SLF001
    pool._network_backend = _DeadlineBackend(pool._network_backend)  # noqa: SLF001
    return transport


def new_async_transport(
    base_url: str, given: httpx.AsyncBaseTransport | Literal["fast"] | None = None
) -> httpx.AsyncBaseTransport:
    """The transport `given`, or the default one; otherwise as `new_transport`."""
    if given is not None and given != "fast":
        return _checked(given, httpx.AsyncBaseTransport)
    with _configuring():
        context = httpx.create_ssl_context()
        proxy = _proxy_for(httpx.URL(base_url))
        if given == "fast" and proxy is None:
            return _AsyncPool(_fast().connections(base_url, context), LIMITS)
        one = httpx.Limits(max_connections=1, keepalive_expiry=LIMITS.keepalive_expiry)
        new = functools.partial(httpx.AsyncHTTPTransport, verify=context, limits=one, proxy=proxy)
        return _AsyncPool(new, LIMITS)


def _fast() -> Any:
    try:
        from modelgates import _fast
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            'transport="fast" is an extra that is not installed: pip install "modelgates[fast]"'
        ) from error
    return _fast


T = TypeVar("T")


@contextlib.contextmanager
def _configuring() -> Generator[None]:
    try:
        yield
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"the proxy or certificates that the environment names do not work: {error}"
        ) from error


def _checked(given: T, kind: type[T]) -> T:
    if isinstance(given, kind):
        return given
    raise ConfigurationError(f"transport must be an httpx.{kind.__name__}, not {given!r}")


def _proxy_for(url: httpx.URL) -> str | None:
    # What goes to this machine itself must not leave it, least of all with the key and no TLS.
    if is_loopback(url.host) or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
