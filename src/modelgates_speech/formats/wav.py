"""WAV: the header that makes one of PCM, and the samples that one holds."""

from __future__ import annotations

import re
import struct

SAMPLE_WIDTH = 2

# A size in RIFF has 32 bits; readers take the largest value for "until the end".
_OPEN_END = 0xFFFFFFFF
_CHUNK_HEADER = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_PCM, _EXTENSIBLE = 1, 0xFFFE
# What such a file begins with, by its length.
WAV_FILES = (b"RIFF", b"RF64", b"BW64")
# In bytes: a longer format chunk lies, longer samples were announced before they were known, and
# what stands after them is shorter.
_LONGEST_FORMAT = 1024
_LONGEST = 1 << 30
_NAME = re.compile(rb"[ -~]{4}")


def header(rate: int, channels: int, size: int | None) -> bytes:
    """The header of a WAV of 16-bit PCM; a `size` of None is not known yet."""
    data = _OPEN_END if size is None or size + 36 > _OPEN_END else size
    riff = min(data + 36, _OPEN_END)
    frame = SAMPLE_WIDTH * channels
    form = _FORMAT.pack(_PCM, channels, rate, rate * frame, frame, 8 * SAMPLE_WIDTH)
    head = _CHUNK_HEADER.pack(b"RIFF", riff) + b"WAVE" + _CHUNK_HEADER.pack(b"fmt ", len(form))
    return head + form + _CHUNK_HEADER.pack(b"data", data)


class Samples:
    """Takes the bytes of one WAV and gives its samples, and those alone.

    Sizes are not trusted: a WAV that was written as it was spoken has none, or a wrong one, or
    begins anew with each part.

    Attributes:
        rate: Samples per second and channel, once known.
        channels: How many channels, once known.
        width: Bytes of a sample of PCM; 0 of anything else. `plain` is PCM of 16 bits.
    """

    def __init__(self) -> None:
        self.rate: int | None = None
        self.channels: int | None = None
        self.width, self.plain = 0, False
        self._bytes_per_second = 0
        self._size = 0
        self._buffer = b""
        self._skip = 0
        # What is left of the samples while they come, and whether a byte of padding follows.
        self._left = 0
        self._padded = False

    @property
    def seconds(self) -> float:
        """How long the samples seen so far play."""
        return self._size / self._bytes_per_second if self._bytes_per_second else 0.0

    @property
    def silent(self) -> bool:
        """Whether no sample was seen."""
        return not self._size

    @property
    def broken(self) -> bool:
        """Whether more were announced."""
        return 0 < self._left < _LONGEST

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return the samples in it; ``b""`` gives none."""
        found: list[bytes] = []
        while data:
            data = data if self._left else self._find_samples(self._buffer + data)
            samples = data[: self._left]
            data = data[len(samples) :]
            self._left -= len(samples)
            self._size += len(samples)
            found.append(samples)
        return b"".join(found)

    def _find_samples(self, data: bytes) -> bytes:
        self._buffer = b""
        while True:
            step = min(self._skip, len(data))
            data, self._skip = data[step:], self._skip - step
            if len(data) < _CHUNK_HEADER.size:
                break
            if self._padded and data[0] == 0 and _NAME.match(data, 1):
                self._padded = False
                data = data[1:]
                continue
            name, size = _CHUNK_HEADER.unpack_from(data)
            end = _CHUNK_HEADER.size + size
            if name == b"data":
                self._left = size if 0 < size < _LONGEST else 1 << 64
                self._padded = bool(size % 2)
                return data[_CHUNK_HEADER.size :]
            if name in WAV_FILES:
                self._skip = _CHUNK_HEADER.size + 4
                continue
            if self._size and not (_NAME.fullmatch(name) and size < _LONGEST):
                # No chunk, so there are more samples than were announced.
                self._left = 1 << 64
                return data
            if name == b"fmt " and _FORMAT.size <= size <= _LONGEST_FORMAT:
                if len(data) < end:
                    break
                self._read_format(data[_CHUNK_HEADER.size : end])
            self._skip = end + size % 2
        self._buffer = data
        return b""

    def _read_format(self, form: bytes) -> None:
        kind, channels, rate, per_second, frame, bits = _FORMAT.unpack_from(form)
        # An extensible one has the true kind further on.
        kind = int.from_bytes(form[24:26], "little") if kind == _EXTENSIBLE else kind
        self.rate, self.channels = rate or None, channels or None
        # 12 bits stand in two bytes, and 24 in three or four, from the highest bit on.
        width = 4 if 16 < bits <= 24 and frame == 4 * channels else (bits + 7) // 8
        self.width = width if kind == _PCM and frame == width * channels else 0
        self.plain = self.width == SAMPLE_WIDTH
        # What is compressed can be measured by its own word alone.
        self._bytes_per_second = rate * channels * width if kind == _PCM else per_second
