"""Bodies that come compressed, though nobody asked for that."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_GZIP = {"gzip", "x-gzip"}
CODINGS = {*_GZIP, "deflate"}
# Some servers mean something else by it.
_NONE = {"", "identity", "none", "binary", "7bit", "8bit", "utf-8", "utf8", "aws-chunked"}

# Speech compresses two- or threefold; what expands further than this is an attack or a fault.
BOMB_RATIO = 100
_BOMB_FLOOR = 16 * 1024 * 1024
_PIECE = 64 * 1024

# Bytes that tell a header. To zlib 32 more than the window's size says: tell gzip from zlib by it.
_HEADER = 2
_HEADED = 32 + zlib.MAX_WBITS


def codings(header: str) -> list[str]:
    """The codings that a ``Content-Encoding`` names."""
    return [name for part in header.split(",") if (name := part.strip().lower()) not in _NONE]


def expanded(body: bytes, header: str) -> bytes:
    """A body, or the start of one, without the codings that a ``Content-Encoding`` names.

    It is given as it is where they cannot be undone: it may say something all the same.
    """
    for coding in reversed(codings(header)):
        expander, pieces = Expander(coding), list[bytes]()
        try:
            for piece in expander.feed(body) if coding in CODINGS else ():
                pieces.append(piece)
                if expander.exploded:
                    return body
        except zlib.error:
            return body
        body = b"".join(pieces) or body
    return body


class Expander:
    """Takes the bytes of a compressed body and gives what they expand to.

    What was said to be gzip and does not begin like it is given as it is.

    Attributes:
        compressed: How many bytes it took.
        exploded: Whether they expand to more than speech can.
    """

    def __init__(self, coding: str) -> None:
        self.compressed = 0
        self.exploded = False
        self._expanded = 0
        self._gzip = coding in _GZIP
        self._start = b""
        self._plain = False
        self._decoder: zlib._Decompress | None = None

    @property
    def whole(self) -> bool:
        """Whether what it took does not end early."""
        return self._plain or (self._decoder is not None and self._decoder.eof)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` expands to, piece by piece: a bomb is known before it fills the memory."""
        self.compressed += len(data)
        if self._decoder is None and not self._plain:
            self._start += data
            if len(self._start) < _HEADER:
                return
            data = self._start
            headed = data.startswith(b"\x1f\x8b") or (
                data[0] & 0xF == zlib.DEFLATED and int.from_bytes(data[:_HEADER]) % 31 == 0
            )
            self._plain = self._gzip and not headed
            # Some servers leave the header of deflate out.
            self._wbits = _HEADED if headed else -zlib.MAX_WBITS
            self._decoder = zlib.decompressobj(wbits=self._wbits)
        if self._plain:
            yield data
            return
        assert self._decoder is not None
        while data:
            if self._decoder.eof:
                # What follows is another member; to drop it would pass a part for the whole.
                self._decoder = zlib.decompressobj(wbits=self._wbits)
            piece = self._decoder.decompress(data, _PIECE)
            data = self._decoder.unconsumed_tail or self._decoder.unused_data
            self._expanded += len(piece)
            self.exploded = self._expanded > max(_BOMB_FLOOR, BOMB_RATIO * self.compressed)
            yield piece
