"""Every way to fail: its exit code, its one line on standard error, and no file."""

import io
import json
import os
import re
import socket
import threading
import wave
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from modelgates_speech._binding import ARGUMENTS
from modelgates_speech.cli.exits import Exit
from tests.edition import EDITION, needs_format, needs_pcm, needs_provider, taken


def one_line(ended):
    """The message, after checking that it is alone."""
    match = re.fullmatch(r"modelgates-speech: error: (.+)\n", ended.err)
    assert match, ended.err
    return match[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sing",), "No such command 'sing'"),
        (("speak",), "give the text"),
        (("speak", "Hello", "--file", "text.txt"), "give the text"),
        (("speak", "--file", "missing.txt"), "missing.txt"),
        (("speak", "Hello", "world"), "unexpected extra argument"),
        (("speak", " \n"), "nothing to say: TEXT is empty"),
        *(
            (("speak", "Hello", "--speed", wrong), "--speed")
            for wrong in ("fast", "0", "nan")
            if taken(speed=1)
        ),
        (("speak", "Hello", "--timeout", "inf"), "--timeout"),
        (("speak", "Hello", "--timeout", "-1"), "--timeout"),
        (("speak", "Hello", "--api-key", "secret"), "--api-key"),
        (("speak", "Hello", "--local", "--base-url", "http://x"), "--base-url"),
        pytest.param(
            *(("speak", "Hello", "--provider-option", "openai=calm"), "names no option"),
            marks=needs_provider,
        ),
        pytest.param(
            *(("speak", "Hello", "--provider-option", "openai.calm"), "slug.name=value"),
            marks=needs_provider,
        ),
        (("speak", "Hello", "--header", "X-Team"), "--header"),
        (("completion", "tcsh"), "tcsh"),
    ],
)
def test_2_what_is_not_understood_is_said_with_the_way_to_the_help(
    run, with_key, stub, folder, arguments, says
):
    (folder / "text.txt").write_text("Hello")

    ended = run(*arguments, env=with_key)

    assert ended.code == 2
    assert ended.out == ""
    message = one_line(ended)
    assert says in message
    assert re.search(r"\(see 'modelgates-speech( speak| completion)? --help'\)$", message)
    stub.assert_not_called()


def test_2_no_command_at_all_shows_the_help(run, environment):
    ended = run(env=environment)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: modelgates-speech [OPTIONS]")


@pytest.mark.parametrize("source", ["standard input", "text.txt", "TEXT"])
def test_2_text_that_is_not_utf8_is_refused_with_the_place(speak, stub, folder, source):
    latin = "Café".encode("latin-1")
    (folder / "text.txt").write_bytes(latin)
    arguments = {"standard input": ["-"], "text.txt": ["--file", "text.txt"], "TEXT": [latin]}

    ended = speak(*arguments[source], given=latin)

    assert ended.code == 2
    assert f"{source} is not UTF-8 text: byte 0xe9 at offset 3" in one_line(ended)
    stub.assert_not_called()


def test_3_without_a_key_it_says_how_to_get_going(run, environment, folder):
    ended = run("speak", "Hello", env=environment)

    assert ended.code == 3
    message = one_line(ended)
    assert "MODELGATES_API_KEY" in message
    assert "modelgates-speech speak --local" in message
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-o", "a.wav", "--format", "mp3"), marks=needs_format),
        ("-o", "a.xyz"),
        ("--base-url", "ftp://example.com"),
        ("--base-url", "http://example.com"),
        ("--header", "Authorization: Bearer of-mine"),
        ("--header", "not a name: x"),
    ],
)
def test_3_what_cannot_be_asked_for_is_found_before_asking(speak, stub, folder, arguments):
    ended = speak("Hello", *arguments)

    assert ended.code == 3
    assert one_line(ended)
    stub.assert_not_called()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("status", [400, 401, 402, 404, 500, 418])
def test_4_a_refusal_of_the_api_is_quoted(speak, stub, folder, status):
    stub.fail_next(status, message="No more of this")

    ended = speak("Hello")

    assert ended.code == 4
    assert one_line(ended).startswith(f"HTTP {status}: ")
    assert f"(request {stub.last_request.request_id})" in ended.err
    assert list(folder.iterdir()) == []


def test_4_a_wrong_key_is_refused_and_not_shown(run, with_key, folder):
    ended = run("speak", "Hello", env=with_key | {"MODELGATES_API_KEY": "mg-wrong-key"})

    assert ended.code == 4
    assert one_line(ended).startswith("HTTP 401: ")
    assert "mg-wrong-key" not in ended.err


def test_4_what_the_server_says_cannot_drive_the_terminal(speak, stub):
    stub.fail_next(400, message="one\ntwo\x1b[2Jthree\u202e")

    ended = speak("Hello")

    assert "one two [2Jthree" in one_line(ended)


def test_5_nobody_there(speak, folder):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # taken, but nobody listens
        port = held.getsockname()[1]

        ended = speak("Hello", "--base-url", f"http://127.0.0.1:{port}/api/v1")

    assert ended.code == 5
    assert "no connection to " in one_line(ended)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("fault", ["reset", "stall"])
def test_5_no_answer(speak, stub, folder, fault):
    stub.fail_next(fault)

    ended = speak("Hello", "--timeout", "0.5")

    assert ended.code == 5
    assert one_line(ended)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "fault",
    [
        *("cut", "cut-chunked", "stall-midway", "empty", "html", "json"),
        pytest.param("odd", marks=needs_pcm),
    ],
)
def test_6_an_answer_that_is_not_whole_or_not_audio(speak, stub, folder, fault):
    stub.fail_next(fault)

    # Only what never ends is waited for: a machine under load needs seconds for the first sound.
    ended = speak("Hello", "--timeout", "3" if fault == "stall-midway" else "60", "-o", "hello.wav")

    assert ended.code == 6
    said = one_line(ended)
    # What was paid for is kept, under a name that is said; the file itself never appears.
    kept = list(folder.iterdir())
    assert [path.name in said for path in kept] == [True] * len(kept)
    assert folder / "hello.wav" not in kept
    if fault in {"cut", "cut-chunked", "odd", "stall-midway"}:
        [path] = kept
        with wave.open(str(path)) as audio:
            assert audio.getnframes() > 0


def test_6_a_server_that_drips_does_not_outlive_the_deadline(speak, stub, folder):
    stub.fail_next("drip", interval=0.05)

    ended = speak("Hello", "--timeout", "60", "--deadline", "2")

    assert ended.code == 6
    assert "deadline" in one_line(ended)
    assert [path.name for path in folder.iterdir()] == ["speech.partial.wav"]


def test_what_was_kept_before_is_not_replaced(speak, stub, folder):
    for _ in range(2):
        stub.fail_next("cut", after=5000)
        assert speak("Hello", "-o", "hello.wav").code == 6
    assert {path.name for path in folder.iterdir()} == {
        "hello.partial.wav",
        "hello.partial-2.wav",
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("speak", "Hello", "--model", "stub/402"), 4),
        (("speak", "Hello", "--timeout", "fast"), 2),
        (("speak", "Hello", "-o", "no/such/folder/x.wav"), 7),
        (("narrate", "nothing.txt", "-o", "x.wav"), 2),
        (("batch", "nothing.jsonl", "--out-dir", "out"), 2),
    ],
)
def test_errors_are_json_where_json_was_asked_for(run, with_key, stub, folder, arguments, code):
    ended = run(*arguments, "--json", env=with_key)
    error = json.loads(ended.err)["error"]
    assert (ended.code, error["exit_code"]) == (code, code)
    assert error["message"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("-o", "x.mp3", "--format", "pcm"), "--format pcm", marks=needs_format),
        pytest.param(("-o", "x.unknown"), "--format", marks=needs_format),
        (("--header", "Authorization: x"), "set MODELGATES_API_KEY instead"),
        (("--header", "Host: x"), "--base-url"),
        (("--base-url", "http://api.example"), "--allow-plain-http"),
        (("--base-url", "nonsense"), "--base-url"),
    ],
)
def test_refusals_name_options_and_never_arguments_of_python(speak, arguments, says):
    said = one_line(speak("Hello", *arguments))
    assert says in said
    for name in ("response_format", "base_url", "allow_plain_http", "api_key"):
        assert name not in said


def test_a_refused_key_is_looked_for_in_its_variable_alone(speak, stub):
    stub.fail_next(401)
    said = one_line(speak("Hello"))
    assert "MODELGATES_API_KEY" in said
    assert "api_key" not in said


class AlwaysWav(BaseHTTPRequestHandler):
    """A gateway that knows one format, whatever it is asked for."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav; channels=1")
        audio = io.BytesIO()
        with wave.open(audio, "wb") as file:
            file.setparams((1, 2, 24_000, 0, "NONE", ""))
            file.writeframes(bytes(4))
        self.send_header("Content-Length", str(len(audio.getvalue())))
        self.end_headers()
        self.wfile.write(audio.getvalue())

    def log_message(self, *_):
        pass


def test_6_audio_of_another_format_is_not_saved_under_a_wrong_suffix(speak, folder):
    with HTTPServer(("127.0.0.1", 0), AlwaysWav) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        url = f"http://127.0.0.1:{server.server_port}/api/v1"
        ended = speak("Hello", "-o", "a.mp3", "--base-url", url)
        server.shutdown()
        serving.join()

    assert ended.code == 6
    assert "'.mp3' cannot hold this audio, which is wav (audio/wav; channels=1)" in one_line(ended)
    assert one_line(ended).endswith("what arrived is in a.partial.wav")
    assert [path.name for path in folder.iterdir()] == ["a.partial.wav"]


@needs_pcm
def test_6_standard_output_is_told_apart_from_a_whole_answer_too(speak, stub):
    stub.fail_next("cut", after=1000)

    ended = speak("Hello", "-o", "-", "--format", "pcm")

    assert ended.code == 6
    assert len(ended.raw) == 1000
    assert one_line(ended)


def test_7_a_folder_that_does_not_exist_is_found_before_paying(speak, stub):
    ended = speak("Hello", "-o", "missing/hello.wav")

    assert ended.code == 7
    assert str(Path("missing", "hello.wav")) in one_line(ended)
    stub.assert_not_called()


def test_7_a_folder_in_the_place_of_the_file(speak, stub, folder):
    (folder / "hello.wav").mkdir()

    assert speak("Hello", "-o", "hello.wav").code == 7
    stub.assert_not_called()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("-o", "-"), ("-o", "a.wav")])
def test_7_standard_output_on_a_full_disk(speak, arguments):
    with open("/dev/full", "wb") as full:
        ended = speak("Hello", *arguments, stdout=full)

    assert ended.code == 7
    assert one_line(ended).startswith("cannot write to standard output: No space left")


@pytest.mark.skipif(os.name == "nt", reason="pipes end differently there")
@pytest.mark.parametrize("arguments", [("-o", "-"), ("-o", "a.wav"), ("-o", "a.wav", "--json")])
def test_141_a_reader_that_went_away_ends_it_in_silence(speak, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = speak("Hello", *arguments, stdout=writing)
    finally:
        os.close(writing)

    assert (ended.code, ended.err) == (141, "")


def test_retries_are_made_before_giving_up(speak, stub):
    stub.fail_next(503, retry_after=0)

    assert speak("Hello").code == 0
    stub.assert_called(times=1, status=503)
    stub.assert_called(times=1, status=EDITION.success[0])


@pytest.mark.parametrize("command", ["speak", "narrate", "batch"])
def test_the_help_of_a_command_fits_a_screen_and_has_an_example(run, environment, command):
    out = run(command, "--help", env=environment | {"COLUMNS": "120"}).out
    # How many options the OpenAPI document adds, and how much it says of each, is not ours.
    from_document = {f"--{name.replace('_', '-')}" for name in ARGUMENTS}
    entries = re.split(r"\n(?=  -)", out)
    ours = [entry for entry in entries if entry.split()[0] not in from_document]
    assert sum(len(entry.splitlines()) for entry in ours) <= 46
    assert f"modelgates-speech {command} " in out.partition("Example:")[2]
    assert "Exit codes: modelgates-speech --help" in out


def test_the_help_lists_every_exit_code(run, environment):
    ended = run("--help", env=environment)

    assert ended.code == 0
    for code in Exit:
        assert re.search(rf"^ +{int(code)}  {re.escape(code.meaning)}$", ended.out, re.MULTILINE)


def test_the_documentation_lists_every_exit_code():
    page = Path(__file__).parents[2].joinpath("docs", "command-line.md").read_text("utf-8")

    rows = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", page, re.MULTILINE))
    assert rows == {str(int(code)): code.meaning for code in Exit}


@pytest.mark.parametrize("command", [("speak", "Hello"), ("narrate", "book.txt")])
def test_7_audio_for_an_output_that_is_closed_is_not_asked_for(
    run, folder, stub, with_key, command
):
    (folder / "book.txt").write_text("Hello.")
    ended = run(*command, "-o", "-", env=with_key, closed=">&-")
    assert ended.code == Exit.NOT_WRITTEN
    assert "standard output is closed: name a file with -o" in one_line(ended)
    assert not stub.requests
