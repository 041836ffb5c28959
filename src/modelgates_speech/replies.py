"""Replies as they are read, and the border that every exception of an engine crosses.

Whatever an engine raises becomes an error of our tree here, free of the key.
"""

from __future__ import annotations

import contextlib
import math
import re
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any

import anyio

from modelgates_speech.config import EXCERPT_SECONDS, MAX_CONNECTIONS, MAX_EXCERPT
from modelgates_speech.errors import APIConnectionError, APITimeoutError, ModelGatesError
from modelgates_speech.formats.coding import expanded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Protocol

    from modelgates_speech.config import Secret
    from modelgates_speech.deadline import Deadline
    from modelgates_speech.errors import Phase

# httpx, httpx2, httpcore and httpcore2 share these names; what a user brings may raise any of them.
_TIMEOUTS: dict[str, tuple[Phase, bool]] = {
    "ConnectTimeout": ("connect", False),
    "PoolTimeout": ("pool", False),
    "WriteTimeout": ("write", True),
    "ReadTimeout": ("read", True),
}
_NOT_SENT = {"ConnectError", "ProxyError", "UnsupportedProtocol"}


class Border:
    """Turns whatever an engine raises in one call into the errors of our tree, free of the key.

    Args:
        where: Host and port, for messages.
        phases: The seconds that each phase of a try may take.
        deadline: The call's.
        secret: The key, which must be in no error.
    """

    __slots__ = ("_before", "deadline", "phases", "secret", "where")

    def __init__(
        self, where: str, phases: Mapping[str, float], deadline: Deadline, secret: Secret
    ) -> None:
        self.where = where
        self.phases = phases
        self.deadline = deadline
        self.secret = secret

    def cancelling(self) -> contextlib.AbstractContextManager[object]:
        """What ends an async step when the deadline passes."""
        left = self.deadline.left()
        return contextlib.nullcontext() if left == math.inf else anyio.fail_after(left)

    def __enter__(self) -> None:
        # What the caller is handling already is the caller's: it is neither cleansed nor read.
        self._before = sys.exception()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, ModelGatesError):
            return
        for link in self._chain(error):
            # The frames below hold the headers, key included, where a traceback with locals shows
            # them, those of a cancellation or a Ctrl-C too; and a message may quote what a server
            # has echoed.
            link.__traceback__ = None
            link.args = tuple(
                self.secret.scrub_text(str(part)) if isinstance(part, str | Exception) else part
                for part in link.args
            )
        if isinstance(error, Exception):
            raise self._translated(error) from error

    def _chain(self, error: BaseException | None) -> Iterator[BaseException]:
        """`error` and what led to it, as far as it happened within."""
        seen: set[int] = {id(self._before)}
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            yield error
            error = error.__cause__ or error.__context__

    def _translated(self, error: Exception) -> APIConnectionError:
        names = {base.__name__ for base in type(error).__mro__}
        phase, sent = next(
            (_TIMEOUTS[name] for name in names & _TIMEOUTS.keys()), (None, not names & _NOT_SENT)
        )
        if not self.deadline.left() and (phase or isinstance(error, TimeoutError)):
            return APITimeoutError(
                f"the call to {self.where} was not over within its deadline of "
                f"{self.deadline.seconds:g} s: allow a longer deadline, or speak less at once",
                phase="deadline",
                request_sent=sent,
            )
        if phase:
            what, advice = _TIMED_OUT[phase]
            seconds = f"{float(self.phases[phase]):g} s"
            return APITimeoutError(
                f"{what.format(where=self.where, seconds=seconds)}: {advice}",
                phase=phase,
                request_sent=sent,
            )
        causes = [*self._chain(error)]
        untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
        plain = any(getattr(cause, "reason", "") == "WRONG_VERSION_NUMBER" for cause in causes)
        if untrusted:
            advice = "; set SSL_CERT_FILE if its certificate is signed by an authority of your own"
        elif plain:
            advice = "; it answers without TLS: check the scheme and the port of base_url"
        elif not sent:
            advice = "; check base_url, the network and the proxy variables"
        else:
            foreign = str(error).startswith(("illegal request line", "illegal status line"))
            advice = "; it does not speak HTTP/1.1: check the port of base_url" if foreign else ""
        what = f"the connection to {self.where} broke" if sent else f"no connection to {self.where}"
        return APIConnectionError(
            f"{what}: {str(error) or type(error).__name__}{advice}",
            request_sent=sent,
            transient=not (untrusted or plain),
        )


_TIMED_OUT: dict[str, tuple[str, str]] = {
    "connect": (
        "no connection to {where} within {seconds}",
        "check base_url and the network, or allow a longer timeout (connect)",
    ),
    "pool": (
        f"none of the {MAX_CONNECTIONS} connections to {{where}} became free within {{seconds}}",
        "close streams that are not read to their end, or allow a longer timeout (pool)",
    ),
    "write": (
        "{where} did not take the request within {seconds}",
        "allow a longer timeout (write)",
    ),
    "read": ("{where} sent nothing for {seconds}", "allow a longer timeout (read)"),
}


# To a running program these are no more than names, which would cost it a millisecond.
if TYPE_CHECKING:

    class Owner(Protocol):
        """The transport that a reply came by."""

        def done(self, engine: Any, *, failed: bool) -> Any:
            """Note that the reply that came by `engine` was closed; to be awaited if async."""
            ...

        def abandon(self, reply: Any) -> None:
            """Have `reply` closed, which nobody holds any more."""
            ...

    class Response(Protocol):
        """What an engine answers: the head of a reply, and its body as an iterable to be closed."""

        status: int
        headers: list[tuple[bytes, bytes]]
        stream: Any
        extensions: Any


_LAST_CHUNK = b"0\r\n\r\n"
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class _ReplyHead:
    """What a sync and an async reply share: all but reading.

    Headers, the bodies of errors, and the start of any other body that may be text, are freed of
    the key, should a server have echoed it. Audio itself is never changed.
    """

    def __init__(self, response: Response, border: Border) -> None:
        self.status = response.status
        self.headers = _headers(response.headers, border.secret)
        self._border = border
        self._at_start = True
        self._closed = False
        self._socket = response.extensions.get("network_stream")
        self._last = b""

    def _leaves_bytes(self) -> bool:
        """Whether the server sent more than this reply: the next would begin with what is left.

        The library keeps what it has read, and would take it for the answer to another call. Where
        that cannot be ruled out the connection is not used again.
        """
        heard = getattr(self._socket, "heard", None)
        if heard is None:
            return False
        if "transfer-encoding" in self.headers:
            return not (heard.endswith(_LAST_CHUNK) or _LAST_CHUNK.endswith(heard))
        return bool(heard != self._last and not heard.endswith(b"\r\n\r\n" + self._last))

    def text(self, body: bytes) -> bytes:
        """A body that is no audio as it was before it was compressed, free of the key."""
        return self._scrub(expanded(body, self.headers.get("content-encoding", "")))

    def _excerpted(self, body: bytes, start: bytes) -> bytes:
        # A start comes from the audio's receiver, which has expanded it.
        return self._scrub(body) if start else self.text(body)[:MAX_EXCERPT]

    def _scrub(self, data: bytes) -> bytes:
        """`data` without the key, unless it is no text: a short key may well be part of audio."""
        return data if _NO_TEXT.search(data, 0, 1024) else self._border.secret.scrub(data)

    def _received(self, data: bytes) -> bytes:
        self._last = data or self._last
        if not self._at_start:
            return data
        self._at_start = False
        return self._scrub(data)


class Reply(_ReplyHead):
    """A reply of a sync transport; its body is read piece by piece."""

    def __init__(self, response: Response, border: Border, owner: Owner, engine: object) -> None:
        super().__init__(response, border)
        self._owner = owner
        self._engine = engine
        self._stream = response.stream
        self._pieces: Iterator[bytes] = filter(None, response.stream)

    def read(self) -> bytes:
        """The next piece of the body, ``b""`` at its end.

        Raises:
            APIConnectionError: If the connection breaks or the time runs out.
        """
        with self._border:
            self._border.deadline.check()
            return self._received(next(self._pieces, b""))

    def drain(self, start: bytes = b"") -> bytes:
        """`start` and what else of the body comes, at most `MAX_EXCERPT`; then close."""
        excerpt = _Excerpt()
        excerpt.add(start)
        with contextlib.suppress(APIConnectionError), contextlib.closing(self):
            while excerpt.wants_more() and (data := self.read()):
                excerpt.add(data)
        return self._excerpted(excerpt.content(), start)

    def close(self) -> None:
        """Give the connection back. May be called again."""
        if not self._closed:
            self._closed = True
            try:
                with contextlib.suppress(Exception):
                    self._stream.close()
            finally:
                self._owner.done(self._engine, failed=self._leaves_bytes())

    def abandon(self) -> None:
        """Have the connection given back, when nobody holds this any more."""
        if not self._closed:
            self._owner.abandon(self)


class AsyncReply(_ReplyHead):
    """A reply of an async transport; its body is read piece by piece."""

    def __init__(self, response: Response, border: Border, owner: Owner, engine: object) -> None:
        super().__init__(response, border)
        self._owner = owner
        self._engine = engine
        self._stream = response.stream
        self._pieces: AsyncIterator[bytes] = aiter(response.stream)

    async def read(self) -> bytes:
        """The next piece of the body, ``b""`` at its end.

        Raises:
            APIConnectionError: If the connection breaks or the time runs out.
        """
        with self._border, self._border.cancelling():
            self._border.deadline.check()
            # A loop that ends closes its generators: what they gave was not all.
            if getattr(self._pieces, "ag_frame", self) is None:
                raise RuntimeError("its event loop has ended")
            async for data in self._pieces:
                if data:
                    return self._received(data)
            return b""

    async def drain(self, start: bytes = b"") -> bytes:
        """`start` and what else of the body comes, at most `MAX_EXCERPT`; then close."""
        excerpt = _Excerpt()
        excerpt.add(start)
        async with contextlib.aclosing(self):
            with contextlib.suppress(APIConnectionError):
                while excerpt.wants_more() and (data := await self.read()):
                    excerpt.add(data)
        return self._excerpted(excerpt.content(), start)

    async def aclose(self) -> None:
        """Give the connection back. May be called again."""
        if self._closed:
            return
        self._closed = True
        # Shielded: a cancelled call must still give its connection back.
        with anyio.CancelScope(shield=True):
            try:
                with contextlib.suppress(Exception):
                    # A generator, most often: one that is only dropped ends when the loop likes.
                    if close := getattr(self._pieces, "aclose", None):
                        await close()
                    await self._stream.aclose()
            finally:
                await self._owner.done(self._engine, failed=self._leaves_bytes())

    def abandon(self) -> None:
        """Have the connection given back, when nobody holds this any more."""
        if not self._closed:
            self._owner.abandon(self)


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
