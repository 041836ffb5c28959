"""The stub as a server: a real socket, real connections that can really be cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shlex
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from modelgates_speech.stub.app import create_app
from modelgates_speech.stub.control import DEFAULT_API_KEY, Stub
from modelgates_speech.stub.document import load
from modelgates_speech.stub.faults import describe
from modelgates_speech.stub.reach import Authority, Guard
from modelgates_speech.stub.remote import everything_read
from modelgates_speech.stub.speech import default_engine

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, MutableMapping
    from ssl import SSLContext

    from starlette.types import ASGIApp

    from modelgates_speech.stub.engine import Engine
    from modelgates_speech.stub.profile import Profile
    from modelgates_speech.stub.tape import Recording, Replay


class StubServer(Stub):
    """The stub on a port of this machine, in a thread, ready as soon as it is entered.

    Examples:
        >>> with StubServer() as stub:
        ...     with ModelGates(base_url=stub.base_url, api_key=stub.api_key) as client:
        ...         client.audio.speech.create(model="any/model", voice="alloy", input="Hi").format
        'pcm'

    Arguments:
        host: the address to listen on.
        port: the port; 0 takes a free one.
        api_key: the one key that is accepted.
        any_key: accept every well-formed bearer token instead.
        document: the OpenAPI document to follow, see `create_app`.
        engine: what speaks, see `create_app`.
        profile: how requests are answered that meet no fault, see `Profile`.
        audio: a folder of audio to answer with, see `create_app`.
        tape: a `Recording` or a `Replay` to answer with, see `create_app`.
        tls: serve https, with a certificate made on the spot; needs the extra `tls`.
        ca_file: where to write the certificate that clients are to trust; by default a temporary
            file. `stub.ca_file` is its path.
        allow_from: the addresses and networks, such as `10.0.0.0/8`, that may call, beside this
            machine; by default all that can reach the address it listens on.

    Raises:
        OSError: on start, the port is taken.
        ValueError: one of `allow_from` is not a network.
        ModuleNotFoundError: `tls` needs a package that is not installed.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        api_key: str = DEFAULT_API_KEY,
        any_key: bool = False,
        document: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        engine: Engine | None = None,
        profile: Profile | None = None,
        audio: str | os.PathLike[str] | None = None,
        tape: Recording | Replay | None = None,
        tls: bool = False,
        ca_file: str | os.PathLike[str] | None = None,
        allow_from: Iterable[str] | None = None,
    ) -> None:
        super().__init__(api_key=api_key, any_key=any_key, profile=profile)
        engine = engine or default_engine()
        read = load(document)
        self.engine_name = engine.name
        # An ASGI application like any other: whoever wants to may wrap it before the start.
        self.app: ASGIApp = create_app(read, stub=self, engine=engine, audio=audio, tape=tape)
        if allow_from is not None:
            self.app = Guard(self.app, allow_from)
        self._authority = Authority(host, ca_file) if tls or ca_file else None
        self._prefix = read.prefix
        self._address = (host, port)
        self._running: _Running | None = None

    @property
    def base_url(self) -> str:
        """Where the API is, without a slash at the end; a RuntimeError while it is not running."""
        return self.url + self._prefix

    @property
    def url(self) -> str:
        """Where the server is, with its page; a RuntimeError while it is not running."""
        if self._running is None:
            raise RuntimeError("the stub is not running: enter it (with StubServer() as stub: ...)")
        host, port = self._running.address
        # What means every address of this machine is none to connect to.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        scheme = "https" if self._authority else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def ca_file(self) -> Path | None:
        """The certificate that clients are to trust, as a PEM file; None without TLS."""
        return self._authority.file if self._authority else None

    def start(self) -> Self:
        """Start serving; return once connections are accepted. An OSError means a taken port."""
        if self._running is None:
            context = self._authority.context if self._authority else None
            self._running = _Running(self.app, *self._address, context)
        return self

    def stop(self) -> None:
        """Stop serving; connections still open are reset, so nothing is waited for."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def reset(self) -> None:
        """Forget all requests, those sent by now and not yet read too; see `Stub.reset`."""
        if self._running is not None:
            self._running.catch_up()
        super().reset()

    __enter__ = start

    def __exit__(self, *error: object) -> None:
        self.stop()

    def hang_up(self, scope: MutableMapping[str, Any], *, reset: bool) -> None:
        """End a request's connection under it; see `Stub.hang_up`."""
        for connection in self._running.connections() if self._running else ():
            if connection.client == tuple(scope["client"]):
                _end(connection.transport, reset=reset)


class _Running:
    """A uvicorn server in a thread."""

    def __init__(self, app: ASGIApp, host: str, port: int, context: SSLContext | None) -> None:
        six = ":" in host
        listener = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if six else socket.AF_INET,
            backlog=1024,
            # All addresses of this machine are those of both families.
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
        # asyncio does this only for sockets that it makes itself; without it every answer waits
        # for the client's delayed acknowledgement, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # From here on connections queue in the system, so nobody need wait for the thread.
        self.address: tuple[str, int] = listener.getsockname()[:2]
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=60,
        )
        config.load()
        config.ssl = context
        self._server = _Server(config)
        self.connections = self._server.connections
        self._loop = _Loop()
        self._thread = threading.Thread(
            target=self._serve, args=(listener,), name="modelgates-stub", daemon=True
        )
        self._thread.start()

    def _serve(self, listener: socket.socket) -> None:
        # Closed here as well: an older uvicorn leaves it open if it is stopped while it starts.
        with listener, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve(sockets=[listener]))

    def catch_up(self) -> None:
        """Have what clients have sent, and perhaps hung up on, read and recorded."""

        async def caught_up() -> None:
            while not self._server.started:  # noqa: ASYNC110 - uvicorn tells it by this alone
                await asyncio.sleep(0)
            await everything_read()

        if threading.current_thread() is not self._thread:
            read = asyncio.run_coroutine_threadsafe(caught_up(), self._loop)
            # Not for ever: an engine of somebody's own may hold the loop.
            with contextlib.suppress(TimeoutError):
                read.result(timeout=5)

    def stop(self) -> None:
        self._server.should_exit = True
        with contextlib.suppress(RuntimeError):  # its loop has ended by itself
            self._loop.call_soon_threadsafe(self._server.ending.set)
        self._thread.join()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop with a clock that tests do not freeze: a frozen one would never stop."""

    def time(self) -> float:
        known = hasattr(time, "clock_gettime")
        return time.clock_gettime(time.CLOCK_MONOTONIC) if known else time.monotonic()


class _Protocol(H11Protocol):
    """HTTP without remarks: an upgrade that a client offers is not taken, and that is all."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _quiet


_quiet = logging.getLogger(__name__)
_quiet.setLevel(logging.ERROR)


class _Server(uvicorn.Server):
    """uvicorn, which asks ten times a second whether to end, and waits for answers; not so here."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    def connections(self) -> list[H11Protocol]:
        return cast("list[H11Protocol]", list(self.server_state.connections))

    async def main_loop(self) -> None:
        # What a tick is for is the Date of answers.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # A stalled answer would never end by itself.
        while connections := self.connections():
            for connection in connections:
                _end(connection.transport, reset=True)
            await asyncio.sleep(0)
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)


def _end(transport: asyncio.Transport, *, reset: bool) -> None:
    if reset:
        # With TLS, one that is ending has none any more.
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    output: TextIO | None = None,
    quiet: bool = False,
    as_json: bool = False,
    ready_file: str | os.PathLike[str] | None = None,
    **options: Any,
) -> None:
    """Run the stub until interrupted (Ctrl-C), for programs in any language.

    Arguments:
        host: the address to listen on.
        port: the port; 0 takes a free one.
        output: where it says how to use it, and a line for each request; by default standard
            output.
        quiet: say nothing.
        as_json: say it as JSON, a line for each thing; the first has `base_url` and `api_key`.
        ready_file: a file to write the base URL into once connections are accepted, for harnesses
            that wait for it.
        options: as for `StubServer`, which also says what is raised.
    """
    stub = StubServer(host, port, **options)

    def say(line: str) -> None:
        if not quiet:
            print(line, file=output or sys.stdout, flush=True)

    stub.on_answer = lambda seen: say(json.dumps(vars(seen)) if as_json else str(seen))
    # Ctrl-C may come at any time from here on, the end of `with` included.
    with contextlib.suppress(KeyboardInterrupt), stub:
        ready = {"base_url": stub.base_url, "api_key": stub.api_key, "speech": stub.engine_name}
        if stub.ca_file:
            ready["ca_file"] = str(stub.ca_file)
        say(json.dumps(ready) if as_json else _usage(stub))
        if ready_file is not None:
            Path(ready_file).write_text(f"{stub.base_url}\n", encoding="utf-8")
        while True:
            time.sleep(3600)


def _usage(stub: StubServer) -> str:
    wanted = {"MODELGATES_BASE_URL": stub.base_url, "MODELGATES_API_KEY": stub.api_key}
    if stub.ca_file:
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        wanted |= dict.fromkeys(names, str(stub.ca_file))
    exports = "\n".join(f"  export {name}={shlex.quote(text)}" for name, text in wanted.items())
    return (
        f"The ModelGates stub speaks at {stub.base_url} until Ctrl-C. Point a client at it:\n\n"
        f"{exports}\n\nA page to try it: {stub.url}\n\n"
        f"Speech: {stub.engine_name}. Models that misbehave:\n\n{describe()}\n"
    )
