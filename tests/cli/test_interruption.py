"""Ended in the middle of a file: the folder is as it was before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks into /proc to see the write in progress"
)

ARRIVED = 5000


def bytes_in_progress(process, folder):
    """How much the process has written into a file in `folder`, named or not."""
    sizes = [path.stat().st_size for path in folder.iterdir()]
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            if os.readlink(link).startswith(f"{folder}/"):
                sizes.append(link.stat().st_size)
        except FileNotFoundError:
            continue
    return max(sizes, default=0)


@pytest.fixture
def half_written(start, with_key, stub, folder):
    """A `modelgates-speech speak` that has written some of its file and waits for the rest."""

    def half_written(*arguments):
        process = start(
            *("speak", "Hello world", "--model", f"stub/stall-midway?after={ARRIVED}"),
            *("-o", "hello.wav", *arguments),
            env=with_key,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 60
        while bytes_in_progress(process, folder) < ARRIVED:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "the file was never begun"
            time.sleep(0.02)
        return process

    return half_written


def test_ctrl_c_leaves_no_file(half_written, folder):
    process = half_written()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err.strip()) == (130, b"", b"")
    assert list(folder.iterdir()) == []


def test_ctrl_c_ends_the_bundled_stub_too(half_written, folder):
    process = half_written("--local")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err.strip()) == (130, b"", b"")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_polite_request_to_end_leaves_no_file(half_written, folder, name):
    if (number := getattr(signal, name, None)) is None:
        pytest.skip(f"this system has no {name}")
    process = half_written()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (128 + number, b"", b"")
    assert list(folder.iterdir()) == []


def test_kill_9_leaves_no_file_that_looks_whole(half_written, folder):
    process = half_written()
    process.kill()
    process.communicate(timeout=60)

    assert process.returncode == -signal.SIGKILL
    assert not (folder / "hello.wav").exists()
    assert [path.name for path in folder.iterdir() if not path.name.endswith(".part")] == []


def test_kill_9_leaves_the_file_that_was_there_before(half_written, folder):
    before = folder / "hello.wav"
    before.write_bytes(b"before")
    process = half_written()
    process.kill()
    process.communicate(timeout=60)

    assert before.read_bytes() == b"before"


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_batch_that_waits_for_rows_ends_when_it_is_told(start, with_key, folder, told, code):
    process = start(
        *("batch", "-", "--out-dir", "out"),
        env=with_key,
        **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE),
    )
    process.stdin.write(b'{"id": "a", "input": "Hello."}\n')
    process.stdin.flush()
    end = time.monotonic() + 60
    while not (folder / "out" / "results.jsonl").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the row was never spoken"
        time.sleep(0.02)
    process.send_signal(told)
    assert process.wait(timeout=60) == code


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_batch_that_is_told_to_end_records_what_is_under_way(
    start, run, with_key, stub, folder, name, code
):
    rows = (f'{{"id": "{n}", "input": "Text {n}."}}\n' for n in range(40))
    (folder / "rows.jsonl").write_text("".join(rows))
    command = ("batch", "rows.jsonl", "--out-dir", "out", "--concurrency", "4")
    stub.fail_next("slow", times=40, delay=1)
    process = start(*command, env=with_key, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while len(stub.requests) < 4:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no row was sent"
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in err) == (code, False)
    sent = len(stub.requests)
    stub.reset()
    assert run(*command, env=with_key).code == 0
    assert sent + len(stub.requests) == 40
