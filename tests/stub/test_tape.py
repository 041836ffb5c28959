"""Real answers are kept and given again, and a model may have audio of one's own."""

import array
import itertools
import json
import math
import re
import struct
import wave

import httpx
import pytest

from modelgates_speech.stub import Recording, Replay, StubServer
from modelgates_speech.stub.engine import Tones

from .conftest import BODY, REFERENCE, TRUSTED, connect

KEY = "sk-real-secret-0123456789"
RATE = 24_000


@pytest.fixture
def upstream():
    """The real API, as far as these tests can have one."""
    with StubServer(document=REFERENCE, api_key=KEY) as server:
        yield server


@pytest.fixture
def recording(upstream, tmp_path):
    tape = Recording(tmp_path / "tape", upstream=upstream.base_url)
    with StubServer(document=REFERENCE, tape=tape) as stub:
        yield stub


def post(stub, key=KEY, **fields):
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{stub.base_url}/audio/speech"
    how = {"timeout": 60, "trust_env": False, "verify": TRUSTED}
    return httpx.post(url, json=BODY | fields, headers=headers, **how)


def replaying(tmp_path, **options):
    tape = Replay(tmp_path / "tape")
    return StubServer(document=REFERENCE, engine=Tones(), any_key=True, tape=tape, **options)


def written(tmp_path):
    return b"".join(file.read_bytes() for file in (tmp_path / "tape").iterdir())


def test_what_the_api_answered_is_given_again_byte_for_byte(upstream, recording, tmp_path):
    spoken = {kind: post(recording, response_format=kind) for kind in ("pcm", "mp3")}
    assert [request.status for request in upstream.requests] == [200, 200]
    assert recording.last_request.status == 200
    upstream.stop()

    with replaying(tmp_path) as stub:
        for kind, before in spoken.items():
            again = post(stub, key="another", response_format=kind)
            assert again.status_code == 200
            assert again.content == before.content
            assert again.headers["Content-Type"] == before.headers["Content-Type"]
            assert again.headers["X-Stub-Engine"] == "espeak-ng"


def test_errors_are_kept_as_well(upstream, recording, tmp_path):
    upstream.fail_next(429, retry_after=7, message="Slow down")
    assert post(recording).status_code == 429
    with replaying(tmp_path) as stub:
        again = post(stub)
        assert (again.status_code, again.headers["Retry-After"]) == (429, "7")
        assert again.json()["error"]["message"] == "Slow down"


def test_a_failure_does_not_replace_an_answer_that_was_kept(upstream, recording, tmp_path):
    spoken = post(recording)
    upstream.fail_next(503)
    assert post(recording).status_code == 503
    assert post(recording, key="sk-wrong").status_code == 401

    with replaying(tmp_path) as stub:
        assert post(stub).content == spoken.content


def test_an_answer_is_passed_on_as_it_arrives(upstream, recording):
    upstream.fail_next("stall-midway", after=500)
    with connect(recording) as http:
        http.headers["Authorization"] = f"Bearer {KEY}"
        with http.stream("POST", "/audio/speech", json=BODY) as answer:
            assert len(next(answer.iter_raw())) == 500
            assert len(answer.headers.get_list("Date")) == 1


@pytest.mark.parametrize(
    "edited",
    [
        "[]",
        "[" * 100_000,
        '{"status": 99, "headers": []}',
        '{"status": "200", "headers": []}',
        '{"status": 200, "headers": [["X-Hint"]]}',
        '{"status": 200, "headers": [["X-Hint", "pay\\n"]]}',
        '{"status": 200, "headers": [["X-Hint", " pay"]]}',
        '{"status": 200, "headers": [["Content-Length", "1"]]}',
    ],
    ids=lambda text: text[:60],
)
def test_a_recording_that_cannot_be_read_is_named(recording, tmp_path, edited):
    post(recording)
    for file in (tmp_path / "tape").glob("*.json"):
        file.write_text(edited)

    with replaying(tmp_path) as stub:
        refused = post(stub)
        assert refused.status_code == 500
        message = refused.json()["error"]["message"]
        assert f"{file} is not a recording" in message
        # Who edits a file is told in words.
        assert "(?" not in message


def test_the_callers_key_goes_to_the_api_and_is_never_written(upstream, recording, tmp_path):
    assert post(recording).status_code == 200
    upstream.fail_next(401, message=f"Invalid API key: {KEY}")
    assert KEY in post(recording, voice="echo").text
    assert post(recording, input=f"My key is {KEY}.").status_code == 200

    assert KEY.encode() not in written(tmp_path)
    assert b"[redacted]" in written(tmp_path)
    assert post(recording, key="wrong").status_code == 401


def test_a_header_outside_ascii_is_passed_on_as_it_is(recording, upstream):
    with connect(recording) as http:
        http.headers["Authorization"] = f"Bearer {KEY}"
        title = {b"X-Title": "Caf\u00e9".encode()}
        assert http.post("/audio/speech", json=BODY, headers=title).status_code == 200
    assert upstream.last_request.headers["x-title"]


def test_what_was_never_recorded_is_a_clear_404(recording, tmp_path):
    post(recording)
    with replaying(tmp_path) as stub:
        unknown = post(stub, input="Something else")
        assert unknown.status_code == 404
        assert "never recorded" in unknown.json()["error"]["message"]
        assert "--record" in unknown.json()["error"]["message"]
        assert stub.last_request.status == 404


def test_the_order_of_fields_and_the_headers_are_no_matter(recording, tmp_path):
    spoken = post(recording).content
    with replaying(tmp_path) as stub, connect(stub) as http:
        turned = dict(reversed(BODY.items()))
        assert http.post("/audio/speech", json=turned, headers={"X-A": "b"}).content == spoken


def test_another_base_path_is_no_matter(recording, tmp_path):
    spoken = post(recording).content
    elsewhere = REFERENCE | {"servers": [{"url": "https://example.com/v7"}]}
    with StubServer(document=elsewhere, any_key=True, tape=Replay(tmp_path / "tape")) as stub:
        assert stub.base_url.endswith("/v7")
        assert post(stub).content == spoken


def test_faults_can_be_injected_all_the_same(recording, upstream, tmp_path):
    recording.fail_next(503)
    assert post(recording).status_code == 503
    upstream.assert_not_called()
    post(recording)
    with replaying(tmp_path) as stub:
        stub.fail_next(503)
        assert [post(stub).status_code for _ in range(2)] == [503, 200]


def test_an_answer_that_breaks_off_is_not_kept(recording, upstream, tmp_path):
    upstream.fail_next("cut-chunked", after=1000)
    with pytest.raises(httpx.RemoteProtocolError):
        post(recording)
    assert list((tmp_path / "tape").iterdir()) == []
    assert post(recording).status_code == 200


def test_an_api_that_cannot_be_reached_is_502_and_says_so(tmp_path):
    with StubServer(document=REFERENCE) as gone:
        url = gone.base_url
    with StubServer(document=REFERENCE, tape=Recording(tmp_path, upstream=url)) as stub:
        refused = post(stub)
    assert refused.status_code == 502
    assert url in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "upstream", ["http://example.com/v1", "example.com", "ftp://x", "https://"]
)
def test_a_key_is_not_sent_in_the_clear(tmp_path, upstream):
    with pytest.raises(ValueError, match="https"):
        Recording(tmp_path / "tape", upstream=upstream)
    assert not (tmp_path / "tape").exists()


def test_there_must_be_something_to_replay(tmp_path):
    with pytest.raises(OSError, match="no folder"):
        Replay(tmp_path / "nothing")


def test_a_recording_says_what_was_asked(recording, tmp_path):
    post(recording)
    [told] = (tmp_path / "tape").glob("*.json")
    known = json.loads(told.read_text("utf-8"))
    assert known["request"]["body"] == BODY
    assert known["request"]["path"] == "/audio/speech"
    assert not re.search("authorization", told.read_text("utf-8"), re.IGNORECASE)


def tone(path, *, rate=RATE, channels=1, width=2, hertz=440, seconds=0.5):
    """Write a WAV file."""
    full = 2 ** (8 * width - 1) - 1
    frames = bytearray()
    for index in range(round(rate * seconds)):
        value = round(full / 2 * math.sin(math.tau * hertz * index / rate))
        sample = (
            bytes([value + 128]) if width == 1 else value.to_bytes(width, "little", signed=True)
        )
        frames += sample * channels
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", "not compressed"))
        file.writeframes(frames)


@pytest.fixture
def own(tmp_path):
    with StubServer(document=REFERENCE, engine=Tones(), audio=tmp_path) as stub:
        yield stub


@pytest.mark.parametrize(
    "shape",
    [{}, {"rate": 44_100, "channels": 2}, {"rate": 8000, "width": 1}, {"width": 3}],
    ids=str,
)
def test_a_model_answers_with_audio_of_ones_own(own, tmp_path, shape):
    tone(tmp_path / "acme" / "voice-1.wav", **shape)
    answer = post(own, key=own.api_key, model="acme/voice-1")
    samples = array.array("h", answer.content)

    assert len(samples) / RATE == pytest.approx(0.5, abs=0.01)
    assert max(samples) == pytest.approx(16_384, rel=0.05)
    rising = sum(a < 0 <= b for a, b in itertools.pairwise(samples))
    assert rising == pytest.approx(220, abs=2)


def test_a_file_in_the_format_that_is_asked_for_goes_out_as_it_is(own, tmp_path):
    (tmp_path / "ours.mp3").write_bytes(b"ID3 any bytes")
    tone(tmp_path / "ours.wav")
    assert post(own, own.api_key, model="ours", response_format="mp3").content == b"ID3 any bytes"
    pcm = post(own, own.api_key, model="ours", response_format="pcm").content
    assert len(pcm) == RATE


@pytest.mark.parametrize(
    "model", ["../secret", "/etc/passwd", "a\0b", "x" * 5000, "", ".", "nobody"]
)
def test_other_models_speak_and_nothing_outside_of_the_folder_is_read(tmp_path, model):
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (tmp_path / "secret.pcm").write_bytes(b"secret")
    (tmp_path / "audio").mkdir()
    with StubServer(document=REFERENCE, engine=Tones(), audio=tmp_path / "audio") as stub:
        answer = post(stub, stub.api_key, model=model, response_format="pcm")
    assert answer.status_code == 200
    assert b"secret" not in answer.content


@pytest.mark.parametrize("channels", [0, 3])
def test_a_file_that_cannot_be_read_is_named(own, tmp_path, channels):
    (tmp_path / "broken.wav").write_bytes(b"nonsense")
    if channels:
        tone(tmp_path / "broken.wav", channels=channels)
    answer = post(own, own.api_key, model="broken")
    assert answer.status_code == 500
    assert "broken.wav" in answer.json()["error"]["message"]


def test_a_wav_of_another_kind_is_told_what_it_should_be(own, tmp_path):
    tone(tmp_path / "float.wav")
    content = bytearray((tmp_path / "float.wav").read_bytes())
    content[20:22] = b"\3\0"  # the samples are said to be floating-point numbers
    (tmp_path / "float.wav").write_bytes(content)
    answer = post(own, own.api_key, model="float")
    assert answer.status_code == 500
    assert "16-bit PCM" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("bits", "width", "channels"), [(12, 2, 1), (20, 4, 1), (24, 4, 2)])
def test_samples_of_fewer_bits_than_their_bytes_have_are_heard(
    own, tmp_path, bits, width, channels
):
    tone(tmp_path / "own.wav", width=width, channels=channels)
    content = bytearray((tmp_path / "own.wav").read_bytes())
    content[34] = bits  # from the highest on
    (tmp_path / "fewer.wav").write_bytes(content)
    plain, fewer = (post(own, own.api_key, model=model) for model in ("own", "fewer"))
    assert fewer.status_code == 200
    assert fewer.content == plain.content


@pytest.mark.parametrize("width", [2, 3])
def test_a_wav_as_programs_write_it_for_more_than_two_bytes_is_heard(own, tmp_path, width):
    tone(tmp_path / "own.wav", width=width)
    content = (tmp_path / "own.wav").read_bytes()
    # WAVE_FORMAT_EXTENSIBLE says its true kind in an identifier that begins with it.
    kind = b"\1\0" + bytes.fromhex("000000001000800000aa00389b71")
    form = b"\xfe\xff" + content[22:36] + struct.pack("<HHI", 22, 8 * width, 4) + kind
    chunk = b"fmt " + struct.pack("<I", len(form)) + form
    (tmp_path / "extensible.wav").write_bytes(content[:12] + chunk + content[36:])
    plain, extensible = (post(own, own.api_key, model=model) for model in ("own", "extensible"))
    assert extensible.status_code == 200
    assert extensible.content == plain.content


@pytest.mark.parametrize("response_format", ["pcm", "mp3"])
@pytest.mark.parametrize("kept", [44, 44 + 999])
def test_a_file_that_ends_early_is_heard_as_far_as_it_goes(own, tmp_path, kept, response_format):
    with wave.open(str(tmp_path / "own.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(b"\1\2" * 2000)
    whole = (tmp_path / "own.wav").read_bytes()
    (tmp_path / "own.wav").write_bytes(whole[:kept])
    answer = post(own, own.api_key, model="own", response_format=response_format)
    assert answer.status_code == 200
    if response_format == "pcm":
        assert answer.content == whole[44 : kept - kept % 2]


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(NotADirectoryError, match="nowhere"):
        StubServer(audio=tmp_path / "nowhere")


@pytest.mark.parametrize(
    "upstream",
    [
        *("https://me:secret@example.com", "https://example.com/?a=1"),
        *("https://example.com/v1#secret", "https://example.com/v1#"),
    ],
)
def test_an_upstream_is_a_base_url_and_no_more(tmp_path, upstream):
    with pytest.raises(ValueError, match="upstream") as refused:
        Recording(tmp_path / "tape", upstream=upstream)
    assert "me:secret" not in str(refused.value)


def test_which_pages_may_read_an_answer_is_not_for_the_api_to_say(upstream, recording, tmp_path):
    upstream.fail_next(429, headers={"Access-Control-Allow-Origin": "*", "X-Kept": "1"})
    passed_on = post(recording)
    with replaying(tmp_path) as stub:
        for answer in (passed_on, post(stub)):
            assert answer.headers["X-Kept"] == "1"
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert answer.headers["Vary"] == "Origin"
