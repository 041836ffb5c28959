"""A server that can break HTTP itself: raw sockets on an event loop in a thread of its own.

What it does is a list of acts, played for each request (or, for `on_connect`, as soon as a
connection is there). Nothing sleeps in the hope that something else has happened by then: a
stall lasts until the client goes away, and `until` waits for what the server has seen.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# A client that never goes away is let go after this many seconds, so that its test fails, not
# hangs. No machine is as slow, though one under load takes ten to send some megabytes.
HOLD = float(os.environ.get("FAULTS_HOLD", "30"))


@dataclass(frozen=True)
class Act:
    """Something that a server does that is not just sending bytes."""

    name: str

    def __repr__(self):
        return self.name


CLOSE = Act("CLOSE")
RESET = Act("RESET")
HANG_UP = Act("HANG_UP")  # as CLOSE, but under TLS without its last word
STALL = Act("STALL")
IGNORE = Act("IGNORE")
PAUSE = Act("PAUSE")  # until the server is told to `let_go`
AWAIT_A_BYTE = Act("AWAIT_A_BYTE")


@dataclass(frozen=True)
class Drip:
    """Send byte after byte, each on its own, slowly."""

    data: bytes


@dataclass(frozen=True)
class Pour:
    """Send `piece` so many times without ever holding all of it."""

    piece: bytes
    times: int


@dataclass(frozen=True)
class Later:
    """Send what the function returns when the time has come."""

    make: Callable[[bytes], bytes]


Acts = Iterable[bytes | Act | Drip | Pour | Later]


class _Thread:
    """The event loop that all servers of a test run share."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="fault server", daemon=True).start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(HOLD * 3)


_thread = None


class FaultServer:
    """Answers every request by `acts`, and keeps what it received.

    Attributes:
        acts: What it does with each request; keeps the connection if they do not end it.
        on_connect: What it does with each connection before it reads anything.
        requests: The whole requests received, raw, in order.
        stray: Raw bytes received that were no whole request.
        connections: How many connections were accepted.
        open: How many of them have not ended, or only because the client did not go away in time.
    """

    def __init__(self, acts: Acts = (), tls: ssl.SSLContext | None = None):
        global _thread
        _thread = _thread or _Thread()
        self.acts = acts
        self.on_connect: Acts = ()
        self.requests: list[bytes] = []
        self.stray = b""
        self.connections = 0
        self.open = 0
        self.port = 0
        self._tls = tls
        self._changed = threading.Condition()
        self._let_go = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        self._ended = False
        self._server: asyncio.Server | None = None
        self._place: socket.socket | None = None

    def __enter__(self):
        self.listen()
        return self

    def __exit__(self, *error):
        self.refuse()
        self._place.close()
        _thread.run(self._end())

    @property
    def url(self):
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def listen(self):
        """Accept connections, on the same port as before if there was one."""
        _thread.run(self._listen())

    def refuse(self):
        """Refuse connections from now on."""
        _thread.run(self._refuse())

    def use_tls(self, context: ssl.SSLContext):
        """Present another certificate, or any at all, from the next `listen` on."""
        self._tls = context

    def let_go(self):
        """End what is being ignored, for a client's going away shows to those who read alone; end
        a pause."""
        _thread.loop.call_soon_threadsafe(self._let_go.set)

    def until(self, seen: Callable[[], bool]):
        """Wait until the server has `seen` something."""
        with self._changed:
            assert self._changed.wait_for(seen, HOLD * 2), (
                f"never seen: {self.open} connections open, {len(self.requests)} requests"
            )

    async def _listen(self):
        self._ended = False
        listening, self._place = self._place or self._bound(), None
        # A small window, so that a request nobody reads does not vanish in buffers.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        self.port = listening.getsockname()[1]
        self._server = await asyncio.start_server(
            self._serve, sock=listening, ssl=self._tls, backlog=128
        )

    def _bound(self):
        """A socket that has the port, which refuses until it listens."""
        place = socket.socket()
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", self.port))
        return place

    async def _refuse(self):
        if self._place:
            return
        for listening in self._server.sockets:
            _thread.loop.remove_reader(listening)
        # One that asyncio is accepting while its server closes is lost: neither served nor closed.
        await asyncio.sleep(0)
        self._server.close()
        # Else another process may be given the port, and be sent what is to be refused.
        self._place = self._bound()

    async def _end(self):
        self._ended = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self._note(accepted=1, opened=1)
        try:
            # One that was accepted before the end, and is served only after it, would never end.
            if not self._ended:
                await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except TimeoutError:
            self._note(opened=1)
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()
            self._note(opened=-1)
            self._tasks.discard(asyncio.current_task())

    async def _converse(self, reader, writer):
        goes_on = await self._play(self.on_connect, b"", reader, writer)
        while goes_on:
            request = await self._request(reader)
            with self._changed:
                self.requests.append(request)
                self._changed.notify_all()
            goes_on = await self._play(self.acts, request, reader, writer)

    async def _request(self, reader):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            return head + await reader.readexactly(int(fields.get(b"content-length", 0)))
        except asyncio.IncompleteReadError as error:
            self.stray += error.partial
            raise

    async def _play(self, acts, request, reader, writer):
        for act in acts:
            match act:
                case bytes():
                    await self._send(writer, act)
                case Later():
                    await self._send(writer, act.make(request))
                case Pour():
                    for _ in range(act.times):
                        await self._send(writer, act.piece)
                case Drip():
                    for byte in act.data:
                        await self._send(writer, bytes([byte]))
                        with contextlib.suppress(TimeoutError):
                            return await asyncio.wait_for(self._gone(reader), 0.02)
                case Act("AWAIT_A_BYTE"):
                    await asyncio.wait_for(reader.readexactly(1), HOLD)
                case Act("IGNORE"):
                    await asyncio.wait_for(self._let_go.wait(), HOLD)
                    return False
                case Act("PAUSE"):
                    await asyncio.wait_for(self._let_go.wait(), HOLD)
                case Act("STALL"):
                    await self._gone(reader)
                    return False
                case Act("RESET"):
                    linger = struct.pack("ii", 1, 0)
                    connection = writer.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    writer.transport.abort()
                    return False
                case Act("HANG_UP"):
                    # Not before the last byte is out, which an abort alone might drop.
                    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
                    writer.transport.abort()
                    return False
                case Act("CLOSE"):
                    return False
        return True

    async def _send(self, writer, data):
        writer.write(data)
        await asyncio.wait_for(writer.drain(), HOLD)

    async def _gone(self, reader):
        while await asyncio.wait_for(reader.read(65_536), HOLD):
            pass

    def _note(self, *, accepted=0, opened=0):
        with self._changed:
            self.connections += accepted
            self.open += opened
            self._changed.notify_all()
