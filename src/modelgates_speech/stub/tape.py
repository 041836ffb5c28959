"""Real answers: passed on from the API and kept, and given again without it."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from starlette.responses import Response, StreamingResponse

from modelgates_speech.errors import SaveError
from modelgates_speech.files import AtomicFile
from modelgates_speech.stub.document import RefusedError
from modelgates_speech.stub.records import REDACTED

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterable, Mapping

    from modelgates_speech.stub.shapes import Json

log = logging.getLogger("modelgates_speech.stub")

# What concerns one connection, or the stub itself.
_NOT_PASSED_ON = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
    *("transfer-encoding", "upgrade", "host", "content-length", "accept-encoding"),
    *("prefer", "x-stub-scope"),
}
_NOT_KEPT = _NOT_PASSED_ON | {"set-cookie", "set-cookie2"}


@dataclass(frozen=True)
class Call:
    """A request.

    Arguments:
        method: the HTTP method.
        path: below the base URL of the API.
        query: the query of the URL, as sent.
        raw: the body, as sent.
        body: the parsed body, or what was sent where it is not JSON.
        headers: names and values, as sent.
        secrets: the keys among the headers.
    """

    method: str
    path: str
    query: str
    raw: bytes
    body: Json
    headers: Iterable[tuple[str, str]]
    secrets: Iterable[str]

    def told(self) -> dict[str, Json]:
        """Say what tells it from other requests: no header, for one of them is the key."""
        body = self.body.decode("latin-1") if isinstance(self.body, bytes) else self.body
        return {"method": self.method, "path": self.path, "query": self.query, "body": body}

    def redact(self, text: bytes) -> bytes:
        """Take the keys out of a text."""
        for secret in filter(None, self.secrets):
            text = text.replace(secret.encode(), REDACTED.encode())
        return text


class Tape(Protocol):
    """What answers in place of the stub's own speech."""

    # Whether the stub's own key is asked for, or is the API's matter.
    keyed: bool

    async def answer(self, call: Call) -> Response:
        """Answer a request.

        Raises:
            RefusedError: it cannot; says why.
        """
        ...


class Replay:
    """Answers from a folder that a `Recording` filled, byte for byte, without a network.

    Arguments:
        folder: where the answers are.

    Raises:
        NotADirectoryError: there is no such folder.
    """

    keyed = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise NotADirectoryError(f"there is no folder {self._folder} to replay from")

    async def answer(self, call: Call) -> Response:
        """Answer as was recorded; see `Tape.answer`."""
        told, kept = _files(self._folder, call)
        if not told.exists():
            message = f"This {call.method} {call.path} was never recorded in {self._folder}"
            raise RefusedError(404, f"{message}: run it once with --record")
        known = json.loads(told.read_text("utf-8"))
        return Response(kept.read_bytes(), known["status"], dict(known["headers"]))


class Recording:
    """Passes requests on to the real API, with the caller's key, and keeps what came.

    An answer that breaks off, or whose client goes away, is not kept. Keys never are.

    Arguments:
        folder: where to keep the answers; made if it is not there.
        upstream: the base URL of the API, such as `https://modelgates.ai/api/v1`.

    Raises:
        ValueError: `upstream` is no URL, or would send the key over the network in the clear.
        OSError: the folder cannot be made.
    """

    keyed = False

    def __init__(self, folder: str | os.PathLike[str], *, upstream: str) -> None:
        url = urlsplit(upstream)
        near = url.scheme == "http" and url.hostname in {"localhost", "127.0.0.1", "::1"}
        if not url.hostname or not (url.scheme == "https" or near):
            raise ValueError(f"upstream must be an https URL, not {upstream!r}")
        self._upstream = upstream.rstrip("/")
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    async def answer(self, call: Call) -> Response:
        """Answer as the API does; see `Tape.answer`."""
        httpx: Any = importlib.import_module("httpx")  # only here: most stubs call nobody
        client = httpx.AsyncClient(timeout=60)
        headers = [pair for pair in call.headers if pair[0].lower() not in _NOT_PASSED_ON]
        request = client.build_request(
            call.method,
            f"{self._upstream}{call.path}" + (f"?{call.query}" if call.query else ""),
            headers=[*headers, ("Accept-Encoding", "identity")],
            content=call.raw,
        )
        try:
            answer = await client.send(request, stream=True)
        except BaseException as error:
            await client.aclose()
            if not isinstance(error, httpx.HTTPError):
                raise
            message = f"No answer from {self._upstream}: {error!r}"
            raise RefusedError(502, message) from error
        passed = {
            name: value
            for name, value in answer.headers.items()
            if name not in _NOT_PASSED_ON or name == "content-length"
        }
        return StreamingResponse(self._kept(call, client, answer), answer.status_code, passed)

    async def _kept(self, call: Call, client: Any, answer: Any) -> AsyncIterator[bytes]:
        received = bytearray()
        try:
            async for chunk in answer.aiter_raw():
                received += chunk
                yield chunk
        finally:
            await answer.aclose()
            await client.aclose()
        try:
            self._keep(call, answer.status_code, answer.headers, bytes(received))
        except SaveError as error:
            # The client has its answer all the same.
            log.error("an answer was not kept: %s", error)

    def _keep(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> None:
        told, kept = _files(self._folder, call)
        shown = [pair for pair in headers.items() if pair[0].lower() not in _NOT_KEPT]
        known = {"request": call.told(), "status": status, "headers": shown}
        kind = headers.get("content-type", "")
        if "json" in kind or kind.startswith("text/"):
            body = call.redact(body)
        # What is told is there last: what is not there was not recorded.
        _write(kept, body)
        _write(told, call.redact(json.dumps(known, indent=1, ensure_ascii=False).encode()))


def _files(folder: Path, call: Call) -> tuple[Path, Path]:
    text = json.dumps(call.told(), sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:24]
    return folder / f"{name}.json", folder / f"{name}.body"


def _write(path: Path, content: bytes) -> None:
    with AtomicFile(path) as file:
        file.write(content)
        file.commit()
