"""What is tried again, and when: decisions alone, no I/O.

Speech costs money, so the default retries only what cannot have produced any.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

import attrs

from modelgates_speech.arguments import explained_settings
from modelgates_speech.config import as_number, must_be
from modelgates_speech.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ModelGatesError,
)

if TYPE_CHECKING:
    from datetime import datetime


def _statuses(value: Iterable[int]) -> Any:
    # What is none is told once all is there: a traceback with locals shows a policy, as it is.
    try:
        return value if isinstance(value, str) else frozenset(value)
    except TypeError:
        return value


@explained_settings
@attrs.frozen(kw_only=True)
class RetryPolicy:
    """What is tried again after a failure. Immutable; share it freely.

    Nothing is ever retried once a response with status 200 has begun.

    Args:
        max_retries: Tries after the first, 0 or more.
        statuses: HTTP statuses to try again on. The default holds those that cannot have
            produced audio; add 500 only if paying twice is acceptable.
        connect_errors: Whether to try again when no connection could be made.
        read_timeouts: Whether to try again when the server accepted the request and then
            stayed silent for the read timeout. It may have billed the first one.
        initial_delay: Seconds before the first retry; doubles with each, with jitter.
        max_delay: The longest wait in seconds that backoff chooses by itself.
        max_retry_after: The longest ``Retry-After`` in seconds that is honoured. A server
            that asks for more gets no retry: the error is raised at once.

    Raises:
        ConfigurationError: If a number is negative or not finite.

    Examples:
        >>> patient = RetryPolicy(max_retries=5, read_timeouts=True, initial_delay=0.1)
        >>> client.audio.speech.create(
        ...     model="stub/503?times=1", voice="alloy", input="Hello", retry=patient
        ... ).format
        'pcm'
    """

    max_retries: int = 2
    statuses: frozenset[int] = attrs.field(default=frozenset({429, 502, 503}), converter=_statuses)
    connect_errors: bool = True
    read_timeouts: bool = False
    initial_delay: float = 0.5
    max_delay: float = 8.0
    max_retry_after: float = 60.0

    def __attrs_post_init__(self) -> None:
        statuses: Any = self.statuses
        known = cast("frozenset[Any]", statuses if isinstance(statuses, frozenset) else {None})
        if not all(isinstance(status, int) for status in known):
            raise must_be("statuses such as {429, 503}", self.statuses, "RetryPolicy.statuses")
        if not isinstance(as_number(self.max_retries), int):
            raise must_be("a whole number", self.max_retries, "RetryPolicy.max_retries")
        for name in ("max_retries", "initial_delay", "max_delay", "max_retry_after"):
            value = as_number(getattr(self, name))
            if value is None or not 0 <= value < math.inf:
                raise must_be("0 or more", getattr(self, name), f"RetryPolicy.{name}")
            object.__setattr__(self, name, value)

    def delay(
        self,
        error: ModelGatesError,
        retries: int,
        *,
        random: Callable[[], float] = random.random,
    ) -> float | None:
        """How many seconds to wait before trying again, or None to give up.

        Args:
            error: What the last try ended with.
            retries: How many retries were made before it.
            random: A source of numbers in [0, 1), for jitter.
        """
        if retries >= self.max_retries or not self._covers(error):
            return None
        backoff = min(self.max_delay, self.initial_delay * 2.0 ** min(retries, 60)) * (
            0.5 + random() / 2
        )
        asked = error.retry_after if isinstance(error, APIStatusError) else None
        if asked is None:
            return backoff
        return None if asked > self.max_retry_after else max(asked, backoff)

    def _covers(self, error: ModelGatesError) -> bool:
        match error:
            case APIStatusError():
                return error.status in self.statuses
            case APITimeoutError(phase="read", request_sent=True):
                return self.read_timeouts
            case APITimeoutError(phase="pool" | "write" | "deadline"):
                return False
            case APIConnectionError():
                return self.connect_errors and error.transient and not error.request_sent
            case _:
                return False


def checked_policy(policy: RetryPolicy | None) -> RetryPolicy | None:
    """`policy` itself, if it is one, or None."""
    if policy is None or isinstance(policy, RetryPolicy):
        return policy
    raise must_be("a RetryPolicy, such as RetryPolicy(max_retries=3), or None", policy, "retry")


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """The seconds that a ``Retry-After`` header asks for, or None when it says nothing usable."""
    if value is None:
        return None
    value = value.strip()
    # As servers send it: with a fraction, or twice.
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?(\s*,\s*[0-9]+(\.[0-9]+)?)*", value):
        # Past a dozen digits a number says no more than "far beyond any limit".
        return max(float(each.strip()[:12]) for each in value.split(","))
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        # Without a zone that can be read it is taken for that of HTTP.
        found = parsedate_to_datetime(value)
        when = found.replace(tzinfo=found.tzinfo or UTC)
        return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())
    except (ValueError, OverflowError):
        return None
