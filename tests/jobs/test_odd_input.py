"""Manifests, results and folders as people have them: what is not understood is not bought."""

import asyncio
import json
import logging
import os
import pickle
import sqlite3
import threading
from contextlib import closing
from decimal import Decimal
from numbers import Integral

import anyio
import pytest

from modelgates_speech import AsyncModelGates, ConfigurationError, SaveError
from modelgates_speech._binding import ARGUMENTS
from modelgates_speech.files import AtomicFile
from modelgates_speech.jobs import AudioCache, run_batch, run_batch_async
from tests.edition import SPEAKER, TEXT, needs_format, needs_pcm, needs_rows, taken_or_skipped
from tests.jobs.test_batch import batch, out, results, rows  # noqa: F401 - two are fixtures

pytestmark = needs_rows

TWO = '{"id":"a","input":"One."}\n{"id":"b","input":"Two."}\n'
SETTINGS = [name for name in ARGUMENTS if name != TEXT]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("rows.csv", 'id,input\na,"One.\nb,Two.\nc,Three.\n', "line 4: not CSV.*check its quotes"),
        ("rows.csv", 'id,input\na,One.\nb,"Two."too\n', "line 3: not CSV"),
        ("rows.csv", "id,input,input\na,One.,Two.\n", "two columns are named 'input'"),
        ("rows.csv", "id,text\na,One.\n", "it needs the columns id and input, and has id, text"),
        ("rows.csv", "id,input\na,One.\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        ("rows.csv", "id,input\na,One.\n".encode("utf-32"), "is UTF-32: .* iconv -f utf-32 "),
        ("rows.jsonl", f"\ufeff{TWO}".encode("utf-32-be"), "is UTF-32: .* iconv -f utf-32 "),
        ("rows.csv", "id,input\na,One.\nb,Café\n".encode("latin1"), "line 3: byte 0xe9 is not"),
        ("rows.tsv", "id\tinput\na\tOne.\n", r"must be \.jsonl, \.csv .*: export it as \.csv$"),
        ("rows.jsonl.gz", "packed", r": unpack it, or pipe JSONL in with zcat$"),
        ("rows.jsonl", TWO.encode("utf-16"), "is UTF-16: save it as UTF-8"),
        ("rows.jsonl", f"[{TWO.strip()}]".replace("\n", ",\n"), "is one JSON array"),
        ("rows.jsonl", f"\ufeff [\n{TWO}]", "is one JSON array"),
        ("rows.jsonl", json.dumps({"id": "a", "input": "One."}, indent=1), "of several lines"),
    ],
)
def test_a_manifest_that_is_not_what_it_seems_is_refused(
    batch,  # noqa: F811
    stub,
    tmp_path,
    name,
    content,
    reason,
):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=reason):
        batch(path)
    # What came before the fault is spoken; what comes after it is nobody's to guess.
    assert {request.body["input"] for request in stub.requests} <= {"One."}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.JSONL", TWO),
        ("rows.jsonl", "\ufeff" + TWO.replace("\n", "\r\n\r\n")),
        ("rows.CSV", "id,input\na,One.\nb,Two.\n"),
        ("rows.csv", "\ufeff\n\n id , input \na,One.\n\nb,Two.\n\n"),
        ("rows.csv", 'id,input\r"a","One."\rb,Two.\r'),
    ],
)
def test_a_manifest_may_look_as_programs_write_them(batch, tmp_path, name, content):  # noqa: F811
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert batch(path).ok == 2


@pytest.mark.parametrize("speed", ["1_0", "nan", "-inf", "1e999", "\u0661", "fast"])
def test_a_cell_that_is_no_number_to_people_is_none(batch, out, tmp_path, speed):  # noqa: F811
    path = tmp_path / "rows.csv"
    path.write_text(f"id,input,sample_rate\na,One.,{speed}\nb,Two.,24000\n", encoding="utf-8")
    report = batch(path)
    assert (report.ok, report.failed) == (1, 1)
    assert "sample_rate is " in json.dumps(results(out))


def test_a_whole_number_is_read_to_its_last_digit(batch, out, tmp_path):  # noqa: F811
    path = tmp_path / "rows.csv"
    path.write_text("id,input,sample_rate\na,One.,9007199254740993\n")
    assert batch(path).failed == 1
    assert "not 9007199254740993" in json.dumps(results(out))


def test_a_field_by_another_name_is_told_before_what_it_leaves_missing(batch, out):  # noqa: F811
    assert (
        batch([{"identity of it": "a", "input": "x"}, {"id": "b", "words of it": "x"}]).failed == 2
    )
    told = sorted(line["error"]["message"] for line in results(out))
    assert [message.partition(";")[0] for message in told] == [
        "unknown fields: identity of it",
        "unknown fields: words of it",
    ]


def test_a_number_that_python_does_not_write_is_no_id(batch, out):  # noqa: F811
    report = batch([{"id": 10**5000, "input": "x"}, *rows(1)])
    assert (report.ok, report.failed) == (1, 1)
    assert "id must be text or a whole number of at most" in json.dumps(results(out))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", ",id,input\n0,a,One.\n1,b,Two.\n"),
        ("rows.csv", "id,input,,\na,One.,,\n,,,\nb,Two.,,\n"),
        ("rows.csv", "id,input,sample_rate\na,One.,24000.0\nb,Two.,24000\n"),
        ("rows.jsonl", TWO.replace("}", "".join(f', "{name}": null' for name in SETTINGS) + "}")),
    ],
)
def test_a_table_is_read_as_programs_export_it(batch, tmp_path, name, content):  # noqa: F811
    path = tmp_path / name
    path.write_text(content)
    report = batch(path)
    assert (report.ok, report.failed) == (2, 0)


def test_a_column_of_objects_says_of_a_row_what_the_row_says(batch, tmp_path, stub):  # noqa: F811
    if "provider" not in ARGUMENTS:
        pytest.skip("this document has no provider")
    pyarrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    options = [{"openai": {"instructions": "calm"}}, {"elevenlabs": {"seed": 1}}]
    found = [
        {"id": str(n), "input": "One.", "provider": {"options": each}, "__index_level_0__": n}
        for n, each in enumerate(options)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(found), tmp_path / "rows.parquet")
    assert batch(tmp_path / "rows.parquet").ok == 2
    sent = [request.body["provider"]["options"] for request in stub.requests]
    assert sorted(map(str, sent)) == sorted(map(str, options))
    # What another row may say besides is no reason to buy this one again.
    found.append(found[0] | {"id": "2", "provider": {"options": {"openai": {"speed": 2}}}})
    parquet.write_table(pyarrow.Table.from_pylist(found), tmp_path / "rows.parquet")
    assert batch(tmp_path / "rows.parquet").skipped == 2


def test_a_number_is_the_same_however_it_is_written(batch):  # noqa: F811
    [row] = rows(1)
    taken_or_skipped(speed=1)
    assert batch([row | {"speed": 1}]).ok == 1
    assert batch([row | {"speed": 1.0}]).skipped == 1


def test_a_parquet_that_is_damaged_is_told(batch, tmp_path):  # noqa: F811
    pyarrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows(2)), path, compression="snappy")
    content = bytearray(path.read_bytes())
    content[4:60] = b"\xff" * 56
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"rows\.parquet cannot be read"):
        batch(path)


@needs_pcm
def test_a_file_from_before_the_batch_is_not_replaced(batch, out, stub):  # noqa: F811
    out.mkdir()
    (out / "row-1.wav").write_bytes(b"mine")
    os.utime(out / "row-1.wav", (1, 1))
    report = batch(rows(3))
    assert (report.ok, report.failed) == (2, 1)
    assert (out / "row-1.wav").read_bytes() == b"mine"
    assert "is there already" in json.dumps(results(out))
    assert len(stub.requests) == 2


@needs_pcm
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_file_is_refused_before_anything_is_sent(
    batch,  # noqa: F811
    out,  # noqa: F811
    stub,
):
    out.mkdir()
    os.mkfifo(out / "row-0.wav")
    report = batch(rows(2))
    assert (report.ok, report.failed, report.stopped) == (1, 1, None)
    assert len(stub.requests) == 1
    assert "move it elsewhere" in json.dumps(results(out))


@needs_pcm
def test_a_file_that_is_taken_away_at_once_is_a_row_that_failed(
    batch,  # noqa: F811
    out,  # noqa: F811
    monkeypatch,
):
    keep = AtomicFile.commit

    def commit(file):
        path = keep(file)
        if path.name == "row-1.wav":
            path.unlink()
        return path

    monkeypatch.setattr(AtomicFile, "commit", commit)
    report = batch(rows(3))
    assert (report.ok, report.failed, report.stopped) == (2, 1, None)
    [failed] = [result for result in results(out) if result["status"] == "failed"]
    assert (failed["id"], failed["error"]["type"]) == ("row-1", "SaveError")


def test_rows_are_asked_for_in_one_thread(batch):  # noqa: F811
    def found():
        with closing(sqlite3.connect(":memory:")) as database:
            yield from rows(1)
            for number in range(1, 30):
                [(text,)] = database.execute("SELECT ?", (f"Text {number}.",))
                yield {"id": f"row-{number}", "input": text}
                threads.add(threading.get_ident())

    threads = set()
    assert batch(found()).ok == 30
    assert len(threads) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_batch_whose_rows_never_come_can_be_cancelled(out, stub, backend):  # noqa: F811
    let_go, waited = threading.Event(), []

    def slow():
        yield from rows(2)
        waited.append(let_go.wait(timeout=20))

    async def main():
        def show(report):
            if report.ok == 2:
                scope.cancel()

        async with AsyncModelGates() as client:
            with anyio.CancelScope() as scope:
                options = {"client": client, "defaults": SPEAKER, "on_progress": show}
                await run_batch_async(slow(), out, **options)
            return scope.cancelled_caught

    assert anyio.run(main, backend=backend)
    assert not waited
    let_go.set()


def test_a_wait_of_a_day_is_told(out, caplog, stub):  # noqa: F811
    stub.fail_next(429, retry_after=86_400)

    class Cancel(logging.Handler):
        def emit(self, record):
            scopes[0].cancel()

    async def main():
        async with AsyncModelGates() as client:
            with anyio.move_on_after(60) as scope:
                scopes.append(scope)
                await run_batch_async(rows(1), out, client=client, defaults=SPEAKER)

    scopes = []
    logger = logging.getLogger("modelgates_speech")
    logger.addHandler(cancel := Cancel(logging.WARNING))
    try:
        anyio.run(main)
    finally:
        logger.removeHandler(cancel)
    assert "waits for 86,400 s" in caplog.text
    assert len(stub.requests) == 1


def test_what_came_of_a_row_is_kept_beside_what_came_of_it_before(batch, out, stub):  # noqa: F811
    for after in (1000, 500):
        stub.fail_next("cut", after=after)
        batch(rows(1))
    assert len(list((out / "kept").iterdir())) == 2


def test_what_is_no_row_at_all_stops_no_other(batch, out):  # noqa: F811
    report = batch([1, None, "text", *rows(1)])
    assert (report.ok, report.failed) == (1, 3)
    assert results(out)[0]["error"]["message"] == "not a mapping but int"


@pytest.mark.parametrize("source", [None, 3, {"id": "a"}, b"rows.jsonl"])
def test_what_is_no_manifest_at_all_is_refused(batch, source):  # noqa: F811
    with pytest.raises(ConfigurationError, match="a path or an iterable of mappings"):
        batch(source)


class DataFrame(list):
    """As pandas and polars have it: compared with a text it is no truth value."""

    def __eq__(self, other):
        raise ValueError

    __hash__ = None


def test_a_table_is_refused_with_how_to_get_its_rows(batch, stub):  # noqa: F811
    with pytest.raises(ConfigurationError, match="not DataFrame: pass its rows, such as"):
        batch(DataFrame(["id", "input"]))
    stub.assert_not_called()


def test_a_row_of_a_database_is_a_row(batch):  # noqa: F811
    def found():
        with closing(sqlite3.connect(":memory:")) as database:
            database.row_factory = sqlite3.Row
            nothing = "".join(f', NULL AS "{name}"' for name in SETTINGS)
            yield from database.execute(f"SELECT 'a' AS id, 'Hello.' AS input{nothing}")

    assert batch(found()).ok == 1


class Whole:
    """A whole number as numpy has it, which is none of Python's."""

    def __int__(self):
        return 16000

    def __float__(self):
        return 16000.0


class NAType:
    """As pandas has it: what it is compared with, the answer is neither."""

    def __ne__(self, other):
        return self

    __hash__ = None

    def __bool__(self):
        raise TypeError


Integral.register(Whole)


@needs_pcm
def test_numbers_of_libraries_are_numbers_and_their_nothing_is_nothing(batch, out):  # noqa: F811
    given = [
        {"id": Whole(), "input": "A number.", "sample_rate": Whole()},
        {"id": Decimal(7), "input": "A decimal.", "sample_rate": Decimal(16000)},
        {"id": "c", "input": "Nothing.", "sample_rate": float("nan"), "channels": NAType()},
    ]
    assert batch(given, defaults=SPEAKER | {"channels": float("nan")}).ok == 3, results(out)
    assert {"16000.wav", "7.wav", "c.wav"} < {path.name for path in out.iterdir()}


@needs_format
def test_no_row_takes_the_place_of_the_results(batch, out):  # noqa: F811
    report = batch([{"id": "Results", "input": "x", "response_format": "jsonl"}, *rows(1)])
    assert (report.ok, report.failed) == (1, 1)
    assert "belongs to the batch" in json.dumps(results(out))


@pytest.mark.parametrize(
    "content",
    [
        b'{"score": 1}\n{"score": 2}\n',
        b"my notes\n",
        b"[" * 100_000 + b"\n",
        TWO.encode("utf-16"),
        b'{"id": "a", "row": 1, "name": "a", "status": "ok"}\n# checked by hand\n',
    ],
)
def test_a_results_file_of_somebody_else_is_left_alone(batch, out, stub, content):  # noqa: F811
    out.mkdir()
    (out / "results.jsonl").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"results\.jsonl, line \d: not the result of"):
        batch(rows(2))
    assert (out / "results.jsonl").read_bytes() == content
    assert not stub.requests


def test_results_whose_last_line_break_an_editor_dropped_stand(batch, out):  # noqa: F811
    batch(rows(2))
    path = out / "results.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert batch(rows(3)).skipped == 2
    assert batch(rows(3)).skipped == len(results(out)) == 3


@pytest.mark.parametrize(
    "line",
    [
        {"request": ["x"]},
        {"request": "\ud800"},
        {"name": "\ud800"},
        {"name": 3},
        {"path": "a\0b"},
        {"path": 7, "bytes": "many"},
        {"path": "../" * 2000},
    ],
)
def test_a_result_that_was_edited_by_hand_is_bought_again(batch, out, line):  # noqa: F811
    batch(rows(1))
    [found] = results(out)
    (out / "results.jsonl").write_text(json.dumps(found | line) + "\n")
    assert batch(rows(1)).ok == 1


@pytest.mark.parametrize("rest", [b"{", b'{"id"', b'{"id": "row-1", "row": 2, "na', bytes(512)])
def test_what_a_crash_left_of_a_line_does_not_stop_the_next_run(batch, out, rest):  # noqa: F811
    batch(rows(1))
    with (out / "results.jsonl").open("ab") as file:
        file.write(rest)
    report = batch(rows(2))
    assert (report.ok, report.skipped) == (1, 1)


@needs_pcm
def test_a_file_that_is_write_protected_stops_no_other_row(
    batch,  # noqa: F811
    out,  # noqa: F811
    stub,
    monkeypatch,
):
    out.mkdir()
    (out / "row-1.wav").write_bytes(b"mine")
    # Some who run this may write everything.
    monkeypatch.setattr(os, "access", lambda file, mode: file.name != "row-1.wav")
    report = batch(rows(3))
    assert (report.ok, report.failed, report.stopped) == (2, 1, None)
    assert (out / "row-1.wav").read_bytes() == b"mine"
    assert len(stub.requests) == 2


@needs_pcm
def test_a_file_that_is_too_large_for_the_system_stops_no_other_row(batch, out):  # noqa: F811
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        report = batch([{"id": "long", "input": "Too much. " * 2000}, *rows(3)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (report.ok, report.failed, report.stopped) == (3, 1, None)
    assert (out / "row-2.wav").exists()


def test_the_message_names_the_file_that_is_in_the_way(batch, out):  # noqa: F811
    out.mkdir()
    (out / ".lock").mkdir()
    with pytest.raises(SaveError, match=r"\.lock: Is a directory"):
        batch(rows(1))


def test_a_notebook_is_told_what_to_call_instead(tmp_path, stub):
    async def cell():
        run_batch(rows(1), tmp_path, defaults=SPEAKER)

    with pytest.raises(ConfigurationError, match=r"use `await run_batch_async\(\.\.\.\)`"):
        asyncio.run(cell())


@pytest.mark.parametrize("name", ["concurrency", "max_errors", "max_characters"])
@pytest.mark.parametrize("value", ["3", 0, 2.5, True])
def test_a_number_that_is_none_is_named(batch, name, value):  # noqa: F811
    with pytest.raises(ConfigurationError, match=f"{name} must be 1 or more"):
        batch(rows(1), **{name: value})


def test_clearing_a_cache_leaves_what_is_not_its_own(api, tmp_path):
    folder = tmp_path / "cache"
    api.create("Hello.", cache_dir=folder)
    own = [folder / "en" / "talk.speech", folder / "ab" / "note.speech", folder / "x.speech"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (folder / "no").mkdir()
    AudioCache(folder, max_bytes=1).make_room(1)
    AudioCache(folder).clear()
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(own)
    assert (folder / "no").is_dir()


def test_a_cache_can_be_handed_to_another_process(tmp_path):
    cache = AudioCache(tmp_path, max_bytes=5, origin="there")
    copy = pickle.loads(pickle.dumps(cache))
    assert repr(copy) == repr(cache)
    assert copy.origin == "there"
