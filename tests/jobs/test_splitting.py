"""How a text is cut: nothing lost, at the ends of sentences, in constant memory."""

import itertools
import random
import subprocess
import sys

import pytest

from modelgates_speech import ConfigurationError
from modelgates_speech.jobs.splitting import LOOKAHEAD, MAX_CHARS, RAMP, split
from tests.jobs.conftest import story

ALPHABET = "aB. !?\n\r\t…。\u2028\u00a0\u3000😀é\"'()1-\ud800\u0301\u200d\x00"


def pieces(text, **options):
    return [piece.text for piece in split(text, **options)]


def test_no_character_of_any_text_is_lost_or_moved():
    chance = random.Random(6)
    for _ in range(3000):
        text = "".join(chance.choices(ALPHABET, k=chance.randrange(120)))
        limit = chance.randrange(1, 60)
        found = list(split(text, max_chars=limit))
        assert "".join(piece.text for piece in found) == text
        assert all(0 < len(piece.text) <= limit for piece in found)
        assert [piece.start for piece in found] == [
            0,
            *itertools.accumulate(len(piece.text) for piece in found),
        ][: len(found)]


def test_pieces_end_where_sentences_end():
    found = pieces(story(200))
    assert "".join(found) == story(200)
    assert all(text.endswith("little. ") for text in found)


def test_the_first_pieces_are_small_so_that_the_first_sound_comes_early():
    sizes = [len(text) for text in pieces(story(200))]
    for size, limit in zip(sizes, RAMP, strict=False):
        assert size <= limit
    assert max(sizes) > MAX_CHARS * 0.9


def test_a_small_piece_waits_for_no_more_text_than_shows_where_it_ends():
    text = story(120)
    given = []
    found = split(given.append(letter) or letter for letter in text)
    end = 0
    for limit in RAMP:
        piece = next(found)
        assert len(given) <= end + limit + LOOKAHEAD
        end = piece.end


def test_a_long_first_sentence_is_not_cut_for_being_first():
    sentence = "word " * 100 + "end. "
    assert pieces(sentence + story(5))[0] == sentence


@pytest.mark.parametrize("more", [0, 1, 800])
def test_what_fits_one_piece_and_is_one_sentence_is_not_cut(more):
    sentence = "word " * 40 + "end."
    assert pieces(sentence, max_chars=len(sentence) + more) == [sentence]


def test_what_ends_before_its_paragraph_does_is_followed_by_a_sentence():
    sentence = "word " * 40 + "end. "
    found = list(split(f"{sentence}It goes on.\n\nAnother paragraph."))
    assert [(piece.text, piece.follows) for piece in found] == [
        (sentence, "sentence"),
        ("It goes on.\n\n", "sentence"),
        ("Another paragraph.", "paragraph"),
    ]


def test_as_many_sentences_as_just_fit_make_a_piece():
    two = "It was dark. The wind slept. "
    assert pieces(f"{two}Nobody came.", max_chars=len(two)) == [two, "Nobody came."]


def test_characters_that_no_encoding_has_and_wide_spaces_leave_the_ends_where_they_are():
    first = "It\u00a0was\u00a0dark\u00a0\ud800\ud800 today. "
    assert pieces(f"{first}Nobody came.", max_chars=len(first) + 8) == [first, "Nobody came."]


def test_abbreviations_end_no_sentence():
    text = "It was seen by Dr. Smith of St. Albans at noon. Nobody else saw it."
    assert pieces(text, max_chars=len(text) - 5) == [
        "It was seen by Dr. Smith of St. Albans at noon. ",
        "Nobody else saw it.",
    ]


def test_an_initial_after_a_hard_space_does_not_end_the_process():
    text = "It was seen by Mr.\u00a0B. Smith. " * 20
    assert "".join(pieces(text, max_chars=100)) == text


def test_a_sentence_too_long_for_a_piece_is_cut_between_words():
    assert pieces("one two three four five", max_chars=9) == ["one two ", "three ", "four five"]


def test_a_word_too_long_for_a_piece_is_cut_as_late_as_can_be():
    assert pieces("x" * 25, max_chars=10) == ["x" * 10, "x" * 10, "x" * 5]


@pytest.mark.parametrize("cluster", ["e\u0301", "👩\u200d🚀", "❤\ufe0f"])
def test_what_makes_one_character_to_the_eye_stays_together(cluster):
    text = cluster * 20
    found = pieces(text, max_chars=7)
    assert "".join(found) == text
    assert all(piece == cluster * (len(piece) // len(cluster)) for piece in found)


def test_the_pieces_are_the_same_however_the_text_arrives():
    text = story(120)
    whole = pieces(text)
    assert pieces(iter(text)) == whole
    assert pieces(text[start : start + 777] for start in range(0, len(text), 777)) == whole


MEASURE = """
import tracemalloc
from modelgates_speech.jobs.splitting import split

def novel():
    for number in range(20_000):
        yield f"Sentence number {number} is one that nobody will ever read aloud. "

pieces = split(novel())
characters = len(next(pieces).text)  # the first loads what is loaded once
tracemalloc.start()
characters += sum(len(piece.text) for piece in pieces)
print(characters, tracemalloc.get_traced_memory()[1])
"""


def test_a_million_characters_need_the_memory_of_a_piece():
    # In a process of its own, where no thread of another test is measured along.
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True
    )
    characters, peak = map(int, done.stdout.split())
    assert characters > 1_000_000
    assert peak < 200_000


@pytest.mark.parametrize("text", ["", [], [""]])
def test_an_empty_text_has_no_pieces(text):
    assert pieces(text) == []


TWO = "One. Two."


@pytest.mark.parametrize("parts", [[None, TWO], [TWO, None], ["One. ", None, None, "Two."]])
def test_a_part_without_text_ends_no_text(parts):
    assert [piece.text for piece in split(parts)] == [TWO]


def test_bytes_are_refused_with_what_was_received():
    with pytest.raises(ConfigurationError, match="bytes"):
        list(split([b"not text"]))


@pytest.mark.parametrize(
    ("module", "missing"), [("regex", "regex"), ("sentencex", "sentencex"), ("regex", "its_own")]
)
def test_what_is_not_installed_is_told_with_how_to_install_it(
    monkeypatch, tmp_path, module, missing
):
    # One that is there may need another that is not.
    (tmp_path / f"{module}.py").write_text("import its_own")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module, raising=False)
    if module == missing:
        monkeypatch.setitem(sys.modules, module, None)
    told = rf'^a long text needs {missing}, which is not installed: pip install "\S+\[jobs\]"$'
    with pytest.raises(ConfigurationError, match=told):
        split("Hello")


def test_what_is_installed_and_does_not_load_says_why(monkeypatch, tmp_path):
    (tmp_path / "regex.py").write_text("raise ImportError('libits.so.1: cannot open', name='its')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "regex", raising=False)
    with pytest.raises(ConfigurationError, match=r"needs regex, .* load: libits\.so\.1"):
        split("Hello")


def test_a_limit_below_one_is_refused_before_anything_is_read():
    with pytest.raises(ConfigurationError, match="max_chars"):
        split(iter("x"), max_chars=0)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("One two. Three four. ---", 21, ["One two. ", "Three four. ---"]),
        ("one two three ---", 14, ["one two ", "three ---"]),
        ("x" * 8 + "-" * 4, 10, ["x" * 7, "x----"]),
        # Too much of it for that: nothing is taken from the sentence before.
        ("One two. " + "-" * 300, 10, ["One two. ", *["-" * 10] * 30]),
    ],
    ids=["sentences", "words", "letters", "too much"],
)
def test_what_cannot_be_spoken_at_the_end_goes_with_what_is_before_it(text, limit, expected):
    assert pieces(text, max_chars=limit) == expected


def test_lines_without_full_stops_are_cut_between_lines():
    lines = [f"and so the wind goes round the hill {n}\n" for n in range(60)]
    pieces = [piece.text for piece in split("".join(lines))]
    assert "".join(pieces) == "".join(lines)
    assert all(piece.endswith("\n") for piece in pieces)
    assert len(pieces[0]) <= 150


def test_lines_that_are_long_for_a_first_piece_are_cut_between_lines_all_the_same():
    lines = [f"{'and so the wind goes round the hill ' * 6}{n}\n" for n in range(10)]
    pieces = [piece.text for piece in split("".join(lines), at=())]
    assert "".join(pieces) == "".join(lines)
    assert all(piece.endswith("\n") for piece in pieces)
    assert pieces[0] == lines[0]
