"""Replies as they are read, and the border that every exception of an engine crosses.

Whatever an engine raises becomes an error of our tree here, free of the key.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from traceback import walk_tb
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import attrs

from modelgates_speech.config import EXCERPT_SECONDS, MAX_CONNECTIONS, MAX_EXCERPT
from modelgates_speech.errors import APIConnectionError, APITimeoutError, ModelGatesError
from modelgates_speech.formats.coding import expanded

if TYPE_CHECKING:
    from modelgates_speech.config import Secret
    from modelgates_speech.deadline import Deadline
    from modelgates_speech.errors import Phase
    from modelgates_speech.waiting import Waiting

# httpx, httpx2, httpcore and httpcore2 share these names; what a user brings may raise any of them.
_NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
_TIMED_OUT: dict[Phase, str] = {
    "connect": "no connection to {where} within {seconds}: check base_url and the network, or "
    "allow a longer timeout (connect)",
    "pool": f"none of the {MAX_CONNECTIONS} connections to {{where}} became free within "
    "{seconds}: close streams that you do not read to the end, or allow a longer timeout (pool)",
    "write": "{where} did not take the request within {seconds}: allow a longer timeout (write)",
    "read": "{where} sent nothing for {seconds}: allow a longer timeout (read)",
}


@attrs.define(eq=False, repr=False)
class Border:
    """Turns whatever an engine raises in one call into the errors of our tree, free of the key."""

    where: str
    phases: Mapping[str, float]
    deadline: Deadline
    secret: Secret
    sent: bool = attrs.field(default=False, init=False)  # what the request holds was taken
    _before: BaseException | None = attrs.field(default=None, init=False)

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
        links = [*self._chain(error)]
        own = _of_a_signal(links)
        for link in links:
            # The frames below hold the headers, key included, where a traceback with locals shows
            # them, those of a cancellation or a Ctrl-C too; and a message may quote what a server
            # has echoed.
            link.__traceback__ = None
            link.args = tuple(
                self.secret.scrub_text(str(part)) if isinstance(part, str | Exception) else part
                for part in link.args
            )
        if own is not None:
            raise own from own.__cause__
        if isinstance(error, Exception):
            raise self._translated(error) from error

    def _chain(self, error: BaseException) -> Iterator[BaseException]:
        """`error` and what led to it, as far as it happened within."""
        seen: set[int] = {id(self._before)}
        due: list[BaseException | None] = [error]
        while due:
            link = due.pop()
            if link is None or id(link) in seen:
                continue
            seen.add(id(link))
            yield link
            due.append(link.__cause__ or link.__context__)
            if isinstance(link, BaseExceptionGroup):
                due += cast("BaseExceptionGroup[BaseException]", link).exceptions

    def _translated(self, error: Exception) -> APIConnectionError:
        names = {base.__name__ for base in type(error).__mro__}
        phase: Phase | None = next(
            (phase for phase in _TIMED_OUT if f"{phase.title()}Timeout" in names), None
        )
        sent = self.sent and not names & _NOT_SENT
        billed = "; the request may have arrived, so speech may have been billed" if sent else ""
        if not self.deadline.left() and (phase or isinstance(error, TimeoutError)):
            late = (
                f"the call to {self.where} did not end within its deadline of "
                f"{self.deadline.seconds:g} s: allow a longer deadline, or speak less at once"
            )
            return APITimeoutError(late + billed, phase="deadline", request_sent=sent)
        if phase:
            late = _TIMED_OUT[phase].format(where=self.where, seconds=f"{self.phases[phase]:g} s")
            return APITimeoutError(late + billed, phase=phase, request_sent=sent)
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
        reason = next((words for link in causes if (words := str(link))), type(error).__name__)
        own = (ssl.SSLError, socket.gaierror)  # with numbers of their own
        found = [e.errno for e in causes if isinstance(e, OSError) and not isinstance(e, own)]
        if not sent and (number := next(filter(None, reversed(found)), None)):
            # Of the attempts at a server's addresses the last knows more than that they failed.
            reason = f"[Errno {number}] {os.strerror(number)}"
        return APIConnectionError(
            f"{what}: {reason}{advice}{billed}",
            request_sent=sent,
            transient=not (untrusted or plain),
        )


def _of_a_signal(errors: list[BaseException]) -> BaseException | None:
    """The one that a signal's handler raised, as alarms do: the program's, not the engine's."""
    import signal

    codes = {getattr(signal.getsignal(n), "__code__", None) for n in signal.valid_signals()}
    for error in errors:
        if any(frame.f_code in codes for frame, _ in walk_tb(error.__traceback__)):
            return error
    return None


_LAST_CHUNK = b"0\r\n\r\n"
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class Reply:
    """A reply, whose body is read piece by piece.

    Headers, the bodies of errors, and the start of any other body that may be text, are freed of
    the key, should a server have echoed it. Audio itself is never changed. `owner` is the transport
    that it came by.
    """

    def __init__(self, response: Any, border: Border, owner: Any, engine: object) -> None:
        self.status = response.status
        self.headers = _headers(response.headers, border.secret)
        self._border = border
        self._owner = owner
        self._engine = engine
        self._stream = response.stream
        self._waiting: Waiting = owner.waiting
        self._pieces = self._waiting.pieces(response.stream)
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

    def _scrub(self, data: bytes) -> bytes:
        """`data` without the key, unless it is no text: a short key may well be part of audio."""
        return data if _NO_TEXT.search(data, 0, 1024) else self._border.secret.scrub(data)

    async def read(self) -> bytes:
        """The next piece of the body, ``b""`` at its end."""
        with self._border, self._waiting.within(self._border.deadline.still()):
            data = await self._waiting.next(self._pieces)
            if not data and getattr(self._socket, "heard", None) == b"":
                self._socket.check_end()
        self._last = data or self._last
        if not self._at_start:
            return data
        self._at_start = False
        return self._scrub(data)

    async def drain(self, start: bytes = b"") -> bytes:
        """`start` and what else of the body comes, at most `MAX_EXCERPT`; then close."""
        excerpt = start
        until = time.monotonic() + EXCERPT_SECONDS
        async with contextlib.aclosing(self):
            with contextlib.suppress(APIConnectionError):
                while len(excerpt) < MAX_EXCERPT and time.monotonic() < until:
                    if not (data := await self.read()):
                        break
                    excerpt += data
        # A start comes from the audio's receiver, which has expanded it.
        body = self._border.secret.scrub(excerpt) if start else self.text(excerpt)
        return body[:MAX_EXCERPT]

    async def aclose(self) -> None:
        """Free the connection. May be called again."""
        if self._closed:
            return
        self._closed = True
        # A cancelled call must still give its connection back.
        with self._waiting.shielded():
            try:
                with contextlib.suppress(Exception):
                    # A generator, most often: one that is only dropped ends when the loop likes.
                    await self._waiting.close(self._pieces)
                    await self._waiting.close(self._stream)
            finally:
                await self._owner.done(self._engine, failed=self._leaves_bytes())

    def abandon(self) -> None:
        """Have the connection given back, when nobody holds this any more.

        A socket that can hang up at once does: what the server goes on to speak may be billed.
        """
        if not self._closed:
            getattr(self._socket, "hang_up", bool)()
            self._owner.abandon(self)


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
