"""Standard output: a reader that goes away, or a full disk behind it, ends the command tidily."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from modelgates_speech.cli.exits import CommandError, Exit

__all__ = [
    "STANDARD_OUTPUT",
    "clock",
    "counted",
    "standard_output_is_for_people",
    "write_audio",
    "write_line",
]


STANDARD_OUTPUT = Path("-")


def clock(seconds: float) -> str:
    """Return a length of time as people read it: 2.31 s, 46:16, 1:02:03."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counted(number: int, thing: str) -> str:
    """Return a number of things: 1 row, 2,000 rows."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def standard_output_is_for_people() -> bool:
    """Return whether standard output is a terminal, where bytes of audio would do harm."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_line(line: str) -> None:
    """Write `line` to standard output."""
    with _written_or_explained():
        click.echo(line)


def write_audio(chunk: bytes) -> None:
    """Write `chunk` to standard output at once: a player at the other end is waiting for it."""
    with _written_or_explained():
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


@contextmanager
def _written_or_explained() -> Generator[None]:
    try:
        yield
    except BrokenPipeError as error:
        _forget_standard_output()
        raise click.exceptions.Exit(Exit.CLOSED_OUTPUT) from error
    except OSError as error:
        _forget_standard_output()
        message = f"cannot write to standard output: {error.strerror}"
        raise CommandError(message, Exit.NOT_WRITTEN) from error


def _forget_standard_output() -> None:
    # The interpreter flushes standard output once more on its way out, and would fail again.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
