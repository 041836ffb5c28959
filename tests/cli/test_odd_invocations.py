"""What people type, and where they point it: told in a line, and nothing harmed."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from modelgates_speech.cli.output import hint
from tests.cli.test_exit_codes import one_line
from tests.edition import needs_pcm

posix = pytest.mark.skipif(os.name == "nt", reason="devices are named differently there")


@pytest.fixture
def book(folder):
    file = folder / "book.txt"
    file.write_text("Chapter 1\n\nIt was dark.\n\nThe wind slept.\n")
    return file


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("--help",),
        ("speak", "--help"),
        ("completion", "bash"),
        ("stub", "--port", "0"),
    ],
)
def test_what_is_only_printed_may_meet_a_full_disk_too(run, environment, arguments):
    with open("/dev/full", "wb") as full:
        ended = run(*arguments, env=environment, stdout=full)
    assert ended.code == 7
    assert one_line(ended).startswith("cannot write to standard output: No space left")


@posix
@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("stub", "--help")])
def test_what_is_only_printed_needs_no_standard_output(run, environment, arguments):
    ended = run(*arguments, env=environment, closed=">&-")
    assert (ended.code, ended.err) == (0, "")


@posix
@needs_pcm
@pytest.mark.parametrize("command", ["speak", "narrate"])
def test_standard_output_by_its_other_name_has_the_audio_and_nothing_else(
    run, with_key, book, command
):
    what = {"speak": "Hello.", "narrate": book.name}[command]
    named = run(command, what, "-o", "/dev/stdout", env=with_key)
    assert (named.code, named.err) == (0, "")
    assert named.raw == run(command, what, "-o", "-", env=with_key).raw
    assert named.raw.startswith(b"RIFF")


@posix
def test_a_device_is_reported_with_the_bytes_that_it_took(speak):
    report = json.loads(speak("Hello.", "-o", os.devnull, "--json").out)
    assert report["bytes"] > 0


def test_who_asks_for_json_quietly_gets_it_from_every_command(run, with_key, folder, book):
    (folder / "rows.jsonl").write_text('{"id": "a", "input": "Hello."}\n')
    for command in (
        ("speak", "Hello.", "-o", "a.wav"),
        ("narrate", book.name, "-o", "b.wav"),
        ("narrate", book.name, "--dry-run"),
        ("batch", "rows.jsonl", "--out-dir", "c"),
        ("batch", "rows.jsonl", "--out-dir", "c", "--dry-run"),
    ):
        ended = run(*command, "--json", "--quiet", env=with_key)
        assert (ended.code, ended.err) == (0, "")
        assert json.loads(ended.out)


@pytest.mark.parametrize(
    "command",
    [
        ("narrate", "missing.txt", "-o", "a.wav"),
        ("batch", "missing.txt", "--out-dir", "a"),
        ("speak", "--file", "missing.txt"),
    ],
)
def test_a_text_that_is_not_there_is_told_before_a_key_that_is_not(run, environment, command):
    ended = run(*command, env=environment)
    assert ended.code == 2
    assert "'missing.txt' does not exist" in one_line(ended)


def test_a_price_without_a_dry_run_buys_nothing(run, with_key, stub, book):
    for price_first in (True, False):
        words = ("--price-per-million", "15"), (book.name, "-o", "book.wav")
        first, second = words if price_first else reversed(words)
        ended = run("narrate", *first, *second, env=with_key)
        assert ended.code == 2
        assert "--dry-run" in one_line(ended)
    stub.assert_not_called()


@pytest.mark.parametrize("command", ["narrate", "batch"])
def test_a_dry_run_needs_no_key(run, environment, folder, book, command):
    (folder / "rows.jsonl").write_text('{"id": "a", "input": "Hello."}\n')
    words = {"narrate": (book.name,), "batch": ("rows.jsonl", "--out-dir", "out")}[command]
    ended = run(command, *words, "--dry-run", "--json", env=environment)
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["expected_seconds"] > 0


@pytest.mark.parametrize("command", ["speak", "narrate"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-32-be", "latin1"])
def test_text_in_another_encoding_is_told_with_what_converts_it(
    run, with_key, stub, book, command, encoding
):
    mark = "\ufeff" if encoding == "utf-32-be" else ""
    book.write_bytes(f"{mark}Café".encode(encoding))
    words = {"speak": ("--file", book.name), "narrate": (book.name,)}[command]
    ended = run(command, *words, "-o", "a.wav", env=with_key)
    assert ended.code == 2
    assert f"iconv -f {encoding.removesuffix('-be')} -t utf-8" in one_line(ended)
    stub.assert_not_called()


@pytest.mark.parametrize(
    ("beginning", "kind", "tool"),
    [
        (b"PK\x03\x04", "EPUB and DOCX", "pandoc"),
        (b"%PDF-1.7\n", "a PDF", "pdftotext"),
        (b"\x1f\x8b\x08", "compressed", "gunzip"),
    ],
)
def test_a_book_that_is_no_text_is_called_what_it_is(
    run, with_key, stub, folder, beginning, kind, tool
):
    (folder / "book").write_bytes(beginning + "Encoded it would be spoken: é".encode("latin1"))
    ended = run("narrate", "book", "-o", "book.wav", env=with_key)
    assert ended.code == 2
    assert kind in one_line(ended)
    assert tool in one_line(ended)
    stub.assert_not_called()


def test_a_text_that_begins_with_a_dash_is_told_where_it_goes(speak, stub):
    ended = speak("-4 degrees")
    assert ended.code == 2
    assert "begins with a dash goes after --" in one_line(ended)
    assert speak("-o", "cold.wav", "--", "-4 degrees").code == 0
    assert "begins with" not in one_line(speak("x", "--voise", "y"))


@pytest.mark.parametrize("command", [(), ("stub",), ("batch", "-"), ("narrate", "-")])
def test_an_unknown_option_where_no_text_goes_is_no_text_with_a_dash(run, with_key, command):
    ended = run(*command, "--foo", env=with_key)
    assert ended.code == 2
    assert "--foo" in one_line(ended)
    assert "dash" not in one_line(ended)


def test_a_pipe_in_another_encoding_is_called_what_it_is(run, with_key):
    ended = run("narrate", "-", "-o", "a.wav", env=with_key, given="Café".encode("latin1"))
    assert ended.code == 2
    assert one_line(ended).startswith("standard input is not UTF-8 text: byte 0xe9")


@pytest.mark.parametrize("command", ["speak", "narrate"])
def test_a_text_without_anything_to_say_is_told_alike(run, with_key, stub, command):
    ended = run(command, "-", "-o", "a.wav", env=with_key, given=b" \n\n")
    assert ended.code == 2
    assert one_line(ended).startswith("nothing to say: standard input is empty")
    stub.assert_not_called()


def test_no_folder_at_all_is_not_the_current_one(run, with_key, stub, folder, book):
    (folder / "rows.jsonl").write_text('{"id": "a", "input": "Hello."}\n')
    for words in (
        ("narrate", book.name, "-o", "book.wav", "--cache-dir", ""),
        ("batch", "rows.jsonl", "--out-dir", ""),
    ):
        ended = run(*words, env=with_key)
        assert ended.code == 2
        assert "name a folder, or . for the current one" in one_line(ended)
    stub.assert_not_called()


def test_a_price_is_one_that_a_report_can_hold(run, environment, book):
    words = ("narrate", book.name, "--dry-run", "--json", "--price-per-million")
    assert run(*words, "1e308", env=environment).code == 2
    assert json.loads(run(*words, "15", env=environment).out)["expected_cost"] > 0


def test_a_file_in_the_place_of_the_pieces_is_left_alone(run, with_key, stub, folder, book):
    (folder / "book.wav.pieces").write_text("precious")
    ended = run("narrate", book.name, "-o", "book.wav", env=with_key)
    assert ended.code == 7
    assert "book.wav.pieces is a file" in one_line(ended)
    assert (folder / "book.wav.pieces").read_text() == "precious"


def test_the_pieces_cannot_be_where_the_file_is_to_be(run, with_key, stub, folder, book):
    ended = run("narrate", book.name, "-o", "book.wav", "--cache-dir", "book.wav", env=with_key)
    assert "use another --cache-dir" in one_line(ended)
    stub.assert_not_called()
    assert not (folder / "book.wav").exists()
    stub.assert_not_called()


@posix
def test_a_batch_from_an_input_that_is_closed_says_what_to_do(run, folder, with_key):
    ended = run("batch", "-", "--out-dir", "out", env=with_key, closed="<&-")
    assert (ended.code, ended.out) == (2, "")
    assert "standard input is closed" in ended.err
    assert not (folder / "out").exists()


def test_a_batch_that_stops_names_options_and_not_arguments(run, with_key, folder):
    (folder / "rows.jsonl").write_text('{"id": "a", "input": "Hello."}\n')
    command = ("batch", "rows.jsonl", "--out-dir", "out")
    refused = run(*command, env=with_key | {"MODELGATES_API_KEY": "another"})
    assert refused.code == 9
    assert one_line(refused).endswith("check the key in MODELGATES_API_KEY")
    nobody = run(*command, "--concurrency", "1", "--base-url", "http://127.0.0.1:9", env=with_key)
    assert nobody.code == 9
    assert "check --base-url" in one_line(nobody)


def test_a_deadline_that_is_over_names_its_option_once(speak):
    ended = speak("Hello.", "--model", "stub/stall", "--deadline", "0.3")
    assert ended.code == 5
    assert "allow a longer --deadline" in one_line(ended)


def test_a_program_that_reads_json_finds_nothing_else_after_ctrl_c(start, with_key, stub, folder):
    (folder / "book.txt").write_text("It was dark. " * 200)
    # Or all of it could be there before the signal is.
    stub.fail_next("slow", delay=0)
    stub.fail_next("slow", times=3, delay=1)
    process = start(
        *("narrate", "book.txt", "-o", "book.wav", "--concurrency", "1", "--json"),
        env=with_key,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while not list(folder.glob("book.wav.pieces/*/*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no piece was finished"
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "book.wav.pieces" in json.loads(err)["note"]


@pytest.mark.parametrize(
    "arguments", [("--audio", "nowhere"), ("--failures", "2"), ("--rate-limit", "-1")]
)
def test_a_stub_that_cannot_do_as_told_names_the_option(run, environment, arguments):
    ended = run("stub", "--port", "0", *arguments, env=environment)
    assert ended.code == 2
    assert arguments[0] in one_line(ended)


@posix
@pytest.mark.parametrize(
    ("words", "code"),
    [(("speak", "Hi", "-o", "nowhere/a.wav"), 7), (("batch", "nowhere.jsonl"), 2), ((), 2)],
)
def test_how_it_ended_is_told_by_the_code_where_nobody_reads_why(run, with_key, words, code):
    reader, nobody = os.pipe()
    os.close(reader)
    try:
        assert run(*words, env=with_key, stderr=nobody).code == code
    finally:
        os.close(nobody)


def test_a_mistyped_command_is_told_what_was_meant(run, environment):
    ended = run("narate", "book.txt", env=environment)
    assert ended.code == 2
    assert "Did you mean 'narrate'?" in one_line(ended)


def test_a_book_of_signs_is_not_said_to_be_empty(run, with_key, stub, book):
    book.write_text("... --- ...\n")
    ended = run("narrate", book.name, "-o", "book.wav", env=with_key)
    assert "neither letters nor digits" in one_line(ended)
    stub.assert_not_called()


def test_who_stops_before_anything_is_there_is_not_told_that_it_is(tmp_path, capsys):
    for content, told in ((b"", 0), (b"{}", 1)):
        (tmp_path / "results.jsonl").write_bytes(content)
        with pytest.raises(KeyboardInterrupt), hint("kept in", tmp_path, KeyboardInterrupt):
            raise KeyboardInterrupt
        assert capsys.readouterr().err.count("kept in") == told
