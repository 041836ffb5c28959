"""What a content type says of audio."""

from __future__ import annotations

import re

_FORMATS = {
    **dict.fromkeys(("mpeg", "mp3", "mpeg3", "x-mpeg", "x-mp3"), "mp3"),
    **dict.fromkeys(("wav", "wave", "x-wav", "vnd.wave"), "wav"),
}
_OPAQUE = {"", "application/octet-stream", "binary/octet-stream"}
_PARAMETER = re.compile(r';\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')


def named(content_type: str) -> tuple[str | None, dict[str, str]]:
    """The format that it names, and its parameters, as RFC 9110 writes them.

    The format is ``""`` where it says nothing of what is in the body, and None where it says that
    this is not audio. The names of parameters are in lower case; their values are not in quotes.
    """
    media_type, _, rest = content_type.partition(";")
    kind, _, subtype = media_type.strip().lower().partition("/")
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(f";{rest}"):
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        # Said twice, and not the same: that says nothing which can be read.
        known = parameters.get(name.lower(), value)
        parameters[name.lower()] = value if known == value else ""
    if kind == "audio":
        return _FORMATS.get(subtype, subtype), parameters
    return "" if media_type.strip().lower() in _OPAQUE else None, parameters


def number(value: str | None, default: int, most: int) -> int | None:
    """`default` where nothing is said, None where what is said is not a number from 1 to `most`."""
    if value is None:
        return default
    readable = value.isascii() and value.isdigit() and len(value) <= len(str(most))
    return int(value) if readable and 0 < int(value) <= most else None
