"""What audio is by its own bytes: recognised, measured, and taken out of its container. No I/O."""

from __future__ import annotations

import re

from modelgates_speech.formats.mp3 import HEADER, FrameHeader, Frames
from modelgates_speech.formats.wav import WAV_FILES, Samples

# How many bytes are looked at, at most, for what does not stand at the very start.
LONGEST_LOOK = 8 * 1024
# Where each format has a mark that no other has.
_MARKS = (
    *((0, mark, "wav") for mark in WAV_FILES),
    *((0, b"ID3" + bytes([version]), "mp3") for version in (2, 3, 4)),
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"FORM", "aiff"),
    (0, b".snd", "au"),
    (0, b"caff", "caf"),
    (0, b"#!AMR", "amr"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\x1a\x45\xdf\xa3", "webm"),
    (4, b"ftyp", "mp4"),
)
_FIRST = {mark[0] for at, mark, _ in _MARKS if at == 0}
# JSON, HTML or XML, or a stream of events; and what any of them may begin with.
_TEXT = re.compile(
    rb"[\xef\xbb\xbf\s]*(\{\s*[\"}]|\[\s*[\[{\"\]]|<[!?a-z]|(data|event|id|retry):)", re.IGNORECASE
)
# Audio that somebody has put into letters; samples are never all of them, nor of so many kinds.
_BASE64 = re.compile(rb"\"?[A-Za-z0-9+/\s]{64,}=*\"?\s*")
_LETTERS = 24
_MAYBE_TEXT = re.compile(rb"[\xef\xbb\xbf\s]*([{\[<]\s*)?")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_LONGEST_INDENT = 64
_EXCERPT = 1024
_MARKED = {name for _, _, name in _MARKS}
# They carry audio of many names: Opus, say, is no contradiction to the Ogg that it came in.
_CARRIERS = {"ogg", "mp4", "webm"}
# They may have a tag of MP3's before them.
_TAGGED = {"aac", "flac"}


def format_of(head: bytes, named: str, *, at_end: bool) -> str | None:
    """The format of audio that begins with `head`, or None if more of it has to be seen.

    What the bytes show wins over the format that is `named` or asked for; it is ``unknown`` where
    they lack the mark that such audio has.
    """
    found = _marked(head, at_end=at_end)
    if found == "" and head[0] == 0xFF:
        found = _is_adts(head, at_end=at_end)
    if found == "" and (head[0] == 0xFF or named == "mp3"):
        found = _framed(head, at_end=at_end, anywhere=named == "mp3")
    if found == "":
        return "unknown" if named in _MARKED else named
    if found == "mp3" and named in _TAGGED and head.startswith(b"ID3"):
        return named
    return named if found in _CARRIERS and named not in {"pcm", "unknown", *_MARKED} else found


def _marked(head: bytes, *, at_end: bool) -> str | None:
    """The format whose mark it begins with, ``""`` for none, None if that cannot be told yet."""
    if head[0] not in _FIRST and len(head) > 4 and head[4] != _MARKS[-1][1][0]:
        return ""  # as nearly always, in no time
    for at, mark, name in _MARKS:
        if head.startswith(mark, at):
            return name
    may_come = any(mark.startswith(head[at:]) for at, mark, _ in _MARKS)
    return None if may_come and not at_end else ""


def _framed(head: bytes, *, at_end: bool, anywhere: bool) -> str | None:
    """Likewise for ``mp3``: one frame may be samples that look like it, two are none."""
    at = 0
    while 0 <= at <= len(head) - HEADER:
        if first := FrameHeader.parse(head, at):
            after = at + first.size
            if after + HEADER > len(head):
                break
            second = FrameHeader.parse(head, after)
            if second is not None and second.rate == first.rate:
                return "mp3"
        at = head.find(b"\xff", at + 1) if anywhere else -1
    if at < 0 and not anywhere:
        return ""
    if len(head) < LONGEST_LOOK and not at_end:
        return None
    # In a body that is shorter than two frames one must do.
    return "mp3" if anywhere and len(head) >= HEADER and FrameHeader.parse(head) else ""


def _is_adts(head: bytes, *, at_end: bool) -> str | None:
    """Likewise for ``aac`` as a bare stream: it is two frames, too, that tell it from samples."""
    if len(head) > 1 and head[1] & 0xF6 != 0xF0:
        return ""
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) > 5 else LONGEST_LOOK
    if len(head) < size + 2:
        return "" if at_end else None
    return "aac" if head[size] == 0xFF and head[size + 1] == head[1] and size > 5 else ""


def is_text(head: bytes, *, prose: bool, at_end: bool) -> bool | None:
    """Whether audio that begins with `head` is none, but text; None if that cannot be told yet.

    With `prose` any text will do, else only JSON, HTML and the like.
    """
    # White space alone is what some gateways send while they wait for a provider, and its error.
    start = head.lstrip()[:_EXCERPT]
    if not start:
        return None if len(head) < LONGEST_LOOK and not at_end else True
    may_be = prose or _TEXT.match(start)
    if _BASE64.fullmatch(start) and len(set(start)) > _LETTERS:
        return True
    if len(start) < _LONGEST_INDENT and not at_end and (may_be or _MAYBE_TEXT.fullmatch(start)):
        return None
    return bool(may_be) and not _CONTROL.search(start)


def meter_of(format: str) -> Frames | Samples | None:  # noqa: A002 - as everywhere
    """What measures audio of this format as it is fed, or None for one that is not known."""
    return Frames() if format == "mp3" else Samples() if format == "wav" else None
