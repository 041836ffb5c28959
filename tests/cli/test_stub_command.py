"""`modelgates-speech stub`: the double as a program, for clients in any language."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from tests.edition import DOCUMENT, EDITION, needs_pcm

BODY = {"input": "Hello", "model": "m", "voice": "v"}


def post(base_url, key, body=BODY):
    """Status and body of one plain request, without this project's client."""
    request = urllib.request.Request(
        f"{base_url}/audio/speech",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        | EDITION.headers,
    )
    # The proxies of the environment have no business here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture
def serving(start, environment):
    """Start `modelgates-speech stub ...` and return the process and the base URL that it prints."""

    def serving(*arguments):
        process = start(
            *("stub", "--port", "0", *arguments),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for line in process.stdout:
            if found := re.search(rb"MODELGATES_BASE_URL=(\S+)", line):
                return process, found[1].decode()
        pytest.fail(f"it ended without saying where it is: {process.stderr.read()}")

    return serving


def test_serves_until_ctrl_c_ends_it_cleanly(serving):
    process, base_url = serving()

    status, audio = post(base_url, "any-key-at-all")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert status == EDITION.success[0]
    assert len(audio) > 5000
    assert (process.returncode, err) in [(0, b""), (130, b"\n")]


def test_sigterm_ends_it_too(serving):
    process, _ = serving()
    process.terminate()

    assert process.wait(60) == 128 + signal.SIGTERM


@needs_pcm
def test_each_request_is_a_line_without_the_key(serving):
    process, base_url = serving()
    post(base_url, "a-key-of-mine")
    while b"/audio/speech" not in (line := process.stdout.readline()):
        assert line
    assert re.search(rb"POST \S+ 2\d\d 5 characters, [\d.]+ s of audio, \d+ ms", line)
    assert b"a-key-of-mine" not in line


def test_a_harness_finds_it_by_json_or_by_a_file(start, environment, tmp_path):
    ready = tmp_path / "ready"
    process = start(
        *("stub", "--port", "0", "--json", "--ready-file", str(ready), "--credits", "7"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said = json.loads(process.stdout.readline())
    assert [post(said["base_url"], "key")[0] for _ in range(2)] == [EDITION.success[0], 402]
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [(answer["status"], answer["characters"]) for answer in answers] == [
        (EDITION.success[0], 5),
        (402, 5),
    ]
    assert ready.read_text().strip() == said["base_url"]
    process.terminate()
    process.wait(60)
    # Whoever starts the next one waits for the file of that.
    assert not ready.exists()


def test_quiet_is_silent(start, environment, tmp_path):
    ready = tmp_path / "ready"
    # Of an earlier run: nobody is to take it for this one's.
    ready.write_text("http://127.0.0.1:9/api/v1\n")
    process = start(
        *("stub", "--port", "0", "--quiet", "--ready-file", str(ready)),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (ready.exists() and ":9/" not in ready.read_text() and ready.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    assert post(ready.read_text().strip(), "key")[0] == EDITION.success[0]
    process.terminate()
    assert process.communicate(timeout=60) == (b"", b"")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--api-key", "a b"), "--api-key"),
        (("--failures", "2"), "failures"),
        (("--latency", "-1"), "latency"),
    ],
)
def test_settings_that_cannot_be_are_refused(run, environment, arguments, says):
    ended = run("stub", "--port", "0", *arguments, env=environment)
    assert ended.code == 2
    assert says in ended.err


def test_with_a_key_no_other_is_accepted(serving):
    _, base_url = serving("--api-key", "the-key")

    assert post(base_url, "the-key")[0] == EDITION.success[0]
    assert post(base_url, "another")[0] == 401


def test_magic_models_misbehave(serving):
    _, base_url = serving()

    assert post(base_url, "key", BODY | {"model": "stub/402"})[0] == 402


def test_follows_the_document_it_is_given(serving, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps(DOCUMENT).replace('"/audio/speech"', '"/speech"'), "utf-8")

    _, base_url = serving("--document", str(other))

    assert post(base_url, "key")[0] == 404


def test_a_taken_port_is_said_in_one_line(run, environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("stub", "--port", str(taken.getsockname()[1]), env=environment)

    assert ended.code == 3
    assert re.fullmatch(
        r"modelgates-speech: error: the stub cannot start: .+ in use.*\n", ended.err
    )


def test_a_document_that_is_none_is_said_in_one_line(run, environment, tmp_path):
    (tmp_path / "none.yaml").write_text("just: text")

    ended = run(
        *("stub", "--port", "0", "--document", str(tmp_path / "none.yaml")), env=environment
    )

    assert ended.code == 3
    assert re.fullmatch(r"modelgates-speech: error: the stub cannot start: .+\n", ended.err)


def test_the_help_lists_the_magic_models(run, environment):
    ended = run("stub", "--help", env=environment)

    assert ended.code == 0
    for name in ("stub/stall-midway", "stub/cut", "stub/drip"):
        assert re.search(rf"^ +{name}  +\S", ended.out, re.MULTILINE)


def test_the_help_does_not_load_the_server(modules_loaded, environment):
    loaded = modules_loaded("stub", "--help", env=environment)

    assert "modelgates_speech.stub.usage" in loaded
    assert not {"starlette", "uvicorn", "modelgates_speech.stub.server"} & loaded
