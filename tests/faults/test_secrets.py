"""A canary key is searched for everywhere; it is in the Authorization header, and nowhere else.

Every error of the matrix is searched too, there.
"""

import gzip
import json
import logging
import os
import subprocess
import sys
from contextlib import closing

import pytest

from modelgates_speech import APIStatusError, ConfigurationError, ModelGates
from modelgates_speech.config import Secret
from modelgates_speech.stub import StubServer
from tests.faults.calls import CALLERS, CALLS, CLIENTS, KEY, SPEECH
from tests.faults.secrets import assert_keeps_secret
from tests.faults.server import CLOSE, RESET, Later
from tests.faults.table import AUDIO, CHUNKED, HEALTHY, chunk, head, reply


@pytest.fixture(params=CLIENTS)
def caller(request, server):
    server.acts = HEALTHY
    with closing(CALLERS[request.param](api_key=KEY, base_url=server.url)) as caller:
        yield caller


def key_of(request):
    [line] = [line for line in request.split(b"\r\n") if line.lower().startswith(b"authorization")]
    return line.removeprefix(line[:22])


def test_the_canary_is_what_the_server_gets(caller, server):
    caller.make("create", None)
    [sent] = server.requests
    assert key_of(sent) == KEY.encode()
    assert sent.count(KEY.encode()) == 1


def test_no_public_object_shows_the_key(caller):
    client = caller.client
    objects = [client, client.audio, client.audio.speech, client.with_options(retry=None)]
    objects += [client.audio.speech.stream(**SPEECH), client._settings, client._settings.api_key]
    objects += [client._settings.api_key.secret()]
    if isinstance(client, ModelGates):
        with client.audio.speech.stream(**SPEECH) as stream:
            objects += [stream, stream.metadata, stream.read(), stream.headers]
    assert_keeps_secret(*objects)


def test_the_key_is_in_no_log_at_debug(caller, server, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    for acts in (
        HEALTHY,
        (reply(401, b"{}"),),
        (reply(503, b""),),
        (head(), AUDIO[:1], CLOSE),
        (RESET,),
    ):
        server.acts = acts
        for call in CALLS[:3]:
            caller.make(call, tmp_path, retry=None)
    named = {record.name.partition(".")[0] for record in caplog.records}
    assert {"modelgates_speech", "httpcore2"} <= named
    for record in caplog.records:
        assert KEY not in record.getMessage()
        assert KEY not in repr(vars(record))
    assert KEY not in caplog.text


def _echoed(request):
    """The request comes back, as from a debugging proxy."""
    return request


def in_two(data):
    """As a server may flush it: the last bytes by themselves."""
    return data[:-8], data[-8:]


ECHOES = {
    "in an error's body": lambda r: reply(400, r, kind="text/plain"),
    "in an error that is compressed": lambda r: reply(
        400, gzip.compress(r), kind="text/plain", Content_Encoding="gzip"
    ),
    "in an error's message": lambda r: reply(
        401, json.dumps({"error": {"code": 401, "message": key_of(r).decode()}}).encode()
    ),
    "in an error's message, as JSON may write it": lambda r: reply(
        401,
        b'{"error": {"code": 401, "message": "%s"}}'
        % "".join(f"\\u{ord(c):04X}" for c in key_of(r).decode()).encode(),
    ),
    "in a redirect's target, as a URL may write it": lambda r: reply(
        307, b"", Location="/?k=" + "".join(f"%{byte:02x}" for byte in key_of(r))
    ),
    "in a 200 of compressed JSON in pieces": lambda r: (
        head(Transfer_Encoding="chunked", Content_Encoding="gzip")
        + b"".join(chunk(piece) for piece in in_two(gzip.compress(b'{"k": "' + key_of(r) + b'"}')))
        + chunk(b"")
    ),
    "in an error's metadata": lambda r: reply(
        400,
        json.dumps(
            {"error": {"code": 1, "message": "m", "metadata": {"k": key_of(r).decode()}}}
        ).encode(),
        kind="application/json",
    ),
    "in a redirect's target": lambda r: reply(307, b"", Location="/?k=" + key_of(r).decode()),
    "in the request's id": lambda r: reply(400, b"", kind="", X_Request_Id=key_of(r).decode()),
    "in the content type": lambda r: reply(400, b"x", kind="text/" + key_of(r).decode()),
    "in a 200 of text": lambda r: reply(200, r, kind="text/plain"),
    "in a 200 of JSON": lambda r: reply(200, b'{"k": "' + key_of(r) + b'"}', kind="audio/pcm"),
    "in a 200 of JSON in two pieces": lambda r: (
        CHUNKED + chunk(b'{"k": "' + key_of(r)[:5]) + chunk(key_of(r)[5:] + b'"}') + chunk(b"")
    ),
    "in the headers of an empty 200": lambda r: reply(200, b"", X_Echo=key_of(r).decode()),
    "in the headers of audio that is cut": lambda r: reply(200, X_Echo=key_of(r).decode())[:-1],
    "in a coding": lambda r: reply(200, Content_Encoding=key_of(r).decode()),
    "instead of a status line": lambda r: key_of(r) + b"\r\n\r\n",
    "in a broken header": lambda r: b"HTTP/1.1 200 OK\r\n" + key_of(r) + b"\r\n\r\n",
    "in a broken chunk": lambda r: CHUNKED + chunk(AUDIO) + key_of(r) + b"\r\n\r\n",
}


@pytest.mark.parametrize("call", CALLS[:3])
@pytest.mark.parametrize("where", ECHOES)
def test_a_server_that_echoes_the_key_does_not_get_it_into_an_error(
    where, call, caller, server, tmp_path, caplog
):
    caplog.set_level(logging.DEBUG, "modelgates_speech")
    server.acts = (Later(ECHOES[where]), CLOSE)
    outcome = caller.make(call, tmp_path, retry=None)
    assert outcome.error is not None
    assert_keeps_secret(outcome.error)
    assert KEY not in caplog.text


def test_an_error_shows_where_the_key_was_in_a_body(caller, server):
    server.acts = (Later(ECHOES["in an error's body"]), CLOSE)
    assert b": Bearer [redacted]\r\n" in caller.make("create", None).error.body


def test_an_error_shows_where_the_key_was_in_a_coding(caller, server):
    server.acts = (Later(ECHOES["in a coding"]), CLOSE)
    assert "compressed as '[redacted]'" in str(caller.make("create", None).error)


@pytest.mark.parametrize(
    "written",
    ["sk-a/b", "sk-a%2fb", "sk-a%2Fb", r"sk-a\/b", r"sk-a\u002fb", "%73k-a/b", "\udcff sk-a/b"],
    ids=ascii,
)
def test_a_key_is_taken_out_however_it_is_written(written):
    secret = Secret("sk-a/b")
    expected = written[: written.find(" ") + 1] + "[redacted]"
    assert secret.scrub_text(f"{written}!") == f"{expected}!"
    assert secret.scrub(f"{written}!".encode("utf-8", "surrogatepass")) == (
        f"{expected}!".encode("utf-8", "surrogatepass")
    )


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("client", CLIENTS)
def test_audio_that_happens_to_hold_a_short_key_arrives_as_it_was(client, call, server, tmp_path):
    server.acts = HEALTHY
    key = next(chr(byte) for byte in AUDIO if chr(byte).isalnum() and byte < 128)
    with closing(CALLERS[client](api_key=key, base_url=server.url)) as caller:
        outcome = caller.make(call, tmp_path)
    assert outcome.error is None
    assert outcome.heard == AUDIO


@pytest.mark.parametrize("client", CLIENTS)
def test_audio_that_happens_to_hold_a_long_key_arrives_as_it_was(client, server):
    audio = bytes(32) + KEY.encode() * 100
    server.acts = (reply(body=audio),)
    with closing(CALLERS[client](api_key=KEY, base_url=server.url)) as caller:
        assert caller.create().content == audio


@pytest.mark.parametrize("key", ["a", "1", "pcm", "none"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_word_in_the_place_of_a_key_changes_nothing_that_it_is_a_part_of(client, key, server):
    server.acts = (reply(kind="audio/pcm;rate=16000", X_Note="none"),)
    with closing(CALLERS[client](api_key=key, base_url=server.url)) as caller:
        audio = caller.create()
    assert (audio.format, audio.sample_rate, audio.headers["x-note"]) == ("pcm", 16000, "none")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_copy_with_an_option_that_does_not_exist_does_not_show_its_key(client):
    with closing(CALLERS[client](api_key="another")) as caller:
        with pytest.raises(ConfigurationError) as caught:
            caller.client.with_options(api_key=KEY, timeuot=3)
        # The first frame is this test's.
        assert_keeps_secret(caught.value.with_traceback(caught.value.__traceback__.tb_next))


@pytest.mark.parametrize("client", CLIENTS)
def test_refused_arguments_of_a_client_do_not_show_its_key(client):
    for wrong in ({"timeout": -1}, {"base_url": "http://example.com"}, {"headers": {"a b": "c"}}):
        with pytest.raises(ConfigurationError) as caught:
            CALLERS[client](api_key=KEY, **wrong)
        # The first frames are this test's and its helper's, which do hold the key.
        error = caught.value
        traceback = error.__traceback__.tb_next.tb_next
        assert_keeps_secret(error.with_traceback(traceback))


def test_a_key_passed_to_a_client_is_not_in_the_environment_of_child_processes(caller, tmp_path):
    caller.make("save", tmp_path)
    script = "import os; print(dict(os.environ))"
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert "PATH" in shown
    assert KEY not in shown


def test_the_stub_keeps_no_key_in_its_records(capfd):
    with StubServer(api_key=KEY) as stub:
        with ModelGates(api_key=KEY, base_url=stub.base_url) as client:
            client.audio.speech.create(**SPEECH | {"input": "Hi"})
        with (
            pytest.raises(APIStatusError),
            ModelGates(api_key=KEY + "x", base_url=stub.base_url) as client,
        ):
            client.audio.speech.create(**SPEECH)
        records = list(stub.requests)
    assert len(records) == 2
    for record in records:
        assert_keeps_secret(record)
        assert KEY not in json.dumps(dict(record.headers))
    out, err = capfd.readouterr()
    assert KEY not in out + err


COMMANDS = {
    "audio": HEALTHY,
    "unauthorized": (reply(401, b"{}", kind="application/json"),),
    "an echo": (Later(lambda r: reply(400, r, kind="text/plain")),),
    "a cut": (reply()[:-1], CLOSE),
    "a reset": (RESET,),
}


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_never_shows_the_key(name, debug, server, tmp_path):
    server.acts = COMMANDS[name]
    shown = speak(server, tmp_path, *(["--debug"] if debug else []), key=KEY)
    assert server.requests
    assert KEY not in shown
    assert (", try 1, " in shown) is debug


def test_the_command_line_does_not_show_a_key_that_it_refuses(server, tmp_path):
    shown = speak(server, tmp_path, "--debug", key=KEY + "\n")
    assert server.connections == 0
    assert "API key" in shown
    assert KEY not in shown


def speak(server, folder, *options, key):
    environment = os.environ | {
        "MODELGATES_BASE_URL": server.url,
        "MODELGATES_API_KEY": key,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.run(
        [sys.executable, "-m", "modelgates_speech", "speak", "Hi", "-o", "a.wav", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return process.stdout + process.stderr
