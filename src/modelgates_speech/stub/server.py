"""The stub as a server: a real socket, real connections that can really be cut."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import queue
import socket
import struct
import sys
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from modelgates_speech.files import AtomicFile
from modelgates_speech.stub.app import create_app
from modelgates_speech.stub.control import DEFAULT_API_KEY, Profile, Stub, unfrozen
from modelgates_speech.stub.engine import Engine  # noqa: TC001 - for whoever reads annotations
from modelgates_speech.stub.reach import Authority, Guard
from modelgates_speech.stub.remote import everything_read
from modelgates_speech.stub.tape import Recording, Replay  # noqa: TC001 - likewise
from modelgates_speech.stub.usage import welcome

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class StubServer(Stub):
    """The stub on a port of this machine, in a thread, ready as soon as it is entered.

    Examples:
        >>> with StubServer() as stub:
        ...     with ModelGates(base_url=stub.base_url, api_key=stub.api_key) as client:
        ...         client.audio.speech.create(model="any/model", voice="alloy", input="Hi").format
        'pcm'

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        api_key: The one key that is accepted.
        any_key: Accept every well-formed bearer token instead.
        document: The OpenAPI document to follow, see `create_app`.
        engine: What speaks, see `create_app`.
        profile: How requests that meet no fault are answered, see `Profile`.
        audio: A folder of audio to answer with, see `create_app`.
        tape: A `Recording` or a `Replay` to answer with, see `create_app`.
        tls: Serve https, with a certificate made at the start; needs the extra `tls`.
        ca_file: Where to write the certificate that clients are to trust; by default a temporary
            file. `stub.ca_file` is its path.
        allow_from: The addresses and networks, such as `10.0.0.0/8`, that may call, beside this
            machine; by default all that can reach the address it listens on.

    Raises:
        OSError: On start, the port is taken. With `tls`, there is no folder for temporary files.
        ValueError: One of `allow_from` is not a network, or no header can hold `api_key`.
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
        # An ASGI application like any other: whoever wants to may wrap it before the start.
        app = create_app(document, stub=self, engine=engine, audio=audio, tape=tape)
        self.engine_name: str = app.state.engine.name
        self._prefix: str = app.state.document.prefix
        self.app: ASGIApp = app if allow_from is None else Guard(app, allow_from)
        self._authority = Authority(host, ca_file) if tls or ca_file else None
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
            self._running = _Running(self.app, _listen(*self._address), self._authority)
            # Started again, it is where its clients know it to be.
            self._address = (self._address[0], self._running.address[1])
        return self

    def stop(self) -> None:
        """Stop serving; connections still open are reset, so nothing is waited for."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def reset(self) -> None:
        """Forget all requests, also those sent but not yet read; see `Stub.reset`."""
        if self._running is not None:
            self._running.wait()
        super().reset()

    __enter__ = start

    def __exit__(self, *error: object) -> None:
        self.stop()


class _Running:
    """A server in a thread of its own, for as long as it runs."""

    def __init__(self, app: ASGIApp, listener: socket.socket, authority: Authority | None) -> None:
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        host, port = socket.getnameinfo(listener.getsockname(), numeric)
        self.address = host, int(port)
        started = Future[None]()

        def serve() -> None:
            try:
                # Whoever debugs a program's own loops does not want to hear of this one.
                runner = asyncio.Runner(debug=False, loop_factory=_Loop)
                with listener, runner:
                    runner.run(self._serve(app, listener, authority, started))
            except Exception as error:  # noqa: BLE001 - whoever starts it is told
                started.set_exception(error)

        # A child that is forked has no such thread, and so none to wait for.
        self._thread = threading.Thread(target=serve, name="modelgates-stub", daemon=True)
        self._thread.start()
        started.result()

    def wait(self) -> None:
        """Wait until all requests are recorded that arrived by now."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            read = asyncio.run_coroutine_threadsafe(everything_read(), self._loop)
            # Not for ever: an engine of somebody's own may hold the loop.
            with contextlib.suppress(TimeoutError):
                read.result(timeout=5)

    def end(self) -> None:
        """Stop serving."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    async def _serve(
        self,
        app: ASGIApp,
        listener: socket.socket,
        authority: Authority | None,
        started: Future[None],
    ) -> None:
        """Serve with uvicorn, which by itself would wait for answers at the end; not so here."""
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,  # a fault may add one
            proxy_headers=False,  # a connection is known by its own address
            timeout_keep_alive=60,
        )
        config.load()
        if authority:
            # Not before: whoever has the port may have the file too.
            authority.tell()
            config.ssl = authority.context
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        ticking = asyncio.create_task(server.main_loop())  # it keeps the Date of answers
        self.connections = cast("Collection[_Protocol]", server.server_state.connections)
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        started.set_result(None)
        await self._ended.wait()
        ticking.cancel()
        for each in server.servers:
            for accepting in each.sockets:
                self._loop.remove_reader(accepting)
        # One that was just accepted is a connection two turns later; sooner it would be lost, and
        # open.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for each in server.servers:
            each.close()
        # A stalled answer would never end by itself. One that waits for somebody else ends with the
        # loop, as all tasks do.
        while self.connections:
            for connection in [*self.connections]:
                connection.hang_up(reset=True)
            await asyncio.sleep(0)


def _listen(host: str, port: int) -> socket.socket:
    # The zone of an address (`fe80::1%eth0`) has to be looked up.
    address = socket.getaddrinfo(host, port)[0][4] if "%" in host else (host, port)
    listener = socket.create_server(
        address,
        family=socket.AF_INET6 if ":" in host else socket.AF_INET,
        backlog=1024,
        # All addresses of this machine are those of both families.
        dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
    )
    # asyncio does this only for sockets that it makes itself; without it every answer waits
    # for the client's delayed acknowledgement, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Loop(asyncio.SelectorEventLoop):
    """An event loop with a clock that tests do not freeze: a frozen one would never stop."""

    _is_full = False

    def time(self) -> float:
        return unfrozen()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        full = isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}
        # It tries again for each, when the listener may be closed: that is a ValueError.
        if not (full or (self._is_full and isinstance(error, ValueError))):
            super().call_exception_handler(context)
        elif not self._is_full:
            # Once: asyncio says it two thousand times a second, each with a traceback.
            self._is_full = True
            _quiet.error("the stub accepts no more connections until others end: %s", error)


class _Protocol(H11Protocol):
    """HTTP without remarks: an upgrade that a client offers is not taken, and that is all."""

    _is_half = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _quiet
        # What the application finds in the scope of each request.
        self.app_state = {**self.app_state, "hang_up": self.hang_up}

    def data_received(self, data: bytes) -> None:
        """Refuse HTTP/2, whose first words h11 takes for a request of the method `PRI`."""
        if not self.cycle and data.startswith(b"PRI * HTTP/2"):
            self.send_400_response("The stub speaks HTTP/1.1, not HTTP/2.")
        else:
            super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer also who ends their half of the connection after whole requests, as `nc` does."""
        self._is_half = self.scheme == "http"  # connections of TLS have no halves
        return self._is_half and self._goes_on()

    def on_response_complete(self) -> None:
        """Answer what came already, or end a connection of which nothing more can come."""
        super().on_response_complete()
        if self._is_half and not self._goes_on():
            self.transport.close()

    def _goes_on(self) -> bool:
        cycle = self.cycle
        goes_on = bool(cycle) and not (cycle.more_body or cycle.response_complete)
        if goes_on:
            # For those who wait until the client has left, once they have read the body.
            self.loop.call_soon(cycle.message_event.set)
        return goes_on

    def hang_up(self, *, reset: bool) -> None:
        """End the connection: by RST at once, or after what was sent."""
        if not reset:
            self.transport.close()
            return
        # With TLS, one that is ending has none any more.
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


_quiet = logging.getLogger(__name__)
_quiet.setLevel(logging.ERROR)
# That an answer ends with its server is no failure.
_quiet.addFilter(
    lambda record: not (record.exc_info and record.exc_info[0] is asyncio.CancelledError)
)


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    say: Callable[[str], None] | None = None,
    quiet: bool = False,
    as_json: bool = False,
    ready_file: str | os.PathLike[str] | None = None,
    **options: Any,
) -> None:
    """Run the stub until interrupted (Ctrl-C), for programs in any language.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        say: Called with a text on how to use the stub, and with a line for each request; by default
            they are printed, as long as anybody reads them.
        quiet: Say nothing.
        as_json: Write one JSON object per line; the first has `base_url` and `api_key`.
        ready_file: A file that holds the base URL while connections are accepted, for harnesses
            that wait for it.
        options: As for `StubServer`, which also says what is raised.

    Examples:
        >>> serve(port=8080, ready_file="url.txt")
    """
    stub = StubServer(host, port, **options)
    answers: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
    stub.on_answer = answers.put
    say = (lambda line: None) if quiet else say or _print
    # Ctrl-C may come at any time from here on, the end of `with` included.
    with (
        contextlib.suppress(KeyboardInterrupt),
        stub,
        _ready(ready_file, stub) if ready_file else contextlib.nullcontext(),
    ):
        ready = {"base_url": stub.base_url, "api_key": stub.api_key, "speech": stub.engine_name}
        if stub.ca_file:
            ready["ca_file"] = str(stub.ca_file)
        say(json.dumps(ready) if as_json else welcome(ready, stub.url))
        while True:
            # Windows hears of Ctrl-C between two waits only.
            with contextlib.suppress(queue.Empty):
                seen = answers.get(timeout=1)
                say(json.dumps(seen) if as_json else _line(seen))


@contextlib.contextmanager
def _ready(path: str | os.PathLike[str], stub: StubServer) -> Generator[None]:
    """Keep the base URL in a file, whole from its first moment, until the end or another's."""
    file, address = Path(path).resolve(), f"{stub.base_url}\n".encode()
    try:
        with AtomicFile(path) as whole:
            whole.write(address)
            whole.commit()
        yield
    finally:
        with contextlib.suppress(OSError):
            if file.is_file() and file.read_bytes() == address:
                file.unlink()


def _print(line: str) -> None:
    # Whoever started it may have read what it wanted, and closed the pipe.
    with contextlib.suppress(BrokenPipeError):
        print(line, flush=True)  # noqa: T201 - it is a program's output


def _line(seen: Mapping[str, Any]) -> str:
    audio = "" if seen["seconds"] is None else f", {seen['seconds']:.2f} s of audio"
    answered = f"{seen['status'] or 'no answer'} {seen['characters']} characters{audio}"
    return f"{seen['method']} {seen['path']} {answered}, {seen['milliseconds']:.0f} ms"
