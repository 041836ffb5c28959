"""What audio is here: its formats, its metadata, whether it is whole. No network, no files.

PCM is signed 16-bit little-endian; rate and channels come from the content type when it says
(``audio/pcm;rate=24000;channels=1``) and are 24 kHz mono otherwise.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import deque
from pathlib import PurePath
from typing import TYPE_CHECKING

import attrs

from modelgates_speech.config import DEFAULT_CHANNELS, DEFAULT_RATE, MAX_EXCERPT
from modelgates_speech.errors import (
    ConfigurationError,
    IncompleteAudioError,
    InvalidResponseError,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from modelgates_speech.errors import ModelGatesError

FORMAT_BY_SUFFIX = {".wav": "pcm", ".pcm": "pcm", ".raw": "pcm", ".mp3": "mp3"}
FORMAT_BY_SUBTYPE = {"mpeg": "mp3", "mp3": "mp3", "pcm": "pcm", "wav": "wav", "x-wav": "wav"}
SAMPLE_WIDTH = 2

_OPAQUE = {"", "application/octet-stream", "binary/octet-stream"}
_REQUEST_ID = ("x-request-id", "request-id", "x-generation-id")
_PARAMETER = re.compile(r';\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
_TEXT_STARTS = (b'{"', b"<!doctype", b"<html", b"<?xml")
_RIFF_MAX = 0xFFFFFFFF
# Speech compresses two- or threefold; what expands further than this is an attack or a fault.
_BOMB_RATIO = 100
_BOMB_FLOOR = 16 * 1024 * 1024
_PIECE = 64 * 1024


@attrs.frozen(kw_only=True)
class AudioMetadata:
    """What the response's headers say of the audio.

    Attributes:
        format: ``pcm``, ``mp3``, ``wav``, or whatever the content type names; where it names
            nothing (``application/octet-stream``), the format that was requested.
        content_type: The content type as received, or None.
        sample_rate: Samples per second and channel for PCM: as the content type says, 24,000
            where it says nothing, None where it says what cannot be read. None for other formats.
        channels: Channels for PCM, likewise; 1 where the content type says nothing.
        headers: The response's headers, names in lower case.
        request_id: The request's id, for the provider's support, or None.
    """

    format: str
    content_type: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    request_id: str | None = None

    @property
    def frame_size(self) -> int:
        """Bytes of one sample of all channels for PCM; 1 for any other format."""
        return SAMPLE_WIDTH * self.channels if self.channels else 1

    def duration_of(self, size: int) -> float | None:
        """Seconds that `size` bytes play for; None unless this is PCM."""
        return size / (self.frame_size * self.sample_rate) if self.sample_rate else None

    def with_content(self, content: bytes) -> Audio:
        """These metadata with the bytes they describe."""
        return Audio(
            format=self.format,
            content_type=self.content_type,
            sample_rate=self.sample_rate,
            channels=self.channels,
            headers=self.headers,
            request_id=self.request_id,
            content=content,
        )


@attrs.frozen(kw_only=True)
class Audio(AudioMetadata):
    """A whole piece of audio in memory: the 200 response of ``create-audio-speech``.

    Attributes:
        content: The audio's bytes. PCM is signed 16-bit little-endian, channels interleaved.
    """

    content: bytes = attrs.field(repr=lambda content: f"<{len(content):,} bytes>")

    @property
    def duration(self) -> float | None:
        """Seconds of audio; None unless this is PCM."""
        return self.duration_of(len(self.content))

    def to_wav(self) -> bytes:
        """The audio as the bytes of a WAV file.

        Raises:
            ConfigurationError: If it is neither PCM nor WAV already.
        """
        if self.format == "wav":
            return self.content
        return file_header(self, ".wav", len(self.content)) + self.content

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the audio to a file that appears whole or not at all.

        Args:
            path: The target; its suffix decides: ``.wav`` (PCM gets a header), ``.pcm`` or
                ``.raw``, ``.mp3``, or the name of the audio's own format.

        Returns:
            The path written.

        Raises:
            ConfigurationError: If the suffix contradicts the audio's format.
            SaveError: If the file cannot be written; nothing is left behind.
        """
        from modelgates_speech.files import AtomicFile

        suffix = suffix_of(path)
        header = file_header(self, suffix, len(self.content))
        with AtomicFile(path) as file:
            file.write(header)
            file.write(self.content)
            return file.commit()


def suffix_of(path: str | os.PathLike[str]) -> str:
    """The lower-case suffix of `path`, which decides how audio is saved."""
    return PurePath(path).suffix.lower()


def format_for_file(path: str | os.PathLike[str], requested: str | None) -> str:
    """The ``response_format`` to request so that `path` can hold the answer.

    Raises:
        ConfigurationError: If the suffix contradicts `requested`, or says nothing alone.
    """
    suffix = suffix_of(path)
    implied = FORMAT_BY_SUFFIX.get(suffix)
    if implied is None and requested is None:
        raise ConfigurationError(
            f"the suffix {suffix!r} of {str(path)!r} names no known format: "
            f"use one of {', '.join(FORMAT_BY_SUFFIX)}, or pass response_format"
        )
    if requested is None or requested == suffix[1:]:
        return requested or implied or ""
    if requested != implied and (implied or requested in FORMAT_BY_SUFFIX.values()):
        raise ConfigurationError(
            f"the suffix of {str(path)!r} contradicts response_format={requested!r}: "
            "change one of the two"
        )
    return requested


def file_header(audio: AudioMetadata, suffix: str, size: int | None) -> bytes:
    """The bytes that a file with `suffix` needs before the audio's own: a WAV header or none.

    Args:
        audio: What is to be saved.
        suffix: The file's suffix, in lower case.
        size: Bytes of audio, or None when it is not known yet.

    Raises:
        ConfigurationError: If such a file cannot hold such audio.
    """
    if suffix == f".{audio.format}" or (suffix == ".raw" and audio.format == "pcm"):
        return b""
    if suffix == ".wav" and audio.format == "pcm":
        if not (audio.sample_rate and audio.channels):
            raise ConfigurationError(
                f"the rate or the channels that the server names ({audio.content_type}) cannot be "
                "read: save it as .pcm"
            )
        return _wav_header(audio.sample_rate, audio.channels, size)
    if suffix not in FORMAT_BY_SUFFIX and audio.format not in FORMAT_BY_SUBTYPE.values():
        return b""
    raise ConfigurationError(
        f"a file with the suffix {suffix!r} cannot hold this audio, which is {audio.format} "
        f"({audio.content_type or 'no content type'}): save it under another suffix"
    )


def _wav_header(rate: int, channels: int, size: int | None) -> bytes:
    # A size in RIFF has 32 bits; readers take the largest value for "until the end".
    riff, data = (_RIFF_MAX,) * 2 if size is None or size + 36 > _RIFF_MAX else (size + 36, size)
    frame = SAMPLE_WIDTH * channels
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", riff, b"WAVE"),
        *(b"fmt ", 16, 1, channels, rate, rate * frame, frame, 8 * SAMPLE_WIDTH),
        *(b"data", data),
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The request's id among response `headers` (names in lower case)."""
    return next((headers[name] for name in _REQUEST_ID if name in headers), None)


class Receiver:
    """Takes the raw bytes of a 200 response's body, gives audio, and knows if it is whole.

    It does no I/O: `feed` it what arrives (``b""`` at the end), `take` the audio that is ready.

    Args:
        headers: The response's headers, names in lower case.
        requested: The ``response_format`` that was asked for.

    Raises:
        InvalidResponseError: If the headers say that this is no audio.
    """

    def __init__(self, headers: Mapping[str, str], requested: str) -> None:
        self.metadata = _describe(headers, requested)
        self._frame = self.metadata.frame_size
        self.bytes_received = 0
        self.finished = False
        self._ready: deque[bytes] = deque()
        self._rest = b""
        coding = headers.get("content-encoding", "identity").strip().lower()
        self._decoder = _decoder_for(coding, self.metadata)
        length = headers.get("content-length", "")
        self.expected = int(length) if length.isdigit() and self._decoder is None else None
        self._wire_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what the connection gave; ``b""`` says that the body has ended.

        Raises:
            InvalidResponseError: If the body turns out empty, text, or a decompression bomb.
            IncompleteAudioError: If the body has ended before the audio has.
        """
        if not data:
            self._finish()
        elif self._decoder is None:
            self._accept(data)
        else:
            self._wire_bytes += len(data)
            self._decode(self._decoder, data)

    def take(self) -> bytes:
        """The next piece of audio, PCM in whole frames; ``b""`` when none is ready."""
        return self._ready.popleft() if self._ready else b""

    def leftover(self) -> bytes:
        """All that arrived and was not taken, a broken last frame included."""
        left = b"".join((*self._ready, self._rest))
        self._ready.clear()
        self._rest = b""
        return left

    def cut(self, reason: ModelGatesError | str) -> IncompleteAudioError:
        """The error for a body that broke off because of `reason`."""
        self.finished = True
        announced = f" of {self.expected:,}" if self.expected is not None else ""
        return IncompleteAudioError(
            f"the audio broke off after {self.bytes_received:,}{announced} bytes: {reason}; "
            "it may have been billed, so it was not requested again; what arrived is in .partial",
            bytes_received=self.bytes_received,
            expected=self.expected,
            partial=self.metadata.with_content(self.leftover()),
            request_id=self.metadata.request_id,
        )

    def _accept(self, data: bytes) -> None:
        if not self.bytes_received and _looks_like_text(data):
            raise _not_audio(self.metadata, f"text under {self.metadata.content_type}", data)
        self.bytes_received += len(data)
        whole = len(data) - (len(self._rest) + len(data)) % self._frame
        if self._rest or whole < len(data):
            if whole < 0:
                self._rest += data
                return
            # Joined at once: a piece is large, and each copy of it costs as much as to receive it.
            rest, self._rest = self._rest, data[whole:]
            data = b"".join((rest, memoryview(data)[:whole]))
        if data:
            self._ready.append(data)

    def _decode(self, decoder: zlib._Decompress, data: bytes) -> None:
        # Piece by piece, so that a bomb is recognized before it fills the memory.
        while data:
            if decoder.eof:
                # What follows is another member; to drop it would pass a part for the whole.
                decoder = self._decoder = _new_decoder()
            try:
                piece = decoder.decompress(data, _PIECE)
            except zlib.error as error:
                raise self.cut(f"its compressed form is damaged ({error})") from error
            data = decoder.unconsumed_tail or decoder.unused_data
            if piece:
                self._accept(piece)
            if self.bytes_received > max(_BOMB_FLOOR, _BOMB_RATIO * self._wire_bytes):
                raise _not_audio(
                    self.metadata,
                    f"{self._wire_bytes:,} compressed bytes that expand more than "
                    f"{_BOMB_RATIO}-fold",
                    b"",
                )

    def _finish(self) -> None:
        if self.expected is not None and self.bytes_received < self.expected:
            raise self.cut("the connection ended early")
        if self._decoder is not None and not self._decoder.eof:
            raise self.cut("its compressed form ends early")
        if not self.bytes_received:
            raise _not_audio(self.metadata, "an empty body", b"")
        if self._rest:
            raise self.cut("it ends in the middle of a sample")
        self.finished = True


def _describe(headers: Mapping[str, str], requested: str) -> AudioMetadata:
    content_type = headers.get("content-type")
    media_type, _, rest = (content_type or "").partition(";")
    media_type = media_type.strip().lower()
    kind, _, subtype = media_type.partition("/")
    name = FORMAT_BY_SUBTYPE.get(subtype, subtype) if kind == "audio" else requested
    parameters = _parameters(rest)
    metadata = AudioMetadata(
        format=name,
        content_type=content_type,
        sample_rate=_number(parameters.get("rate"), DEFAULT_RATE) if name == "pcm" else None,
        channels=_number(parameters.get("channels"), DEFAULT_CHANNELS) if name == "pcm" else None,
        headers=headers,
        request_id=request_id_of(headers),
    )
    if kind != "audio" and media_type not in _OPAQUE:
        raise _not_audio(metadata, content_type or "", b"")
    return metadata


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a media type, as RFC 9110 writes them: names in any case, values quoted."""
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else value
        for name, quoted, value in _PARAMETER.findall(f";{text}")
    }


def _number(value: str | None, default: int) -> int | None:
    """`default` where nothing is said, None where what is said is not a number above 0."""
    if value is None:
        return default
    return int(value) if value.isascii() and value.isdigit() and int(value) else None


def _decoder_for(coding: str, metadata: AudioMetadata) -> zlib._Decompress | None:
    if coding in {"", "identity"}:
        return None
    if coding in {"gzip", "x-gzip", "deflate"}:
        return _new_decoder()
    raise _not_audio(metadata, f"a body in the coding {coding!r} (identity was asked for)", b"")


def _new_decoder() -> zlib._Decompress:
    # 32 more than the window's size: the header tells gzip from zlib.
    return zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)


def _looks_like_text(data: bytes) -> bool:
    if not data[:16].lstrip().lower().startswith(_TEXT_STARTS):
        return False
    try:
        return data[:1024].decode("ascii").isprintable() or b"\n" in data[:1024]
    except UnicodeDecodeError:
        return False


def _not_audio(metadata: AudioMetadata, what: str, body: bytes) -> InvalidResponseError:
    return InvalidResponseError(
        f"the server answered 200 with {what}, which is not audio",
        content_type=metadata.content_type,
        body=body[:MAX_EXCERPT],
        request_id=metadata.request_id,
    )
