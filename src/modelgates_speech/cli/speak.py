"""`modelgates-speech speak`: one text, one file of speech."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelgates_speech.audio import format_for_file
from modelgates_speech.cli.exits import example
from modelgates_speech.cli.inputs import read_text
from modelgates_speech.cli.options import (
    FORMAT,
    api_options,
    connection,
    log_to_standard_error,
    request_of,
    request_options,
)
from modelgates_speech.cli.output import (
    STANDARD_OUTPUT,
    clock,
    standard_output_is_for_people,
    write_audio,
    write_line,
)
from modelgates_speech.cli.progress import ProgressBar, bar_is_welcome
from modelgates_speech.cli.rescue import rescued
from modelgates_speech.errors import ConfigurationError, InvalidResponseError
from modelgates_speech.files import AtomicFile

if TYPE_CHECKING:
    from modelgates_speech import AudioStream, ModelGates

__all__ = ["command"]


@click.command(epilog=example('modelgates-speech speak "Hello world" -o hello.mp3 --local'))
@click.argument("text", required=False)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the text from this file (UTF-8).",
)
@FORMAT
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write: .wav, .pcm, .raw or .mp3; - is standard output (raw audio). "
    "[default: speech.wav, or speech.mp3 with --format mp3]",
)
@request_options
@api_options
def command(
    *,
    text: str | None,
    file: Path | None,
    response_format: str | None,
    output: Path | None,
    local: bool,
    base_url: str | None,
    timeout: float | None,
    deadline: float | None,
    allow_plain_http: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **options: Any,
) -> None:
    """Turn TEXT into speech. With - the text is read from standard input.

    The API key is read from MODELGATES_API_KEY; there is no option for it on purpose, since
    command lines are visible to every user of a machine. Without a key, --local speaks offline.
    """
    if debug:
        log_to_standard_error()
    output = output or Path("speech.mp3" if response_format == "mp3" else "speech.wav")
    to_standard_output = output == STANDARD_OUTPUT
    if to_standard_output and as_json:
        raise click.UsageError("--json and -o - would both write to standard output")
    if to_standard_output and standard_output_is_for_people():
        raise click.UsageError("-o - does not write audio to a terminal: pipe or redirect it")

    request = request_of(**options) | {"input": read_text(text, file)}
    if response_format is not None:
        request["response_format"] = response_format

    with ExitStack() as stack:
        settings = stack.enter_context(
            connection(
                local=local,
                base_url=base_url,
                timeout=timeout,
                deadline=deadline,
                allow_plain_http=allow_plain_http,
            )
        )
        from modelgates_speech import ModelGates

        client = stack.enter_context(ModelGates(**settings))
        bar = None
        if bar_is_welcome() and not (as_json or quiet):
            bar = stack.enter_context(ProgressBar())
        if to_standard_output:
            _write_to_standard_output(client, request, bar)
            return
        with rescued(output):
            stream = _save(client, request, output, bar)
    if as_json:
        write_line(json.dumps(_result(stream, output)))
    elif not quiet:
        write_line(_sentence(stream, output))


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
    length = [] if stream.duration is None else [clock(stream.duration)]
    facts = [*length, kind, f"{output.stat().st_size:,} bytes"]
    return f"{click.format_filename(output)}: {', '.join(facts)}"


def _container(stream: AudioStream, output: Path) -> str:
    return "wav" if output.suffix.lower() == ".wav" else stream.format
