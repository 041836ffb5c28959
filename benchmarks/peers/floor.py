"""The floor: http.client, a bare socket for the body of a stream, asyncio's streams for async."""

import json
import sys

from benchmarks.peers import KEY, fields

REQUIRES = []
PACKAGE = ""
IMPORT = "import http.client"
LACKS = {}
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
BUFFER = 64 * 1024


def connect(url):
    import http.client

    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    return kinds[scheme](host), f"/{path}/audio/speech"


def create(parts, size):
    connection, path = parts
    connection.request("POST", path, json.dumps(fields(size)), HEADERS)
    return connection.getresponse().read()


def stream(parts, size):
    connection, path = parts
    if connection.sock is None:
        connection.connect()
    body = json.dumps(fields(size)).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {connection.host}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sock.sendall(head.encode() + body)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.sock.recv(BUFFER)
    piece = data.partition(b"\r\n\r\n")[2]
    while size:
        yield piece
        size -= len(piece)
        if size:
            piece = connection.sock.recv(BUFFER)


def save(parts, size, path):
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib is not to be measured
        for piece in stream(parts, size):
            file.write(piece)


def aconnect(url):
    host, _, path = url.removeprefix("http://").partition("/")
    address, _, port = host.partition(":")
    return address, port, f"/{path}/audio/speech", []


async def acreate(parts, size):
    import asyncio

    address, port, path, idle = parts
    reader, writer = idle.pop() if idle else await asyncio.open_connection(address, port)
    body = json.dumps(fields(size)).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await reader.readuntil(b"\r\n\r\n")
    data = await reader.readexactly(size)
    idle.append((reader, writer))
    return data


def version():
    return [sys.executable, "-c", "pass"]
