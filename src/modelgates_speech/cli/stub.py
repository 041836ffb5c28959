"""`modelgates-speech stub`: the local double of the API, until it is stopped."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from modelgates_speech.cli.exits import CommandError, Exit, needs_extra

KEY = re.compile(r"[\x21-\x7e]+")
PROFILE = ("latency", "pace", "failures", "rate_limit", "credits")
PORT = click.IntRange(0, 65535)
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


class _StubCommand(click.Command):
    """Its help ends with the magic models, read from the stub's own table when it is shown."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from modelgates_speech._binding import ARGUMENTS, BASE_URL
        from modelgates_speech.stub.faults import describe
        from modelgates_speech.stub.usage import Field, usage

        fields = [
            Field(each["name"], each["type"], each["required"], each["values"], each["description"])
            for each in ARGUMENTS.values()
        ]
        url = f"http://127.0.0.1:8080{urlsplit(BASE_URL).path}/audio/speech"
        formatter.write_paragraph()
        formatter.write(f"{usage(url, fields)}\n\n")
        formatter.write("Magic models, with which any client can make the stub misbehave:\n")
        formatter.write(describe() + "\n")


@click.command(cls=_StubCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=PORT, default=8080, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--api-key", metavar="KEY", help="The one key to accept; by default any is.")
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="OpenAPI document to follow instead of the bundled one.",
)
@click.option("--latency", type=float, default=0, help="Seconds until the first byte.")
@click.option("--pace", type=float, default=0, help="Times as fast as it is heard; 0 at once.")
@click.option("--failures", type=float, default=0, help="Share of requests answered 503, 0 to 1.")
@click.option("--rate-limit", type=int, default=0, help="Requests a minute before 429.")
@click.option("--credits", type=int, help="Characters before 402.")
@click.option("--audio", type=FOLDER, help="Folder of your own audio: MODEL.wav or MODEL.mp3.")
@click.option("--record", type=FOLDER, help="Folder to keep the answers of --upstream in.")
@click.option("--upstream", metavar="URL", help="API to pass requests on to, and to record.")
@click.option("--replay", type=FOLDER, help="Folder of recorded answers to give again.")
@click.option("--tls", is_flag=True, help="Serve https, with a certificate made on the spot.")
@click.option("--ca-file", type=FILE, help="File to write what clients then trust into.")
@click.option("--allow-from", multiple=True, metavar="NET", help="Network that may call, or all.")
@click.option("--ready-file", type=FILE, help="File to write the base URL into once it answers.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
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
    with needs_extra("stub"):
        from modelgates_speech.stub import Profile, Recording, Replay, serve
    if api_key is not None and not KEY.fullmatch(api_key):
        raise click.UsageError("--api-key must be letters, digits and signs without a blank")
    if record and replay:
        raise click.UsageError("--record and --replay are either or")
    if bool(record) != bool(upstream):
        raise click.UsageError("--record needs --upstream, and the other way round")
    accepted: dict[str, Any] = {"any_key": True} if api_key is None else {"api_key": api_key}
    try:
        options["profile"] = Profile(**{name: options.pop(name) for name in PROFILE})
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        if record and upstream:
            options["tape"] = Recording(record, upstream=upstream)
        elif replay:
            options["tape"] = Replay(replay)
        serve(host, port, allow_from=allow_from or None, **options, **accepted)
    except (ModuleNotFoundError, OSError, ValueError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        advice = f": choose another with --port, or 0 for any that is free (not {port})"
        message = f"the stub cannot start: {error}{advice if taken else ''}"
        raise CommandError(message, Exit.CONFIGURATION) from error
