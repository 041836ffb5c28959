"""What the stub keeps of the requests that came: no keys, and not more than a machine can hold."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from collections.abc import Container, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import attrs
from starlette.datastructures import Headers

from modelgates_speech.stub.document import RefusedError
from modelgates_speech.stub.requests import parse_json

# A stub left running for days must not eat the machine.
KEPT_REQUESTS = 1000
KEPT_BYTES = 32 * 1024 * 1024

REDACTED = "[redacted]"


@attrs.frozen
class RecordedRequest:
    """One request that the stub received, and how it was answered.

    Args:
        method: The HTTP method.
        path: The path of the URL, without the query.
        query: The query of the URL, as sent.
        headers: By name, in capitals or not; credentials are redacted.
        raw: The body as it was sent.
        status: The status answered; None while there is none, or where none was.
        fault: The injected fault that it met, as text, if any.
        request_id: The `X-Request-Id` of the answer, or a name of the stub's where it has none.

    Examples:
        >>> audio = client.audio.speech.create(model="any/model", voice="alloy", input="Hello")
        >>> modelgates_stub.last_request.body["voice"]
        'alloy'
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw: bytes
    status: int | None
    fault: str | None
    request_id: str

    @property
    def body(self) -> Any:
        """The parsed JSON, or the raw bytes where they are not JSON; None for none."""
        # Parsed it may be many times as large, so that is not kept.
        try:
            return parse_json(self.raw) if self.raw else None
        except RefusedError:
            return self.raw

    @property
    def size(self) -> int:
        """How many bytes the body was."""
        return len(self.raw)

    def __str__(self) -> str:
        met = f", fault {self.fault}" if self.fault else ""
        shown = repr(self.body)
        if len(shown) > 200:
            shown = f"{shown[:200]}... ({len(shown)} characters)"
        return f"{self.method} {self.path} -> {self.status or 'no answer'}{met}: {shown}"


# Programs that are turned to the stub bring keys of other kinds, which are nobody's business.
_SECRET = re.compile(
    r"(?i)((?<!idempotency-)key|token|secret|signature|password|authorization|cookie|^sig)\W*$"
)


def is_secret(name: str, credentials: Container[str] = ()) -> bool:
    """Tell whether what a header or a parameter holds is not to be kept."""
    return name in credentials or bool(_SECRET.search(name))


def redact_query(query: str) -> str:
    """Keep a query for the record, without the values that are secret."""
    parts = (part.partition("=") for part in query.split("&"))
    return "&".join(
        f"{name}={REDACTED}" if value and is_secret(unquote(name)) else name + equals + value
        for name, equals, value in parts
    )


def redact(headers: Iterable[tuple[str, str]], credentials: Container[str]) -> Mapping[str, str]:
    """Keep headers for the record, likewise."""
    kept: dict[str, str] = {}
    for name, value in headers:
        shown = value
        if is_secret(name, credentials):
            shown = f"Bearer {REDACTED}" if value.lower().startswith("bearer ") else REDACTED
        kept[name] = f"{kept[name]}, {shown}" if name in kept else shown
    return Headers(kept)


class Records:
    """The requests of a stub and of its scopes, each the owner of its own. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[tuple[object, RecordedRequest]] = deque()
        self._counts = Counter[object]()
        self._size = 0

    def of(self, owner: object) -> tuple[RecordedRequest, ...]:
        """Give the requests of one, oldest first."""
        with self._lock:
            return tuple(request for whose, request in self._kept if whose is owner)

    def add(self, owner: object, request: RecordedRequest) -> None:
        """Keep a request, in place of older ones where they become too many."""
        with self._lock:
            self._kept.append((owner, request))
            self._counts[owner] += 1
            self._size += request.size
            if self._counts[owner] > KEPT_REQUESTS:
                self._drop(next(n for n, (whose, _) in enumerate(self._kept) if whose is owner))
            while self._size > KEPT_BYTES and len(self._kept) > 1:
                self._drop(0)

    def _drop(self, index: int) -> None:
        owner, request = self._kept[index]
        del self._kept[index]
        self._counts[owner] -= 1
        self._size -= request.size

    def replace(self, old: RecordedRequest, new: RecordedRequest) -> None:
        """Keep another in its place, if it is still kept."""
        with self._lock:
            for number, (owner, request) in enumerate(reversed(self._kept), start=1):
                if request is old:  # most likely it is the newest
                    self._kept[-number] = owner, new
                    return

    def forget(self, owner: object) -> None:
        """Keep none of the requests of one."""
        with self._lock:
            self._kept = deque(pair for pair in self._kept if pair[0] is not owner)
            self._size = sum(request.size for _, request in self._kept)
            del self._counts[owner]
