"""What a change of the document means to those who use the client."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Rating(IntEnum):
    """How much a change asks of a user; the larger, the more."""

    NONE = 0
    DOCUMENTATION = 1
    COMPATIBLE = 2
    BREAKING = 3

    def __str__(self) -> str:
        return ("none", "documentation only", "compatible", "breaking")[self]

    @property
    def bump(self) -> str:
        """The part of the version to raise: `major`, `minor`, `patch` or `none`."""
        return ("none", "patch", "minor", "major")[self]


@dataclass(frozen=True, order=True)
class Change:
    """One change.

    Attributes:
        rating: How much it asks of a user.
        side: Whether it is seen on the wire or by who writes Python.
        what: The change, in a sentence without a full stop.
    """

    rating: Rating
    side: Literal["wire", "python"]
    what: str

    def __str__(self) -> str:
        return f"{self.rating} ({self.side}): {self.what}"


def overall(changes: list[Change]) -> Rating:
    """Give the rating of all changes together: the highest."""
    return max((change.rating for change in changes), default=Rating.NONE)
