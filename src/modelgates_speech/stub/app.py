"""The ASGI application: the OpenAPI document's operations, answered with speech or with a fault."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import anyio
import attrs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from modelgates_speech.stub.answers import in_thread, media_type, speak
from modelgates_speech.stub.audio import BYTES_PER_SECOND, ENCODINGS
from modelgates_speech.stub.control import Stub
from modelgates_speech.stub.document import Document, Operation, RefusedError, load
from modelgates_speech.stub.faults import Fault, from_preference
from modelgates_speech.stub.misbehave import Exchange, later, play
from modelgates_speech.stub.records import RecordedRequest, redact
from modelgates_speech.stub.remote import SCOPE_HEADER, routes
from modelgates_speech.stub.requests import authorize, parse_json, validate
from modelgates_speech.stub.schemas import Json, fields
from modelgates_speech.stub.speech import default_engine
from modelgates_speech.stub.tape import Call, Recording, Replay
from modelgates_speech.stub.usage import describe, usage

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from anyio import CancelScope
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from modelgates_speech.stub.engine import Engine

# Several times what a million characters take; a runaway loop must not fill the machine.
LARGEST_BODY = 16 * 1024 * 1024


def create_app(
    document: Document | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    stub: Stub | None = None,
    engine: Engine | None = None,
    audio: str | os.PathLike[str] | None = None,
    tape: Recording | Replay | None = None,
) -> Starlette:
    """Make the stub as an ASGI application, for use in process.

    Args:
        document: The OpenAPI document to follow: parsed, or a path of a JSON or YAML file; by
            default the one that this release was generated from.
        stub: The control: faults, requests, key. A new one by default; it is `app.state.stub`.
        engine: What speaks; by default espeak-ng, or tones where that is not installed.
        audio: A folder of audio to answer with: `acme/voice-1.wav` or `.mp3` for that model.
        tape: What answers in place of the stub's own speech: a `Recording` or a `Replay`.

    Returns:
        A Starlette application. Faults that end a connection need a real one: `StubServer`.

    Raises:
        ValueError: The OpenAPI document is not an OpenAPI document.
        OSError: The OpenAPI document cannot be read, or `audio` is not a folder.

    Examples:
        >>> async def speak(app):
        ...     transport = httpx.ASGITransport(app)
        ...     async with AsyncModelGates(base_url="https://stub/api/v1", transport=transport,
        ...                                api_key="stub-key") as client:
        ...         return await client.audio.speech.create(model="m/n", voice="a", input="Hi")
        >>> asyncio.run(speak(create_app())).format
        'pcm'
    """
    stub = stub or Stub()
    folder = None if audio is None else Path(audio)
    if folder and not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder} to answer from")
    service = _Service(stub, load(document), engine or default_engine(), folder, tape)
    paths: dict[str, dict[str, Operation]] = {}
    for operation in service.document.operations:
        paths.setdefault(operation.path, {})[operation.method] = operation
    app = Starlette(
        routes=[
            *(Route(path, _Path(service, paths[path])) for path in sorted(paths, key=_narrowness)),
            Route("/", functools.partial(_root, service.document)),
            *routes(stub, service.document),
            Route("/{elsewhere:path}", _Path(service, {})),
        ],
        middleware=[
            Middleware(_Target),
            Middleware(
                CORSMiddleware,
                allow_origin_regex=_THIS_MACHINE,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["*"],
                allow_private_network=True,
            ),
        ],
    )
    app.router.redirect_slashes = False
    app.state.stub = stub
    return app


def _narrowness(path: str) -> str:
    """What sorts paths so that the one with a name in it comes before the one with any."""
    return re.sub(r"\{[^}]*\}", "\U0010ffff", path) + "\U0010ffff"


# A page on any port of this machine, or from a file.
_THIS_MACHINE = r"null|https?://([\w-]+\.)*localhost(:\d+)?|https?://127(\.\d+){3}(:\d+)?|https?://\[::1\](:\d+)?"


async def _root(document: Document, request: Request) -> Response:
    # Either answer depends on what the client would rather read.
    varies = {"Vary": "Accept"}
    if "text/html" in request.headers.get("accept", "").lower():
        return FileResponse(Path(__file__).with_name("page.html"), headers=varies)
    url = str(request.base_url).rstrip("/")
    known = [(each, document.fields_of(each)) for each in document.operations]
    parts = [
        "This is the ModelGates stub: a local double of the API that speaks.",
        "\n  ".join(["Operations:", *(f"{each.method} {each.path}" for each, _ in known)]),
        *[usage(url + each.path, *asked) for each, asked in known if asked[0]][:1],
        f"Models that misbehave:\n{describe()}",
        "Every other model speaks.\n",
    ]
    return PlainTextResponse("\n\n".join(parts), headers=varies)


@attrs.frozen
class _Target:
    """Takes a target as clients of a proxy send it, `POST http://host/path`, and `%2F` in names."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope.get("path", "/").startswith("/"):
            scope["path"] = "/" + scope["path"].partition("://")[2].partition("/")[2]
        elif b"%2F" in (raw := scope.get("raw_path") or b"").upper():
            scope["path"] = unquote(re.sub(rb"%2[Ff]", b"%252F", raw))
        await self.app(scope, receive, send)


@attrs.frozen
class _Path:
    """The operations at one path, or none, as an ASGI application that sees every method."""

    service: _Service
    operations: Mapping[str, Operation]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self.operations.get(request.method)
        began = time.perf_counter()
        sent: dict[str, int] = {}

        async def counted(message: Message) -> None:
            if "status" in message:
                sent["status"] = message["status"]
            sent["size"] = sent.get("size", 0) + len(message.get("body", b""))
            await send(message)

        try:
            if operation is None:
                first = next(iter(self.operations.values()), None)
                refusal = self.service.no_such(request, self.operations)
                response: ASGIApp = self.service.refuse(request, refusal, first)
            else:
                response = await self.service.answer(request, operation)
            await _while_somebody_listens(response, scope, receive, counted)
        except ClientDisconnect:
            pass
        finally:
            heard = sent.get("status") == 200 and scope.get("modelgates.pcm")
            seen = {
                "method": request.method,
                "path": quote(request.url.path, safe="/%"),
                "status": sent.get("status"),
                "characters": scope.get("modelgates.characters", 0),
                "seconds": sent["size"] / BYTES_PER_SECOND if heard else None,
                "milliseconds": (time.perf_counter() - began) * 1000,
            }
            self.service.stub.on_answer(seen)


@attrs.frozen
class _Service:
    """Answers requests: what it demands and what it answers is the OpenAPI document's."""

    stub: Stub
    document: Document
    engine: Engine
    audio: Path | None
    tape: Recording | Replay | None

    async def answer(self, request: Request, operation: Operation) -> ASGIApp:
        """Answer a request for an operation of the OpenAPI document."""
        headers = dict(request.headers)
        body: Json = b""
        try:
            # Credentials first: whoever may not call need not learn what a call looks like.
            for name in operation.credentials:
                if len(request.headers.getlist(name)) > 1:
                    raise RefusedError(401, f"The header {name} comes more than once")
            if not isinstance(self.tape, Recording):  # there the API judges
                authorize(operation, headers, api_key=self.stub.api_key, any_key=self.stub.any_key)
            body = raw = await _read(request)
            request.scope["modelgates.received"] = len(raw)
            if self.tape is None:
                body = validate(self.document, operation, headers, request.url.query, raw)
            else:
                with contextlib.suppress(RefusedError):
                    body = parse_json(raw)
            fault = self._take_fault(request, body)
            if self.tape and not fault:
                path = request.url.path.removeprefix(self.document.prefix)
                keys = [headers.get(name, "").rpartition(" ")[2] for name in operation.credentials]
                call = Call(request, path, raw, body, keys)
                response: ASGIApp = await self.tape.answer(call)
                answered: Mapping[str, str] = self._headers()
            else:
                exchange = self._exchange(request, operation, body)
                response = play(fault, exchange) if fault else exchange.answer()
                answered = exchange.headers
        except RefusedError as refusal:
            return self.refuse(request, refusal, operation, body)
        if latency := self._stub(request).profile.latency:
            response = later(latency, response)
        self._record(request, operation, body, answered, response, fault)
        return response

    def refuse(
        self,
        request: Request,
        refusal: RefusedError,
        operation: Operation | None = None,
        body: object = b"",
    ) -> Response:
        """Answer a request that the OpenAPI document does not allow."""
        headers = {**self._headers(operation, refusal.status), **refusal.headers}
        kind, content = self.document.error(
            operation, refusal.status, message=refusal.message, metadata=refusal.metadata
        )
        response = Response(content, refusal.status, headers, media_type=kind)
        self._record(request, operation, body, headers, response, None)
        return response

    def no_such(self, request: Request, allowed: Mapping[str, Operation]) -> RefusedError:
        """Say that the OpenAPI document has no such method of a path, or no such path."""
        if allow := ", ".join(allowed):
            message = f"{request.method} is not allowed here, only {allow}"
            return RefusedError(405, message, headers={"Allow": allow})
        known = ", ".join(dict.fromkeys(each.path for each in self.document.operations))
        message = f"There is no {request.method} {request.url.path}; the paths are {known}"
        return RefusedError(404, message)

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

    def _exchange(self, request: Request, operation: Operation, body: Json) -> Exchange:
        asked = {**operation.defaults, **fields(body)}
        status, content = operation.success
        kind = media_type(content, asked.get("response_format"))
        if kind and "json" in kind:
            example = self.document.example(content[kind], {})
            chunks, pace = iter([json.dumps(example).encode()]), 0.0
        else:
            chunks = speak(asked, self.engine, self.audio)
            pace = self._stub(request).profile.pace
            wanted = str(asked.get("response_format"))
            request.scope["modelgates.pcm"] = wanted not in ENCODINGS or wanted == "pcm"
        return Exchange(
            status=status,
            content_type=kind,
            content=in_thread(chunks, pace),
            headers=self._headers(operation, status),
            error=functools.partial(self.document.error, operation),
            hang_up=functools.partial(self.stub.hang_up, request.scope),
        )

    def _headers(self, operation: Operation | None = None, status: int = 0) -> Mapping[str, str]:
        ours = {"X-Request-Id": self.stub.next_request_id(), "X-Stub-Engine": self.engine.name}
        return self.document.headers(operation, status) | ours

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
            # With this version Starlette leaves it to the server, here to us, to listen as well.
            asgi = {**scope.get("asgi", {}), "spec_version": "2.4"}
            await response({**scope, "asgi": asgi}, receive, send)
        except Exception as error:  # noqa: BLE001 - raised below, outside of the group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _read(request: Request) -> bytes:
    received, size = bytearray(), 0
    async for chunk in request.stream():
        # A body too large is still read to its end, as a client that is writing does not listen.
        size += len(chunk)
        received += chunk if size <= LARGEST_BODY else b""
    if size > LARGEST_BODY:
        raise RefusedError(400, f"The body is larger than {LARGEST_BODY} bytes")
    return bytes(received)
