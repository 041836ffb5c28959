"""What one call meets must not spoil another, nor anything else of the program."""

import asyncio
import os
import signal
import socket
from contextlib import closing

import pytest

from modelgates_speech import (
    APIConnectionError,
    APIStatusError,
    AsyncModelGates,
    IncompleteAudioError,
    ModelGates,
    RateLimitError,
)
from tests.faults.calls import CALLERS, CLIENTS, KEY, SPEECH
from tests.faults.server import HOLD, STALL, Later
from tests.faults.table import AUDIO, CHUNKED, chunk, head, reply

WHOLE_CHUNKED = CHUNKED + chunk(AUDIO) + b"0\r\n\r\n"
STRAY = reply(body=b"\5\5" * 50)


@pytest.fixture(params=CLIENTS)
def caller(request, server):
    with closing(CALLERS[request.param](api_key=KEY, base_url=server.url, retry=None)) as caller:
        yield caller


@pytest.mark.parametrize("first", [reply(), WHOLE_CHUNKED, reply(429, b"{}")])
@pytest.mark.parametrize("more", [STRAY, b"\r\n", b"stray", bytes(6)])
def test_bytes_after_a_reply_are_not_taken_for_the_next_one(caller, server, first, more, tmp_path):
    server.acts = (first + more,)
    caller.make("create", tmp_path)
    server.acts = (reply(),)
    assert caller.make("create", tmp_path).heard == AUDIO
    assert len(server.requests) == 2


@pytest.mark.parametrize("answer", [reply(), WHOLE_CHUNKED, reply(429, b"{}"), reply(204, b"")])
def test_a_reply_that_ends_where_it_says_keeps_its_connection(caller, server, answer, tmp_path):
    server.acts = (answer,)
    for _ in range(3):
        caller.make("create", tmp_path)
    assert server.connections == 1


def test_an_exception_that_the_caller_is_handling_keeps_its_traceback(caller, server, tmp_path):
    server.refuse()
    own = LookupError(f"the caller's own, with {KEY}")
    try:
        raise own
    except LookupError:
        outcome = caller.make("create", tmp_path)
    assert isinstance(outcome.error, APIConnectionError)
    assert own.__traceback__ is not None
    assert own.args == (f"the caller's own, with {KEY}",)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarms")
@pytest.mark.parametrize("kind", [LookupError, TimeoutError])
@pytest.mark.parametrize("before", [b"", head(Content_Length="4096") + AUDIO[:512]])
def test_what_a_programs_alarm_raises_is_what_the_program_gets(server, kind, before, monkeypatch):
    def ring(*_):
        raise kind("time is up")

    def alarm(_):
        os.kill(os.getpid(), signal.SIGALRM)
        return b""

    server.acts = (before, Later(alarm), STALL)
    old = signal.signal(signal.SIGALRM, ring)
    try:
        with ModelGates(api_key=KEY, base_url=server.url, timeout=HOLD) as client:
            with pytest.raises(kind, match=r"^time is up$"):
                client.audio.speech.create(**SPEECH)
            resolve = socket.getaddrinfo
            monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: alarm(0) or resolve(*a, **k))
            with pytest.raises(kind, match=r"^time is up$"):
                client.audio.speech.create(**SPEECH)
    finally:
        signal.signal(signal.SIGALRM, old)
    assert len(server.requests) == 1


def test_a_connection_that_broke_without_a_word_is_named_by_what_broke_it(server):
    server.acts = (CHUNKED, chunk(AUDIO), STALL)

    async def close_too_early():
        async with AsyncModelGates(api_key=KEY, base_url=server.url) as client:
            stream = client.audio.speech.stream(**SPEECH)
            assert await anext(stream) == AUDIO
        await stream.read()

    with pytest.raises(IncompleteAudioError, match=r"broke: \w+"):
        asyncio.run(close_too_early())


def test_a_stream_that_outlives_its_event_loop_does_not_pass_for_whole(server):
    server.acts = (CHUNKED, chunk(AUDIO), STALL)
    client = AsyncModelGates(api_key=KEY, base_url=server.url)
    stream = client.audio.speech.stream(**SPEECH)

    async def begin():
        return await anext(stream)

    async def go_on():
        await stream.read()

    assert asyncio.run(begin()) == AUDIO
    with pytest.raises(IncompleteAudioError, match="its event loop has ended"):
        asyncio.run(go_on())


def test_errors_that_a_program_derives_from_ours_are_never_raised_by_us(caller, server, tmp_path):
    class OwnError(APIStatusError):
        pass

    class OwnStatusError(APIStatusError):
        status = 418

        def __init__(self):
            super().__init__("made by the program", status=418)

    for status, expected in ((418, APIStatusError), (429, RateLimitError), (403, APIStatusError)):
        server.acts = (reply(status, b"{}"),)
        assert type(caller.make("create", tmp_path).error) is expected
    assert issubclass(OwnError, APIStatusError)
    assert OwnStatusError().status == 418
