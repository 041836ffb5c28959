"""Real answers: passed on from the API and kept, and given again without it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import anyio
import attrs
from starlette.responses import Response, StreamingResponse

from modelgates_speech.config import SHORTEST_KEY, is_loopback
from modelgates_speech.errors import SaveError
from modelgates_speech.files import AtomicFile
from modelgates_speech.stub.control import REDACTED
from modelgates_speech.stub.document import RefusedError
from modelgates_speech.stub.misbehave import no_connection
from modelgates_speech.stub.schemas import check, fields
from modelgates_speech.stub.usage import STATUS

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable

    from starlette.requests import Request

    from modelgates_speech.stub.schemas import Json

# What concerns one connection, or the stub itself.
_NOT_PASSED_ON = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
    *("transfer-encoding", "upgrade", "host", "accept-encoding", "prefer", "x-stub-scope"),
    *("content-length", "date", "server"),
}
_HEADERS = {
    **STATUS.options["headers"],
    "additionalProperties": {"pattern": "^[\\t -~\\u00a0-\\u00ff]*$", "type": "string"},
}
_STATUS = {"type": "integer", "minimum": 200, "maximum": 599, "description": "of the answer"}
_NOT_KEPT = _NOT_PASSED_ON | {"set-cookie"}


@attrs.frozen
class Call:
    """A request, its path below the base URL, its body as sent and parsed, the headers of keys."""

    request: Request
    path: str
    raw: bytes
    body: Json
    credentials: Iterable[str]

    def told(self) -> dict[str, Json]:
        """Say what tells it from other requests: no header, for one of them is the key."""
        body = self.body.decode("latin-1") if isinstance(self.body, bytes) else self.body
        query = self.request.url.query
        return {"method": self.request.method, "path": self.path, "query": query, "body": body}

    def files(self, folder: Path) -> tuple[Path, Path]:
        """Give where its answer is kept: what is told of it, and its content."""
        name = hashlib.sha256(json.dumps(self.told(), sort_keys=True).encode()).hexdigest()[:24]
        return folder / f"{name}.json", folder / f"{name}.body"

    def redact(self, text: bytes) -> bytes:
        """Take its keys out of a text."""
        for name in self.credentials:
            key = self.request.headers.get(name, "").rpartition(" ")[2]
            # What is shorter stands for one, and may be a part of anything.
            if len(key) >= SHORTEST_KEY:
                text = text.replace(key.encode(), REDACTED.encode())
        return text

    def redacted(self, value: Json) -> Json:
        """Take its keys out of the texts in JSON."""
        if isinstance(value, Mapping):
            return {name: self.redacted(each) for name, each in fields(value).items()}
        if isinstance(value, list | tuple):
            return [self.redacted(each) for each in cast("Iterable[Json]", value)]
        return self.redact(value.encode()).decode() if isinstance(value, str) else value


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

    An answer that breaks off, or whose client goes away, is not kept. Keys never are.

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
        if not url.hostname or url.query or not (url.scheme == "https" or near):
            raise ValueError(f"upstream must be an https URL, without a query, not {upstream!r}")
        if "@" in url.netloc:
            raise ValueError("upstream must be without credentials: a client's key is passed on")
        self._upstream = upstream.rstrip("/")
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    async def answer(self, call: Call) -> Response:
        """Answer as the API does, or raise `RefusedError` where it cannot be reached."""
        httpx: Any = importlib.import_module("httpx")  # only here: most stubs call nobody
        client = httpx.AsyncClient(timeout=60)
        request, query = call.request, call.request.url.query
        passed_on = [
            (name, value)
            for name, value in request.headers.raw
            if name.decode("latin-1").lower() not in _NOT_PASSED_ON
        ]
        try:
            asked = client.build_request(
                request.method,
                f"{self._upstream}{call.path}" + (f"?{query}" if query else ""),
                headers=[*passed_on, (b"Accept-Encoding", b"identity")],
                content=call.raw,
            )
            answer = await client.send(asked, stream=True)
        except httpx.HTTPError as error:
            await client.aclose()
            raise RefusedError(502, f"No answer from {self._upstream}: {error!r}") from error
        if answer.status_code not in range(200, 600):
            await answer.aclose()
            await client.aclose()
            raise RefusedError(502, f"{self._upstream} answered {answer.status_code}")
        passed = {key: answer.headers[key] for key in answer.headers.keys() - _NOT_PASSED_ON}
        return StreamingResponse(self._kept(call, client, answer), answer.status_code, passed)

    async def _kept(self, call: Call, client: Any, answer: Any) -> AsyncIterator[bytes]:
        httpx: Any = importlib.import_module("httpx")
        received = bytearray()
        async with contextlib.aclosing(client), contextlib.aclosing(answer):
            try:
                async for chunk in answer.aiter_raw():
                    received += chunk
                    yield chunk
            except httpx.HTTPError:
                # Cut as it was cut here.
                getattr(call.request.state, "hang_up", no_connection)(reset=False)
                await anyio.sleep_forever()
        try:
            # Before the end is passed on: whoever has it may replay it at once.
            self._keep(call, answer, bytes(received))
        except SaveError as error:
            # The client has its answer all the same.
            logging.getLogger("modelgates_speech.stub").error("an answer was not kept: %s", error)

    def _keep(self, call: Call, answer: Any, body: bytes) -> None:
        shown = [pair for pair in answer.headers.items() if pair[0].lower() not in _NOT_KEPT]
        known = {"request": call.told(), "status": answer.status_code, "headers": shown}
        kind = answer.headers.get("content-type", "").lower()
        if answer.is_error or "json" in kind or "xml" in kind or kind.startswith("text/"):
            body = call.redact(body)
        told, kept = call.files(self._folder)
        if answer.is_error and told.exists():
            return  # A refused key, or a bad moment, is no reason to forget what came before.
        # What is told is there last: what is not there was not recorded.
        text = json.dumps(call.redacted(known), indent=1, ensure_ascii=False).encode()
        for path, content in ((kept, body), (told, text)):
            with AtomicFile(path) as file:
                file.write(content)
                file.commit()
