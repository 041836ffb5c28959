"""Long texts and batches, measured: `nox -s jobs_benchmark`.

`narrate` beside one call of the `openai` package, against a server that speaks at a stated speed
(see `speaker.py`); then throughput and memory of a batch against the same server without a pace.
Times against the paced server are waiting, not work, and hardly depend on the machine.
"""

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody minds. "
REQUEST = {"model": "some/model", "voice": "alloy"}


@contextlib.contextmanager
def speaker(pace):
    script = Path(__file__).with_name("speaker.py")
    server = subprocess.Popen(
        [sys.executable, script, f"--pace={pace}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    finally:
        server.stdin.close()
        server.wait()


def text_of(characters):
    return (SENTENCE * (characters // len(SENTENCE) + 1))[:characters]


def in_a_process(job, *arguments):
    """Run a job of this module by itself: its peak of memory is that of the process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.jobs", "--job", job, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def timed(chunks):
    begin = time.perf_counter()
    first, size = None, 0
    for chunk in chunks:
        first = first or time.perf_counter() - begin
        size += len(chunk)
    return {
        "first": first,
        "total": time.perf_counter() - begin,
        "bytes": size,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def narrate(url, characters, concurrency):
    from modelgates_speech import ModelGates

    with ModelGates(base_url=url, api_key="key") as client:
        return timed(
            client.audio.speech.narrate(
                input=text_of(int(characters)), concurrency=int(concurrency), **REQUEST
            )
        )


def openai_create(url, characters):
    from openai import OpenAI

    def chunks(client):
        request = {"input": text_of(int(characters)), "response_format": "pcm", **REQUEST}
        yield client.audio.speech.create(**request).content

    with OpenAI(base_url=url, api_key="key", timeout=3600) as client:
        return timed(chunks(client))


def batch(url, rows, concurrency, folder):
    from modelgates_speech import AsyncModelGates
    from modelgates_speech.jobs import run_batch

    manifest = ({"id": f"row-{n}", "input": f"Row number {n}."} for n in range(int(rows)))
    begin = time.perf_counter()
    report = run_batch(
        manifest,
        folder,
        client=lambda: AsyncModelGates(base_url=url, api_key="key"),
        defaults=REQUEST,
        concurrency=int(concurrency),
    )
    return {
        "ok": report.ok,
        "skipped": report.skipped,
        "total": time.perf_counter() - begin,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


JOBS = {job.__name__: job for job in (narrate, openai_create, batch)}


def compare(characters, pace):
    print(f"\n{characters:,} characters, the server at {pace:g} times its stated speed")
    print(f"{'':28}{'first sound':>12}{'all of it':>12}{'memory':>12}")
    with speaker(pace) as url:
        found = {"openai, one create": in_a_process("openai_create", url, characters)}
        for concurrency in (1, 4, 16):
            name = f"narrate, {concurrency} at once"
            found[name] = in_a_process("narrate", url, characters, concurrency)
    one = found["openai, one create"]
    for name, result in found.items():
        assert result["bytes"] == one["bytes"], "not the same audio"
        sooner, faster = one["first"] / result["first"], one["total"] / result["total"]
        print(
            f"{name:28}{result['first']:>10.2f} s{result['total']:>10.1f} s"
            f"{result['megabytes']:>9.0f} MB   {sooner:>6.1f} x and {faster:.1f} x"
        )


def measure_batch(rows):
    for pace, concurrency in ((1, 64), (0, 16)):
        said = "at its stated speed" if pace else "without a pace"
        print(f"\n{rows:,} rows, {concurrency} at once at most, the server {said}")
        with speaker(pace) as url, tempfile.TemporaryDirectory() as folder:
            for name in ("spoken", "resumed"):
                result = in_a_process("batch", url, rows, concurrency, folder)
                print(
                    f"{name:28}{rows / result['total']:>10,.0f} rows/s{result['total']:>10.1f} s"
                    f"{result['megabytes']:>9.0f} MB"
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("parts", nargs="*", help="long, batch; both by default")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument(
        "--pace", type=float, default=10, help="of the server, for the long text (default 10)"
    )
    arguments = parser.parse_args()
    if arguments.job:
        name, *rest = arguments.job
        print(json.dumps(JOBS[name](*rest)))
        return
    parts = arguments.parts or ["long", "batch"]
    if "long" in parts:
        compare(5_000, 1)
        compare(100_000, arguments.pace)
    if "batch" in parts:
        measure_batch(arguments.rows)


if __name__ == "__main__":
    main()
