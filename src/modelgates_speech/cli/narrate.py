"""`modelgates-speech narrate`: a text of any length, one file of speech."""

from __future__ import annotations

import os
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from modelgates_speech import config
from modelgates_speech.cli.exits import CommandError, Exit
from modelgates_speech.cli.forecast import cost, cost_in_words, expected_seconds
from modelgates_speech.cli.inputs import STANDARD, text_of
from modelgates_speech.cli.options import (
    DRY_RUN,
    FOLDER,
    PLAY,
    PRICE,
    SUFFIXES,
    api_options,
    connection,
    request_of,
    request_options,
)
from modelgates_speech.cli.output import (
    clock,
    command_like,
    counted,
    deliver,
    destination,
    hint,
    report,
)
from modelgates_speech.cli.progress import bar, bar_is_welcome
from modelgates_speech.cli.rescue import opened
from modelgates_speech.files import shortened
from modelgates_speech.jobs import AudioCache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelgates_speech.jobs import NarrationPlan, NarrationProgress

# Of the 255 bytes that file systems take.
_LONGEST_STEM = 255 - len(".pieces")


@command_like("modelgates-speech narrate book.txt -o book.mp3 --local")
@click.argument(
    "book", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help=f"File to write: {SUFFIXES}; - is standard output, a WAV unless another format is "
    "asked for. Without it, --play.",
)
@PLAY
@request_options
@click.option("--language", default="en", show_default=True, help="ISO 639-1 code of the text.")
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=config.NARRATE_CONCURRENCY,
    show_default=True,
    help="How many requests at once.",
)
@click.option(
    "--max-chars",
    type=click.IntRange(1),
    default=config.MAX_CHARS,
    show_default=True,
    help="The most characters of one request.",
)
@click.option(
    "--paragraph-pause",
    type=click.FloatRange(0, config.MAX_PAUSE),
    metavar="SECONDS",
    default=config.PARAGRAPH_PAUSE,
    show_default=True,
    help="Silence to add after a paragraph; with 0, one request may span several.",
)
@click.option(
    "--heading-pause",
    type=click.FloatRange(0, config.MAX_PAUSE),
    metavar="SECONDS",
    default=config.HEADING_PAUSE,
    show_default=True,
    help="Silence to add before and after a heading.",
)
@click.option(
    "--cache-dir",
    type=FOLDER,
    help="Keep finished pieces here for good.  [default: beside the output, until it is whole]",
)
@DRY_RUN
@PRICE
@api_options
def command(
    *,
    book: Path,
    output: Path | None,
    play: bool,
    cache_dir: Path | None,
    dry_run: bool,
    price_per_million: float | None,
    response_format: str | None = None,
    api: Mapping[str, Any],
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Turn BOOK, a text file of any length, into speech. With - it is read from standard input.

    The text is spoken in pieces, several at once. Finished pieces are kept until the file is
    whole: after Ctrl-C or a failure the same command sends only what is missing.
    """
    if output is None and not (play or dry_run):
        raise click.UsageError("say where the speech goes: -o FILE, --play, or both")
    output, response_format = destination(output, response_format, book, play=play, as_json=as_json)
    if play and not dry_run:
        from modelgates_speech.cli.listen import check_playable

        check_playable(response_format)
    # A pipe can be read once only: how long its text is shows at the end.
    characters = sum(map(len, text_of(book))) if book.is_file() else None
    named = output or Path("modelgates-speech" if book == STANDARD else book.name)
    if not named.name:
        raise CommandError(f"cannot write {named}: it is a folder", Exit.NOT_WRITTEN)
    pieces = cache_dir or named.with_name(f"{shortened(named.name, _LONGEST_STEM)}.pieces")
    exists = os.path.exists  # unlike a Path's, it never raises
    if pieces == output or (exists(pieces) and not pieces.is_dir()):
        message = f"finished pieces need a folder, and {pieces} is a file: use another --cache-dir"
        raise CommandError(message, Exit.NOT_WRITTEN)
    there = next((each for each in (pieces, *pieces.parents) if exists(each)), pieces)
    keeps = dry_run or (there.is_dir() and os.access(there, os.W_OK))
    if cache_dir and not keeps:
        message = f"finished pieces cannot be kept in {pieces}: use another --cache-dir"
        raise CommandError(message, Exit.NOT_WRITTEN)
    # A timeline has all of it; else the last says enough, and a book need not be held.
    told: deque[NarrationProgress] = deque(maxlen=None if as_json else 1)
    with connection(**api) as settings:
        from modelgates_speech import ModelGates

        if dry_run:
            # Nothing is sent, so that no key is needed either.
            settings = {"api_key": "none", **settings}

        # The stub's address changes from run to run, what it says does not.
        cache = AudioCache(pieces, origin="stub" if api["local"] else None)
        arguments: dict[str, Any] = {
            **request_of(response_format=response_format, **options),
            "input": text_of(book),
            # A folder that nobody asked for may well be one that nobody may write to.
            "cache_dir": cache if keeps else None,
        }
        with ExitStack() as stack:
            client = stack.enter_context(ModelGates(**settings))
            stack.enter_context(hint("finished pieces are kept in", pieces, BaseException))
            file = stack.enter_context(opened(output, None))
            if dry_run:
                plan = client.audio.speech.narrate(dry_run=True, **arguments)
                _report_plan(plan, price_per_million, as_json)
                return
            shown = bar_is_welcome(quiet=quiet, as_json=as_json)
            show = stack.enter_context(
                bar(shown=shown, desc="narrating", total=characters, unit=" chars", unit_scale=True)
            )

            def on_progress(progress: NarrationProgress) -> None:
                told.append(progress)
                note = f"{counted(progress.pieces, 'piece')}, {clock(progress.seconds)} of audio"
                show(progress.characters, note)

            speech: Any = client.audio.speech
            stream = stack.enter_context(speech.narrate(on_progress=on_progress, **arguments))
            deliver(stream, file, None, play=play, raw=response_format is not None)
    if cache_dir is None:
        cache.clear()
    if output or play:
        _report(told, output, as_json=as_json, quiet=quiet)


def _report_plan(
    plan: NarrationPlan,
    price: float | None,
    as_json: bool,  # noqa: FBT001 - private
) -> None:
    seconds = expected_seconds(plan.characters, plan.pauses)
    facts = attrs.asdict(plan) | {"pauses": round(plan.pauses, 3), "expected_seconds": seconds}
    sentence = (
        f"{counted(plan.pieces, 'piece')}, {counted(plan.characters, 'character')}, "
        f"about {clock(seconds)}; to send: {counted(plan.pieces_to_send, 'request')}, "
        f"{counted(plan.characters_to_send, 'character')}"
        f"{cost_in_words(plan.characters_to_send, price)}"
    )
    report(facts | cost(plan.characters_to_send, price), sentence, as_json=as_json)


def _report(
    told: deque[NarrationProgress], output: Path | None, *, as_json: bool, quiet: bool
) -> None:
    progress = told[-1]  # a narration without a piece is refused
    size = output.stat().st_size if output is not None and output.is_file() else None
    facts = {
        "path": output and str(output),
        "bytes": size,
        "seconds": progress.seconds,
        "pieces": progress.pieces,
        "timeline": [
            {
                "begins": round(each.begins, 3),
                "ends": round(each.seconds, 3),
                "start": each.piece.start,
                "text": each.piece.text,
            }
            for each in told
        ],
    }
    words = [clock(progress.seconds), counted(progress.pieces, "piece")]
    if size is not None:
        words.insert(1, f"{size:,} bytes")
    what = click.format_filename(output) if output else "played"
    report(facts, f"{what}: {', '.join(words)}", as_json=as_json, quiet=quiet)
