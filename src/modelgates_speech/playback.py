"""Speech that is heard while it arrives (extra ``play``).

The device asks for sound from a thread of its own, which must never wait: what is not there yet is
silence. So the audio is taken off the stream ahead of what is heard, and no further than minutes.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

from anyio import from_thread

from modelgates_speech.audio import Audio
from modelgates_speech.config import DEFAULT_CHANNELS, DEFAULT_RATE, MAX_RESCUED, installed
from modelgates_speech.errors import (
    ArgumentError,
    ConfigurationError,
    ModelGatesError,
    PlaybackError,
)
from modelgates_speech.formats.mp3 import Frames
from modelgates_speech.formats.wav import SAMPLE_WIDTH, Samples
from modelgates_speech.keeping import Keeping
from modelgates_speech.streams import AsyncAudioStream, AudioStream
from modelgates_speech.waiting import in_thread

if TYPE_CHECKING:
    from modelgates_speech.audio import AudioMetadata

PLAYABLE = ("pcm", "wav", "mp3")

# Seconds that are taken off a stream ahead of what is heard: a whole request, so that neither its
# server nor its deadline waits for ears, but not all of a book, each page of which costs.
AHEAD_SECONDS = 300
# Seconds of sound to have before it begins, and again when it ran out.
START_SECONDS = 0.25
# Seconds without being asked for sound, after which a device counts as gone.
STALL_SECONDS = 5.0
# Of the device's own buffer, of which the library makes three.
_PERIOD_MILLISECONDS = 50
_PERIODS = 3
# What MP3 is decoded to, and the bytes of it that are looked at together.
_DECODED = (48_000, 2)
_READ = 16 * 1024


def play(audio: Audio | AudioStream) -> None:
    """Play audio on the default device, and return when it has been heard.

    A stream is heard from its first sound on, while the rest arrives. One that was not sent yet is
    sent once it is known that there is a device.

    Args:
        audio: PCM, WAV or MP3, whole or as a stream.

    Raises:
        ConfigurationError: If there is no device, the extra ``play`` is not installed, or this is
            not audio; nothing was sent.
        PlaybackError: If the device fails, or the audio is of another format. `partial` has what
            was read from the stream, which can be read on.
        ModelGatesError: What the stream itself raises, once all that came before has been heard.

    Examples:
        >>> with client.audio.speech.stream(model="m/n", voice="alloy", input="Hi") as stream:
        ...     play(stream)
    """
    _check_kind("play", audio, AudioStream)
    check_device()
    if isinstance(audio, Audio):
        play_pieces(audio, [audio.content])
        return
    audio.__enter__()
    kept = Keeping(audio.metadata, most=MAX_RESCUED)
    with kept.even_on_failure():
        play_pieces(audio.metadata, kept.through(audio))


async def aplay(audio: Audio | AsyncAudioStream) -> None:
    """Play audio on the default device, without holding up the event loop; see `play`.

    Examples:
        >>> async def speak(text):
        ...     async with AsyncModelGates() as client:
        ...         await aplay(client.audio.speech.stream(model="m/n", voice="alloy", input=text))
        >>> asyncio.run(speak("Hello"))
    """
    _check_kind("aplay", audio, AsyncAudioStream)
    await in_thread(check_device)
    if isinstance(audio, Audio):
        await in_thread(play_pieces, audio, [audio.content], from_thread.check_cancelled)
        return
    await audio.__aenter__()

    def pulled() -> Iterator[bytes]:
        while piece := from_thread.run(anext, audio, b""):
            yield piece

    kept = Keeping(audio.metadata, most=MAX_RESCUED)
    with kept.even_on_failure():
        pieces = kept.through(pulled())
        await in_thread(play_pieces, audio.metadata, pieces, from_thread.check_cancelled)


def _check_kind(name: str, audio: object, wanted: type) -> None:
    if not isinstance(audio, Audio | wanted):
        raise ArgumentError(
            f"{name}() takes an Audio or an {wanted.__name__}, not {type(audio).__name__}"
        )


def check_device() -> None:
    """Check that sound can be played at all, before any is paid for."""
    _open_device(DEFAULT_RATE, DEFAULT_CHANNELS).close()


def play_pieces(
    metadata: AudioMetadata, pieces: Iterable[bytes], check: Callable[[], object] = lambda: None
) -> None:
    """Play what `pieces` give, and return when it has been heard; what `check` raises ends it."""
    rate, channels, sound = _sound(metadata, iter(pieces))
    with _Speaker(rate, channels) as speaker:
        try:
            for samples in sound:
                speaker.put(samples)
                while speaker.is_full():
                    check()
        except PlaybackError:
            raise
        except ModelGatesError:
            while speaker.sounds():
                check()
            raise
        while speaker.sounds():
            check()


class _Speaker:
    """The open device, and the sound that waits for it."""

    def __init__(self, rate: int, channels: int) -> None:
        self._frame = SAMPLE_WIDTH * channels
        self._second = rate * self._frame
        self._waiting = bytearray()
        self._asked = threading.Condition()
        self._flows = self._ended = False
        # How often it asked for more after the end: what it has by itself is heard by then.
        self._idle = 0
        try:
            self._device = _open_device(rate, channels)
            samples = self._samples()
            next(samples)
            self._device.start(samples)
        except Exception as error:
            reason = next(iter(error.args), error)
            raise PlaybackError(f"the audio device cannot be used: {reason}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._device.close()

    def put(self, samples: bytes) -> None:
        """Have `samples` played after those before."""
        with self._asked:
            self._waiting += samples

    def is_full(self) -> bool:
        """Whether enough waits; waits itself, a moment, while that is so."""
        with self._asked:
            return len(self._waiting) > AHEAD_SECONDS * self._second and self._wait()

    def sounds(self) -> bool:
        """Whether any of it is still to be heard, now that no more comes; waits a moment."""
        with self._asked:
            self._ended = True
            return self._idle <= _PERIODS and self._wait()

    def _wait(self) -> bool:
        if not self._asked.wait(STALL_SECONDS):
            raise PlaybackError(f"the audio device took no sound for {STALL_SECONDS:g} seconds")
        return True

    def _samples(self) -> Generator[bytes, int]:
        taken = b""
        while True:
            size = (yield taken) * self._frame
            with self._asked:
                self._flows |= self._ended or len(self._waiting) >= START_SECONDS * self._second
                taken = bytes(self._waiting[:size]) if self._flows else b""
                del self._waiting[: len(taken)]
                self._flows &= len(taken) == size
                self._idle += self._ended and not taken
                self._asked.notify_all()


def _open_device(rate: int, channels: int) -> Any:
    library = installed("miniaudio", "to play audio", "play")
    try:
        device = library.PlaybackDevice(
            sample_rate=rate,
            nchannels=channels,
            buffersize_msec=_PERIOD_MILLISECONDS,
            app_name="modelgates-speech",
        )
    except library.MiniaudioError as error:
        raise ConfigurationError(
            f"there is no audio device to play on ({error.args[0]})"
        ) from error
    # What the library falls back to where the system has no sound at all.
    if device.backend == "Null":
        device.close()
        raise ConfigurationError("there is no audio device to play on")
    return device


def _sound(metadata: AudioMetadata, pieces: Iterator[bytes]) -> tuple[int, int, Iterator[bytes]]:
    """The rate, the channels and the samples of audio."""
    if metadata.format == "mp3":
        return (*_DECODED, _decoded(pieces))
    if metadata.format not in PLAYABLE or not (metadata.sample_rate and metadata.channels):
        kind = f"{metadata.format} ({metadata.content_type or 'no content type'})"
        raise PlaybackError(f"the audio is {kind}, which cannot be played: save it")
    sound = pieces if metadata.format == "pcm" else _unwrapped(pieces)
    return metadata.sample_rate, metadata.channels, sound


def _unwrapped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    wav = Samples()
    for piece in pieces:
        samples = wav.feed(piece)
        if samples and not wav.plain:
            raise PlaybackError("a WAV that is not 16-bit PCM cannot be played: save it")
        yield samples


def _decoded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    library, source = installed("miniaudio", "to play audio", "play"), _Source(pieces)
    rate, channels = _DECODED
    try:
        # Damage can make the decoder run dry before the end: another one goes on.
        while source.has_more():
            for samples in library.stream_any(
                source, library.FileFormat.MP3, nchannels=channels, sample_rate=rate
            ):
                source.decoded += len(samples) / channels / rate
                yield samples.tobytes()
    except library.DecodeError as error:
        if not (source.decoded or source.failure):
            raise PlaybackError(f"the MP3 cannot be decoded ({error.args[0]}): save it") from error
    if source.failure is not None:
        raise source.failure


class _Source:
    """What the decoder reads from: a `miniaudio.StreamableSource` in all but its base.

    Before each frame it asks for up to 16 KiB, and goes on without them: so it need not wait for
    them while it has sound to decode.
    """

    ffi_handle: object = None
    error_in_readcallback: Exception | None = None

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.failure: BaseException | None = None
        self.decoded = 0.0  # seconds
        self._pieces = (
            piece[at : at + _READ] for piece in pieces for at in range(0, len(piece), _READ)
        )
        self._frames = Frames()
        self._first = self._rest = b""

    def has_more(self) -> bool:
        """Whether there is more than was read; waits for it."""
        self._first, self.decoded = b"", self._frames.seconds
        self._fill()
        return bool(self._rest)

    def read(self, size: int) -> bytes:
        self._fill()
        data, self._rest = self._rest[:size], self._rest[size:]
        self._first = self._first or data
        return data

    def _fill(self) -> None:
        while self._frames.seconds < self.decoded + START_SECONDS:
            try:
                piece = next(self._pieces, b"")
            except BaseException as error:  # noqa: BLE001 - raised by `_decoded`, outside the library
                self.failure = error
                return
            if not piece:
                return
            self._frames.feed(piece)
            self._rest += piece

    def seek(self, offset: int, origin: enum.Enum) -> bool:
        # It looks for a tag, skips that, or goes back to the start; there is nothing else.
        if origin.name == "CURRENT":
            while offset > 0 and (skipped := self.read(offset)):
                offset -= len(skipped)
        elif origin.name == "START":
            self._first, self._rest = b"", self._first + self._rest
        return True
