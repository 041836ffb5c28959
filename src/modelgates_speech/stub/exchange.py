"""A valid request's answer, before it is decided whether it goes out whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping


@dataclass(frozen=True)
class Exchange:
    """The normal answer, and what a fault has to spoil it with.

    `error` builds the content type and content of the error for a status, from hints; `hang_up`
    ends the connection, by a reset or without.
    """

    status: int
    content_type: str | None
    content: AsyncIterator[bytes]
    headers: Mapping[str, str]
    error: Callable[..., tuple[str | None, bytes]]
    hang_up: Callable[..., None]

    def answer(self) -> Response:
        """Answer as the API does."""
        if self.content_type is None:
            return Response(None, self.status, self.headers)
        return self.stream(self.content)

    def stream(
        self,
        content: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        length: int | None = None,
    ) -> Response:
        """Answer with the status of a success and a stream, which may promise a length."""
        kind = content_type or self.content_type or "application/octet-stream"
        headers = {**self.headers, "Content-Type": kind}
        if length is not None:
            headers["Content-Length"] = str(length)
        return StreamingResponse(content, self.status, headers)

    def respond(
        self,
        content: bytes | str,
        *,
        status: int,
        content_type: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Answer with something else altogether."""
        kind = {"Content-Type": content_type} if content_type else {}
        return Response(content, status, {**self.headers, **kind, **(headers or {})})

    async def head(self, length: int) -> bytes:
        """Take the first bytes of the content, or all of it if it is shorter."""
        taken = bytearray()
        async for chunk in self.content:
            taken += chunk
            if len(taken) >= length:
                break
        return bytes(taken[:length])
