"""How a deadline holds for blocking sockets: each read and write asks anew what is left."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl


# What is written before the deadline is looked at again.
WRITE_SIZE = 64 * 1024


class Deadline:
    """The moment by which a call must be over."""

    def __init__(self, seconds: float | None) -> None:
        self.started = time.monotonic()
        self.expires = math.inf if seconds is None else self.started + seconds

    def left(self) -> float:
        """Seconds until then: 0 when it has passed, infinity when there is none."""
        if self.expires == math.inf:
            return math.inf
        return max(0.0, self.expires - time.monotonic())


class Budget(float):
    """The timeout of one phase, cut short by the call's deadline when that is nearer.

    A plain number to any transport; `DeadlineBackend` asks it anew before each read and write,
    so that not even a server that drips bytes outlives the deadline.
    """

    deadline: Deadline

    @staticmethod
    def left(timeout: float | None) -> float | None:
        """What remains of `timeout`, whatever kind of number it is."""
        if isinstance(timeout, Budget):
            # A timeout of 0 means "do not block" to a socket, not "give up".
            return max(0.001, min(timeout, timeout.deadline.left()))
        return timeout


def within(deadline: Deadline, phases: dict[str, float]) -> dict[str, float]:
    """The timeouts of `phases`, each within `deadline` if there is one."""
    if deadline.expires == math.inf:
        return phases
    budgets = {name: Budget(seconds) for name, seconds in phases.items()}
    for budget in budgets.values():
        budget.deadline = deadline
    return dict(budgets)


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens sockets that keep to the deadline."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore.NetworkStream:
        return _DeadlineStream(
            self._backend.connect_tcp(host, port, Budget.left(timeout), *args, **kwargs)
        )


class _DeadlineStream(httpcore.NetworkStream):
    """A socket whose every operation asks anew how much time is left.

    What is written leaves when something is to be read: the head of a request and its body go
    together, at the cost of one.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._unsent = b""
        self._timeout: float | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            self._send()
        return self._stream.read(max_bytes, Budget.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._unsent += buffer
        self._timeout = timeout

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, b""
        # A server that refuses early stops reading, but what it says is there to be read.
        with contextlib.suppress(httpcore.WriteError):
            for start in range(0, len(unsent), WRITE_SIZE):
                piece = unsent[start : start + WRITE_SIZE]
                self._stream.write(piece, Budget.left(self._timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, Budget.left(timeout))
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
