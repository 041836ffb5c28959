"""Every exception this package raises, as one tree.

None of them holds a request, a response or an API key, and all of them can be pickled.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import attrs


class HeldAudio(Protocol):
    """Audio that an error holds, since it was paid for: an `Audio`, as errors know it."""

    # What they mean stands at `Audio`.
    # ruff: disable[D102]
    @property
    def content(self) -> bytes: ...
    @property
    def format(self) -> str: ...
    @property
    def content_type(self) -> str | None: ...
    @property
    def sample_rate(self) -> int | None: ...
    @property
    def channels(self) -> int | None: ...
    @property
    def duration(self) -> float | None: ...
    def to_wav(self) -> bytes: ...
    def save(self, path: str | os.PathLike[str]) -> Path: ...

    # ruff: enable[D102]


MAX_SUMMARY = 200  # characters of a body, or of a value, in a message


def in_brief(body: bytes) -> str:
    """The start of a body, for a message."""
    text = " ".join(body[: 4 * MAX_SUMMARY].decode("utf-8", "replace").split())
    return f"{text[:MAX_SUMMARY]}…" if len(text) > MAX_SUMMARY else text


Phase = Literal["connect", "read", "write", "pool", "deadline"]


@attrs.define(auto_exc=False, eq=False, repr=False, slots=False)
class ModelGatesError(Exception):
    """The root of the tree: ``except ModelGatesError`` catches all that this package raises.

    Attributes:
        characters: When a piece of a long text failed (`narrate`), the offsets of its first
            character and of the one after its last; else None.
        partial: Audio that had arrived when it failed and is in no file, or None.

    Examples:
        >>> try:
        ...     client.audio.speech.create(model="stub/402", voice="alloy", input="Hello")
        ... except ModelGatesError as error:
        ...     print("no speech:", error)
        no speech: HTTP 402: ...
    """

    message: str
    characters: tuple[int, int] | None = attrs.field(default=None, init=False)
    partial: HeldAudio | None = attrs.field(default=None, kw_only=True)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args` alone, which keyword-only arguments defeat.
        return Exception.__new__, (type(self), *self.args), self.__dict__


class ConfigurationError(ModelGatesError):
    """The call cannot be made as asked: no key, a bad URL, an argument that contradicts another.

    Raised before anything is sent, so nothing was paid for.

    Examples:
        >>> with pytest.raises(ConfigurationError, match="https://"):
        ...     ModelGates(base_url="api.example.com")
    """


class ArgumentError(ConfigurationError, TypeError):
    """An argument is unknown or missing. Also a ``TypeError``.

    Examples:
        >>> with pytest.raises(ArgumentError, match="did you mean 'voice'"):
        ...     client.audio.speech.create(model="any/model", voices="alloy", input="Hello")
    """


class NotSentError(ConfigurationError, AttributeError):
    """A stream that was not entered has no metadata yet. Also an ``AttributeError``.

    Examples:
        >>> hasattr(client.audio.speech.stream(model="m/n", voice="alloy", input="Hi"), "format")
        False
    """


@attrs.define(auto_exc=False, eq=False, repr=False, slots=False)
class APIConnectionError(ModelGatesError):
    """No response came: DNS, TCP, TLS, a proxy, or a connection that broke.

    Attributes:
        request_sent: Whether the request may have reached the server. When it is true the
            speech may have been produced and billed; when it is false it cannot have been.
        transient: Whether trying again could help. False for an untrusted certificate.

    Examples:
        >>> with pytest.raises(APIConnectionError) as caught:
        ...     client.audio.speech.create(model="stub/reset", voice="alloy", input="Hello")
        >>> caught.value.request_sent
        True
    """

    request_sent: bool = attrs.field(kw_only=True)
    transient: bool = attrs.field(default=True, kw_only=True)


@attrs.define(auto_exc=False, eq=False, repr=False, slots=False)
class APITimeoutError(APIConnectionError):
    """Something took longer than `timeout` or `deadline` allows.

    Attributes:
        phase: What ran out: ``connect``, ``read``, ``write``, ``pool`` (no free connection)
            or ``deadline`` (the whole call, retries included).

    Examples:
        >>> with pytest.raises(APITimeoutError) as caught:
        ...     client.audio.speech.create(model="stub/stall", voice="a", input="Hi", deadline=0.2)
        >>> caught.value.phase
        'deadline'
    """

    phase: Phase = attrs.field(kw_only=True)


@attrs.define(auto_exc=False, eq=False, repr=False, slots=False)
class APIStatusError(ModelGatesError):
    """The server answered with a status other than success.

    Attributes:
        status: The HTTP status.
        code: ``error.code`` of the body, or None when the body has none.
        message: ``error.message`` of the body, or a summary of what came instead.
        metadata: ``error.metadata`` of the body (a mapping), or None.
        user_id: ``user_id`` of the body, or None.
        request_id: The request's id, for the provider's support, or None.
        retry_after: Seconds the server asked to wait (``Retry-After``), or None.
        body: The raw body, at most its first 64 KiB.
        advice: What to do about it, or None; ``str(error)`` ends with it.

    Examples:
        >>> with pytest.raises(APIStatusError) as caught:
        ...     client.audio.speech.create(model="stub/418", voice="alloy", input="Hello")
        >>> caught.value.status
        418
    """

    status: int = attrs.field(kw_only=True)
    code: int | str | None = attrs.field(default=None, kw_only=True)
    metadata: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    user_id: str | None = attrs.field(default=None, kw_only=True)
    request_id: str | None = attrs.field(default=None, kw_only=True)
    retry_after: float | None = attrs.field(default=None, kw_only=True)
    body: bytes = attrs.field(default=b"", kw_only=True)
    advice: str | None = attrs.field(default=None, kw_only=True)

    def __str__(self) -> str:
        wait = f"; it asks to wait {self.retry_after:,.10g} s" if self.retry_after else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        advice = f"; {self.advice}" if self.advice else ""
        return f"HTTP {self.status}: {self.message}{wait}{request}{advice}"

    @classmethod
    def for_status(cls, status: int) -> type[Self]:
        """The class that stands for `status`: the documented one, or `APIStatusError` itself."""
        # Those of a program's own are for the program to raise.
        ours = (sub for sub in cls.__subclasses__() if sub.__module__ == __name__)
        return next((sub for sub in ours if sub.status == status), cls)


class BadRequestError(APIStatusError):
    """400: a parameter is invalid or the input is malformed (``BadRequestResponse``).

    Examples:
        >>> with pytest.raises(BadRequestError):
        ...     client.audio.speech.create(model="stub/400", voice="alloy", input="Hi")
    """

    status = 400


class AuthenticationError(APIStatusError):
    """401: the key is missing or not valid (``UnauthorizedResponse``).

    Examples:
        >>> with pytest.raises(AuthenticationError):
        ...     client.audio.speech.create(model="stub/401", voice="alloy", input="Hi")
    """

    status = 401


class PaymentRequiredError(APIStatusError):
    """402: not enough credits or quota (``PaymentRequiredResponse``).

    Examples:
        >>> with pytest.raises(PaymentRequiredError):
        ...     client.audio.speech.create(model="stub/402", voice="alloy", input="Hi")
    """

    status = 402


class NotFoundError(APIStatusError):
    """404: no such model, voice or endpoint (``NotFoundResponse``).

    Examples:
        >>> with pytest.raises(NotFoundError):
        ...     client.audio.speech.create(model="stub/404", voice="alloy", input="Hi")
    """

    status = 404


class RateLimitError(APIStatusError):
    """429: too many requests (``TooManyRequestsResponse``); see `retry_after`.

    Examples:
        >>> with pytest.raises(RateLimitError) as caught:
        ...     client.audio.speech.create(model="stub/429?retry-after=90", voice="a", input="Hi")
        >>> caught.value.retry_after
        90.0
    """

    status = 429


class InternalServerError(APIStatusError):
    """500: the server failed (``InternalServerResponse``); the speech may have been billed.

    Examples:
        >>> with pytest.raises(InternalServerError):
        ...     client.audio.speech.create(model="stub/500", voice="alloy", input="Hi")
    """

    status = 500


class BadGatewayError(APIStatusError):
    """502: the provider behind the gateway failed (``BadGatewayResponse``).

    Examples:
        >>> with pytest.raises(BadGatewayError):
        ...     client.audio.speech.create(model="stub/502", voice="alloy", input="Hi", retry=None)
    """

    status = 502


class ServiceUnavailableError(APIStatusError):
    """503: the service is overloaded or down (``ServiceUnavailableResponse``).

    Examples:
        >>> with pytest.raises(ServiceUnavailableError):
        ...     client.audio.speech.create(model="stub/503", voice="alloy", input="Hi", retry=None)
    """

    status = 503


@attrs.define(auto_exc=False, eq=False, repr=False, slots=False)
class InvalidResponseError(ModelGatesError):
    """The server answered 200, but not with what was asked for: JSON, HTML, text or nothing.

    Attributes:
        content_type: The content type that came, or None.
        body: The first bytes of what came, at most 64 KiB; ``str(error)`` ends with what they say.
        request_id: The request's id, or None.
        audio: The whole audio, if it is one that the file's suffix does not fit, or a piece that
            does not fit those of its narration, which are in `partial`; else None.

    Examples:
        >>> with pytest.raises(InvalidResponseError) as caught:
        ...     client.audio.speech.create(model="stub/json", voice="alloy", input="Hello")
        >>> caught.value.content_type
        'application/json'
    """

    content_type: str | None = attrs.field(default=None, kw_only=True)
    body: bytes = attrs.field(default=b"", kw_only=True)
    request_id: str | None = attrs.field(default=None, kw_only=True)
    audio: HeldAudio | None = attrs.field(default=None, kw_only=True)

    def __str__(self) -> str:
        said = in_brief(self.body)
        return f"{self.message}: {said}" if said and said.isprintable() else self.message


@attrs.define(auto_exc=False, eq=False, repr=False, slots=False)
class IncompleteAudioError(ModelGatesError):
    """The audio began and did not end: the connection was cut, stalled or ran out of time.

    It is never retried, because what arrived has probably been billed. The cause says what broke.

    Attributes:
        bytes_received: How many bytes of audio arrived.
        expected: How many were announced (``Content-Length``), or None.
        partial: What arrived and was not yet handed to you: all of it for `create`, `read` and
            `save` (for `save`, at most the first 64 MiB), the remainder for a stream.
        request_id: The request's id, or None.

    Examples:
        >>> try:
        ...     client.audio.speech.save("x.wav", model="stub/cut", voice="alloy", input="Hello")
        ... except IncompleteAudioError as error:
        ...     kept = error.partial.save("as-far-as-it-came.wav")
    """

    bytes_received: int = attrs.field(kw_only=True)
    expected: int | None = attrs.field(kw_only=True)
    partial: HeldAudio = attrs.field(kw_only=True)  # pyright: ignore[reportIncompatibleVariableOverride]
    request_id: str | None = attrs.field(default=None, kw_only=True)


@attrs.define(auto_exc=False, eq=False, repr=False, slots=False)
class SaveError(ModelGatesError):
    """The file could not be written: no such folder, no permission, no space.

    The target is as it was before the call, and nothing is left beside it; but a device or a pipe
    keeps what it took, which is not in `partial`.

    Attributes:
        path: The file asked for.
        errno: The operating system's error number, or None.
        partial: The audio that arrived all the same, at most its first 64 MiB; None when
            nothing had been sent yet or you hold the audio already.

    Examples:
        >>> with pytest.raises(SaveError):
        ...     client.audio.speech.save("no/folder.wav", model="m/n", voice="alloy", input="Hi")
    """

    path: Path = attrs.field(kw_only=True)
    errno: int | None = attrs.field(default=None, kw_only=True)


class PlaybackError(ModelGatesError):
    """The audio could not be played to its end: the device failed, or its format is unknown.

    Attributes:
        partial: What was read from the stream, heard or not, at most its last 64 MiB; the rest can
            still be read from the stream. None if you passed an `Audio`.

    Examples:
        >>> with pytest.raises(PlaybackError, match="opus"):
        ...     play(Audio(format="opus", content=b"OggS"))
    """
