"""The plain server that every peer talks to: any POST is answered with as many bytes as asked.

The request's body names the number (``bytes-4096``, sent as the model), so that one address
serves all jobs. Run as a script it prints its port and serves until its input ends.
"""

import asyncio
import re
import socket
import sys
import threading

BLOCK = bytes(1 << 20)
SIZE = re.compile(rb"bytes-(\d+)")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: audio/pcm\r\nContent-Length: %d\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection, kept alive."""

    def connection_made(self, transport):
        self.transport = transport
        self.received = b""

    def data_received(self, data):
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.received, 0, end)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < total:
                return
            asked = SIZE.search(self.received, end, total)
            self.received = self.received[total:]
            self.answer(int(asked[1]) if asked else 0)

    def answer(self, size):
        if size <= len(BLOCK):
            self.transport.write(HEAD % size + BLOCK[:size])
            return
        # In a thread, with blocking writes: the event loop would be slower than the clients.
        self.transport.pause_reading()
        copy = socket.socket(fileno=socket.dup(self.transport.get_extra_info("socket").fileno()))
        threading.Thread(target=self.pour, args=(copy, size), daemon=True).start()

    def pour(self, connection, size):
        try:
            connection.settimeout(None)
            connection.sendall(HEAD % size)
            whole, rest = divmod(size, len(BLOCK))
            for _ in range(whole):
                connection.sendall(BLOCK)
            connection.sendall(BLOCK[:rest])
        except OSError:
            pass  # the client has gone
        finally:
            connection.settimeout(0)
            connection.close()
            LOOP.call_soon_threadsafe(self.transport.resume_reading)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    LOOP = asyncio.new_event_loop()
    LOOP.run_until_complete(main())
