"""Control of the stub over HTTP, in the words of `Stub`; described by `/_stub/openapi.json`."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import importlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from modelgates_speech.stub.control import KEPT_REQUESTS, Stub
from modelgates_speech.stub.document import Document, RefusedError
from modelgates_speech.stub.profile import Profile
from modelgates_speech.stub.requests import parse_json
from modelgates_speech.stub.shapes import fields

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from modelgates_speech.stub.records import RecordedRequest

SCOPE_HEADER = "X-Stub-Scope"
LARGEST = 1024 * 1024


def routes(stub: Stub, document: Document) -> list[Route]:
    """Give the routes of the control."""

    def controlled(handle: Callable[[Stub, Request], Awaitable[Response]]) -> Any:
        async def endpoint(request: Request) -> Response:
            scope = request.headers.get(SCOPE_HEADER)
            try:
                return await handle(stub.scope(scope) if scope else stub, request)
            except (RefusedError, TypeError, ValueError) as error:
                return JSONResponse({"error": {"message": str(error)}}, 400)

        return endpoint

    async def followed(_: Request) -> Response:
        return JSONResponse(document.contents)

    async def followed_as_yaml(_: Request) -> Response:
        yaml: Any = importlib.import_module("yaml")  # only here: JSON takes no YAML
        text = yaml.safe_dump(document.contents, sort_keys=False, allow_unicode=True)
        return Response(text, media_type="application/yaml")

    async def described(_: Request) -> Response:
        return FileResponse(Path(__file__).with_name("control.json"))

    return [
        Route("/openapi.json", followed),
        Route("/openapi.yaml", followed_as_yaml),
        Route("/_stub/openapi.json", described),
        Route("/_stub/health", controlled(_health)),
        Route("/_stub/requests", controlled(_requests)),
        Route("/_stub/faults", controlled(_pending)),
        Route("/_stub/faults", controlled(_inject), methods=["POST"]),
        Route("/_stub/profile", controlled(_profile)),
        Route("/_stub/profile", controlled(_set_profile), methods=["PUT"]),
        Route("/_stub/reset", controlled(_reset), methods=["POST"]),
    ]


async def _health(_: Stub, __: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _requests(stub: Stub, request: Request) -> Response:
    last = request.query_params.get("last", str(KEPT_REQUESTS))
    if not re.fullmatch("[0-9]+", last) or not int(last):
        raise ValueError(f"last is a whole number, 1 or more, not {last!r}")
    wanted = stub.requests[-int(last) :]
    return JSONResponse({"requests": [as_json(request) for request in wanted]})


async def _pending(stub: Stub, _: Request, status: int = 200) -> Response:
    return JSONResponse({"faults": [str(fault) for fault in stub.pending_faults]}, status)


async def _inject(stub: Stub, request: Request) -> Response:
    asked = await _object(request)
    if "fault" not in asked:
        raise ValueError("fault is missing: a status such as 429, or a name such as cut")
    name, times = asked.pop("fault"), asked.pop("times", 1)
    if isinstance(name, bool) or not isinstance(name, int | str):
        raise ValueError(f"fault is a status or a name, not {json.dumps(name)}")
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 1000:
        raise ValueError(f"times is a whole number from 1 to 1000, not {json.dumps(times)}")
    stub.fail_next(name, times=times, **asked)
    return await _pending(stub, request, 201)


async def _profile(stub: Stub, _: Request) -> Response:
    return JSONResponse(dataclasses.asdict(stub.profile))


async def _set_profile(stub: Stub, request: Request) -> Response:
    asked, known = await _object(request), Profile.__dataclass_fields__
    if stray := sorted(asked.keys() - known):
        raise ValueError(f"a profile has no {', '.join(stray)}; there are {', '.join(known)}")
    stub.profile = Profile(**asked)
    return await _profile(stub, request)


async def everything_read() -> None:
    """Wait until all requests are recorded that arrived by now, of clients that are gone too."""
    # A connection is accepted, read, parsed and handed on in a turn each, and some are to spare.
    for _ in range(50):
        await asyncio.sleep(0)


async def _reset(stub: Stub, _: Request) -> Response:
    await everything_read()
    stub.reset()
    return Response(status_code=204)


async def _object(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if len(raw) > LARGEST:
        raise ValueError(f"the body is larger than {LARGEST} bytes")
    found = parse_json(raw)
    if not isinstance(found, dict):
        raise ValueError("the body is not a JSON object")
    return dict(fields(found))


def as_json(request: RecordedRequest) -> dict[str, Any]:
    """Give a recorded request as JSON; a body that is neither JSON nor text in base64."""
    found = {**vars(request), "headers": dict(request.headers)}
    if isinstance(request.body, bytes):
        try:
            found["body"] = request.body.decode("utf-8")
        except UnicodeDecodeError:
            found["body"] = {"base64": base64.b64encode(request.body).decode()}
    return found
