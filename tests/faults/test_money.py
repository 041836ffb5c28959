"""What reaches the server is what may be billed; the matrix counts it for the default policy."""

import logging
import re
from contextlib import closing
from types import SimpleNamespace

import attrs
import pytest

from modelgates_speech import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    IncompleteAudioError,
    RetryPolicy,
    ServiceUnavailableError,
    deadline,
)
from tests.faults.calls import CALLERS, CALLS, CLIENTS, KEY
from tests.faults.server import AWAIT_A_BYTE, CLOSE, RESET, STALL
from tests.faults.table import AUDIO, CHUNKED, HEALTHY, SOON, chunk, head, reply

EVERYTHING = RetryPolicy(
    max_retries=5,
    statuses=frozenset(range(100, 600)),
    connect_errors=True,
    read_timeouts=True,
    initial_delay=0.0,
)


@pytest.fixture(params=CLIENTS)
def caller(request, server):
    with closing(CALLERS[request.param](api_key=KEY, base_url=server.url)) as caller:
        yield caller


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "acts",
    [
        pytest.param((reply()[:-4095], RESET), id="reset after the first byte"),
        pytest.param((reply()[:-4095], CLOSE), id="closed after the first byte"),
        pytest.param((reply()[:-4095], STALL), id="stall after the first byte"),
        pytest.param((CHUNKED, chunk(AUDIO), b"?\r\n"), id="malformed after the first byte"),
        pytest.param((head(), AUDIO[:1], CLOSE), id="half a sample"),
        pytest.param((head(Content_Length="4096"), RESET), id="reset before the first byte"),
    ],
)
def test_no_policy_can_retry_what_has_begun(caller, server, acts, call, tmp_path):
    server.acts = acts
    outcome = caller.make(call, tmp_path, retry=EVERYTHING, timeout=patience(acts))
    assert type(outcome.error) is IncompleteAudioError
    assert len(server.requests) == 1


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_request_that_is_refused_before_it_is_read_is_told_by_its_refusal(caller, server, end):
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 8\r\n\r\ntoo long"
    server.on_connect = (AWAIT_A_BYTE, refusal, end)
    outcome = caller.make("create", None, input="Hello " * 1_000_000)
    assert type(outcome.error) is APIStatusError
    assert (outcome.error.status, outcome.error.body) == (413, b"too long")
    assert server.connections == 1


def patience(acts):
    """A short timeout for what stalls; for the rest one that no slow machine reaches."""
    return SOON if STALL in acts else 30.0


@pytest.mark.parametrize(
    ("acts", "policy", "requests"),
    [
        ((reply(500, b""),), RetryPolicy(), 1),
        ((reply(500, b""),), RetryPolicy(statuses={500}), 3),
        ((STALL,), RetryPolicy(), 1),
        ((STALL,), RetryPolicy(read_timeouts=True), 3),
        ((reply(503, b""),), None, 1),
        ((reply(503, b""),), RetryPolicy(max_retries=0), 1),
        ((reply(503, b""),), RetryPolicy(max_retries=4), 5),
        ((reply(503, b""),), RetryPolicy(statuses=()), 1),
        ((RESET,), EVERYTHING, 1),
    ],
)
def test_only_what_was_asked_for_is_paid_for_again(caller, server, acts, policy, requests, waits):
    server.acts = acts
    outcome = caller.make("create", None, retry=policy, timeout=patience(acts))
    assert outcome.error is not None
    assert len(server.requests) == requests
    assert len(waits) == requests - 1


def test_a_refused_connection_is_not_tried_again_when_that_is_not_wanted(caller, server, waits):
    server.refuse()
    outcome = caller.make("create", None, retry=RetryPolicy(connect_errors=False))
    assert type(outcome.error) is APIConnectionError
    assert waits == []


def test_a_kept_connection_that_dies_under_the_next_request_is_not_tried_again(caller, server):
    server.acts = HEALTHY
    assert caller.make("create", None).heard == AUDIO
    server.acts = (CLOSE,)
    outcome = caller.make("create", None)
    assert type(outcome.error) is APIConnectionError
    assert outcome.error.request_sent
    assert len(server.requests) == 2


def test_the_deadline_bounds_the_waiting_between_tries(caller, server, waits, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, "modelgates_speech")
    # A clock that the waits alone move: a slow machine has as much time as a quick one.
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: sum(waits)))
    server.acts = (reply(503, b""),)
    policy = RetryPolicy(max_retries=1000, initial_delay=5, max_delay=5)
    outcome = caller.make("create", None, retry=policy, deadline=40)
    assert type(outcome.error) is ServiceUnavailableError
    assert 1 < len(server.requests) < 20
    assert sum(waits) < 40
    assert caplog.records[-1].getMessage().endswith("giving up")


def test_the_deadline_bounds_the_last_try(caller, server):
    server.acts = (STALL,)
    policy = RetryPolicy(read_timeouts=True, initial_delay=0.01)
    outcome = caller.make("create", None, retry=policy, timeout=SOON, deadline=1.9 * SOON)
    assert type(outcome.error) is APITimeoutError
    assert outcome.error.phase == "deadline"
    assert len(server.requests) == 2


def test_every_retry_sends_the_same_request(caller, server, waits):
    server.acts = (reply(503, b""),)
    caller.make("create", None)
    first, *others = server.requests
    assert others == [first, first]


def test_the_policy_is_immutable_and_comparable():
    policy = RetryPolicy(statuses=[500])
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        policy.max_retries = 100
    assert policy == RetryPolicy(statuses={500})
    assert hash(policy) == hash(RetryPolicy(statuses={500}))


@pytest.mark.parametrize("field", ["max_retries", "initial_delay", "max_delay", "max_retry_after"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_the_policy_refuses_numbers_that_would_wait_for_ever(field, value):
    with pytest.raises(ConfigurationError, match=re.escape(field)):
        RetryPolicy(**{field: value})
