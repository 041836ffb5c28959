"""The fast transport: what it makes of bytes, and that it is chosen by one argument.

How it behaves when things go wrong is the business of tests/faults, which run over it as well.
"""

import asyncio
import sys
import threading
from contextlib import closing

import httpcore
import pytest

from modelgates_speech import AsyncModelGates, ConfigurationError, ModelGates, _connect
from modelgates_speech._fast import AsyncConnection, Connection, Message, written
from modelgates_speech._http import Request
from tests.faults.calls import CALLERS, CLIENTS, KEY
from tests.faults.server import FaultServer
from tests.faults.table import AUDIO, reply

HELLO = {"model": "elevenlabs/eleven-turbo-v2", "voice": "alloy", "input": "Hello"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def received(*pieces):
    """The message made of `pieces`, and its body."""
    message = Message()
    body = b""
    for piece in pieces:
        message.feed(piece)
        while data := message.take():
            body += data
    return message, body


def test_a_body_is_the_same_however_the_bytes_are_cut():
    for whole in (OK + b"abcdef", CHUNKED + b"2\r\nab\r\n4\r\ncdef\r\n0\r\n\r\n"):
        for size in range(1, len(whole) + 1):
            pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
            message, body = received(*pieces)
            assert body == b"abcdef"
            assert message.complete
            assert message.reusable


def test_a_body_without_a_length_ends_with_the_connection():
    message, body = received(b"HTTP/1.1 200 OK\r\n\r\nabc", b"def", b"")
    assert (message.complete, message.reusable, body) == (True, False, b"abcdef")


@pytest.mark.parametrize("end", ["surplus", "HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_connection_that_says_more_than_asked_is_not_used_again(end, at_once):
    rest = b"abcdef" + end.encode()
    message, body = received(OK + rest) if at_once else received(OK, rest)
    assert (message.complete, message.reusable, body) == (True, False, b"abcdef")


@pytest.mark.parametrize(
    "last", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"]
)
def test_a_connection_that_the_server_gives_up_is_not_used_again(last):
    message, _ = received(last + b"Content-Length: 0\r\n\r\n")
    assert (message.complete, message.reusable) == (True, False)


def test_early_hints_are_passed_over():
    message, body = received(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"abcdef")
    assert (message.status, body) == (200, b"abcdef")
    assert message.headers == [(b"Content-Length", b"6")]


@pytest.mark.parametrize(
    "reply",
    [
        (b"not HTTP at all",),
        (b"",),
        (OK + b"abc", b""),
        (CHUNKED + b"3\r\nabc\r\n", b""),
        (CHUNKED + b"nonsense\r\n",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nab",),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",),
    ],
    ids=lambda reply: reply[0][:60].decode(),
)
def test_what_is_no_whole_reply_is_an_error(reply):
    with pytest.raises(httpcore.RemoteProtocolError):
        received(*reply)


def request(*, title):
    headers = [(b"host", b"a"), (b"x-title", title.encode())]
    return Request(b"POST", httpcore.URL("http://a/b?c=d"), headers, b"{}", {})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\0b"])
def test_a_header_cannot_inject_another(value):
    with pytest.raises(httpcore.LocalProtocolError):
        written(request(title=value))


def test_a_request_is_written_in_one_piece():
    head, _, body = written(request(title="e")).partition(b"\r\n\r\n")
    assert head == b"POST /b?c=d HTTP/1.1\r\nhost: a\r\nx-title: e"
    assert body == b"{}"


def test_one_argument_chooses_it(modelgates_stub):
    def first(pool):
        return pool.connections.idle[0][0]

    with ModelGates(transport="fast") as client:
        assert isinstance(first(client._transport()), Connection)
        expected = client.audio.speech.create(**HELLO).content

    async def main():
        async with AsyncModelGates(transport="fast") as client:
            assert isinstance(first(await client._transport()), AsyncConnection)
            return (await client.audio.speech.create(**HELLO)).content

    assert asyncio.run(main()) == expected
    assert len(expected) > 1000


def test_connections_are_kept_and_shared(modelgates_stub):
    with ModelGates(transport="fast") as client:
        for _ in range(3):
            client.audio.speech.create(**HELLO)
        assert len(client._transport().connections.idle) == 1
        threads = [
            threading.Thread(target=client.audio.speech.create, kwargs=HELLO) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not client._transport().connections.busy
    assert len(modelgates_stub.requests) == 11


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(client, tmp_path):
    intruder = reply(body=b"\x00\x01" * 8)
    with FaultServer((reply() + intruder,)) as server:
        options = {"api_key": KEY, "base_url": server.url, "transport": "fast"}
        with closing(CALLERS[client](**options)) as caller:
            assert [caller.make("create", tmp_path).heard for _ in range(3)] == [AUDIO] * 3
        assert server.connections == 3


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "modelgates_speech._fast", raising=False)
    monkeypatch.delattr("modelgates_speech._fast", raising=False)
    monkeypatch.setitem(sys.modules, "httptools", None)
    with pytest.raises(ConfigurationError, match=r"modelgates-speech\[fast\]"):
        ModelGates(api_key="key", transport="fast")


def test_through_a_proxy_it_is_the_default_one(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    pool = _connect.new_transport("https://a.example", "fast")
    assert isinstance(pool.connections.idle[0][0], _connect.Connection)
