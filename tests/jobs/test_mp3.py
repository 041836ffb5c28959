"""MP3 in frames: tags and descriptions of one piece stay out of the whole."""

import itertools

import lameenc
import miniaudio
import pytest

from modelgates_speech.audio import AudioMetadata
from modelgates_speech.errors import InvalidResponseError
from modelgates_speech.formats.mp3 import FrameHeader, Frames
from modelgates_speech.jobs.joining import Joiner

ID3V2 = b"ID3\x04\x00\x00\x00\x00\x02\x01" + bytes(257)
ID3V1 = b"TAG" + bytes(125)
MP3 = AudioMetadata(format="mp3", content_type="audio/mpeg")


def encode(seconds, *, rate=24000, channels=1, bit_rate=64):
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(rate)
    encoder.set_channels(channels)
    encoder.set_bit_rate(bit_rate)
    samples = itertools.cycle((b"\x00\x10", b"\x00\xf0"))
    pcm = b"".join(itertools.islice(samples, int(seconds * rate) * channels))
    return bytes(encoder.encode(pcm)) + bytes(encoder.flush())


def describing(frame, mark):
    """A frame of the same shape that describes the stream, as encoders put in front."""
    header = FrameHeader.parse(frame)
    at = 4 + (header.side_info if mark != b"VBRI" else 32)
    return (frame[:4] + bytes(at - 4) + mark).ljust(header.size, b"\0")


def through(data, step):
    frames = Frames()
    out = b"".join(frames.feed(data[at : at + step]) for at in range(0, len(data), step))
    return out + frames.feed(b""), frames


@pytest.mark.parametrize(
    "layout",
    [
        {"rate": 24000, "channels": 1},
        {"rate": 44100, "channels": 2, "bit_rate": 128},
        {"rate": 44100, "channels": 1, "bit_rate": 128},
        {"rate": 8000, "channels": 1, "bit_rate": 16},
    ],
)
@pytest.mark.parametrize("step", [1, 7, 4096])
def test_frames_pass_unchanged_and_are_measured(layout, step):
    mp3 = encode(1, **layout)
    out, frames = through(mp3, step)
    assert out == mp3
    assert (frames.header.rate, frames.header.channels) == (layout["rate"], layout["channels"])
    decoded = miniaudio.decode(mp3, output_format=miniaudio.SampleFormat.SIGNED16)
    assert frames.seconds == pytest.approx(decoded.num_frames / decoded.sample_rate, abs=0.15)


@pytest.mark.parametrize("mark", [b"Xing", b"Info", b"VBRI"])
@pytest.mark.parametrize("step", [1, 7, 4096])
def test_tags_and_descriptions_are_left_out(mark, step):
    mp3 = encode(0.5)
    out, _ = through(ID3V2 + describing(mp3, mark) + mp3 + ID3V1, step)
    assert out == mp3


def test_a_broken_last_frame_is_left_out():
    mp3 = encode(0.5)
    size = FrameHeader.parse(mp3).size
    assert through(mp3[: size * 3 + 10], 64)[0] == mp3[: size * 3]


def test_garbage_between_frames_is_left_out():
    mp3 = encode(0.5)
    assert through(mp3 + b"\x00garbage\xff\x00" * 3 + mp3, 50)[0] == mp3 * 2


def test_joined_pieces_play_as_long_as_they_do_apart():
    one, two = encode(1.0), encode(0.5)
    joiner, whole = Joiner(), b""
    for piece in (ID3V2 + one, two + ID3V1):
        joiner.begin(MP3)
        whole += joiner.feed(piece) + joiner.end()
    decoded = miniaudio.decode(whole, output_format=miniaudio.SampleFormat.SIGNED16)
    assert whole == one + two
    assert decoded.num_frames / decoded.sample_rate == pytest.approx(joiner.seconds, abs=0.15)


def test_what_is_no_mp3_is_not_joined():
    joiner = Joiner()
    joiner.begin(MP3)
    assert joiner.feed(b"RIFF" + bytes(5000)) == b""
    with pytest.raises(InvalidResponseError, match="without a frame"):
        joiner.end()


def test_pieces_of_different_rates_are_not_joined():
    joiner = Joiner()
    joiner.begin(MP3)
    joiner.feed(encode(0.2))
    joiner.end()
    joiner.begin(MP3)
    with pytest.raises(InvalidResponseError, match="44100"):
        joiner.feed(encode(0.2, rate=44100))


def test_pcm_of_another_rate_is_not_joined():
    joiner = Joiner()
    joiner.begin(AudioMetadata(format="pcm", sample_rate=24000, channels=1))
    joiner.end()
    with pytest.raises(InvalidResponseError, match="16000 Hz"):
        joiner.begin(AudioMetadata(format="pcm", sample_rate=16000, channels=1))
