"""`modelgates-speech narrate` as its users run it, interrupted and resumed."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tests.edition import EDITION, needs_format, needs_mp3, needs_pcm

TEXT = "".join(f"This is sentence number {number}, and it says little. " for number in range(60))


@pytest.fixture
def book(folder):
    path = folder / "book.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_book_becomes_one_file_and_nothing_else(run, with_key, stub, folder, book):
    done = run("narrate", "book.txt", "-o", "book.wav", env=with_key)
    assert (done.code, done.err) == (0, "")
    assert "pieces" in done.out
    assert sorted(path.name for path in folder.iterdir()) == ["book.txt", "book.wav"]
    with wave.open(str(folder / "book.wav")) as file:
        assert file.getnframes() / file.getframerate() > 60
    assert "".join(sorted((r.body["input"] for r in stub.requests), key=TEXT.index)) == TEXT


class FasterEachTime(BaseHTTPRequestHandler):
    """Answers at another rate each time."""

    rates: ClassVar = itertools.count(8000, 8000)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(EDITION.success[0])
        self.send_header("content-type", f"audio/pcm;rate={next(self.rates)};channels=1")
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(bytes(1000))

    def log_message(self, *_):
        pass


@needs_pcm
def test_of_pieces_that_do_not_fit_both_are_kept(run, with_key, folder, book):
    with ThreadingHTTPServer(("127.0.0.1", 0), FasterEachTime) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = {"MODELGATES_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
        ended = run("narrate", "book.txt", "-o", "book.wav", env=with_key | there)
        server.shutdown()
    assert ended.code != 0
    assert "book.partial.wav and book.partial-2.wav" in ended.err
    rates = set()
    for name in ("book.partial.wav", "book.partial-2.wav"):
        with wave.open(str(folder / name)) as file:
            rates.add(file.getframerate())
    assert len(rates) == 2


@needs_mp3
def test_standard_input_can_be_narrated_and_the_report_be_read_by_programs(run, with_key, folder):
    done = run(
        *("narrate", "-", "-o", "book.mp3", "--json"), env=with_key, given="\ufeffHello.".encode()
    )
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["bytes"] == (folder / "book.mp3").stat().st_size
    assert (report["path"], report["pieces"]) == ("book.mp3", 1)
    assert report["seconds"] > 0


def test_a_dry_run_buys_nothing(run, with_key, stub, folder, book):
    done = run("narrate", "book.txt", "-o", "book.mp3", "--dry-run", "--json", env=with_key)
    plan = json.loads(done.out)
    assert plan.pop("expected_seconds") > 0
    assert plan == {
        "pieces": 5,
        "characters": len(TEXT),
        "pieces_to_send": 5,
        "characters_to_send": len(TEXT),
        "pauses": 0,
    }
    stub.assert_not_called()
    assert [path.name for path in folder.iterdir()] == ["book.txt"]


def test_a_dry_run_says_requests_characters_time_and_money(run, with_key, stub, folder):
    (folder / "book.txt").write_text("Chapter 1\n\n" + "The wind slept. " * 20 + "\n\nEnd.")
    command = ("narrate", "book.txt", "-o", "book.mp3", "--dry-run", "--price-per-million", "15")
    assert run(*command, env=with_key).out == (
        "4 pieces, 337 characters, about 24.60 s; to send: 4 requests, 337 characters, "
        "at a price of 0.0051\n"
    )
    without = ("--heading-pause", "0", "--paragraph-pause", "0", "--json")
    plan = json.loads(run(*command, *without, env=with_key).out)
    assert plan["pieces_to_send"] == 2
    assert (plan["expected_seconds"], plan["pauses"]) == (22.5, 0)
    assert plan["expected_cost"] == pytest.approx(0.005055)
    stub.assert_not_called()


def test_a_book_pauses_and_its_report_says_when_what_is_said(run, with_key, folder):
    (folder / "book.txt").write_text("Chapter 1\n\nIt was dark.\n\nThe wind slept.\n")
    command = ("narrate", "book.txt", "-o", "book.wav", "--json")
    plan = json.loads(run(*command, "--dry-run", env=with_key).out)
    assert plan["pauses"] == pytest.approx(1.5 + 0.6)
    report = json.loads(run(*command, env=with_key).out)
    heading, first, second = report["timeline"]
    assert [part["text"] for part in report["timeline"]] == [
        "Chapter 1\n\n",
        "It was dark.\n\n",
        "The wind slept.\n",
    ]
    assert (heading["begins"], heading["start"], first["start"]) == (0, 0, 11)
    assert first["begins"] - heading["ends"] == pytest.approx(1.5, abs=0.002)
    assert second["begins"] - first["ends"] == pytest.approx(0.6, abs=0.002)
    assert second["ends"] == pytest.approx(report["seconds"], abs=0.001)

    shorter = run(*command, "--paragraph-pause", "0.2", "--heading-pause", "1", env=with_key)
    assert report["seconds"] - json.loads(shorter.out)["seconds"] == pytest.approx(0.9, abs=0.002)


@pytest.mark.parametrize("option", ["--paragraph-pause", "--heading-pause"])
@pytest.mark.parametrize(("value", "code"), [("-1", 2), ("61", 2), ("nan", 3)])
def test_a_pause_that_cannot_be_is_refused_by_its_option(
    run, with_key, stub, book, option, value, code
):
    refused = run("narrate", "book.txt", "-o", "a.wav", option, value, env=with_key)
    assert refused.code == code
    assert option in refused.err
    stub.assert_not_called()


def test_what_ctrl_c_interrupted_is_resumed_and_nothing_bought_twice(
    start, run, with_key, stub, folder, book
):
    command = ("narrate", "book.txt", "-o", "book.wav", "--concurrency", "1")
    whole = run(*command, env=with_key).code, (folder / "book.wav").read_bytes()
    (folder / "book.wav").unlink()
    stub.reset()
    # Or all of it could be there before the signal is.
    stub.fail_next("slow", times=2, delay=0)
    stub.fail_next("slow", times=3, delay=1)
    process = start(
        *command, env=with_key, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while len(list(folder.glob("book.wav.pieces/*/*"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no piece was finished"
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "book.wav.pieces" in err
    assert not (folder / "book.wav").exists()
    kept = len(list(folder.glob("book.wav.pieces/*/*")))
    stub.reset()

    plan = json.loads(run(*command, "--dry-run", "--json", env=with_key).out)
    assert plan["pieces_to_send"] == 5 - kept
    assert run(*command, env=with_key).code == 0
    assert len(stub.requests) == 5 - kept
    assert (whole[0], (folder / "book.wav").read_bytes()) == (0, whole[1])
    assert not (folder / "book.wav.pieces").exists()


@needs_mp3
def test_pieces_bought_from_the_local_stub_are_found_again(run, environment, folder, book):
    command = ("narrate", "book.txt", "-o", "book.mp3", "--local", "--cache-dir", "kept")
    assert run(*command, env=environment).code == 0
    plan = json.loads(run(*command, "--dry-run", "--json", env=environment).out)
    assert plan["pieces_to_send"] == 0
    assert plan["expected_seconds"] > 0, "the audio is as long, whatever of it is there already"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nowhere.txt", "-o", "book.mp3"), 2),
        (("latin.txt", "-o", "book.mp3"), 2),
        (("blank.txt", "-o", "book.mp3"), 2),
        (("book.txt", "-o", "book.ogg"), 3),
        (("book.txt", "-o", "nowhere/book.mp3"), 7),
        (("book.txt",), 2),
    ],
)
def test_what_cannot_work_is_said_in_a_line_before_anything_is_bought(
    run, with_key, stub, folder, book, arguments, code
):
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "blank.txt").write_text(" \n")
    done = run("narrate", *arguments, env=with_key)
    assert done.code == code
    assert done.err.startswith("modelgates-speech: error: ")
    assert len(done.err.splitlines()) == 1
    stub.assert_not_called()


@needs_format
@pytest.mark.parametrize("target", ["", ".", "/"])
def test_a_folder_is_no_file_to_write(run, with_key, stub, folder, book, target):
    done = run("narrate", "book.txt", "-o", target, "--format", "pcm", env=with_key)
    assert done.code == 7
    assert "it is a folder" in done.err
    stub.assert_not_called()


@needs_format
@pytest.mark.parametrize("command", [("narrate",), ("speak", "--file")])
def test_the_text_is_not_overwritten_with_its_speech(run, with_key, stub, folder, book, command):
    done = run(*command, "book.txt", "-o", "./book.txt", "--format", "mp3", env=with_key)
    assert done.code == 2
    assert "book.txt holds the text" in done.err
    assert (folder / "book.txt").read_text() == TEXT
    stub.assert_not_called()


def test_what_others_keep_in_the_folder_of_the_pieces_stays(run, with_key, folder, book):
    notes = folder / "book.wav.pieces" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("precious")
    done = run("narrate", "book.txt", "-o", "book.wav", env=with_key)
    assert done.code == 0, done.err
    assert [path.name for path in notes.parent.iterdir()] == ["notes.txt"]
    assert notes.read_text() == "precious"


def test_a_pipe_that_can_be_read_once_is_read_once(run, with_key, folder):
    done = run("narrate", "/dev/stdin", "-o", "a.wav", env=with_key, given=b"Hello from a pipe.")
    assert done.code == 0, done.err
    assert (folder / "a.wav").stat().st_size > 44


def test_two_texts_to_standard_output_do_not_share_their_pieces(run, with_key, stub, folder, book):
    other = folder / "other.txt"
    other.write_text("Another one. And more.")
    stub.fail_next(400)
    assert run("narrate", book.name, "-o", "-", "--concurrency", "1", env=with_key).code == 4
    pieces = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert run("narrate", other.name, "-o", "-", env=with_key).code == 0
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == pieces


def test_pieces_that_cannot_be_kept_are_not_bought(run, with_key, stub, folder, book):
    words = ("narrate", book.name, "-o", "a.wav", "--cache-dir", f"{book.name}/kept")
    ended = run(*words, env=with_key)
    assert ended.code == 7
    assert run(*words, "--dry-run", env=with_key).code == 0
    stub.assert_not_called()


@needs_pcm
def test_the_speech_may_go_to_standard_output_as_it_arrives(run, with_key, stub, folder, book):
    done = run("narrate", "book.txt", "-o", "-", "--format", "pcm", env=with_key, text=False)
    assert done.code == 0
    assert len(done.out) > 10_000
    assert not done.raw.startswith(b"RIFF")
    as_wav = run("narrate", "book.txt", "-o", "-", env=with_key)
    with wave.open(io.BytesIO(as_wav.raw)) as file:
        assert file.readframes(len(done.raw)) == done.raw
    assert [path.name for path in folder.iterdir()] == ["book.txt"]


def test_a_text_of_another_encoding_is_told_with_its_offset(run, with_key, folder):
    (folder / "latin.txt").write_bytes("Ein Café".encode("latin-1"))
    said = run("narrate", "latin.txt", "-o", "x.wav", env=with_key)
    assert said.code == 2
    assert "0xe9 at offset 7" in said.err
    assert "iconv" in said.err


@pytest.mark.parametrize(("letters", "code"), [(246, 0), (252, 7)])
def test_a_name_that_leaves_no_room_for_another_suffix_is_a_name(
    run, with_key, stub, folder, book, letters, code
):
    name = os.fsdecode("\u00fc".encode() * (letters // 2)) + ".wav"
    done = run("narrate", "book.txt", "-o", name, env=with_key)
    assert (done.code, "Traceback" in done.err) == (code, False)
    assert {path.name for path in folder.iterdir()} == {"book.txt"} | (
        {name} if not code else set()
    )
    assert bool(stub.requests) == (code == 0)


def test_a_folder_whose_name_cannot_be_is_told_in_a_line(run, with_key, stub, folder, book):
    done = run("narrate", "book.txt", "-o", f"{'x' * 300}/book.wav", env=with_key)
    assert (done.code, "Traceback" in done.err) == (7, False)
    stub.assert_not_called()


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed there")
def test_a_current_folder_that_is_gone_is_told_in_a_line(run, with_key, stub, folder, book):
    gone = folder / "gone"
    gone.mkdir()
    command = f"rmdir '{gone}'; exec '{sys.executable}' -m modelgates_speech"
    command += f" narrate '{folder / 'book.txt'}' -o book.wav"
    done = subprocess.run(
        ["sh", "-c", command], cwd=gone, env=with_key, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (7, False)
    stub.assert_not_called()
