"""What the client makes of the bytes it receives, before any network is involved."""

import base64
import gzip
import io
import os
import pickle
import re
import wave
import zlib

import pytest

from modelgates_speech import (
    Audio,
    ConfigurationError,
    IncompleteAudioError,
    InvalidResponseError,
    _binding,
)
from modelgates_speech._binding import ARGUMENTS, DEFAULT_RESPONSE_FORMAT
from modelgates_speech.arguments import Argument
from modelgates_speech.audio import Receiver, file_header
from modelgates_speech.config import MAX_SHOWN
from modelgates_speech.jobs.joining import check_joinable
from modelgates_speech.keeping import format_for_file

PCM = {"content-type": "audio/pcm;rate=16000;channels=2"}
OPAQUE = {"content-type": "application/octet-stream"}


def received(headers, *chunks, requested="pcm"):
    receiver = Receiver(headers, requested)
    pieces = []
    for chunk in (*chunks, b""):
        receiver.feed(chunk)
        while piece := receiver.take():
            pieces.append(piece)
    assert receiver.finished
    return pieces


def silence(**changes):
    return Audio(
        **{"format": "pcm", "sample_rate": 24_000, "channels": 1, "content": bytes(48_000)}
        | changes
    )


@pytest.mark.parametrize(
    ("content_type", "requested", "format_", "rate", "channels"),
    [
        ("audio/pcm;rate=16000;channels=2", "pcm", "pcm", 16_000, 2),
        ("audio/PCM; Rate=16000", "pcm", "pcm", 16_000, 1),
        ("audio/pcm;rate=0;channels=x", "pcm", "pcm", None, None),
        ('audio/pcm;rate="48000";channels="2"', "pcm", "pcm", 48_000, 2),
        ("Audio/PCM ; Rate = 8000 ; CHANNELS=1", "pcm", "pcm", 8_000, 1),
        ('audio/pcm;note="rate=1;channels=9";rate=22050', "pcm", "pcm", 22_050, 1),
        ("application/octet-stream", "pcm", "pcm", 24_000, 1),
        ("application/octet-stream", "mp3", "mp3", None, None),
        ("application/octet-stream", "opus", "opus", None, None),
        (None, "pcm", "pcm", 24_000, 1),
        ("audio/mpeg", "pcm", "mp3", None, None),
        ("audio/wav", "pcm", "wav", None, None),
        ("audio/ogg", "pcm", "ogg", None, None),
    ],
)
def test_the_response_says_what_the_audio_is(content_type, requested, format_, rate, channels):
    headers = {} if content_type is None else {"content-type": content_type}
    metadata = Receiver(headers, requested).metadata
    assert (metadata.format, metadata.sample_rate, metadata.channels) == (format_, rate, channels)
    assert metadata.content_type == content_type


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"1"),
        ("application/json", bytes(100)),
        ("text/html; charset=utf-8", b"Down for maintenance"),
        ("text/event-stream", b"ping"),
        ("image/png", b"\x89PNG\r\n\x1a\n"),
        ("multipart/mixed; boundary=x", b"--x\r\n"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_a_200_of_another_type_is_no_audio(content_type, body, step):
    receiver = Receiver({"content-type": content_type}, "pcm")
    with pytest.raises(InvalidResponseError, match=content_type):
        for start in range(0, len(body) + step, step):
            receiver.feed(body[start : start + step])


@pytest.mark.parametrize(
    "text",
    [
        b'{"error": {"code": 500}}',
        b'{\n        "error": "pretty"\n}',
        b'[{"error": 1}]',
        b"{}",
        b'\xef\xbb\xbf{"error": 1}',
        '{"error": "kein Guthaben für „Anna“"}'.encode(),
        b"<!DOCTYPE html>\n<html>",
        b"<!-- down --><html>",
        b"<HTML><BODY>Down</BODY></HTML>",
        b"\n  <html>",
        b'<?xml version="1.0"?><Error/>',
        b'event: error\ndata: {"code": 500}\n\n',
        b'data: {"error": 1}\n\n',
        b'id: 7\nretry: 3000\ndata: {"error": 1}\n\n',
        b'"%b"' % base64.b64encode(bytes(range(250))),
    ],
)
@pytest.mark.parametrize("content_type", ["application/octet-stream", "audio/mpeg", "", "audio/*"])
def test_text_under_a_type_that_does_not_say_so_is_no_audio(text, content_type):
    receiver = Receiver({"content-type": content_type}, "pcm")
    with pytest.raises(InvalidResponseError) as caught:
        receiver.feed(text)
        receiver.feed(b"")
    assert caught.value.body == text


@pytest.mark.parametrize("content_type", ["application/octet-stream", "audio/mpeg"])
@pytest.mark.parametrize("end", [b'{"error": 1}', b"<html>", b""])
@pytest.mark.parametrize("step", [100, 1 << 20])
def test_white_space_that_a_gateway_sends_while_it_waits_is_no_audio(content_type, end, step):
    receiver = Receiver({"content-type": content_type}, "pcm")
    text = b" " * 150 + b"\n" * 3000 + end
    with pytest.raises(InvalidResponseError, match="text"):
        for at in range(0, len(text) + step, step):
            receiver.feed(text[at : at + step])


@pytest.mark.parametrize("step", [1, 5, 1000])
@pytest.mark.parametrize("start", [b"{\0", b"<\1", b" \0", b"[\xff", b'{"\0\1', b"data:\0"])
def test_samples_that_begin_like_text_are_samples(start, step):
    body = start + bytes(range(256)) * 2 + bytes(len(start) % 2)
    receiver = Receiver({"content-type": "application/octet-stream"}, "pcm")
    for at in range(0, len(body), step):
        receiver.feed(body[at : at + step])
    receiver.feed(b"")
    assert b"".join(iter(receiver.take, b"")) == body


@pytest.mark.parametrize(
    ("total", "whole"), [("4000", False), ("1000", True), ("*", True), ("x", True)]
)
def test_a_part_of_the_audio_does_not_pass_for_all_of_it(total, whole):
    receiver = Receiver(OPAQUE | {"content-range": f"bytes 0-999/{total}"}, "pcm")
    receiver.feed(bytes(1000))
    if whole:
        receiver.feed(b"")
        return
    with pytest.raises(IncompleteAudioError, match="1,000 of 4,000 bytes: it is only a part"):
        receiver.feed(b"")


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("coding", "press"),
    [
        ("gzip", gzip.compress),
        ("x-GZIP", gzip.compress),
        ("identity, gzip", gzip.compress),
        ("deflate", zlib.compress),
        # As many servers write it: without its header.
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
        # Said, and not so.
        ("gzip", bytes),
        ("utf-8", bytes),
        ("none", bytes),
        ("binary", bytes),
        ("", bytes),
        ("identity,identity", bytes),
    ],
)
def test_audio_comes_out_of_what_a_coding_says_or_does_not(coding, press, step):
    audio = bytes(range(250)) * 40
    receiver = Receiver(OPAQUE | {"content-encoding": coding}, "pcm")
    body = press(audio)
    for at in range(0, len(body), step):
        receiver.feed(body[at : at + step])
    receiver.feed(b"")
    assert b"".join(iter(receiver.take, b"")) == audio


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip, br", "rot13"])
def test_a_coding_that_cannot_be_taken_off_is_refused(coding):
    with pytest.raises(InvalidResponseError, match="although none was asked for") as caught:
        Receiver(OPAQUE | {"content-encoding": coding}, "pcm")
    assert caught.value.body == b""


def test_the_length_of_a_compressed_body_is_not_that_of_its_audio():
    coded = {"content-encoding": "gzip", "content-length": "100"}
    receiver = Receiver(OPAQUE | coded, "pcm")
    receiver.feed(gzip.compress(bytes(range(256)) * 200)[:90])
    assert receiver.cut("the line went dead").expected is None


def test_text_without_a_type_is_said_to_have_none():
    with pytest.raises(InvalidResponseError, match="text under no content type"):
        received({}, b"<html>")


def test_a_wav_is_known_by_its_header_as_soon_as_that_is_whole():
    samples = silence(sample_rate=8_000).to_wav()
    receiver = Receiver({"content-type": "audio/wav"}, "wav")
    # What a header says of the rate ends at its 28th byte.
    for start, stop, rate in ((0, 20, None), (20, 44, 8_000)):
        receiver.feed(samples[start:stop])
        assert receiver.metadata.sample_rate == rate
    assert receiver.take() == samples[:44]


def test_pcm_that_happens_to_start_like_text_is_audio():
    samples = b'{"' + bytes(range(256))
    assert b"".join(received(OPAQUE, samples)) == samples


def test_what_is_no_audio_says_what_it_is_and_whose():
    with pytest.raises(InvalidResponseError) as caught:
        received({"content-type": "text/html", "x-request-id": "r-1"}, b"<html>")
    assert (caught.value.content_type, caught.value.request_id) == ("text/html", "r-1")


def test_an_empty_body_is_no_audio():
    with pytest.raises(
        InvalidResponseError, match=r" with an empty body, which is not audio$"
    ) as caught:
        received(OPAQUE)
    assert caught.value.body == b""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 240])
def test_pcm_comes_in_whole_frames_however_the_network_cut_it(size):
    samples = bytes(range(240))
    pieces = received(PCM, *(samples[i : i + size] for i in range(0, 240, size)))
    assert b"".join(pieces) == samples
    assert all(len(piece) % 4 == 0 for piece in pieces)


def test_pcm_that_ends_inside_a_frame_is_incomplete_and_kept():
    receiver = Receiver(PCM, "pcm")
    receiver.feed(b"12345")
    assert receiver.take() == b"1234"
    with pytest.raises(
        IncompleteAudioError, match=r"after 5 bytes: it ends in the middle of a sample;"
    ) as caught:
        receiver.feed(b"")
    assert caught.value.bytes_received == 5
    assert caught.value.partial.content == b"5"


def test_a_body_shorter_than_announced_is_incomplete_whatever_the_transport_thinks():
    receiver = Receiver({**OPAQUE, "content-length": "10", "x-request-id": "r-1"}, "pcm")
    receiver.feed(b"123456")
    told = (
        r": the connection ended early; it may have been billed, .*; what arrived is in \.partial$"
    )
    with pytest.raises(IncompleteAudioError, match=told) as caught:
        receiver.feed(b"")
    assert caught.value.request_id == "r-1"
    assert (caught.value.bytes_received, caught.value.expected) == (6, 10)
    assert caught.value.partial.content == b"123456"
    assert receiver.finished
    assert not receiver.whole


def test_what_was_not_taken_is_left_once():
    receiver = Receiver(PCM, "pcm")
    receiver.feed(b"12345")
    assert receiver.leftover() == b"12345"
    assert receiver.leftover() == receiver.take() == b""
    receiver.feed(b"67")
    assert receiver.leftover() == b"67"


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_compressed_body_is_expanded_though_it_was_not_asked_for(compress):
    samples = bytes(range(256)) * 2000
    coding = "gzip" if compress is gzip.compress else "deflate"
    data = compress(samples)
    pieces = received(
        {**OPAQUE, "content-encoding": coding, "content-length": str(len(data))},
        *(data[i : i + 100] for i in range(0, len(data), 100)),
    )
    assert b"".join(pieces) == samples


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: data[:-9], "ends early;"),
        (lambda data: data[:30] + b"\xff" * 9 + data[39:], r"is damaged \("),
    ],
)
def test_a_compressed_body_that_is_cut_or_damaged_is_incomplete(damage, told):
    data = damage(gzip.compress(bytes(range(256)) * 200))
    with pytest.raises(IncompleteAudioError, match=f": its compressed form {told}"):
        received({**OPAQUE, "content-encoding": "gzip"}, data)


def test_a_decompression_bomb_is_recognized_before_it_fills_the_memory():
    receiver = Receiver({**OPAQUE, "content-encoding": "gzip"}, "pcm")
    with pytest.raises(InvalidResponseError, match="expand") as caught:
        receiver.feed(gzip.compress(bytes(64 * 1024 * 1024)))
    assert caught.value.body == b""
    assert receiver.bytes_received < 17 * 1024 * 1024


def test_a_coding_that_was_not_asked_for_and_is_not_known_is_refused():
    with pytest.raises(InvalidResponseError, match="'br'"):
        Receiver({**OPAQUE, "content-encoding": "br"}, "pcm")


def test_duration_is_known_for_pcm_alone():
    assert silence().duration == 1.0
    assert silence(channels=2).duration == 0.5
    assert silence(channels=None).duration is None
    assert silence(format="wav").duration_of(48_000) is None
    assert silence(format="mp3", sample_rate=None, channels=None).duration is None


def test_a_wav_has_the_rate_and_channels_that_were_received():
    audio = silence(sample_rate=16_000, channels=2)
    with wave.open(io.BytesIO(audio.to_wav())) as file:
        assert file.getparams()[:4] == (2, 2, 16_000, 12_000)
        assert file.readframes(12_000) == audio.content


def test_a_wav_of_unknown_length_says_until_the_end():
    header = file_header(silence(), ".wav", None)
    assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"


def test_a_wav_past_4_gib_says_until_the_end():
    header = file_header(silence(), ".wav", 1 << 32)
    assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"


def test_audio_that_is_a_wav_already_gets_no_second_header():
    audio = silence(format="wav", content=b"RIFF....")
    assert audio.to_wav() == b"RIFF...."


def test_mp3_cannot_become_a_wav():
    with pytest.raises(ConfigurationError, match="mp3"):
        silence(format="mp3").to_wav()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("x.wav", bytes(44 + 48_000)), ("x.pcm", bytes(48_000)), ("X.RAW", bytes(48_000))],
)
def test_saved_pcm_is_what_the_suffix_promises(tmp_path, name, expected):
    assert silence().save(tmp_path / name) == tmp_path / name
    assert len((tmp_path / name).read_bytes()) == len(expected)


@pytest.mark.parametrize(
    ("format_", "name"),
    [
        ("pcm", "x.mp3"),
        ("mp3", "x.wav"),
        ("mp3", "x.pcm"),
        ("pcm", "x.flac"),
        ("wav", "x.flac"),
    ],
)
def test_a_file_never_holds_what_its_suffix_denies(tmp_path, format_, name):
    told = rf" is {format_} \(no content type\): save it under another suffix$"
    with pytest.raises(ConfigurationError, match=told):
        silence(format=format_).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_a_suffix_takes_the_audio_as_it_came(tmp_path):
    silence(format="mp3").save(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == bytes(48_000)


def test_a_format_newer_than_this_package_is_saved_as_it_came(tmp_path):
    silence(format="opus").save(tmp_path / "x.ogg")
    assert (tmp_path / "x.ogg").read_bytes() == bytes(48_000)


@pytest.fixture
def formats(monkeypatch):
    """Have the OpenAPI document name these formats, and no others; PCM comes unasked."""
    monkeypatch.setattr(_binding, "DEFAULT_RESPONSE_FORMAT", "pcm")

    def set_formats(*names):
        argument = Argument("response_format", "string", "", names)
        monkeypatch.setitem(ARGUMENTS, "response_format", argument)

    return set_formats


@pytest.mark.parametrize("named", [(), ("mp3", "pcm")])
@pytest.mark.parametrize(
    ("path", "requested", "format_"),
    [
        ("a.wav", None, "pcm"),
        ("a.pcm", None, "pcm"),
        ("a.raw", "pcm", "pcm"),
        ("a.MP3", None, "mp3"),
        ("a.wav", "wav", "wav"),
        ("a.ogg", "opus", "opus"),
        ("a", "opus", "opus"),
        ("a", "", ""),
    ],
)
def test_the_suffix_decides_what_to_ask_for(formats, named, path, requested, format_):
    formats(*named)
    assert format_for_file(path, requested) == format_


@pytest.mark.parametrize(
    ("path", "requested", "format_"),
    [
        ("a.opus", None, "Opus"),
        ("a.OPUS", "Opus", "Opus"),
        ("a.flac", None, "flac"),
        ("a.wav", None, "wav"),
        ("a.wav", "pcm", "pcm"),
        ("a.ogg", "Opus", "Opus"),
        # What the document does not have, the server judges, as of any value.
        ("a.mp3", None, "mp3"),
        ("a.pcm", None, "pcm"),
    ],
)
def test_the_name_of_a_format_that_the_document_has_is_a_suffix(formats, path, requested, format_):
    formats("Opus", "flac", "wav")
    assert format_for_file(path, requested) == format_


def test_where_no_format_can_be_asked_for_none_is(monkeypatch):
    monkeypatch.delitem(ARGUMENTS, "response_format", raising=False)
    for path in ("a.wav", "a.mp3", os.devnull):
        assert format_for_file(path, None) is None
    with pytest.raises(ConfigurationError, match="names no known format") as caught:
        format_for_file("a.ogg", None)
    assert "response_format" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "requested"),
    [
        ("a.mp3", "pcm"),
        ("a.wav", "mp3"),
        ("a.mp3", "opus"),
        ("a.flac", "pcm"),
        ("a.flac", None),
        ("a", None),
    ],
)
@pytest.mark.parametrize(
    ("named", "known"),
    [
        ((), ".wav, .pcm, .raw, .mp3"),
        (("mp3", "pcm", "opus", "aac"), ".wav, .pcm, .raw, .mp3, .opus, .aac"),
        (("opus", "aac"), ".opus, .aac"),
    ],
)
def test_a_suffix_that_contradicts_the_format_or_says_nothing_is_refused(
    formats, named, known, path, requested
):
    formats(*named)
    with pytest.raises(ConfigurationError, match=f"suffix of '{path}'") as caught:
        format_for_file(path, requested)
    said = str(caught.value)
    if requested is None:
        assert said.endswith(f"names no known format: use one of {known}, or pass response_format")
    else:
        assert said.endswith(f"response_format='{requested}': change one of the two")


@pytest.mark.parametrize(
    ("named", "advice"),
    [((), ": use pcm or mp3"), (("opus", "wav", "mp3"), ": use mp3 or wav"), (("opus",), "")],
)
def test_whose_pieces_cannot_be_joined_hears_of_formats_that_there_are(formats, named, advice):
    formats(*named)
    with pytest.raises(ConfigurationError) as caught:
        check_joinable("opus")
    assert str(caught.value) == f"pieces of 'opus' cannot be joined{advice}"


def test_the_format_that_comes_unasked_is_a_suffix_where_no_other_is_named(formats, monkeypatch):
    formats()
    monkeypatch.setattr(_binding, "DEFAULT_RESPONSE_FORMAT", "opus")
    assert [format_for_file(f"a.{suffix}", None) for suffix in ("opus", "mp3")] == ["opus", "mp3"]


def test_a_suffix_that_names_another_format_of_the_document_is_refused(formats):
    formats("opus", "aac")
    with pytest.raises(ConfigurationError, match="contradicts response_format='opus'"):
        format_for_file("a.aac", "opus")


def test_what_has_no_suffix_and_is_no_file_takes_what_the_api_gives_unasked(tmp_path):
    asked = DEFAULT_RESPONSE_FORMAT if "response_format" in ARGUMENTS else None
    assert format_for_file(os.devnull, None) == asked
    assert format_for_file(os.devnull, "newer") == "newer"
    (tmp_path / "file").touch()
    for name in ("file", "nothing"):
        with pytest.raises(ConfigurationError, match="names no known format"):
            format_for_file(tmp_path / name, None)


def test_audio_shows_its_size_and_not_its_bytes_and_can_be_pickled():
    audio = silence()
    assert "<48,000 bytes>" in repr(audio)
    assert len(repr(audio)) < 300
    assert pickle.loads(pickle.dumps(audio)) == audio


def test_a_rate_that_cannot_be_read_is_not_guessed():
    audio = Receiver({"content-type": "audio/pcm;rate=fast"}, "pcm").metadata.with_content(b"\0\0")
    assert audio.duration is None
    with pytest.raises(ConfigurationError, match=r"rate=fast.* cannot be read: save it as \.pcm$"):
        audio.to_wav()


def shown(audio):
    """The kind and the bytes of the player that a notebook shows."""
    found = re.fullmatch(
        r'<audio controls src="data:audio/(\S+);base64,(\S+)"></audio>', audio._repr_html_()
    )
    return found[1], base64.b64decode(found[2])


def test_a_notebook_shows_a_player():
    assert shown(silence()) == ("wav", silence().to_wav())
    assert shown(silence(format="mp3", content=b"\xff\xfb")) == ("mpeg", b"\xff\xfb")
    assert shown(silence(format="flac", content=b"fLaC")) == ("flac", b"fLaC")


def test_a_name_that_a_server_made_up_cannot_add_to_the_page():
    kind, _ = shown(silence(format='x"><script>'))
    assert kind == "x%22%3E%3Cscript%3E"


@pytest.mark.parametrize(
    "changes",
    [{"content": bytes(MAX_SHOWN + 2)}, {"sample_rate": None}, {"channels": None}],
    ids=["too long", "no rate", "no channels"],
)
def test_what_no_page_can_play_is_shown_as_text(changes):
    audio = silence(**changes)
    assert audio._repr_html_() is None
    assert repr(audio).startswith("Audio(format='pcm'")
