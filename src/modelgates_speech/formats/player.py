"""Audio as a piece of a web page."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

_SUBTYPES = {"mp3": "mpeg"}


def player(content: bytes, name: str) -> str:
    """The HTML of a player that has the audio in itself.

    Args:
        content: The audio.
        name: The name of its format.
    """
    data = b64encode(content).decode("ascii")
    kind = quote(_SUBTYPES.get(name, name))
    return f'<audio controls src="data:audio/{kind};base64,{data}"></audio>'
