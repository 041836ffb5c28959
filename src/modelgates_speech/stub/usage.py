"""How to call the API by hand, for people; without the web framework, for the help."""

from __future__ import annotations

import json
import shlex
import textwrap
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EMPTY = {"number": 1, "integer": 1, "boolean": True, "object": dict[str, object](), "array": ()}
SAMPLES = {"input": "Hello world.", "model": "any/model", "voice": "alloy"}


class Field(NamedTuple):
    """A property of a request."""

    name: str
    type: str
    required: bool
    values: Sequence[str]
    text: str


def usage(url: str, fields: Iterable[Field], *, key: str = "KEY") -> str:
    """Say what a request to `url` is, and give one to paste into a shell."""
    known = list(fields)
    width = max((len(field.name) for field in known), default=0)
    lines = [
        f"A request is a POST of JSON to {url}",
        "with the headers `Authorization: Bearer <key>` and `Content-Type: application/json`:",
        "",
        *(_line(field, width) for field in known),
        "",
        "The answer is audio: 16-bit PCM, little-endian, 24 kHz, mono, or MP3. For example:",
        "",
    ]
    body = {field.name: _sample(field) for field in known if field.required}
    lines += [
        f"  curl {shlex.quote(url)} \\",
        f"    -H {shlex.quote(f'Authorization: Bearer {key}')} \\",
        "    -H 'Content-Type: application/json' \\",
        f"    -d {shlex.quote(json.dumps(body, ensure_ascii=False))} -o hello.pcm",
    ]
    return "\n".join(lines)


def _line(field: Field, width: int) -> str:
    kind = " or ".join(field.values[:8]) or field.type
    asked = ", required" if field.required else ""
    text = textwrap.shorten(f"{kind}{asked}. {field.text}", 96 - width, placeholder=" ...")
    return f"  {field.name:<{width}}  {text}"


def _sample(field: Field) -> object:
    if field.values:
        return field.values[0]
    return SAMPLES.get(field.name, _EMPTY.get(field.type, "text"))
