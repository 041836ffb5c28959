"""What the stub says: text, a sentence at a time, or audio of one's own for a model."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import math
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from modelgates_speech.formats import meter_of
from modelgates_speech.stub.audio import (
    BYTES_PER_SECOND,
    ENCODINGS,
    MEDIA_TYPES,
    SAMPLE_RATE,
    SAMPLE_WIDTH,
    read_wav,
)
from modelgates_speech.stub.document import Operation, RefusedError, is_written
from modelgates_speech.stub.engine import Engine, Espeak, Tones, languages
from modelgates_speech.stub.schemas import Json, fields

sentencex: Any = importlib.import_module("sentencex")  # it has no types

LONGEST_PIECE = 240
SLOWEST, FASTEST = 0.25, 4.0

# Seconds, at the usual speed.
AFTER_SENTENCE, AFTER_CLAUSE, BETWEEN_PARAGRAPHS = 0.3, 0.15, 0.4
# Somebody's own engine makes its own pauses.
_OURS = (Espeak, Tones)

_PARAGRAPH = re.compile(r"\n\s*\n")
# What divides a text beside the ends of its sentences.
_MARK = re.compile(r"(?<=[;:])\s+|(?<=\uff1b)|\n+")
_WHITE = re.compile(r"[^\S\n]")
_HALF = re.compile("[\ud800-\udfff]")


def synthesize(text: str, *, voice: str, speed: float, engine: Engine) -> Iterator[bytes]:
    """Speak a text of any length, holding one sentence at a time, with pauses as people make them.

    What cannot be spoken is silence; the speed is clamped to 0.25 ... 4; a voice that begins with a
    language, such as `de-anna`, speaks it. The chunks are at least a tenth of a second in all.
    """
    clamped = float(min(max(speed, SLOWEST), FASTEST))
    ours, silent = isinstance(engine, _OURS), True
    for paragraph in _PARAGRAPH.split(text):
        if ours and not silent:
            yield _silence(BETWEEN_PARAGRAPHS / clamped)
        for piece in pieces(paragraph, language=languages(voice)[0]):
            if spoken := engine.say(piece, voice=voice, speed=clamped):
                silent = False
                yield spoken + _silence(_pause(piece) / clamped if ours else 0)
    if silent:
        yield _silence(0.1)


def _silence(seconds: float) -> bytes:
    return bytes(round(seconds * SAMPLE_RATE) * SAMPLE_WIDTH)


def _pause(piece: str) -> float:
    """Give the seconds of silence after a piece."""
    last = piece.rstrip("\"')]\u00bb\u201d\u2019")[-1:]
    if last.isalnum() or last == ",":
        # A heading ends as a sentence does; what was cut for its length does not end at all.
        return AFTER_SENTENCE if len(piece) < LONGEST_PIECE // 2 else 0
    return AFTER_CLAUSE if last in {";", ":"} else AFTER_SENTENCE


def pieces(text: str, *, language: str = "en") -> Iterator[str]:
    """Cut a text into sentences, and longer ones into at most 240 characters; drop no word.

    The abbreviations of the language, a code such as `de` or `pt-br`, do not end a sentence.
    """
    # A white space of one byte: sentencex 1.0 panics at some others, and at half characters.
    plain = _HALF.sub("?", _WHITE.sub(" ", text))
    start = 0
    # It takes what is quoted for one sentence, and looks no further than a piece for its end.
    while window := plain[start : start + LONGEST_PIECE]:
        sentence = sentencex.segment(language.partition("-")[0], window)[0]
        length = next((mark.end() for mark in _MARK.finditer(sentence)), len(sentence))
        if length == LONGEST_PIECE and start + length < len(plain):
            length = max(window.rfind(" "), window.rfind(",")) + 1 or length
        if piece := window[:length].strip():
            yield piece
        start += length


def media_type(content: Mapping[str, Any], response_format: object) -> str | None:
    """Choose the documented media type, as written, that fits the format best, or the first."""
    ours = MEDIA_TYPES.get(str(response_format), MEDIA_TYPES["pcm"])
    written = {kind.partition(";")[0].rstrip(): kind for kind in content}
    # L16 is big-endian, as no samples here are: bytes of any type say nothing that is wrong.
    for known in (*ours, "audio/*", "*/*", "application/octet-stream", "audio/l16"):
        if known in written:
            return ours[0] if "*" in known else written[known]
    return next(itertools.filterfalse(is_written, content), next(iter(content), None))


def usual_format(content: Mapping[str, Any]) -> str:
    """Give the format of a documented media type, for who asks for none; PCM if it may be any."""
    written = {kind.partition(";")[0].rstrip() for kind in content}
    return next((each for each, kinds in MEDIA_TYPES.items() if written & {*kinds}), "pcm")


# What else a request says in a text.
_NOT_SPOKEN = {"model", "voice", "provider"}
# What holds the text of a turn, of a segment.
_SAYS = ("text", "ssml", "input", "content")


def spoken(asked: Mapping[str, Any], operation: Operation) -> str:
    """Give the text to speak: the input, or the first text that is required, be it of turns."""
    if "input" in asked:
        return _text(asked["input"])
    for name, schema in operation.fields.items():
        is_other = name in _NOT_SPOKEN or {"enum", "format"} & schema.keys()
        if name in operation.required and not is_other and (text := _text(asked.get(name))):
            return text
    return ""


def _text(value: Json) -> str:
    found: list[str] = []
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                found.append(text)
            case [*turns]:
                waiting += reversed(turns)
            case turn:
                turn = fields(turn)
                waiting += reversed([turn[n] for n in _SAYS if n in turn] or [*turn.values()])
    return " ".join(found)


def speak(
    asked: Mapping[str, Any], text: str, engine: Engine, folder: Path | None, usual_speed: Json = 1
) -> Iterator[bytes]:
    """Answer with audio in the format that is asked for: of the engine, or from the folder."""
    wanted = str(asked.get("response_format"))
    # A format that the OpenAPI document has and the stub has not comes as PCM: accepting what the
    # document allows is worth more to a test than its encoding.
    encode = ENCODINGS.get(wanted, ENCODINGS["pcm"])
    own = _own(folder, str(asked.get("model")), wanted) if folder else None
    if own is None:
        speed = _speed(asked.get("speed"), usual_speed)
        voice = str(asked.get("voice", ""))
        return encode(synthesize(text, voice=voice, speed=speed, engine=engine))
    try:
        # The first of it, that a file which cannot be read is told of before the answer begins.
        audio = encode(read_wav(own)) if own.suffix != f".{wanted}" else iter([own.read_bytes()])
        return itertools.chain([next(audio, b"")], audio)
    except Exception as error:  # whatever is wrong with a file of somebody's own
        message = f"{own} cannot be read: {error} (a WAV of 16-bit PCM can)"
        raise RefusedError(500, message) from error


def _speed(asked: Json, usual: Json) -> float:
    """As a factor: another edition of the document may say it in percent, or in words."""
    if not isinstance(asked, int | float):
        return 1
    return asked / usual if isinstance(usual, int | float) and usual > FASTEST else asked


def _own(folder: Path, model: str, wanted: str) -> Path | None:
    """Find `MODEL.FORMAT`, or `MODEL.wav` to be encoded; nothing outside of the folder."""
    for suffix in (wanted, "wav"):
        # A name may be one that no file can have.
        with contextlib.suppress(OSError, ValueError):
            path = (folder / f"{model}.{suffix}").resolve()
            if path.is_relative_to(folder.resolve()) and path.is_file():
                return path
    return None


async def in_thread(chunks: Iterator[bytes], pace: float, wanted: str) -> AsyncIterator[bytes]:
    """Take what is synthesized, sent no faster than `pace` times as fast as it is heard."""
    some = filter(None, chunks)
    parts = _tenths(some, wanted) if pace else ((chunk, 0.0) for chunk in some)
    # Nothing waits for the rest of a sentence that nobody will hear.
    while True:
        try:
            part = await anyio.to_thread.run_sync(next, parts, None, abandon_on_cancel=True)
        except Exception as error:  # whatever an engine of somebody's own raises
            raise RefusedError(500, f"There is no audio, or no more: {error!r}") from error
        if not part:
            return
        yield part[0]
        if pace:
            await anyio.sleep(part[1] / pace)


def _tenths(chunks: Iterator[bytes], wanted: str) -> Iterator[tuple[bytes, float]]:
    """Cut audio into tenths of a second, each with how long it is heard."""
    meter, heard = meter_of(wanted), 0.0
    for chunk in chunks:
        if meter:
            meter.feed(chunk)
        seconds = meter.seconds - heard if meter else len(chunk) / BYTES_PER_SECOND
        heard += seconds
        size = 2 * math.ceil(len(chunk) / max(2, seconds * 20))  # no half of a sample
        for start in range(0, len(chunk), size):
            part = chunk[start : start + size]
            yield part, seconds * len(part) / len(chunk)
