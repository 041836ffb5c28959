"""A message says which server was meant, how long it took, and what can be done."""

import asyncio
import gzip
import socket
import zlib
from contextlib import closing

import httpcore2
import pytest

from modelgates_speech import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncModelGates,
    IncompleteAudioError,
    InvalidResponseError,
    ModelGates,
    Timeout,
)
from modelgates_speech.stub import StubServer
from tests.faults.calls import CALLERS, CLIENTS, SPEECH
from tests.faults.server import CLOSE, RESET, STALL
from tests.faults.table import SOON, reply


def failure(url, **options):
    with (
        ModelGates(api_key="key", base_url=url, retry=None, **options) as client,
        pytest.raises(APIConnectionError) as failed,
    ):
        client.audio.speech.create(**SPEECH)
    return failed.value


def test_a_message_names_the_server_and_the_seconds(server):
    server.acts = (STALL,)
    silent = failure(server.url, timeout=Timeout(read=SOON))
    late = failure(server.url, deadline=SOON)
    for error, name in ((silent, "timeout"), (late, "deadline")):
        assert isinstance(error, APITimeoutError)
        assert f"127.0.0.1:{server.port}" in error.message
        assert f"{SOON:g} s" in error.message
        assert name in error.message.partition(f"{SOON:g} s")[2]


def test_a_server_that_is_not_there_is_named_with_its_port():
    async def call():
        async with AsyncModelGates(api_key="key", base_url=f"http://{where}", retry=None) as client:
            await client.audio.speech.create(**SPEECH)

    # A port that is held, or somebody else may be given it meanwhile; but nobody listens.
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{nobody.getsockname()[1]}"
        error = failure(f"http://{where}")
        with pytest.raises(APIConnectionError) as failed:
            asyncio.run(call())
    assert error.message.startswith(f"no connection to {where}: ")
    assert error.message.endswith("; check base_url, the network and the proxy variables")
    assert failed.value.message == error.message


@pytest.mark.parametrize("client", CLIENTS)
def test_what_cannot_be_expanded_is_in_the_error_as_it_came(server, client):
    server.acts = (reply(body=b"compressed somehow", Content_Encoding="br"),)
    with (
        closing(CALLERS[client](api_key="key", base_url=server.url)) as caller,
        pytest.raises(InvalidResponseError, match="compressed as 'br'") as refused,
    ):
        caller.create()
    assert refused.value.body == b"compressed somehow"
    assert len(server.requests) == 1


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


def test_a_refusal_is_one_whatever_type_it_says_it_has(server):
    server.acts = (b"HTTP/1.1 401 No\r\nContent-Type: text/html; charset=\xff\r\n\r\n{}", CLOSE)
    with (
        ModelGates(api_key="key", base_url=server.url) as client,
        pytest.raises(APIStatusError) as refused,
    ):
        client.audio.speech.create(**SPEECH)
    assert refused.value.status == 401


def test_a_message_with_half_a_character_can_be_printed(server):
    server.acts = (reply(400, b'{"error": {"code": 400, "message": "no \\ud83d"}}'),)
    with (
        ModelGates(api_key="key", base_url=server.url) as client,
        pytest.raises(APIStatusError) as refused,
    ):
        client.audio.speech.create(**SPEECH)
    assert str(refused.value).encode()


def test_all_addresses_of_a_server_share_the_time_to_connect(monkeypatch):
    given = []

    def refuse(self, host, port, timeout=None, *arguments, **more):
        given.append((host, port, timeout))
        raise httpcore2.ConnectTimeout(host)

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 443)) for n in range(5)]
    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **more: found)
    error = failure("https://speech.example", timeout=Timeout(connect=3))
    assert isinstance(error, APITimeoutError)
    assert [(host, port) for host, port, _ in given] == [(f"192.0.2.{n}", 443) for n in range(5)]
    # Whoever does not answer takes his share alone: it is for the others to be reached as well.
    assert given[0][2] <= 3 / 5


def test_a_server_without_tls_is_told_from_one_that_is_not_there():
    with StubServer() as server:
        error = failure(server.url.replace("http:", "https:"))
        assert server.url.removeprefix("http://") in error.message
    assert "without TLS" in error.message
    assert not error.request_sent
    assert not error.transient


@pytest.mark.parametrize("start", [b"220 mail.example ESMTP\r\n\r\n", b"\x15\x03\x03\0\2\2\x46"])
def test_what_speaks_another_protocol_is_said_to(server, start):
    server.acts = (start, CLOSE)
    assert failure(server.url).message.endswith(
        "; it does not speak HTTP/1.1: check the port of base_url"
        "; the request may have arrived, so speech may have been billed"
    )


@pytest.mark.parametrize(
    ("coding", "compress", "readable"),
    [
        ("gzip", gzip.compress, True),
        ("deflate", zlib.compress, True),
        ("deflate, gzip", lambda body: gzip.compress(zlib.compress(body)), True),
        ("gzip", bytes, True),
        ("gzip", lambda body: gzip.compress(body)[:20] + bytes(20), False),
        ("br", bytes, True),
        ("gzip", lambda body: gzip.compress(bytes(64 * 1024 * 1024)), False),
    ],
    ids=["gzip", "deflate", "both", "not at all", "damaged", "unknown", "a bomb"],
)
def test_a_refusal_that_comes_compressed_is_read_where_it_can_be(
    server, coding, compress, readable
):
    body = b'{"error": {"code": 400, "message": "No such voice"}}'
    came = compress(body)
    server.acts = (reply(400, came, kind="application/json", Content_Encoding=coding),)
    with (
        ModelGates(api_key="key", base_url=server.url) as client,
        pytest.raises(APIStatusError) as refused,
    ):
        client.audio.speech.create(**SPEECH)
    assert refused.value.body == (body if readable else came)
    assert ("No such voice" in str(refused.value)) == readable


def test_a_call_that_may_have_been_billed_says_so_once(server):
    server.acts = (STALL,)
    silent = failure(server.url, timeout=Timeout(read=SOON))
    late = failure(server.url, deadline=SOON)
    server.acts = (CLOSE,)
    broken = failure(server.url)
    server.acts = (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcd", RESET)
    with (
        ModelGates(api_key="key", base_url=server.url) as client,
        pytest.raises(IncompleteAudioError) as cut,
    ):
        client.audio.speech.create(**SPEECH)
    for error in (silent, late, broken, cut.value):
        assert error.message.count("may have been billed") == 1
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        refused = failure(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert "billed" not in refused.message
