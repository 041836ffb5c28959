"""The sockets below the engine, through its public interfaces for them."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import ssl
import time
from typing import Any

import anyio
import httpcore2
from anyio.lowlevel import checkpoint

from modelgates_speech.config import MAX_EXCERPT, READ_SIZE, WRITE_SIZE
from modelgates_speech.waiting import time_left

NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class Backend(httpcore2.SyncBackend):
    """Opens sockets that keep to the deadline of a call."""

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Open one, to the first address of `host` that answers."""
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(error) from error
        # Each with its zone (`fe80::1%eth0`), which stands apart in what is found.
        addresses = list(dict.fromkeys(socket.getnameinfo(at, NUMERIC)[0] for *_, at in found))
        while True:
            # The library would give each of them all the time that there is.
            left = time_left(until - time.monotonic())
            share = left and left / len(addresses)
            try:
                address = addresses.pop(0)
                return _Stream(super().connect_tcp(address, port, share, *args, **kwargs))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if not addresses:
                    raise


class _Socket:
    """What a sync and an async socket share.

    What is written leaves when something is to be read: the head of a request and its body go
    together, at the cost of one.

    Attributes:
        heard: What was read last, by which a reply knows whether more came than its own bytes.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.get_extra_info = stream.get_extra_info
        self._closed = False
        self._unsent = b""
        self._timeout: float | None = None
        self.heard = b""

    def check_end(self) -> None:
        """Raise where the end that was read last is not the server's: TLS has a word for that."""
        if tls := self.get_extra_info("ssl_object"):
            try:
                tls.read(1)
            except ssl.SSLError:
                raise httpcore2.ReadError("it ended without TLS's closing message") from None

    def _check_open(self) -> None:
        if self._closed:
            raise httpcore2.ReadError("this program closed its client or stream meanwhile")


class _Stream(_Socket):
    """A socket whose every operation asks anew how much time is left."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        super().__init__(stream)
        self._process = os.getpid()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Send what was written, and wait for bytes."""
        if self._unsent:
            self._send()
        try:
            # The library asks for 64 KiB: less often for more costs a long stream less.
            self.heard = self._stream.read(max(max_bytes, READ_SIZE), time_left(timeout))
        except httpcore2.ReadError:
            self._check_open()
            raise
        if not self.heard:
            self._check_open()
        return self.heard

    def close(self) -> None:
        """Close it, and wake the thread that may be reading."""
        self._closed = True
        # After a fork the other process goes on with it.
        if self._process == os.getpid():
            with contextlib.suppress(OSError):
                self.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._stream.close()

    def hang_up(self) -> None:
        """Close the socket alone, which takes no lock; `close` is still to come."""
        self.get_extra_info("socket").close()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Keep `buffer` until something is read."""
        self._unsent += buffer
        self._timeout = timeout

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, b""
        # A server that refuses early stops reading, but what it says is there to be read.
        with contextlib.suppress(httpcore2.WriteError):
            for start in range(0, len(unsent), WRITE_SIZE):
                piece = unsent[start : start + WRITE_SIZE]
                self._stream.write(piece, time_left(self._timeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _Stream:
        """The same socket, encrypted from now on."""
        name, left = server_hostname and server_hostname.strip("[]"), time_left(timeout)
        return _Stream(self._stream.start_tls(ssl_context, name, left))


class AsyncBackend(httpcore2.AsyncNetworkBackend):
    """Opens sockets for event loops, which need no help with deadlines: they cancel."""

    def __init__(self) -> None:
        # The library defines it in two ways, of which one has no types.
        self._backend: Any = httpcore2.AnyIOBackend()

    async def connect_tcp(self, host: str, *args: Any, **kwargs: Any) -> Any:
        """Open one."""
        return _AsyncStream(await self._backend.connect_tcp(host.strip("[]"), *args, **kwargs))


class _AsyncStream(_Socket):
    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        super().__init__(stream)
        self._early = b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Keep `buffer` until something is read."""
        self._unsent += buffer
        self._timeout = timeout

    async def _send(self) -> None:
        unsent, self._unsent = self._unsent, b""
        if len(unsent) <= WRITE_SIZE:
            with contextlib.suppress(httpcore2.WriteError):
                await self._stream.write(unsent, self._timeout)
            return
        # A server that refuses early hangs up, and asyncio drops what was not read by then.
        failure = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen)
            await checkpoint()  # it begins
            try:
                await self._stream.write(unsent, self._timeout)
            except httpcore2.WriteError:
                pass
            except Exception as error:  # noqa: BLE001 - raised below, where no group wraps it
                failure = error
            group.cancel_scope.cancel()
        if failure:
            raise failure

    async def _listen(self) -> None:
        with contextlib.suppress(Exception):
            while len(self._early) < MAX_EXCERPT and (data := await self._stream.read(READ_SIZE)):
                self._early += data

    async def read(self, *args: Any, **kwargs: Any) -> bytes:
        """Send what was written, and wait for bytes."""
        if self._unsent:
            await self._send()
        early, self._early = self._early, b""
        try:
            self.heard = early or await self._stream.read(*args, **kwargs)
        except httpcore2.ReadError:
            self._check_open()
            raise
        return self.heard

    async def aclose(self) -> None:
        self._closed = True
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> _AsyncStream:
        """The same socket, encrypted from now on."""
        name = server_hostname and server_hostname.strip("[]")
        try:
            return _AsyncStream(await self._stream.start_tls(ssl_context, name, *args, **kwargs))
        except BaseException:
            # The library closes it after errors, but not for a call that is cancelled.
            await anyio.aclose_forcefully(self._stream)
            raise
