"""Does one job with one peer, in the peer's own environment, and prints the figures as JSON.

    python -m benchmarks.worker PEER JOB URL SIZE COUNT

It imports next to nothing, so that what it measures is the peer's.
"""

import gc
import json
import os
import resource
import sys
import time
from importlib import import_module

WARM_UP = 20


def peak():
    """The most memory this process has held since `forget_peak`, in bytes."""
    with open("/proc/self/status") as file:  # noqa: PTH123
        [line] = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
        file.write("5")


class Clock:
    """Wall and CPU time of all threads since it was made."""

    def __init__(self):
        gc.collect()
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def stop(self):
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"wall": wall, "cpu": cpu}


def do_import(peer, url, size, count):
    before = peak()
    clock = Clock()
    exec(peer.IMPORT, {})
    return clock.stop() | {"memory": peak() - before, "importtime": import_time(peer.IMPORT)}


def import_time(statement):
    """Seconds by `-X importtime`: what the statement's own imports add up to."""
    import subprocess

    code = f"import sys; sys.stderr.write('MARK\\n'); {statement}"
    command = [sys.executable, "-X", "importtime", "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    lines = [line.split("|") for line in output.partition("MARK\n")[2].splitlines()]
    # Indented by one space are those that the statement itself imported.
    return sum(int(line[1]) for line in lines if line[2][:2].strip()) / 1e6


def do_version(peer, url, size, count):
    """The CPU time of a whole process that says its version, or of one that does nothing."""
    import subprocess

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(count):
        subprocess.run(peer.version(), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": spent / count}


def do_ready(peer, url, size, count):
    # An address as in earnest: this machine's own, without TLS, might be had for less.
    before = peak()
    clock = Clock()
    client = peer.connect("https://speech.example/api/v1")
    figures = clock.stop() | {"memory": peak() - before}
    del client
    return figures


def do_once(peer, url, size, count):
    clock = Clock()
    assert len(peer.create(peer.connect(url), size)) == size
    return clock.stop()


def do_create(peer, url, size, count):
    client = peer.connect(url)
    for _ in range(WARM_UP):
        assert len(peer.create(client, size)) == size
    clock = Clock()
    for _ in range(count):
        peer.create(client, size)
    return {name: value / count for name, value in clock.stop().items()}


def do_first_byte(peer, url, size, count):
    client = peer.connect(url)
    waits = []
    for _ in range(WARM_UP + count):
        began = time.perf_counter()
        pieces = iter(peer.stream(client, size))
        next(pieces)
        waits.append(time.perf_counter() - began)
        for _ in pieces:
            pass
    waits = sorted(waits[WARM_UP:])
    return {"wall": waits[len(waits) // 2]}


def do_stream(peer, url, size, count):
    client = peer.connect(url)
    sum(map(len, peer.stream(client, min(size, 32 << 20))))
    gc.collect()
    forget_peak()
    before = peak()
    clock = Clock()
    received = sum(map(len, peer.stream(client, size)))
    figures = clock.stop() | {"memory": peak() - before}
    assert received == size, received
    return figures | {"rate": size / figures["wall"]}


def do_save(peer, url, size, count):
    path = f"benchmark-{os.getpid()}.pcm"
    client = peer.connect(url)
    try:
        peer.save(client, 4096, path)
        gc.collect()
        forget_peak()
        before = peak()
        clock = Clock()
        peer.save(client, size, path)
        figures = clock.stop() | {"memory": peak() - before}
        assert os.path.getsize(path) == size  # noqa: PTH202
    finally:
        os.unlink(path)  # noqa: PTH108
    return figures | {"rate": size / figures["wall"]}


def do_async(peer, url, size, count):
    """`count` requests at once, as tasks that make several in turn until there are 1,000."""
    import asyncio
    from collections import Counter

    turns = max(2, 1000 // count) if count > 1 else 200
    failures = Counter()

    async def task(client, turns):
        for _ in range(turns):
            try:
                data = await peer.acreate(client, size)
            except Exception as error:  # noqa: BLE001 - counted by name
                failures[type(error).__name__] += 1
            else:
                if len(data) != size:
                    failures["short"] += 1

    async def main():
        client = peer.aconnect(url)
        await task(client, 5)
        clock = Clock()
        await asyncio.gather(*(task(client, turns) for _ in range(count)))
        figures = clock.stop()
        close = getattr(client, "aclose", None) or getattr(client, "close", None)
        if close and asyncio.iscoroutine(closing := close()):
            await closing
        return figures

    figures = asyncio.run(main())
    total = turns * count
    done = total - sum(failures.values())
    return {
        "cpu": figures["cpu"] / total,
        "rate": done / figures["wall"],
        "failed": total - done,
        "failures": dict(failures),
    }


JOBS = {name.removeprefix("do_"): job for name, job in globals().items() if name[:3] == "do_"}


def main():
    name, job, url, size, count = sys.argv[1:]
    # Clients must not pay for, nor profit from, too few files allowed to be open.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peer = import_module(f"benchmarks.peers.{name}")
    print(json.dumps(JOBS[job](peer, url, int(size), int(count))))


if __name__ == "__main__":
    main()
