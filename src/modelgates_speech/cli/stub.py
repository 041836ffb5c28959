"""`modelgates-speech stub`: the local double of the API, until it is stopped."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from modelgates_speech.cli.exits import CommandError, Exit
from modelgates_speech.cli.output import Command, write_line
from modelgates_speech.config import installed

PROFILE = ("latency", "pace", "failures", "rate_limit", "credits")
PORT = click.IntRange(0, 65535)
FILE = click.Path(dir_okay=False, path_type=Path)
DOCUMENT = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
THERE = click.Path(exists=True, file_okay=False, path_type=Path)


class _StubCommand(Command):
    """Its help ends with the magic models, read from the stub's own table when it is shown."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from modelgates_speech._binding import ARGUMENTS, BASE_URL
        from modelgates_speech.stub.usage import describe, usage

        fields = {
            name: {"type": each.type, "enum": each.values, "description": each.description}
            for name, each in ARGUMENTS.items()
        }
        required = [name for name, each in ARGUMENTS.items() if each.required]
        url = f"http://127.0.0.1:8080{urlsplit(BASE_URL).path}/audio/speech"
        formatter.write_paragraph()
        formatter.write(f"{usage(url, fields, required)}\n\n")
        formatter.write("Magic models, with which any client can make the stub misbehave:\n")
        formatter.write(describe() + "\n")


def _say(line: str) -> None:
    # Whoever started it may have read what it wanted, and closed the pipe.
    with contextlib.suppress(click.exceptions.Exit):
        write_line(line)


@click.command(cls=_StubCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=PORT, default=8080, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--api-key", metavar="KEY", help="The only key to accept; by default, any.")
@click.option("--document", type=DOCUMENT, help="OpenAPI document to follow instead of ours.")
@click.option("--latency", type=float, default=0, help="Seconds until the first byte.")
@click.option("--pace", type=float, default=0, help="Send audio at N times its speed; 0: at once.")
@click.option("--failures", type=float, default=0, help="Share of requests to answer 503, 0 to 1.")
@click.option("--rate-limit", type=int, default=0, help="Requests a minute to allow before 429.")
@click.option("--credits", type=int, help="Characters to allow before 402.")
@click.option("--audio", type=THERE, help="Folder of your own audio: MODEL.wav or MODEL.mp3.")
@click.option("--record", type=FOLDER, help="Folder to record the answers of --upstream in.")
@click.option("--upstream", metavar="URL", help="API to pass requests on to, and to record.")
@click.option("--replay", type=THERE, help="Folder of recorded answers to replay.")
@click.option("--tls", is_flag=True, help="Serve https, with a certificate of its own.")
@click.option("--ca-file", type=FILE, help="File for the certificate that clients must trust.")
@click.option(
    "--allow-from", multiple=True, metavar="NET", help="Network that may call; repeatable."
)
@click.option("--ready-file", type=FILE, help="File for the base URL, written once it answers.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def command(
    *,
    host: str,
    port: int,
    api_key: str | None,
    allow_from: tuple[str, ...],
    record: Path | None,
    upstream: str | None,
    replay: Path | None,
    **options: Any,
) -> None:
    """Serve the API on this machine, offline, with a voice. Ctrl-C stops it."""
    installed("modelgates_speech.stub.server", "the stub", "stub")
    from modelgates_speech.stub import Profile, Recording, Replay, serve
    from modelgates_speech.stub.control import checked_key

    if record and replay:
        raise click.UsageError("--record and --replay cannot be used together")
    if bool(record) != bool(upstream):
        raise click.UsageError("--record and --upstream need each other")
    accepted: dict[str, Any] = {"any_key": True}
    try:
        if api_key is not None:
            accepted = {"api_key": checked_key(api_key)}
        options["profile"] = Profile(**{name: options.pop(name) for name in PROFILE})
    except ValueError as error:
        name, _, rest = str(error).partition(" ")
        raise click.UsageError(f"--{name.replace('_', '-')} {rest}") from error
    try:
        if record and upstream:
            options["tape"] = Recording(record, upstream=upstream)
        elif replay:
            options["tape"] = Replay(replay)
        serve(host, port, say=_say, allow_from=allow_from or None, **options, **accepted)
    except (ModuleNotFoundError, OSError, ValueError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        advice = f": choose another with --port, or 0 for any that is free (not {port})"
        message = f"the stub cannot start: {error}{advice if taken else ''}"
        raise CommandError(message, Exit.CONFIGURATION) from error
