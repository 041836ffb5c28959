"""The first bytes decide what audio is, and all of them how long it plays."""

import io
import itertools
import struct
import wave

import lameenc
import pytest

from modelgates_speech import Audio, IncompleteAudioError, InvalidResponseError
from modelgates_speech.audio import Receiver
from modelgates_speech.formats.wav import Samples, header

OPAQUE = "application/octet-stream"
# Twice what is looked at.
SAMPLES = bytes(range(250)) * 64


def wav(samples=SAMPLES, rate=16_000, channels=1, width=2):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate, 0, "NONE", ""))
        writer.writeframes(samples)
    return file.getvalue()


def mp3(seconds=1.0):
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(24_000)
    encoder.set_channels(1)
    wave_form = itertools.cycle((b"\x00\x10", b"\x00\xf0"))
    pcm = b"".join(itertools.islice(wave_form, int(seconds * 24_000)))
    return bytes(encoder.encode(pcm)) + bytes(encoder.flush())


MP3 = mp3()
TAGGED = b"ID3\x04\0\0\0\0\2\1" + bytes(257) + MP3
OGG = b"OggS\0\2" + SAMPLES
# Two frames of 107 bytes each, and what would come after them.
ADTS_FRAME = b"\xff\xf1\x50\x80\x0d\x7f\xfc" + SAMPLES[:100]
ADTS = ADTS_FRAME * 9
ID3 = b"ID3\x04\0\0\0\0\0\0"


def received(body, content_type=OPAQUE, requested="pcm", step=1 << 20):
    """The audio that a body becomes, however the network cut it."""
    receiver = Receiver({"content-type": content_type}, requested)
    pieces = []
    for start in range(0, len(body), step):
        receiver.feed(body[start : start + step])
        while piece := receiver.take():
            pieces.append(piece)
    receiver.feed(b"")
    pieces += iter(receiver.take, b"")
    assert b"".join(pieces) == body
    audio = receiver.metadata.with_content(body)
    assert receiver.duration == audio.duration
    return audio


@pytest.mark.parametrize("step", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize(
    ("body", "content_type", "requested", "format_"),
    [
        # Where the type says nothing the bytes do.
        (wav(), OPAQUE, "pcm", "wav"),
        (wav(), OPAQUE, "mp3", "wav"),
        (MP3, OPAQUE, "pcm", "mp3"),
        (TAGGED, OPAQUE, "pcm", "mp3"),
        (OGG, OPAQUE, "pcm", "ogg"),
        (b"fLaC" + SAMPLES, OPAQUE, "pcm", "flac"),
        (b"\0\0\0\x1cftypM4A " + SAMPLES, OPAQUE, "pcm", "mp4"),
        (ADTS, OPAQUE, "pcm", "aac"),
        (ADTS, "audio/mpeg", "mp3", "aac"),
        (b".snd\0\0\0\x18" + SAMPLES, OPAQUE, "pcm", "au"),
        (b"caff\0\1\0\0" + SAMPLES, OPAQUE, "pcm", "caf"),
        (b"#!AMR-WB\n" + SAMPLES, OPAQUE, "pcm", "amr"),
        (b"FORM\0\0\0\0AIFC" + SAMPLES, "audio/x-aiff", "pcm", "aiff"),
        (b"fLaC" + SAMPLES, "audio/x-flac", "pcm", "flac"),
        # Audio under a type that is said of something else.
        (wav(), "application/json", "pcm", "wav"),
        (wav(), "text/html", "pcm", "wav"),
        (SAMPLES, "text/html; charset=utf-8", "pcm", "pcm"),
        (OGG, "application/ogg", "pcm", "ogg"),
        (OGG, "video/ogg", "pcm", "ogg"),
        (b"\0\0\0\x1cftypM4A " + SAMPLES, "video/mp4", "pcm", "mp4"),
        (b"\x1a\x45\xdf\xa3" + SAMPLES, "video/webm", "pcm", "webm"),
        # Where it contradicts them, they do as well.
        (wav(), "audio/pcm;rate=48000", "pcm", "wav"),
        (wav(), "audio/mpeg", "mp3", "wav"),
        (MP3, "audio/pcm;rate=48000", "pcm", "mp3"),
        (MP3, "audio/wav", "pcm", "mp3"),
        (OGG, "audio/mpeg", "mp3", "ogg"),
        # A name that they can have besides is no contradiction.
        (OGG, "audio/opus", "opus", "opus"),
        (OGG, OPAQUE, "opus", "opus"),
        (ID3 + ADTS, "audio/aac", "pcm", "aac"),
        (ID3 + b"fLaC" + SAMPLES, "audio/flac", "pcm", "flac"),
        # What should have a mark and has none is nothing that can be named.
        (SAMPLES, "audio/wav", "pcm", "unknown"),
        (SAMPLES, "audio/mpeg", "pcm", "unknown"),
        (SAMPLES, OPAQUE, "mp3", "unknown"),
        # Nothing is read into samples, whatever they look like at first.
        (SAMPLES, OPAQUE, "pcm", "pcm"),
        (b"\xff\xfb\x90\xc4" * 4000, OPAQUE, "pcm", "pcm"),
        (b"\xff\xff" * 8000, "audio/pcm", "pcm", "pcm"),
        (ADTS_FRAME + SAMPLES[1:], OPAQUE, "pcm", "pcm"),
        (b"\xff\xf1", OPAQUE, "pcm", "pcm"),
        (b"RI", OPAQUE, "pcm", "pcm"),
        # Padding before the first frame, and a body that has but one.
        (bytes(700) + MP3, "audio/mpeg", "mp3", "mp3"),
        (MP3[:192], OPAQUE, "mp3", "mp3"),
    ],
)
def test_the_first_bytes_decide(body, content_type, requested, format_, step):
    audio = received(body, content_type, requested, step)
    assert audio.format == format_
    assert audio.content_type == content_type


@pytest.mark.parametrize(
    ("content_type", "format_", "rate", "channels"),
    [
        ("Audio/X-PCM ; Rate=16000 ; CHANNELS = 2", "pcm", 16_000, 2),
        ("audio/s16le;rate=16000", "pcm", 16_000, 1),
        ('audio/pcm; rate="1\\6000"; note="a, b/c"', "pcm", 16_000, 1),
        # Other words for the same.
        ("audio/pcm;sample_rate=16000;num-channels=2", "pcm", 16_000, 2),
        ("audio/pcm;sampleRate=16000", "pcm", 16_000, 1),
        # A field that came twice.
        ("audio/pcm;rate=16000, audio/pcm;rate=16000", "pcm", 16_000, 1),
        ("audio/pcm;rate=16000, application/octet-stream", "pcm", 16_000, 1),
        ("audio/pcm;rate=16000, audio/pcm;rate=48000", "pcm", None, 1),
        ("audio/pcm, audio/mpeg", "unknown", None, None),
        ("text/html, audio/pcm;rate=16000", "pcm", 16_000, 1),
        # What says nothing of the format may say the rate.
        ("audio/*;rate=16000", "pcm", 16_000, 1),
        ("application/octet-stream;rate=16000", "pcm", 16_000, 1),
        # Samples that are not 16-bit, signed and little-endian must not pass for such.
        ("audio/pcm;bits=16;endian=little", "pcm", 24_000, 1),
        ("audio/pcm;bits=24", "unknown", None, None),
        ("audio/pcm;bit-depth=8", "unknown", None, None),
        ("audio/pcm;endian=big", "unknown", None, None),
        ("audio/pcm;encoding=float", "unknown", None, None),
        ("audio/pcm;codec=mulaw", "unknown", None, None),
        ("audio/L16;rate=16000", "l16", None, None),
        ("audio/L16;rate=16000;endianness=big-endian", "l16", None, None),
        ("audio/L16;rate=16000;endianness=little-endian", "pcm", 16_000, 1),
        ("audio/L16;codec=pcm;rate=16000", "pcm", 16_000, 1),
        ("audio/basic", "basic", None, None),
        # What cannot be read is not guessed.
        ("audio/pcm rate=16000", "unknown", None, None),
        ("audio/pcm;rate=16000Hz", "pcm", None, 1),
        ("audio/pcm;rate=16000,24000", "pcm", None, 1),
        ("audio/pcm;rate=", "pcm", None, 1),
    ],
)
def test_what_a_media_type_says_of_pcm(content_type, format_, rate, channels):
    audio = received(SAMPLES, content_type)
    assert (audio.format, audio.sample_rate, audio.channels) == (format_, rate, channels)


def test_a_wav_names_its_rate_and_channels_whatever_the_type_says():
    audio = received(wav(channels=2), "audio/pcm;rate=48000;channels=1", step=40)
    assert (audio.sample_rate, audio.channels) == (16_000, 2)


@pytest.mark.parametrize(
    "parameters", ["rate=8000;rate=16000", "rate=99999999999", "rate=" + "9" * 5000]
)
def test_a_rate_that_contradicts_itself_or_cannot_be_is_not_used(parameters):
    audio = received(SAMPLES, f"audio/pcm;{parameters}")
    assert audio.sample_rate is None
    assert audio.duration is None


@pytest.mark.parametrize(
    ("audio", "seconds"),
    [
        (wav(), 0.5),
        (wav(channels=2), 0.25),
        (wav(width=1), 1.0),
        (wav(width=3), 1 / 3),
        (MP3, 1.0),
        (TAGGED, 1.0),
        # Sizes that a server wrote before it knew them, or that lie.
        (header(16_000, 1, None) + SAMPLES, 0.5),
        (header(16_000, 1, 0) + SAMPLES, 0.5),
        (header(16_000, 1, 1 << 30) + SAMPLES, 0.5),
        # Chunks before and after the samples.
        (wav()[:12] + b"LIST\5\0\0\0hello\0" + wav()[12:], 0.5),
        (wav() + b"LIST\4\0\0\0bye!", 0.5),
        # Samples of 12 bits take two bytes each.
        (wav()[:34] + b"\x0c\0" + wav()[36:], 0.5),
        # Those of 24 bits may take four.
        (wav(SAMPLES * 4, width=4)[:34] + b"\x18\0" + wav(SAMPLES * 4, width=4)[36:], 1.0),
        # No sound, no length.
        (header(0, 0, None) + SAMPLES, None),
        (OGG, None),
    ],
)
def test_every_container_that_is_known_tells_its_length(audio, seconds):
    found = received(audio).duration
    assert found == (seconds if seconds is None else pytest.approx(seconds, abs=0.1))


def test_the_length_of_many_frames_is_as_exact_as_that_of_one():
    frame = b"\xff\xfb\x90\x04" + bytes(413)
    one = Audio(format="mp3", content=frame).duration
    assert one == 1152 / 44_100
    assert Audio(format="mp3", content=frame * 1000).duration == one * 1000


def test_audio_that_a_program_made_itself_tells_its_length():
    assert Audio(format="wav", content=wav()).duration == 0.5
    assert Audio(format="mp3", content=MP3).duration == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("step", [1, 3, 44, 1 << 20])
def test_the_samples_come_out_of_a_wav_however_it_is_cut(step):
    body = wav()[:12] + b"junk\3\0\0\0abc\0" + wav()[12:] + b"LIST\4\0\0\0bye!"
    reader = Samples()
    parts = (body[start : start + step] for start in range(0, len(body), step))
    assert b"".join(map(reader.feed, parts)) == SAMPLES
    assert (reader.rate, reader.channels, reader.plain) == (16_000, 1, True)


def with_size(audio, size):
    return audio[:40] + struct.pack("<I", size) + audio[44:]


@pytest.mark.parametrize("step", [1, 3, 44, 1 << 20])
@pytest.mark.parametrize(
    "body",
    [
        with_size(wav(), 1000),
        with_size(wav(), 1001),
        with_size(wav(), 1 << 31),
        wav(SAMPLES[:1000]) + wav(SAMPLES[1000:]),
        wav(SAMPLES[:1000]) + b"LIST\4\0\0\0bye!" + wav(SAMPLES[1000:]),
    ],
    ids=["too-small", "too-small-and-odd", "too-large", "anew-with-each-part", "with-appendices"],
)
def test_no_sample_is_lost_to_a_size_that_is_wrong(body, step):
    reader = Samples()
    parts = (body[start : start + step] for start in range(0, len(body), step))
    assert b"".join(map(reader.feed, parts)) == SAMPLES
    assert reader.seconds == Audio(format="wav", content=body).duration == 0.5


def test_padding_after_an_odd_number_of_samples_is_none_of_them():
    reader = Samples()
    assert reader.feed(wav(b"\x80" * 99, width=1) + b"\0LIST\4\0\0\0bye!") == b"\x80" * 99


@pytest.mark.parametrize(
    ("headers", "whole"),
    [({}, False), ({"content-length": None}, True), ({"transfer-encoding": "chunked"}, True)],
    ids=["unannounced", "length", "chunked"],
)
@pytest.mark.parametrize("body", [MP3[: -len(MP3) // 3], wav()[:-1000]], ids=["mp3", "wav"])
def test_what_breaks_off_by_its_own_word_does_where_nothing_else_shows_it(headers, whole, body):
    told = ": it ends in the middle of a frame, or of what its header announces; it may"
    known = {name: value or str(len(body)) for name, value in headers.items()}
    receiver = Receiver(known, "mp3")
    receiver.feed(body)
    if whole:
        receiver.feed(b"")
        assert receiver.whole
    else:
        with pytest.raises(IncompleteAudioError, match=told) as cut:
            receiver.feed(b"")
        assert cut.value.partial.content == body


@pytest.mark.parametrize(
    "body",
    [
        wav(b""),
        with_size(wav(b""), 0xFFFFFFFF),
        wav()[:12],
        wav()[:30],
        b"RIFF\0\1\0\0WEBPVP8 " + bytes(240),
        ID3[:-1] + b"\x14" + bytes(20),
    ],
    ids=ascii,
)
def test_a_container_with_nothing_in_it_is_no_audio(body):
    with pytest.raises(InvalidResponseError, match="which is not audio"):
        received(body)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (wav(b""), "a WAV without a sample"),
        (ID3[:-1] + b"\x14" + bytes(20), "an MP3 of tags alone"),
        (b"", "an empty body"),
    ],
    ids=["wav", "mp3", "nothing"],
)
def test_what_there_is_in_the_place_of_audio_is_said(body, what):
    told = f"^the server answered with {what}, which is not audio$"
    with pytest.raises(InvalidResponseError, match=told) as caught:
        received(body)
    assert caught.value.body == b""


@pytest.mark.parametrize(
    ("kind", "bits", "plain"), [(1, 16, True), (1, 8, False), (3, 32, False), (7, 8, False)]
)
def test_only_16_bit_pcm_is_plain(kind, bits, plain):
    form = struct.pack("<HHIIHH", kind, 1, 8000, 8000 * bits // 8, bits // 8, bits)
    for written in (form, struct.pack("<H", 0xFFFE) + form[2:] + bytes(8) + form[:2] + bytes(14)):
        reader = Samples()
        reader.feed(b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(written)) + written)
        assert reader.plain == plain
