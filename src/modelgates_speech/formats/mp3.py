"""MP3 as the frames that it is made of, so that pieces can be joined and measured."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

HEADER = 4
_ID3_HEADER = 10
_ID3_V1 = 128
_KBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# By the two bits of the header that name the version: 2.5, (none), 2, 1.
_RATES = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), 3: (44100, 48000, 32000)}
_SIDE_INFO = {(True, 2): 32, (True, 1): 17, (False, 2): 17, (False, 1): 9}
_LAYER_3 = 1
_MONO = 3


class FrameHeader(NamedTuple):
    """The first four bytes of a frame of MPEG audio, layer III.

    Attributes:
        size: Bytes of the whole frame.
        samples: Samples per channel in it.
        rate: Samples per second.
        channels: 1 or 2.
        side_info: Bytes between the header and the frame's data.
    """

    size: int
    samples: int
    rate: int
    channels: int
    side_info: int

    @classmethod
    def parse(cls, data: bytes | bytearray, at: int = 0) -> FrameHeader | None:
        """The header at offset `at`, or None when those four bytes are none."""
        if data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
            return None
        version = data[at + 1] >> 3 & 3
        layer, bitrate, rate = data[at + 1] >> 1 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
        if layer != _LAYER_3 or version not in _RATES or rate == 3 or bitrate in (0, 15):
            return None
        first, padding = version == 3, data[at + 2] >> 1 & 1
        channels = 1 if data[at + 3] >> 6 == _MONO else 2
        samples, hertz = 1152 if first else 576, _RATES[version][rate]
        return cls(
            size=samples // 8 * 1000 * _KBITS[1 if first else 2][bitrate] // hertz + padding,
            samples=samples,
            rate=hertz,
            channels=channels,
            side_info=_SIDE_INFO[first, channels],
        )


class Frames:
    """Takes the bytes of one MP3 stream and gives its audio frames, and those alone.

    Left out are ID3 tags and the frame of an encoder that describes the whole stream (Xing,
    Info, VBRI): after joining it would describe one piece of many.

    Attributes:
        header: The first frame's, once known.
        broken: Whether the stream ended within a frame.
    """

    def __init__(self) -> None:
        self.header: FrameHeader | None = None
        self.broken = False
        self._others = False
        self._samples = Counter[int]()
        self._buffer = bytearray()
        self._skip = 0

    @property
    def seconds(self) -> float:
        """What the frames given so far play for."""
        return sum(samples / rate for rate, samples in self._samples.items())

    @property
    def silent(self) -> bool:
        """Whether all that was seen are tags."""
        return not (self._samples or self._buffer or self._others)

    def feed(self, data: bytes) -> bytes:
        """Take what arrived, ``b""`` for its end, and return the whole frames that are ready."""
        if not data:
            return self._walk(at_end=True)
        self._buffer += data
        return self._walk(at_end=False)

    def _walk(self, *, at_end: bool) -> bytes:
        buffer, out, at = self._buffer, bytearray(), 0
        while True:
            at, self._skip = self._skipped(at)
            left = len(buffer) - at
            if left < _ID3_HEADER and not (at_end and left >= HEADER):
                break
            header = FrameHeader.parse(buffer, at)
            if header is None:
                tag = _tag_size(buffer, at)
                self._others |= not tag
                # Neither frame nor tag: on to what could be the start of one.
                self._skip = tag or _distance(buffer, at + 1) + 1
                continue
            if left < header.size:
                self.broken = at_end and self.header is not None and self.header.rate == header.rate
                break
            if self.header is not None or not _describes_stream(buffer, at, header):
                self.header = self.header or header
                self._samples[header.rate] += header.samples
                out += buffer[at : at + header.size]
            at += header.size
        del buffer[:at]
        return bytes(out)

    def _skipped(self, at: int) -> tuple[int, int]:
        step = min(self._skip, len(self._buffer) - at)
        return at + step, self._skip - step


def _tag_size(buffer: bytearray, at: int) -> int:
    if buffer.startswith(b"ID3", at):
        a, b, c, d = buffer[at + 6 : at + 10]
        footer = _ID3_HEADER if buffer[at + 5] & 0x10 else 0
        return _ID3_HEADER + (a << 21 | b << 14 | c << 7 | d) + footer
    return _ID3_V1 if buffer.startswith(b"TAG", at) else 0


def _distance(buffer: bytearray, at: int) -> int:
    found = _MARK.search(buffer, at)
    # The last two bytes may be the beginning of a mark.
    return (found.start() if found else max(len(buffer) - 2, at)) - at


_MARK = re.compile(rb"\xff|ID3|TAG")


def _describes_stream(buffer: bytearray, at: int, header: FrameHeader) -> bool:
    xing = at + HEADER + header.side_info
    vbri = at + HEADER + 32
    return buffer.startswith((b"Xing", b"Info"), xing) or buffer.startswith(b"VBRI", vbri)
