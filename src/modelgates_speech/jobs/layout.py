"""What the line breaks of a text say: where paragraphs end, and which of them are headings. No I/O.

A paragraph ends with a blank line. Where a text has none and its lines are longer than anybody
wraps them, each line is a paragraph.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal, get_args

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# In the order of the pauses that they ask for.
Kind = Literal["sentence", "paragraph", "heading"]

# In characters: a heading is no longer, and no line that was wrapped is.
LONGEST_HEADING = 80
LONGEST_WRAPPED = 120

_BREAKS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
LINE_END = re.compile(f"(?>\r\n|[{_BREAKS}])")
_BLANK_LINE = re.compile(rf"{LINE_END.pattern}\s*{LINE_END.pattern}|\u2029")
_LONG_LINE = re.compile(f"[^{_BREAKS}]{{{LONGEST_WRAPPED + 1},}}")
_UNSPEAKABLE = re.compile(r"[\W_]*")
_BULLETS = set("-*+\u2022\u2013\u2014")
_NUMBERED = re.compile(r"(\w+\s+)?(\d+|[IVXLCDM]+)")


@attrs.frozen
class Border:
    """Where a paragraph ends.

    Attributes:
        stop: The offset of the line break that ends it.
        cut: The offset after the last line break before the next.
        kind: ``paragraph``; ``heading`` where one of the two is one, or a rule is between them.
    """

    stop: int
    cut: int
    kind: Kind


@attrs.frozen
class _Paragraph:
    """The offsets of a paragraph: of what can be spoken in it, of its end and of the next line."""

    start: int
    end: int
    stop: int
    cut: int

    def is_heading(self, text: str) -> bool:
        """Whether it is short and does not end as a sentence does."""
        said = text[self.start : self.end]
        if not 0 < len(said) <= LONGEST_HEADING or len(LINE_END.findall(said)) > 1:
            return False
        before = LINE_END.split(text[max(0, self.start - LONGEST_HEADING) : self.start])[-1]
        if before.strip()[:1] == "#" or before.strip() in _BULLETS:
            return before.strip()[0] == "#"
        after = LINE_END.split(text[self.end : self.stop])[0].strip()
        if after == ".":
            return said.isupper() or _NUMBERED.fullmatch(said) is not None
        return not any(unicodedata.category(sign) in ("Po", "Pd") for sign in after.strip("*\"'"))

    def ends_with_a_rule(self, text: str) -> bool:
        """Whether signs stand alone on a line after it."""
        return any(line.strip() for line in LINE_END.split(text[self.end : self.cut])[1:])


def strongest(*kinds: Kind) -> Kind:
    """The one of `kinds` that asks for the longest pause."""
    return max(kinds, key=get_args(Kind).index)


def borders(text: str, at: Collection[Kind], *, whole: bool) -> Iterator[Border]:
    """The ends of paragraphs in `text`, which is the `whole` of it or what is known so far.

    A heading is a paragraph where that alone is asked for.
    """
    found = list(_paragraphs(text, whole=whole)) if at else []
    for index, one in enumerate(found):
        headed = any(near.is_heading(text) for near in found[index : index + 2])
        kind: Kind = "heading" if headed or one.ends_with_a_rule(text) else "paragraph"
        if kind not in at:
            kind = "paragraph"
        if kind in at and one.cut > one.stop:
            yield Border(one.stop, one.cut, kind)


def _paragraphs(text: str, *, whole: bool) -> Iterator[_Paragraph]:
    """Those that end in `text`; one that was begun before it begins with it."""
    mark = _BLANK_LINE
    if not mark.search(text) and _LONG_LINE.search(text):
        mark = LINE_END
    start = _next(text, 0)
    if mark.search(text, 0, start):
        ends = [found.end() for found in LINE_END.finditer(text, 0, start)]
        yield _Paragraph(0, 0, 0, ends[-1])
    for found in mark.finditer(text, start):
        if found.start() < start:
            continue
        after = _next(text, found.end())
        if whole and after == len(text):
            break
        end = next(at for at in range(found.start(), start, -1) if text[at - 1].isalnum())
        cut = max(each.end() for each in LINE_END.finditer(text, found.start(), after))
        yield _Paragraph(start, end, found.start(), cut)
        start = after
    if whole and start < len(text):
        end = next(at for at in range(len(text), start, -1) if text[at - 1].isalnum())
        yield _Paragraph(start, end, len(text), len(text))


def _next(text: str, at: int) -> int:
    """The offset of the next letter or digit."""
    found = _UNSPEAKABLE.match(text, at)
    return found.end() if found else at
