"""How many short texts a second the stub speaks, and in how much memory.

Run by `python -m benchmarks.stub`.

The stub runs in a process of its own. The client is plain sockets, to cost as little as it can of
the machine that both share; the CPU time is the stub's alone, so that a busy machine changes it
less than the rate.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

SERVER = "from modelgates_speech.stub import serve; serve(port=0, any_key=True, as_json=True)"


def request(url, text):
    body = json.dumps({"input": text, "model": "any/model", "voice": "alloy"}).encode()
    head = (
        f"POST {url.path}/audio/speech HTTP/1.1\r\nHost: {url.netloc}\r\n"
        "Authorization: Bearer any\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def read_answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    size = 0
    while length := int(await reader.readline(), 16):
        size += len(await reader.readexactly(length + 2)) - 2
    await reader.readline()
    return size


async def work(url, texts):
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 20)
    size = 0
    for text in texts:
        writer.write(request(url, text))
        size += await read_answer(reader)
    writer.close()
    return size


async def call(url, count, at_once, wording):
    texts = iter([wording(number) for number in range(count)])
    return sum(await asyncio.gather(*(work(url, texts) for _ in range(at_once))))


def usage(process):
    """CPU seconds and peak memory in MiB of a process, where the system tells."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        times = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan"), float("nan")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"), peak


WORDS = (
    *("row", "page", "line", "part", "book", "name", "word", "case", "task", "note"),
    *("red", "blue", "long", "last", "next", "old", "new", "first", "good", "done"),
)
WORDINGS = {
    "every text another": lambda number: " ".join(
        (WORDS[number % 20], WORDS[number // 20 % 20], WORDS[number // 400 % 20])
    ),
    "the same text": lambda number: "The row is done.",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--at-once", type=int, default=50)
    options = parser.parse_args()
    for name, wording in WORDINGS.items():
        with subprocess.Popen(
            [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            url = urlsplit(json.loads(process.stdout.readline())["base_url"])
            # It says a line for each request, which somebody has to take.
            with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL):
                asyncio.run(call(url, 20, 1, wording))
                cpu, _ = usage(process)
                began = time.perf_counter()
                size = asyncio.run(call(url, options.requests, options.at_once, wording))
                took = time.perf_counter() - began
                ended, peak = usage(process)
                process.kill()
        print(
            f"{name}: {options.requests / took:,.0f} requests a second, "
            f"{(ended - cpu) / options.requests * 1000:.2f} ms of CPU each, "
            f"{peak:,.0f} MiB at most, {size / 48000 / options.requests:.2f} s of audio each"
        )


if __name__ == "__main__":
    main()
