"""What a fork would hand to the child half-way: locks that nobody there will ever release."""

from __future__ import annotations

import os
import weakref
from typing import Any

_known: weakref.WeakSet[Any] = weakref.WeakSet()


def survive_forks(thing: object) -> None:
    """Have its `after_fork` called in every child, for as long as anybody holds it.

    It begins anew there: what the parent's threads were doing is not done in a child.
    """
    _known.add(thing)


def _renew() -> None:
    for thing in [*_known]:
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows knows no forks
    os.register_at_fork(after_in_child=_renew)
