"""Every fault, as data: what the server does, what the caller sees, what it costs.

The matrix plays each of them against every client and call; the page "What happens when" is
written from the same table.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from modelgates_speech import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadGatewayError,
    BadRequestError,
    IncompleteAudioError,
    InternalServerError,
    InvalidResponseError,
    NotFoundError,
    PaymentRequiredError,
    RateLimitError,
    ServiceUnavailableError,
    Timeout,
)
from modelgates_speech.retry import RetryPolicy
from tests.faults.server import AWAIT_A_BYTE, CLOSE, IGNORE, RESET, STALL, Acts, Drip, Later, Pour

AUDIO = bytes(range(256)) * 16
MIB = 1 << 20
SOON = 0.6

# Where a fault lies: in the answer to a request, or before there can be any request.
Place = Literal["request", "connection", "port", "name", "certificate", "handshake", "pool"]


@dataclass(frozen=True)
class Hears:
    """The call succeeds, with this audio."""

    audio: bytes = AUDIO


@dataclass(frozen=True)
class Sees:
    """The call fails with exactly this class.

    Attributes:
        error: The class.
        fields: Attributes and their values; a function is asked whether it likes the value.
        says: What the message contains.
        cause: The class and the fields of the cause, for audio that broke off.
        arrived: The audio that the caller must have after all, in pieces and `partial`; None
            when that depends on time, and any beginning of `AUDIO` will do.
    """

    error: type[Exception]
    fields: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""
    cause: tuple[type[Exception], Mapping[str, Any]] | None = None
    arrived: bytes | None = b""


@dataclass(frozen=True)
class Fault:
    """One way in which things go wrong.

    Attributes:
        group: The heading that it stands under.
        name: What happens.
        acts: What the server does.
        outcome: What the caller gets.
        requests: How many whole requests reach the server.
        tries: How many times the client tries; as many as there are requests, if None.
        waits: The seconds to wait before each retry, lowest and highest.
        place: Where the fault lies.
        timeout: The client's timeout.
        deadline: The client's deadline.
        retry: The client's policy.
        text: What to speak.
    """

    group: str
    name: str
    acts: Acts
    outcome: Hears | Sees
    requests: int = 1
    tries: int | None = None
    waits: tuple[tuple[float, float], ...] = ()
    place: Place = "request"
    timeout: float | Timeout = 30.0
    deadline: float | None = None
    retry: RetryPolicy | None = field(default_factory=RetryPolicy)
    text: str = "Hello world"

    @property
    def id(self):
        return self.name.replace(" ", "-")


def reply(status=200, body=AUDIO, *, kind="application/octet-stream", length=True, **headers):
    """The bytes of a whole, correct answer."""
    fields = {"Content-Type": kind, "X-Request-Id": "req-1"} if kind else {}
    if length:
        fields["Content-Length"] = str(len(body))
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def head(**headers):
    """The start of a 200, without a word on how long the body is."""
    return reply(200, b"", length=False, **headers)


HEALTHY = (reply(),)
CHUNKED = head(Transfer_Encoding="chunked")
BACKOFF = ((0.25, 0.5), (0.5, 1.0))

connection_refused = {"request_sent": False, "transient": True}
broke_unanswered = Sees(APIConnectionError, {"request_sent": True, "transient": True})


def timed_out(phase, *, sent):
    return Sees(APITimeoutError, {"phase": phase, "request_sent": sent})


def cut(arrived, expected=None, cause=(APIConnectionError, {"request_sent": True}), says=""):
    fields = {"expected": expected, "request_id": "req-1"}
    return Sees(IncompleteAudioError, fields, says, cause, arrived)


def stalled(phase):
    return (APITimeoutError, {"phase": phase, "request_sent": True})


NO_CONNECTION = [
    Fault(
        "No connection",
        "connection refused",
        (),
        Sees(APIConnectionError, connection_refused, "no connection to "),
        requests=0,
        tries=3,
        waits=BACKOFF,
        place="port",
    ),
    Fault(
        "No connection",
        "the host name does not resolve",
        (),
        Sees(APIConnectionError, connection_refused, "no connection to "),
        requests=0,
        tries=3,
        waits=BACKOFF,
        place="name",
    ),
    Fault(
        "No connection",
        "the certificate is not trusted",
        HEALTHY,
        Sees(
            APIConnectionError,
            {"request_sent": False, "transient": False},
            "CERTIFICATE_VERIFY_FAILED",
        ),
        requests=0,
        tries=1,
        place="certificate",
    ),
    Fault(
        "No connection",
        "the TLS handshake stalls",
        (STALL,),
        timed_out("connect", sent=False),
        requests=0,
        tries=3,
        waits=BACKOFF,
        place="handshake",
        timeout=SOON,
    ),
    Fault(
        "No connection",
        "the pool is exhausted",
        HEALTHY,
        timed_out("pool", sent=False),
        tries=1,
        place="pool",
        timeout=Timeout(5.0, 30.0, 30.0, SOON),
    ),
]

NO_REPLY = [
    Fault(
        "No reply",
        "reset inside the request",
        (AWAIT_A_BYTE, RESET),
        broke_unanswered,
        requests=0,
        tries=1,
        place="connection",
    ),
    Fault("No reply", "reset before the headers", (RESET,), broke_unanswered),
    Fault("No reply", "closed before the headers", (CLOSE,), broke_unanswered),
    Fault("No reply", "reset inside the headers", (reply()[:40], RESET), broke_unanswered),
    Fault("No reply", "closed inside the headers", (reply()[:40], CLOSE), broke_unanswered),
    Fault(
        "No reply",
        "stall before the headers",
        (STALL,),
        timed_out("read", sent=True),
        timeout=SOON,
    ),
    Fault(
        "No reply",
        "stall before the headers past the deadline",
        (STALL,),
        timed_out("deadline", sent=True),
        deadline=SOON,
    ),
    Fault(
        "No reply",
        "headers dripped a byte at a time",
        (Drip(reply()),),
        timed_out("deadline", sent=True),
        deadline=SOON,
    ),
    Fault(
        "No reply",
        "the request is not read",
        (IGNORE,),
        timed_out("write", sent=True),
        requests=0,
        tries=1,
        place="connection",
        timeout=Timeout(5.0, 30.0, SOON, 5.0),
        text="x" * (12 * MIB),
    ),
    Fault(
        "No reply",
        "two differing Content-Lengths",
        (reply(200, b"", length=False, Content_Length="2\r\nContent-Length: 4") + b"\0\1\2\3",),
        broke_unanswered,
    ),
    Fault(
        "No reply", "200 kB of headers", (reply(X_Padding="x" * 200_000), STALL), broke_unanswered
    ),
    Fault(
        "No reply",
        "something that is not HTTP",
        (b"220 mail.example ESMTP\r\n\r\n", STALL),
        broke_unanswered,
    ),
    Fault(
        "No reply", "not HTTP, then closed", (b"\x15\x03\x03\0\2\2\x46", CLOSE), broke_unanswered
    ),
]

BROKEN_AUDIO = [
    Fault(
        "The audio breaks off",
        "reset after the headers",
        (reply(body=b"", length=False, Content_Length="4096"), RESET),
        cut(b"", 4096),
    ),
    Fault(
        "The audio breaks off",
        "reset inside the body",
        (reply()[:-1096], RESET),
        cut(AUDIO[:3000], 4096),
    ),
    Fault(
        "The audio breaks off",
        "Content-Length longer than the body",
        (reply()[:-1096], CLOSE),
        cut(AUDIO[:3000], 4096),
    ),
    Fault(
        "The audio breaks off",
        "cut in the middle of a sample",
        (reply()[:-1095], CLOSE),
        cut(AUDIO[:3001], 4096),
    ),
    Fault(
        "The audio breaks off",
        "stall after the headers",
        (head(Content_Length="4096"), STALL),
        cut(b"", 4096, stalled("read")),
        timeout=SOON,
    ),
    Fault(
        "The audio breaks off",
        "stall in the body",
        (reply()[:-1096], STALL),
        cut(AUDIO[:3000], 4096, stalled("read")),
        timeout=SOON,
    ),
    Fault(
        "The audio breaks off",
        "stall in the body past the deadline",
        (reply()[:-1096], STALL),
        cut(AUDIO[:3000], 4096, stalled("deadline")),
        deadline=SOON,
    ),
    Fault(
        "The audio breaks off",
        "body dripped a byte at a time",
        (head(Content_Length="4096"), Drip(AUDIO)),
        cut(None, 4096, stalled("deadline")),
        deadline=SOON,
    ),
    Fault(
        "The audio breaks off",
        "chunked body cut between chunks",
        (CHUNKED, chunk(AUDIO[:2000]), CLOSE),
        cut(AUDIO[:2000]),
    ),
    Fault(
        "The audio breaks off",
        "chunked body cut inside a chunk",
        (CHUNKED, chunk(AUDIO)[:2006], CLOSE),
        cut(AUDIO[:2000]),
    ),
    Fault(
        "The audio breaks off",
        "chunked body unterminated",
        (CHUNKED, chunk(AUDIO), STALL),
        cut(AUDIO, cause=stalled("read")),
        timeout=SOON,
    ),
    Fault(
        "The audio breaks off",
        "chunked body malformed",
        (CHUNKED, chunk(AUDIO), b"seven\r\n", STALL),
        cut(AUDIO),
    ),
    Fault(
        "The audio breaks off",
        "no length given and an odd byte at the end",
        (head(), AUDIO[:3001], CLOSE),
        cut(AUDIO[:3001], cause=None, says="in the middle of a sample"),
    ),
    Fault(
        "The audio breaks off",
        "gzip cut short",
        (reply(body=gzip.compress(AUDIO)[:-9], Content_Encoding="gzip"),),
        cut(None, cause=None, says="compressed form ends early"),
    ),
    Fault(
        "The audio breaks off",
        "gzip damaged",
        (reply(body=gzip.compress(AUDIO)[:-8] + bytes(8), Content_Encoding="gzip"),),
        cut(None, cause=(zlib.error, {}), says="damaged"),
    ),
]

REDIRECTS = [
    Fault(
        "Redirects",
        f"{status} to another host",
        (Later(lambda request, status=status: reply(status, b"", Location=elsewhere())),),
        Sees(APIStatusError, {"status": status}, "which is not followed"),
    )
    for status in (301, 302, 303, 307, 308)
]

# The server that redirects must not reach; the tests set it.
_elsewhere = ["http://127.0.0.1:9/"]


def elsewhere(url=None):
    if url:
        _elsewhere[0] = url
    return _elsewhere[0]


def _date(**later):
    return format_datetime(datetime.now(UTC) + timedelta(**later), usegmt=True)


def _rate_limited(name, value, retry_after, waits):
    return Fault(
        "Asked to wait",
        f"429 with Retry-After {name}",
        (Later(lambda _: reply(429, b"{}", kind="application/json", Retry_After=value())),),
        Sees(RateLimitError, {"status": 429, "retry_after": retry_after}),
        requests=len(waits) + 1,
        waits=waits,
    )


ASKED_TO_WAIT = [
    _rate_limited("in seconds", lambda: "7", 7.0, ((7, 7), (7, 7))),
    _rate_limited("of a minute", lambda: "60", 60.0, ((60, 60), (60, 60))),
    _rate_limited("just above a minute", lambda: "61", 61.0, ()),
    _rate_limited("of an hour", lambda: "3600", 3600.0, ()),
    _rate_limited("as a date", lambda: _date(seconds=40), lambda s: 30 < s <= 40, ((30, 40),) * 2),
    _rate_limited("as a date in an hour", lambda: _date(hours=1), lambda s: 3500 < s <= 3600, ()),
    _rate_limited("as a past date", lambda: _date(hours=-1), 0.0, BACKOFF),
    _rate_limited("zero", lambda: "0", 0.0, BACKOFF),
    _rate_limited("negative", lambda: "-5", None, BACKOFF),
    _rate_limited("1e999", lambda: "1e999", None, BACKOFF),
    _rate_limited("nan", lambda: "nan", None, BACKOFF),
    _rate_limited("garbage", lambda: "Soon, 99:99:99", None, BACKOFF),
    _rate_limited("of 400 digits", lambda: "9" * 400, lambda s: s > 3600, ()),
    Fault(
        "Asked to wait",
        "503 with a Retry-After beyond the deadline",
        (reply(503, b"{}", kind="application/json", Retry_After="30"),),
        Sees(ServiceUnavailableError, {"status": 503, "retry_after": 30.0}),
        deadline=20.0,
    ),
]

STATUSES = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    404: NotFoundError,
    429: RateLimitError,
    500: InternalServerError,
    502: BadGatewayError,
    503: ServiceUnavailableError,
}
UNDOCUMENTED = (418, 422, 524, 529, 599)
RETRIED = (429, 502, 503)


@dataclass(frozen=True)
class Body:
    """What a refusal may carry, and what becomes of it.

    Attributes:
        name: What it is.
        content: The bytes, for a status.
        fields: What the error's attributes become.
        says: What its message contains.
        kind: The content type.
        more: How many more MiB follow.
    """

    name: str
    content: Callable[[int], bytes]
    fields: Mapping[str, Any]
    says: str
    kind: str = "application/json"
    more: int = 0


NOTHING = {"code": None, "metadata": None, "user_id": None}
OUTSIDE = "unexpected response body"
BODIES = [
    Body(
        "the right body",
        lambda status: json.dumps(
            {
                "error": {"code": status, "message": "No, sorry", "metadata": {"why": ["x"]}},
                "user_id": "user-1",
            }
        ).encode(),
        {"message": "No, sorry", "metadata": {"why": ["x"]}, "user_id": "user-1"},
        "No, sorry",
    ),
    Body("HTML", lambda _: b"<html>\n<h1>Bad</h1>", NOTHING, f"{OUTSIDE} (text/html)", "text/html"),
    Body("an empty body", lambda _: b"", NOTHING, "an empty body"),
    Body("null", lambda _: b"null", NOTHING, OUTSIDE),
    Body("a list", lambda _: b'[{"error": 1}]', NOTHING, OUTSIDE),
    Body("FastAPI's detail", lambda _: b'{"detail": [{"msg": "x"}]}', NOTHING, OUTSIDE),
    Body(
        "a code that is a string",
        lambda _: b'{"error": {"code": "oops", "message": "Why not"}}',
        NOTHING | {"message": "Why not", "code": "oops"},
        "Why not",
    ),
    Body("an error that is a string", lambda _: b'{"error": "oops"}', NOTHING, OUTSIDE),
    Body("invalid UTF-8", lambda _: b'{"error": "\xff\xfe"}', NOTHING, OUTSIDE),
    Body("64 MiB", lambda _: b"x" * 1000, NOTHING, OUTSIDE, "text/plain", more=64),
]


def _refusal(group, status, error, body):
    content = body.content(status)
    fields = {"status": status, "request_id": "req-1", "retry_after": None, **body.fields}
    fields["body"] = content + b"x" * (65_536 - len(content) if body.more else 0)
    if body.name == "the right body":
        fields["code"] = status
    length = str(len(content) + body.more * MIB)
    retried = status in RETRIED
    return Fault(
        group,
        f"{status} with {body.name}",
        (
            reply(status, content, kind=body.kind, length=False, Content_Length=length),
            *([Pour(b"x" * MIB, body.more)] if body.more else []),
        ),
        Sees(error, fields, body.says),
        requests=3 if retried else 1,
        waits=BACKOFF if retried else (),
    )


REFUSALS = [
    _refusal("Refused, as documented", status, error, body)
    for status, error in STATUSES.items()
    for body in BODIES
]
OTHER_REFUSALS = [
    _refusal("Refused, outside the document", status, APIStatusError, body)
    for status in UNDOCUMENTED
    for body in BODIES[:3]
]


def _not_audio(name, acts, says, **fields):
    outcome = Sees(InvalidResponseError, {"request_id": "req-1", "audio": None, **fields}, says)
    return Fault("A 200 that is not audio", name, acts, outcome)


_JSON = b'{"error": {"code": 402, "message": "No credits."}}'
_LETTERS = base64.b64encode(AUDIO)
_HTML = b"<!DOCTYPE html>\n<title>Sign in</title>"


def _bomb(mebibytes):
    """Gzip of so many MiB of zeros, from one block that stands for itself wherever it stands."""
    block = zlib.compressobj(9, wbits=-15)
    zeros = block.compress(bytes(MIB)) + block.flush(zlib.Z_FULL_FLUSH)
    start = gzip.compress(b"")[:10]
    return (
        start + zeros * mebibytes + b"\x03\0" + bytes(4) + (mebibytes * MIB).to_bytes(4, "little")
    )


BOMB = _bomb(1024)

NOT_AUDIO = [
    _not_audio(
        "JSON",
        (reply(body=_JSON, kind="application/json"),),
        "application/json",
        body=_JSON,
        content_type="application/json",
    ),
    _not_audio(
        "JSON under an audio type",
        (reply(body=_JSON, kind="audio/pcm"),),
        "text under audio/pcm",
        body=_JSON,
        content_type="audio/pcm",
    ),
    _not_audio("JSON under no particular type", (reply(body=_JSON),), "text under", body=_JSON),
    _not_audio(
        "HTML",
        (reply(body=_HTML, kind="text/html; charset=utf-8"),),
        "text/html",
        body=_HTML,
        content_type="text/html; charset=utf-8",
    ),
    _not_audio("HTML under no particular type", (reply(body=_HTML),), "text under", body=_HTML),
    _not_audio("audio in letters", (reply(body=_LETTERS),), "text under", body=_LETTERS),
    _not_audio("an empty body", (reply(body=b""),), "an empty body", body=b""),
    _not_audio("an empty chunked body", (CHUNKED, chunk(b"")), "an empty body", body=b""),
    _not_audio(
        "an unknown coding", (reply(Content_Encoding="br"),), "compressed as 'br'", body=AUDIO
    ),
    _not_audio(
        "a gzip bomb of 1 GiB",
        (reply(body=BOMB, Content_Encoding="gzip"),),
        "expand more than",
        body=b"",
    ),
]


def _fine(name, acts, audio=AUDIO, **more):
    return Fault("No fault after all", name, acts, Hears(audio), **more)


FINE = [
    _fine("the kept connection is closed between two calls", (*HEALTHY, CLOSE)),
    _fine("103 before 200", (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", *HEALTHY)),
    _fine("a 200 of HTTP/1.0, ended by closing", (head().replace(b"/1.1", b"/1.0") + AUDIO, CLOSE)),
    _fine(
        "a body in many chunks",
        (CHUNKED, *(chunk(AUDIO[i : i + 7]) for i in range(0, 4096, 7)), chunk(b"")),
    ),
    _fine("gzip, whole", (reply(body=gzip.compress(AUDIO), Content_Encoding="gzip"),)),
    _fine(
        "gzip, in two members",
        (reply(body=gzip.compress(AUDIO) * 2, Content_Encoding="gzip"),),
        AUDIO * 2,
    ),
    _fine(
        "no length given and cut short, which nobody can notice",
        (head(), AUDIO[:3000], CLOSE),
        AUDIO[:3000],
    ),
]

FAULTS = [
    *NO_CONNECTION,
    *NO_REPLY,
    *BROKEN_AUDIO,
    *REDIRECTS,
    *ASKED_TO_WAIT,
    *REFUSALS,
    *OTHER_REFUSALS,
    *NOT_AUDIO,
    *FINE,
]
