"""The ASGI application: the OpenAPI document's operations, answered with speech or with a fault."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import anyio
import attrs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from modelgates_speech.stub.audio import BYTES_PER_SECOND, ENCODINGS
from modelgates_speech.stub.control import Stub
from modelgates_speech.stub.document import Document, Operation, RefusedError, is_written, load
from modelgates_speech.stub.engine import Engine, default_engine
from modelgates_speech.stub.faults import Fault, from_preference
from modelgates_speech.stub.misbehave import Exchange, no_connection, play, silence
from modelgates_speech.stub.records import RecordedRequest, redact, redact_query
from modelgates_speech.stub.remote import addressed, control
from modelgates_speech.stub.requests import authorize, parse_json, read, validate
from modelgates_speech.stub.schemas import Json, fields
from modelgates_speech.stub.speech import in_thread, media_type, speak, spoken, usual_format
from modelgates_speech.stub.tape import Call, Recording, Replay
from modelgates_speech.stub.usage import describe, usage

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger("modelgates_speech.stub")
# What a request for speech may say. Others are answered as is documented first.
_OF_SPEECH = {"input", "voice", "response_format"}
_PAGE = Path(__file__).with_name("page.html").read_text("utf-8")


def create_app(
    document: Mapping[str, Any] | str | os.PathLike[str] | None = None,
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
        ValueError: `document` is not an OpenAPI document.
        OSError: The OpenAPI document cannot be read, or `audio` is not a folder.

    Examples:
        >>> async def speak(app):
        ...     transport = httpx.ASGITransport(app)
        ...     async with AsyncModelGates(transport=transport, api_key="stub-key") as client:
        ...         return await client.audio.speech.create(model="m/n", voice="a", input="Hi")
        >>> asyncio.run(speak(create_app())).format
        'pcm'
    """
    stub = stub or Stub()
    folder = None if audio is None else Path(audio)
    if folder and not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder} to answer from")
    answering = _Double(stub, load(document), engine or default_engine(), folder, tape)
    ours = {"/": _root, "/openapi.json": _followed, "/openapi.yaml": _followed}
    app = Starlette(
        routes=[
            *(Route(at, ours[at]) for at in ours if "GET" not in answering.document.at(at)),
            Route("/_stub", control(stub)),
            Mount("/_stub", control(stub)),
            Route("/{path:path}", answering),
        ],
        middleware=[
            Middleware(_Target),
            Middleware(
                CORSMiddleware,
                allow_origin_regex=_THIS_MACHINE,
                allow_methods=["*"],
                allow_headers=["*"],
                allow_credentials=True,
                # A page that sends credentials takes no `*`.
                expose_headers=["*", "Retry-After", "X-Request-Id", "X-Stub-Engine"],
                allow_private_network=True,
            ),
        ],
    )
    app.router.redirect_slashes = False
    app.state.stub, app.state.document = stub, answering.document
    app.state.engine = answering.engine
    return app


_NO_PROXY = PlainTextResponse("The target is neither a path nor a URL: this is no proxy.\n", 400)
# A page on any port of this machine, or from a file.
_THIS_MACHINE = r"null|https?://([\w-]+\.)*localhost(:\d+)?|https?://127(\.\d+){3}(:\d+)?|https?://\[::1\](:\d+)?"


async def _root(request: Request) -> Response:
    # Either answer depends on what the client would rather read.
    varies = {"Vary": "Accept"}
    if "text/html" in request.headers.get("accept", "").lower():
        return HTMLResponse(_PAGE, headers=varies)
    url = str(request.url.replace(query="")).rstrip("/")
    operations: Sequence[Operation] = request.app.state.document.operations
    described = [each for each in operations if each.fields][:1]
    parts = [
        "This is the ModelGates stub: a local double of the API that speaks.",
        "\n  ".join(["Operations:", *(f"{each.method} {each.path}" for each in operations)]),
        *(usage(url + each.path, each.fields, each.required) for each in described),
        f"Models that misbehave:\n{describe()}",
        "Every other model speaks.\n",
    ]
    return PlainTextResponse("\n\n".join(parts), headers=varies)


async def _followed(request: Request) -> Response:
    contents = request.app.state.document.contents
    if request.url.path.endswith(".json"):
        return JSONResponse(contents)
    yaml: Any = importlib.import_module("yaml")  # only here: JSON takes no YAML
    text = yaml.safe_dump(contents, sort_keys=False, allow_unicode=True)
    return Response(text, media_type="application/yaml")


@attrs.frozen
class _Target:
    """Takes a target as clients of a proxy send it, `POST http://host/path`, and `%2F` in names."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, target = self.app, scope.get("path", "/")
        if not target.startswith("/"):
            app = app if "://" in target or not target else _NO_PROXY
            scope["path"] = "/" + target.partition("://")[2].partition("/")[2]
        elif b"%2F" in (raw := scope.get("raw_path") or b"").upper():
            scope["path"] = unquote(re.sub(rb"%2[Ff]", b"%252F", raw))
        await app(scope, receive, send)


@attrs.frozen
class _Double:
    """What answers as the API does, as an ASGI application that sees every path and method."""

    stub: Stub
    document: Document
    engine: Engine
    audio: Path | None
    tape: Recording | Replay | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = _Answering(self, Request(scope, receive))
        began, size = time.perf_counter(), 0
        held: list[Message] = []

        async def counted(message: Message) -> None:
            nonlocal size
            if message["type"] == "http.response.start" and not (answering.fault or self.tape):
                held[:] = [message]  # until there is what it announces
                return
            for each in (*held, message):
                if "status" in each:
                    answering.begin(each["status"])
                size += len(each.get("body", b""))
                await send(each)
            held.clear()

        async def left() -> Message:
            # Who has no more to send has most likely left; an answer may never come.
            while (message := await receive())["type"] != "http.disconnect":
                answering.hang_up(reset=False)
            return message

        try:
            response = await answering.answer()
            if answering.delay:
                with anyio.move_on_after(answering.delay):
                    await silence(scope, left, send)
                    return
            # At this version Starlette listens itself for the end of the connection.
            asgi = {**scope.get("asgi", {}), "spec_version": "2.3"}
            # The stub's own speech ends in any case: it notices as it writes who has left.
            listen = left if answering.fault or self.tape else receive
            await response({**scope, "asgi": asgi}, listen, counted)
        except ClientDisconnect:
            pass
        except RefusedError as failure:
            _logger.error("%s", failure)
            if answering.status is None:
                await answering.refuse(failure)(scope, receive, counted)
            else:
                answering.hang_up(reset=False)
                await silence(scope, receive, send)
        finally:
            heard = answering.status == 200 and answering.speaks_pcm
            seen = {
                "method": scope["method"],
                "path": quote(scope["path"], safe="/%"),
                "status": answering.status,
                "characters": answering.characters,
                "seconds": size / BYTES_PER_SECOND if heard else None,
                "milliseconds": (time.perf_counter() - began) * 1000,
            }
            self.stub.on_answer(seen)


class _Answering:
    """One request, and what is known of it on the way to its answer."""

    def __init__(self, double: _Double, request: Request) -> None:
        self._double = double
        self._request = request
        self._root: str = request.scope.get("root_path", "")  # where another one mounts it
        self._id = next(double.stub.ids)
        self._here = double.document.at(request.scope["path"].removeprefix(self._root))
        # What another one says of errors has to do where there is none.
        others = (*self._here.values(), *double.document.operations, Operation())
        self._operation = self._here.get(request.method, others[0])
        self._raw = b""
        self._body: Json = None
        self.fault: Fault | None = None
        self.status: int | None = None
        self.hang_up: Callable[..., None] = getattr(request.state, "hang_up", no_connection)
        self.speaks_pcm = False
        self.delay = 0.0

    @property
    def characters(self) -> int:
        """How long the text is."""
        return len(spoken(fields(self._body), self._operation))

    async def answer(self) -> ASGIApp:
        """Answer as the OpenAPI document or a fault wants it, and record the request."""
        request, operation = self._request, self._operation
        try:
            response = await self._answer()
        except RefusedError as refusal:
            response = self.refuse(refusal)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - whoever called is told
            _logger.error("a request could not be answered: %r", error)
            message = f"The stub itself failed, which is a bug in it: {error!r}"
            response = self.refuse(RefusedError(500, message))
        self._known = RecordedRequest(
            method=request.method,
            path=request.url.path,
            query=redact_query(request.url.query),
            headers=redact(request.headers.items(), operation.credentials),
            raw=self._raw,
            status=None,
            fault=str(self.fault) if self.fault else None,
            request_id=getattr(response, "headers", {}).get("x-request-id", self._id),
        )
        stub = addressed(request)  # as it is now: a reset may have come before the rest of a body
        stub.records.add(stub, self._known)
        return response

    def begin(self, status: int) -> None:
        """Record the status as it is sent."""
        self.status = status
        answered = attrs.evolve(self._known, status=status)
        self._double.stub.records.replace(self._known, answered)

    def refuse(self, refusal: RefusedError) -> Response:
        """Answer as the OpenAPI document wants a refusal."""
        kind, content = self._double.document.error(
            self._operation, refusal.status, message=refusal.message, metadata=refusal.metadata
        )
        headers = {**self._headers(refusal.status), **refusal.headers}
        return Response(content, refusal.status, headers, media_type=kind)

    def _no_such(self) -> RefusedError:
        method, path = self._request.method, self._request.url.path
        if allow := ", ".join(self._here):
            message = f"{method} is not allowed here, only {allow}"
            return RefusedError(405, message, headers={"Allow": allow})
        paths = (f"{self._root}{each.path}" for each in self._double.document.operations)
        known = ", ".join(dict.fromkeys(paths))
        return RefusedError(404, f"There is no {method} {path}; the paths are {known}")

    async def _answer(self) -> ASGIApp:
        request, double, operation = self._request, self._double, self._operation
        self._raw = raw = await read(request)
        if request.method not in self._here:
            raise self._no_such()
        # Credentials first: whoever may not call need not learn what a call looks like.
        if not isinstance(double.tape, Recording):  # there the API judges
            stub = double.stub
            authorize(operation, request.headers, api_key=stub.api_key, any_key=stub.any_key)
        if double.tape is None:
            self._body = validate(double.document, operation, request, raw)
        else:
            self._body = raw
            with contextlib.suppress(RefusedError):
                self._body = parse_json(raw)
        self.fault = self._take_fault()
        if double.tape and not self.fault:
            below = request.url.path.removeprefix(self._root + double.document.prefix)
            call = Call(request, below, raw, self._body, operation.credentials)
            response: ASGIApp = await double.tape.answer(call)
        else:
            exchange = self._exchange()
            response = play(self.fault, exchange) if self.fault else exchange.answer()
        own = (self.fault and self.fault["delay"]) or 0
        self.delay = addressed(request).profile.latency + own
        return response

    def _take_fault(self) -> Fault | None:
        try:
            preferred = from_preference(self._request.headers.getlist("prefer"))
        except ValueError as error:
            raise RefusedError(400, f"Prefer: {error}") from error
        if preferred:
            return preferred
        try:
            met = addressed(self._request).take_fault(fields(self._body).get("model"))
        except ValueError as error:
            raise RefusedError(404, str(error)) from error
        return met or addressed(self._request).course.meet(self.characters)

    def _exchange(self) -> Exchange:
        double, operation = self._double, self._operation
        asked = {**operation.defaults, **fields(self._body)}
        content = operation.reply(operation.success).content
        if asked.get("response_format") is None:
            asked["response_format"] = usual_format(content)
        wanted = str(asked["response_format"])
        speaks = _OF_SPEECH & operation.fields.keys()
        kind = media_type(content, wanted) if speaks else next(iter(content), None)
        is_file = kind and fields(content.get(kind)).get("format") in {"binary", "byte"}
        if kind and is_written(kind) and ("json" in kind or not is_file):
            example = double.document.example(content[kind], {})
            plain = isinstance(example, str) and "json" not in kind
            text = example if plain else json.dumps(example)
            if kind.startswith("text/event-stream") and not re.match("(data|event|id)?:", text):
                text = f"data: {text}\n\n"
            chunks, pace = iter([text.encode()]), 0.0
        else:
            text, pace = spoken(asked, operation), addressed(self._request).profile.pace
            usual = operation.defaults.get("speed")
            chunks = speak(asked, text, double.engine, double.audio, usual)
            self.speaks_pcm = wanted not in ENCODINGS or wanted == "pcm"
        return Exchange(
            status=operation.success,
            headers=self._headers(operation.success) | ({"content-type": kind} if kind else {}),
            content=in_thread(chunks, pace, wanted),
            error=functools.partial(double.document.error, operation),
            told=self._headers,
            hang_up=self.hang_up,
        )

    def _headers(self, status: int) -> dict[str, str]:
        double = self._double
        ours = {"x-request-id": self._id, "x-stub-engine": quote(double.engine.name, " /:,+()")}
        headers = double.document.headers(self._operation, status, ours)
        self._id = headers["x-request-id"]
        return headers
