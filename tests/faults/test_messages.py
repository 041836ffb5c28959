"""A message says which server was meant, how long it took, and what can be done."""

import socket

import pytest

from modelgates_speech import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ModelGates,
    Timeout,
)
from tests.faults.calls import SPEECH
from tests.faults.server import STALL
from tests.faults.table import reply


def failure(url, **options):
    with (
        ModelGates(api_key="key", base_url=url, retry=None, **options) as client,
        pytest.raises(APIConnectionError) as failed,
    ):
        client.audio.speech.create(**SPEECH)
    return failed.value


def test_a_message_names_the_server_and_the_seconds(server):
    server.acts = (STALL,)
    silent = failure(server.url, timeout=Timeout(read=0.25))
    late = failure(server.url, deadline=0.25)
    for error, name in ((silent, "timeout"), (late, "deadline")):
        assert isinstance(error, APITimeoutError)
        assert f"127.0.0.1:{server.port}" in error.message
        assert "0.25 s" in error.message
        assert name in error.message.partition("0.25 s")[2]


def test_a_server_that_is_not_there_is_named_with_its_port():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{nobody.getsockname()[1]}"
    error = failure(f"http://{where}")
    assert where in error.message
    assert "base_url" in error.message


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, ["MODELGATES_API_KEY", "api_key"]),
        (402, ["MODELGATES_API_KEY", "credits"]),
        (404, [SPEECH["model"], SPEECH["voice"]]),
    ],
)
def test_a_refusal_says_what_can_be_done(server, status, told):
    server.acts = (reply(status, b"{}"),)
    with (
        ModelGates(api_key="key", base_url=server.url) as client,
        pytest.raises(APIStatusError) as refused,
    ):
        client.audio.speech.create(**SPEECH)
    assert all(word in str(refused.value) for word in told)
