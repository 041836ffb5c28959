"""Pieces of audio, one after another, as one. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelgates_speech.errors import ConfigurationError, InvalidResponseError
from modelgates_speech.jobs.mp3 import Frames

if TYPE_CHECKING:
    from modelgates_speech.audio import AudioMetadata

JOINABLE = ("pcm", "mp3")


def check_joinable(response_format: str) -> None:
    """Check that pieces in this format can be joined.

    Raises:
        ConfigurationError: If they cannot.
    """
    if response_format not in JOINABLE:
        raise ConfigurationError(
            f"pieces of {response_format!r} cannot be joined: use {' or '.join(JOINABLE)}"
        )


class Joiner:
    """Joins pieces that come one after another: `begin`, `feed` ..., `end`, `begin` again.

    PCM joins without a gap. Of MP3 the frames are joined; what each encoder adds at the ends of
    its piece stays, a pause of some 60 ms.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._first: AudioMetadata | None = None
        self._current: AudioMetadata | None = None
        self._layout: tuple[int, int] | None = None
        self._frames = Frames()
        self._size = 0

    def begin(self, metadata: AudioMetadata) -> None:
        """Start a piece.

        Raises:
            InvalidResponseError: If it cannot follow the pieces before it.
        """
        if metadata.format not in JOINABLE:
            raise _unfit(metadata, f"{metadata.format}, which cannot be joined")
        first = self._first = self._first or metadata
        layout = (metadata.format, metadata.sample_rate, metadata.channels)
        if layout != (first.format, first.sample_rate, first.channels):
            raise _unfit(metadata, f"{_words(metadata)}, after pieces of {_words(first)}")
        self._current, self._frames, self._size = metadata, Frames(), 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the piece and return what of them belongs into the whole.

        Raises:
            InvalidResponseError: If they cannot follow the pieces before.
        """
        self._size += len(data)
        return data if self._metadata.format == "pcm" else self._checked(self._frames.feed(data))

    def end(self) -> bytes:
        """End the piece and return what is left of it.

        Raises:
            InvalidResponseError: If no audio was found in it.
        """
        metadata = self._metadata
        if metadata.format == "pcm":
            self.seconds += metadata.duration_of(self._size) or 0.0
            return b""
        rest = self._checked(self._frames.feed(b""))
        if self._frames.header is None:
            raise _unfit(metadata, "an MP3 without a frame of audio")
        self.seconds += self._frames.seconds
        return rest

    @property
    def _metadata(self) -> AudioMetadata:
        assert self._current is not None, "begin comes first"
        return self._current

    def _checked(self, frames: bytes) -> bytes:
        header = self._frames.header
        if frames and header is not None:
            layout = (header.rate, header.channels)
            self._layout = self._layout or layout
            if layout != self._layout:
                raise _unfit(self._metadata, f"MP3 at {layout}, after pieces at {self._layout}")
        return frames


def _words(metadata: AudioMetadata) -> str:
    if metadata.format != "pcm":
        return metadata.format
    return f"pcm at {metadata.sample_rate} Hz with {metadata.channels} channel(s)"


def _unfit(metadata: AudioMetadata, what: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"the server answered with {what}",
        content_type=metadata.content_type,
        request_id=metadata.request_id,
    )
