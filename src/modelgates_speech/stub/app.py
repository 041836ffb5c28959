"""The ASGI application: the OpenAPI document's operations, answered with speech or with a fault."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from modelgates_speech.stub.audio import ENCODINGS, MEDIA_TYPES
from modelgates_speech.stub.control import Stub
from modelgates_speech.stub.document import Document, Operation, RefusedError, load
from modelgates_speech.stub.exchange import Exchange
from modelgates_speech.stub.faults import describe, from_preference
from modelgates_speech.stub.misbehave import Later, play
from modelgates_speech.stub.records import RecordedRequest, redact
from modelgates_speech.stub.remote import SCOPE_HEADER
from modelgates_speech.stub.remote import routes as control_routes
from modelgates_speech.stub.requests import authorize, check_encoding, check_parameters, parse_body
from modelgates_speech.stub.seen import Seen
from modelgates_speech.stub.shapes import fields
from modelgates_speech.stub.speech import default_engine, synthesize
from modelgates_speech.stub.usage import usage

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterator, Mapping

    from anyio import CancelScope
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from modelgates_speech.stub.engine import Engine
    from modelgates_speech.stub.faults import Fault
    from modelgates_speech.stub.shapes import Json

# Several times what a million characters take; a runaway loop must not fill the machine.
LARGEST_BODY = 16 * 1024 * 1024
# Of PCM; what is encoded is paced a little fast by it.
BYTES_PER_SECOND = 48_000


def create_app(
    document: Document | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    stub: Stub | None = None,
    engine: Engine | None = None,
) -> Starlette:
    """Make the stub as an ASGI application, for use in process.

    Arguments:
        document: the OpenAPI document to follow: parsed, or a path of a JSON or YAML file; by
            default the one that this release was generated from.
        stub: the control: faults, requests, key. A new one by default; it is `app.state.stub`.
        engine: what speaks; by default espeak-ng, or tones where that is not installed.

    Returns:
        A Starlette application. Faults that end a connection need a real one: `StubServer`.

    Raises:
        ValueError: the OpenAPI document is not an OpenAPI document.
        OSError: the OpenAPI document cannot be read.
    """
    stub = stub or Stub()
    service = _Service(stub, load(document), engine or default_engine())
    paths: dict[str, dict[str, Operation]] = {}
    for operation in service.document.operations:
        paths.setdefault(operation.path, {})[operation.method] = operation
    app = Starlette(
        routes=[
            *(Route(path, _Path(service, operations)) for path, operations in paths.items()),
            Route("/", functools.partial(_root, service.document)),
            *control_routes(stub, service.document),
        ],
        exception_handlers={HTTPException: service.refuse_unrouted},
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origin_regex=_THIS_MACHINE,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["*"],
            )
        ],
    )
    app.router.redirect_slashes = False
    app.state.stub = stub
    return app


# A page on any port of this machine, or from a file.
_THIS_MACHINE = r"null|https?://([\w-]+\.)*localhost(:\d+)?|https?://127(\.\d+){3}(:\d+)?|https?://\[::1\](:\d+)?"


def introduce(document: Document, url: str, key: str = "KEY") -> str:
    """Say what the stub answers and how to ask.

    Arguments:
        document: what it follows.
        url: where it is, without a path.
        key: a key that is accepted.
    """
    operations = "\n".join(f"  {each.method} {each.path}" for each in document.operations)
    return (
        "This is the ModelGates stub: a local double of the API that speaks.\n\n"
        f"Operations:\n{operations}\n\n"
        f"{_how_to_ask(document, url, key)}"
        f"Models that misbehave:\n{describe()}\n\n"
        "Every other model speaks.\n"
    )


def _how_to_ask(document: Document, url: str, key: str) -> str:
    asked = [each for each in document.operations if document.fields_of(each)]
    if not asked:
        return ""
    return usage(url + asked[0].path, document.fields_of(asked[0]), key=key) + "\n\n"


async def _root(document: Document, request: Request) -> Response:
    return PlainTextResponse(introduce(document, str(request.base_url).rstrip("/")))


@dataclass(frozen=True)
class _Path:
    """The operations at one path, as an ASGI application that sees every method."""

    service: _Service
    operations: Mapping[str, Operation]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self.operations.get(request.method)
        began, sent = time.perf_counter(), _Sent(send)
        try:
            if operation is None:
                response = self._refuse_method(request)
            else:
                response = await self.service.answer(request, operation)
            await _while_somebody_listens(response, scope, receive, sent)
        except ClientDisconnect:
            pass
        finally:
            self.service.stub.on_answer(
                Seen(
                    method=request.method,
                    path=request.url.path,
                    status=sent.status,
                    characters=scope.get("modelgates.characters", 0),
                    seconds=sent.size / BYTES_PER_SECOND
                    if sent.status == 200 and scope.get("modelgates.pcm")
                    else None,
                    milliseconds=(time.perf_counter() - began) * 1000,
                )
            )

    def _refuse_method(self, request: Request) -> ASGIApp:
        allow = ", ".join(self.operations)
        message = f"{request.method} is not allowed here, only {allow}"
        refusal = RefusedError(405, message, headers={"Allow": allow})
        return self.service.refuse(request, refusal, next(iter(self.operations.values())))


@dataclass
class _Sent:
    """Sends, and counts what is sent."""

    send: Send
    status: int | None = None
    size: int = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.size += len(message.get("body", b""))
        await self.send(message)


@dataclass(frozen=True)
class _Service:
    """Answers requests: what it demands and what it answers is the OpenAPI document's."""

    stub: Stub
    document: Document
    engine: Engine

    async def answer(self, request: Request, operation: Operation) -> ASGIApp:
        """Answer a request for an operation of the OpenAPI document."""
        headers = dict(request.headers)
        body: Json = b""
        try:
            # Credentials first: whoever may not call need not learn what a call looks like.
            for name in operation.credentials:
                if len(request.headers.getlist(name)) > 1:
                    raise RefusedError(401, f"The header {name} comes more than once")
            authorize(operation, headers, api_key=self.stub.api_key, any_key=self.stub.any_key)
            body = await _read(request)
            request.scope["modelgates.received"] = len(body)
            check_encoding(headers.get("content-encoding"))
            body = parse_body(self.document, operation, headers.get("content-type"), body)
            check_parameters(self.document, operation, headers, request.url.query)
            fault = self._take_fault(request, body)
        except RefusedError as refusal:
            return self.refuse(request, refusal, operation, body)
        profile = self._stub(request).profile
        exchange = self._exchange(request, operation, body, profile.pace)
        response = await play(fault, exchange) if fault else exchange.answer()
        if profile.latency:
            response = Later(profile.latency, response)
        self._record(request, operation, body, exchange.headers, response, fault)
        return response

    def refuse(
        self,
        request: Request,
        refusal: RefusedError,
        operation: Operation | None = None,
        body: object = b"",
    ) -> Response:
        """Answer a request that the OpenAPI document does not allow."""
        headers = {**self._headers(), **refusal.headers}
        kind, content = self.document.error(
            operation, refusal.status, message=refusal.message, metadata=refusal.metadata
        )
        response = Response(content, refusal.status, headers, media_type=kind)
        self._record(request, operation, body, headers, response, None)
        return response

    async def refuse_unrouted(self, request: Request, error: Exception) -> Response:
        """Answer a request for a path that the OpenAPI document does not have."""
        assert isinstance(error, HTTPException)
        if request.url.path.startswith("/_stub/"):
            message = f"the control has no {request.method} {request.url.path}"
            refusal = {"error": {"message": message}}
            return JSONResponse(refusal, error.status_code, error.headers)
        known = ", ".join(dict.fromkeys(each.path for each in self.document.operations))
        message = f"There is no {request.method} {request.url.path}; the paths are {known}"
        return self.refuse(request, RefusedError(error.status_code, message, headers=error.headers))

    def _stub(self, request: Request) -> Stub:
        scope = request.headers.get(SCOPE_HEADER)
        return self.stub.scope(scope) if scope else self.stub

    def _take_fault(self, request: Request, body: Json) -> Fault | None:
        stub = self._stub(request)
        try:
            preferred = from_preference(request.headers.getlist("prefer"))
        except ValueError as error:
            raise RefusedError(400, f"Prefer: {error}") from error
        if preferred:
            return preferred
        asked = fields(body)
        request.scope["modelgates.characters"] = len(str(asked.get("input", "")))
        try:
            met = stub.take_fault(asked.get("model"))
        except ValueError as error:
            raise RefusedError(404, str(error)) from error
        return met or stub.course.meet(request.scope["modelgates.characters"])

    def _exchange(
        self, request: Request, operation: Operation, body: Json, pace: float
    ) -> Exchange:
        asked = self.document.with_defaults(operation, body)
        status, content = operation.success
        media_type = _media_type(content, asked.get("response_format"))
        if media_type and "json" in media_type:
            example = self.document.example(content[media_type], {})
            chunks = iter([json.dumps(example).encode()])
        else:
            chunks = _speak(asked, self.engine)
            wanted = str(asked.get("response_format"))
            request.scope["modelgates.pcm"] = wanted not in ENCODINGS or wanted == "pcm"
        return Exchange(
            status=status,
            content_type=media_type,
            content=_in_thread(chunks, pace if media_type and "json" not in media_type else 0),
            headers=self._headers(),
            error=functools.partial(self.document.error, operation),
            hang_up=functools.partial(self.stub.hang_up, request.scope),
        )

    def _headers(self) -> Mapping[str, str]:
        return {"X-Request-Id": self.stub.next_request_id(), "X-Stub-Engine": self.engine.name}

    def _record(
        self,
        request: Request,
        operation: Operation | None,
        body: object,
        headers: Mapping[str, str],
        response: ASGIApp,
        fault: Fault | None,
    ) -> None:
        secret = {"authorization", *(operation.credentials if operation else ())}
        self._stub(request).record(
            RecordedRequest(
                method=request.method,
                path=request.url.path,
                query=request.url.query,
                headers=redact(request.headers.items(), frozenset(secret)),
                body=body,
                status=response.status_code if isinstance(response, Response) else None,
                fault=str(fault) if fault else None,
                request_id=headers["X-Request-Id"],
                size=request.scope.get("modelgates.received", 0),
            )
        )


async def _while_somebody_listens(
    response: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer until the answer ends or its client is gone, whichever is first."""

    async def watch(answering: CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        answering.cancel()

    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, tasks.cancel_scope)
        try:
            await response(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - raised below, outside of the group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _read(request: Request) -> bytes:
    received = bytearray()
    too_large = False
    async for chunk in request.stream():
        # A body too large is still read to its end, as a client that is writing does not listen.
        too_large = too_large or len(received) + len(chunk) > LARGEST_BODY
        if not too_large:
            received += chunk
    if too_large:
        raise RefusedError(400, f"The body is larger than {LARGEST_BODY} bytes")
    return bytes(received)


def _media_type(content: Mapping[str, Any], response_format: object) -> str | None:
    """Choose the documented media type that fits the format best, or the first."""
    ours = MEDIA_TYPES.get(str(response_format), MEDIA_TYPES["pcm"])
    for media_type in ours:
        if media_type in content:
            return media_type
    if {"audio/*", "*/*"} & content.keys():
        return ours[0]
    audible = (kind for kind in content if "json" not in kind and not kind.startswith("text/"))
    return next(audible, next(iter(content), None))


def _speak(asked: Mapping[str, Any], engine: Engine) -> Iterator[bytes]:
    speed = asked.get("speed")
    speech = synthesize(
        str(asked.get("input", "")),
        voice=str(asked.get("voice", "")),
        # Another edition of the OpenAPI document may say it in words.
        speed=speed if isinstance(speed, int | float) else 1,
        engine=engine,
    )
    # A format that the OpenAPI document has and the stub has not comes as PCM: accepting what the
    # document allows is worth more to a test than its encoding.
    encode = ENCODINGS.get(str(asked.get("response_format")), ENCODINGS["pcm"])
    return encode(speech)


async def _in_thread(chunks: Iterator[bytes], pace: float) -> AsyncIterator[bytes]:
    """Take what is synthesized, sent no faster than `pace` times as fast as it is heard."""

    def take() -> bytes | None:
        return next(chunks, None)

    # Nothing waits for the rest of a sentence that nobody will hear.
    while (chunk := await anyio.to_thread.run_sync(take, abandon_on_cancel=True)) is not None:
        yield chunk
        if pace:
            await anyio.sleep(len(chunk) / BYTES_PER_SECOND / pace)
