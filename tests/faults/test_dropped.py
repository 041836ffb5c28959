"""What nobody holds any more is given back, and a ResourceWarning says what was left open."""

import asyncio
import gc
import sys
import weakref
from contextlib import suppress

import anyio
import httpcore2
import httpx
import pytest
from anyio.lowlevel import current_token

from modelgates_speech import (
    APIConnectionError,
    AsyncAudioStream,
    AsyncModelGates,
    AudioStream,
    ModelGates,
)
from tests.faults.calls import SPEECH
from tests.faults.server import CLOSE, STALL
from tests.faults.table import HEALTHY, reply

ENDLESS = (reply()[:-1000], STALL)
TIMES = 5


@pytest.fixture
def settings(server):
    return {"api_key": "key", "base_url": server.url, "timeout": 5, "retry": None}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_streams_that_are_dropped_give_their_connections_back(
    kind, server, one_connection, settings
):
    server.acts = ENDLESS

    def drop_some():
        with ModelGates(**settings) as client:
            for _ in range(TIMES):
                for _ in client.audio.speech.stream(**SPEECH):
                    break
                gc.collect()

    async def drop_some_async():
        async with AsyncModelGates(**settings) as client:
            for _ in range(TIMES):
                async for _ in client.audio.speech.stream(**SPEECH):
                    break
                gc.collect()

    told = r"Stream open, .* was dropped .*: use it in a `with` statement, or read it to its end$"
    with pytest.warns(ResourceWarning, match=told) as warned:
        drop_some() if kind == "sync" else asyncio.run(drop_some_async())
    assert len(server.requests) == TIMES
    # By these tracemalloc leads to the line that made the stream.
    dropped = [each for each in warned if "Stream open" in str(each.message)]
    assert all(isinstance(each.source, AudioStream | AsyncAudioStream) for each in dropped)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_server_need_not_go_on_speaking_for_a_stream_that_is_dropped(kind, server, settings):
    server.acts = ENDLESS

    async def drop():
        async with AsyncModelGates(**settings) as client:
            async for _ in client.audio.speech.stream(**SPEECH):
                break
            gc.collect()
            await anyio.to_thread.run_sync(server.until, lambda: server.open == 0)

    if kind == "async":
        asyncio.run(drop())
        return
    with ModelGates(**settings) as client:
        for _ in client.audio.speech.stream(**SPEECH):
            break
        gc.collect()
        server.until(lambda: server.open == 0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_loop_that_ends_just_then_is_not_disturbed(library, server, settings):
    server.acts = ENDLESS

    async def drop():
        async for _ in AsyncModelGates(**settings).audio.speech.stream(**SPEECH):
            break

    for _ in range(10 * TIMES):
        anyio.run(drop, backend=library)
    assert len(server.requests) == 10 * TIMES


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_client_forgets_the_loops_that_have_ended(library, server, settings):
    server.acts = HEALTHY
    client = AsyncModelGates(**settings)
    loops = []

    async def call():
        loops.append(weakref.ref(current_token().native_token))
        await client.audio.speech.create(**SPEECH)

    for _ in range(TIMES):
        anyio.run(call, backend=library)
    gc.collect()
    held = sum(loop() is not None for loop in loops)
    assert held <= 1, f"{held} loops are remembered"
    anyio.run(client.aclose, backend=library)


def test_a_client_that_is_dropped_says_so(server, settings):
    server.acts = HEALTHY
    client = ModelGates(**settings)
    client.audio.speech.create(**SPEECH)
    dropped = [client]
    del client
    with pytest.warns(ResourceWarning, match=r"call close\(\)"):
        dropped.clear()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_client_that_is_dropped_closes_the_transport_that_it_was_given(settings):
    closed = []

    class Given(httpx.MockTransport):
        def close(self):
            closed.append("closed")

    audio = httpx.Response(200, content=b"\0\0", headers={"content-type": "audio/pcm"})
    client = ModelGates(**settings, transport=Given(lambda _: audio))
    client.audio.speech.create(**SPEECH)
    assert not closed
    del client
    gc.collect()
    assert closed == ["closed"]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("acts", [(reply(Connection="close"),), (CLOSE,)], ids=["answered", "not"])
def test_a_client_remembers_no_connection_that_is_closed(kind, acts, server, settings):
    server.acts = acts

    async def make_calls_async():
        async with AsyncModelGates(**settings) as client:
            for _ in range(TIMES):
                with suppress(APIConnectionError):
                    await client.audio.speech.create(**SPEECH)
            return remembered()

    def make_calls():
        with ModelGates(**settings) as client:
            for _ in range(TIMES):
                with suppress(APIConnectionError):
                    client.audio.speech.create(**SPEECH)
            return remembered()

    def remembered():
        gc.collect()
        kinds = (httpcore2.HTTPConnection, httpcore2.AsyncHTTPConnection)
        return [each for each in gc.get_objects() if type(each) in kinds]

    assert not (make_calls() if kind == "sync" else asyncio.run(make_calls_async()))
    assert server.connections == TIMES


def test_a_stream_that_holds_nothing_is_dropped_in_silence(server, settings, recwarn, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    server.acts = HEALTHY
    with ModelGates(**settings) as client:
        client.audio.speech.stream(**SPEECH)
        list(client.audio.speech.stream(**SPEECH))
    with pytest.raises(TypeError):
        AudioStream()
    gc.collect()
    assert not told
    assert not recwarn.list


def test_a_client_that_was_never_used_is_dropped_in_silence(settings, recwarn):
    client = ModelGates(**settings)
    del client
    gc.collect()
    assert not recwarn.list
