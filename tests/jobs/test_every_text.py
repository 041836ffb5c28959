"""Whatever the text, its pieces joined are the text, and each can be spoken."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from modelgates_speech.jobs import split

SCRIPTS = {
    "Arabic": "كان الليل مظلما. لم يخرج أحد. ",
    "Armenian": "Գիշերը մութ էր։ Ոչ ոք դուրս չեկավ։ ",
    "Bengali": "রাত ছিল অন্ধকার। কেউ বাইরে যায়নি। ",
    "Chinese": "夜很黑，风很大，没有人出门，大家都睡了。",
    "Cyrillic": "Была тёмная ночь. Никто не вышел. ",
    "Devanagari": "रात अँधेरी थी। कोई बाहर नहीं गया। ",
    "Ethiopic": "ሌሊቱ ጨለማ ነበር። ማንም አልወጣም። ",
    "Georgian": "ღამე ბნელი იყო. არავინ გასულა. ",
    "Greek": "Η νύχτα ήταν σκοτεινή. Κανείς δεν βγήκε. ",
    "Gujarati": "રાત અંધારી હતી. કોઈ બહાર ગયું નહીં. ",
    "Hangul": "밤은 어두웠다. 아무도 나가지 않았다. ",
    "Hebrew": "הלילה היה חשוך. איש לא יצא. ",
    "Japanese": "夜は暗く、風は強く、誰も外に出なかった。",
    "Kannada": "ರಾತ್ರಿ ಕತ್ತಲಾಗಿತ್ತು. ಯಾರೂ ಹೊರಗೆ ಹೋಗಲಿಲ್ಲ. ",
    "Khmer": "យប់ងងឹត។ គ្មាននរណាចេញទៅក្រៅទេ។ ",
    "Latin": "Cafe\u0301 was closed. Nobody had gone out. ",
    "Malayalam": "രാത്രി ഇരുണ്ടതായിരുന്നു. ആരും പുറത്തുപോയില്ല. ",
    "Tamil": "இரவு இருட்டாக இருந்தது. யாரும் வெளியே போகவில்லை. ",
    "Telugu": "రాత్రి చీకటిగా ఉంది. ఎవరూ బయటకు వెళ్ళలేదు. ",
    "Thai": "คืนนั้นมืด\u200bไม่มีใครออกไป\u200b",
    "emoji": "Hello 👍🏽 and 👨‍👩‍👧‍👦 and 🇩🇪! ",
    "markup": "# A title\n\n* * *\n\n- one\n- two\n\n---\n\n",
    "poetry": "Tyger Tyger, burning bright,\n  In the forests of the night;\n\n",
    "table": "| a | b |\n| --- | --- |\n| 1 | 2 |\n",
}


def speakable(text):
    return any(character.isalnum() for character in text)


def check(text, limit, *, always=True):
    pieces = [piece.text for piece in split(text, max_chars=limit)]
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces)
    if always and speakable(text):
        assert all(map(speakable, pieces)), pieces
    ends = {match.end() for match in regex.finditer(r"\X", text)}
    at = 0
    for piece in pieces:
        at += len(piece)
        assert at in ends, (piece, at)


@pytest.mark.parametrize("limit", [60, 101, 1000])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_text_in_any_script_is_cut_where_it_may_be(script, limit):
    check(SCRIPTS[script] * 60, limit)


def test_a_rule_between_paragraphs_goes_with_one_of_them():
    text = "A" + "a" * 148 + ". \n\n* * *\n\nWhile " + "and on " * 60 + "."
    check(text, 1000)


def test_a_hand_keeps_its_colour():
    pieces = [piece.text for piece in split("👍🏽" * 150, max_chars=101)]
    assert "".join(pieces) == "👍🏽" * 150
    assert all(len(piece) % 2 == 0 for piece in pieces)


def test_japanese_is_cut_at_a_comma_before_anywhere_else():
    text = "夜は暗く、風は強く、" * 60
    pieces = [piece.text for piece in split(text, max_chars=100)]
    assert "".join(pieces) == text
    assert all(piece.endswith("、") for piece in pieces)


FRAGMENTS = st.sampled_from(
    [*SCRIPTS.values(), "\n\n", "* * *", "-----", "\u200b", "Mr. ", "\u0301", "🏽", "\r\n", "…"]
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=30)), max_size=20), st.integers(80, 300))
def test_any_text_comes_out_as_it_went_in(parts, limit):
    text = "".join(parts)
    # A run without a letter that is longer than a piece cannot be spoken at all.
    longest = max((len(run) for run in regex.split(r"[\p{L}\p{N}]", text)), default=0)
    check(text, limit, always=longest < limit // 2)
