"""`ModelGates` and `AsyncModelGates`: two thin shells that do the I/O of the same calls."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from typing import TYPE_CHECKING, Any, Generic, Self, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

import attrs

from modelgates_speech import _binding
from modelgates_speech.audio import Receiver
from modelgates_speech.call import Call, operation_kwargs, parse, refusal
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
from modelgates_speech.errors import ConfigurationError, ModelGatesError
from modelgates_speech.retry import Drain, RetryPolicy, Send, Sleep, Step, tries
from modelgates_speech.speech import AsyncSpeech, Speech

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping
    from types import ModuleType, TracebackType

    import httpx

    from modelgates_speech.call import Request
    from modelgates_speech.replies import AsyncReply, Border, Reply
    from modelgates_speech.transport import AsyncTransport, Transport

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
@attrs.frozen(kw_only=True, eq=False, repr=False)
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
    ) -> tuple[Request, Border, Generator[Step, Any, tuple[Any, T]]]:
        """What to send, what bounds it, and the steps of sending it."""
        from modelgates_speech.replies import Border

        self._check_open()
        settings = self._settings
        timeout = settings.timeout if call.timeout is DEFAULT else as_timeout(call.timeout)
        deadline = Deadline(
            settings.deadline if call.deadline is DEFAULT else checked_deadline(call.deadline)
        )
        border = Border(
            urlsplit(settings.base_url).netloc,
            deadline.within(timeout.phases()),
            deadline,
            settings.api_key.secret(),
        )
        request = call.request(settings.base_url, settings.headers)
        steps: Generator[Step, Any, tuple[Any, T]] = tries(
            f"{request.method} {request.url}",
            accept=accept,
            refusal=lambda reply, body: refusal(call.operation, reply, body),
            policy=settings.retry if call.retry is DEFAULT else call.retry,
            deadline=deadline,
        )
        return request, border, steps


def _warn_unclosed(client: object, close: str) -> None:
    warnings.warn(
        f"{client!r} was dropped with connections open: use it in a `with` statement, or call "
        f"{close}",
        ResourceWarning,
        stacklevel=3,
        source=client,
    )


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
        transport: An ``httpx`` transport in place of the default one, for mocks, special proxies
            or other HTTP engines; it is closed with the client.
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
        transport: httpx.BaseTransport | None = None,
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
        self._given = transport
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
        return parse(operation, reply, body)

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
        request, border, steps = self._plan(call, accept)
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
                        result = transport.send(request, border)
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
            from modelgates_speech.transport import new_transport

            new = new_transport(self.base_url, self._given)
            found = self._transports.setdefault(pid, new)
        return found

    def __del__(self) -> None:
        # Where it was refused before it was made, it has nothing to close.
        if getattr(self, "_owner", self) is None and not self._closed:
            used = any(transport.used for transport in self._transports.values())
            with contextlib.suppress(Exception):
                self.close()
            if used:
                _warn_unclosed(self, "close()")


class AsyncModelGates(_Client):
    """The ModelGates API for event loops: asyncio or trio, one after another if need be.

    Args:
        api_key: As in `ModelGates`, like all that follow.
        base_url: Where the API is.
        timeout: Seconds that each phase of a try may take, or a `Timeout`.
        deadline: Seconds that a whole call may take, retries and body included.
        retry: What is tried again after a failure, or None for nothing.
        headers: Headers to add to every request.
        transport: An async ``httpx`` transport in place of the default one.
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
        transport: httpx.AsyncBaseTransport | None = None,
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
        self._transports: dict[object, tuple[AsyncTransport, AsyncGenerator[None]]] = {}
        self._given = transport

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
        return parse(operation, reply, reply.scrub(body))

    async def aclose(self) -> None:
        """Close the connections of this event loop; those of ended loops are closed already.

        May be called again; calls made later are refused.
        """
        if not self._closed and self._owner is None:
            from modelgates_speech.loops import current_loop

            if found := self._transports.get(current_loop()):
                await found[1].aclose()
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
        from anyio import sleep

        request, border, steps = self._plan(call, accept)
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
                        result = await transport.send(request, border)
                    case Drain(reply):
                        result = await reply.drain()
                    case Sleep(seconds):
                        await sleep(seconds)
            except ModelGatesError as error:
                failure = error

    async def _transport(self) -> AsyncTransport:
        from modelgates_speech.loops import current_loop, is_over
        from modelgates_speech.transport import new_async_transport

        # One per event loop: a connection cannot be used outside the loop that opened it.
        loop = current_loop()
        if loop not in self._transports:
            for ended in filter(is_over, [*self._transports]):
                del self._transports[ended]
            transport = new_async_transport(self.base_url, self._given)
            lifetime = _live(self._transports, loop, transport)
            self._transports[loop] = transport, lifetime
            await anext(lifetime)
        return self._transports[loop][0]

    def __del__(self) -> None:
        # The loops close what is open, as they do when they end.
        if getattr(self, "_owner", self) is None and not self._closed:
            used = any(transport.used for transport, _ in self._transports.values())
            if used:
                _warn_unclosed(self, "aclose()")


async def _live(
    transports: dict[object, Any], loop: object, transport: AsyncTransport
) -> AsyncGenerator[None]:
    """Close the transport of an event loop with it, even if nobody closes the client.

    A loop that ends closes its async generators; this one closes the transport in turn.
    """
    try:
        yield
    finally:
        transports.pop(loop, None)
        await transport.aclose()
