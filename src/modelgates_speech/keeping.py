"""Audio that is kept, in a file or in memory, whatever happens: it is paid for."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from modelgates_speech import _binding
from modelgates_speech.audio import FORMAT_BY_SUFFIX, file_header, invalid, suffix_of
from modelgates_speech.config import MAX_RESCUED
from modelgates_speech.errors import (
    ConfigurationError,
    IncompleteAudioError,
    ModelGatesError,
    PlaybackError,
    SaveError,
)
from modelgates_speech.files import free_name

if TYPE_CHECKING:
    from modelgates_speech.audio import Audio, AudioMetadata
    from modelgates_speech.errors import HeldAudio, InvalidResponseError
    from modelgates_speech.files import AtomicFile


class Keeping:
    """Audio taken off a stream, into a file or into memory, which outlives any failure.

    It is paid for: when the file fails, what it held and what still comes is kept in memory.
    Without a file that holds all of it, or the last bytes, `most` of them.
    """

    def __init__(
        self, metadata: AudioMetadata, file: AtomicFile | None = None, most: float = math.inf
    ) -> None:
        self._metadata = metadata
        self._file = file
        self._most = most
        self._size = 0
        self._memory: deque[bytes] = deque()
        self._failure: SaveError | None = None
        self._header = b""
        if file is not None:
            self._header = file_header(metadata, suffix_of(file.path), None)
            try:
                file.write(self._header)
            except SaveError as error:
                self._failure = error

    def add(self, piece: bytes) -> None:
        """Keep `piece`, in memory if need be."""
        if self._file is not None and self._failure is None:
            try:
                self._file.write(piece)
            except SaveError as error:
                self._memory.append(self._written())
                self._failure = error
            else:
                self._size += len(piece)
                return
        self._memory.append(piece)
        self._size += len(piece)
        if self._failure and self._size > MAX_RESCUED:
            raise self._failure
        while self._size > self._most:
            self._size -= len(self._memory.popleft())

    def through(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Keep `pieces`, and hand them on."""
        for piece in pieces:
            self.add(piece)
            yield piece

    def audio(self) -> Audio:
        """What was kept, as far as memory is meant to hold it."""
        in_file = self._file is not None and self._failure is None
        return self._metadata.with_content(self._written() if in_file else b"".join(self._memory))

    def check_some(self) -> None:
        """Raise `ConfigurationError` where there was nothing to keep: no stream has no audio."""
        if not self._size:
            raise ConfigurationError("this stream has no audio left: it was handed out before")

    def commit(self) -> Path:
        """Give the file its name, now that the audio is whole."""
        if self._failure or self._file is None:
            raise self._failure or AssertionError
        if self._header and not self._file.in_place:
            suffix = suffix_of(self._file.path)
            self._file.rewrite_start(file_header(self._metadata, suffix, self._size))
        return self._file.commit()

    @contextmanager
    def even_on_failure(self) -> Generator[None]:
        """Attach what was kept to whatever ends this early, the caller's own errors included."""
        try:
            yield
        except IncompleteAudioError as error:
            kept = self.audio().content + error.partial.content
            error.partial = self._metadata.with_content(kept)
            raise
        except BaseException as error:
            audio, known = self.audio(), vars(error)
            if audio.content or isinstance(error, SaveError | PlaybackError):
                known["partial"] = known.get("partial") or audio
            raise

    def _written(self) -> bytes:
        assert self._file is not None
        try:
            return self._file.read(len(self._header), min(self._size, MAX_RESCUED))
        except (OSError, ValueError):
            # The disk does not even give back what it took, or the file is there already, whole.
            return b""


def formats_by_suffix() -> dict[str, str]:
    """What a file's suffix asks for: of the formats that the OpenAPI document names, if it does."""
    argument = _binding.ARGUMENTS.get("response_format")
    named = argument.values if argument else (_binding.DEFAULT_RESPONSE_FORMAT,)
    found = {each: name for each, name in FORMAT_BY_SUFFIX.items() if name in named or not named}
    for name in named or (_binding.DEFAULT_RESPONSE_FORMAT,):
        found.setdefault(f".{name}".lower(), name)
    return found


def format_for_file(path: str | os.PathLike[str], requested: str | None) -> str | None:
    """The ``response_format`` to request so that `path` can hold the answer, if one can be."""
    suffix, known = suffix_of(path), formats_by_suffix()
    implied = known.get(suffix) or FORMAT_BY_SUFFIX.get(suffix)
    if suffix == "*" and requested is None and Path(path).exists() and not Path(path).is_file():
        implied = _binding.DEFAULT_RESPONSE_FORMAT
    may_ask = "response_format" in _binding.ARGUMENTS
    if implied is None and requested is None:
        raise ConfigurationError(
            f"the suffix of {str(path)!r} names no known format: use one of "
            f"{', '.join(known)}{', or pass response_format' if may_ask else ''}"
        )
    if requested is None and not may_ask:
        return None
    if requested is None or requested == suffix[1:]:
        return requested or implied or ""
    implied = FORMAT_BY_SUFFIX.get(suffix, implied)
    taken = implied or requested in FORMAT_BY_SUFFIX.values()
    if taken and requested != implied and suffix != "*":
        raise ConfigurationError(
            f"the suffix of {str(path)!r} contradicts response_format={requested!r}: "
            "change one of the two"
        )
    return requested


def unfit(error: ConfigurationError, audio: Audio) -> InvalidResponseError:
    """The error for whole audio that the file cannot hold; it is in the error."""
    return invalid(audio, f"{error}; the audio is in .audio", audio=audio)


def keep(audio: HeldAudio, folder: Path, stem: str, pcm: str = ".wav") -> Path | None:
    """Save audio that a failure left, replacing nothing; None where that cannot be.

    Its suffix is that of its format, for PCM as given.
    """
    suffix = f".{quote(audio.format, safe='')}"
    if audio.format == "pcm" and (audio.sample_rate or pcm != ".wav"):
        suffix = pcm
    try:
        folder.mkdir(exist_ok=True)
        return audio.save(free_name(folder, stem, suffix))
    except (OSError, ModelGatesError):
        return None
