"""Pieces that come in containers are joined as the audio that is in them."""

import asyncio
import json
import threading
import wave

import pytest

from modelgates_speech import AsyncModelGates, InvalidResponseError, ModelGates
from tests.edition import SPEAKER, needs_format, needs_narration, needs_pcm
from tests.faults.server import FaultServer, Later
from tests.faults.table import reply
from tests.jobs.conftest import story
from tests.unit.test_formats import MP3, wav

pytestmark = needs_narration

TEXT = story(12)


@pytest.fixture(params=["sync", "async"])
def narrate(request):
    """Narrates `TEXT` by a server that answers each piece with what `make` makes of its text."""

    async def narrated(server, arguments):
        async with AsyncModelGates(api_key="key", base_url=server.url) as client:
            return await client.audio.speech.narrate(**arguments).read()

    def narrate(make, kind="application/octet-stream", **options):
        arguments = {"input": TEXT, "max_chars": 200, **SPEAKER, **options}

        def answer(sent):
            return reply(body=make(json.loads(sent.partition(b"\r\n\r\n")[2])["input"]), kind=kind)

        with FaultServer((Later(answer),)) as server:
            if request.param == "async":
                return asyncio.run(narrated(server, arguments))
            try:
                with ModelGates(api_key="key", base_url=server.url) as client:
                    return client.audio.speech.narrate(**arguments).read()
            finally:
                # What one thread has begun is not for the next test to meet.
                for thread in threading.enumerate():
                    if thread.name == "modelgates-narrate":
                        thread.join(timeout=20)

    return narrate


def spelled(text):
    return text.encode("utf-16-le")


@pytest.mark.parametrize("kind", ["application/octet-stream", "audio/pcm;rate=48000", "audio/wav"])
@pytest.mark.parametrize("tail", [b"", b"LIST\4\0\0\0bye!"])
def test_wavs_are_joined_without_their_headers(narrate, kind, tail, tmp_path):
    audio = narrate(lambda text: wav(spelled(text), channels=1) + tail, kind)
    assert audio.content == spelled(TEXT)
    assert (audio.format, audio.sample_rate, audio.channels) == ("pcm", 16_000, 1)
    with wave.open(str(audio.save(tmp_path / "book.wav"))) as file:
        assert file.getframerate() == 16_000
        assert file.readframes(file.getnframes()) == spelled(TEXT)


@needs_format
def test_wavs_that_were_asked_for_are_joined_as_well(narrate):
    assert narrate(lambda text: wav(spelled(text)), response_format="wav").format == "pcm"


def test_half_a_sample_at_the_end_of_one_wav_does_not_shift_the_next(narrate):
    def longer(text):
        return wav(spelled(text) + b"!!")[:-1]

    assert narrate(longer).content == spelled(TEXT)


def test_mp3_that_comes_in_place_of_pcm_is_joined_as_mp3(narrate):
    audio = narrate(lambda _: MP3)
    assert audio.format == "mp3"
    assert audio.duration == pytest.approx(audio.content.count(MP3) * 1.0, rel=0.1)


@pytest.mark.parametrize(
    ("piece", "says"),
    [
        (wav(b"\x80" * 99, width=1), "16-bit"),
        (b"OggS" + bytes(99), "ogg, which cannot be joined"),
    ],
)
def test_what_cannot_be_joined_says_why_and_is_in_the_error(narrate, piece, says):
    with pytest.raises(InvalidResponseError, match=says) as caught:
        narrate(lambda _: piece)
    assert caught.value.audio.content == piece
    assert caught.value.characters == (0, 141)


def test_a_piece_without_sound_is_named_by_its_place(narrate):
    with pytest.raises(InvalidResponseError, match="without a sample") as caught:
        narrate(lambda _: wav(b""))
    assert caught.value.characters == (0, 141)


def test_wavs_of_two_rates_are_not_joined(narrate):
    rates = {}

    def answer(text):
        return wav(spelled(text), rate=rates.setdefault(text, 8_000 + 8_000 * bool(rates)))

    with pytest.raises(InvalidResponseError, match="after pieces of") as caught:
        narrate(answer, concurrency=1)
    start, end = caught.value.characters
    # All that was paid for: what was joined, and what was not.
    assert caught.value.partial.content == spelled(TEXT[:start])
    assert caught.value.audio.content == answer(TEXT[start:end])


@needs_pcm
def test_what_pcm_is_taken_for_holds_for_a_narration(narrate):
    audio = narrate(lambda text: 2 * spelled(text), sample_rate=44_100, channels=2)
    assert (audio.sample_rate, audio.channels) == (44_100, 2)
    assert len(audio.content) == len(2 * spelled(TEXT))
