"""Audio of another format than was asked for is known by its bytes, and never written as if not."""

from contextlib import closing

import pytest

from modelgates_speech import InvalidResponseError, ModelGates
from tests.faults.calls import CALLERS, CLIENTS, KEY, SPEECH
from tests.faults.table import AUDIO, reply
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
    assert (tmp_path / "a.wav").read_bytes() == WAV
    audio = caller.create()
    assert (audio.format, audio.sample_rate, audio.duration) == ("wav", 16_000, 2.0)
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
    assert caught.value.audio.content == body
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1


def test_a_stream_knows_what_it_is_as_soon_as_it_is_entered(server):
    server.acts = (reply(body=WAV),)
    with (
        ModelGates(api_key=KEY, base_url=server.url) as client,
        client.audio.speech.stream(**SPEECH) as stream,
    ):
        assert (stream.format, stream.sample_rate) == ("wav", 16_000)
        assert b"".join(stream) == WAV
        assert stream.duration == 2.0
