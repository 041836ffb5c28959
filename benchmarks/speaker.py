"""A server that speaks at a stated speed, for measuring what waiting costs.

It answers any POST with PCM: nothing for the first 300 ms, then the speech of the request's
``input`` as fast as a model makes it: 15 characters are a second of speech, made ten times as fast
as it plays, so 150 characters a second. Run as a script it prints its port and serves until its
input ends. ``--pace 0`` answers at once, to measure the client alone.
"""

import argparse
import asyncio
import json
import sys

FIRST_BYTE = 0.3
PER_CHARACTER = 24_000 * 2 // 15  # bytes of 24 kHz 16-bit mono
CHARACTERS_PER_SECOND = 15 * 10
TICK = 0.05
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: audio/pcm;rate=24000;channels=1\r\n"
    b"Content-Length: %d\r\n\r\n"
)


async def answer(reader, writer, pace):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            characters = len(json.loads(await reader.readexactly(length))["input"])
            writer.write(HEAD % (characters * PER_CHARACTER))
            await speak(writer, characters, pace)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def speak(writer, characters, pace):
    if not pace:
        writer.write(bytes(characters * PER_CHARACTER))
        await writer.drain()
        return
    loop = asyncio.get_running_loop()
    begin = loop.time() + FIRST_BYTE / pace
    said, at = 0, begin
    while said < characters:
        await asyncio.sleep(max(0, at - loop.time()))
        due = min(characters, int((loop.time() - begin) * CHARACTERS_PER_SECOND * pace) + 1)
        writer.write(bytes((due - said) * PER_CHARACTER))
        await writer.drain()
        said, at = due, at + TICK


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pace", type=float, default=1, help="how much faster than stated")
    pace = parser.parse_args().pace
    server = await asyncio.start_server(
        lambda reader, writer: answer(reader, writer, pace), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
