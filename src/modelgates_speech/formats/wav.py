"""WAV: the header that makes one of PCM, and the samples that one holds."""

from __future__ import annotations

import struct

SAMPLE_WIDTH = 2

# A size in RIFF has 32 bits; readers take the largest value for "until the end".
_OPEN_END = 0xFFFFFFFF
_CHUNK_HEADER = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_PCM, _EXTENSIBLE = 1, 0xFFFE
# In bytes of a format chunk: a longer one lies.
_LONGEST_FORMAT = 1024


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

    Sizes are not trusted: a WAV that was written as it was spoken has none, or a wrong one.

    Attributes:
        rate: Samples per second and channel, once known.
        channels: How many channels, once known.
        plain: Whether the samples are 16-bit PCM.
    """

    def __init__(self) -> None:
        self.rate: int | None = None
        self.channels: int | None = None
        self.plain = False
        self._bytes_per_second = 0
        self._size = 0
        self._buffer = b""
        self._skip = _CHUNK_HEADER.size + 4
        # What is left of the samples while they come, and at first None.
        self._left: int | None = None

    @property
    def seconds(self) -> float:
        """How long the samples seen so far play."""
        return self._size / self._bytes_per_second if self._bytes_per_second else 0.0

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return the samples in it; ``b""`` gives none."""
        if self._left is None:
            data = self._find_samples(self._buffer + data)
        samples = data[: self._left] if self._left is not None else b""
        self._left = None if self._left is None else self._left - len(samples)
        self._size += len(samples)
        return samples

    def _find_samples(self, data: bytes) -> bytes:
        while True:
            step = min(self._skip, len(data))
            data, self._skip = data[step:], self._skip - step
            if len(data) < _CHUNK_HEADER.size:
                break
            name, size = _CHUNK_HEADER.unpack_from(data)
            end = _CHUNK_HEADER.size + size
            if name == b"data":
                self._left = size if 0 < size < _OPEN_END else 1 << 64
                return data[_CHUNK_HEADER.size :]
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
        self.plain = kind == _PCM and bits == 8 * SAMPLE_WIDTH and frame == SAMPLE_WIDTH * channels
        # What is compressed can be measured by its own word alone.
        self._bytes_per_second = rate * channels * bits // 8 if kind == _PCM else per_second
