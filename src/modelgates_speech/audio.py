"""What audio is here: its formats, its metadata, whether it is whole. No network, no files.

What a reply says of its audio is believed unless the first bytes show something else. PCM shows
nothing: it is signed 16-bit little-endian, at the rate that the content type names
(``audio/pcm;rate=24000;channels=1``), else the client or the call, else 24 kHz mono.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from modelgates_speech.config import (
    DEFAULT_CHANNELS,
    DEFAULT_RATE,
    MAX_CHANNELS,
    MAX_EXCERPT,
    MAX_RATE,
    MAX_SHOWN,
    checked_path,
)
from modelgates_speech.errors import ConfigurationError, IncompleteAudioError, InvalidResponseError
from modelgates_speech.formats import LONGEST_LOOK, format_of, is_text, meter_of
from modelgates_speech.formats.coding import BOMB_RATIO, CODINGS, Expander, codings
from modelgates_speech.formats.media_type import is_prose, length_of, named, number
from modelgates_speech.formats.wav import SAMPLE_WIDTH, Samples, header

if TYPE_CHECKING:
    from modelgates_speech.errors import ModelGatesError

FORMAT_BY_SUFFIX = {".wav": "pcm", ".pcm": "pcm", ".raw": "pcm", ".mp3": "mp3"}

_REQUEST_ID = ("x-request-id", "request-id", "x-generation-id")


@attrs.frozen(kw_only=True)
class AudioMetadata:
    """What is known of audio by its first bytes and the response's headers.

    Attributes:
        format: ``pcm``, ``mp3``, ``wav``, or whatever the content type names, else what was
            requested. If the first bytes show another format, that one; ``unknown`` if they are
            not what audio of the named format begins with.
        content_type: The content type as received, or None.
        sample_rate: Samples per second and channel for PCM and WAV, None for others. For PCM it is
            what the content type says (None if that is unreadable), else the call's or client's.
        channels: The number of channels for PCM and WAV, found in the same way.
        headers: The response's headers, names in lower case.
        request_id: The request's id, for the provider's support, or None.

    Examples:
        >>> with client.audio.speech.stream(model="m/n", voice="alloy", input="Hi") as stream:
        ...     stream.metadata.sample_rate
        24000
    """

    format: str
    content_type: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False, hash=False)
    request_id: str | None = None

    @property
    def frame_size(self) -> int:
        """Bytes of one sample of all channels for PCM; 1 for any other format."""
        return SAMPLE_WIDTH * self.channels if self.format == "pcm" and self.channels else 1

    def duration_of(self, size: int) -> float | None:
        """Seconds that `size` bytes play for; None unless this is PCM."""
        rate = self.sample_rate if self.format == "pcm" and self.channels else None
        return size / (self.frame_size * rate) if rate else None

    def with_content(self, content: bytes) -> Audio:
        """These metadata with the bytes they describe."""
        known = {name: getattr(self, name) for name in AudioMetadata.__annotations__}
        return Audio(**known, content=content)


@attrs.frozen(kw_only=True)
class Audio(AudioMetadata):
    """A whole piece of audio in memory: the 200 response of ``create-audio-speech``.

    Attributes:
        content: The audio's bytes. PCM is signed 16-bit little-endian, channels interleaved.

    Examples:
        >>> client.audio.speech.create(model="any/model", voice="alloy", input="Hi").to_wav()[:4]
        b'RIFF'
    """

    content: bytes = attrs.field(repr=lambda content: f"<{len(content):,} bytes>")

    @property
    def duration(self) -> float | None:
        """Seconds of audio for PCM, WAV and MP3; None for other formats."""
        meter = meter_of(self.format)
        if meter is None:
            return self.duration_of(len(self.content))
        meter.feed(self.content)
        meter.feed(b"")
        return meter.seconds or None

    def to_wav(self) -> bytes:
        """The audio as the bytes of a WAV file.

        Raises:
            ConfigurationError: If it is neither PCM nor WAV already.
        """
        return file_header(self, ".wav", len(self.content)) + self.content

    def _repr_html_(self) -> str | None:
        # What a notebook shows: a player, where its page can take the audio in.
        from base64 import b64encode
        from urllib.parse import quote

        pcm = self.format == "pcm"
        if len(self.content) > MAX_SHOWN or (pcm and not (self.sample_rate and self.channels)):
            return None
        kind = {"pcm": "wav", "mp3": "mpeg"}.get(self.format, quote(self.format))
        data = b64encode(self.to_wav() if pcm else self.content).decode("ascii")
        return f'<audio controls src="data:audio/{kind};base64,{data}"></audio>'

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

        start = file_header(self, suffix_of(path), len(self.content))
        with AtomicFile(path) as file:
            file.write(start)
            file.write(self.content)
            return file.commit()


def suffix_of(path: str | os.PathLike[str]) -> str:
    """The lower-case suffix of `path`; ``*`` where there is none: such a file takes any audio."""
    return checked_path(path, "path").suffix.lower() or "*"


def file_header(audio: AudioMetadata, suffix: str, size: int | None) -> bytes:
    """The bytes that a file with `suffix` needs before the audio's own: a WAV header or none.

    A `size` of None is not known yet.
    """
    if suffix in {"*", f".{audio.format}"} or (suffix == ".raw" and audio.format == "pcm"):
        return b""
    if suffix == ".wav" and audio.format == "pcm":
        if not (audio.sample_rate and audio.channels):
            raise ConfigurationError(
                f"the rate or the channels in the content type ({audio.content_type}) cannot be "
                "read: save it as .pcm"
            )
        return header(audio.sample_rate, audio.channels, size)
    if suffix not in FORMAT_BY_SUFFIX and audio.format not in {*FORMAT_BY_SUFFIX.values(), "wav"}:
        return b""
    raise ConfigurationError(
        f"a file with the suffix {suffix!r} cannot hold this audio, which is {audio.format} "
        f"({audio.content_type or 'no content type'}): save it under another suffix"
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The request's id among response `headers` (names in lower case)."""
    return next((headers[name] for name in _REQUEST_ID if name in headers), None)


class Receiver:
    """Takes the raw bytes of a 200 response's body, gives audio, and knows if it is whole.

    It does no I/O: `feed` it what arrives (``b""`` at the end), `take` the audio that is ready.

    Attributes:
        metadata: What the audio is, by its headers alone until `settled`.
        settled: Whether its first bytes were seen.
        finished: Whether no more will come; ``whole`` if all has.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        requested: str,
        sample_rate: int = DEFAULT_RATE,
        channels: int = DEFAULT_CHANNELS,
    ) -> None:
        content_type = headers.get("content-type")
        name, said = named(content_type or "")
        pcm = (name or requested) == "pcm"
        self.metadata = AudioMetadata(
            format="unknown" if name is None else name or requested,
            content_type=content_type,
            sample_rate=number(said.get("rate"), sample_rate, MAX_RATE) if pcm else None,
            channels=number(said.get("channels"), channels, MAX_CHANNELS) if pcm else None,
            headers=headers,
            request_id=request_id_of(headers),
        )
        self.settled = False
        self.bytes_received = 0
        self.finished = False
        self.whole = False
        self._head = b""
        self._frame = 1
        self._meter = meter_of("")
        self._ready: deque[bytes] = deque()
        self._rest = b""
        self._expander = _expander_for(headers.get("content-encoding", ""), self.metadata)
        self.expected = None if self._expander else length_of(headers)

    def feed(self, data: bytes) -> None:
        """Take what the connection gave; ``b""`` says that the body has ended."""
        if not data:
            self._finish()
        elif self._expander is None:
            self._accept(data)
        else:
            self._expand(self._expander, data)

    def take(self) -> bytes:
        """The next piece of audio, PCM in whole frames; ``b""`` when none is ready."""
        return self._ready.popleft() if self._ready else b""

    def leftover(self) -> bytes:
        """All that arrived and was not taken, a broken last frame included."""
        left = b"".join((self._head, *self._ready, self._rest))
        self._ready.clear()
        self._head = self._rest = b""
        return left

    @property
    def duration(self) -> float | None:
        """Seconds of what arrived, for PCM, WAV and MP3."""
        if self._meter is None:
            return self.metadata.duration_of(self.bytes_received)
        return self._meter.seconds or None

    def cut(self, reason: ModelGatesError | str) -> IncompleteAudioError:
        """The error for a body that broke off because of `reason`."""
        self.finished = True
        announced = f" of {self.expected:,}" if self.expected is not None else ""
        # A connection that broke says so itself.
        billed = "it may have been billed, so " if isinstance(reason, str) else ""
        return IncompleteAudioError(
            f"the audio broke off after {self.bytes_received:,}{announced} bytes: {reason}; "
            f"{billed}it was not requested again; what arrived is in .partial",
            bytes_received=self.bytes_received,
            expected=self.expected,
            partial=self.metadata.with_content(self.leftover()),
            request_id=self.metadata.request_id,
        )

    def _accept(self, data: bytes, *, at_end: bool = False) -> None:
        self.bytes_received += len(data)
        if not self.settled:
            self._head += data
            self._settle(at_end=at_end)
            if not self.settled:
                return
            data, self._head = self._head, b""
        if self._meter is not None:
            self._meter.feed(data)
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

    def _settle(self, *, at_end: bool) -> None:
        """Say by the first bytes what the audio is, once there are enough of them."""
        known, head = self.metadata, self._head
        kind = known.content_type or ""
        text = is_text(head, prose=is_prose(kind), at_end=at_end)
        if text:
            raise _not_audio(known, f"text under {kind or 'no content type'}", head)
        name = format_of(head, known.format, at_end=at_end)
        # What comes under a type such as video/mp4 is audio if its bytes are, and only then.
        if name == known.format == "unknown" and named(kind)[0] is None:
            raise _not_audio(known, kind, head)
        if name is None or text is None:
            return
        if name != "pcm":
            wav = Samples()
            if name == "wav":
                wav.feed(head)
                if wav.rate is None and len(head) < LONGEST_LOOK and not at_end:
                    return
            known = attrs.evolve(known, format=name, sample_rate=wav.rate, channels=wav.channels)
        self.metadata, self.settled = known, True
        self._frame, self._meter = known.frame_size, meter_of(name)

    def _expand(self, expander: Expander, data: bytes) -> None:
        try:
            for piece in filter(None, expander.feed(data)):
                self._accept(piece)
                if expander.exploded:
                    what = f"{expander.compressed:,} bytes that expand more than {BOMB_RATIO}-fold"
                    raise _not_audio(self.metadata, what, b"")
        except zlib.error as error:
            raise self.cut(f"its compressed form is damaged ({error})") from error

    def _finish(self) -> None:
        if self.expected is not None and self.bytes_received < self.expected:
            part = "content-range" in self.metadata.headers
            raise self.cut("it is only a part" if part else "the connection ended early")
        if self._expander is not None and not self._expander.whole:
            raise self.cut("its compressed form ends early")
        if not self.bytes_received:
            raise _not_audio(self.metadata, "an empty body", b"")
        if not self.settled:
            self._accept(b"", at_end=True)
        known = self.metadata
        if self._meter is not None:
            self._meter.feed(b"")
            if self._meter.silent:
                what = {"mp3": "an MP3 of tags alone"}.get(known.format, "a WAV without a sample")
                raise _not_audio(known, what, b"")
        # Where its end was announced, it is the encoder that has left half a frame.
        unannounced = self.expected is None and "transfer-encoding" not in known.headers
        if unannounced and self._expander is None and self._meter and self._meter.broken:
            raise self.cut("it ends in the middle of a frame, or of what its header announces")
        if self._rest:
            raise self.cut("it ends in the middle of a sample")
        self.finished = self.whole = True


def _expander_for(header: str, metadata: AudioMetadata) -> Expander | None:
    found = codings(header)
    if not found:
        return None
    if len(found) == 1 and found[0] in CODINGS:
        return Expander(found[0])
    raise _not_audio(metadata, f"a body compressed as {header!r}, although none was asked for", b"")


def _not_audio(metadata: AudioMetadata, what: str, body: bytes) -> InvalidResponseError:
    return invalid(metadata, f"the server answered with {what}, which is not audio", body=body)


def invalid(
    metadata: AudioMetadata, message: str, *, body: bytes = b"", audio: Audio | None = None
) -> InvalidResponseError:
    """The error for an answer of that kind."""
    return InvalidResponseError(
        message,
        content_type=metadata.content_type,
        body=body[:MAX_EXCERPT],
        request_id=metadata.request_id,
        audio=audio,
    )
