"""`modelgates speak`: one text, one file of speech."""

from __future__ import annotations

import json
import logging
import math
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelgates.audio import format_for_file
from modelgates.cli.exits import exit_codes_help, needs_extra
from modelgates.cli.inputs import parse_provider_options, read_text
from modelgates.cli.output import standard_output_is_for_people, write_audio, write_line
from modelgates.cli.progress import ProgressBar, bar_is_welcome
from modelgates.errors import ConfigurationError, InvalidResponseError
from modelgates.files import AtomicFile

if TYPE_CHECKING:
    from modelgates import AudioStream, ModelGates

__all__ = ["command"]

_STANDARD_OUTPUT = Path("-")


class _PositiveNumber(click.FloatRange):
    """A number above zero: `click.FloatRange` alone lets infinity and NaN through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


_POSITIVE = _PositiveNumber(min=0, min_open=True)


def _complete_format(_context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
    # Suggestions, not a choice: a format that the API learns tomorrow goes through today.
    return [name for name in ("pcm", "mp3") if name.startswith(typed)]


@click.command(epilog=exit_codes_help())
@click.argument("text", required=False)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the text from this file (UTF-8).",
)
@click.option("--model", default="elevenlabs/eleven-turbo-v2", show_default=True)
@click.option("--voice", default="alloy", show_default=True)
@click.option("--speed", type=_POSITIVE, help="Speed multiplier, for models that support it.")
@click.option(
    "--format",
    "response_format",
    metavar="pcm|mp3",
    shell_complete=_complete_format,
    help="Format to ask the API for; by default the suffix of the output decides.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write: .wav, .pcm, .raw or .mp3; - is standard output (raw audio). "
    "[default: speech.wav, or speech.mp3 with --format mp3]",
)
@click.option(
    "--provider-option",
    "provider_options",
    multiple=True,
    metavar="SLUG.NAME=VALUE",
    help='Option passed through to a provider, such as openai.instructions="calm"; '
    "VALUE is JSON or text. Repeatable.",
)
@click.option("--local", is_flag=True, help="Speak with the bundled stub: offline, no key needed.")
@click.option("--base-url", metavar="URL", help="API to call.  [default: $MODELGATES_BASE_URL]")
@click.option(
    "--timeout",
    type=_POSITIVE,
    metavar="SECONDS",
    help="Longest silence to accept while connecting or receiving.",
)
@click.option(
    "--deadline",
    type=_POSITIVE,
    metavar="SECONDS",
    help="Longest time to accept for the whole call, retries included.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--debug", is_flag=True, help="Log requests and show tracebacks on standard error.")
def command(
    *,
    text: str | None,
    file: Path | None,
    model: str,
    voice: str,
    speed: float | None,
    response_format: str | None,
    output: Path | None,
    provider_options: tuple[str, ...],
    local: bool,
    base_url: str | None,
    timeout: float | None,
    deadline: float | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Turn TEXT into speech. With - the text is read from standard input.

    The API key is read from MODELGATES_API_KEY; there is no option for it on purpose, since
    command lines are visible to every user of a machine. Without a key, --local speaks offline.
    """
    if debug:
        _log_to_standard_error()
    if local and base_url is not None:
        raise click.UsageError("--local and --base-url exclude each other")
    output = output or Path("speech.mp3" if response_format == "mp3" else "speech.wav")
    to_standard_output = output == _STANDARD_OUTPUT
    if to_standard_output and as_json:
        raise click.UsageError("--json and -o - would both write to standard output")
    if to_standard_output and standard_output_is_for_people():
        raise click.UsageError("-o - does not write audio to a terminal: pipe or redirect it")

    request: dict[str, Any] = {"model": model, "voice": voice, "input": read_text(text, file)}
    if speed is not None:
        request["speed"] = speed
    if response_format is not None:
        request["response_format"] = response_format
    if provider_options:
        request["provider"] = {"options": parse_provider_options(provider_options)}

    with ExitStack() as stack:
        limits = {"timeout": timeout, "deadline": deadline}
        settings = {name: seconds for name, seconds in limits.items() if seconds is not None}
        client = _client(stack, local=local, base_url=base_url, settings=settings)
        bar = None
        if bar_is_welcome() and not (as_json or quiet):
            bar = stack.enter_context(ProgressBar())
        if to_standard_output:
            _write_to_standard_output(client, request, bar)
            return
        stream = _save(client, request, output, bar)
    if as_json:
        write_line(json.dumps(_result(stream, output)))
    elif not quiet:
        write_line(_sentence(stream, output))


def _client(
    stack: ExitStack, *, local: bool, base_url: str | None, settings: dict[str, Any]
) -> ModelGates:
    if local:
        with needs_extra("stub"):
            from modelgates.stub import StubServer

            stub = stack.enter_context(StubServer())
        settings = {**settings, "base_url": stub.base_url, "api_key": stub.api_key}
    elif base_url is not None:
        settings = {**settings, "base_url": base_url}

    from modelgates import ModelGates

    return stack.enter_context(ModelGates(**settings))


def _save(
    client: ModelGates, request: dict[str, Any], output: Path, bar: ProgressBar | None
) -> AudioStream:
    request["response_format"] = format_for_file(output, request.get("response_format"))
    # A folder that does not exist is better found before the speech is paid for than after.
    AtomicFile(output).discard()
    with client.audio.speech.stream(**request) as stream:
        if bar is not None:
            bar.describe(stream)
        try:
            stream.save(output, on_progress=bar)
        except ConfigurationError as error:
            # Suffix and request agreed: it is the answer that is in another format.
            raise InvalidResponseError(
                error.message, content_type=stream.content_type, request_id=stream.request_id
            ) from error
    return stream


def _write_to_standard_output(
    client: ModelGates, request: dict[str, Any], bar: ProgressBar | None
) -> None:
    with client.audio.speech.stream(**request) as stream:
        if bar is not None:
            bar.describe(stream)
        for chunk in stream:
            write_audio(chunk)
            if bar is not None:
                bar(stream.bytes_received)


def _result(stream: AudioStream, output: Path) -> dict[str, Any]:
    return {
        "path": str(output),
        "bytes": output.stat().st_size,
        "seconds": stream.duration,
        "sample_rate": stream.sample_rate,
        "channels": stream.channels,
        "format": _container(stream, output),
        "content_type": stream.content_type,
        "request_id": stream.request_id,
    }


def _sentence(stream: AudioStream, output: Path) -> str:
    kind = _container(stream, output)
    if stream.format == "pcm":
        layout = {1: "mono", 2: "stereo"}.get(stream.channels or 0, f"{stream.channels} channels")
        details = f"pcm s16le, {stream.sample_rate} Hz, {layout}"
        kind = f"{kind} ({details})" if kind != "pcm" else details
    length = [] if stream.duration is None else [f"{stream.duration:.2f} s"]
    facts = [*length, kind, f"{output.stat().st_size:,} bytes"]
    return f"{click.format_filename(output)}: {', '.join(facts)}"


def _container(stream: AudioStream, output: Path) -> str:
    return "wav" if output.suffix.lower() == ".wav" else stream.format


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(levelname)s: %(message)s"))
    logger = logging.getLogger("modelgates")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
