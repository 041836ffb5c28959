"""Pieces of audio, one after another, as one. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelgates_speech.audio import invalid
from modelgates_speech.config import DEFAULT_CHANNELS, DEFAULT_RATE
from modelgates_speech.errors import ConfigurationError
from modelgates_speech.formats import meter_of
from modelgates_speech.formats.mp3 import HEADER, FrameHeader, Frames
from modelgates_speech.formats.wav import SAMPLE_WIDTH, Samples
from modelgates_speech.keeping import formats_by_suffix

if TYPE_CHECKING:
    from modelgates_speech.audio import AudioMetadata
    from modelgates_speech.errors import InvalidResponseError

JOINABLE = ("pcm", "mp3", "wav")


def check_joinable(response_format: str) -> None:
    """Check that pieces in this format can be joined."""
    if response_format not in JOINABLE:
        there = [name for name in JOINABLE if name in formats_by_suffix().values()]
        advice = f": use {' or '.join(there)}" if there else ""
        raise ConfigurationError(f"pieces of {response_format!r} cannot be joined{advice}")


class Joiner:
    """Joins pieces that come one after another: `begin`, `feed` ..., `end`, `begin` again.

    PCM joins without a gap, and so do the samples of WAVs, which become PCM. Of MP3 the frames are
    joined; what each encoder adds at the ends of its piece stays, a pause of some 60 ms.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._first: AudioMetadata | None = None
        self._current: AudioMetadata | None = None
        self._layout: tuple[int, int] | None = None
        self._frame = b""
        self._meter: Frames | Samples | None = None
        self._rest = b""
        self._size = 0

    def begin(self, metadata: AudioMetadata) -> None:
        """Start a piece."""
        if metadata.format not in JOINABLE:
            raise _unfit(metadata, f"{metadata.format}, which cannot be joined")
        first = self._first = self._first or metadata
        layout = (metadata.format == "mp3", metadata.sample_rate, metadata.channels)
        if layout != (first.format == "mp3", first.sample_rate, first.channels):
            raise _unfit(metadata, f"{_words(metadata)}, after pieces of {_words(first)}")
        self._current, self._meter = metadata, meter_of(metadata.format)
        self._rest, self._size = b"", 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the piece and return what of them belongs into the whole."""
        self._size += len(data)
        match self._meter:
            case Samples() as wav:
                return self._whole(wav, wav.feed(data))
            case Frames() as mp3:
                return self._checked(mp3, mp3.feed(data))
            case _:
                return data

    def end(self) -> bytes:
        """End the piece and return what is left of it."""
        metadata, meter, rest = self._metadata, self._meter, self.feed(b"")
        seconds = meter.seconds if meter else metadata.duration_of(self._size) or 0.0
        if meter and not seconds:
            what = {"mp3": "an MP3 without a frame"}.get(metadata.format, "a WAV without a sample")
            raise _unfit(metadata, f"{what} of audio")
        self.seconds += seconds
        return rest

    def silence(self, seconds: float) -> bytes:
        """About so many seconds of silence, to stand after a piece."""
        metadata = self._metadata
        if metadata.format == "mp3":
            frame, duration = _silent_frame(self._frame)
        else:
            frame = bytes(SAMPLE_WIDTH * (metadata.channels or DEFAULT_CHANNELS))
            duration = 1 / (metadata.sample_rate or DEFAULT_RATE)
        count = round(seconds / duration)
        self.seconds += count * duration
        return frame * count

    @property
    def _metadata(self) -> AudioMetadata:
        assert self._current is not None, "begin comes first"
        return self._current

    def _whole(self, wav: Samples, samples: bytes) -> bytes:
        """What is there of whole sample frames; half a one at its end would shift the next WAV."""
        if samples and not wav.plain:
            raise _unfit(self._metadata, "a WAV of other samples than 16-bit PCM")
        samples = self._rest + samples
        whole = len(samples) - len(samples) % (SAMPLE_WIDTH * (self._metadata.channels or 1))
        self._rest = samples[whole:]
        return samples[:whole]

    def _checked(self, mp3: Frames, frames: bytes) -> bytes:
        if frames and mp3.header is not None:
            layout = (mp3.header.rate, mp3.header.channels)
            self._layout = self._layout or layout
            self._frame = self._frame or frames[:HEADER]
            if layout != self._layout:
                raise _unfit(self._metadata, f"MP3 at {layout}, after pieces at {self._layout}")
        return frames


def _silent_frame(header: bytes) -> tuple[bytes, float]:
    """A frame of MP3 like those with `header`, but silent, and its seconds.

    Where all that follows the header is zero, there is nothing to be decoded.
    """
    # Without a checksum, and without padding.
    start = bytes((header[0], header[1] | 1, header[2] & ~2, header[3]))
    frame = FrameHeader.parse(start)
    assert frame is not None, "it was parsed before"
    return start.ljust(frame.size, b"\0"), frame.samples / frame.rate


def _words(metadata: AudioMetadata) -> str:
    if metadata.format == "mp3":
        return "mp3"
    return f"{metadata.format} at {metadata.sample_rate} Hz with {metadata.channels} channel(s)"


def _unfit(metadata: AudioMetadata, what: str) -> InvalidResponseError:
    return invalid(metadata, f"the server answered with {what}; the audio is in .audio")
