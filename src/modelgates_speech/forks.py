"""What a fork would hand to the child half-way: locks that nobody there will ever release."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Forked(Protocol):
        """Something that a fork may find in use."""

        def after_fork(self) -> None:
            """Begin anew, in the child: what the parent's threads were doing is not done here."""
            ...


_known: weakref.WeakSet[Forked] = weakref.WeakSet()


def survive_forks(thing: Forked) -> None:
    """Have its `after_fork` called in every child, for as long as anybody holds it."""
    _known.add(thing)


def _renew() -> None:
    for thing in [*_known]:
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows knows no forks
    os.register_at_fork(after_in_child=_renew)
