"""Control of the stub over HTTP, in the words of `Stub`; described by `/_stub/openapi.json`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import attrs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from modelgates_speech._binding import ARGUMENTS
from modelgates_speech.stub.control import Profile, Stub
from modelgates_speech.stub.document import RefusedError
from modelgates_speech.stub.faults import FaultOptions
from modelgates_speech.stub.records import KEPT_REQUESTS
from modelgates_speech.stub.requests import parse_json, read
from modelgates_speech.stub.schemas import fields
from modelgates_speech.stub.usage import CONTROL

if TYPE_CHECKING:
    from starlette.requests import Request

    from modelgates_speech.stub.records import RecordedRequest


def control(stub: Stub) -> Starlette:
    """Give the control as an application, to be mounted."""
    # What is sent, as the client calls it: for samples of code.
    told = {**CONTROL, "x-arguments": {each.name: name for name, each in ARGUMENTS.items()}}
    app = Starlette(
        routes=[
            Route("/openapi.json", JSONResponse(told), methods=["GET"]),
            Route("/health", JSONResponse({"status": "ok"}), methods=["GET"]),
            Route("/requests", _requests),
            Route("/faults", _faults, methods=["GET", "POST"]),
            Route("/profile", _profile, methods=["GET", "PUT"]),
            Route("/reset", _reset, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((HTTPException, RefusedError, ValueError), _refuse),
    )
    app.router.redirect_slashes = False
    app.state.stub = stub
    return app


def addressed(request: Request) -> Stub:
    """Give the stub that a request speaks to, or the scope of it."""
    stub: Stub = request.app.state.stub
    scope = request.headers.get("X-Stub-Scope")
    return stub.scope(scope) if scope else stub


async def _refuse(request: Request, error: Exception) -> Response:
    status, headers, message = 400, None, str(error)
    if isinstance(error, HTTPException):
        status, headers = error.status_code, error.headers
        message = f"{request.method} {request.url.path}: {error.detail}"
        if status == 404:
            message += f"; there are {', '.join(CONTROL['paths'])}"
    return JSONResponse({"error": {"message": message}}, status, headers)


def _requests(request: Request) -> Response:  # in a thread: what was received may be much
    last = request.query_params.get("last", str(KEPT_REQUESTS))
    if not re.fullmatch("0*[1-9][0-9]*", last):
        raise ValueError(f"last is a whole number, 1 or more, not {last!r}")
    # Python reads no number of any length.
    wanted = addressed(request).requests[-int(last.lstrip("0")[:9]) :]
    return JSONResponse({"requests": [as_json(each) for each in wanted]})


async def _faults(request: Request) -> Response:
    stub = addressed(request)
    if request.method == "POST":
        asked = await _object(request, ("fault", "times", *FaultOptions.__annotations__))
        if "fault" not in asked:
            raise ValueError("fault is missing: a status such as 429, or a name such as cut")
        stub.fail_next(asked.pop("fault"), **asked)
    faults = [str(fault) for fault in stub.pending_faults]
    return JSONResponse({"faults": faults}, 201 if request.method == "POST" else 200)


async def _profile(request: Request) -> Response:
    stub = addressed(request)
    if request.method == "PUT":
        stub.profile = Profile(**await _object(request, [*attrs.fields_dict(Profile)]))
    return JSONResponse(attrs.asdict(stub.profile))


async def everything_read() -> None:
    """Wait until all requests are recorded that arrived by now, of clients that are gone too."""
    # A connection is accepted, read, parsed and handed on in a turn each, and some are to spare.
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


async def _reset(request: Request) -> Response:
    await everything_read()
    addressed(request).reset()
    return Response(status_code=204)


async def _object(request: Request, known: Collection[str]) -> dict[str, Any]:
    found = parse_json(await read(request))
    if not isinstance(found, dict):
        raise ValueError("the body is not a JSON object")
    for name in (name for name in fields(found) if name not in known):
        what = request.url.path.rpartition("/")[2]
        raise ValueError(f"{what}: {name!r} is not an option; there are {', '.join(known)}")
    return dict(fields(found))


def as_json(request: RecordedRequest) -> dict[str, Any]:
    """Give a recorded request as JSON; a body that is neither JSON nor text in base64."""
    raw, body = request.raw, request.body
    if body is raw:
        try:
            body = raw.decode("utf-8")
        except UnicodeDecodeError:
            body = {"base64": base64.b64encode(raw).decode()}
    else:
        # A number may be larger than a machine holds; then its name has to do.
        body = json.loads(json.dumps(body), parse_constant=str)
    known = attrs.asdict(request, recurse=False).items()
    # The order stays, for shells that read it with a pattern.
    found = {"body" if name == "raw" else name: value for name, value in known}
    return found | {"headers": dict(request.headers), "body": body, "size": len(raw)}
