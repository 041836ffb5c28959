"""What a command is told: the text from wherever it is, and provider options."""

import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from io import BytesIO, IncrementalNewlineDecoder
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from modelgates_speech.jobs.values import value_of, wide_encoding

STANDARD = Path("-")
"""Stands for standard input, or output."""

_CHUNK = 64 * 1024

# What books come in, by how it begins, and what makes text of it.
_BOOKS = {
    b"PK\x03\x04": ("a ZIP, as EPUB and DOCX are", "pandoc -t plain"),
    b"%PDF-": ("a PDF", "pdftotext"),
    b"\x1f\x8b": ("compressed", "gunzip"),
}


def read_text(text: str | None, file: Path | None) -> str:
    """Return the text to speak, from exactly one of the argument, standard input and a file.

    `text` is the argument, `-` for standard input. The line break that ends a file or the output
    of `echo` is not part of the text.
    """
    if (text is None) == (file is None):
        raise click.UsageError(
            "give the text in exactly one way: as TEXT, as - (standard input), or with --file"
        )
    if file is None and text != "-":
        # Python smuggles bytes of the command line that are not UTF-8 through as surrogates.
        opened: BinaryIO = BytesIO(str(text).encode("utf-8", "surrogateescape"))
        return "".join(_decoded(opened, "TEXT")).rstrip("\r\n")
    return "".join(text_of(file or STANDARD)).rstrip("\r\n")


def text_of(source: Path) -> Iterator[str]:
    """Return the text of a file, or of standard input, part by part as it arrives."""
    standard = source == STANDARD
    if standard and sys.stdin is None:  # a process started without one (`<&-`)
        raise click.UsageError("standard input is closed: give a file, or pipe a text in")
    name = "standard input" if standard else str(source)
    try:
        with nullcontext(sys.stdin.buffer) if standard else source.open("rb") as opened:
            yield from _decoded(opened, name)
    except OSError as error:
        raise click.UsageError(f"cannot read {name}: {error.strerror}") from error


def _decoded(file: Any, source: str) -> Iterator[str]:
    decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8-sig")(), translate=True)
    size, blank, data = 0, True, b"start"
    while data:
        try:
            data = file.read1(_CHUNK)
            for start, (kind, tool) in _BOOKS.items():
                if not size and data.startswith(start):
                    raise click.UsageError(
                        f"{source} is {kind}, not text: convert it first, for example with {tool}"
                    )
            size += len(data)
            part = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            # It knows of what it had kept from before, and of no more.
            at = size - len(error.object) + error.start
            raise _not_utf8(source, error, at) from error
        blank = blank and not part.strip()
        yield part
    if blank:
        raise click.UsageError(f"nothing to say: {source} is empty")


def _not_utf8(source: str, error: UnicodeDecodeError, offset: int) -> click.UsageError:
    """Return the error for text in another encoding: where it shows, and how to convert it."""
    byte = error.object[error.start]
    wide = wide_encoding(error.object) if offset == error.start else None
    return click.UsageError(
        f"{source} is not UTF-8 text: byte 0x{byte:02x} at offset {offset}; convert it first, for "
        f"example with iconv -f {wide or 'latin1'} -t utf-8"
    )


def parse_provider_options(pairs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return `provider.options` from `slug.name=value` pairs.

    The slug ends at the first dot, since none of the document's slugs has one; further dots nest.
    A value that is JSON is taken as such, any other as a string; `slug={...}` gives a provider's
    options whole.

    Example: `["openai.instructions=calm", "x.a.b=1"]` gives
    `{"openai": {"instructions": "calm"}, "x": {"a": {"b": 1}}}`.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        names = key.split(".")
        if not equals or not all(names):
            raise click.UsageError(f"--provider-option {pair!r} is not of the form slug.name=value")
        if len(names) == 1 and not isinstance(value_of(text, "any"), dict):
            raise click.UsageError(
                f"--provider-option {pair!r} names no option: slug.name=value, or slug={{...}}"
            )
        _insert(options, names, value_of(text, "any"), pair)
    return options


def _insert(options: dict[str, Any], names: list[str], value: object, pair: str) -> None:
    *parents, last = names
    for name in parents:
        inner: Any = options.setdefault(name, {})
        if not isinstance(inner, dict):
            raise click.UsageError(f"--provider-option {pair!r}: {name} already has a value")
        options = cast("dict[str, Any]", inner)
    if last in options:
        raise click.UsageError(f"--provider-option {pair!r}: {last} is given twice")
    options[last] = value
