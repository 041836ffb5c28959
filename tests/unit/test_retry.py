"""When the default policy pays again, and when it would rather fail."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fractions import Fraction

import pytest

from modelgates_speech import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    Audio,
    ConfigurationError,
    IncompleteAudioError,
    InvalidResponseError,
    RetryPolicy,
)
from modelgates_speech.retry import parse_retry_after

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def status(code: int, retry_after: float | None = None) -> APIStatusError:
    return APIStatusError("no", status=code, retry_after=retry_after)


def timeout(phase, *, sent: bool) -> APITimeoutError:
    return APITimeoutError("late", phase=phase, request_sent=sent)


FREE = [
    status(429),
    status(502),
    status(503),
    timeout("connect", sent=False),
    APIConnectionError("refused", request_sent=False),
]
PERHAPS_BILLED = [
    status(500),
    status(504),
    timeout("read", sent=True),
    timeout("write", sent=True),
    timeout("deadline", sent=True),
    APIConnectionError("reset", request_sent=True),
    InvalidResponseError("HTML"),
    IncompleteAudioError(
        "cut", bytes_received=1, expected=2, partial=Audio(format="pcm", content=b"")
    ),
]
HOPELESS = [
    status(400),
    status(401),
    status(402),
    timeout("pool", sent=False),
    timeout("write", sent=False),
    timeout("deadline", sent=False),
    APIConnectionError("untrusted", request_sent=False, transient=False),
]


@pytest.mark.parametrize("error", FREE, ids=repr)
def test_what_cannot_have_produced_audio_is_tried_again_twice(error):
    policy = RetryPolicy()
    waits = [policy.delay(error, retries) for retries in range(3)]
    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[2] is None


@pytest.mark.parametrize("error", PERHAPS_BILLED + HOPELESS, ids=repr)
def test_what_may_have_been_billed_or_cannot_succeed_is_not_tried_again(error):
    assert RetryPolicy().delay(error, 0) is None


def test_paying_twice_must_be_asked_for():
    policy = RetryPolicy(statuses={429, 500}, read_timeouts=True)
    assert policy.delay(status(500), 0) is not None
    assert policy.delay(timeout("read", sent=True), 0) is not None
    assert policy.delay(status(503), 0) is None


def test_connect_errors_can_be_left_alone():
    policy = RetryPolicy(connect_errors=False)
    assert policy.delay(timeout("connect", sent=False), 0) is None
    assert policy.delay(APIConnectionError("refused", request_sent=False), 0) is None


def test_backoff_doubles_to_its_limit_with_jitter_below_it():
    policy = RetryPolicy(max_retries=9, initial_delay=1, max_delay=4)
    longest = [policy.delay(status(503), n, random=lambda: 1.0) for n in range(4)]
    shortest = [policy.delay(status(503), n, random=lambda: 0.0) for n in range(4)]
    assert longest == [1, 2, 4, 4]
    assert shortest == [0.5, 1, 2, 2]


def test_backoff_has_an_answer_however_often_it_is_asked():
    policy = RetryPolicy(max_retries=10**6, max_delay=4)
    assert policy.delay(status(503), 10**6 - 1, random=lambda: 1.0) == 4


def test_the_server_may_ask_for_a_longer_wait_but_not_for_an_endless_one():
    policy = RetryPolicy(max_retry_after=60)
    assert policy.delay(status(429, retry_after=7), 0) == 7
    assert policy.delay(status(429, retry_after=60), 0) == 60
    assert policy.delay(status(429, retry_after=61), 0) is None


def test_a_wait_of_zero_still_backs_off():
    wait = RetryPolicy(initial_delay=1).delay(status(429, retry_after=0), 0, random=lambda: 0.0)
    assert wait == 0.5


def test_a_policy_takes_numbers_of_any_library():
    policy = RetryPolicy(max_retries=type("Own", (int,), {})(3), max_delay=Fraction(3, 2))
    assert (type(policy.max_retries), policy.max_retries) == (int, 3)
    assert (type(policy.max_delay), policy.max_delay) == (float, 1.5)


@pytest.mark.parametrize("field", ["max_retries", "initial_delay", "max_delay", "max_retry_after"])
@pytest.mark.parametrize("value", [True, -1, float("nan"), float("inf")])
def test_a_policy_with_senseless_numbers_is_refused(field, value):
    with pytest.raises(ConfigurationError, match=rf"^RetryPolicy\.{field} must be "):
        RetryPolicy(**{field: value})


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("3600", 3600),
        ("9" * 5000, 999_999_999_999),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30),
        ("Mon Nov 23 12:00:30 2026", 30),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 13:00:30 +0100", 30),
        ("Mon, 23 Nov 2026 07:00:30 EST", 30),
        ("Mon, 23 Nov 2026 12:00:30 MARS", 30),
        ("Mon, 23 Nov 2026 12:00:30", 30),
        ("Mon Nov 999999999999 12:00:30", None),
        (None, None),
        ("", None),
        ("-5", None),
        ("1e999", None),
        ("nan", None),
        ("1.5", 1.5),
        ("2, 2", 2),
        ("2, 7.5", 7.5),
        ("2, soon", None),
        ("soon", None),
        ("Someday, 99 Foo 2026 99:99:99 GMT", None),
        ("٣", None),
        ("Fri, 31 Dec 2027 23:59:59 -9999", None),
    ],
)
def test_retry_after_is_read_as_the_standard_has_it_and_nonsense_is_ignored(header, seconds):
    assert parse_retry_after(header, NOW) == seconds


def test_a_date_is_counted_from_the_present():
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    assert 86_000 < parse_retry_after(tomorrow) <= 86_400


@pytest.mark.parametrize("field", ["max_retries", "initial_delay", "max_delay", "max_retry_after"])
def test_a_policy_may_wait_for_nothing(field):
    assert getattr(RetryPolicy(**{field: 0}), field) == 0
