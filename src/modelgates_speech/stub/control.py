"""What a test holds in its hands: faults to inject, requests to look at."""

from __future__ import annotations

import itertools
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Unpack

import attrs

from modelgates_speech.arguments import unexpected
from modelgates_speech.stub.faults import Fault, FaultOptions, from_model
from modelgates_speech.stub.records import KEPT_REQUESTS, RecordedRequest, Records
from modelgates_speech.stub.schemas import check, fields
from modelgates_speech.stub.usage import TIMES, body_schema

DEFAULT_API_KEY = "stub-key"
# A stub left running for days must not eat the machine.
KEPT_SCOPES = 100

LISTED = 20  # how many requests a failed check lists, where there are many more

_FAULT = {"type": ["integer", "string"], "description": "a status or a name"}

WINDOW = 60.0  # in seconds: what a rate limit counts in


@attrs.frozen
class Profile:
    """How valid requests that meet no fault are answered.

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


def unfrozen() -> float:
    """Tell the time by a clock that tests do not freeze."""
    known = hasattr(time, "clock_gettime")
    return time.clock_gettime(time.CLOCK_MONOTONIC) if known else time.monotonic()


class Course:
    """What a profile comes to as requests arrive. Thread-safe."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._lock = threading.Lock()
        self._answered: deque[float] = deque()
        self._met = 0
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
            self._met += 1
            # Of ten requests the tenth: a sum of tenths would be less than one.
            before, after = (int(n * profile.failures + 1e-9) for n in (self._met - 1, self._met))
            if after > before:
                return Fault("503", message="The stub fails a share of all requests")
            self._spent += characters
            return None

    def _wait(self, limit: int) -> int:
        """Count a request; give the whole seconds to wait where it is one too many."""
        now = unfrozen()
        while self._answered and now - self._answered[0] >= WINDOW:
            self._answered.popleft()
        if len(self._answered) < limit:
            self._answered.append(now)
            return 0
        return max(1, math.ceil(self._answered[0] + WINDOW - now))


def checked_key(key: str) -> str:
    """Give a key that a header can hold as it is; another is a `ValueError`, which hides it."""
    if not re.fullmatch("[!-~]+", key):
        raise ValueError("api_key takes letters, digits and punctuation, without spaces")
    return key


class UnknownOptionError(TypeError, ValueError):
    """A setting that no fault has."""


class Stub:
    """The state of one stub: the faults that wait and the requests that came. Thread-safe.

    Args:
        api_key: The one key that is accepted; any other is answered 401.
        any_key: Accept every well-formed bearer token instead.
        profile: How requests that meet no fault are answered.

    Examples:
        >>> stub = Stub(any_key=True)
        >>> stub.fail_next(429, times=2, retry_after=1)
        >>> len(stub.pending_faults)
        2
    """

    def __init__(
        self,
        *,
        api_key: str = DEFAULT_API_KEY,
        any_key: bool = False,
        profile: Profile | None = None,
    ) -> None:
        self.api_key = api_key
        self.any_key = any_key
        self._lock = threading.Lock()
        self._faults: deque[Fault] = deque()
        self.records = Records()
        self._met: dict[str, int] = {}
        # The names of requests: counted, so that runs can be compared.
        self.ids = map("stub-{}".format, itertools.count(1))
        # Those least used come first, and are forgotten.
        self._scopes: dict[str, Stub] = {}
        self._first_keys = (api_key, any_key)
        # Called with what the terminal says of an answer that has ended: no key, no text.
        self.on_answer: Callable[[Mapping[str, Any]], None] = lambda seen: None
        self.first_profile = profile or Profile()
        self.course = Course(self.first_profile)

    @property
    def api_key(self) -> str:
        """The one key that is accepted; a ValueError where it is set to what no header can hold."""
        return self._api_key

    @api_key.setter
    def api_key(self, key: str) -> None:
        self._api_key = checked_key(key)

    @property
    def profile(self) -> Profile:
        """How requests that meet no fault are answered; setting it begins anew."""
        return self.course.profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self.course = Course(profile)
        for each in self._all_scopes():
            each.first_profile = each.profile = profile

    def _all_scopes(self) -> list[Stub]:
        with self._lock:
            return [*self._scopes.values()]

    def scope(self, name: str) -> Stub:
        """The faults and requests of those who send the header `X-Stub-Scope: NAME`.

        Scopes do not see each other, nor what is sent without the header. The last 100 are kept.
        """
        with self._lock:
            found = self._scopes.pop(name, None) or Stub(profile=self.profile)
            found.records = self.records
            self._scopes[name] = found
            while len(self._scopes) > KEPT_SCOPES:
                self.records.forget(self._scopes.pop(next(iter(self._scopes))))
            return found

    def fail_next(
        self, /, fault: int | str | Fault = 503, *, times: int = 1, **options: Unpack[FaultOptions]
    ) -> None:
        """Make the next valid requests meet a fault. Faults are met in the order injected.

        Requests that are refused by themselves (no key, malformed) do not use a fault up.

        Args:
            fault: A status (`503`), a name from the table (`"cut"`), or a `Fault`.
            times: For how many requests.
            options: Settings of the fault, see `Fault`; for example `retry_after=1`.

        Raises:
            ValueError: There is no such fault, or it does not take one of the settings; of a
                setting that no fault has, a TypeError too.
        """
        check("times", times, TIMES)
        if isinstance(fault, Fault):
            if options:
                raise ValueError("give the settings to Fault(...) itself, or the fault by its name")
        else:
            check("fault", fault, _FAULT)
            known = {"times", *FaultOptions.__annotations__}
            for name in options.keys() - known:
                raise UnknownOptionError(f"fail_next(): {unexpected(name, known)}")
            fault = Fault(str(fault), **options)
        with self._lock:
            self._faults.extend([fault] * int(times))

    @property
    def pending_faults(self) -> tuple[Fault, ...]:
        """The injected faults that no request has met yet."""
        with self._lock:
            return tuple(self._faults)

    @property
    def unmet_faults(self) -> tuple[Fault, ...]:
        """The same, with those of all scopes."""
        scoped = (fault for scope in self._all_scopes() for fault in scope.pending_faults)
        return (*self.pending_faults, *scoped)

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """What was received, oldest first: the last 1,000, of at most 32 MiB with all scopes."""
        return self.records.of(self)

    @property
    def last_request(self) -> RecordedRequest:
        """The newest request; an AssertionError where there was none."""
        if not self.requests:
            raise AssertionError("the stub received no request")
        return self.requests[-1]

    def reset(self) -> None:
        """Forget all requests and scopes, drop all faults, go back to the first profile and key."""
        self.profile = self.first_profile
        self.api_key, self.any_key = self._first_keys
        for each in (self, *self._all_scopes()):
            self.records.forget(each)
        self.ids = map("stub-{}".format, itertools.count(1))
        with self._lock:
            self._scopes.clear()
            self._faults.clear()
            self._met.clear()

    def assert_called(
        self, *, times: int | None = None, status: int | None = None, **body: object
    ) -> None:
        """Check that the expected requests were made.

        Args:
            times: Exactly how many; by default at least one.
            status: Count only requests that were answered with this status.
            body: Count only requests whose JSON body has these fields, for example
                `voice="alloy"`.

        Raises:
            AssertionError: The count differs; the message lists what was received.
        """
        found = [
            request
            for request in self.requests
            if (status is None or request.status == status)
            and body.items() <= fields(request.body).items()
        ]
        if len(found) == times or (times is None and found):
            return
        wanted = ", ".join(f"{name}={value!r}" for name, value in body.items()) or "anything"
        answered = "" if status is None else f" answered {status}"
        expected = "at least one request" if times is None else f"{times} request(s)"
        if len(self.requests) == KEPT_REQUESTS:
            expected += f" among the last {KEPT_REQUESTS}, for no more are kept,"
        lines = [f"  {request}" for request in self.requests] or ["  (no request)"]
        if len(lines) > 2 * LISTED:
            lines[:-LISTED] = [f"  ({len(lines) - LISTED} before these)"]
        raise AssertionError(
            f"expected {expected}{answered} with {wanted}, found {len(found)}; "
            "the stub received:\n" + "\n".join(lines)
        )

    def assert_not_called(self) -> None:
        """Check that no request came at all; an AssertionError lists those that did."""
        self.assert_called(times=0)

    def take_fault(self, model: object) -> Fault | None:
        """Take the fault for a valid request: an injected one first, else its magic model's.

        A model that starts like a magic name and is none is a ValueError.
        """
        with self._lock:
            if self._faults:
                return self._faults.popleft()
            magic = from_model(model) if isinstance(model, str) else None
            if magic is None:
                return None
            fault, times = magic
            met = self._met[str(model)] = self._met.get(str(model), 0) + 1
            if times is not None and met > times:
                self._met[str(model)] = 0
                return None
            return fault
