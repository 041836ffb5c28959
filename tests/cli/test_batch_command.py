"""`modelgates-speech batch` as its users run it."""

import json

import pytest

from modelgates_speech._binding import DEFAULT_RESPONSE_FORMAT
from tests.edition import needs_mp3

ROWS = [{"id": f"row-{number}", "input": f"Text {number}."} for number in range(6)]


@pytest.fixture
def manifest(folder):
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def results(folder):
    lines = (folder / "out" / "results.jsonl").read_text().splitlines()
    return sorted((json.loads(line) for line in lines), key=lambda result: result["row"])


def test_a_manifest_becomes_a_folder_and_is_bought_once(run, with_key, stub, folder, manifest):
    command = ("batch", "rows.jsonl", "--out-dir", "out", "--voice", "alloy")
    done = run(*command, env=with_key)
    assert (done.code, done.err) == (0, "")
    assert "6 spoken" in done.out
    suffix = {"pcm": "wav"}.get(DEFAULT_RESPONSE_FORMAT, DEFAULT_RESPONSE_FORMAT)
    paths = [result["path"] for result in results(folder)]
    assert paths == [f"{row['id']}.{suffix}" for row in ROWS]
    stub.assert_called(times=6, voice="alloy")

    again = json.loads(run(*command, "--json", env=with_key).out)
    assert (again["ok"], again["skipped"]) == (0, 6)
    assert len(stub.requests) == 6


@needs_mp3
def test_rows_come_from_standard_input_and_say_their_own_format(run, with_key, folder):
    rows = json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[1] | {"response_format": "pcm"})
    done = run(
        *("batch", "-", "--out-dir", "out", "--format", "mp3"), env=with_key, given=rows.encode()
    )
    assert done.code == 0, done.err
    assert [result["path"] for result in results(folder)] == ["row-0.mp3", "row-1.wav"]


def test_rows_that_failed_end_it_with_8_and_all_others_are_there(run, with_key, folder, manifest):
    with manifest.open("a") as file:
        file.write('{"id": "odd"}\n')
    done = run("batch", "rows.jsonl", "--out-dir", "out", env=with_key)
    assert done.code == 8
    assert "results.jsonl" in done.err
    assert [result["status"] for result in results(folder)] == ["ok"] * 6 + ["failed"]


def test_a_budget_used_up_ends_it_with_9(run, with_key, stub, folder, manifest):
    done = run("batch", "rows.jsonl", "--out-dir", "out", "--max-characters", "14", env=with_key)
    assert done.code == 9
    assert len(stub.requests) == 2
    assert run("batch", "rows.jsonl", "--out-dir", "out", env=with_key).code == 0
    assert len(stub.requests) == 6


def test_a_rehearsal_does_not_stand_for_the_real_thing(run, with_key, stub, folder, manifest):
    command = ("batch", "rows.jsonl", "--out-dir", "out")
    # The stub of this test is on this machine, too; what it is taken for is the API.
    assert run(*command, "--local", env=with_key).code == 0
    assert run(*command, "--local", "--dry-run", "--json", env=with_key).code == 0
    stub.assert_not_called()
    plan = run(*command, "--dry-run", "--json", "--base-url", "https://a.example", env=with_key)
    assert json.loads(plan.out)["rows_to_send"] == len(ROWS)


def test_a_dry_run_changes_nothing_and_counts_what_a_run_would_do(
    run, with_key, stub, folder, manifest
):
    with manifest.open("a") as file:
        file.write(json.dumps(ROWS[0]) + "\n" + '{"id": "odd"}\n')
    command = ("batch", "rows.jsonl", "--out-dir", "out")
    plan = json.loads(run(*command, "--dry-run", "--json", env=with_key).out)
    assert not (folder / "out").exists()
    assert plan["rows_that_cannot_be_spoken"] == 2
    assert run(*command, env=with_key).code == 8
    assert len(stub.requests) == plan["rows_to_send"]
    before = (folder / "out" / "results.jsonl").read_bytes()
    run(*command, "--dry-run", env=with_key)
    assert (folder / "out" / "results.jsonl").read_bytes() == before
    few = run(
        *command, "--dry-run", "--json", "--max-characters", "14", "--voice", "b", env=with_key
    )
    assert json.loads(few.out)["characters_to_send"] <= 14


def test_it_works_offline(run, environment, folder, manifest):
    command = ("batch", "rows.jsonl", "--out-dir", "out", "--local", "--json")
    assert json.loads(run(*command, env=environment).out)["ok"] == 6
    assert json.loads(run(*command, env=environment).out)["skipped"] == 6


@pytest.mark.parametrize(("name", "code"), [("nowhere.jsonl", 2), (".", 2), ("rows.txt", 3)])
def test_what_is_no_manifest_is_said_in_a_line(run, with_key, folder, name, code):
    (folder / "rows.txt").write_text("text")
    done = run("batch", name, "--out-dir", "out", env=with_key)
    assert done.code == code
    assert len(done.err.splitlines()) == 1
