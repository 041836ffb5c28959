"""`modelgates-speech speak`: every way to give the text, every way to get the speech."""

import io
import json
import re
import subprocess
import sys
import wave

import miniaudio
import pytest

from modelgates_speech._binding import ARGUMENTS
from tests.edition import BODY, EDITION, TEXT, needs_format, needs_mp3, needs_pcm, taken


def seconds_of_wav(path):
    with wave.open(str(path)) as audio:
        assert (audio.getframerate(), audio.getsampwidth(), audio.getnchannels()) == (24000, 2, 1)
        frames = sum(map(len, iter(lambda: audio.readframes(24000), b""))) // 2
        # An API that streams WAV itself cannot know the length in its header.
        assert (
            frames == audio.getnframes()
            or EDITION.takes_format("wav")
            or EDITION.is_audio("audio/wav")
        )
        return frames / 24000


@needs_pcm
def test_speaks_into_a_wav_file_and_says_in_one_line_what_it_wrote(speak, stub, folder):
    ended = speak("Hello world", "-o", "hello.wav")

    assert (ended.code, ended.err) == (0, "")
    size = (folder / "hello.wav").stat().st_size
    seconds = seconds_of_wav(folder / "hello.wav")
    facts = f"{seconds:.2f} s, wav (pcm s16le, 24000 Hz, mono), {size:,} bytes"
    assert ended.out == f"hello.wav: {facts}\n"
    stub.assert_called(
        times=1,
        status=200,
        input="Hello world",
        model="elevenlabs/eleven-turbo-v2",
        voice="alloy",
        response_format="pcm",
    )


def test_without_a_key_local_speaks_offline_even_behind_a_proxy(run, environment, folder):
    nowhere = "http://127.0.0.1:9"
    proxied = {"HTTP_PROXY": nowhere, "http_proxy": nowhere, "ALL_PROXY": nowhere}

    ended = run("speak", "Hello world", "--local", "-o", "a.wav", env=environment | proxied)

    assert (ended.code, ended.err) == (0, "")
    assert seconds_of_wav(folder / "a.wav") > 0.3


def test_local_ignores_the_api_that_the_environment_names(run, with_key, stub, folder):
    ended = run("speak", "Hello", "--local", "-o", "a.wav", env=with_key)

    assert ended.code == 0
    stub.assert_not_called()


@needs_mp3
def test_mp3_plays_for_the_right_time_in_an_independent_decoder(run, environment, folder):
    text = "The quick brown fox jumps over the lazy dog."
    for name in ("x.mp3", "x.wav"):
        assert run("speak", text, "-o", name, "--local", env=environment).code == 0

    decoded = miniaudio.mp3_read_file_f32(str(folder / "x.mp3"))

    expected = seconds_of_wav(folder / "x.wav")
    assert expected > 1.5
    # Encoders pad the start and the end by a frame or three (24 ms each at this rate).
    assert decoded.duration == pytest.approx(expected, abs=0.15)
    assert (decoded.sample_rate, decoded.nchannels) == (24000, 1)


@pytest.mark.parametrize(
    ("arguments", "name", "requested"),
    [
        pytest.param((), "speech.wav", "pcm", marks=needs_pcm),
        pytest.param(("--format", "pcm"), "speech.wav", "pcm", marks=needs_pcm),
        pytest.param(("--format", "mp3"), "speech.mp3", "mp3", marks=needs_mp3),
        pytest.param(("-o", "A.MP3"), "A.MP3", "mp3", marks=needs_mp3),
        pytest.param(("-o", "a.pcm"), "a.pcm", "pcm", marks=needs_pcm),
        pytest.param(("-o", "a.raw"), "a.raw", "pcm", marks=needs_pcm),
        pytest.param(("--output", "a.wav", "--format", "pcm"), "a.wav", "pcm", marks=needs_pcm),
        pytest.param(("-o", "no-suffix.bin", "--format", "mp3"), None, None, marks=needs_format),
    ],
)
def test_the_suffix_and_the_format_agree_on_what_is_asked_for(
    speak, stub, folder, arguments, name, requested
):
    ended = speak("Hello", *arguments)

    if name is None:
        assert ended.code == 3
        stub.assert_not_called()
        return
    assert ended.code == 0
    assert [path.name for path in folder.iterdir()] == [name]
    stub.assert_called(times=1, response_format=requested)


@needs_format
def test_a_format_without_a_file_asks_for_one_that_can_hold_it(speak, stub):
    speak("Hello", "--format", "newer")
    stub.assert_called(times=1, response_format="newer")


@needs_pcm
def test_raw_files_hold_the_samples_of_the_wav_file_alone(speak, folder):
    for name in ("a.wav", "a.pcm", "a.raw"):
        assert speak("Hello", "-o", name).code == 0

    samples = (folder / "a.pcm").read_bytes()
    assert samples == (folder / "a.raw").read_bytes()
    with wave.open(str(folder / "a.wav")) as audio:
        assert audio.readframes(audio.getnframes()) == samples


@pytest.mark.parametrize("given", [b"Caf\xc3\xa9\n", b"\xef\xbb\xbfCaf\xc3\xa9\r\n"])
def test_text_comes_from_standard_input_without_its_last_line_break(speak, stub, given):
    assert speak("-", given=given).code == 0
    assert stub.last_request.body["input"] == "Café"


def test_text_comes_from_a_file_with_its_inner_line_breaks(speak, stub, folder):
    (folder / "text.txt").write_bytes("One.\n\nTwö three.\n".encode())

    assert speak("--file", "text.txt").code == 0

    assert stub.last_request.body["input"] == "One.\n\nTwö three."


def test_text_that_starts_with_a_dash_follows_two_dashes(speak, stub):
    assert speak("--", "-5 degrees").code == 0
    assert stub.last_request.body["input"] == "-5 degrees"


def test_every_setting_of_the_request_has_its_option(speak, stub):
    calm = {"openai": {"instructions": "calm"}, "z-ai": {"voice_settings": {"stability": 0.5}}}
    settings = taken(
        model="openai/gpt-4o-mini-tts",
        voice="nova",
        speed=1.5,
        response_format="mp3",
        provider={"options": calm},
    )
    options = {
        "model": ("--model", "openai/gpt-4o-mini-tts"),
        "voice": ("--voice", "nova"),
        "speed": ("--speed", "1.5"),
        "response_format": ("--format", "mp3"),
        "provider": (
            *("--provider-option", 'openai.instructions="calm"'),
            *("--provider-option", "z-ai.voice_settings.stability=0.5"),
        ),
    }
    ended = speak("Hello", *(part for name in settings for part in options[name]))

    assert ended.code == 0
    assert stub.last_request.body == BODY | {ARGUMENTS[TEXT].name: "Hello"} | settings


WITHOUT_FORMATS = """
import sys
from modelgates_speech._binding import ARGUMENTS
ARGUMENTS.pop("response_format", None)
from modelgates_speech.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("command", ["speak", "narrate", "batch"])
def test_what_the_document_does_not_have_is_no_option(environment, command):
    said = subprocess.check_output(
        [sys.executable, "-c", WITHOUT_FORMATS, command, "--help"], env=environment, text=True
    )
    assert "--timeout" in said
    assert "--format" not in said


def test_headers_go_along_with_every_request(run, with_key, stub, folder):
    (folder / "text.txt").write_text("Hello.")
    (folder / "rows.jsonl").write_text('{"id": "a", "input": "Hello."}')
    for words in (
        ("speak", "Hello."),
        ("narrate", "text.txt", "-o", "a.wav"),
        ("batch", "rows.jsonl", "--out-dir", "out"),
    ):
        headers = ("--header", "X-Team: a:b", "--header", "x-empty:")
        assert run(*words, *headers, env=with_key).code == 0
        sent = stub.last_request.headers
        assert (sent["x-team"], sent["x-empty"]) == ("a:b", "")


def test_a_base_url_on_the_command_line_wins_over_the_environment(speak, stub):
    elsewhere = {"MODELGATES_BASE_URL": "http://127.0.0.1:9/api/v1"}

    assert speak("Hello", "--base-url", stub.base_url, env=elsewhere).code == 0

    stub.assert_called(times=1)


def test_json_is_one_object_with_the_facts(speak, stub, folder):
    ended = speak("Hello", "-o", "hello.wav", "--json")

    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert EDITION.is_audio(found.pop("content_type"))
    assert found == {
        "path": "hello.wav",
        "bytes": (folder / "hello.wav").stat().st_size,
        "seconds": pytest.approx(seconds_of_wav(folder / "hello.wav")),
        "sample_rate": 24000,
        "channels": 1,
        "format": "wav",
        "request_id": stub.last_request.request_id,
    }


@needs_mp3
def test_json_of_an_mp3_file_has_its_length(speak):
    found = json.loads(speak("Hello", "-o", "hello.mp3", "--json").out)

    assert found["format"] == "mp3"
    assert found["seconds"] > 0.2
    assert (found["sample_rate"], found["channels"]) == (None, None)


@needs_mp3
def test_mp3_files_are_reported_with_their_length(speak):
    assert re.fullmatch(r"a\.mp3: [\d.]+ s, mp3, [\d,]+ bytes\n", speak("Hello", "-o", "a.mp3").out)


def test_quiet_says_nothing(speak, folder):
    ended = speak("Hello", "-q", "-o", "a.wav")

    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (folder / "a.wav").exists()


@needs_pcm
def test_standard_output_gets_the_samples_and_nothing_else_where_they_are_asked_for(speak, folder):
    assert speak("Hello", "-o", "a.pcm").code == 0

    ended = speak("Hello", "-o", "-", "--format", "pcm")

    assert (ended.code, ended.err) == (0, "")
    assert ended.raw == (folder / "a.pcm").read_bytes()


@needs_pcm
def test_standard_output_gets_a_wav_that_parsers_and_players_take(speak, folder):
    assert speak("Hello", "-o", "a.pcm").code == 0
    samples = (folder / "a.pcm").read_bytes()

    ended = speak("Hello", "-o", "-")

    assert (ended.code, ended.err) == (0, "")
    with wave.open(io.BytesIO(ended.raw)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (24_000, 2, 1)
        assert file.readframes(len(samples)) == samples
    decoded = miniaudio.decode(ended.raw, nchannels=1, sample_rate=24_000)
    assert decoded.samples.tobytes() == samples


@needs_pcm
def test_a_player_reads_it_from_a_pipe_while_it_comes(start, with_key, stub, folder):
    stub.fail_next("stall-midway", after=20_000)
    process = start("speak", "Hello there.", "-o", "-", env=with_key, stdout=subprocess.PIPE)
    with wave.open(process.stdout) as file:
        assert any(file.readframes(10_000))
        assert process.poll() is None


@needs_mp3
def test_standard_output_takes_mp3_as_well(speak, stub):
    ended = speak("Hello", "-o", "-", "--format", "mp3")

    assert ended.code == 0
    assert miniaudio.mp3_read_s16(ended.raw).duration > 0.2


def test_an_existing_file_is_replaced_by_success_and_kept_by_failure(speak, stub, folder):
    target = folder / "a.wav"
    target.write_bytes(b"before")
    stub.fail_next("cut")

    assert speak("Hello", "-o", "a.wav").code == 6
    assert target.read_bytes() == b"before"
    assert speak("Hello", "-o", "a.wav").code == 0
    assert seconds_of_wav(target) > 0.2


def test_debug_logs_the_request_without_key_or_text(speak, stub):
    ended = speak("A private matter", "--debug", "-o", "a.wav")

    assert ended.code == 0
    assert f"modelgates_speech: DEBUG: POST {stub.base_url}/audio/speech" in ended.err
    assert "private" not in ended.err


def test_debug_shows_where_an_error_came_from(speak, stub):
    stub.fail_next(404)

    ended = speak("Hello", "--debug")

    assert ended.code == 4
    assert "Traceback (most recent call last)" in ended.err
    assert ended.err.splitlines()[-1].startswith("modelgates-speech: error: HTTP 404")


@needs_mp3
def test_a_name_without_a_suffix_takes_the_format_that_was_given(speak, stub, folder):
    assert speak("Hello", "-o", "noext", "--format", "mp3").code == 0
    assert stub.last_request.body["response_format"] == "mp3"
    assert (folder / "noext").stat().st_size > 1000


def test_a_device_takes_whatever_comes(speak):
    assert speak("Hello", "-o", "/dev/null").code == 0
