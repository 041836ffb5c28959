"""`ModelGates` and `AsyncModelGates`: two thin shells that do the I/O of the same calls."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypedDict, TypeVar, Unpack
from weakref import WeakKeyDictionary

import anyio
import attrs

from modelgates_speech import _binding
from modelgates_speech._exchange import Drain, Send, Sleep, Step, exchange
from modelgates_speech.audio import MAX_EXCERPT, Receiver
from modelgates_speech.call import Call, operation_kwargs
from modelgates_speech.config import (
    DEFAULT,
    KEY_VARIABLE,
    URL_VARIABLE,
    KeySource,
    Timeout,
    as_timeout,
    checked_base_url,
    checked_deadline,
    checked_headers,
    from_environment,
)
from modelgates_speech.deadline import Deadline
from modelgates_speech.errors import ConfigurationError, InvalidResponseError, ModelGatesError
from modelgates_speech.retry import RetryPolicy
from modelgates_speech.speech import AsyncSpeech, Speech

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping
    from types import ModuleType, TracebackType

    import httpx

    from modelgates_speech._exchange import ReplyHead
    from modelgates_speech._http import AsyncTransport, Request, Transport
    from modelgates_speech._transport import AsyncReply, Reply
    from modelgates_speech.config import Secret

SpeechT = TypeVar("SpeechT")
T = TypeVar("T")


class Options(TypedDict, total=False):
    """What `with_options` can change; each as in `ModelGates`."""

    api_key: str | Callable[[], str]
    timeout: float | Timeout
    deadline: float | None
    retry: RetryPolicy | None
    headers: Mapping[str, str]


# No repr: that of attrs fails on settings which were refused halfway, in crash reports of all.
@attrs.frozen(kw_only=True, repr=False)
class _Settings:
    """A client's settings, checked."""

    api_key: KeySource
    base_url: str
    timeout: Timeout = attrs.field(converter=as_timeout)
    deadline: float | None = attrs.field(converter=checked_deadline)
    retry: RetryPolicy | None
    headers: Mapping[str, str] = attrs.field(converter=checked_headers)

    def __attrs_post_init__(self) -> None:
        self.api_key.check()


class Namespace(Generic[SpeechT]):
    """``client.audio``, the tag of the document that speech belongs to."""

    def __init__(self, speech: SpeechT) -> None:
        self.speech = speech


class _Client:
    """What the sync and the async client share: all but the I/O."""

    _settings: _Settings
    _closed: bool

    def __init__(
        self,
        *,
        source: KeySource,
        base_url: str | None,
        timeout: float | Timeout,
        deadline: float | None,
        retry: RetryPolicy | None,
        headers: Mapping[str, str] | None,
        allow_plain_http: bool,
    ) -> None:
        url = from_environment(URL_VARIABLE) or _binding.BASE_URL if base_url is None else base_url
        self._settings = _Settings(
            api_key=source,
            base_url=checked_base_url(url, allow_plain_http=allow_plain_http),
            timeout=timeout,
            deadline=deadline,
            retry=retry,
            headers=headers or {},
        )
        self._owner: Self | None = None
        self._closed = False

    def __repr__(self) -> str:
        # A traceback with locals shows a client that was refused before it was made.
        known = f"base_url={self.base_url!r}" if hasattr(self, "_settings") else "..."
        return f"{type(self).__name__}({known})"

    @property
    def base_url(self) -> str:
        """Where the calls go, without a trailing slash."""
        return self._settings.base_url

    def with_options(self, **changes: Unpack[Options]) -> Self:
        """A client with other options that shares this one's connections.

        Closing the copy leaves them open; closing this client closes them for both.

        Args:
            **changes: See `Options`.

        Raises:
            ConfigurationError: If a value is not valid.
        """
        settings: dict[str, Any] = dict(changes)
        if "api_key" in changes:
            settings["api_key"] = KeySource(changes.pop("api_key"))
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._settings = attrs.evolve(self._settings, **settings)
        copy._owner = self._owner or self
        copy._closed = False
        return copy

    def _check_open(self) -> None:
        if self._closed or (self._owner and self._owner._closed):  # noqa: SLF001
            raise ConfigurationError("this client is closed: make another one")

    def _plan(
        self, call: Call, accept: Callable[[Any], T]
    ) -> tuple[Request, Deadline, Secret, Generator[Step, Any, tuple[Any, T]]]:
        from modelgates_speech import _transport

        self._check_open()
        settings = self._settings
        secret = settings.api_key.secret()
        timeout = settings.timeout if call.timeout is DEFAULT else as_timeout(call.timeout)
        deadline = Deadline(
            settings.deadline if call.deadline is DEFAULT else checked_deadline(call.deadline)
        )
        request = _transport.build_request(
            call.kwargs,
            base_url=settings.base_url,
            headers={**settings.headers, **call.headers},
            secret=secret,
            timeout=timeout,
            deadline=deadline,
        )
        steps: Generator[Step, Any, tuple[Any, T]] = exchange(
            f"{call.kwargs['method'].upper()} {settings.base_url}{call.kwargs['url']}",
            accept=accept,
            parse_error=lambda reply, body: _transport.parse_error(call.operation, reply, body),
            policy=settings.retry if call.retry is DEFAULT else call.retry,
            deadline=deadline,
        )
        return request, deadline, secret, steps


def _parsed(operation: ModuleType, reply: ReplyHead, body: bytes) -> Any:
    from modelgates_speech import _transport

    try:
        return _transport.parse(operation, reply, body)
    except Exception as error:
        raise InvalidResponseError(
            f"the server answered {reply.status} with what the document does not describe",
            content_type=reply.headers.get("content-type"),
            body=body[:MAX_EXCERPT],
        ) from error


class ModelGates(_Client):
    """The ModelGates API, blocking. Safe to share between threads, usable after a fork.

    Args:
        api_key: The key, or a function that is asked for it before each call. Default: the
            variable ``MODELGATES_API_KEY``, read now.
        base_url: Where the API is. Default: the variable ``MODELGATES_BASE_URL``, read now,
            else the document's server.
        timeout: Seconds that each phase of a try may take, or a `Timeout`. Default: 5 s to
            connect, 60 s for the others.
        deadline: Seconds that a whole call may take, retries and body included. Default: no
            limit.
        retry: What is tried again after a failure, or None for nothing.
        headers: Headers to add to every request.
        transport: ``"fast"`` for the transport of the extra ``fast``, which does the same
            for far less CPU (through a proxy it is the default one still). Or an ``httpx``
            transport, for mocks, special proxies or other HTTP libraries; it is closed with
            the client.
        allow_plain_http: Whether the key may go to another machine over plain http.

    Raises:
        ConfigurationError: If there is no key, or an argument is not valid.
    """

    def __init__(
        self,
        *,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        timeout: float | Timeout = Timeout(),  # noqa: B008 - immutable
        deadline: float | None = None,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008 - immutable
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | Literal["fast"] | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        # Wrapped at once: a traceback with locals shows this frame if an argument is refused.
        source = KeySource(from_environment(KEY_VARIABLE) if api_key is None else api_key)
        del api_key
        super().__init__(
            source=source,
            base_url=base_url,
            timeout=timeout,
            deadline=deadline,
            retry=retry,
            headers=headers,
            allow_plain_http=allow_plain_http,
        )
        self._transports: dict[int, Transport] = {}
        self._given: httpx.BaseTransport | Literal["fast"] | None = transport
        self._transport()

    @property
    def audio(self) -> Namespace[Speech]:
        """``audio.speech`` turns text into speech."""
        return Namespace(Speech(self._start, self.base_url))

    def call(self, operation: ModuleType, **arguments: Any) -> Any:
        """Make the call of any generated operation, with this client's key, retries and errors.

        Args:
            operation: A module of ``modelgates_api.api``.
            **arguments: What its functions take, but for ``client`` and the key.

        Returns:
            The answer as the generated models have it, whole.

        Raises:
            ConfigurationError: If the operation does not take such arguments.
            APIConnectionError: If no response came, or it broke off.
            APIStatusError: If the server refused.
            InvalidResponseError: If the answer is not what the document describes.
        """
        call = Call(operation=operation, kwargs=operation_kwargs(operation, arguments))
        reply, _ = self._run(call, lambda _: None)
        try:
            body = reply.scrub(b"".join(iter(reply.read, b"")))
        finally:
            reply.close()
        return _parsed(operation, reply, body)

    def close(self) -> None:
        """Close the connections. May be called again; calls made later are refused."""
        if not self._closed and self._owner is None:
            for transport in self._transports.values():
                transport.close()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, call: Call, requested: str) -> tuple[Reply, Receiver]:
        if call.cache_dir is None:
            return self._fetch(call, requested)
        from modelgates_speech.jobs.cache import start_cached

        self._check_open()
        return start_cached(self._fetch, call, requested, self.base_url)

    def _fetch(self, call: Call, requested: str) -> tuple[Reply, Receiver]:
        return self._run(call, lambda reply: Receiver(reply.headers, requested))

    def _run(self, call: Call, accept: Callable[[Reply], T]) -> tuple[Reply, T]:
        from modelgates_speech._transport import send

        request, deadline, secret, steps = self._plan(call, accept)
        transport = self._transport()
        result: Any = None
        failure: ModelGatesError | None = None
        while True:
            try:
                step = steps.throw(failure) if failure else steps.send(result)
            except StopIteration as done:
                finished: tuple[Reply, T] = done.value
                return finished
            failure = None
            try:
                match step:
                    case Send():
                        result = send(transport, request, deadline, secret)
                    case Drain(reply):
                        result = reply.drain()
                    case Sleep(seconds):
                        time.sleep(seconds)
            except ModelGatesError as error:
                failure = error

    def _transport(self) -> Transport:
        # One per process: after a fork the child must not write to its parent's sockets.
        pid = os.getpid()
        found = self._transports.get(pid)
        if found is None:
            from modelgates_speech import _connect

            new = _connect.new_transport(self.base_url, self._given)
            found = self._transports.setdefault(pid, new)
        return found


class AsyncModelGates(_Client):
    """The ModelGates API for event loops: asyncio or trio, one after another if need be.

    Args:
        api_key: As in `ModelGates`, like all that follow.
        base_url: Where the API is.
        timeout: Seconds that each phase of a try may take, or a `Timeout`.
        deadline: Seconds that a whole call may take, retries and body included.
        retry: What is tried again after a failure, or None for nothing.
        headers: Headers to add to every request.
        transport: ``"fast"``, or an async ``httpx`` transport in place of the default one.
        allow_plain_http: Whether the key may go to another machine over plain http.

    Raises:
        ConfigurationError: If there is no key, or an argument is not valid.
    """

    def __init__(
        self,
        *,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        timeout: float | Timeout = Timeout(),  # noqa: B008 - immutable
        deadline: float | None = None,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008 - immutable
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | Literal["fast"] | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        # Wrapped at once: a traceback with locals shows this frame if an argument is refused.
        source = KeySource(from_environment(KEY_VARIABLE) if api_key is None else api_key)
        del api_key
        super().__init__(
            source=source,
            base_url=base_url,
            timeout=timeout,
            deadline=deadline,
            retry=retry,
            headers=headers,
            allow_plain_http=allow_plain_http,
        )
        self._transports: WeakKeyDictionary[object, _Pool] = WeakKeyDictionary()
        self._given: httpx.AsyncBaseTransport | Literal["fast"] | None = transport

    @property
    def audio(self) -> Namespace[AsyncSpeech]:
        """``audio.speech`` turns text into speech."""
        return Namespace(AsyncSpeech(self._start, self.base_url))

    async def call(self, operation: ModuleType, **arguments: Any) -> Any:
        """Make the call of any generated operation; see `ModelGates.call`."""
        call = Call(operation=operation, kwargs=operation_kwargs(operation, arguments))
        reply, _ = await self._run(call, lambda _: None)
        body = b""
        try:
            while data := await reply.read():
                body += data
        finally:
            await reply.aclose()
        return _parsed(operation, reply, reply.scrub(body))

    async def aclose(self) -> None:
        """Close the connections of this event loop; those of ended loops are closed already.

        May be called again; calls made later are refused.
        """
        if not self._closed and self._owner is None:
            pool = self._transports.pop(_event_loop(), None)
            if pool is not None:
                await pool.aclose()
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _start(self, call: Call, requested: str) -> tuple[AsyncReply, Receiver]:
        if call.cache_dir is None:
            return await self._fetch(call, requested)
        from modelgates_speech.jobs.cache import start_cached_async

        self._check_open()
        return await start_cached_async(self._fetch, call, requested, self.base_url)

    async def _fetch(self, call: Call, requested: str) -> tuple[AsyncReply, Receiver]:
        return await self._run(call, lambda reply: Receiver(reply.headers, requested))

    async def _run(self, call: Call, accept: Callable[[AsyncReply], T]) -> tuple[AsyncReply, T]:
        from modelgates_speech._transport import asend

        request, deadline, secret, steps = self._plan(call, accept)
        transport = await self._transport()
        result: Any = None
        failure: ModelGatesError | None = None
        while True:
            try:
                step = steps.throw(failure) if failure else steps.send(result)
            except StopIteration as done:
                finished: tuple[AsyncReply, T] = done.value
                return finished
            failure = None
            try:
                match step:
                    case Send():
                        result = await asend(transport, request, deadline, secret)
                    case Drain(reply):
                        result = await reply.drain()
                    case Sleep(seconds):
                        await anyio.sleep(seconds)
            except ModelGatesError as error:
                failure = error

    async def _transport(self) -> AsyncTransport:
        # One per event loop: a connection cannot be used outside the loop that opened it.
        loop = _event_loop()
        pool = self._transports.get(loop)
        if pool is None:
            from modelgates_speech import _connect

            transport = _connect.new_async_transport(self.base_url, self._given)
            pool = self._transports[loop] = _Pool(transport)
            await pool.open()
        return pool.transport


def _event_loop() -> object:
    # Here, for the sync client has no need of it.
    from anyio.lowlevel import current_token

    return current_token().native_token


class _Pool:
    """The transport of one event loop, closed with it even if nobody closes the client.

    A loop that ends closes its async generators; this one closes the transport in turn.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport
        self._lifetime = self._live()

    async def open(self) -> None:
        await anext(self._lifetime)

    async def aclose(self) -> None:
        await self._lifetime.aclose()

    async def _live(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.transport.aclose()
