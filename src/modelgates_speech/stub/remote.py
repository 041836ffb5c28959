"""Control of the stub over HTTP, in the words of `Stub`; described by `/_stub/openapi.json`."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import re
from typing import TYPE_CHECKING, Any

import attrs
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, request_response

from modelgates_speech.stub.control import KEPT_REQUESTS, Stub
from modelgates_speech.stub.document import Document, RefusedError
from modelgates_speech.stub.profile import Profile
from modelgates_speech.stub.requests import parse_json
from modelgates_speech.stub.schemas import fields
from modelgates_speech.stub.usage import CONTROL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from modelgates_speech.stub.records import RecordedRequest

SCOPE_HEADER = "X-Stub-Scope"
LARGEST = 1024 * 1024


def routes(stub: Stub, document: Document) -> list[BaseRoute]:
    """Give the routes of the control."""

    async def controlled(request: Request) -> Response:
        path = request.url.path.removeprefix(request.scope["root_path"] + "/")
        scope = request.headers.get(SCOPE_HEADER)
        handlers = _HANDLERS.get(path, {})
        handle = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handle is None:
            allow = {"Allow": ", ".join(handlers)} if handlers else None
            message = f"the control has no {request.method} /_stub/{path}"
            return JSONResponse({"error": {"message": message}}, 405 if allow else 404, allow)
        try:
            return await handle(stub.scope(scope) if scope else stub, request)
        except (RefusedError, ValueError) as error:
            return JSONResponse({"error": {"message": str(error)}}, 400)

    async def followed(_: Request) -> Response:
        return JSONResponse(document.contents)

    async def followed_as_yaml(_: Request) -> Response:
        yaml: Any = importlib.import_module("yaml")  # only here: JSON takes no YAML
        text = yaml.safe_dump(document.contents, sort_keys=False, allow_unicode=True)
        return Response(text, media_type="application/yaml")

    return [
        Route("/openapi.json", followed),
        Route("/openapi.yaml", followed_as_yaml),
        Mount("/_stub", request_response(controlled)),
    ]


async def _described(_: Stub, __: Request) -> Response:
    return JSONResponse(CONTROL)


async def _health(_: Stub, __: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _requests(stub: Stub, request: Request) -> Response:
    last = request.query_params.get("last", str(KEPT_REQUESTS))
    if not re.fullmatch("0*[1-9][0-9]*", last):
        raise ValueError(f"last is a whole number, 1 or more, not {last!r}")
    wanted = stub.requests[-int(last.lstrip("0")[:9]) :]  # Python reads no number of any length
    return JSONResponse({"requests": [as_json(request) for request in wanted]})


async def _pending(stub: Stub, _: Request, status: int = 200) -> Response:
    return JSONResponse({"faults": [str(fault) for fault in stub.pending_faults]}, status)


async def _inject(stub: Stub, request: Request) -> Response:
    asked = await _object(request)
    if "fault" not in asked:
        raise ValueError("fault is missing: a status such as 429, or a name such as cut")
    stub.fail_next(asked.pop("fault"), **asked)
    return await _pending(stub, request, 201)


async def _profile(stub: Stub, _: Request) -> Response:
    return JSONResponse(attrs.asdict(stub.profile))


async def _set_profile(stub: Stub, request: Request) -> Response:
    asked, known = await _object(request), attrs.fields_dict(Profile)
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


_HANDLERS: Mapping[str, Mapping[str, Callable[[Stub, Request], Awaitable[Response]]]] = {
    "openapi.json": {"GET": _described},
    "health": {"GET": _health},
    "requests": {"GET": _requests},
    "faults": {"GET": _pending, "POST": _inject},
    "profile": {"GET": _profile, "PUT": _set_profile},
    "reset": {"POST": _reset},
}


def as_json(request: RecordedRequest) -> dict[str, Any]:
    """Give a recorded request as JSON; a body that is neither JSON nor text in base64."""
    found = attrs.asdict(request, recurse=False) | {"headers": dict(request.headers)}
    if isinstance(request.body, bytes):
        try:
            found["body"] = request.body.decode("utf-8")
        except UnicodeDecodeError:
            found["body"] = {"base64": base64.b64encode(request.body).decode()}
    else:
        # A number may be larger than a machine holds; then its name has to do.
        found["body"] = json.loads(json.dumps(request.body), parse_constant=str)
    return found
