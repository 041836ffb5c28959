"""A narration that ends early keeps the pieces under way, for they are paid for."""

import itertools
import threading

import anyio
import pytest

from modelgates_speech import AsyncModelGates, ModelGates
from modelgates_speech.jobs import workers
from tests.edition import SPEAKER, needs_narration
from tests.jobs.conftest import spelled, story

pytestmark = needs_narration

# Numbers of its own: what another test left under way is not taken for this.
TEXT, OTHER = story(100, start=1000), story(100, start=2000)


@pytest.fixture
def waiting(engine, monkeypatch):
    """Pieces after the first are under way until they are let go.

    The first is heard once two more are: a narration that nobody reads asks for no more, so that
    on a machine under load it would be the only one.
    """
    # A machine under load is given more time than a user would.
    monkeypatch.setattr(workers, "GRACE_SECONDS", 60)
    begun, two, let_go = threading.Semaphore(0), threading.Event(), threading.Event()
    numbers = itertools.count(1)

    def hold(text):
        if text.strip() not in TEXT:
            return
        if "number 1000," in text:
            two.wait(timeout=60)
            return
        begun.release()
        if next(numbers) == 2:
            two.set()
        let_go.wait(timeout=60)

    engine.hold = hold
    yield begun, let_go
    let_go.set()


def narration(client, folder):
    return client.audio.speech.narrate(input=TEXT, cache_dir=folder, concurrency=3, **SPEAKER)


def assert_nothing_is_bought_twice(stub, folder):
    bought = len(stub.requests)
    with ModelGates() as client:
        assert spelled(narration(client, folder).read().content) == "".join(TEXT.split())
        pieces = client.audio.speech.narrate(input=TEXT, dry_run=True, **SPEAKER).pieces
    assert 1 < bought < pieces
    assert len(stub.requests) == pieces


class GaveUpWritingError(Exception):
    """Whatever a program's own generator of text raises."""


class GaveUpError(BaseException):
    """As Ctrl-C is, no failure of the narration's."""


@pytest.mark.parametrize("way", ["read", "save"])
def test_a_text_that_ends_in_an_error_of_its_own_gives_what_was_spoken(stub, engine, tmp_path, way):
    def text():
        yield OTHER
        raise GaveUpWritingError

    with ModelGates() as client, pytest.raises(GaveUpWritingError) as caught:
        stream = client.audio.speech.narrate(input=text(), **SPEAKER)
        stream.read() if way == "read" else stream.save(tmp_path / "x.wav")
    spoken = spelled(caught.value.partial.content)
    assert spoken
    assert "".join(OTHER.split()).startswith(spoken)


@pytest.mark.parametrize("kind", [GaveUpError, None])
def test_a_narration_that_is_left_keeps_what_is_under_way(stub, waiting, tmp_path, kind):
    begun, let_go = waiting
    with ModelGates() as client:
        try:
            with narration(client, tmp_path) as stream:
                next(stream)
                for _ in range(2):
                    begun.acquire()
                threading.Timer(0.1, let_go.set).start()
                if kind:
                    raise kind
        except GaveUpError:
            pass
    assert_nothing_is_bought_twice(stub, tmp_path)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_narration_that_is_cancelled_keeps_what_is_under_way(
    stub, waiting, tmp_path, backend
):
    begun, let_go = waiting

    async def main():
        async with AsyncModelGates() as client, anyio.create_task_group() as tasks:

            async def cancel():
                for _ in range(2):
                    await anyio.to_thread.run_sync(begun.acquire)
                tasks.cancel_scope.cancel()
                let_go.set()

            tasks.start_soon(cancel)
            await narration(client, tmp_path).read()

    anyio.run(main, backend=backend)
    assert_nothing_is_bought_twice(stub, tmp_path)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_it_is_not_waited_for_longer_than_a_moment(stub, waiting, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(workers, "GRACE_SECONDS", 0.05)

    async def main():
        async with AsyncModelGates() as client, narration(client, tmp_path) as stream:
            await anext(stream)

    if kind == "async":
        anyio.run(main)
    else:
        with ModelGates() as client, narration(client, tmp_path) as stream:
            next(stream)
    _, let_go = waiting
    assert not let_go.is_set()
    let_go.set()
