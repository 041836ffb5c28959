"""The stub speaks: the right format, about the right length, the same every time."""

import array
import hashlib
import subprocess
import sys
import threading
from types import SimpleNamespace
from urllib.parse import unquote

import httpx
import miniaudio
import pytest

from modelgates_speech.stub import StubServer, speech
from modelgates_speech.stub.engine import EngineUnavailableError, Espeak, Tones
from modelgates_speech.stub.speech import pieces, spoken, synthesize

from .conftest import BODY, REFERENCE, connect

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep."
RATE = 24_000


def seconds(pcm):
    assert len(pcm) % 2 == 0
    return len(pcm) / 2 / RATE


def loudness(pcm):
    samples = array.array("h", pcm)
    return (sum(sample * sample for sample in samples) / len(samples)) ** 0.5


def say(text, engine, voice="alloy", speed=1.0):
    return b"".join(synthesize(text, voice=voice, speed=speed, engine=engine))


@pytest.fixture(scope="module", params=[Espeak, Tones])
def engine(request):
    return request.param()


def test_speech_is_loud_enough_and_as_long_as_a_person_takes(engine):
    pcm = say(SENTENCE, engine)

    words_per_minute = len(SENTENCE.split()) / seconds(pcm) * 60
    assert 120 < words_per_minute < 240
    assert 500 < loudness(pcm) < 20_000


def test_twice_the_text_is_twice_the_speech(engine):
    ratio = seconds(say(f"{SENTENCE} {SENTENCE}", engine)) / seconds(say(SENTENCE, engine))

    assert 1.9 < ratio < 2.1


@pytest.mark.parametrize("speed", [0.25, 0.3, 0.5, 0.75, 1.5, 2, 3, 4])
def test_length_follows_speed(engine, speed):
    ratio = seconds(say(SENTENCE, engine)) / seconds(say(SENTENCE, engine, speed=speed))

    assert ratio == pytest.approx(speed, rel=0.08)


@pytest.mark.parametrize(("wild", "clamped"), [(0, 0.25), (-3, 0.25), (4.5, 4), (10**400, 4)])
def test_a_wild_speed_is_clamped(engine, wild, clamped):
    assert say("Hello.", engine, speed=wild) == say("Hello.", engine, speed=clamped)


def test_voices_differ(engine):
    spoken = {say(SENTENCE, engine, voice=voice) for voice in ("alloy", "echo", "nova", "onyx")}

    assert len(spoken) == 4


def test_no_two_voices_sound_the_same():
    engine = Espeak()
    spoken = {say("Hello.", engine, voice=f"voice {number}") for number in range(50)}

    assert len(spoken) == 50


def test_a_text_does_not_wait_for_another_to_end():
    engine = Espeak()
    if engine._libraries.qsize() < 2:
        pytest.skip("one processor speaks one text at a time")
    busy = engine._libraries.get()
    try:
        assert engine.say("Nobody said this before.", voice="alloy", speed=1.0)
    finally:
        engine._libraries.put(busy)


def test_it_speaks_where_nothing_can_be_copied(environment):
    program = """if True:
        import tempfile
        from modelgates_speech.stub.engine import Espeak
        tempfile.tempdir = "/nowhere"
        print(len(Espeak().say("Hello.", voice="alloy", speed=1.0)) > 10_000)
    """
    said = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert said == "True\n"


def pauses(text, voice="alloy", speed=1.0):
    """The seconds of each silence longer than what is between words."""
    samples = array.array("h", say(text, Espeak(), voice=voice, speed=speed))
    found, quiet = [], 0
    for sample in [*samples, 10_000]:
        if abs(sample) < 40:
            quiet += 1
            continue
        if quiet > RATE * 0.13 / speed:
            found.append(quiet / RATE)
        quiet = 0
    return found


@pytest.mark.parametrize("speed", [0.5, 1, 2])
def test_pauses_are_as_people_make_them(speed):
    made = pauses("It rains. Is it so? He waits; so do I.\n\nA heading\nThe end", speed=speed)

    wanted = [0.3, 0.3, 0.15, 0.7, 0.3, 0.3]
    assert [pause * speed for pause in made] == pytest.approx(wanted, abs=0.08)


def test_an_engine_that_somebody_brings_makes_its_own_pauses():
    class Echo:
        name = "echo"

        def say(self, text, *, voice, speed):
            return text.encode()

    assert say("One. Two.\n\nThree.", Echo()) == b"One.Two.Three."


def test_a_sentence_that_is_too_long_has_no_pause_within():
    assert len(pauses("and on it goes " * 40)) <= 1


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        (
            "Mr. Smith met Dr. Jones at 5 p.m. on Monday. They spoke.",
            "en-us",
            ["Mr. Smith met Dr. Jones at 5 p.m. on Monday.", "They spoke."],
        ),
        (
            "J. R. R. Tolkien wrote it, e.g. there. It is 3.14, No. 5.",
            "en",
            ["J. R. R. Tolkien wrote it, e.g. there.", "It is 3.14, No. 5."],
        ),
        ("Er kam z.B. am 3. Mai. Gut.", "de", ["Er kam z.B. am 3. Mai.", "Gut."]),
        (
            "\u4f60\u597d\u3002\u518d\u89c1\uff01",
            "cmn",
            ["\u4f60\u597d\u3002", "\u518d\u89c1\uff01"],
        ),
        ("Mr.\u00a0B. is \ud800 here. Yes.", "en", ["Mr. B. is ? here.", "Yes."]),
        ("Hello. Again.", "no-such-language", ["Hello.", "Again."]),
    ],
)
def test_abbreviations_do_not_end_a_sentence(text, language, wanted):
    assert list(pieces(text, language=language)) == wanted


@pytest.mark.parametrize(
    ("voice", "same_as"),
    [
        ("de-anna", "de"),
        ("de-DE-KatjaNeural", "de"),
        ("pt-BR-rita", "pt-br"),
        ("zh-CN-XiaoxiaoNeural", "cmn"),
        ("no-eva", "nb"),
        ("en-GB-george", "en"),
        ("en-nova", "en-us"),
        ("alloy", "en-us"),
        ("my-own-voice", "en-us"),
        ("xx-nobody", "en-us"),
        ("../en-us", "en-us"),
        ("de/../x-y", "en-us"),
    ],
)
def test_a_voice_speaks_the_language_that_its_name_begins_with(monkeypatch, voice, same_as):
    engine = Espeak()
    first = engine._libraries.get()
    engine._libraries.put(first)
    library = first._c
    set_voice, asked = library.espeak_SetVoiceByName, []

    class Heard:
        def __getattr__(self, name):
            return getattr(library, name)

        def espeak_SetVoiceByName(self, name):  # noqa: N802 - the library's
            failed = set_voice(name)
            asked.extend([] if failed else [name.decode().partition("+")[0]])
            return failed

    monkeypatch.setattr(first, "_c", Heard())
    engine.say("Guten Tag", voice=voice, speed=1.0)

    assert asked == [same_as]


@pytest.mark.parametrize("text", ["", "   \n", "\x00\x01\x1f", "\u200b"])
def test_what_cannot_be_spoken_is_a_moment_of_silence(text):
    pcm = say(text, Espeak())

    assert 0 < seconds(pcm) <= 0.1
    assert not any(pcm)


@pytest.mark.parametrize(
    "text",
    [
        "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
        "\u0645\u0631\u062d\u0628\u0627",
        "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467",
        "e\u0301" * 100,
        "-" * 240,
        "1" * 240,
        "\x01\x0150P hello",
        "<speak>hi</speak>",
        "[[h@l'oU]]",
    ],
    ids=ascii,
)
def test_text_of_every_kind_is_survived(text):
    assert len(say(text, Espeak())) > 0


def test_the_same_request_gives_the_same_bytes_in_every_process(stub, speak, environment):
    program = """if True:
        import hashlib, sys
        from modelgates_speech.stub.engine import Espeak
        from modelgates_speech.stub.speech import synthesize
        spoken = synthesize(sys.argv[1], voice="alloy", speed=1, engine=Espeak())
        print(hashlib.sha256(b"".join(spoken)).hexdigest())
    """
    speak(input="Something else was said before, in another voice!", voice="nova", speed=2)
    here = speak(input=SENTENCE).content
    again = speak(input=SENTENCE).content
    there = subprocess.run(
        [sys.executable, "-c", program, SENTENCE],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()

    assert hashlib.sha256(here).hexdigest() == there
    assert again == here


def test_requests_at_the_same_time_do_not_mix(stub):
    texts = [f"This is sentence {number}. And this is another one, {number}." for number in "12345"]
    alone = [say(text, Espeak()) for text in texts]
    together = {}

    def call(text):
        with connect(stub) as http:
            together[text] = http.post("/audio/speech", json=BODY | {"input": text}).content

    threads = [threading.Thread(target=call, args=[text]) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [together[text] for text in texts] == alone


def test_mp3_decodes_to_the_length_of_the_pcm(speak):
    pcm = speak(input=SENTENCE).content
    mp3 = speak(input=SENTENCE, response_format="mp3").content

    decoded = miniaudio.decode(mp3, nchannels=1, sample_rate=RATE)
    assert miniaudio.mp3_get_info(mp3).sample_rate == RATE
    assert len(mp3) < len(pcm) / 4
    # An encoder pads both ends: a frame or two of 24 ms each.
    assert len(decoded.samples) / RATE == pytest.approx(seconds(pcm), abs=0.15)
    assert loudness(decoded.samples.tobytes()) == pytest.approx(loudness(pcm), rel=0.1)


def test_an_empty_input_is_valid_and_playable_in_both_formats(speak):
    pcm, mp3 = (speak(input="", response_format=kind) for kind in ("pcm", "mp3"))

    assert (pcm.status_code, mp3.status_code) == (200, 200)
    assert seconds(pcm.content) == pytest.approx(0.1)
    assert len(miniaudio.decode(mp3.content).samples) > 0


def test_the_default_format_is_the_documents(speak):
    assert speak(response_format=None).content == speak(response_format="pcm").content


class Gated:
    """Speaks a second a piece; every piece but the first waits for its gate."""

    name = "gated"

    def __init__(self):
        self.gate = threading.Event()
        self.said = []

    def say(self, text, *, voice, speed):
        if self.said:
            assert self.gate.wait(60)
        self.said.append(text)
        return bytes(2 * RATE)


@pytest.mark.parametrize("response_format", ["pcm", "mp3"])
def test_the_first_chunk_arrives_before_the_second_sentence_is_spoken(response_format):
    engine = Gated()
    body = BODY | {"input": "One. Two. Three.", "response_format": response_format}
    with (
        StubServer(document=REFERENCE, engine=engine) as stub,
        connect(stub) as http,
        http.stream("POST", "/audio/speech", json=body) as response,
    ):
        chunks = response.iter_raw()
        first = next(chunks)
        said_by_then = list(engine.said)
        engine.gate.set()
        rest = b"".join(chunks)

    assert said_by_then == ["One."]
    assert engine.said == ["One.", "Two.", "Three."]
    assert len(first) > 0
    assert len(rest) > 0


def test_a_client_that_goes_away_stops_the_speech():
    engine = Gated()
    engine.gate.set()
    went = threading.Event()
    say_freely = engine.say

    def say(text, **options):
        if len(engine.said) == 1:
            assert went.wait(60)
        return say_freely(text, **options)

    engine.say = say
    with StubServer(document=REFERENCE, engine=engine) as stub, connect(stub) as http:
        # 2,000 seconds of audio: far more than sockets and buffers hold.
        body = BODY | {"input": "One. " * 2000}
        with http.stream("POST", "/audio/speech", json=body) as response:
            next(response.iter_raw())
        went.set()
        # A whole answer to another request shows that the server has seen the first one's end.
        assert http.post("/audio/speech", json=BODY | {"input": "Two. Two."}).status_code == 200
        assert engine.said.count("Two.") == 2

    assert engine.said.count("One.") < 200


def test_long_texts_are_cut_at_words_and_lose_none():
    text = "word " * 500 + "x" * 1000 + "! A sentence. Another one?\n\nA paragraph; the end"

    cut = list(pieces(text))

    assert all(0 < len(piece) <= speech.LONGEST_PIECE for piece in cut)
    assert "".join("".join(cut).split()) == "".join(text.split())
    assert cut[-4:] == ["A sentence.", "Another one?", "A paragraph;", "the end"]


@pytest.mark.parametrize("name", ["tones", "a voice (v1.2)", "\N{SNOWMAN} \xfc\n"])
def test_an_engine_may_be_called_anything(name):
    engine = Tones()
    engine.name = name
    with StubServer(document=REFERENCE, engine=engine) as stub, connect(stub) as http:
        answer = http.post("/audio/speech", json=BODY)
    assert unquote(answer.headers["X-Stub-Engine"]) == name


@pytest.mark.parametrize("kind", [EngineUnavailableError, OSError])
def test_without_an_engine_the_stub_plays_tones_and_says_so(monkeypatch, caplog, kind):
    def unavailable():
        raise kind("nobody is at home")

    monkeypatch.setattr("modelgates_speech.stub.engine._espeak", unavailable)
    with StubServer(document=REFERENCE) as stub, connect(stub) as http:
        answer = http.post("/audio/speech", json=BODY)

    assert answer.headers["X-Stub-Engine"] == "tones"
    assert seconds(answer.content) > 1
    assert len(caplog.records) == 1
    for word in ("nobody is at home", "tones", "pip install"):
        assert word in caplog.text


def test_data_at_a_path_too_long_for_the_engine_is_reached_by_a_shorter_one(tmp_path, environment):
    program = """if True:
        import os, shutil, sys
        from pathlib import Path
        import espeakng_loader
        far = Path(sys.argv[1], "far" * 30, "away" * 30)
        shutil.copytree(espeakng_loader.get_data_path(), far / "espeak-ng-data")
        espeakng_loader.get_data_path = lambda: str(far / "espeak-ng-data")
        from modelgates_speech.stub.engine import Espeak
        speaker = Espeak()
        # A child that is forked does not take the path away.
        if hasattr(os, "fork"):
            if not (child := os.fork()):
                sys.exit(0)
            os.waitpid(child, 0)
        print(len(speaker.say("Hello world", voice="v", speed=1)))
    """
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=environment | {"TMPDIR": "/tmp"},
        capture_output=True,
        check=True,
        text=True,
    )

    assert int(ended.stdout) == len(Espeak().say("Hello world", voice="v", speed=1))


@pytest.mark.parametrize("name", ["input", "segments"])
def test_of_a_dialogue_the_turns_are_spoken_and_not_who_speaks(name):
    operation = SimpleNamespace(fields={"voice": {}, name: {}}, required={"voice", name})
    turns = [{"speaker": "Ann", "text": "One."}, {"text": ["Two.", {"ssml": "Three."}], "rate": 2}]
    assert spoken({"voice": "a", name: turns}, operation) == "One. Two. Three."
    assert not spoken({"voice": "a", name: []}, operation)


def test_of_a_million_texts_none_is_moved_for_another():
    # Where each moved all that follow it, this would not end before the tests give up.
    said = spoken({"input": ["a"] * 1_000_000}, SimpleNamespace(fields={}, required=set()))
    assert len(said) == 2 * 1_000_000 - 1


WITHOUT_FILES = """
import http.client, io, os
from modelgates_speech.stub import StubServer

def gone(path, *arguments, **options):
    raise FileNotFoundError(2, "there are no files in this test", path)

for module, name in ((os, "stat"), (os, "lstat"), (os, "open"), (io, "open")):
    setattr(module, name, gone)
with StubServer() as stub:
    for path in ("/", "/openapi.json"):
        connection = http.client.HTTPConnection(stub.url.removeprefix("http://"))
        connection.request("GET", path, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        print(answer.status, len(answer.read()) > 1000)
        connection.close()
"""


def test_a_stub_starts_though_a_test_has_put_the_file_system_away():
    """As pyfakefs does."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_FILES], capture_output=True, text=True, check=False
    )
    assert ended.stdout.split() == ["200", "True"] * 2, ended.stderr


class Failing:
    """Says so many sentences, and then fails as programs do that call others."""

    name = "failing"

    def __init__(self, sentences):
        self.left = sentences

    def say(self, text, *, voice, speed):
        self.left -= 1
        if self.left < 0:
            raise ConnectionResetError("the voice has gone")
        return bytes(48_000)


@pytest.mark.parametrize("response_format", ["pcm", "mp3"])
def test_an_engine_that_fails_at_once_is_a_documented_error_that_says_why(caplog, response_format):
    with StubServer(document=REFERENCE, engine=Failing(0)) as stub, connect(stub) as http:
        body = BODY | {"response_format": response_format}
        answer = http.post("/audio/speech", json=body)
        assert stub.last_request.status == answer.status_code == 500
    assert "the voice has gone" in answer.json()["error"]["message"]
    assert [record.exc_info for record in caplog.records] == [None]
    assert "the voice has gone" in caplog.text


def test_an_engine_that_fails_later_cuts_its_answer_and_says_why(caplog):
    with (
        StubServer(document=REFERENCE, engine=Failing(1)) as stub,
        connect(stub) as http,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        http.post("/audio/speech", json=BODY | {"input": "One. Two."})
    assert [record.exc_info for record in caplog.records] == [None]
    assert "the voice has gone" in caplog.text
