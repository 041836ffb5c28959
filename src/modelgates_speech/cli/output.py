"""Standard output: a reader that goes away, or a full disk behind it, ends the command tidily."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from modelgates_speech.cli.exits import CommandError, Exit, remark, to_nowhere
from modelgates_speech.keeping import format_for_file
from modelgates_speech.waiting import at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from modelgates_speech import AudioStream
    from modelgates_speech.files import AtomicFile


_STANDARD_OUTPUT = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}


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


def destination(
    output: Path | None,
    response_format: str | None,
    text: Path | None,
    *,
    play: bool,
    as_json: bool,
) -> tuple[Path | None, str | None]:
    """Return the file for the speech, if it goes to one, and the format to ask for.

    `text` is the file that the text is in, which is not to be overwritten.
    """
    if str(output) not in _STANDARD_OUTPUT:
        with suppress(OSError):
            if text and output and text.samefile(output):
                raise click.UsageError(f"{output} holds the text: write the speech to another file")
        return output, format_for_file(output, response_format) if output else response_format
    if as_json:
        raise click.UsageError("--json and -o - would both write to standard output")
    if play:
        raise click.UsageError("--play and -o - cannot be used together: pipe -o - to a player")
    if sys.stdout is None:
        raise CommandError("standard output is closed: name a file with -o", Exit.NOT_WRITTEN)
    # There, bytes of audio would do harm.
    if sys.stdout.isatty():
        raise click.UsageError("-o - does not write audio to a terminal: pipe or redirect it")
    return None, response_format


def write_line(line: str) -> None:
    """Write `line` to standard output."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        # Where it cannot show a file's name, the file is there all the same.
        reconfigure(errors="backslashreplace")
    with _written_or_explained():
        click.echo(line)


def report(facts: Mapping[str, Any], sentence: str, *, as_json: bool, quiet: bool = False) -> None:
    """Write how it went to standard output: the facts as JSON, or a sentence unless `quiet`."""
    if as_json:
        write_line(json.dumps(facts))
    elif not quiet:
        write_line(sentence)


@contextmanager
def hint(kept: str, folder: Path, *ends: type[BaseException]) -> Generator[None]:
    """Say how to go on, should a command end like this."""
    try:
        yield
    except ends:
        with suppress(OSError):  # no folder, or one that may not be looked into
            if any(found.stat().st_size for found in folder.iterdir()):
                where = click.format_filename(folder)
                remark(f"{kept} {where}: the same command sends only what is missing")
        raise


def deliver(
    stream: AudioStream,
    file: AtomicFile | None,
    spare: Path | None,
    *,
    play: bool,
    raw: bool,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Play a stream (see `listen`), write it to its file, or else to standard output."""
    if play:
        from modelgates_speech.cli.listen import listen

        listen(stream, file, spare, on_progress)
    elif file is not None:
        at_once(stream.write(file, on_progress))
    else:
        _write_audio(stream, raw=raw, on_progress=on_progress)


def _write_audio(
    stream: AudioStream, *, raw: bool, on_progress: Callable[[int], None] | None
) -> None:
    """Write as it arrives: a player at the other end waits for it.

    PCM becomes a WAV of unknown length, unless `raw`, for a player cannot tell what it is.
    """
    from modelgates_speech.audio import file_header

    if stream.format == "pcm" and stream.sample_rate and not raw:
        _write(file_header(stream.metadata, ".wav", None))
    for chunk in stream:
        _write(chunk)
        if on_progress:
            on_progress(stream.bytes_received)


def _write(chunk: bytes) -> None:
    with _written_or_explained():
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


class Command(click.Command):
    """A command whose help, too, may meet a full disk."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments; ``--help`` among them is printed here."""
        with _written_or_explained():
            return super().make_context(*args, **kwargs)


def command_like(line: str) -> Callable[[Callable[..., Any]], Command]:
    """Return the decorator of a command whose help ends with an example."""
    epilog = f"\b\nExample:\n  {line}\n\nExit codes: modelgates-speech --help"
    return click.command(cls=Command, epilog=epilog)


@contextmanager
def _written_or_explained() -> Generator[None]:
    try:
        yield
    except OSError as error:
        # The interpreter flushes it once more on its way out, and would fail again.
        to_nowhere(sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise click.exceptions.Exit(Exit.CLOSED_OUTPUT) from error
        message = f"cannot write to standard output: {error.strerror}"
        raise CommandError(message, Exit.NOT_WRITTEN) from error
