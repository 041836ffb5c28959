"""Encodings of the audio, each a generator that keeps up with the speech."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from modelgates_speech.formats.wav import Samples, header

# It has no types; imported here all the same, to be missed at once.
lameenc: Any = importlib.import_module("lameenc")
with warnings.catch_warnings():
    # Python 3.13 has it no more; there the package audioop-lts brings it back.
    warnings.simplefilter("ignore", DeprecationWarning)
    audioop: Any = importlib.import_module("audioop")

SAMPLE_RATE = 24_000
SAMPLE_WIDTH = 2
BYTES_PER_SECOND = SAMPLE_RATE * SAMPLE_WIDTH  # of PCM


def _wav(speech: Iterable[bytes]) -> Iterator[bytes]:
    rest = iter(speech)
    # Its length is unknown while it is spoken. Alone it would say that there is something to hear.
    yield header(SAMPLE_RATE, 1, None) + next(rest, b"")
    yield from rest


def _mp3(speech: Iterable[bytes]) -> Iterator[bytes]:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(SAMPLE_RATE)
    encoder.set_channels(1)
    encoder.set_bit_rate(64)
    encoder.set_quality(7)  # the fastest; nobody masters a record with a stub
    encoder.encode(b"")  # it does not end what it has not begun
    for chunk in speech:
        if encoded := bytes(encoder.encode(chunk)):
            yield encoded
    yield bytes(encoder.flush())


def read_wav(path: Path) -> Iterator[bytes]:
    """Read a WAV file of PCM, as PCM of the stub's own shape."""
    wav, chunk, state = Samples(), b"", None
    with path.open("rb") as file:
        while content := file.read(SAMPLE_RATE):
            chunk += wav.feed(content)
            if not chunk:
                continue
            width, channels, rate = wav.width, wav.channels or 0, wav.rate
            if not (0 < width <= 4 and 0 < channels <= 2 and rate):
                raise ValueError("it is not PCM, or has more than 2 channels")
            # A file that was cut may end within a frame.
            whole = len(chunk) - len(chunk) % (width * channels)
            samples, chunk = chunk[:whole], chunk[whole:]
            if width == 1:
                samples = audioop.bias(samples, 1, 128)  # a WAV file has bytes without a sign
            samples = audioop.lin2lin(samples, width, SAMPLE_WIDTH)
            if channels > 1:
                samples = audioop.tomono(samples, SAMPLE_WIDTH, 0.5, 0.5)
            samples, state = audioop.ratecv(samples, SAMPLE_WIDTH, 1, rate, SAMPLE_RATE, state)
            yield samples
    if not wav.rate:
        raise ValueError("it is no WAV file")


ENCODINGS: dict[str, Callable[..., Iterator[bytes]]] = {"pcm": iter, "wav": _wav, "mp3": _mp3}
MEDIA_TYPES = {
    "pcm": ("audio/pcm;rate=24000;channels=1", "audio/pcm"),
    "wav": ("audio/wav", "audio/x-wav", "audio/wave"),
    "mp3": ("audio/mpeg", "audio/mp3"),
}
