"""A text of any length as pieces that are spoken one by one. No I/O, constant memory.

The pieces joined are the text, and they are the same however the text arrives: each is chosen
by what follows its start alone, so that a run that resumes asks for the same pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain, repeat

import attrs

from modelgates_speech.arguments import explained
from modelgates_speech.config import MAX_CHARS, checked_count, in_short, installed
from modelgates_speech.errors import ArgumentError, ConfigurationError
from modelgates_speech.jobs.layout import LINE_END, Kind, borders, strongest

Segment = Callable[[str], list[str]]

# Limits of the first pieces: the first sound waits for no more than a sentence or two, and each
# later piece is ready before those ahead of it have been played.
RAMP = (150, 300, 600)

# What a border is told from, beyond the longest piece: the word that follows, or the heading.
LOOKAHEAD = 100

# In Chinese and Japanese a comma stands where other scripts have a space.
_CLAUSE_END = re.compile("[\u3001\uff0c\uff1a\uff1b]\\s*")
_WORD_END = re.compile(r"[\s\u200b]+")
_WIDE_SPACE = re.compile(r"[^\S\x00-\x7f]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@attrs.frozen
class Piece:
    """A part of the text, spoken by one request.

    Attributes:
        text: The part itself, white space at its ends included.
        start: The offset of its first character in the whole text.
        follows: What ended before it: a ``sentence`` (or a part of one), a ``paragraph``, or a
            ``heading`` (or a rule is between the two, or this piece is itself a heading).

    Examples:
        >>> [(piece.start, piece.end) for piece in split("One. Two.", max_chars=5)]
        [(0, 5), (5, 9)]
    """

    text: str
    start: int
    follows: Kind = "sentence"

    @property
    def end(self) -> int:
        """The offset after its last character."""
        return self.start + len(self.text)

    @property
    def silent(self) -> bool:
        """Whether there is nothing to say in it: neither a letter nor a digit of any script."""
        return not _speakable(self.text)


@explained("split")
def split(
    text: str | Iterable[str],
    *,
    max_chars: int = MAX_CHARS,
    language: str = "en",
    at: Collection[Kind] = ("paragraph", "heading"),
) -> Iterator[Piece]:
    """Cut a text at the ends of sentences into pieces that, joined, are the text again.

    No piece goes on after the end of a paragraph, or into or past a heading: a short paragraph that
    does not end like a sentence, or one that begins with ``#``. A paragraph ends with a blank line,
    or with its line, if the text has no blank lines, but lines too long to have been wrapped.

    A sentence that is too long is cut at commas if those end words (Chinese, Japanese), or between
    words. A word that is too long is cut between grapheme clusters: never between a letter and its
    accent, or an emoji and its colour. What has neither letter nor digit (a rule, a row of dashes)
    goes with what is beside it, because providers refuse to speak it alone. Beyond what it is
    given, this holds little more than one piece in memory.

    Args:
        text: The text, whole or in parts of any size; None is a part without text.
        max_chars: The most characters of a piece, 1 or more.
        language: ISO 639-1 code, for abbreviations and punctuation.
        at: What always ends a piece.

    Raises:
        ConfigurationError: If `max_chars` is below 1, a part is not a string, or ``sentencex``
            is not installed.

    Examples:
        >>> [piece.text for piece in split("One. Two.", max_chars=5)]
        ['One. ', 'Two.']
    """
    max_chars = checked_count(max_chars, "max_chars")
    if not isinstance(language, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(f"language must be a code such as 'en', not {in_short(language)}")
    if isinstance(text, bytes) or not isinstance(text, Iterable):
        raise ConfigurationError(f"input must be text or an iterable of texts, not {type(text)!r}")
    parts = iter((text,) if isinstance(text, str) else text)
    sentencex, regex = (installed(name, "a long text", "jobs") for name in ("sentencex", "regex"))
    segment = partial(sentencex.segment, language)
    return _pieces(parts, max_chars, at, segment, regex.compile(r"\X"))


def _pieces(
    parts: Iterator[object],
    max_chars: int,
    at: Collection[Kind],
    segment: Segment,
    graphemes: re.Pattern[str],
) -> Iterator[Piece]:
    parts = (part for part in parts if part is not None)  # as streams have it now and then
    buffer, start, used = "", 0, 0
    follows: Kind = "sentence"
    for preferred in (min(size, max_chars) for size in chain(RAMP, repeat(max_chars))):
        window, size = "", 0
        ending: Kind = "sentence"
        # Further than a small piece only if no sentence ends in it: what follows may not be there.
        for most in (preferred, max_chars):
            while len(buffer) - used < most + LOOKAHEAD:
                part = next(parts, None)
                if part is None:
                    break
                if not isinstance(part, str):
                    raise ConfigurationError(f"input must consist of strings, not {type(part)!r}")
                buffer, used = buffer[used:] + part, 0
            window = buffer[used : used + most + LOOKAHEAD]
            if not window:
                return
            for border in borders(window, at, whole=len(window) < most + LOOKAHEAD):
                if border.stop == 0:
                    follows = strongest(follows, border.kind)
                    if border.cut <= max_chars // 2:
                        continue
                    # Blank pages: with them no whole word would fit.
                    window = window[: min(border.cut, most)]
                elif border.stop <= most:
                    ending = border.kind
                    window = window[: border.cut if border.cut <= most else border.stop]
                break
            if size := _length(window, preferred, most, max_chars, segment, graphemes):
                break
        piece = Piece(window[:size], start, follows)
        yield piece
        start += size
        used += size
        # What lies between two pieces may be too long for one, and is then a silent one itself.
        ending = ending if size == len(window) else "sentence"
        follows = strongest(ending, follows if piece.silent else "sentence")


def _length(
    window: str,
    preferred: int,
    most: int,
    max_chars: int,
    segment: Segment,
    graphemes: re.Pattern[str],
) -> int:
    """How many characters of `window`, `most` of them, make the next piece; 0 if more may tell.

    Its end alone may be the text's.
    """
    if len(window) <= preferred:
        return len(window)
    whole = {match.end() for match in graphemes.finditer(window)}
    # Where the window is not full, the text ends with it.
    ends_here = len(window) < most + LOOKAHEAD

    def fits(end: int) -> bool:
        left, rest = window[:end], window[end:]
        told = not rest or not ends_here or _speakable(rest)
        return end in whole and end <= most and told and _speakable(left)

    *borders, _ = _sentence_ends(window, segment)
    if len(window) <= most:
        borders.append(len(window))
    borders = [end for end in borders if fits(end)]
    # A first piece of one long sentence is better than half a sentence sooner.
    best = max((end for end in borders if end <= preferred), default=0)
    if best or borders or most < max_chars:
        return best or min(borders, default=0)
    for mark, soon in ((_CLAUSE_END, max_chars), (LINE_END, preferred), (_WORD_END, max_chars)):
        if ends := [m.end() for m in mark.finditer(window) if fits(m.end())]:
            return max((end for end in ends if end <= soon), default=min(ends))
    within = [end for end in whole if end <= max_chars]
    return max(filter(fits, within), default=0) or max(within, default=max_chars)


def _speakable(text: str) -> bool:
    return any(map(str.isalnum, text))


def _sentence_ends(window: str, segment: Segment) -> list[int]:
    # sentencex 1.0 panics on an initial after white space of several bytes ("Mr.\u00a0B."), and
    # refuses lone surrogates; one character for another leaves the borders where they are.
    plain = _LONE_SURROGATE.sub("?", _WIDE_SPACE.sub(" ", window))
    ends: list[int] = []
    for sentence in segment(plain):
        ends.append((ends[-1] if ends else 0) + len(sentence))
    return ends
