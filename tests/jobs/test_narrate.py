"""Long texts as one stream, sync and async alike, against the stub on a real socket."""

import asyncio
import itertools
import pickle
import threading

import anyio
import pytest

from modelgates_speech import (
    AsyncModelGates,
    BadRequestError,
    ConfigurationError,
    IncompleteAudioError,
    ModelGates,
    RateLimitError,
    SaveError,
)
from modelgates_speech.jobs import NarrationPlan, workers
from modelgates_speech.jobs.narration import READ_AHEAD, Line, settings_of
from tests.edition import SPEAKER, needs_mp3, needs_narration
from tests.jobs.conftest import spelled, story

pytestmark = needs_narration

TEXT = story(100)
SAID = "".join(TEXT.split())


def asked(stub):
    return sorted((request.body["input"] for request in stub.requests), key=TEXT.index)


def test_the_audio_of_a_long_text_is_that_of_its_pieces_in_order(api, stub):
    audio = api.narrate(TEXT)
    assert spelled(audio.content) == SAID
    assert (audio.format, audio.sample_rate, audio.channels) == ("pcm", 24000, 1)
    assert "".join(asked(stub)) == TEXT
    assert all(len(text) <= 1000 for text in asked(stub))


def test_a_slow_piece_holds_back_those_after_it_and_loses_none(api, stub):
    stub.fail_next("slow", delay=0.3)
    assert spelled(api.narrate(TEXT).content) == SAID


def test_the_text_may_come_in_parts(api):
    parts = (TEXT[start : start + 99] for start in range(0, len(TEXT), 99))
    assert spelled(api.narrate(parts).content) == SAID


def test_a_short_text_is_one_request(api, stub):
    assert spelled(api.narrate("Hello.").content) == "Hello."
    assert asked_bodies(stub) == ["Hello."]


def asked_bodies(stub):
    return [request.body["input"] for request in stub.requests]


@needs_mp3
def test_mp3_pieces_become_one_mp3(api):
    seconds = []
    whole = api.narrate(
        TEXT, response_format="mp3", on_progress=lambda done: seconds.append(done.seconds)
    )
    alone = api.create(TEXT, response_format="mp3")
    assert whole.format == "mp3"
    assert seconds[-1] > 0
    assert len(whole.content) > len(alone.content)


def test_requests_run_at_once_as_many_as_asked_for_and_no_more(api, engine):
    together = threading.Barrier(3)
    lock, running, most = threading.Lock(), 0, 0

    def hold(text):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if "sentence number 0," in text or "number 3," in text or "number 9," in text:
            together.wait(timeout=20)
        with lock:
            running -= 1

    engine.hold = hold
    assert spelled(api.narrate(TEXT, concurrency=3).content) == SAID
    assert most == 3


def test_what_is_asked_for_ahead_is_bounded_by_what_was_handed_out():
    settings = settings_of(input=TEXT, concurrency=2, max_chars=100, **SPEAKER)
    line = Line(settings, list, threading.Lock)
    assert len(list(line.due())) == 2 * READ_AHEAD
    assert list(line.due()) == []


def test_blank_pieces_are_not_bought(api, stub):
    api.narrate("One. " + " \n" * 1500 + "Two.")
    texts = asked_bodies(stub)
    assert texts
    assert all(text.strip() for text in texts)


@pytest.mark.parametrize("text", ["", " \n ", []])
def test_nothing_to_say_is_refused_before_anything_is_sent(api, stub, text):
    with pytest.raises(ConfigurationError, match="nothing to say"):
        api.narrate(text)
    stub.assert_not_called()


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"max_chars": 0},
        {"language": None},
        {"language": 5},
        {"response_format": "opus"},
        {"extra_headers": {"": ""}},
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(api, stub, wrong):
    with pytest.raises(ConfigurationError):
        api.narrate(TEXT, **wrong)
    stub.assert_not_called()


def test_progress_tells_pieces_characters_and_seconds(api):
    seen = []
    audio = api.narrate(TEXT, on_progress=seen.append)
    assert [done.pieces for done in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].characters == len(TEXT)
    assert seen[-1].seconds == pytest.approx(audio.duration)


def test_a_piece_that_meets_a_rate_limit_is_retried_by_the_policy(api, stub):
    stub.fail_next(429, retry_after=0)
    assert spelled(api.narrate(TEXT).content) == SAID


def test_a_piece_that_fails_for_good_says_which_characters(api, stub):
    stub.fail_next(400, times=20)
    with pytest.raises(BadRequestError) as caught:
        api.narrate(TEXT)
    stub.reset()
    error = pickle.loads(pickle.dumps(caught.value))
    start, end = error.characters
    assert TEXT[start:end].endswith("little. ")
    assert f"characters {start:,} to {end:,}" in str(error)


def test_no_request_starts_after_a_piece_has_failed(api, stub, engine):
    long = story(400)
    with pytest.raises(RateLimitError):
        stub.fail_next(429, times=50)
        api.narrate(long, concurrency=2, retry=None)
    asked_by_then = len(stub.requests)
    assert asked_by_then <= 2 * READ_AHEAD
    stub.reset()


def test_a_piece_that_breaks_off_is_not_bought_again(api, stub):
    stub.fail_next("cut", after=20)
    with pytest.raises(IncompleteAudioError) as caught:
        api.narrate(TEXT, concurrency=1)
    assert caught.value.characters == (0, 141)
    assert len(stub.requests) == 1


def test_audio_before_a_failed_piece_is_handed_out_first(stub):
    got = b""
    with ModelGates() as client:
        stream = client.audio.speech.narrate(input=TEXT, concurrency=1, **SPEAKER)
        with stream, pytest.raises(BadRequestError):
            for data in stream:
                if not got:
                    stub.fail_next(400)
                got += data
    stub.reset()
    assert SAID.startswith(spelled(got))
    assert len(spelled(got)) >= len("".join(TEXT[:141].split()))


class HungUpError(Exception):
    """What a language model's library may raise while it gives the text."""


def test_a_text_that_fails_is_told_once_all_that_was_bought_is_handed_out(api, stub):
    def parts():
        yield TEXT
        raise HungUpError

    done = []
    with pytest.raises(HungUpError):
        api.narrate(parts(), on_progress=done.append)
    assert len(done) == len(stub.requests) > 2


def test_a_text_that_fails_from_the_start_says_so_and_not_that_it_is_empty(api, stub):
    with pytest.raises(ConfigurationError, match="must consist of strings"):
        api.narrate([5])
    stub.assert_not_called()


def test_the_first_sound_does_not_wait_for_all_the_text_that_may_be_asked_for(
    stub, engine, monkeypatch
):
    arrived, heard, given = threading.Event(), threading.Event(), []
    # So that what arrives is the first piece.
    engine.hold = lambda text: "number 0," in text or heard.wait(timeout=60)

    class Queue(workers.SimpleQueue):
        def put(self, item):
            super().put(item)
            if isinstance(item, bytes):
                arrived.set()

    def parts():
        for start in range(0, len(TEXT), 150):
            # The text of the first piece, and what shows where that ends.
            if start > 300:
                assert arrived.wait(timeout=60)
            given.append(start)
            yield TEXT[start : start + 150]

    monkeypatch.setattr(workers, "SimpleQueue", Queue)
    options = {"input": parts(), "max_chars": 150, **SPEAKER}
    with ModelGates() as client, client.audio.speech.narrate(**options) as stream:
        got = next(stream)
        heard.set()
        # Of nine, which eight pieces take.
        assert len(given) < 7
        assert spelled(got + b"".join(stream)) == SAID


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_first_sound_does_not_wait_for_text_that_takes_long(stub, backend):
    heard = threading.Event()

    def parts():
        yield TEXT[:500]
        # As a language model's library does that is called without `await`.
        assert heard.wait(timeout=20)
        yield TEXT[500:]

    async def main():
        options = {"input": parts(), "max_chars": 150, **SPEAKER}
        async with AsyncModelGates() as client, client.audio.speech.narrate(**options) as stream:
            first = await anext(stream)
            heard.set()
            return first + (await stream.read()).content

    assert spelled(anyio.run(main, backend=backend)) == SAID


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_text_may_come_from_an_async_generator(stub, backend):
    tasks, closed = set(), []

    async def parts(heard):
        try:
            yield TEXT[:500]
            # As a language model does that waits for what was said.
            await heard.wait()
            for start in range(500, len(TEXT), 50):
                tasks.add(anyio.get_current_task().id)
                yield TEXT[start : start + 50]
        finally:
            closed.append(True)

    async def main():
        heard = anyio.Event()
        options = {"input": parts(heard), "max_chars": 150, **SPEAKER}
        async with AsyncModelGates() as client, client.audio.speech.narrate(**options) as stream:
            first = await anext(stream)
            heard.set()
            return first + (await stream.read()).content

    assert spelled(anyio.run(main, backend=backend)) == SAID
    assert len(tasks) == 1
    assert closed


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_text_that_fails_is_spoken_as_far_as_it_came(stub, backend):
    async def parts():
        yield TEXT[:500]
        raise ZeroDivisionError

    async def main():
        options = {"input": parts(), "max_chars": 150, **SPEAKER}
        heard = b""
        async with AsyncModelGates() as client, client.audio.speech.narrate(**options) as stream:
            with pytest.raises(ZeroDivisionError):
                async for data in stream:
                    heard += data
        return heard

    said = spelled(anyio.run(main, backend=backend))
    assert said
    assert SAID.startswith(said)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_text_is_closed_when_its_narration_is_left(stub, backend):
    async def main():
        closed = anyio.Event()

        async def parts():
            try:
                for start in itertools.cycle(range(0, 500, 50)):
                    yield TEXT[start : start + 50]
            finally:
                closed.set()

        options = {"input": parts(), "max_chars": 150, **SPEAKER}
        async with AsyncModelGates() as client:
            async with client.audio.speech.narrate(**options) as stream:
                await anext(stream)
            with anyio.fail_after(60):
                await closed.wait()

    anyio.run(main, backend=backend)


def test_an_async_text_needs_an_event_loop(stub):
    async def parts():
        yield TEXT

    with pytest.raises(ConfigurationError, match="event loop"):
        AsyncModelGates().audio.speech.narrate(input=parts(), **SPEAKER)
    with ModelGates() as client, pytest.raises(ConfigurationError, match="AsyncModelGates"):
        client.audio.speech.narrate(input=parts(), **SPEAKER)
    stub.assert_not_called()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_narration_whose_text_never_comes_can_be_left(stub, backend):
    let_go, waited = threading.Event(), []

    def parts():
        yield TEXT[:500]
        waited.append(let_go.wait(timeout=20))

    async def main():
        options = {"input": parts(), "max_chars": 150, **SPEAKER}
        async with AsyncModelGates() as client:
            with anyio.move_on_after(0.5) as scope:
                await client.audio.speech.narrate(**options).read()
            return scope.cancelled_caught

    assert anyio.run(main, backend=backend)
    assert not waited
    let_go.set()


@pytest.mark.parametrize("allowed", [1, 0])
def test_a_system_without_threads_to_spare_loses_no_piece(stub, monkeypatch, tmp_path, allowed):
    start, left = threading.Thread.start, [None] * allowed

    def start_if_allowed(thread):
        if thread.name == "modelgates-narrate":
            if not left:
                raise RuntimeError("can't start new thread")
            left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_if_allowed)
    with ModelGates() as client:
        stream = client.audio.speech.narrate(input=TEXT, cache_dir=tmp_path, **SPEAKER)
        if allowed:
            assert spelled(stream.read().content) == SAID
            return
        with pytest.raises(ConfigurationError, match="can't start new thread"):
            stream.read()
    stub.assert_not_called()


def test_a_dry_run_counts_and_sends_nothing(api, stub):
    plan = api.plan(TEXT)
    assert plan == NarrationPlan(
        pieces=7, characters=len(TEXT), pieces_to_send=7, characters_to_send=len(TEXT)
    )
    stub.assert_not_called()
    api.narrate(TEXT)
    assert len(stub.requests) == plan.pieces


def test_closing_early_starts_no_more_requests(stub):
    before = set(threading.enumerate())
    with ModelGates() as client:
        with client.audio.speech.narrate(input=story(1000), concurrency=2, **SPEAKER) as stream:
            next(stream)
        started = [t for t in threading.enumerate() if t not in before and "narrate" in t.name]
        for thread in started:
            thread.join(timeout=20)
            assert not thread.is_alive()
    assert len(stub.requests) <= 2 * READ_AHEAD + 2


def test_an_async_narration_that_is_cancelled_leaves_no_task(stub):
    async def cancelled():
        async with AsyncModelGates() as client:
            stub.fail_next("stall", times=4)
            with anyio.move_on_after(0.2) as scope:
                async with client.audio.speech.narrate(input=TEXT, **SPEAKER) as stream:
                    await stream.read()
            assert scope.cancelled_caught
            return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert asyncio.run(cancelled()) == []
    stub.reset()


def test_an_async_narration_runs_on_trio_as_well(stub):
    async def on_trio():
        async with AsyncModelGates() as client:
            return await client.audio.speech.narrate(input=TEXT, **SPEAKER).read()

    assert spelled(anyio.run(on_trio, backend="trio").content) == SAID


@pytest.mark.parametrize("method", ["narrate", "stream"])
def test_a_file_that_cannot_be_is_noticed_before_anything_is_sent(api, stub, tmp_path, method):
    def save(speech):
        return getattr(speech, method)(input=TEXT, **SPEAKER).save(tmp_path / "none" / "book.wav")

    with pytest.raises(SaveError):
        api.run(save)
    stub.assert_not_called()


def test_a_narration_is_saved_as_any_stream_is(api, tmp_path):
    path = tmp_path / "book.wav"
    api.run(lambda speech: speech.narrate(input=TEXT, **SPEAKER).save(path))
    assert spelled(path.read_bytes()[44:]) == SAID
