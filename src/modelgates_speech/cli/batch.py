"""`modelgates-speech batch`: a manifest of texts, a folder of speech."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import click

from modelgates_speech.cli.exits import POLITE, CommandError, Exit, stopped_in_words
from modelgates_speech.cli.forecast import cost, cost_in_words, expected_seconds
from modelgates_speech.cli.options import (
    DRY_RUN,
    FOLDER,
    PRICE,
    api_options,
    connection,
    request_of,
    request_options,
)
from modelgates_speech.cli.output import clock, command_like, counted, hint, report
from modelgates_speech.cli.progress import bar, bar_is_welcome
from modelgates_speech.config import RESULTS, URL_VARIABLE, from_environment

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from pathlib import Path

    from modelgates_speech.jobs import BatchReport
    from modelgates_speech.jobs.manifest import BadRow, Row


@command_like("modelgates-speech batch lines.csv --out-dir audio --local")
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--out-dir",
    required=True,
    type=FOLDER,
    help="Folder for the audio, a file for each row, and results.jsonl.",
)
@request_options
@click.option(
    "--concurrency",
    type=click.IntRange(1, 100),
    default=16,
    show_default=True,
    help="The most requests at once; fewer while the API limits the rate.",
)
@click.option("--max-errors", type=click.IntRange(1), help="Stop once this many rows have failed.")
@click.option(
    "--max-characters", type=click.IntRange(1), help="Stop before sending more than this."
)
@DRY_RUN
@PRICE
@api_options
def command(
    *,
    manifest: str,
    out_dir: Path,
    concurrency: int,
    max_errors: int | None,
    max_characters: int | None,
    dry_run: bool,
    price_per_million: float | None,
    api: Mapping[str, Any],
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Speak every row of MANIFEST, a list of texts.

    MANIFEST is a .jsonl, .csv or .parquet file, or - for JSONL on standard input. A row has an id
    and an input, and may have model, voice, response_format, speed and provider; options apply to
    rows that don't set them. Run again, the command sends only rows that are not done.
    """
    from modelgates_speech import AsyncModelGates
    from modelgates_speech.jobs import run_batch
    from modelgates_speech.jobs.manifest import count_rows, origin_of, read_rows

    if manifest == "-" and sys.stdin is None:
        raise click.UsageError("standard input is closed: give a file, or pipe JSONL in")
    defaults = request_of(**options)
    if dry_run:
        url = api["base_url"] or from_environment(URL_VARIABLE) or ""
        origin = "local" if api["local"] else origin_of(url)
        rows = read_rows(manifest, defaults, origin)
        _report_plan(rows, out_dir, max_characters, price_per_million, as_json)
        return
    shown = bar_is_welcome(quiet=quiet, as_json=as_json)
    total = count_rows(manifest) if shown else None
    with (
        hint("what was spoken is in", out_dir, KeyboardInterrupt, SystemExit, click.Abort),
        connection(**api) as settings,
        bar(shown=shown, desc="speaking", total=total, unit=" rows") as show,
        ExitStack() as stack,
    ):

        def client() -> AsyncModelGates:
            stack.enter_context(_cancelled_by_signals())
            return AsyncModelGates(**settings)

        def on_progress(so_far: BatchReport) -> None:
            rows = so_far.ok + so_far.failed + so_far.skipped
            show(rows, f"{so_far.failed:,} failed, {so_far.concurrency} at once")

        done = run_batch(
            manifest,
            out_dir,
            client=client,
            defaults=defaults,
            concurrency=concurrency,
            max_errors=max_errors,
            max_characters=max_characters,
            on_progress=on_progress,
        )
    sentence = (
        f"{click.format_filename(out_dir)}: {done.ok:,} spoken ({clock(done.seconds)}), "
        f"{done.skipped:,} skipped, {done.failed:,} failed"
    )
    report(attrs.asdict(done), sentence, as_json=as_json, quiet=quiet)
    if done.stopped is not None:
        reason = stopped_in_words(done.stopped)
        raise CommandError(f"stopped before the end: {reason}", Exit.STOPPED)
    if done.failed:
        where = click.format_filename(out_dir / RESULTS)
        message = f"{counted(done.failed, 'row')} failed: {where} says why"
        raise CommandError(message, Exit.SOME_FAILED)


@contextmanager
def _cancelled_by_signals() -> Generator[None]:
    """Have signals cancel this task, as Ctrl-C does: to leave it would forget what is under way."""
    import asyncio

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a client is made in the event loop"
    told: list[int] = []

    def cancel(number: int, _frame: object) -> None:
        if told or loop.is_closed():
            raise SystemExit(128 + number)
        told.append(number)
        loop.call_soon_threadsafe(task.cancel)

    # What is ignored stays so.
    before = {each: found for each in POLITE if callable(found := signal.getsignal(each))}
    try:
        for number in before:
            signal.signal(number, cancel)
        yield
    except asyncio.CancelledError:
        raise SystemExit(128 + told[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report_plan(
    rows: Iterable[Row | BadRow],
    out_dir: Path,
    max_characters: int | None,
    price: float | None,
    as_json: bool,  # noqa: FBT001 - private
) -> None:
    """Say what the batch would send."""
    from modelgates_speech.jobs.manifest import BadRow
    from modelgates_speech.jobs.results import Known

    results = Known(out_dir)
    results.learn()
    read = sent = bad = characters = 0
    for row in results.due(rows):
        read += 1
        if isinstance(row, BadRow):
            bad += 1
            continue
        if max_characters is not None and characters + row.characters > max_characters:
            break
        sent += 1
        characters += row.characters
    read += results.skipped
    results.close()
    seconds = expected_seconds(characters)
    facts = {
        "rows": read,
        "rows_to_send": sent,
        "rows_that_cannot_be_spoken": bad,
        "characters_to_send": characters,
        "expected_seconds": seconds,
    }
    sentence = (
        f"{counted(read, 'row')}; to send: {counted(sent, 'request')}, "
        f"{counted(characters, 'character')}, about {clock(seconds)}"
        f"{cost_in_words(characters, price)}; {bad:,} cannot be spoken"
    )
    report(facts | cost(characters, price), sentence, as_json=as_json)
