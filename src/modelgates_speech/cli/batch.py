"""`modelgates-speech batch`: a manifest of texts, a folder of speech."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import click

from modelgates_speech.cli.exits import CommandError, Exit, exit_codes_help, needs_extra
from modelgates_speech.cli.options import (
    FORMATS,
    api_options,
    connection,
    log_to_standard_error,
    request_of,
    request_options,
)
from modelgates_speech.cli.output import write_line
from modelgates_speech.cli.progress import bar_is_welcome
from modelgates_speech.errors import ConfigurationError

if TYPE_CHECKING:
    from types import TracebackType

    from modelgates_speech.jobs import BatchReport

__all__ = ["command"]


@click.command(epilog=exit_codes_help())
@click.argument("manifest")
@click.option(
    "--out-dir",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the audio, a file for each row, and results.jsonl.",
)
@request_options
@click.option(
    "--format",
    "response_format",
    metavar="|".join(FORMATS) or "FORMAT",
    help="pcm is saved as WAV.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 100),
    default=16,
    show_default=True,
    help="The most requests at once; the rate limits of the API lower it by themselves.",
)
@click.option("--max-errors", type=click.IntRange(1), help="Stop once this many rows have failed.")
@click.option(
    "--max-characters", type=click.IntRange(1), help="Stop before more characters are sent."
)
@api_options
def command(
    *,
    manifest: str,
    out_dir: Path,
    response_format: str | None,
    concurrency: int,
    max_errors: int | None,
    max_characters: int | None,
    local: bool,
    base_url: str | None,
    timeout: float | None,
    quiet: bool,
    as_json: bool,
    debug: bool,
    **options: Any,
) -> None:
    """Speak every row of MANIFEST (.jsonl, .csv, .parquet; - is JSONL on standard input).

    A row has an id and an input, and may have model, voice, response_format, speed and provider;
    the options here are for rows that don't set them. Run again, the command sends only rows that
    are not in results.jsonl with a file that agrees.
    """
    from modelgates_speech import AsyncModelGates
    from modelgates_speech.jobs import run_batch
    from modelgates_speech.jobs.manifest import count_rows

    if debug:
        log_to_standard_error()
    defaults = request_of(**options)
    if response_format is not None:
        defaults["response_format"] = response_format
    shown = bar_is_welcome() and not (quiet or as_json)
    try:
        total = count_rows(manifest) if shown else None
    except OSError as error:
        raise ConfigurationError(f"cannot read {manifest}: {error.strerror}") from error
    with (
        connection(local=local, base_url=base_url, timeout=timeout) as settings,
        _Bar(total, shown=shown) as bar,
    ):
        report = run_batch(
            manifest,
            out_dir,
            client=lambda: AsyncModelGates(**settings),
            defaults=defaults,
            concurrency=concurrency,
            max_errors=max_errors,
            max_characters=max_characters,
            on_progress=bar,
        )
    if as_json:
        write_line(json.dumps(attrs.asdict(report)))
    elif not quiet:
        write_line(
            f"{click.format_filename(out_dir)}: {report.ok:,} spoken ({report.seconds:,.1f} s), "
            f"{report.skipped:,} skipped, {report.failed:,} failed"
        )
    if report.stopped is not None:
        raise CommandError(f"stopped before the end: {report.stopped}", Exit.STOPPED)
    if report.failed:
        where = click.format_filename(out_dir / "results.jsonl")
        rows = "1 row" if report.failed == 1 else f"{report.failed:,} rows"
        raise CommandError(f"{rows} failed: {where} says why", Exit.SOME_FAILED)


class _Bar:
    """A bar over the rows, called with the report of the batch."""

    def __init__(self, total: int | None, *, shown: bool) -> None:
        with needs_extra("cli"):
            from tqdm import tqdm
        self._bar = tqdm(
            desc="speaking",
            total=total,
            unit=" rows",
            leave=False,
            dynamic_ncols=True,
            disable=not shown,
        )

    def __call__(self, report: BatchReport) -> None:
        """Show how far the batch is."""
        self._bar.set_postfix_str(
            f"{report.failed:,} failed, {report.concurrency} at once", refresh=False
        )
        self._bar.update(report.ok + report.failed + report.skipped - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
