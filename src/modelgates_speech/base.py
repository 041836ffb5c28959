"""What the sync and the async client share: all but the I/O."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, Self, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

import attrs

from modelgates_speech import _binding
from modelgates_speech.arguments import explained, unexpected
from modelgates_speech.audio import Receiver
from modelgates_speech.call import Call, operation_kwargs, parse
from modelgates_speech.config import (
    DEFAULT_CHANNELS,
    DEFAULT_RATE,
    KEY_VARIABLE,
    URL_VARIABLE,
    Secret,
    Timeout,
    as_timeout,
    checked_base_url,
    checked_headers,
    checked_layout,
    checked_seconds,
    from_environment,
)
from modelgates_speech.deadline import Deadline
from modelgates_speech.errors import (
    ArgumentError,
    ConfigurationError,
    InvalidResponseError,
    ModelGatesError,
)
from modelgates_speech.forks import survive_forks
from modelgates_speech.refusals import refusal
from modelgates_speech.retry import RetryPolicy, checked_policy

if TYPE_CHECKING:
    from modelgates_speech.replies import Reply
    from modelgates_speech.transport import Transport
    from modelgates_speech.waiting import Waiting

GivenT = TypeVar("GivenT")

logger = logging.getLogger("modelgates_speech")

# Held for good: a connection that is only dropped says that it was left open.
_inherited: list[object] = []


class Options(TypedDict, total=False):
    """What `with_options` can change; each as in `ModelGates`."""

    api_key: str | Callable[[], str]
    timeout: float | Timeout
    deadline: float | None
    retry: RetryPolicy | None
    headers: Mapping[str, str]
    sample_rate: int
    channels: int


# No repr: that of attrs fails on settings which were refused halfway, in crash reports of all.
@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """A client's settings, checked."""

    api_key: Secret
    base_url: str
    timeout: Timeout = attrs.field(converter=as_timeout)
    deadline: float | None
    retry: RetryPolicy | None = attrs.field(converter=checked_policy)
    headers: Mapping[str, str] = attrs.field(converter=checked_headers)
    sample_rate: int
    channels: int

    def __attrs_post_init__(self) -> None:
        self.api_key.check()
        if self.deadline is not None:
            object.__setattr__(self, "deadline", checked_seconds(self.deadline, "deadline"))
        for name, value in checked_layout(self.sample_rate, self.channels).items():
            object.__setattr__(self, name, value)

    def changed(self, options: Mapping[str, Any]) -> Settings:
        """These, but for `options`."""
        return attrs.evolve(self, **options) if options else self


class Base(Generic[GivenT]):
    """What the sync and the async client share: all but the I/O."""

    _settings: Settings
    _closed: bool
    # Finds out now what would fail in every call, and loads what is slow to load.
    _begin: Callable[[GivenT | None], None]
    if TYPE_CHECKING:
        _waiting: Waiting
        _transport: Callable[[], Awaitable[Transport]]

    @explained()
    def __init__(
        self,
        *,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        timeout: float | Timeout = Timeout(),  # noqa: B008 - immutable
        deadline: float | None = None,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008 - immutable
        headers: Mapping[str, str] | None = None,
        transport: GivenT | None = None,
        allow_plain_http: bool = False,
        sample_rate: int = DEFAULT_RATE,
        channels: int = DEFAULT_CHANNELS,
    ) -> None:
        # Wrapped at once: a traceback with locals shows this frame if an argument is refused.
        source = Secret(from_environment(KEY_VARIABLE) if api_key is None else api_key)
        del api_key
        named = from_environment(URL_VARIABLE) if base_url is None else None
        url = base_url if base_url is not None else named or _binding.BASE_URL
        self._settings = Settings(
            api_key=source,
            base_url=checked_base_url(
                url, allow_plain_http=allow_plain_http, name=URL_VARIABLE if named else "base_url"
            ),
            timeout=timeout,
            deadline=deadline,
            retry=retry,
            headers={} if headers is None else headers,
            sample_rate=sample_rate,
            channels=channels,
        )
        self._transports: dict[Any, Any] = {}
        self._replaced: dict[str, Any] = {}
        self._owner: Self | None = None
        self._closed = False
        survive_forks(self)
        self._begin(transport)

    def __repr__(self) -> str:
        # A traceback with locals shows a client that was refused before it was made.
        known = f"base_url={self.base_url!r}" if hasattr(self, "_settings") else "..."
        return f"{type(self).__name__}({known})"

    def __deepcopy__(self, memo: object = None) -> Self:
        # Two of a kind would each close the connections that both use.
        return self.with_options()

    __copy__ = __deepcopy__

    @property
    def base_url(self) -> str:
        """Where the calls go, without a trailing slash."""
        return self._settings.base_url

    def with_options(self, **changes: Unpack[Options]) -> Self:
        """A client with other options that shares this one's connections.

        Closing the copy leaves them open; closing this client closes them for both.

        Args:
            **changes: Any of ``api_key``, ``timeout``, ``deadline``, ``retry``, ``headers``,
                ``sample_rate`` and ``channels``, as in `ModelGates`.

        Raises:
            ConfigurationError: If a value is not valid.
        """
        for name in changes.keys() - Options.__annotations__.keys():
            # It may be a key under a misspelt name, and a traceback with locals shows it.
            changes = Options()
            known = unexpected(name, Options.__annotations__)
            raise ArgumentError(f"{type(self).__name__}.with_options(): {known}")
        # Wrapped at once, as in `__init__`.
        key = {"api_key": Secret(changes.pop("api_key"))} if "api_key" in changes else {}
        settings: dict[str, Any] = changes | key
        copy = object.__new__(type(self))
        state: Any = object.__getstate__(self)
        # A subclass may have slots beside.
        parts: list[dict[str, Any]] = [*state] if isinstance(state, tuple) else [state]
        for name, value in (pair for part in parts for pair in part.items()):
            object.__setattr__(copy, name, value)
        copy._settings = self._settings.changed(settings)
        copy._owner = self._owner or self
        copy._closed = False
        return copy

    def after_fork(self) -> None:
        """Leave the connections to the parent, neither used nor closed: their locks may be held."""
        _inherited.extend(self._transports.values())
        self._transports.clear()

    def _settings_for(self, call: Call) -> Settings:
        if self._closed or (self._owner and self._owner._closed):  # noqa: SLF001
            raise ConfigurationError("this client is closed: make another one")
        return self._settings.changed(call.options)

    async def _start(self, call: Call) -> tuple[Any, Receiver]:
        settings = self._settings_for(call)

        def receive(headers: Mapping[str, str]) -> Receiver:
            return Receiver(headers, call.response_format, settings.sample_rate, settings.channels)

        async def fetch() -> tuple[Reply, Receiver]:
            reply = await self._run(call, settings)
            try:
                return reply, receive(reply.headers)
            except InvalidResponseError as error:
                error.body = await reply.drain()
                raise

        if call.cache_dir is None:
            return await fetch()
        from modelgates_speech.jobs.cache import start_cached

        asked_with = settings.base_url, settings.headers
        return await start_cached(fetch, call, receive, *asked_with, waiting=self._waiting)

    async def _call(self, operation: ModuleType, arguments: dict[str, Any]) -> Any:
        call = Call(operation=operation, kwargs=operation_kwargs(operation, arguments))
        reply = await self._run(call, self._settings_for(call))
        async with aclosing(reply):
            pieces: list[bytes] = []
            while data := await reply.read():
                pieces.append(data)
        body = reply.text(b"".join(pieces))
        if reply.headers.get("content-type", "").lower().startswith("text/event-stream"):
            # The generated parser knows one type an operation, though a request may choose this.
            return body.decode("utf-8", "replace")
        return parse(operation, reply, body)

    async def _run(self, call: Call, settings: Settings) -> Reply:
        """Make a call, in as many tries as the policy allows, and give the reply: a success."""
        from modelgates_speech.replies import Border

        deadline = Deadline(settings.deadline)
        request = call.request(settings.base_url, settings.headers)
        transport = await self._transport()
        border = Border(
            f"{urlsplit(settings.base_url).netloc}{transport.via}",
            settings.timeout.phases(),
            deadline,
            settings.api_key.secret(),
        )
        what = f"{request.method} {request.url.partition('?')[0]}"
        tries = 0
        while True:
            tries += 1
            began = time.monotonic()
            try:
                reply = await transport.send(request, border)
                took = time.monotonic() - began
                logger.debug("%s: %d, try %d, %.3f s", what, reply.status, tries, took)
                if 200 <= reply.status < 300:
                    return reply
                failure: ModelGatesError = refusal(call, reply, await reply.drain())
            except ModelGatesError as error:
                failure = error
            wait = settings.retry.delay(failure, tries - 1) if settings.retry else None
            if wait is not None and wait >= deadline.left():
                wait = None
            logger.debug(
                "%s: %s, try %d, %.3f s, %s",
                *(what, type(failure).__name__, tries, time.monotonic() - began),
                "giving up" if wait is None else f"next try in {wait:.1f} s",
            )
            if wait is None:
                raise failure
            await self._waiting.sleep(wait)

    def __del__(self) -> None:
        # Where it was refused before it was made, it has nothing to close.
        if getattr(self, "_owner", self) is not None or self._closed:
            return
        used = any(transport.used for transport in self._transports.values())
        close = "close" if hasattr(self, "close") else "aclose"
        with suppress(Exception):
            getattr(self, "close", bool)()  # an event loop closes what is open by itself
        if used:
            warnings.warn(
                f"{self!r} was dropped with connections open: use it in a `with` statement, or "
                f"call {close}()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
