"""How each fault of the table is played."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from modelgates_speech.stub.exchange import Exchange
    from modelgates_speech.stub.faults import Fault

_JSON = "application/json"
_HTML = "<!doctype html><title>{0}</title><h1>{0}</h1><p>This is not the API.</p>"


async def play(fault: Fault, exchange: Exchange) -> ASGIApp:
    """Answer as the fault wants it."""
    if fault.status:
        return _error_status(fault, exchange, fault.status)
    return await PLAYS[fault.name](fault, exchange)


def _error_status(fault: Fault, exchange: Exchange, status: int) -> Response:
    kind: str | None = _JSON
    body = fault.body
    if body is None:
        kind, body = exchange.error(
            status,
            message=fault.message or f"The stub was told to answer {status}",
            metadata=dict(fault.metadata or {"provider_name": "stub"}),
            user_id="stub-user",
        )
    if isinstance(body, Mapping):
        body = json.dumps(body)
    response = exchange.respond(body, status=status, content_type=fault.content_type or kind)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    response.headers.update(fault.headers)
    return response


class _Silence:
    """An answer that never comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()


@dataclass(frozen=True)
class Later:
    """An answer that comes after some seconds."""

    delay: float
    answer: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer."""
        await anyio.sleep(self.delay)
        await self.answer(scope, receive, send)


async def _stall(fault: Fault, exchange: Exchange) -> ASGIApp:
    return _Silence()


async def _stall_midway(fault: Fault, exchange: Exchange) -> ASGIApp:
    async def content() -> AsyncIterator[bytes]:
        yield await exchange.head(fault.after)
        await anyio.sleep_forever()

    return exchange.stream(content())


async def _slow(fault: Fault, exchange: Exchange) -> ASGIApp:
    return Later(fault.delay, exchange.answer())


async def _drip(fault: Fault, exchange: Exchange) -> ASGIApp:
    async def content() -> AsyncIterator[bytes]:
        async for chunk in exchange.content:
            for value in chunk:
                yield bytes([value])
                await anyio.sleep(fault.interval)

    return exchange.stream(content())


async def _reset(fault: Fault, exchange: Exchange) -> ASGIApp:
    exchange.hang_up(reset=True)
    return _Silence()


async def _until_cut(fault: Fault, exchange: Exchange) -> AsyncIterator[bytes]:
    yield await exchange.head(fault.after)
    exchange.hang_up(reset=False)
    await anyio.sleep_forever()


async def _cut(fault: Fault, exchange: Exchange) -> ASGIApp:
    promised = fault.after + 48_000
    return exchange.stream(_until_cut(fault, exchange), length=promised)


async def _cut_chunked(fault: Fault, exchange: Exchange) -> ASGIApp:
    return exchange.stream(_until_cut(fault, exchange))


async def _odd(fault: Fault, exchange: Exchange) -> ASGIApp:
    async def content() -> AsyncIterator[bytes]:
        last = b""
        async for chunk in exchange.content:
            yield last
            last = chunk
        yield last[:-1] if len(last) % 2 == 0 else last

    return exchange.stream(content())


async def _empty(fault: Fault, exchange: Exchange) -> ASGIApp:
    return exchange.respond(b"", status=exchange.status, content_type=exchange.content_type)


async def _html(fault: Fault, exchange: Exchange) -> ASGIApp:
    return exchange.respond(_HTML.format("Log in"), status=200, content_type="text/html")


async def _html_502(fault: Fault, exchange: Exchange) -> ASGIApp:
    return exchange.respond(_HTML.format("502 Bad Gateway"), status=502, content_type="text/html")


async def _json(fault: Fault, exchange: Exchange) -> ASGIApp:
    body = {"error": {"code": 502, "message": "An error with the status of a success"}}
    return exchange.respond(json.dumps(body), status=200, content_type=_JSON)


async def _wrong_content_type(fault: Fault, exchange: Exchange) -> ASGIApp:
    return exchange.stream(exchange.content, content_type="text/plain; charset=utf-8")


async def _not_json(fault: Fault, exchange: Exchange) -> ASGIApp:
    return exchange.respond('{"error": {"code": 500, "mess', status=500, content_type=_JSON)


async def _other_shape(fault: Fault, exchange: Exchange) -> ASGIApp:
    return exchange.respond('[{"detail": "another shape"}]', status=500, content_type=_JSON)


async def _redirect(fault: Fault, exchange: Exchange) -> ASGIApp:
    response = exchange.respond(b"", status=307, content_type="text/plain")
    response.headers["Location"] = fault.to
    return response


PLAYS: Mapping[str, Callable[[Fault, Exchange], Awaitable[ASGIApp]]] = {
    "stall": _stall,
    "stall-midway": _stall_midway,
    "slow": _slow,
    "drip": _drip,
    "reset": _reset,
    "cut": _cut,
    "cut-chunked": _cut_chunked,
    "odd": _odd,
    "empty": _empty,
    "html": _html,
    "html-502": _html_502,
    "json": _json,
    "wrong-content-type": _wrong_content_type,
    "not-json": _not_json,
    "other-shape": _other_shape,
    "redirect": _redirect,
}
