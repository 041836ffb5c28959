"""What the stub received, kept for the test to look at."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

REDACTED = "[redacted]"


@attrs.frozen
class RecordedRequest:
    """One request that the stub received, and how it was answered.

    Args:
        method: The HTTP method.
        path: The path of the URL, without the query.
        query: The query of the URL, as sent.
        headers: By lower-case name; credentials are redacted.
        body: The parsed JSON, or the raw bytes where they are not JSON.
        status: The status answered; None when the connection was left without one.
        fault: The injected fault that it met, as text, if any.
        request_id: The `X-Request-Id` of the answer.
        size: How many bytes the body was.

    Examples:
        >>> audio = client.audio.speech.create(model="any/model", voice="alloy", input="Hello")
        >>> modelgates_stub.last_request.body["voice"]
        'alloy'
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    status: int | None
    fault: str | None
    request_id: str
    size: int = 0

    def __str__(self) -> str:
        met = f", fault {self.fault}" if self.fault else ""
        shown = repr(self.body)
        if len(shown) > 200:
            shown = f"{shown[:200]}... ({len(shown)} characters)"
        return f"{self.method} {self.path} -> {self.status or 'no answer'}{met}: {shown}"


def redact(headers: Iterable[tuple[str, str]], secret: Container[str]) -> Mapping[str, str]:
    """Keep headers for the record, without the values of those that are secret."""
    kept: dict[str, str] = {}
    for name, value in headers:
        shown = value
        if name in secret:
            shown = f"Bearer {REDACTED}" if value.lower().startswith("bearer ") else REDACTED
        kept[name] = f"{kept[name]}, {shown}" if name in kept else shown
    return MappingProxyType(kept)
