"""The book of one run: what was sent, what came, and what each check made of it.

Nothing enters it with a key in it.
"""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

REDACTED = "[redacted]"
KEPT_BYTES = 2048

# Sent by the HTTP library whatever the case says, and of no use to whoever repeats it.
_NOISE = {"accept", "accept-encoding", "connection", "content-length", "user-agent"}


@dataclass
class Verdict:
    """How often a check passed, and the latest of its failures: Hypothesis ends on the smallest."""

    passed: int = 0
    failed: int = 0
    where: str = ""
    detail: str = ""
    curl: str = ""


@dataclass
class Exchange:
    """A request and its answer, as kept: redacted, bodies shortened."""

    started: float
    seconds: float
    method: str
    url: str
    request_headers: dict[str, str]
    request_body: str
    status: int
    response_headers: dict[str, str]
    response_body: str
    response_size: int
    curl: str


@dataclass
class Ledger:
    """The book.

    Arguments:
        secret: the key, replaced wherever it turns up.
        followers: called with each request and its answer, as they were.
    """

    secret: str
    followers: list[Callable[[requests.PreparedRequest, requests.Response], None]] = field(
        default_factory=list
    )
    verdicts: dict[str, Verdict] = field(default_factory=dict[str, Verdict])
    statuses: Counter[int] = field(default_factory=Counter[int])
    documented: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    characters: int = 0
    stopped: str | None = None

    def redact(self, text: str) -> str:
        """Replace the key in a text."""
        return text.replace(self.secret, REDACTED)

    def sent(self, request: requests.PreparedRequest, response: requests.Response) -> None:
        """Enter a request and its answer."""
        for follow in self.followers:
            follow(request, response)
        self.statuses[response.status_code] += 1
        self.exchanges.append(
            Exchange(
                started=time.time(),
                seconds=response.elapsed.total_seconds(),
                method=str(request.method),
                url=self.redact(str(request.url)),
                request_headers=self._headers(request.headers),
                request_body=self._text(body_of(request)),
                status=response.status_code,
                response_headers=self._headers(response.headers),
                response_body=self._text(response.content),
                response_size=len(response.content),
                curl=self._curl(request),
            )
        )

    def saw(self, operation: str, status: int) -> None:
        """Enter that a documented answer came and was validated."""
        answers = self.documented.setdefault(operation, {})
        for name in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
            if name in answers:
                answers[name] += 1
                break

    def enter(self, check: str, *, failure: str | None = None, where: str = "") -> None:
        """Enter what a check made of the latest exchange, or of several."""
        verdict = self.verdicts.setdefault(check, Verdict())
        if failure is None:
            verdict.passed += 1
            return
        verdict.failed += 1
        verdict.where = self.redact(where)
        verdict.detail = self.redact(failure)
        verdict.curl = self.exchanges[-1].curl if self.exchanges else ""

    def dump(self) -> dict[str, Any]:
        """Summarize as JSON: all but the exchanges."""
        return {
            "verdicts": {name: vars(verdict) for name, verdict in sorted(self.verdicts.items())},
            "statuses": dict(sorted(self.statuses.items())),
            "documented": self.documented,
            "skipped": self.skipped,
            "requests": len(self.exchanges),
            "characters": self.characters,
            "stopped": self.stopped,
        }

    def _headers(self, headers: Any) -> dict[str, str]:
        # Credentials are redacted whole: one made from the key need not contain it.
        return {
            name: REDACTED if name.lower() == "authorization" else self.redact(_str(value))
            for name, value in headers.items()
        }

    def _text(self, body: bytes) -> str:
        # Redacted before it is cut, or half a key could survive at the cut.
        safe = body.replace(self.secret.encode(), REDACTED.encode())
        return safe[:KEPT_BYTES].decode("utf-8", "backslashreplace")

    def _curl(self, request: requests.PreparedRequest) -> str:
        words = ["curl", "-sS", "-i", "-X", str(request.method)]
        for name, value in request.headers.items():
            if name.lower() not in _NOISE:
                text = _str(value)
                # curl drops a header whose value is empty unless it is written so.
                words += ["-H", self._quote(f"{name}: {text}" if text else f"{name};")]
        if body := body_of(request):
            words += ["--data-binary", self._quote_bytes(body)]
        words.append(self._quote(str(request.url)))
        return " ".join(words)

    def _quote(self, text: str) -> str:
        # The shell puts the key back in: the line can be run, and be shown to anybody.
        pieces = [shlex.quote(piece) if piece else "" for piece in text.split(self.secret)]
        return '"$MODELGATES_API_KEY"'.join(pieces) or "''"

    def _quote_bytes(self, body: bytes) -> str:
        if len(body) > KEPT_BYTES:
            return f"'<{len(body)} bytes, see the name of the case>'"
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if text.isprintable() and text:
            return self._quote(text)
        return "$'" + "".join(f"\\x{byte:02x}" for byte in body) + "'"


def body_of(request: requests.PreparedRequest) -> bytes:
    """Get the bytes that a request was sent with."""
    body = request.body or b""
    return body.encode() if isinstance(body, str) else bytes(body)


def characters_of(request: requests.PreparedRequest) -> int:
    """Count the characters that a request asks to be spoken, which is what it costs."""
    try:
        body = json.loads(body_of(request))
    except (ValueError, RecursionError):
        return 0
    if not isinstance(body, dict):
        return 0
    # Where no text is called so, any of them may be spoken.
    texts = [body["input"]] if "input" in body else [*body.values()]
    return sum(len(text) for text in texts if isinstance(text, str))


def _str(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
