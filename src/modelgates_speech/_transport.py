"""Requests, replies and exceptions: between this client and the HTTP library.

What carries them speaks `httpcore`, the engine of `httpx`: a call needs neither cookies nor
redirects nor hooks, so there is no `httpx.Client` above it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import ssl
import time
from typing import TYPE_CHECKING, Any

import anyio
import httpcore
import httpx

from modelgates_api import Client as GeneratedClient
from modelgates_speech._connect import as_httpcore
from modelgates_speech._http import Request
from modelgates_speech._version import __version__
from modelgates_speech.audio import MAX_EXCERPT
from modelgates_speech.deadline import within
from modelgates_speech.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    ModelGatesError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType, TracebackType

    from modelgates_speech._exchange import ReplyHead
    from modelgates_speech._http import AsyncBody, AsyncTransport, Body, Response, Transport
    from modelgates_speech.config import Secret, Timeout
    from modelgates_speech.deadline import Deadline
    from modelgates_speech.errors import Phase

# An error's body is read for its message alone; a server that drips one is not waited for.
EXCERPT_SECONDS = 5.0

# A transport that a user has brought raises httpx's own exceptions.
_TIMEOUTS: dict[type[Exception], tuple[Phase, bool]] = {
    httpcore.ConnectTimeout: ("connect", False),
    httpcore.PoolTimeout: ("pool", False),
    httpcore.WriteTimeout: ("write", True),
    httpcore.ReadTimeout: ("read", True),
    httpx.ConnectTimeout: ("connect", False),
    httpx.PoolTimeout: ("pool", False),
    httpx.WriteTimeout: ("write", True),
    httpx.ReadTimeout: ("read", True),
}
_NOT_SENT = (
    *(httpcore.ConnectError, httpcore.ProxyError, httpcore.UnsupportedProtocol),
    *(httpx.ConnectError, httpx.ProxyError, httpx.UnsupportedProtocol),
)
_PARSER = GeneratedClient(base_url="")
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def build_request(
    kwargs: Mapping[str, Any],
    *,
    base_url: str,
    headers: Mapping[str, str],
    secret: Secret,
    timeout: Timeout,
    deadline: Deadline,
) -> Request:
    """The request that a generated operation's ``_get_kwargs`` describes, ready to be sent.

    Raises:
        ConfigurationError: If its body is no JSON or its URL no URL.
    """
    kwargs = dict(kwargs)
    address = base_url + kwargs.pop("url")
    # Later ones win, whatever their case; `httpx.Headers` does the same at five times the cost.
    merged = {"user-agent": f"modelgates-speech/{__version__}"}
    for given in (kwargs.pop("headers", {}), headers):
        merged |= {name.lower(): value for name, value in given.items()}
    merged |= {"accept": "*/*", "accept-encoding": "identity"}
    try:
        method, url, content, more = _described(kwargs.pop("method"), address, kwargs)
        return Request(
            method.upper().encode("ascii"),
            url,
            # The key is in no variable: a traceback with locals shows this frame.
            _encoded(more | merged | {"authorization": secret.bearer()}),
            content,
            within(deadline, timeout.phases()),
        )
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        _cleanse(error, secret)
        raise ConfigurationError(f"no request to {address} can be made: {error}") from error


def _described(
    method: str, address: str, kwargs: dict[str, Any]
) -> tuple[str, httpcore.URL, bytes, dict[str, str]]:
    """Method, URL, body and the headers that follow from them."""
    url, host = _parsed_url(address)
    if kwargs.keys() == {"json"}:
        content = encode_json(kwargs["json"])
        return method, url, content, {"host": host, "content-length": str(len(content))}
    # What no operation for speech has, such as a query, is for the library to write.
    if "json" in kwargs:
        kwargs["content"] = encode_json(kwargs.pop("json"))
    request = httpx.Request(method, address, **kwargs)
    return method, as_httpcore(request.url), request.read(), dict(request.headers)


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


# Parsing costs more than all the rest of building a request.
@functools.lru_cache(maxsize=64)
def _parsed_url(address: str) -> tuple[httpcore.URL, str]:
    url = httpx.URL(address)
    return as_httpcore(url), url.netloc.decode("ascii")


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

    def __init__(self, response: Response[Body], deadline: Deadline, secret: Secret) -> None:
        super().__init__(secret)
        self.status = response.status
        self.headers = _headers(response.headers, secret)
        self._body = response.body
        self._deadline = deadline
        self._closed = False
        self._pieces = filter(None, response.body)

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
        if not self._closed:
            self._closed = True
            with contextlib.suppress(Exception):
                self._body.close()


class AsyncReply(_Scrubbing):
    """A reply of an async transport; its body is read piece by piece."""

    def __init__(self, response: Response[AsyncBody], deadline: Deadline, secret: Secret) -> None:
        super().__init__(secret)
        self.status = response.status
        self.headers = _headers(response.headers, secret)
        self._body = response.body
        self._deadline = deadline
        self._closed = False
        self._chunks = aiter(response.body)

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
        if self._closed:
            return
        self._closed = True
        # Shielded: a cancelled call must still give its connection back.
        with contextlib.suppress(Exception), anyio.CancelScope(shield=True):
            try:
                # A generator, most often: one that is only dropped ends when the loop gets to it.
                if close := getattr(self._chunks, "aclose", None):
                    await close()
            finally:
                await self._body.aclose()


def send(transport: Transport, request: Request, deadline: Deadline, secret: Secret) -> Reply:
    """Send `request` and wait for the head of the reply.

    Raises:
        APIConnectionError: If no reply comes.
    """
    with _translated(deadline, secret):
        _check(deadline)
        return Reply(transport.send(request), deadline, secret)


async def asend(
    transport: AsyncTransport, request: Request, deadline: Deadline, secret: Secret
) -> AsyncReply:
    """Send `request` and wait for the head of the reply.

    Raises:
        APIConnectionError: If no reply comes.
    """
    with _translated(deadline, secret), _within(deadline):
        _check(deadline)
        return AsyncReply(await transport.send(request), deadline, secret)


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


def _headers(raw: Iterable[tuple[bytes, bytes]], secret: Secret) -> dict[str, str]:
    """Names in lower case, what came several times joined, free of the key."""
    headers: dict[str, str] = {}
    for name, value in raw:
        known, text = _text(name).lower(), secret.scrub_text(_text(value))
        headers[known] = f"{headers[known]}, {text}" if known in headers else text
    return headers


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


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
