"""A local cluster of two workers, one of which is killed midway.

Named so that only `nox -s distributed` finds it: Ray takes its time to start and to give up.
"""

import doctest
import inspect
import json
import os
import re
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from modelgates_speech import ConfigurationError
from modelgates_speech.stub import StubServer
from tests.offline import GUARD

ray = pytest.importorskip("ray")  # the extra alone brings it
pytestmark = pytest.mark.filterwarnings("default")

SPEAKER = {"model": "elevenlabs/eleven-turbo-v2", "voice": "alloy"}


class Tone:
    name = "tone"

    def say(self, text, *, voice, speed):
        return text.encode("utf-16-le")


@pytest.fixture(scope="module")
def cluster():
    GUARD.open()  # nodes call each other by the address that others know this machine by
    folders = (os.path.abspath("src"), os.path.abspath("generated"))
    variables = {"MODELGATES_API_KEY": "stub-key", "PYTHONPATH": os.pathsep.join(folders)}
    ray.init(
        num_cpus=3,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": variables},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture
def stub():
    with StubServer(engine=Tone()) as server:
        yield server


@pytest.fixture
def speak(cluster, stub, tmp_path):
    from modelgates_speech.distributed import speak

    def spoken(rows, **options):
        dataset = speak(
            ray.data.from_items(rows),
            str(tmp_path / "out"),
            **{"defaults": SPEAKER, "client": {"base_url": stub.base_url}, "batch_size": 8}
            | options,
        )
        return dataset.take_all()

    return spoken


def rows(count):
    return [{"id": f"row-{number}", "input": f"Text {number}."} for number in range(count)]


def records(out):
    return [json.loads(path.read_text()) for path in (out / "records").glob("*.json")]


def test_every_row_is_spoken_and_run_again_nothing_is_bought(speak, stub, tmp_path):
    results = speak([*rows(40), {"id": "odd", "input": ""}])
    assert len(results) == 41
    spoken = {result["id"]: result for result in results if result["status"] == "ok"}
    assert set(spoken) == {row["id"] for row in rows(40)}
    for result in spoken.values():
        content = (tmp_path / "out" / result["path"]).read_bytes()
        assert len(content) == result["bytes"]
        assert content[44:].decode("utf-16-le") == result["id"].replace("row-", "Text ") + "."
    assert len(stub.requests) == 40

    assert len(speak(rows(40))) == 40
    assert len(stub.requests) == 40


def test_a_record_that_was_torn_or_disagrees_is_bought_again(speak, stub, tmp_path):
    speak(rows(3))
    (tmp_path / "out" / "records" / "row-0.json").write_text('{"id": ')
    (tmp_path / "out" / "row-1.wav").write_bytes(b"short")
    assert {result["status"] for result in speak(rows(3))} == {"ok"}
    assert len(stub.requests) == 5


def test_a_worker_killed_midway_loses_no_row_and_doubles_none(speak, stub, tmp_path):
    out, concurrency = tmp_path / "out", 4
    killed = []

    def kill():
        end = time.monotonic() + 120
        while time.monotonic() < end and not killed:
            if out.is_dir() and len(found := records_so_far(out)) >= 20:
                pid = int(found[0]["worker"].rpartition(":")[2])
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    results = speak(rows(200), concurrency=concurrency, requests_per_second=50)
    killer.join()
    assert killed, "nobody was killed"
    assert sorted(result["id"] for result in results) == sorted(row["id"] for row in rows(200))
    assert {result["status"] for result in results} == {"ok"}
    assert len(records(out)) == 200
    # Bought twice is at most what the dead worker was speaking.
    assert 200 <= len(stub.requests) <= 200 + concurrency


def records_so_far(out):
    found = []
    for path in (out / "records").glob("*.json"):
        try:
            found.append(json.loads(path.read_text()))
        except ValueError:
            continue
    return found


def test_the_cluster_keeps_its_rate_and_pauses_when_told_to():
    from modelgates_speech.jobs.cluster import Pace

    pace = Pace(2.0)
    turns = [pace.turn() for _ in range(5)]
    assert turns == pytest.approx([0, 0.5, 1, 1.5, 2], abs=0.1)
    pace.refused(30)
    assert pace.turn() == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("rate", [True, 0, -1, float("nan"), float("inf"), "2"])
def test_a_rate_that_is_none_is_refused_before_the_cluster_is_asked(rate):
    from modelgates_speech.distributed import speak

    with pytest.raises(ConfigurationError, match="requests_per_second must be"):
        speak(None, "out", requests_per_second=rate)


def test_a_rate_limit_fails_no_row(speak, stub):
    stub.fail_next(429, times=3, retry_after=0)
    assert {result["status"] for result in speak(rows(10))} == {"ok"}
    assert len(stub.requests) == 13


@pytest.mark.parametrize("status", [401, 402])
def test_what_would_fail_every_row_is_met_once_by_each_worker(speak, stub, status):
    stub.fail_next(status, times=400)
    results = speak(rows(100), workers=2, concurrency=4)
    assert {result["status"] for result in results} == {"failed"}
    assert {str(status) in result["error"] for result in results} == {True}
    assert len(stub.requests) <= 2 * 4
    stub.reset()
    assert {result["status"] for result in speak(rows(100))} == {"ok"}


def test_the_guide_runs_as_it_is_written(cluster, stub, tmp_path):
    guide = Path(__file__).parents[2] / "docs/guides/clusters.md"
    example = re.search(r"^```python\n(.*?)^```", guide.read_text("utf-8"), re.M | re.S)[1]
    (tmp_path / "manifest.jsonl").write_text('{"id": "one", "input": "One."}\n', "utf-8")
    example = example.replace("/srv/speech", f"{tmp_path}")
    # The workers of this cluster were started before the stub.
    example = example.replace("workers=2,", f"workers=2, client={{'base_url': {stub.base_url!r}}},")
    exec(compile(example, guide, "exec"), {})
    assert (tmp_path / "out" / "one.wav").exists()
    assert list((tmp_path / "results").glob("*.parquet"))


def test_the_example_of_the_docstring_runs(cluster, stub, tmp_path, monkeypatch):
    from modelgates_speech.distributed import speak

    monkeypatch.chdir(tmp_path)
    # The workers of this cluster were started before the stub.
    known = {"ray": ray, "os": os, "speak": partial(speak, client={"base_url": stub.base_url})}
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(speak), known, "speak", None, 0)
    said = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert said == []
    assert (tmp_path / "out" / "hello.wav").exists()
