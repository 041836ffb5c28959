"""Bodies that come compressed, though nobody asked for that."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CODINGS = {"gzip", "x-gzip", "deflate"}

# Speech compresses two- or threefold; what expands further than this is an attack or a fault.
BOMB_RATIO = 100
_BOMB_FLOOR = 16 * 1024 * 1024
_PIECE = 64 * 1024


class Expander:
    """Takes the bytes of a compressed body and gives what they expand to.

    Attributes:
        compressed: How many bytes it took.
        exploded: Whether they expand to more than speech can.
    """

    def __init__(self) -> None:
        self.compressed = 0
        self.exploded = False
        self._expanded = 0
        self._decoder = _new_decoder()

    @property
    def whole(self) -> bool:
        """Whether what it took does not end early."""
        return self._decoder.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` expands to, piece by piece: a bomb is known before it fills the memory.

        Raises:
            zlib.error: If it is damaged.
        """
        self.compressed += len(data)
        while data:
            if self._decoder.eof:
                # What follows is another member; to drop it would pass a part for the whole.
                self._decoder = _new_decoder()
            piece = self._decoder.decompress(data, _PIECE)
            data = self._decoder.unconsumed_tail or self._decoder.unused_data
            self._expanded += len(piece)
            self.exploded = self._expanded > max(_BOMB_FLOOR, BOMB_RATIO * self.compressed)
            yield piece


def _new_decoder() -> zlib._Decompress:
    # 32 more than the window's size: the header tells gzip from zlib.
    return zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
