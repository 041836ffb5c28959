"""Which transport a client gets: proxy, certificates and kind of connection are chosen here."""

from __future__ import annotations

import contextlib
import functools
import ssl
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from urllib.request import getproxies, proxy_bypass

import certifi
import httpcore

from modelgates_speech._http import Response
from modelgates_speech._pool import AsyncPool, Limits, Pool
from modelgates_speech.config import from_environment, is_loopback
from modelgates_speech.deadline import DeadlineBackend
from modelgates_speech.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx

    from modelgates_speech._http import AsyncBody, AsyncTransport, Body, Request, Transport

LIMITS = Limits()

T = TypeVar("T")


def new_transport(
    base_url: str, given: httpx.BaseTransport | Literal["fast"] | None = None
) -> Transport:
    """A pool of connections with proxies and certificates as usual, or the transport `given`.

    Raises:
        ConfigurationError: If the environment names a proxy or certificates that do not work,
            what was given is no sync transport, or the fast one is not installed.
    """
    if given is not None and given != "fast":
        import httpx

        return _Given(_checked(given, httpx.BaseTransport))
    with _configuring():
        url = httpcore.URL(base_url)
        context = new_context()
        settings: Any = {
            "ssl_context": context,
            "keepalive_expiry": LIMITS.keepalive_expiry,
            "network_backend": DeadlineBackend(),
        }
        if proxy := _proxy_for(url):
            new = _through(proxy, httpcore.HTTPProxy, httpcore.SOCKSProxy, **settings)
        elif given == "fast":
            return Pool(functools.partial(_fast().Connection, url.origin, context), LIMITS)
        else:
            new = functools.partial(httpcore.HTTPConnection, url.origin, **settings)
        return Pool(functools.partial(Connection, new), LIMITS)


def new_async_transport(
    base_url: str, given: httpx.AsyncBaseTransport | Literal["fast"] | None = None
) -> AsyncTransport:
    """The same for an event loop."""
    if given is not None and given != "fast":
        import httpx

        return _AsyncGiven(_checked(given, httpx.AsyncBaseTransport))
    with _configuring():
        url = httpcore.URL(base_url)
        context = new_context()
        settings: Any = {"ssl_context": context, "keepalive_expiry": LIMITS.keepalive_expiry}
        if proxy := _proxy_for(url):
            new = _through(proxy, httpcore.AsyncHTTPProxy, httpcore.AsyncSOCKSProxy, **settings)
        elif given == "fast":
            return AsyncPool(
                functools.partial(_fast().AsyncConnection, url.origin, context), LIMITS
            )
        else:
            new = functools.partial(httpcore.AsyncHTTPConnection, url.origin, **settings)
        return AsyncPool(functools.partial(AsyncConnection, new), LIMITS)


def new_context() -> ssl.SSLContext:
    """What is trusted: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, or else certifi's authorities."""
    file, folder = from_environment("SSL_CERT_FILE"), from_environment("SSL_CERT_DIR")
    if not (file or folder):
        file = certifi.where()
    context = ssl.create_default_context(cafile=file, capath=folder)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Connection:
    """A connection of httpcore's, opened when it is needed and anew when it was closed.

    Args:
        new: Makes one, or a pool of one, which is how httpcore goes through a proxy.
    """

    def __init__(self, new: Callable[[], httpcore.HTTPConnection | httpcore.HTTPProxy]) -> None:
        self._new = new
        self._connection = new()

    def send(self, request: Request) -> Response[Body]:
        known = self._connection
        if isinstance(known, httpcore.HTTPConnection) and (
            known.is_closed() or known.has_expired()
        ):
            known.close()
            self._connection = self._new()
        response = self._connection.handle_request(_as_httpcore(request))
        return Response(response.status, response.headers, cast("Body", response.stream))

    def close(self) -> None:
        self._connection.close()


class AsyncConnection:
    """The same for an event loop."""

    def __init__(
        self, new: Callable[[], httpcore.AsyncHTTPConnection | httpcore.AsyncHTTPProxy]
    ) -> None:
        self._new = new
        self._connection = new()

    async def send(self, request: Request) -> Response[AsyncBody]:
        known = self._connection
        if isinstance(known, httpcore.AsyncHTTPConnection) and (
            known.is_closed() or known.has_expired()
        ):
            await known.aclose()
            self._connection = self._new()
        response = await self._connection.handle_async_request(_as_httpcore(request))
        return Response(response.status, response.headers, cast("AsyncBody", response.stream))

    async def aclose(self) -> None:
        await self._connection.aclose()


class _Given:
    """A transport of httpx's, which a user has brought."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport
        self.close = transport.close

    def send(self, request: Request) -> Response[Body]:
        response = self._transport.handle_request(_as_httpx(request))
        return Response(response.status_code, response.headers.raw, cast("Body", response.stream))


class _AsyncGiven:
    """The same for an event loop."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self.aclose = transport.aclose

    async def send(self, request: Request) -> Response[AsyncBody]:
        response = await self._transport.handle_async_request(_as_httpx(request))
        body = cast("AsyncBody", response.stream)
        return Response(response.status_code, response.headers.raw, body)


def as_httpcore(url: httpx.URL) -> httpcore.URL:
    """`url`, parsed already, as httpcore takes it."""
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


def _as_httpcore(request: Request) -> httpcore.Request:
    return httpcore.Request(
        request.method,
        request.url,
        headers=request.headers,
        content=request.content,
        extensions={"timeout": request.timeout},
    )


def _as_httpx(request: Request) -> httpx.Request:
    import httpx

    url = request.url
    return httpx.Request(
        request.method.decode("ascii"),
        httpx.URL(
            scheme=url.scheme.decode("ascii"),
            host=url.host.decode("ascii"),
            port=url.port,
            raw_path=url.target,
        ),
        headers=[*request.headers],
        content=request.content,
        extensions={"timeout": dict(request.timeout)},
    )


def _through(proxy: str, http: Any, socks: Any, **settings: Any) -> Any:
    """What makes a connection through `proxy`."""
    import httpx

    try:
        known = httpx.Proxy(proxy)
    except httpx.InvalidURL as error:
        raise ValueError(error) from error
    return functools.partial(
        socks if known.url.scheme.startswith("socks") else http,
        proxy_url=as_httpcore(known.url),
        proxy_auth=known.raw_auth,
        max_connections=1,
        **settings,
    )


def _fast() -> Any:
    try:
        from modelgates_speech import _fast
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            'transport="fast" is an extra that is not installed: '
            'pip install "modelgates-speech[fast]"'
        ) from error
    return _fast


@contextlib.contextmanager
def _configuring() -> Generator[None]:
    try:
        yield
    # httpcore's answer to a SOCKS proxy without `socksio` is a RuntimeError.
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"the proxy or certificates that the environment names do not work: {error}"
        ) from error


def _checked(given: T, kind: type[T]) -> T:
    if isinstance(given, kind):
        return given
    raise ConfigurationError(f"transport must be an httpx.{kind.__name__}, not {given!r}")


def _proxy_for(url: httpcore.URL) -> str | None:
    # What goes to this machine itself must not leave it, least of all with the key and no TLS.
    host = url.host.decode("ascii")
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme.decode("ascii")) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
