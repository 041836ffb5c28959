"""`modelgates-speech speak`: one text, one file of speech."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from modelgates_speech._binding import DEFAULT_RESPONSE_FORMAT
from modelgates_speech.cli.inputs import read_text
from modelgates_speech.cli.options import (
    PLAY,
    SUFFIXES,
    api_options,
    connection,
    request_of,
    request_options,
)
from modelgates_speech.cli.output import clock, command_like, deliver, destination, report
from modelgates_speech.cli.progress import bar, bar_is_welcome
from modelgates_speech.cli.rescue import opened
from modelgates_speech.keeping import formats_by_suffix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelgates_speech import AudioStream


@command_like('modelgates-speech speak "Hello world" -o hello.mp3 --local')
@click.argument("text", required=False)
@click.option(
    "--file",
    "text_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the text from this file (UTF-8).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help=f"File to write: {SUFFIXES}; - is standard output, a WAV unless another format is "
    "asked for.  [default: speech.wav, or by the format; with --play none]",
)
@PLAY
@request_options
@api_options
def command(
    *,
    text: str | None,
    text_file: Path | None,
    response_format: str | None = None,
    output: Path | None,
    play: bool,
    api: Mapping[str, Any],
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Turn TEXT into speech. With - the text is read from standard input.

    The API key is read from MODELGATES_API_KEY; there is no option for it on purpose, since
    command lines are visible to every user of a machine. Without a key, --local speaks offline.
    """
    said = response_format or formats_by_suffix().get(".wav", DEFAULT_RESPONSE_FORMAT)
    usual = Path(f"speech.{'wav' if said == 'pcm' else quote(said, safe='')}")
    if output is None and not play:
        output = usual
    output, response_format = destination(
        output, response_format, text_file, play=play, as_json=as_json
    )
    request = request_of(response_format=response_format, **options)
    request["input"] = read_text(text, text_file)

    with ExitStack() as stack:
        if play:
            from modelgates_speech.cli.listen import check_playable

            check_playable(response_format)
        settings = stack.enter_context(connection(**api))
        from modelgates_speech import ModelGates

        client = stack.enter_context(ModelGates(**settings))
        shown = bar_is_welcome(quiet=quiet, as_json=as_json)
        show = stack.enter_context(bar(shown=shown, desc="speaking", unit="B", unit_scale=True))
        file = stack.enter_context(opened(output, usual if play else None))
        stream = stack.enter_context(client.audio.speech.stream(**request))

        def on_progress(received: int) -> None:
            seconds = stream.duration
            show(received, None if seconds is None else f"{seconds:.1f} s of audio")

        raw = response_format is not None
        deliver(stream, file, usual, play=play, raw=raw, on_progress=on_progress)
    if output or play:
        facts, sentence = _result(stream, output), _sentence(stream, output)
        report(facts, sentence, as_json=as_json, quiet=quiet)


def _result(stream: AudioStream, output: Path | None) -> dict[str, Any]:
    return {
        "path": output and str(output),
        "bytes": _size(stream, output),
        "seconds": stream.duration,
        "sample_rate": stream.sample_rate,
        "channels": stream.channels,
        "format": _container(stream, output),
        "content_type": stream.content_type,
        "request_id": stream.request_id,
    }


def _sentence(stream: AudioStream, output: Path | None) -> str:
    kind = _container(stream, output)
    if stream.format == "pcm":
        layout = {1: "mono", 2: "stereo"}.get(stream.channels or 0, f"{stream.channels} channels")
        details = f"pcm s16le, {stream.sample_rate} Hz, {layout}"
        kind = f"{kind} ({details})" if kind != "pcm" else details
    length = [] if stream.duration is None else [clock(stream.duration)]
    facts = [*length, kind, f"{_size(stream, output):,} bytes"]
    return f"{click.format_filename(output) if output else 'played'}: {', '.join(facts)}"


def _size(stream: AudioStream, output: Path | None) -> int:
    return output.stat().st_size if output and output.is_file() else stream.bytes_received


def _container(stream: AudioStream, output: Path | None) -> str:
    return "wav" if output and output.suffix.lower() == ".wav" else stream.format
