"""`ModelGates` and `AsyncModelGates`: two thin shells that do the I/O of the same calls."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from modelgates_speech.base import Base
from modelgates_speech.speech import AsyncSpeech, Namespace, Speech
from modelgates_speech.waiting import Blocking, Yielding, at_once

if TYPE_CHECKING:
    import httpx  # noqa: F401 - named in a string below

    from modelgates_speech.transport import AsyncTransport, Transport


class ModelGates(Base["httpx.BaseTransport"]):
    """The ModelGates API, blocking. Safe to share between threads, usable after a fork.

    Args:
        api_key: The key, or a function that returns it, called before each call. Default: the
            variable ``MODELGATES_API_KEY``, read now.
        base_url: Where the API is. Default: the variable ``MODELGATES_BASE_URL``, read now,
            else the OpenAPI document's server.
        timeout: Seconds that each phase of a try may take, or a `Timeout`. Default: 5 s to
            connect, 60 s for the others.
        deadline: Seconds that a whole call may take, retries and body included. Default: no
            limit.
        retry: What is tried again after a failure, or None for nothing.
        headers: Headers to add to every request.
        transport: An ``httpx`` transport in place of the default one, for mocks, special proxies
            or other HTTP engines; it is closed with the client.
        allow_plain_http: Whether the key may go to another machine over plain http.
        sample_rate: The sample rate in Hz, 1 to 1,000,000, to assume if PCM comes without one.
            With a wrong one, it plays too fast or too slow.
        channels: The number of channels, 1 to 1,000, to assume if PCM comes without it.

    Raises:
        ConfigurationError: If there is no key, or an argument is not valid.

    Examples:
        >>> with ModelGates(deadline=60) as client:
        ...     client.audio.speech.create(model="any/model", voice="alloy", input="Hello").format
        'pcm'
    """

    _waiting = Blocking()
    if TYPE_CHECKING:
        _transports: dict[None, Transport]
        _new: Callable[[], Transport]

    def _begin(self, given: object) -> None:
        from modelgates_speech.transport import Transport

        self._new = Transport.maker(self.base_url, given)
        self._transports[None] = self._new()

    @property
    def audio(self) -> Namespace[Speech]:
        """``audio.speech`` turns text into speech."""
        asked_with = self.base_url, self._settings.headers
        return Namespace(Speech(self._start, asked_with, self._replaced))

    def call(self, operation: ModuleType, **arguments: Any) -> Any:
        """Make the call of any generated operation, with this client's key, retries and errors.

        Args:
            operation: A module of ``modelgates_api.api``.
            **arguments: What its functions take, except ``client`` and the key.

        Returns:
            The whole answer, as the generated models have it; a stream of events as its text.

        Raises:
            ConfigurationError: If the operation does not take such arguments.
            APIConnectionError: If no response came, or it broke off.
            APIStatusError: If the server refused.
            InvalidResponseError: If the answer is not what the OpenAPI document describes.
        """
        return at_once(self._call(operation, arguments))

    def close(self) -> None:
        """Close the connections. May be called again; calls made later are refused."""
        closed, self._closed = self._closed, True
        if not closed and self._owner is None:
            for transport in self._transports.values():
                at_once(transport.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def _transport(self) -> Transport:
        # After a fork there is none. One, whichever thread was quicker.
        return self._transports.get(None) or self._transports.setdefault(None, self._new())


class AsyncModelGates(Base["httpx.AsyncBaseTransport"]):
    """The ModelGates API for event loops: asyncio or trio, one after another if need be.

    Its arguments are those of `ModelGates`; ``transport`` is an async one. Making one reads the
    system's certificates, which takes a moment: do it before the loop runs, or in a thread.

    Examples:
        >>> async def speak(text):
        ...     async with AsyncModelGates() as client:
        ...         return await client.audio.speech.create(model="m/n", voice="alloy", input=text)
        >>> asyncio.run(speak("Hello")).format
        'pcm'
    """

    _waiting = Yielding()
    if TYPE_CHECKING:
        _transports: dict[Any, AsyncTransport]
        _new: Callable[[], AsyncTransport]

    def _begin(self, given: object) -> None:
        from modelgates_speech.transport import AsyncTransport

        self._new = AsyncTransport.maker(self.base_url, given)

    @property
    def audio(self) -> Namespace[AsyncSpeech]:
        """``audio.speech`` turns text into speech."""
        asked_with = self.base_url, self._settings.headers
        return Namespace(AsyncSpeech(self._start, asked_with, self._replaced))

    async def call(self, operation: ModuleType, **arguments: Any) -> Any:
        """Make the call of any generated operation; see `ModelGates.call`."""
        return await self._call(operation, arguments)

    async def aclose(self) -> None:
        """Close the connections of this event loop; those of ended loops are closed already.

        May be called again; calls made later are refused.
        """
        closed, self._closed = self._closed, True
        if not closed and self._owner is None:
            # Made if need be: a transport that was brought is closed even if nothing was asked.
            await (await self._transport()).lifetime.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def _transport(self) -> AsyncTransport:
        from modelgates_speech.loops import current_loop, later, live

        # One per event loop: a connection cannot be used outside the loop that opened it.
        loop = current_loop()
        if loop not in self._transports:
            for other in [*self._transports]:
                if getattr(other, "is_closed", bool)():
                    self._transports.pop(other, None)  # another thread may have seen it too
            transport = self._transports[loop] = self._new()
            transport.later = later()
            transport.lifetime = live(self._transports, loop, transport.aclose)
            await anext(transport.lifetime)
        return self._transports[loop]
