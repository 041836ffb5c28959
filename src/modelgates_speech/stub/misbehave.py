"""A valid request's answer, and how each fault of the table spoils it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import attrs
from starlette.responses import Response, StreamingResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from modelgates_speech.stub.faults import Fault

Play: TypeAlias = "Callable[[Fault, Exchange], ASGIApp]"

_JSON = "application/json"


@attrs.frozen
class Exchange:
    """The normal answer, and what a fault has to spoil it with.

    `error` takes hints for it; `told` gives the headers that a status comes with.
    """

    status: int
    headers: Mapping[str, str]
    content: AsyncIterator[bytes]
    error: Callable[..., tuple[str | None, bytes]]
    told: Callable[[int], Mapping[str, str]]
    hang_up: Callable[..., None]

    def answer(self) -> Response:
        """Answer as the API does."""
        return self.reply(self.content if "content-type" in self.headers else b"")

    def reply(
        self,
        content: bytes | str | AsyncIterator[bytes],
        status: int | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Response:
        """Answer with something else, with another status or other headers, in lower case."""
        told: dict[str, Any] = {**self.headers, **(headers or {})}
        # Given apart, a type of text says in which encoding it is.
        how = status or self.status, told, told.pop("content-type", None)
        if isinstance(content, bytes | str):
            return Response(content, *how)
        return StreamingResponse(content, *how)


def no_connection(*, reset: bool) -> None:
    """Hang up where there is nothing to hang up."""
    raise ConnectionResetError(
        "an application called in process has no connection to cut: use StubServer"
    )


def play(fault: Fault, exchange: Exchange) -> ASGIApp:
    """Answer as the fault wants it."""
    return PLAYS.get(fault.name, _error_status)(fault, exchange)


def _error_status(fault: Fault, exchange: Exchange) -> Response:
    status = int(fault.name)
    body: bytes | str
    kind, body = exchange.error(
        status,
        message=fault["message"] or f"The stub was told to answer {status}",
        metadata=dict(fault["metadata"] or {"provider_name": "stub"}),
        user_id="stub-user",
    )
    if (given := fault["body"]) is not None:
        kind = _JSON
        body = json.dumps(given).encode() if isinstance(given, Mapping) else given
    headers = {**exchange.told(status), "content-type": fault["content_type"] or kind}
    response = exchange.reply(body, status, headers)
    # As it was given, where anybody can read the text without being told of UTF-8.
    plain = isinstance(body, bytes) or body.isascii()
    told: dict[str, Any] = {
        "Content-Type": fault["content_type"] if plain else None,
        "WWW-Authenticate": "Bearer" if status == 401 else None,
        "Retry-After": fault["retry_after"],
        **(fault["headers"] or {}),
    }
    for name, value in told.items():
        if value is not None:
            # No header has a number with an exponent.
            response.headers[name] = value if isinstance(value, str) else f"{Decimal(str(value)):f}"
    return response


async def silence(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer nothing for as long as the client is there."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _reset(fault: Fault, exchange: Exchange) -> ASGIApp:
    async def hanging_up(scope: Scope, receive: Receive, send: Send) -> None:
        exchange.hang_up(reset=True)
        await silence(scope, receive, send)

    return hanging_up


async def _part(fault: Fault, exchange: Exchange) -> AsyncIterator[bytes]:
    left = fault["after"]
    async for chunk in exchange.content:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            break
    if fault.name != "stall-midway":
        exchange.hang_up(reset=False)
    await anyio.sleep_forever()


async def _dripping(fault: Fault, exchange: Exchange) -> AsyncIterator[bytes]:
    async for chunk in exchange.content:
        for value in chunk:
            yield bytes([value])
            await anyio.sleep(fault["interval"])


async def _odd(fault: Fault, exchange: Exchange) -> AsyncIterator[bytes]:
    last = b""
    async for chunk in exchange.content:
        yield last
        last = chunk
    yield last[:-1] if len(last) % 2 == 0 else last


def _streamed(content: Callable[[Fault, Exchange], AsyncIterator[bytes]]) -> Play:
    return lambda fault, exchange: exchange.reply(content(fault, exchange))


def _always(status: int, content_type: str, body: str) -> Play:
    return lambda _, exchange: exchange.reply(body, status, {"content-type": content_type})


def _page(title: str) -> str:
    return f"<!doctype html><title>{title}</title><h1>{title}</h1><p>This is not the API.</p>"


_FAILED = {"error": {"code": 502, "message": "An error with the status of a success"}}
PLAYS: Mapping[str, Play] = {
    "stall": lambda fault, exchange: silence,
    "stall-midway": _streamed(_part),
    "slow": lambda fault, exchange: exchange.answer(),
    "drip": _streamed(_dripping),
    "reset": _reset,
    "cut": lambda fault, exchange: exchange.reply(
        _part(fault, exchange), headers={"content-length": str(fault["after"] + 48_000)}
    ),
    "cut-chunked": _streamed(_part),
    "odd": _streamed(_odd),
    "empty": lambda fault, exchange: exchange.reply(b""),
    "html": _always(200, "text/html", _page("Log in")),
    "html-502": _always(502, "text/html", _page("502 Bad Gateway")),
    "json": _always(200, _JSON, json.dumps(_FAILED)),
    "wrong-content-type": lambda fault, exchange: exchange.reply(
        exchange.content, headers={"content-type": "text/plain; charset=utf-8"}
    ),
    "not-json": _always(500, _JSON, '{"error": {"code": 500, "mess'),
    "other-shape": _always(500, _JSON, '[{"detail": "another shape"}]'),
    "redirect": lambda fault, exchange: exchange.reply(
        b"", 307, {"content-type": "text/plain", "location": fault["to"]}
    ),
}
