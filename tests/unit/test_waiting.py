"""What waits in a thread does so to its end, and what needs none has none."""

import asyncio
import errno

import anyio.to_thread
import pytest

from modelgates_speech import AsyncModelGates, SaveError
from modelgates_speech.waiting import Blocking, at_once, in_thread, time_left
from tests.edition import SAVED, needs_pcm
from tests.faults.server import FaultServer
from tests.faults.table import AUDIO, HEALTHY


@pytest.fixture
def _no_threads(monkeypatch):
    """The system gives no thread any more, as where a container may have so many."""

    async def refuse(*_, **__):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(anyio.to_thread, "run_sync", refuse)


@needs_pcm
@pytest.mark.usefixtures("_no_threads")
def test_audio_is_saved_though_the_system_has_no_thread_left(tmp_path):
    async def save():
        async with AsyncModelGates(api_key="key", base_url=server.url) as client:
            return await client.audio.speech.save(tmp_path / "a.pcm", **SAVED)

    with FaultServer(HEALTHY) as server:
        assert asyncio.run(save()).read_bytes() == AUDIO


@pytest.mark.usefixtures("_no_threads")
def test_what_fails_without_a_thread_fails_as_in_one():
    def fail():
        raise SaveError("the disk is full", path="a.wav", errno=errno.ENOSPC)

    with pytest.raises(SaveError, match="the disk is full"):
        asyncio.run(in_thread(fail))


def test_a_socket_waits_no_longer_than_its_step_may_take():
    assert time_left(None) is None
    assert time_left(5.0) == 5.0
    assert 0 < time_left(0.0) < 0.1
    with Blocking().within(1000):
        assert time_left(5.0) == 5.0
        assert 5 < time_left(None) <= 1000
        with Blocking().within(0):
            assert 0 < time_left(5.0) < 0.1
        assert 5 < time_left(None) <= 1000
    assert time_left(None) is None


def test_what_waits_for_an_event_loop_is_no_step_of_the_sync_client():
    with pytest.raises(AssertionError, match=r"^it waits for an event loop$"):
        at_once(asyncio.sleep(0))
