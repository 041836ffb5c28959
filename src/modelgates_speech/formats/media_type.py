"""What the headers of a reply say of audio: its type, and its length."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_FORMATS = {
    **dict.fromkeys(("mpeg", "mp3", "mpeg3"), "mp3"),
    **dict.fromkeys(("wav", "wave", "vnd.wave"), "wav"),
    **dict.fromkeys(("pcm", "s16le"), "pcm"),
}
_OPAQUE = {
    *("", "audio", "audio/*", "*/*"),
    *("application/octet-stream", "application/binary", "binary/octet-stream"),
}
# A field that came twice is joined with a comma, which no type holds outside quotes.
_BORDER = re.compile(r",(?=\s*[\w.+*-]+/)")
_TYPE = re.compile(r"audio/(?:x-)?([^\s/;,]+)")
_PARAMETER = re.compile(r';\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
_PART = re.compile(r"bytes +\d+-\d+/(\d+)")
_SYNONYMS = {"samplerate": "rate", "channel": "channels", "numchannels": "channels"}
# What says that PCM is not of signed 16-bit little-endian samples.
_OTHER_PCM = (
    r"(bits?|bitdepth|bitspersample|width|samplewidth|samplesize)=(?!16$)|(endian|byteorder)\w*=(?!l)"
    r"|(codecs?|encoding|format)=.*(float|law|f32|f64|[su]8|[su]24|[su]32|16be)"
)
# L16 is big-endian, unless it says otherwise, as speech services do.
_LITTLE = r"(endian|byteorder)\w*=l|codecs?=pcm$"


@lru_cache(maxsize=64)
def named(content_type: str) -> tuple[str | None, Mapping[str, str]]:
    """The format that it names, and its parameters, as RFC 9110 writes them.

    The format is ``""`` where it says nothing of what is in the body, ``unknown`` where it says
    what is no format or contradicts itself, and None where it says that this is not audio. The
    names of parameters are in lower case and without hyphens; their values are not in quotes.
    """
    names: set[str | None] = set()
    parameters: dict[str, str] = {}
    for one in _BORDER.split(content_type):
        media_type, _, rest = one.partition(";")
        names.add(_format(media_type.strip().lower()))
        for name, quoted, plain in _PARAMETER.findall(f";{rest}"):
            key = re.sub("[-_]", "", name.lower())
            key = _SYNONYMS.get(key, key)
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
            # Said twice, and not the same: that says nothing which can be read.
            known = parameters.get(key, value)
            parameters[key] = value if known == value else ""
    said = names - {"", None} or names - {""}
    found = "unknown" if len(said) > 1 else next(iter(said), "")
    others = [f"{key}={value.lower()}" for key, value in parameters.items()]
    if found == "l16" and any(re.match(_LITTLE, other) for other in others):
        found = "pcm"
    if found == "pcm" and any(re.match(_OTHER_PCM, other) for other in others):
        found = "unknown"
    return found, parameters


def is_prose(content_type: str) -> bool:
    """Whether it says that this is text."""
    return content_type.lstrip().lower().startswith("text/")


def _format(media_type: str) -> str | None:
    # Small servers call whatever they send text, unless they are told otherwise.
    if media_type in _OPAQUE or is_prose(media_type):
        return ""
    if not media_type.startswith("audio/"):
        return None
    found = _TYPE.fullmatch(media_type)
    return _FORMATS.get(found[1], found[1]) if found else "unknown"


def number(value: str | None, default: int, most: int) -> int | None:
    """`default` where nothing is said, None where what is said is not a number from 1 to `most`."""
    if value is None:
        return default
    readable = value.isascii() and value.isdigit() and len(value) <= len(str(most))
    return int(value) if readable and 0 < int(value) <= most else None


def length_of(headers: Mapping[str, str]) -> int | None:
    """The bytes of the whole that they announce, or None."""
    if "transfer-encoding" in headers:
        return None  # which says the length, whatever else does
    # Nobody asks for a part, but a cache on the way may answer with one.
    part = _PART.fullmatch(headers.get("content-range", "").strip())
    length = part[1] if part else headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None
