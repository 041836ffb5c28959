"""A book sounds like one: silence at sentences, paragraphs and headings, and where pieces begin."""

import itertools
import re
import statistics
from array import array
from fractions import Fraction

import miniaudio
import pytest

from modelgates_speech import AudioMetadata, ConfigurationError, ModelGates
from modelgates_speech.jobs import NarrationProgress
from modelgates_speech.jobs.joining import Joiner
from modelgates_speech.stub import StubServer
from tests.edition import SPEAKER, needs_mp3, needs_pcm, needs_text
from tests.jobs.conftest import spelled

pytestmark = needs_text

RATE = 24_000
BETWEEN_SENTENCES = 0.3

SENTENCES = " ".join(f"This is the sentence of number {n}, and it says little." for n in range(9))
BOOK = "".join(
    f"Chapter {chapter}\n\n" + f"{SENTENCES}\n\n“{SENTENCES}”\n\n" * 6 for chapter in range(1, 10)
)


class Reader:
    """An engine that says a letter in a millisecond, and rests after each sentence."""

    name = "reader"

    def say(self, text, *, voice, speed):
        letters = array("h", [1000]) * (RATE // 1000 * len(text))
        return letters.tobytes() + bytes(2 * round(BETWEEN_SENTENCES * RATE))


@pytest.fixture(scope="module")
def reader():
    with StubServer(engine=Reader()) as server:
        yield server


def silences(samples, quiet=0, shortest=0.1):
    """The seconds at which silence begins and for how long it lasts."""
    loud = b"".join(b"x" if abs(sample) > quiet else b"." for sample in samples)
    return [
        (found.start() / RATE, len(found[0]) / RATE)
        for found in re.finditer(rb"\.{%d,}" % (shortest * RATE), loud)
    ]


def narrated(server, text, **options):
    """The samples of a narration, and what its progress told."""
    said = []
    with ModelGates(base_url=server.base_url, api_key=server.api_key) as client:
        audio = client.audio.speech.narrate(
            input=text, on_progress=said.append, **SPEAKER | options
        ).read()
    return audio, said


def lengths_by_kind(samples, said, **options):
    """The silence before each piece, by what it follows; and within pieces."""
    found = {"within": [], "sentence": [], "paragraph": [], "heading": []}
    for start, length in silences(samples, **options):
        end = start + length + 0.001
        kinds = [done.piece.follows for done in said[1:] if start < done.begins <= end]
        found[kinds[0] if kinds else "within"].append(length)
    return found


@needs_pcm
def test_fifty_thousand_characters_pause_at_paragraphs_and_longer_at_headings(reader):
    assert len(BOOK) > 50_000
    audio, said = narrated(reader, BOOK)
    found = lengths_by_kind(array("h", audio.content), said)
    rest = BETWEEN_SENTENCES
    # The last one ends the book.
    sentences = 9 * 12 * (9 - 1) + 1
    assert found["within"] + found["sentence"] == pytest.approx([rest] * sentences)
    assert found["paragraph"] == pytest.approx([rest + 0.6] * 9 * 11)
    assert found["heading"] == pytest.approx([rest + 1.5] * (9 + 8))


@needs_pcm
def test_a_real_voice_rests_longest_at_headings_and_longer_at_paragraphs_than_at_sentences():
    text = "".join(f"Chapter {n}\n\n" + "The wind slept. It was dark.\n\n" * 3 for n in range(3))
    with StubServer() as server:
        audio, said = narrated(server, text)
    found = lengths_by_kind(array("h", audio.content), said, quiet=60)
    added = {
        (after.piece.follows, round(after.begins - before.seconds, 3))
        for before, after in itertools.pairwise(said)
    }
    assert added == {("heading", 1.5), ("paragraph", 0.6)}
    sentences = max([0, *found["within"], *found["sentence"]])
    assert sentences + 0.1 < min(found["paragraph"])
    assert max(found["paragraph"]) + 0.5 < min(found["heading"])
    assert (len(found["paragraph"]), len(found["heading"])) == (6, 5)


@needs_pcm
def test_pauses_are_as_long_as_asked_for_sync_and_async(api):
    text = "Chapter one\n\nIt was dark.\n\nThe wind slept.\n\n"
    content = api.narrate(text, paragraph_pause=0.25, heading_pause=2).content
    said = content.replace(bytes(2), b"").decode("utf-16-le")
    assert said == "Chapterone" + "Itwasdark." + "Thewindslept."
    assert len(content) == 2 * (len(said) + 2.25 * RATE)
    assert not content.endswith(bytes(2))
    own = {"paragraph_pause": Fraction(1, 4), "heading_pause": Fraction(2)}
    assert api.narrate(text, **own).content == content


@needs_pcm
def test_without_pauses_one_request_speaks_several_paragraphs(api, stub):
    text = "Chapter one\n\nIt was dark.\n\nThe wind slept."
    content = api.narrate(text, paragraph_pause=0, heading_pause=0).content
    assert spelled(content) == "".join(text.split())
    assert len(stub.requests) == 1
    api.narrate(text, paragraph_pause=0)
    assert [request.body["input"] for request in stub.requests[1:]] != [text]
    assert len(stub.requests) == 3
    api.narrate(text, heading_pause=0)
    assert len(stub.requests) == 6


@pytest.mark.parametrize("wrong", [True, -0.1, 61, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["paragraph_pause", "heading_pause"])
def test_a_pause_that_cannot_be_is_refused_before_anything_is_sent(api, stub, name, wrong):
    with pytest.raises(ConfigurationError, match=f"{name} must be 0 to 60 seconds"):
        api.narrate("Hello.", **{name: wrong})
    stub.assert_not_called()


@needs_mp3
def test_an_mp3_rests_too_and_an_independent_decoder_hears_it(reader):
    text = f"Chapter one\n\n{SENTENCES}\n\nThe wind slept."
    audio, said = narrated(reader, text, response_format="mp3")
    heard = miniaudio.decode(audio.content, nchannels=1, sample_rate=RATE)
    assert heard.num_frames / RATE == pytest.approx(said[-1].seconds, abs=0.001)
    assert audio.duration == pytest.approx(said[-1].seconds)
    longest = sorted((length for _, length in silences(heard.samples, quiet=30)), reverse=True)
    # A frame holds 24 ms, and an encoder adds some at both ends of a piece.
    assert longest[0] == pytest.approx(BETWEEN_SENTENCES + 1.5, abs=0.15)
    assert longest[1] == pytest.approx(BETWEEN_SENTENCES + 0.6, abs=0.15)
    assert statistics.median(longest[2:]) == pytest.approx(BETWEEN_SENTENCES, abs=0.05)


@needs_pcm
def test_a_text_that_begins_with_a_rule_does_not_begin_with_silence(api):
    said = []
    content = api.narrate("\n\n* * *\n\nHello there.\n\n", on_progress=said.append).content
    assert content.replace(bytes(2), b"") == content
    assert [(done.begins, done.seconds) for done in said] == [(0, len(content) / 2 / RATE)]


def test_a_silent_frame_has_no_checksum_and_no_padding_even_where_the_first_frame_has():
    spoken = bytes([0xFF, 0xFA, 0x92, 0xC0])  # MPEG 1, with a checksum, 128 kbit/s, padded, mono
    joiner = Joiner()
    joiner.begin(AudioMetadata(format="mp3"))
    joiner.feed(spoken.ljust(418, b"x") * 3)
    joiner.end()
    before = joiner.seconds
    silent = joiner.silence(0.1)
    assert silent == bytes([0xFF, 0xFB, 0x90, 0xC0]).ljust(417, b"\0") * 4
    assert joiner.seconds - before == pytest.approx(4 * 1152 / 44_100)


@needs_pcm
def test_progress_tells_where_in_the_audio_each_piece_begins(api):
    text = "Chapter one\n\nIt was dark.\n\nThe wind slept.\n\n"
    said = []
    content = api.narrate(text, on_progress=said.append).content
    assert all(isinstance(done, NarrationProgress) for done in said)
    assert [done.piece.follows for done in said] == ["sentence", "heading", "paragraph"]
    assert text == "".join(done.piece.text for done in said)
    for done in said:
        first, last = round(done.begins * RATE), round(done.seconds * RATE)
        heard = spelled(content[2 * first : 2 * last])
        assert heard == "".join(done.piece.text.split())
        assert text[done.piece.start : done.characters] == done.piece.text
