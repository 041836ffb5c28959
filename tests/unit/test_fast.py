"""The fast transport: what it makes of bytes, and that it is chosen by one argument.

How it behaves when things go wrong is the business of tests/faults, which run over it as well.
"""

import asyncio
import sys
import threading

import httpx
import pytest

from modelgates import AsyncModelGates, ConfigurationError, ModelGates, _transport
from modelgates._fast import AsyncConnection, FastTransport, Message, written

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
    for reply in (OK + b"abcdef", CHUNKED + b"2\r\nab\r\n4\r\ncdef\r\n0\r\n\r\n"):
        for size in range(1, len(reply) + 1):
            pieces = [reply[i : i + size] for i in range(0, len(reply), size)]
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
    with pytest.raises(httpx.RemoteProtocolError):
        received(*reply)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\0b"])
def test_a_header_cannot_inject_another(value):
    request = httpx.Request("POST", "http://a/b", headers={"X-Title": value}, content=b"{}")
    with pytest.raises(httpx.LocalProtocolError):
        written(request)


def test_a_request_is_written_in_one_piece():
    request = httpx.Request("POST", "http://a/b?c=d", headers={"X-Title": "e"}, content=b"{}")
    head, _, body = written(request).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /b?c=d HTTP/1.1\r\nHost: a\r\n")
    assert b"\r\nX-Title: e" in head
    assert body == b"{}"


def test_one_argument_chooses_it(modelgates_stub):
    def kind(pool):
        return type(pool)

    with ModelGates(transport="fast") as client:
        assert kind(client._transport()) is FastTransport
        expected = client.audio.speech.create(**HELLO).content

    async def main():
        async with AsyncModelGates(transport="fast") as client:
            pool = await client._transport()
            assert isinstance(pool._idle[0][0], AsyncConnection)
            return (await client.audio.speech.create(**HELLO)).content

    assert asyncio.run(main()) == expected
    assert len(expected) > 1000


def test_connections_are_kept_and_shared(modelgates_stub):
    with ModelGates(transport="fast") as client:
        for _ in range(3):
            client.audio.speech.create(**HELLO)
        assert len(client._transport()._idle) == 1
        threads = [
            threading.Thread(target=client.audio.speech.create, kwargs=HELLO) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not client._transport()._busy
    assert len(modelgates_stub.requests) == 11


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "modelgates._fast", raising=False)
    monkeypatch.delattr("modelgates._fast", raising=False)
    monkeypatch.setitem(sys.modules, "httptools", None)
    with pytest.raises(ConfigurationError, match=r"modelgates\[fast\]"):
        ModelGates(api_key="key", transport="fast")


def test_through_a_proxy_it_is_the_default_one(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert isinstance(_transport.new_transport("https://a.example", "fast"), httpx.HTTPTransport)
