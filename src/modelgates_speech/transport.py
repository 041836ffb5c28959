"""What knows the HTTP engine, with `sockets`: it is `httpcore2`, through its public classes.

A call needs neither cookies nor redirects nor hooks, so there is no `httpx.Client` above the
engine; `httpx` is the interface for a transport that a user brings.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import anyio
import httpcore2

from modelgates_speech.config import KEEPALIVE_SECONDS, MAX_CONNECTIONS, from_environment
from modelgates_speech.engines import Engines
from modelgates_speech.errors import ConfigurationError
from modelgates_speech.proxies import proxy_for
from modelgates_speech.replies import Reply
from modelgates_speech.sockets import AsyncBackend, Backend
from modelgates_speech.waiting import Blocking, Yielding, time_left

if TYPE_CHECKING:
    from typing import Self

    import httpx

    from modelgates_speech.call import Request
    from modelgates_speech.replies import Border
    from modelgates_speech.waiting import Waiting

# How often a thread that waits for a connection looks for replies that nobody holds any more.
RECLAIM_SECONDS = 1.0


class Transport:
    """Carries requests for any number of threads."""

    waiting: Waiting = Blocking()
    _pool: Any = httpcore2.ConnectionPool
    _backend: Any = Backend
    _semaphore: Any = threading.Semaphore
    _brought = "BaseTransport"

    def __init__(
        self, new: Callable[[], Any], *, shared: bool = False, via: str = "", brackets: bool = True
    ) -> None:
        self.via = via
        self._brackets = brackets
        self._engines = Engines(new, shared=shared)
        self._turns: Any = self._semaphore(sys.maxsize if shared else MAX_CONNECTIONS)
        self._abandoned: deque[Reply] = deque()
        self.used = False

    @classmethod
    def maker(cls, base_url: str, given: object = None) -> Callable[[], Self]:
        """What makes them, with proxies and certificates as usual or of the transport `given`.

        It has loaded what is slow to load, which an event loop should not wait for.
        """
        if given is not None:
            shared = _FromHttpx(given, cls._brought)
            return partial(cls, lambda: shared, shared=True)
        try:
            proxy = proxy_for(base_url)
            socks = proxy is not None and proxy.url.startswith("socks")
            if socks and find_spec("socksio") is None:
                raise ValueError("a SOCKS proxy needs the package socksio: pip install socksio")
            pool = cls._pool(
                keepalive_expiry=KEEPALIVE_SECONDS,
                ssl_context=trusted() if base_url.startswith("https:") else None,
                proxy=httpcore2.Proxy(proxy.url, auth=proxy.auth) if proxy else None,
                network_backend=cls._backend(),
            )
            new = partial(pool.create_connection, _parsed(base_url, brackets=not socks).origin)
            via = f" through the proxy {proxy.url}" if proxy else ""
            return partial(cls, new, via=via, brackets=not socks)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"the proxy settings do not work: {error}") from error

    async def send(self, request: Request, border: Border) -> Reply:
        """Send `request` and wait for the head of the reply."""
        self.used = True
        with border, self.waiting.within(border.deadline.still()):
            await self._wait(border.phases["pool"])
            engine = self._engines.take()
            try:
                response = await self.waiting.ask(engine, self._outgoing(request, border))
                return Reply(response, border, self, engine)
            except BaseException:
                await self.done(engine, failed=True)
                raise

    def _outgoing(self, request: Request, border: Border) -> httpcore2.Request:
        return httpcore2.Request(
            request.method,
            _parsed(request.url, brackets=self._brackets),
            # The key is in no variable: a traceback with locals shows this frame.
            headers=list((request.headers | {"authorization": border.secret.bearer()}).items()),
            content=_Body(request.content, border),
            extensions={"timeout": border.phases},
        )

    async def done(self, engine: Any, *, failed: bool = False) -> None:
        """Note that the reply that came by `engine` was closed, or that none came."""
        self._engines.put_back(engine, failed=failed)
        self._turns.release()
        await self._close_unused()

    def abandon(self, reply: Reply) -> None:
        """Have a later call close `reply`, since nobody holds it any more."""
        # Not here: a finalizer may run while this very thread holds a lock of the library.
        self._abandoned.append(reply)

    async def aclose(self) -> None:
        """Close all connections. May be called again."""
        self._engines.clear()
        await self._close_unused()

    async def _close_unused(self) -> None:
        while unused := self._engines.next_unused():
            # A cancelled call closes it all the same.
            with self.waiting.shielded():
                await self.waiting.close(unused)

    async def _wait(self, seconds: float) -> None:
        until = time.monotonic() + (time_left(seconds) or 0)
        if self._abandoned:
            await self._reclaim()
        left = 0.0
        while not self._turns.acquire(timeout=left):
            await self._reclaim()
            left = min(until - time.monotonic(), RECLAIM_SECONDS)
            if left <= 0:
                raise httpcore2.PoolTimeout

    async def _reclaim(self) -> None:
        """Close the replies that nobody holds any more."""
        with contextlib.suppress(IndexError):
            while True:
                await self._abandoned.popleft().aclose()


class AsyncTransport(Transport):
    """Carries requests for the tasks of one event loop; otherwise as `Transport`."""

    waiting = Yielding()
    _pool = httpcore2.AsyncConnectionPool
    _backend = AsyncBackend
    _brought = "AsyncBaseTransport"
    # Of its event loop, from `loops`.
    lifetime: AsyncGenerator[None]
    later: Callable[[Callable[[], Coroutine[Any, Any, None]]], None]

    def abandon(self, reply: Reply) -> None:
        """Have `reply` closed by its event loop, since nobody holds it any more."""
        self.later(reply.aclose)

    def _semaphore(self, limit: int) -> Any:
        return anyio.Semaphore(limit, fast_acquire=True)

    async def _wait(self, seconds: float) -> None:
        try:
            self._turns.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(seconds) as waiting:
                await self._turns.acquire()
            if waiting.cancelled_caught:
                raise httpcore2.PoolTimeout from None


def trusted() -> ssl.SSLContext:
    """What is trusted: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else what the system trusts."""
    file, folder = from_environment("SSL_CERT_FILE"), from_environment("SSL_CERT_DIR")
    try:
        if file or folder:
            return ssl.create_default_context(cafile=file, capath=folder)
        return httpcore2.default_ssl_context()
    except OSError as error:
        named = f"SSL_CERT_FILE={file or ''}, SSL_CERT_DIR={folder or ''}"
        raise ConfigurationError(f"the certificates of {named} do not work: {error}") from error


# Every call of a client has the same, and to parse it costs as much as all else here.
@lru_cache(maxsize=64)
def _parsed(url: str, *, brackets: bool) -> httpcore2.URL:
    """A URL of the library's, in which an IPv6 address keeps its `brackets`, or not.

    It names a server to HTTP proxies and other transports as it is, followed by a port: they need
    the brackets, which the sockets take off.
    """
    parsed = httpcore2.URL(url)
    if brackets and b":" in parsed.host:
        parsed.host = b"[%b]" % parsed.host
    return parsed


class _Body:
    """What a request holds. Before it is taken, an engine may ask a proxy for a tunnel."""

    def __init__(self, content: bytes, border: Border) -> None:
        self._content, self._border = content, border
        border.sent = False

    def __iter__(self) -> Iterator[bytes]:
        self._border.sent = True
        yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class _FromHttpx:
    """A transport of httpx's, which a user has brought, as an engine."""

    def __init__(self, transport: Any, kind: str) -> None:
        import httpx

        if not isinstance(transport, getattr(httpx, kind)):
            raise ConfigurationError(f"transport must be an httpx.{kind}, not {transport!r}")
        self._transport = transport
        self.close = getattr(transport, "close", None)
        self.aclose = getattr(transport, "aclose", None)

    def handle_request(self, request: httpcore2.Request) -> httpcore2.Response:
        return _as_ours(self._transport.handle_request(_as_httpx(request)))

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        return _as_ours(await self._transport.handle_async_request(_as_httpx(request)))


def _as_ours(response: httpx.Response) -> httpcore2.Response:
    stream: Any = response.stream
    return httpcore2.Response(response.status_code, headers=response.headers.raw, content=stream)


def _as_httpx(request: httpcore2.Request) -> httpx.Request:
    import httpx

    url, stream = request.url, request.stream
    extensions: Any = vars(request)["extensions"]  # of no known type
    return httpx.Request(
        request.method.decode("ascii"),
        httpx.URL(bytes(url).decode("ascii")),
        headers=request.headers,
        content=b"".join(stream),  # type: ignore[arg-type] # made of bytes by `_outgoing`
        extensions=dict(extensions),
    )
