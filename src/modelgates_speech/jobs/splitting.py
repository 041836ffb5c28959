"""A text of any length as pieces that are spoken one by one. No I/O, constant memory.

The pieces joined are the text, and they are the same however the text arrives: each is chosen
by what follows its start alone, so that a run that resumes asks for the same pieces.
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from itertools import chain, repeat
from typing import TYPE_CHECKING

import attrs

from modelgates_speech.config import MAX_CHARS
from modelgates_speech.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Segment = Callable[[str, str], list[str]]

# Limits of the first pieces: the first sound waits for no more than a sentence or two, and each
# later piece is ready before those ahead of it have been played.
RAMP = (150, 300, 600)

# What a sentence border is told from, beyond the longest piece: the word that follows it.
LOOKAHEAD = 100

_WORD_END = re.compile(r"\s+")
_WIDE_SPACE = re.compile(r"[^\S\x00-\x7f]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@attrs.frozen
class Piece:
    """A part of the text, spoken by one request.

    Attributes:
        text: The part itself, white space at its ends included.
        start: The offset of its first character in the whole text.
    """

    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset after its last character."""
        return self.start + len(self.text)

    @property
    def silent(self) -> bool:
        """Whether there is nothing to say in it."""
        return not self.text.strip()


def split(
    text: str | Iterable[str], *, max_chars: int = MAX_CHARS, language: str = "en"
) -> Iterator[Piece]:
    """Cut a text at the ends of sentences into pieces that joined are the text again.

    A sentence too long for a piece is cut between words, a word too long between characters.
    Beyond what it is given, this holds little more than one piece in memory.

    Args:
        text: The text, whole or in parts of any size.
        max_chars: The most characters of a piece, 1 or more.
        language: ISO 639-1 code, for abbreviations and punctuation.

    Raises:
        ConfigurationError: If `max_chars` is below 1, a part is not a string, or ``sentencex``
            is not installed.
    """
    if max_chars < 1:
        raise ConfigurationError(f"max_chars must be 1 or more, not {max_chars}")
    return _pieces(iter((text,) if isinstance(text, str) else text), max_chars, language, _load())


def _pieces(
    parts: Iterator[object], max_chars: int, language: str, segment: Segment
) -> Iterator[Piece]:
    buffer, start, used = "", 0, 0
    for preferred in chain(RAMP, repeat(max_chars)):
        while len(buffer) - used < max_chars + LOOKAHEAD:
            part = next(parts, None)
            if part is None:
                break
            if not isinstance(part, str):
                raise ConfigurationError(f"input must consist of strings, not {type(part)!r}")
            buffer, used = buffer[used:] + part, 0
        window = buffer[used : used + max_chars + LOOKAHEAD]
        if not window:
            return
        size = _length(window, min(preferred, max_chars), max_chars, language, segment)
        yield Piece(window[:size], start)
        start += size
        used += size


def _length(window: str, preferred: int, max_chars: int, language: str, segment: Segment) -> int:
    """How many characters of `window` make the next piece; its end alone may be the text's."""
    if len(window) <= preferred:
        return len(window)
    *borders, _ = _sentence_ends(window, language, segment)
    if len(window) <= max_chars:
        borders.append(len(window))
    # A first piece of one long sentence is better than half a sentence sooner.
    best = max((end for end in borders if end <= preferred), default=0)
    best = best or min((end for end in borders if end <= max_chars), default=0)
    return best or _word_end(window, max_chars) or _character_end(window, max_chars)


def _sentence_ends(window: str, language: str, segment: Segment) -> list[int]:
    # sentencex 1.0 panics on an initial after white space of several bytes ("Mr.\u00a0B."), and
    # refuses lone surrogates; one character for another leaves the borders where they are.
    plain = _LONE_SURROGATE.sub("?", _WIDE_SPACE.sub(" ", window))
    ends: list[int] = []
    for sentence in segment(language, plain):
        ends.append((ends[-1] if ends else 0) + len(sentence))
    return ends


def _word_end(window: str, limit: int) -> int:
    ends = (min(space.end(), limit) for space in _WORD_END.finditer(window[:limit]))
    return max(ends, default=0)


def _character_end(window: str, limit: int) -> int:
    """A place up to `limit` that parts no letter from its accent and no emoji from its like."""
    for end in range(limit, max(limit - 32, 0), -1):
        before, after = window[end - 1], window[end : end + 1]
        if not (before == "\u200d" or (after and _clings(after))):
            return end
    return limit


def _clings(character: str) -> bool:
    return character in "\u200d\ufe0e\ufe0f" or unicodedata.combining(character) > 0


def _load() -> Segment:
    try:
        # It has no types; what is relied on is said here.
        segment: Segment = importlib.import_module("sentencex").segment
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "long texts need sentencex, which is not installed: "
            "pip install 'modelgates-speech[jobs]'"
        ) from error
    return segment
