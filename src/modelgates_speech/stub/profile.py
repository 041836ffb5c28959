"""How the stub behaves for a whole run: as slow, unsure, limited and dear as one likes."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

import attrs

from modelgates_speech.stub.faults import Fault
from modelgates_speech.stub.schemas import check
from modelgates_speech.stub.usage import body_schema

# In seconds: what a rate limit counts in.
WINDOW = 60.0


@attrs.frozen
class Profile:
    """How all valid requests are answered that meet no fault.

    Args:
        latency: Seconds until the first byte of an answer.
        pace: How many times as fast as it is heard the audio is sent; 0 sends it at once.
        failures: The share of requests that are answered 503, from 0 to 1, spread evenly.
        rate_limit: How many requests a minute are answered; others get 429 and the seconds to wait.
            0 for no limit.
        credits: How many characters are spoken before 402; None for any number.

    Raises:
        ValueError: One of them is out of its range.

    Examples:
        >>> with StubServer(profile=Profile(latency=0.2, credits=3)) as stub:
        ...     with ModelGates(base_url=stub.base_url, api_key=stub.api_key) as client:
        ...         with pytest.raises(PaymentRequiredError):
        ...             client.audio.speech.create(model="m/n", voice="alloy", input="Hello")
    """

    latency: float = 0
    pace: float = 0
    failures: float = 0
    rate_limit: int = 0
    credits: int | None = None

    def __attrs_post_init__(self) -> None:
        schema = body_schema("/_stub/profile", "put")
        for name, value in attrs.asdict(self).items():
            check(name, value, schema["properties"][name])


class Course:
    """What a profile comes to as requests arrive. Thread-safe."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._lock = threading.Lock()
        self._answered: deque[float] = deque()
        self._owed = 0.0
        self._spent = 0

    def meet(self, characters: int) -> Fault | None:
        """Give the fault that a request of so many characters meets, if any."""
        profile = self.profile
        with self._lock:
            if profile.rate_limit and (wait := self._wait(profile.rate_limit)):
                return Fault("429", retry_after=wait, message="The stub's rate limit is reached")
            if profile.credits is not None and self._spent + characters > profile.credits:
                left = profile.credits - self._spent
                return Fault("402", message=f"The stub's credits are used up: {left} are left")
            self._owed += profile.failures
            if self._owed >= 1:
                self._owed -= 1
                return Fault("503", message="The stub fails a share of all requests")
            self._spent += characters
            return None

    def _wait(self, limit: int) -> int:
        """Count a request; give the whole seconds to wait where it is one too many."""
        now = time.perf_counter()
        while self._answered and now - self._answered[0] >= WINDOW:
            self._answered.popleft()
        if len(self._answered) < limit:
            self._answered.append(now)
            return 0
        return max(1, math.ceil(self._answered[0] + WINDOW - now))
