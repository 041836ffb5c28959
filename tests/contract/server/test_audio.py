"""The audio itself, which the document calls bytes: an oracle of its own."""

import array
import sys
from itertools import pairwise

import miniaudio
import pytest

from tests.contract.run import OK, edition

RATE = 24_000
TEXT = "The quick brown fox jumps over the lazy dog near the river bank."
# Speech at its normal speed, wide enough for any engine, too narrow for half or twice of it.
SECONDS_PER_CHARACTER = (0.04, 0.09)


PCM = edition().asks_for_pcm()


@pytest.fixture(autouse=True)
def what_this_document_can_be_asked():
    if PCM is None or not edition().allows(edition().properties.get(edition().text, {}), TEXT * 2):
        pytest.skip("the OpenAPI document has no PCM, or not for texts like these")


def needs(**fields):
    """Skip a test where the document does not know these fields, or not so beside the others."""
    request = edition().body | (PCM or {}) | fields
    allowed = fields.keys() <= edition().properties.keys()
    allowed = allowed and edition().allows(edition().schema, request)
    return pytest.mark.skipif(not allowed, reason="the OpenAPI document does not take this")


def speak(server, text=TEXT, **fields):
    response = server.speak(**{edition().text: text, **fields})
    server.judge(response, status=OK)
    return response


def pcm(server, text=TEXT, **fields) -> bytes:
    return speak(server, text, **PCM, **fields).content


def samples(data: bytes) -> array.array:
    values = array.array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        values.byteswap()
    return values


def seconds(data: bytes) -> float:
    return len(data) / 2 / RATE


def roughness(values: array.array) -> float:
    """How much neighbours differ, against how large they are: speech is smooth, noise is not."""
    size = sum(map(abs, values))
    return sum(abs(b - a) for a, b in pairwise(values)) / size if size else float("inf")


def test_pcm_is_16_bit_little_endian(server):
    data = pcm(server)
    assert len(data) > RATE // 10, f"only {len(data)} bytes"
    assert len(data) % 2 == 0, "the audio ends in the middle of a sample"
    values = samples(data)
    assert max(map(abs, values)) > 500, "silence"
    assert roughness(values) < 1, "noise: another byte order, or another sample width"


@pytest.mark.skipif(edition().default_format != "pcm", reason="another format is the default")
def test_pcm_comes_unless_asked_otherwise(server):
    response = speak(server)
    assert not response.content.startswith(
        (b"RIFF", b"ID3", b"OggS", b"fLaC", b"\xff\xfb", b"\xff\xf3")
    )
    assert roughness(samples(response.content)) < 1, "not 16-bit PCM"


@pytest.mark.stub_only
def test_audio_is_as_long_as_its_text_takes(server):
    shortest, longest = (bound * len(TEXT) for bound in SECONDS_PER_CHARACTER)
    once = seconds(pcm(server))
    assert shortest < once < longest, f"{once:.2f} s at 24 kHz for {len(TEXT)} characters"
    twice = seconds(pcm(server, f"{TEXT} {TEXT}"))
    assert twice == pytest.approx(2 * once, rel=0.1)


@needs(speed=0.5)
@needs(speed=3.5)
@pytest.mark.stub_only
@pytest.mark.parametrize("speed", [0.5, 2, 3.5])
def test_speed_divides_the_length(server, speed):
    expected = seconds(pcm(server)) / speed
    assert seconds(pcm(server, speed=speed)) == pytest.approx(expected, rel=0.15)


@needs(response_format="mp3")
def test_mp3_decodes_and_is_as_long_as_pcm(server):
    response = speak(server, response_format="mp3")
    try:
        info = miniaudio.mp3_get_info(response.content)
        decoded = miniaudio.mp3_read_s16(response.content)
    except miniaudio.DecodeError as error:
        pytest.fail(f"not an mp3: {error}")
    assert max(map(abs, decoded.samples)) > 500, "silence"
    # Frames are filled up and encoders start late: a tenth of a second, not a half.
    assert info.duration == pytest.approx(seconds(pcm(server)), abs=0.2)


@needs(response_format="mp3")
@pytest.mark.stub_only
def test_mp3_is_24_khz_mono(server):
    info = miniaudio.mp3_get_info(speak(server, response_format="mp3").content)
    assert (info.sample_rate, info.nchannels) == (RATE, 1)


@pytest.mark.stub_only
def test_the_same_request_gives_the_same_audio(server):
    assert pcm(server) == pcm(server)


@needs(voice="alloy")
@needs(voice="nova")
@pytest.mark.stub_only
def test_another_voice_sounds_different(server):
    assert pcm(server, voice="alloy") != pcm(server, voice="nova")
