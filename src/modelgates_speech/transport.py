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
from functools import lru_cache, partial
from importlib.util import find_spec
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import anyio
import httpcore2

from modelgates_speech.config import (
    KEEPALIVE_SECONDS,
    MAX_CONNECTIONS,
    from_environment,
)
from modelgates_speech.deadline import Budget
from modelgates_speech.engines import Engines
from modelgates_speech.errors import ConfigurationError
from modelgates_speech.proxies import proxy_for
from modelgates_speech.replies import AsyncReply, Reply
from modelgates_speech.sockets import AsyncBackend, Backend

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeAlias

    import httpx

    from modelgates_speech.call import Request
    from modelgates_speech.replies import Border

    Engine: TypeAlias = "httpcore2.ConnectionPool | _FromHttpx"
    AsyncEngine: TypeAlias = "httpcore2.AsyncConnectionPool | _FromAsyncHttpx"

# How often a thread that waits for a connection looks for replies that nobody holds any more.
RECLAIM_SECONDS = 1.0


class Transport:
    """Carries requests for any number of threads.

    Args:
        new: Makes what does the work.
        shared: Whether one of it does all of the work, or each one request at a time.
    """

    def __init__(self, new: Callable[[], Engine], *, shared: bool = False) -> None:
        self._engines = Engines(new, shared=shared)
        self._turns = threading.Semaphore(sys.maxsize if shared else MAX_CONNECTIONS)
        self._abandoned: SimpleQueue[Reply] = SimpleQueue()
        self.used = False

    def send(self, request: Request, border: Border) -> Reply:
        """Send `request`; give the head of the reply, or an `APIConnectionError` if none comes."""
        self.used = True
        with border:
            border.deadline.check()
            self._wait(border.phases["pool"])
            engine = self._engines.take()
            try:
                response = engine.handle_request(_outgoing(request, border))
                return Reply(response, border, self, engine)
            except BaseException:
                self.done(engine, failed=True)
                raise

    def done(self, engine: Engine, *, failed: bool = False) -> None:
        """Note that the reply that came by `engine` was closed, or that none came."""
        unused = self._engines.put_back(engine, failed=failed)
        self._turns.release()
        if unused:
            unused.close()

    def abandon(self, reply: Reply) -> None:
        """Note that nobody holds `reply` any more; a later call closes it.

        Not here: a finalizer may run while this very thread holds a lock of the library.
        """
        self._abandoned.put(reply)

    def close(self) -> None:
        """Close all connections. May be called again."""
        for engine in self._engines.clear():
            engine.close()

    def _wait(self, timeout: float) -> None:
        until = time.monotonic() + (Budget.left(timeout) or 0)
        left = 0.0
        while not self._turns.acquire(timeout=left):
            while not self._abandoned.empty():
                self._abandoned.get().close()
            left = min(until - time.monotonic(), RECLAIM_SECONDS)
            if left <= 0:
                raise httpcore2.PoolTimeout


class AsyncTransport:
    """Carries requests for the tasks of one event loop; otherwise as `Transport`."""

    def __init__(self, new: Callable[[], AsyncEngine], *, shared: bool = False) -> None:
        # Here, for the sync client has no need of it.
        from modelgates_speech.loops import later

        self._engines = Engines(new, shared=shared)
        limit = sys.maxsize if shared else MAX_CONNECTIONS
        self._turns = anyio.Semaphore(limit, fast_acquire=True)
        self._later = later()
        self.used = False

    async def send(self, request: Request, border: Border) -> AsyncReply:
        """Send `request`; give the head of the reply, or an `APIConnectionError` if none comes."""
        self.used = True
        with border, border.cancelling():
            border.deadline.check()
            await self._wait(border.phases["pool"])
            engine = self._engines.take()
            try:
                response = await engine.handle_async_request(_outgoing(request, border))
                return AsyncReply(response, border, self, engine)
            except BaseException:
                await self.done(engine, failed=True)
                raise

    async def done(self, engine: AsyncEngine, *, failed: bool = False) -> None:
        """Note that the reply that came by `engine` was closed, or that none came."""
        unused = self._engines.put_back(engine, failed=failed)
        self._turns.release()
        if unused:
            # A cancelled call closes it all the same.
            with anyio.CancelScope(shield=True):
                await unused.aclose()

    def abandon(self, reply: AsyncReply) -> None:
        """Have `reply` closed by its event loop, since nobody holds it any more."""
        self._later(reply.aclose)

    async def aclose(self) -> None:
        """Close all connections. May be called again."""
        for engine in self._engines.clear():
            await engine.aclose()

    async def _wait(self, seconds: float) -> None:
        try:
            self._turns.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(seconds) as waiting:
                await self._turns.acquire()
            if waiting.cancelled_caught:
                raise httpcore2.PoolTimeout from None


def new_transport(base_url: str, given: httpx.BaseTransport | None = None) -> Transport:
    """Connections with proxies and certificates as usual, or the transport `given`.

    Raises:
        ConfigurationError: If the environment names a proxy or certificates that do not work, or
            what was given is not a sync transport.
    """
    if given is not None:
        shared = _FromHttpx(given)
        return Transport(lambda: shared, shared=True)
    with _configuring():
        settings = _settings(base_url) | {"network_backend": Backend()}
        return Transport(partial(httpcore2.ConnectionPool, **settings))


def new_async_transport(
    base_url: str, given: httpx.AsyncBaseTransport | None = None
) -> AsyncTransport:
    """The same for an event loop."""
    if given is not None:
        shared = _FromAsyncHttpx(given)
        return AsyncTransport(lambda: shared, shared=True)
    with _configuring():
        settings = _settings(base_url) | {"network_backend": AsyncBackend()}
        return AsyncTransport(partial(httpcore2.AsyncConnectionPool, **settings))


def _settings(base_url: str) -> dict[str, Any]:
    proxy = proxy_for(base_url)
    if proxy and proxy.url.startswith("socks") and find_spec("socksio") is None:
        raise ValueError("a SOCKS proxy needs the package socksio: pip install socksio")
    return {
        "max_connections": 1,
        "keepalive_expiry": KEEPALIVE_SECONDS,
        "ssl_context": trusted() if base_url.startswith("https:") else None,
        "proxy": httpcore2.Proxy(proxy.url, auth=proxy.auth) if proxy else None,
    }


def trusted() -> ssl.SSLContext:
    """What is trusted: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else what the system trusts."""
    file, folder = from_environment("SSL_CERT_FILE"), from_environment("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file, capath=folder)
    return httpcore2.default_ssl_context()


@contextlib.contextmanager
def _configuring() -> Generator[None]:
    try:
        yield
    except OSError as error:
        file, folder = from_environment("SSL_CERT_FILE"), from_environment("SSL_CERT_DIR")
        named = f"SSL_CERT_FILE={file or ''}, SSL_CERT_DIR={folder or ''}"
        raise ConfigurationError(f"the certificates of {named} do not work: {error}") from error
    except ValueError as error:
        raise ConfigurationError(f"settings of the environment do not work: {error}") from error


# Every call of a client has the same, and to parse it costs as much as all else here.
_parsed = lru_cache(maxsize=64)(httpcore2.URL)


def _outgoing(request: Request, border: Border) -> httpcore2.Request:
    return httpcore2.Request(
        request.method,
        _parsed(request.url),
        # The key is in no variable: a traceback with locals shows this frame.
        headers=list((request.headers | {"authorization": border.secret.bearer()}).items()),
        content=request.content,
        extensions={"timeout": border.phases},
    )


class _FromHttpx:
    """A sync transport of httpx's, which a user has brought, as an engine."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        import httpx

        if not isinstance(transport, httpx.BaseTransport):
            raise ConfigurationError(f"transport must be an httpx.BaseTransport, not {transport!r}")
        self._transport = transport
        self.close = transport.close

    def handle_request(self, request: httpcore2.Request) -> httpcore2.Response:
        response = self._transport.handle_request(_as_httpx(request))
        stream: Any = response.stream
        return httpcore2.Response(
            response.status_code, headers=response.headers.raw, content=stream
        )


class _FromAsyncHttpx:
    """The same for an event loop."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        import httpx

        if not isinstance(transport, httpx.AsyncBaseTransport):
            raise ConfigurationError(
                f"transport must be an httpx.AsyncBaseTransport, not {transport!r}"
            )
        self._transport = transport
        self.aclose = transport.aclose

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        response = await self._transport.handle_async_request(_as_httpx(request))
        stream: Any = response.stream
        return httpcore2.Response(
            response.status_code, headers=response.headers.raw, content=stream
        )


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
