"""Audio of another format than was asked for is known by its bytes, and never written as if not."""

import wave
from contextlib import closing

import pytest

from modelgates_speech import (
    AsyncModelGates,
    ConfigurationError,
    InvalidResponseError,
    ModelGates,
)
from modelgates_speech.jobs import run_batch
from tests.faults.calls import CALLERS, CLIENTS, KEY, ROW, SPEECH
from tests.faults.table import AUDIO, CHUNKED, chunk, reply
from tests.unit.test_formats import MP3, wav

WAV = wav()


@pytest.fixture(params=CLIENTS)
def caller(request, server):
    with closing(CALLERS[request.param](api_key=KEY, base_url=server.url)) as caller:
        yield caller


@pytest.mark.parametrize("kind", ["application/octet-stream", "audio/pcm;rate=48000", "audio/wav"])
def test_a_wav_is_saved_as_it_is_whatever_its_type(caller, server, tmp_path, kind):
    server.acts = (reply(body=WAV, kind=kind),)
    caller.save(tmp_path / "a.wav")
    saved = (tmp_path / "a.wav").read_bytes()
    # Where they differ the start tells, and pytest under CI compares what is long for minutes.
    assert saved[:64] == WAV[:64]
    assert saved == WAV
    audio = caller.create()
    assert (audio.format, audio.sample_rate, audio.duration) == ("wav", 16_000, 0.5)
    assert audio.to_wav() == WAV


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        ("a.pcm", WAV, "application/octet-stream"),
        ("a.mp3", WAV, "audio/mpeg"),
        ("a.wav", MP3, "application/octet-stream"),
        ("a.wav", AUDIO, "audio/wav"),
        ("a.mp3", AUDIO, "application/octet-stream"),
        ("a.mp3", AUDIO, "audio/mpeg"),
    ],
)
def test_what_the_file_cannot_hold_is_in_the_error(caller, server, tmp_path, name, body, kind):
    server.acts = (reply(body=body, kind=kind),)
    with pytest.raises(InvalidResponseError, match="cannot hold") as caught:
        caller.save(tmp_path / name)
    assert (caught.value.audio.content, caught.value.body) == (body, b"")
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1


def test_what_comes_instead_of_audio_is_in_the_error_to_its_end(caller, server):
    server.acts = (CHUNKED + chunk(b'{"error": '), chunk(b'"busy"}') + chunk(b""))
    with pytest.raises(InvalidResponseError) as caught:
        caller.create()
    assert caught.value.body == b'{"error": "busy"}'


def test_what_comes_in_a_coding_that_is_not_known_is_in_the_error(caller, server):
    server.acts = (reply(body=b"squeezed", Content_Encoding="br"),)
    with pytest.raises(InvalidResponseError, match="'br'") as caught:
        caller.create()
    assert caught.value.body == b"squeezed"


def test_a_stream_knows_what_it_is_as_soon_as_it_is_entered(server):
    server.acts = (reply(body=WAV),)
    with (
        ModelGates(api_key=KEY, base_url=server.url) as client,
        client.audio.speech.stream(**SPEECH) as stream,
    ):
        assert (stream.format, stream.sample_rate) == ("wav", 16_000)
        assert b"".join(stream) == WAV
        assert stream.duration == 0.5


NAMELESS = "application/octet-stream"


def test_a_row_whose_file_cannot_hold_its_audio_keeps_it_elsewhere(server, tmp_path):
    server.acts = (reply(body=MP3, kind="audio/x/../../../mpeg"),)
    report = run_batch(
        [{"id": "a", "input": "Hi."}],
        tmp_path / "out",
        client=lambda: AsyncModelGates(api_key=KEY, base_url=server.url),
        defaults=ROW,
    )
    assert report.failed == 1
    assert (tmp_path / "out" / "kept" / "a.mp3").read_bytes() == MP3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize(
    ("kind", "client", "call", "layout"),
    [
        (NAMELESS, {}, {}, (24_000, 1)),
        (NAMELESS, {"sample_rate": 44_100, "channels": 2}, {}, (44_100, 2)),
        (NAMELESS, {"sample_rate": 44_100}, {"sample_rate": 8_000}, (8_000, 1)),
        ("audio/pcm", {}, {"sample_rate": 44_100, "channels": 2}, (44_100, 2)),
        # What the reply names is believed, each for itself.
        ("audio/pcm;rate=16000", {}, {"sample_rate": 44_100, "channels": 2}, (16_000, 2)),
        ("audio/pcm;rate=fast", {}, {"sample_rate": 44_100}, (None, 1)),
    ],
)
@pytest.mark.parametrize("which", CLIENTS)
def test_what_pcm_is_taken_for_can_be_said(which, kind, client, call, layout, server, tmp_path):
    server.acts = (reply(kind=kind),)
    with closing(CALLERS[which](api_key=KEY, base_url=server.url, **client)) as caller:
        audio = caller.create(**call)
        again = caller.create(**call, cache_dir=tmp_path / "cache")
        kept = caller.create(**call, cache_dir=tmp_path / "cache")
        assert len(server.requests) == 2
        for found in (audio, again, kept):
            assert (found.sample_rate, found.channels) == layout
        if layout[0]:
            with wave.open(str(caller.save(tmp_path / "a.wav", **call))) as file:
                assert (file.getframerate(), file.getnchannels()) == layout


@pytest.mark.parametrize(
    "wrong", [{"sample_rate": 0}, {"sample_rate": 44_100.0}, {"channels": True}]
)
@pytest.mark.parametrize("which", CLIENTS)
def test_what_pcm_cannot_be_is_refused_before_anything_is_sent(which, wrong, server):
    [name] = wrong
    with pytest.raises(ConfigurationError, match=name):
        CALLERS[which](api_key=KEY, base_url=server.url, **wrong)
    with closing(CALLERS[which](api_key=KEY, base_url=server.url)) as caller:
        with pytest.raises(ConfigurationError, match=name):
            caller.create(**wrong)
        with pytest.raises(ConfigurationError, match=name):
            caller.client.with_options(**wrong)
    assert server.connections == 0


def test_a_batch_takes_pcm_for_what_its_rows_and_its_defaults_say(server, tmp_path):
    server.acts = (reply(),)
    rows = [{"id": "a", "input": "Hi."}, {"id": "b", "input": "Hi.", "sample_rate": 8_000}]
    report = run_batch(
        rows,
        tmp_path,
        client=lambda: AsyncModelGates(api_key=KEY, base_url=server.url),
        defaults=ROW | {"sample_rate": 44_100, "channels": 2},
    )
    assert report.ok == 2
    for name, rate in (("a", 44_100), ("b", 8_000)):
        with wave.open(str(tmp_path / f"{name}.wav")) as file:
            assert (file.getframerate(), file.getnchannels()) == (rate, 2)
