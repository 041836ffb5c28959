"""What the stub says by itself: speech, or audio of one's own for a model."""

from __future__ import annotations

import contextlib
import itertools
import wave
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from modelgates_speech.stub.audio import BYTES_PER_SECOND, ENCODINGS, MEDIA_TYPES, read_wav
from modelgates_speech.stub.document import RefusedError
from modelgates_speech.stub.speech import synthesize

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from modelgates_speech.stub.engine import Engine


def media_type(content: Mapping[str, Any], response_format: object) -> str | None:
    """Choose the documented media type that fits the format best, or the first."""
    ours = MEDIA_TYPES.get(str(response_format), MEDIA_TYPES["pcm"])
    for known in ours:
        if known in content:
            return known
    if {"audio/*", "*/*"} & content.keys():
        return ours[0]
    audible = (kind for kind in content if "json" not in kind and not kind.startswith("text/"))
    return next(audible, next(iter(content), None))


def speak(asked: Mapping[str, Any], engine: Engine, folder: Path | None) -> Iterator[bytes]:
    """Answer with audio in the format that is asked for: of the engine, or from the folder."""
    wanted = str(asked.get("response_format"))
    # A format that the OpenAPI document has and the stub has not comes as PCM: accepting what the
    # document allows is worth more to a test than its encoding.
    encode = ENCODINGS.get(wanted, ENCODINGS["pcm"])
    own = _own(folder, str(asked.get("model")), wanted) if folder else None
    if own is None:
        speed = asked.get("speed")
        text, voice = str(asked.get("input", "")), str(asked.get("voice", ""))
        # Another edition of the OpenAPI document may say the speed in words.
        speed = speed if isinstance(speed, int | float) else 1
        return encode(synthesize(text, voice=voice, speed=speed, engine=engine))
    try:
        # The first of it, that a file which cannot be read is told of before the answer begins.
        audio = encode(read_wav(own)) if own.suffix != f".{wanted}" else iter([own.read_bytes()])
        return itertools.chain([next(audio, b"")], audio)
    except (wave.Error, EOFError, OSError) as error:
        reason = str(error) or "it ends too early"
        raise RefusedError(500, f"{own} is not a file that can be read: {reason}") from error


def _own(folder: Path, model: str, wanted: str) -> Path | None:
    """Find `MODEL.FORMAT`, or `MODEL.wav` to be encoded; nothing outside of the folder."""
    for suffix in (wanted, "wav"):
        # A name may be one that no file can have.
        with contextlib.suppress(OSError, ValueError):
            path = (folder / f"{model}.{suffix}").resolve()
            if path.is_relative_to(folder.resolve()) and path.is_file():
                return path
    return None


async def in_thread(chunks: Iterator[bytes], pace: float) -> AsyncIterator[bytes]:
    """Take what is synthesized, sent no faster than `pace` times as fast as it is heard."""
    # Nothing waits for the rest of a sentence that nobody will hear.
    while chunk := await anyio.to_thread.run_sync(next, chunks, None, abandon_on_cancel=True):
        yield chunk
        if pace:
            await anyio.sleep(len(chunk) / BYTES_PER_SECOND / pace)
