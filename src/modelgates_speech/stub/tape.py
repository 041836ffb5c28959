"""Real answers: passed on from the API and kept, and given again without it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import logging
import os
from collections.abc import AsyncGenerator, Container, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import attrs
from starlette.responses import Response, StreamingResponse

from modelgates_speech.config import Secret, is_loopback
from modelgates_speech.errors import ConfigurationError, SaveError
from modelgates_speech.files import AtomicFile
from modelgates_speech.proxies import proxy_for
from modelgates_speech.stub.document import HEADER_VALUE, RefusedError, is_the_servers, is_written
from modelgates_speech.stub.misbehave import no_connection
from modelgates_speech.stub.records import is_secret, redact_query
from modelgates_speech.stub.schemas import check, fields, problem
from modelgates_speech.stub.usage import STATUS

if TYPE_CHECKING:
    from starlette.requests import Request

    from modelgates_speech.stub.schemas import Json

# What concerns one connection, or the stub itself.
_NOT_PASSED_ON = {"host", "accept-encoding", "prefer", "x-stub-scope"}
_HEADERS = {**STATUS.options["headers"], "additionalProperties": HEADER_VALUE}
_STATUS = {"type": "integer", "minimum": 200, "maximum": 599, "description": "of the answer"}


@attrs.frozen
class Call:
    """A request, its path below the base URL, its body as sent and parsed, the headers of keys."""

    request: Request
    path: str
    raw: bytes
    body: Json
    credentials: Container[str]

    def told(self) -> dict[str, Json]:
        """Say what tells it from other requests: no header, for one of them is the key."""
        body = self.body.decode("latin-1") if isinstance(self.body, bytes) else self.body
        query = redact_query(self.request.url.query)
        return {"method": self.request.method, "path": self.path, "query": query, "body": body}

    def files(self, folder: Path) -> tuple[Path, Path]:
        """Give where its answer is kept: what is told of it, and its content."""
        name = hashlib.sha256(json.dumps(self.told(), sort_keys=True).encode()).hexdigest()[:24]
        return folder / f"{name}.json", folder / f"{name}.body"

    def secrets(self) -> Iterator[Secret]:
        """Give what its headers and its query hold that is not to be kept."""
        request = self.request
        given = (*request.headers.items(), *request.query_params.multi_items())
        held = (value for name, value in given if is_secret(name, self.credentials))
        # Of cookies each; after `Bearer`, or after the name of a cookie.
        for each in (part for value in held for part in (value, *value.split(";"))):
            for key in (*each.split()[-1:], each.partition("=")[2]):
                with contextlib.suppress(ConfigurationError):  # which is no key
                    yield Secret(key).check()


def _passed_on(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(k.lower(), v) for k, v in headers if _is_passed_on(k.lower().decode("latin-1"))]


def _is_passed_on(name: str) -> bool:
    return not (name in _NOT_PASSED_ON or is_the_servers(name))


class Replay:
    """Answers from a folder that a `Recording` filled, byte for byte, without a network.

    Args:
        folder: Where the answers are.

    Raises:
        NotADirectoryError: There is no such folder.

    Examples:
        >>> with StubServer(any_key=True, tape=Replay("answers")) as stub:
        ...     with ModelGates(base_url=stub.base_url, api_key="any") as client:
        ...         client.audio.speech.create(model="m/n", voice="alloy", input="Hello").format
        'pcm'
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise NotADirectoryError(f"there is no folder {self._folder} to replay from")

    async def answer(self, call: Call) -> Response:
        """Answer as was recorded, or raise `RefusedError`."""
        told, kept = call.files(self._folder)
        if not told.exists():
            message = f"This request was never recorded in {self._folder}: make it with --record"
            raise RefusedError(404, message)
        try:
            known = fields(json.loads(told.read_text("utf-8")))
            status, headers = known["status"], dict(known["headers"])
            check("status", status, _STATUS)
            check("headers", headers, _HEADERS)
            return Response(kept.read_bytes(), status, headers)
        except (OSError, LookupError, TypeError, ValueError, RecursionError) as error:
            message = f"{told} is not a recording that can be read: {error!r}"
            raise RefusedError(500, message) from error


class Recording:
    """Passes requests on to the real API, with the caller's key, and keeps what came.

    An answer that breaks off, whose client goes away, or whose text is compressed is not kept. Keys
    never are: nothing that the request's headers or query hold as one.

    Args:
        folder: Where to keep the answers; made if it is not there.
        upstream: The base URL of the API, such as `https://modelgates.ai/api/v1`.

    Raises:
        ValueError: `upstream` is not a URL, or would send the key over the network in the clear.
        OSError: The folder cannot be made.

    Examples:
        >>> tape = Recording("answers", upstream=client.base_url)
        >>> with StubServer(any_key=True, tape=tape) as stub:
        ...     with ModelGates(base_url=stub.base_url) as client:
        ...         client.audio.speech.create(model="m/n", voice="alloy", input="Hello").format
        'pcm'
    """

    def __init__(self, folder: str | os.PathLike[str], *, upstream: str) -> None:
        url = urlsplit(upstream)
        near = url.scheme == "http" and is_loopback(url.hostname or "")
        if not url.hostname or {*"?#"} & {*upstream} or not (url.scheme == "https" or near):
            wanted = "an https URL, without a query or a fragment"
            raise ValueError(f"upstream must be {wanted}, not {upstream!r}")
        if "@" in url.netloc:
            raise ValueError("upstream must be without credentials: a client's key is passed on")
        self._upstream, self._proxy = upstream.rstrip("/"), proxy_for(upstream)
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    async def answer(self, call: Call) -> Response:
        """Answer as the API does, or raise `RefusedError` where it cannot be reached."""
        passing = self._pass(call)
        answer = await anext(passing)
        response = StreamingResponse(passing, answer.status_code)
        response.raw_headers = _passed_on(answer.headers.raw)
        return response

    async def _pass(self, call: Call) -> AsyncGenerator[Any]:
        """Give the answer, and then its body; where it is dropped before, asyncio ends it."""
        httpx: Any = importlib.import_module("httpx")  # only here: most stubs call nobody
        proxy = self._proxy and httpx.Proxy(self._proxy.url, auth=self._proxy.auth)
        # With one of its own, a client takes no other proxy from the environment.
        transport = httpx.AsyncHTTPTransport(proxy=proxy)
        request, query, received = call.request, call.request.url.query, bytearray()
        async with httpx.AsyncClient(timeout=60, transport=transport) as client:
            asked = client.build_request(
                request.method,
                f"{self._upstream}{call.path}" + (f"?{query}" if query else ""),
                headers=[*_passed_on(request.headers.raw), (b"Accept-Encoding", b"identity")],
                content=call.raw,
            )
            try:
                answer = await client.send(asked, stream=True)
            except httpx.HTTPError as error:
                raise RefusedError(502, f"No answer from {self._upstream}: {error!r}") from error
            async with contextlib.aclosing(answer):
                if answer.status_code not in range(200, 600):
                    raise RefusedError(502, f"{self._upstream} answered {answer.status_code}")
                yield answer
                try:
                    async for chunk in answer.aiter_raw():
                        received += chunk
                        yield chunk
                except httpx.HTTPError:
                    # Cut as it was cut here.
                    getattr(request.state, "hang_up", no_connection)(reset=False)
                    await anyio.sleep_forever()
        if await request.is_disconnected():
            return
        if answer.is_error:
            # A refused key, or a bad moment, is no reason to forget an answer that was none.
            with contextlib.suppress(OSError, RefusedError):
                if (await Replay(self._folder).answer(call)).status_code < 400:
                    return
        try:
            # Before the end is passed on: whoever has it may replay it at once.
            self._keep(call, answer, bytes(received))
        except SaveError as error:
            # The client has its answer all the same.
            logging.getLogger("modelgates_speech.stub").error("an answer was not kept: %s", error)

    def _keep(self, call: Call, answer: Any, body: bytes) -> None:
        headers = answer.headers
        headers.encoding = "latin-1"  # as they are given again
        passed = (pair for pair in headers.items() if _is_passed_on(pair[0].lower()))
        # What no header may hold, a control character, comes all the same, and is not given again.
        known = (pair for pair in passed if not problem(HEADER_VALUE, pair[1]))
        shown = [pair for pair in known if pair[0].lower() != "set-cookie"]
        answered = {"request": call.told(), "status": answer.status_code, "headers": shown}
        text = json.dumps(answered, indent=1, ensure_ascii=False).encode()
        told, kept = call.files(self._folder)
        is_text = answer.is_error or is_written(headers.get("content-type", ""))
        if is_text and headers.get("content-encoding", "identity") != "identity":
            raise SaveError("it came compressed, and keys in it cannot be seen", path=kept)
        for key in call.secrets():
            text, body = key.scrub(text), key.scrub(body) if is_text else body
        # What is told is there last: what is not there was not recorded.
        for path, content in ((kept, body), (told, text)):
            with AtomicFile(path) as file:
                file.write(content)
                file.commit()
