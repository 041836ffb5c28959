"""What of a text is a paragraph and what a heading, as its line breaks say."""

import random

import pytest

from modelgates_speech.jobs import split
from tests.jobs.conftest import story

LONG = "It was dark and the wind slept, and nobody had gone out since noon, they said. " * 2


def follows(text, **options):
    return [(piece.text.strip(), piece.follows) for piece in split(text, **options)]


def kinds(text, **options):
    return [piece.follows for piece in split(text, **options)]


@pytest.mark.parametrize(
    "gap", ["\n\n", "\r\n\r\n", "\r\r", "\n \t\n", "\n\n\n\n", "\n\u3000\n", "\u2029", "\u2028\n"]
)
def test_a_paragraph_ends_with_a_blank_line_whatever_its_line_breaks(gap):
    text = f"It was dark.{gap}The wind slept.{gap}"
    assert follows(text) == [("It was dark.", "sentence"), ("The wind slept.", "paragraph")]


@pytest.mark.parametrize("wrapped", ["\n", "\r\n", "\r", "\n    "])
def test_a_line_that_was_wrapped_ends_nothing(wrapped):
    assert kinds(f"It was dark.{wrapped}The wind slept,{wrapped}and so did we.") == ["sentence"]


def test_each_line_is_a_paragraph_where_none_is_blank_and_lines_are_longer_than_wrapped():
    text = f"Chapter 1\n{LONG}\n“No.”\n{LONG}\n"
    assert kinds(text) == ["sentence", "heading", "paragraph", "paragraph"]


@pytest.mark.parametrize(
    "heading",
    [
        "Chapter 1",
        "CHAPTER I.",
        "CHAPTER I.\nThe Period",
        "IV.",
        "Chapter 12.",
        "3",
        "Kapitel 3: Die Reise",
        "第一章　开端",
        "अध्याय १",
        "# What is money?",
        "## It ends.",
        "A Title\n=======",
        "**The Wind**",
        "“The Wind”",
        "Prologue (continued)",
    ],
)
def test_a_short_paragraph_that_ends_as_no_sentence_does_is_a_heading(heading):
    text = f"It was dark.\n\n{heading}\n\nThe wind slept."
    assert follows(text) == [
        ("It was dark.", "sentence"),
        (heading, "heading"),
        ("The wind slept.", "heading"),
    ]


@pytest.mark.parametrize(
    "paragraph",
    [
        "“Yes,” he said.",
        "“NO!”",
        "Why?",
        "好。",
        "वह गया।",
        "Dear Sir,",
        "They were these:",
        "“I never —”",
        "- Milk",
        "* Eggs",
        "It was dark. " * 7,
        "One\nTwo\nThree",
    ],
)
def test_what_ends_as_sentences_do_or_is_long_or_in_a_list_is_none(paragraph):
    text = f"It was dark.\n\n{paragraph}\n\nThe wind slept."
    assert kinds(text) == ["sentence", "paragraph", "paragraph"]


@pytest.mark.parametrize("rule", ["* * *", "---", "⁂", "***\n"])
def test_a_rule_parts_as_a_heading_does_and_is_never_a_piece(rule):
    found = follows(f"It was dark.\n\n{rule}\n\nThe wind slept.")
    assert [kind for _, kind in found] == ["sentence", "heading"]
    assert found[-1] == ("The wind slept.", "heading")


def test_only_what_is_asked_for_ends_a_piece():
    text = "Chapter 1\n\nIt was dark.\n\nThe wind slept."
    assert kinds(text, at=()) == ["sentence"]
    assert kinds(text, at=["heading"]) == ["sentence", "heading"]
    assert kinds(text, at=["paragraph"]) == ["sentence", "paragraph", "paragraph"]


@pytest.mark.parametrize("sentences", [8, 100])
def test_a_long_paragraph_is_cut_at_sentences_and_the_next_one_still_follows_a_paragraph(sentences):
    found = kinds(f"{story(sentences)}\n\nThe wind slept.")
    assert len(found) > 2
    assert set(found[:-1]) == {"sentence"}
    assert found[-1] == "paragraph"


@pytest.mark.parametrize("end", [".", ""])
def test_a_paragraph_that_just_fits_is_not_cut_for_the_blank_line_after_it(end):
    paragraph = f"Nobody had gone out since noon, and nobody wanted to{end}"
    found = follows(f"{paragraph}\n\n\nThe wind slept.", max_chars=len(paragraph))
    assert [text for text, _ in found] == [paragraph, "The wind slept."]
    assert found[1][1] == ("paragraph" if end else "heading")
    text = f"{paragraph}\n\n\nThe wind slept."
    assert next(split(text, max_chars=len(paragraph) + 3)).text == f"{paragraph}\n\n\n"


@pytest.mark.parametrize("limit", range(60, 100))
def test_a_border_is_found_wherever_a_piece_has_to_end(limit):
    text = f"{'It was dark. ' * 20}\n\n \n\nChapter 2\n\nThe wind slept."
    assert kinds(text, max_chars=limit)[-2:] == ["heading", "heading"]


def test_a_border_is_found_behind_white_space_that_no_piece_holds():
    text = f"It was dark.{' ' * 300}\n\nChapter 2\n\nThe wind slept."
    assert kinds(text, max_chars=100)[-2:] == ["heading", "heading"]


@pytest.mark.parametrize(("lines", "spoken"), [(6, True), (7, False)])
def test_blank_lines_belong_to_what_follows_if_that_has_half_a_piece_left(lines, spoken):
    first = next(split("\n" * lines + "Nobody came.", max_chars=12))
    assert first.silent is not spoken


def test_blank_pages_part_what_they_are_between():
    found = list(split("One.\n\n" + " \n" * 3000 + "Two."))
    assert found[0].text == "One."
    spoken = [piece for piece in found if not piece.silent]
    assert [(piece.text.strip(), piece.follows) for piece in spoken] == [
        ("One.", "sentence"),
        ("Two.", "paragraph"),
    ]


def test_borders_are_the_same_however_the_text_arrives():
    chance = random.Random(4)
    text = "".join(
        chance.choice(["Chapter 3\n\n", "It was dark. ", "“No.”\n\n", "\n* * *\n\n", LONG + "\n"])
        for _ in range(300)
    )
    whole = list(split(text, max_chars=300))
    for size in (1, 7, 500):
        parts = (text[start : start + size] for start in range(0, len(text), size))
        assert list(split(parts, max_chars=300)) == whole
