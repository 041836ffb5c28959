"""The blocking form, for programs in other languages, and what it says."""

import json
import re
import signal
import ssl
import subprocess
import sys

import httpx
import pytest

from modelgates_speech.stub import StubServer, serve
from modelgates_speech.stub.usage import describe

from .conftest import BODY, REFERENCE_FILE


@pytest.fixture
def serving(environment):
    """`serve(port=0)` in a process of its own, with what it has said so far."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from modelgates_speech.stub import serve;"
            f"serve(port=0, api_key='mine', document={REFERENCE_FILE!r})",
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = ""
        while not said.endswith("then begins again.\n"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        yield process, said
        process.kill()


def test_says_how_to_use_it_and_ends_cleanly_on_ctrl_c(serving):
    process, said = serving
    base_url = re.search(r"export MODELGATES_BASE_URL=(\S+)", said)[1]
    key = re.search(r"export MODELGATES_API_KEY=(\S+)", said)[1]
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(
        f"{base_url}/audio/speech", json=BODY, headers=headers, timeout=60, trust_env=False
    )
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert key == "mine"
    assert answer.status_code == 200
    assert base_url in said.splitlines()[0]
    assert describe() in said
    assert (process.returncode, errors) == (0, "")


def test_says_a_line_for_each_request_one_for_another_path_too(serving):
    process, said = serving
    base_url = re.search(r"export MODELGATES_BASE_URL=(\S+)", said)[1]
    httpx.get(f"{base_url}/caf\u00e9%1B[31m", trust_env=False)
    path = httpx.URL(base_url).path
    line = next(line for line in process.stdout if line.strip())
    assert line.startswith(f"GET {path}/caf%C3%A9%1B%5B31m 404 ")


def test_serves_in_silence_when_nobody_reads_what_it_says(serving):
    process, said = serving
    base_url = re.search(r"export MODELGATES_BASE_URL=(\S+)", said)[1]
    process.stdout.close()
    headers = {"Authorization": "Bearer mine"}
    for _ in range(2):
        answer = httpx.post(
            f"{base_url}/audio/speech", json=BODY, headers=headers, timeout=60, trust_env=False
        )
        assert answer.status_code == 200
    process.kill()
    assert process.stderr.read() == ""


def test_ends_when_it_cannot_say_what_it_has_to_say(environment):
    program = """if True:
        import json, urllib.request
        from modelgates_speech.stub import serve
        def say(line):
            if "base_url" not in json.loads(line):
                raise OSError("the disk is full")
            url = json.loads(line)["base_url"]
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                opener.open(url)
            except OSError:
                pass  # there is nothing at this address, which is a request all the same
        serve(port=0, as_json=True, say=say)
    """
    command = [sys.executable, "-c", program]
    ended = subprocess.run(
        command, env=environment, capture_output=True, check=False, text=True, timeout=60
    )
    assert ended.stderr.endswith("OSError: the disk is full\n")


def test_the_extra_is_named_when_it_is_missing(environment):
    program = """if True:
        import sys
        sys.modules["uvicorn"] = None
        try:
            from modelgates_speech.stub import StubServer
        except ModuleNotFoundError as error:
            print(error)
    """
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True
    )

    assert ended.stdout == "the stub needs 'uvicorn': pip install 'modelgates-speech[stub]'\n"


@pytest.mark.parametrize("link", [False, True])
def test_a_ready_file_is_there_as_long_as_the_stub(tmp_path, link):
    ready, file = tmp_path / "ready", tmp_path / "file"
    if link:
        ready.symlink_to(file)
    said = []

    def say(line):
        said.append((json.loads(line)["base_url"], ready.read_text()))
        raise KeyboardInterrupt

    serve(port=0, as_json=True, say=say, ready_file=ready)
    [(base_url, address)] = said
    assert address == f"{base_url}\n"
    assert not file.exists()
    assert ready.is_symlink() == link


def test_a_ready_file_of_another_stays(tmp_path):
    ready = tmp_path / "ready"

    def say(line):
        ready.write_text("of the next one")
        raise KeyboardInterrupt

    serve(port=0, say=say, ready_file=ready)
    assert ready.read_text() == "of the next one"


def test_a_start_that_fails_leaves_the_ready_file_of_the_one_that_runs(tmp_path):
    ready = tmp_path / "ready"
    ready.write_text("of the one that runs")
    with StubServer() as stub, pytest.raises(OSError, match="in use"):
        serve(port=httpx.URL(stub.url).port, ready_file=ready)
    assert ready.read_text() == "of the one that runs"


def test_a_ready_file_is_replaced_and_never_empty(tmp_path):
    ready, same = tmp_path / "ready", tmp_path / "same"
    ready.write_text("of an earlier run")
    same.hardlink_to(ready)

    def say(line):
        assert ready.read_text().startswith("http://")
        raise KeyboardInterrupt

    serve(port=0, say=say, ready_file=ready)
    assert same.read_text() == "of an earlier run"


def run(environment, *options):
    """The command, until it ends by itself."""
    command = [sys.executable, "-m", "modelgates_speech", "stub", "--port", "0", *options]
    return subprocess.run(command, env=environment, capture_output=True, check=False, text=True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--record", "tape"], "--upstream"),
        (["--upstream", "https://example.com"], "--record"),
        (["--record", "tape", "--upstream", "http://example.com"], "https"),
        (["--record", "a", "--upstream", "https://example.com", "--replay", "."], "--replay"),
        (["--replay", "nowhere"], "nowhere"),
        (["--allow-from", "nonsense"], "nonsense"),
        (["--audio", "nowhere"], "nowhere"),
        (["--document", __file__], f"{__file__} is not JSON"),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_sentence(
    environment, tmp_path, monkeypatch, options, says
):
    pytest.importorskip("click")
    monkeypatch.chdir(tmp_path)
    ended = run(environment, *options)
    assert ended.returncode in {2, 3}
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_options_together_serve(environment, tmp_path):
    pytest.importorskip("click")
    (tmp_path / "tape").mkdir()
    command = [sys.executable, "-m", "modelgates_speech", "stub", "--port", "0", "--json"]
    command += ["--tls", "--ca-file", f"{tmp_path / 'ca.pem'}", "--allow-from", "10.0.0.0/8"]
    command += ["--replay", f"{tmp_path / 'tape'}", "--audio", f"{tmp_path}", "--latency", "0.01"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        ready = json.loads(process.stdout.readline())
        context = ssl.create_default_context(cafile=ready["ca_file"])
        url = f"{ready['base_url']}/audio/speech"
        headers = {"Authorization": "Bearer any"}
        answer = httpx.post(url, json=BODY, headers=headers, verify=context, trust_env=False)
        process.kill()
    assert url.startswith("https://")
    assert "never recorded" in answer.text
