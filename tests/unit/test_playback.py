"""Audio is played as it arrives, whole, and outlives the device."""

import asyncio
import contextlib
import pickle
import sys
import threading

import anyio
import miniaudio
import pytest

from modelgates_speech import (
    ArgumentError,
    AsyncModelGates,
    Audio,
    ConfigurationError,
    IncompleteAudioError,
    ModelGates,
    PlaybackError,
    aplay,
    play,
    playback,
)
from modelgates_speech.stub import StubServer
from tests.ears import Ears
from tests.edition import HELLO, needs_mp3, needs_pcm, needs_text, saying

SAMPLES = bytes(range(1, 251)) * 96  # half a second


class Letters:
    """An engine that says half a second for each sentence, without a silent sample."""

    name = "letters"

    def say(self, text, *, voice, speed):
        return SAMPLES


@pytest.fixture(scope="module")
def server():
    with StubServer(engine=Letters()) as server:
        yield server


@pytest.fixture
def stub(server, monkeypatch):
    server.reset()
    monkeypatch.setenv("MODELGATES_BASE_URL", server.base_url)
    monkeypatch.setenv("MODELGATES_API_KEY", server.api_key)
    yield server
    server.reset()


@pytest.fixture
def ears(monkeypatch):
    class Mine(Ears):
        heard = bytearray()
        came = threading.Event()

    monkeypatch.setattr(miniaudio, "PlaybackDevice", Mine)
    return Mine


@pytest.fixture
def nothing_plays(monkeypatch):
    """A machine without sound: the library falls back to its null device."""

    class Nothing(miniaudio.PlaybackDevice):
        def __init__(self, **options):
            super().__init__(backends=[miniaudio.Backend.NULL], **options)

    monkeypatch.setattr(miniaudio, "PlaybackDevice", Nothing)


def pcm(content, rate=24_000, channels=1):
    return Audio(format="pcm", sample_rate=rate, channels=channels, content=content)


class Both:
    """The sync and the async way to play behind one face."""

    def __init__(self, kind):
        self.asynchronous = kind == "async"

    def play(self, audio):
        if self.asynchronous:
            asyncio.run(aplay(audio))
        else:
            play(audio)

    def play_stream(self, text, *, kind="stream", **options):
        """Play a stream; return, after a failure, the error and what can still be read."""

        def stream_of(client):
            return getattr(client.audio.speech, kind)(**saying(text) | options)

        async def run():
            async with AsyncModelGates() as client, stream_of(client) as stream:
                try:
                    await aplay(stream)
                except PlaybackError as error:
                    return error, await stream.read()

        if self.asynchronous:
            return asyncio.run(run())
        with ModelGates() as client, stream_of(client) as stream:
            try:
                play(stream)
            except PlaybackError as error:
                return error, stream.read()


@pytest.fixture(params=["sync", "async"])
def both(request):
    return Both(request.param)


def test_whole_audio_is_heard_to_its_last_sample(both, ears):
    both.play(pcm(SAMPLES))
    assert bytes(ears.heard) == SAMPLES


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2)])
def test_it_is_heard_at_its_own_rate(ears, monkeypatch, rate, channels):
    opened = []
    monkeypatch.setattr(ears, "take", lambda self, _: opened.append(self))
    play(pcm(SAMPLES, rate, channels))
    assert {(device.sample_rate, device.nchannels) for device in opened} == {(rate, channels)}


def test_a_wav_is_heard_without_its_header(both, ears):
    wav = Audio(format="wav", sample_rate=24_000, channels=1, content=pcm(SAMPLES).to_wav())
    both.play(wav)
    assert bytes(ears.heard) == SAMPLES


@needs_mp3
@pytest.mark.parametrize("tag", [b"", b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)])
def test_an_mp3_is_heard_from_its_first_frame(both, ears, stub, tag):
    with ModelGates() as client:
        mp3 = client.audio.speech.create(**HELLO | {"response_format": "mp3"})
    both.play(Audio(format="mp3", content=tag + mp3.content))
    whole = miniaudio.decode(mp3.content, nchannels=2, sample_rate=48_000)
    assert len(ears.heard) == pytest.approx(len(whole.samples) * 2, abs=4 * 1200)
    assert len(ears.heard) / 4 / 48_000 == pytest.approx(mp3.duration, abs=0.03)


@needs_pcm
@pytest.mark.parametrize("kind", ["stream", pytest.param("narrate", marks=needs_text)])
def test_a_stream_is_heard_whole(both, ears, stub, kind):
    assert both.play_stream("One. Two.", kind=kind) is None
    assert bytes(ears.heard) == SAMPLES * 2


@needs_mp3
def test_a_stream_of_mp3_is_heard_too(both, ears, stub):
    both.play_stream("One. Two.", response_format="mp3")
    assert len(ears.heard) / 4 / 48_000 == pytest.approx(1, abs=0.2)


def spoken_as_mp3(text):
    with ModelGates() as client:
        return client.audio.speech.create(
            **HELLO | saying(text) | {"response_format": "mp3"}
        ).content


@needs_mp3
@needs_text
@pytest.mark.parametrize("size", [100, 1000])
def test_an_mp3_that_arrives_in_small_pieces_is_heard_as_if_it_came_at_once(ears, stub, size):
    mp3 = spoken_as_mp3("One. " * 10)
    pieces = [mp3[at : at + size] for at in range(0, len(mp3), size)]
    playback.play_pieces(Audio(format="mp3", content=b""), pieces)
    assert (
        bytes(ears.heard)
        == miniaudio.decode(mp3, nchannels=2, sample_rate=48_000).samples.tobytes()
    )


@needs_mp3
@needs_text
def test_an_mp3_that_is_damaged_in_its_middle_is_heard_to_its_end(ears, stub):
    mp3 = bytearray(spoken_as_mp3("One. " * 10))
    third = len(mp3) // 3
    at = mp3.index(mp3[:2], third)
    while at < 2 * third:
        # The headers stay, and nothing of what they announce.
        following = mp3.index(mp3[:2], at + 4)
        mp3[at + 4 : following] = b"\xfe" * (following - at - 4)
        at = following
    play(Audio(format="mp3", content=bytes(mp3)))
    assert len(ears.heard) / 4 / 48_000 > 5 * 0.6


@needs_mp3
@needs_text
@needs_pcm
@pytest.mark.parametrize("kind", ["pcm", "mp3"])
def test_the_beginning_is_heard_while_the_rest_is_not_there(ears, stub, kind):
    after = {"pcm": len(SAMPLES), "mp3": len(spoken_as_mp3("One. " * 2))}[kind]
    stub.fail_next("stall-midway", after=after)
    with ModelGates() as client:
        stream = client.audio.speech.stream(**saying("One. " * 20) | {"response_format": kind})
        with stream:
            playing = threading.Thread(target=swallow, args=(play, stream))
            playing.start()
            assert ears.came.wait(20), "nothing was heard"
            heard_before_it_ended = playing.is_alive()
            client.close()
            playing.join(20)
    assert heard_before_it_ended


def swallow(function, *arguments):
    with contextlib.suppress(IncompleteAudioError):
        function(*arguments)


@needs_pcm
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_came_before_a_cut_is_heard_and_then_the_cut_is_told(ears, stub, kind):
    stub.fail_next("cut", after=len(SAMPLES) + 1)
    with pytest.raises(IncompleteAudioError) as caught:
        Both(kind).play_stream("One. Two.")
    assert bytes(ears.heard) == SAMPLES
    assert caught.value.partial.content[: len(SAMPLES)] == SAMPLES
    assert len(caught.value.partial.content) == len(SAMPLES) + 1


@needs_pcm
def test_a_stream_that_was_not_entered_is_sent_and_played(ears, stub):
    with ModelGates() as client:
        play(client.audio.speech.stream(**saying("One.")))
    assert bytes(ears.heard) == SAMPLES


@needs_pcm
def test_an_async_stream_is_played_on_trio_as_well(ears, stub):
    async def run():
        async with AsyncModelGates() as client:
            await aplay(client.audio.speech.stream(**saying("One.")))

    anyio.run(run, backend="trio")
    assert bytes(ears.heard) == SAMPLES


# What goes wrong.


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_without_a_device_nothing_is_sent(stub, nothing_plays, kind):
    client = AsyncModelGates() if kind == "async" else ModelGates()
    with pytest.raises(ConfigurationError, match="no audio device"):
        Both(kind).play(client.audio.speech.stream(**HELLO))
    stub.assert_not_called()


def test_a_device_that_does_not_open_is_told_in_our_words(monkeypatch):
    def refuse(**options):
        raise miniaudio.MiniaudioError("failed to init device", -401)

    monkeypatch.setattr(miniaudio, "PlaybackDevice", refuse)
    with pytest.raises(ConfigurationError, match=r"no audio device .*failed to init device"):
        play(pcm(SAMPLES))


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    with pytest.raises(ConfigurationError, match=r'pip install "modelgates-speech\[play\]"'):
        play(pcm(SAMPLES))


@needs_pcm
@needs_text
def test_a_device_that_stops_leaves_what_was_taken_and_the_rest(both, ears, stub, monkeypatch):
    monkeypatch.setattr(playback, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(playback, "AHEAD_SECONDS", 1)

    class Stuck(ears):
        released = None

        def take(self, samples):
            self.released = threading.Event()
            self.released.wait(20)

        def close(self):
            if self.released is not None:
                self.released.set()
            super().close()

    monkeypatch.setattr(miniaudio, "PlaybackDevice", Stuck)
    error, rest = both.play_stream("One. " * 40)
    assert "took no sound for 0.5 seconds" in str(error)
    assert error.partial.content + rest.content == SAMPLES * 40
    assert rest.content
    again = pickle.loads(pickle.dumps(error))
    assert again.partial == error.partial


@needs_pcm
def test_a_device_that_is_gone_when_the_audio_comes_leaves_it_all(both, ears, stub, monkeypatch):
    def lose(self, generator):
        raise miniaudio.MiniaudioError("failed to start audio device", -1)

    monkeypatch.setattr(ears, "start", lose)
    error, rest = both.play_stream("One. Two.")
    assert "failed to start audio device" in str(error)
    assert error.partial.content + rest.content == SAMPLES * 2


@pytest.mark.parametrize(
    "audio",
    [
        Audio(format="opus", content_type="audio/opus", content=b"x"),
        Audio(format="pcm", sample_rate=None, channels=None, content=b"xx"),
        Audio(format="mp3", content=b"no frame of it"),
        Audio(
            format="wav",
            sample_rate=8000,
            channels=1,
            content=pcm(SAMPLES).to_wav()[:34] + b"\x08\x00" + pcm(SAMPLES).to_wav()[36:],
        ),
    ],
    ids=["opus", "no rate", "broken mp3", "8-bit wav"],
)
def test_what_cannot_be_played_is_refused_by_its_format(both, ears, audio):
    with pytest.raises(PlaybackError, match="save it"):
        both.play(audio)


def test_the_stream_of_the_other_client_is_refused_and_not_sent(both, ears, stub):
    other = ModelGates() if both.asynchronous else AsyncModelGates()
    with pytest.raises(ArgumentError, match=r"play\(\) takes an Audio or an \w+, not \w+"):
        both.play(other.audio.speech.stream(**saying("One.")))
    stub.assert_not_called()


@pytest.mark.parametrize("by", ["anyio", "asyncio"])
def test_to_cancel_ends_the_sound(ears, by):
    async def run():
        if by == "anyio":
            with anyio.move_on_after(0.3):
                await aplay(pcm(SAMPLES * 1000))
            return
        task = asyncio.create_task(aplay(pcm(SAMPLES * 1000)))
        await asyncio.to_thread(ears.came.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert len(ears.heard) < len(SAMPLES) * 500, "it went on to the end"


@needs_pcm
def test_to_cancel_while_more_is_waited_for_ends_it_too(ears, stub):
    async def run():
        stub.fail_next("stall-midway", after=len(SAMPLES))
        async with AsyncModelGates(timeout=30) as client:
            stream = client.audio.speech.stream(**saying("One. Two."))
            async with anyio.create_task_group() as group:
                group.start_soon(aplay, stream)
                await anyio.to_thread.run_sync(ears.came.wait, 20)
                group.cancel_scope.cancel()
            assert group.cancel_scope.cancelled_caught
            await stream.aclose()

    asyncio.run(run())
    assert ears.heard
    assert SAMPLES.startswith(ears.heard)


@needs_pcm
@needs_text
def test_the_event_loop_goes_on_while_it_plays(ears, stub, monkeypatch):
    began, went_on, take = threading.Event(), threading.Event(), ears.take

    def take_once_the_loop_went_on(self, samples):
        began.set()
        if went_on.wait(20):
            take(self, samples)

    monkeypatch.setattr(ears, "take", take_once_the_loop_went_on)

    async def tick():
        await anyio.to_thread.run_sync(began.wait, 20)
        for _ in range(5):
            await anyio.sleep(0.01)
        went_on.set()

    async def run():
        async with AsyncModelGates() as client, anyio.create_task_group() as group:
            group.start_soon(tick)
            await aplay(client.audio.speech.stream(**saying("One. " * 9)))

    asyncio.run(run())
    assert bytes(ears.heard) == SAMPLES * 9
