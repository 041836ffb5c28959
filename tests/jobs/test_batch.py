"""Batches against the stub: every row is a file and a line, sent once, whatever happens."""

import contextlib
import csv
import errno
import importlib
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import wave

import anyio
import pytest

from modelgates_speech import AsyncModelGates, ConfigurationError, RetryPolicy, jobs
from modelgates_speech.jobs import run_batch, run_batch_async
from modelgates_speech.jobs.aimd import START
from modelgates_speech.jobs.batch import CONCURRENCY, MOST_ALIKE
from modelgates_speech.jobs.manifest import BadRow, count_rows, file_name, read_rows
from tests.edition import SPEAKER, needs_mp3, needs_pcm, needs_rows, taken_or_skipped
from tests.jobs.conftest import spelled
from tests.systems import HAS_UNNAMED_FILES

pytestmark = needs_rows

QUICK = RetryPolicy(initial_delay=0)
# Some more rows than are tried before a batch in which nothing works stops.
ENOUGH = MOST_ALIKE + 2 * CONCURRENCY


def rows(count, start=0):
    return [{"id": f"row-{n}", "input": f"Text {n}."} for n in range(start, start + count)]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def batch(stub, out):
    def batch(source, **options):
        return run_batch(source, out, **{"defaults": SPEAKER, "retry": QUICK} | options)

    return batch


def results(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def said(path):
    return spelled(path.read_bytes()[44:])


@needs_pcm
def test_every_row_becomes_a_file_and_a_line(batch, out):
    report = batch(rows(20))
    assert (report.ok, report.failed, report.skipped, report.stopped) == (20, 0, 0, None)
    found = {result["id"]: result for result in results(out)}
    assert len(results(out)) == len(found) == 20
    for number in range(20):
        result = found[f"row-{number}"]
        path = out / result["path"]
        assert said(path) == f"Text{number}."
        assert (result["status"], result["bytes"]) == ("ok", path.stat().st_size)
        with wave.open(str(path)) as file:
            assert result["seconds"] == pytest.approx(file.getnframes() / 24000)


def test_run_again_it_buys_nothing(batch, out, stub):
    batch(rows(10))
    before = (out / "results.jsonl").read_bytes()
    report = batch(rows(10))
    assert (report.ok, report.skipped) == (0, 10)
    assert len(stub.requests) == 10
    assert (out / "results.jsonl").read_bytes() == before


@needs_pcm
@pytest.mark.parametrize("damage", ["remove", "shorten", "change"])
def test_a_result_whose_file_does_not_agree_is_bought_again(batch, out, stub, damage):
    batch(rows(5))
    path = out / "row-3.wav"
    whole = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(whole[:-2] if damage == "shorten" else whole[:-2] + b"!!")
    report = batch(rows(5))
    assert (report.ok, report.skipped) == (1, 4)
    assert path.read_bytes() == whole
    assert sorted(result["id"] for result in results(out)) == [f"row-{n}" for n in range(5)]


@needs_pcm
def test_a_row_that_asks_for_something_else_is_bought_again_and_has_one_line(batch, out):
    batch(rows(3))
    changed = [*rows(2), {"id": "row-2", "input": "Another text."}]
    for bought in (1, 0):
        assert batch(changed).ok == bought
        assert said(out / "row-2.wav") == "Anothertext."
        assert sorted(result["id"] for result in results(out)) == ["row-0", "row-1", "row-2"]


def test_one_bad_row_never_stops_the_rest(batch, out, stub):
    endless = {}
    endless["options"] = endless
    bad = [
        {"input": "No id."},
        {"id": "blank", "input": " "},
        {"id": "number", "input": 7},
        {"id": "typo", "input": "Hello.", "speeed": 2},
        {"id": "row-1", "input": "The same id again."},
        {"id": "ROW-1", "input": "The same file, to some systems."},
        {"id": "x" * 300, "input": "Too long."},
        {"id": ["list"], "input": "No text."},
        {"id": "names", "input": "Names of two kinds.", 7: "seven", "speeed": 2},
        {"id": "number-name", "input": "A name that is no text.", float("nan"): 1},
        {"id": "endless", "input": "What JSON cannot hold.", "provider": endless},
    ]
    report = batch([*rows(2), *bad, *rows(2, start=2)])
    assert (report.ok, report.failed, report.stopped) == (4, len(bad), None)
    failed = [result for result in results(out) if result["status"] == "failed"]
    assert {result["error"]["type"] for result in failed} == {"InvalidRow"}
    assert sorted(result["row"] for result in failed) == list(range(3, 3 + len(bad)))
    assert len(stub.requests) == 4


def test_a_row_answered_with_what_is_no_audio_is_told_with_what_it_says(batch, out):
    assert batch([{**rows(1)[0], "model": "stub/json"}]).failed == 1
    [failed] = results(out)
    assert failed["error"]["status"] is None
    assert '{"error": ' in failed["error"]["message"]


def test_a_row_the_server_refuses_is_told_with_the_code_and_tried_again_next_time(batch, out, stub):
    stub.fail_next(400, message="no such voice")
    report = batch(rows(4), concurrency=1)
    assert (report.ok, report.failed) == (3, 1)
    [failed] = [result for result in results(out) if result["status"] == "failed"]
    assert failed["error"] == {"type": "BadRequestError", "status": 400, "message": "no such voice"}
    report = batch(rows(4))
    assert (report.ok, report.failed, report.skipped) == (1, 0, 3)
    assert sorted(result["id"] for result in results(out)) == [f"row-{n}" for n in range(4)]


@needs_pcm
def test_a_row_whose_file_cannot_be_is_not_paid_for_and_stops_no_other(batch, out, stub):
    (out / "row-1.wav").mkdir(parents=True)
    report = batch(rows(4))
    assert (report.ok, report.failed, report.stopped) == (3, 1, None)
    assert len(stub.requests) == 3
    [failed] = [result for result in results(out) if result["status"] == "failed"]
    assert failed["error"]["type"] == "SaveError"


def test_a_format_whose_name_is_too_long_for_a_file_is_not_paid_for(batch, stub):
    assert batch([{"id": "a", "input": "Hi.", "response_format": "x" * 300}]).failed == 1
    stub.assert_not_called()


def test_speech_that_broke_off_leaves_no_file(batch, out, stub):
    stub.fail_next("cut", after=4)
    report = batch(rows(1))
    assert (report.ok, report.failed) == (0, 1)
    assert not list(out.glob("*.wav"))


@needs_pcm
def test_what_came_of_a_row_that_failed_is_kept_and_named(batch, out, stub):
    stub.fail_next("cut", after=4)
    batch(rows(1))
    [result] = results(out)
    assert result["error"]["type"] == "IncompleteAudioError"
    assert result["error"]["kept"] == "kept/row-0.wav"
    assert said(out / "kept" / "row-0.wav") == "Te"
    assert batch(rows(1)).ok == 1
    assert said(out / "row-0.wav") == "Text0."


def test_rate_limits_slow_the_batch_down_and_fail_no_row(batch, out, stub):
    limits = []
    stub.fail_next(429, times=4, retry_after=0)
    report = batch(rows(30), on_progress=lambda report: limits.append(report.concurrency))
    assert (report.ok, report.failed) == (30, 0)
    assert min(limits) <= 2
    assert limits[-1] > 2
    assert len(stub.requests) == 34


def test_a_row_refused_again_and_again_is_a_failure_at_last(batch, out, stub):
    stub.fail_next(429, times=11, retry_after=0)
    report = batch(rows(2), concurrency=1)
    assert report.failed + report.ok == 2
    assert len(stub.requests) == 12 + (report.ok == 2)


@pytest.mark.parametrize("status", [401, 402])
def test_what_would_fail_every_row_stops_the_batch(batch, out, stub, status):
    stub.fail_next(status, times=50)
    report = batch(rows(50), concurrency=2)
    assert report.stopped is not None
    assert len(stub.requests) <= 4
    stub.reset()


# A key refused, a model mistyped, a server that fails, and a page of a network that wants a login.
@pytest.mark.parametrize("answer", [403, 404, 500, "html"])
def test_a_batch_whose_rows_all_fail_alike_stops_and_resumes_later(batch, out, stub, answer):
    stub.fail_next(answer, times=ENOUGH)
    report = batch(rows(ENOUGH))
    assert report.ok == 0
    assert MOST_ALIKE <= report.failed == len(stub.requests) < MOST_ALIKE + CONCURRENCY
    assert f"{MOST_ALIKE} rows in a row failed alike" in report.stopped
    stub.reset()
    again = batch(rows(ENOUGH))
    assert (again.ok, again.failed, again.stopped) == (ENOUGH, 0, None)


def test_texts_that_are_refused_among_others_stop_no_batch(batch, stub):
    for _ in range(MOST_ALIKE):
        stub.fail_next(403, times=2)
        stub.fail_next(400)
    report = batch(rows(4 * MOST_ALIKE))
    assert (report.ok, report.failed, report.stopped) == (MOST_ALIKE, 3 * MOST_ALIKE, None)


def test_who_allows_more_errors_gets_so_many_that_are_alike(batch, stub):
    stub.fail_next(403, times=2 * MOST_ALIKE)
    report = batch(rows(2 * MOST_ALIKE + 1), max_errors=3 * MOST_ALIKE)
    assert (report.ok, report.failed, report.stopped) == (1, 2 * MOST_ALIKE, None)


@needs_pcm
def test_files_that_are_there_already_stop_no_other_row(batch, out, stub):
    for number in range(2 * MOST_ALIKE):
        (out / f"row-{number}.wav").mkdir(parents=True)
    report = batch(rows(2 * MOST_ALIKE + 1))
    assert (report.ok, report.failed, report.stopped) == (1, 2 * MOST_ALIKE, None)


def test_too_many_errors_stop_the_batch(batch, out, stub):
    stub.fail_next(400, times=50)
    report = batch(rows(50), concurrency=1, max_errors=3)
    assert (report.failed, report.stopped) == (3, "3 rows have failed")
    assert len(stub.requests) == 3
    stub.reset()


def test_the_budget_of_characters_is_not_exceeded(batch, out, stub):
    report = batch(rows(10), max_characters=40)
    assert (report.ok, report.characters) == (5, 35)
    assert "40 characters" in report.stopped
    assert sum(len(request.body["input"]) for request in stub.requests) == 35
    assert batch(rows(10)).ok == 5


def test_concurrency_stays_below_its_ceiling(batch, engine):
    lock, running, most = threading.Lock(), 0, 0

    def hold(text):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    engine.hold = hold
    assert batch(rows(40), concurrency=2).ok == 40
    assert 1 <= most <= 2


@needs_mp3
def test_mp3_rows_are_measured_and_named_mp3(batch, out):
    batch([{"id": "a", "input": "Hello, hello, hello.", "response_format": "mp3"}])
    [result] = results(out)
    assert result["path"] == "a.mp3"
    assert result["seconds"] > 0


def test_two_batches_never_write_to_one_folder(batch, out, engine):
    answered = []

    def second(report):
        with pytest.raises(ConfigurationError, match="another batch"):
            run_batch_in_thread(rows(1), out)
        answered.append(report.ok)

    assert batch(rows(1), on_progress=second).ok == 1
    assert answered


DEAD = "127.0.0.1:9"


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_a_dead_server_stops_the_batch_which_resumes_later(batch, out, stub, concurrency):
    def dead():
        return AsyncModelGates(base_url=f"http://{DEAD}")

    report = batch(rows(ENOUGH), client=dead, concurrency=concurrency)
    assert concurrency <= report.failed < 2 * concurrency + START
    assert "in a row reached no server" in report.stopped
    assert DEAD in report.stopped
    assert report.ok == 0
    again = batch(rows(ENOUGH))
    assert (again.ok, again.failed, again.stopped) == (ENOUGH, 0, None)
    assert len(stub.requests) == ENOUGH


def test_a_connection_that_breaks_now_and_then_stops_nothing(batch, stub):
    # As many in all as would stop it in a row, which they are not: four at once is how it begins.
    stub.fail_next("reset", times=4)
    stub.fail_next(400, times=8)
    stub.fail_next("reset", times=4)
    report = batch(rows(30), concurrency=8)
    assert (report.ok, report.failed, report.stopped) == (14, 16, None)


@pytest.fixture
def waiting(engine):
    """Rows that are under way until they are let go."""
    begun, let_go = threading.Semaphore(0), threading.Event()

    def hold(text):
        begun.release()
        let_go.wait(timeout=60)

    engine.hold = hold
    yield begun, let_go
    let_go.set()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_batch_that_is_cancelled_records_what_is_under_way(out, stub, waiting, backend):
    begun, let_go = waiting

    async def main():
        async with AsyncModelGates() as client, anyio.create_task_group() as tasks:

            async def cancel():
                for _ in range(3):
                    await anyio.to_thread.run_sync(begun.acquire)
                tasks.cancel_scope.cancel()
                let_go.set()

            tasks.start_soon(cancel)
            await run_batch_async(rows(20), out, client=client, defaults=SPEAKER, concurrency=3)

    anyio.run(main, backend=backend)
    found = results(out)
    assert {result["status"] for result in found} == {"ok"}
    assert len(found) == len(stub.requests) == 3
    assert run_batch(rows(20), out, defaults=SPEAKER, retry=QUICK).ok == 17
    assert len(stub.requests) == 20


def test_a_row_that_takes_too_long_for_a_batch_that_is_cancelled_is_recorded_as_such(
    out, stub, waiting, monkeypatch
):
    begun, _ = waiting
    monkeypatch.setattr(jobs.batch, "GRACE_SECONDS", 0.05)

    async def main():
        async with AsyncModelGates() as client, anyio.create_task_group() as tasks:

            async def cancel():
                await anyio.to_thread.run_sync(begun.acquire)
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel)
            await run_batch_async(rows(20), out, client=client, defaults=SPEAKER, concurrency=1)

    anyio.run(main)
    [result] = results(out)
    assert result["error"]["type"] == "Cancelled"
    assert "billed" in result["error"]["message"]


def test_a_copy_of_the_lock_that_a_child_may_have_keeps_nobody_out(batch, out):
    copies = []

    def fork(_):
        if not copies:
            fcntl = pytest.importorskip("fcntl")
            lock = (out / ".lock").stat()
            for number in range(3, 200):
                with contextlib.suppress(OSError):
                    if os.path.samestat(os.fstat(number), lock):
                        copies.append(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3))

    assert batch(rows(1), on_progress=fork).ok == 1
    assert copies
    assert batch(rows(1)).skipped == 1
    for copy in copies:
        os.close(copy)


def run_batch_in_thread(source, out):
    caught = []

    def run():
        try:
            run_batch(source, out, defaults=SPEAKER)
        except ConfigurationError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=60)
    for error in caught:
        raise error


def test_ids_become_names_that_every_system_takes_and_none_escapes():
    ids = ["a/b", "../../etc", "..", ".", "con", "a b", "ä", "A:b", "~", "a.", "%2F", "/"]
    names = [file_name(text) for text in ids]
    assert len(set(names)) == len(ids)
    for name in names:
        assert not set(name) & set('/\\:*?"<>| ')
        assert name.isascii()
        assert not name.startswith(".")
        assert not name.endswith(".")
        assert name.partition(".")[0].upper() != "CON"


def manifest(path, found):
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, ["id", "input", "speed", "provider"])
            writer.writeheader()
            writer.writerows(found)
    elif path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(found), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_manifests_of_all_kinds_say_the_same(tmp_path, suffix):
    path = manifest(tmp_path / f"rows.{suffix}", [*rows(3), {"id": "7", "input": "Sieben, bitte."}])
    found = list(read_rows(path, SPEAKER))
    assert [(row.id, row.request["input"]) for row in found] == [
        *((f"row-{n}", f"Text {n}.") for n in range(3)),
        ("7", "Sieben, bitte."),
    ]
    assert count_rows(path) == 4


def test_csv_speaks_numbers_and_options(tmp_path):
    said = taken_or_skipped(speed=1.5, provider={"options": {}})
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,input,speed,provider,sample_rate\n"
        '1,Hi.,1.5,"{""options"": {}}",44100\n2,Hi.,fast,,\n3,Hi.\n'
    )
    first, second, third = read_rows(path, SPEAKER)
    assert first.request["sample_rate"] == 44_100
    assert first.request.items() >= said.items()
    assert isinstance(second, BadRow)
    assert isinstance(third, BadRow)


def test_lines_that_are_no_json_are_rows_that_failed(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "a", "input": "Hi."}\n\n[1]\n{"id": \n\xff\n')
    found = list(read_rows(path, SPEAKER))
    assert [isinstance(row, BadRow) for row in found] == [False, True, True, True]
    assert [row.number for row in found] == [1, 2, 3, 4]


def test_standard_input_is_read_as_it_comes(monkeypatch):
    lines = "".join(json.dumps(row) + "\n" for row in rows(2)).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert [row.id for row in read_rows("-", SPEAKER)] == ["row-0", "row-1"]


@pytest.mark.parametrize("source", ["nowhere.jsonl", "rows.xlsx", {"id": "a"}])
def test_what_is_no_manifest_is_refused(source, tmp_path, monkeypatch, batch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError):
        batch(source)


CHILD = """
import sys
from modelgates_speech.jobs import run_batch
run_batch(sys.argv[1], sys.argv[2], concurrency=4,
          defaults=SPEAKER)
""".replace("SPEAKER", repr(SPEAKER))


@needs_pcm
def test_killed_at_any_moment_and_run_again_every_row_is_there_once(stub, tmp_path, out):
    source = manifest(tmp_path / "rows.jsonl", rows(200))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    }
    in_flight = 0
    for lines in (10, 60, 120):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(source), str(out)], env=environment
        )
        end = time.monotonic() + 60
        while sum(1 for _ in _lines(out)) < lines:
            assert child.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < end
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
        in_flight += 4
        # As if the last write had been torn as well.
        with (out / "results.jsonl").open("ab") as file:
            file.write(b'{"id": "row-199", "sta')
    report = run_batch(source, out, defaults=SPEAKER, retry=QUICK)
    found = results(out)
    assert sorted(result["id"] for result in found) == sorted(row["id"] for row in rows(200))
    assert {result["status"] for result in found} == {"ok"}
    for result in found:
        assert said(out / result["path"]) == result["id"].replace("row-", "Text") + "."
    assert report.ok + report.skipped == 200
    assert 200 <= len(stub.requests) <= 200 + in_flight
    if HAS_UNNAMED_FILES:  # elsewhere a killed process cannot take its files along
        assert not list(pathlib.Path(out).glob("*.part"))


def _lines(out):
    path = out / "results.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


class GaveUpError(Exception):
    """What a program of the user's raises."""


@pytest.mark.parametrize("raised", [GaveUpError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("by", ["on_progress", "rows"])
def test_what_a_function_of_the_user_raises_comes_out_once_what_is_under_way_is_recorded(
    batch, out, stub, raised, by
):
    def give_up(_):
        raise raised

    def given():
        yield from rows(20 if by == "on_progress" else 3)
        raise raised

    with pytest.raises(raised):
        batch(given(), on_progress=give_up if by == "on_progress" else None)
    sent = len(stub.requests)
    assert {result["id"] for result in results(out)} == {
        f"row-{request.body['input'].split()[1].rstrip('.')}" for request in stub.requests
    }
    assert batch(rows(20)).ok == 20 - sent


def test_a_disk_that_knows_no_locks_is_written_all_the_same(batch, caplog, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    for module, name in (("fcntl", "flock"), ("msvcrt", "locking")):
        with contextlib.suppress(ModuleNotFoundError):
            monkeypatch.setattr(importlib.import_module(module), name, refuse)
    assert batch(rows(2)).ok == 2
    assert "No locks available" in caplog.text


def test_reading_a_manifest_changes_nothing_for_the_rest_of_the_program(tmp_path):
    before = csv.field_size_limit()
    manifest = tmp_path / "rows.csv"
    manifest.write_text("id,input,model,voice\na,Hello,m,v\n")
    assert len([*read_rows(manifest, {})]) == 1
    assert csv.field_size_limit() == before
