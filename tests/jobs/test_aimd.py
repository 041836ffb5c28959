"""How many requests at once: up by one a round, down by half, and never a storm."""

import pytest

from modelgates_speech import ConfigurationError
from modelgates_speech.jobs.aimd import LONGEST_PAUSE, START, Aimd


def succeed(limiter, times):
    for _ in range(times):
        limiter.start()
        limiter.succeed()


def test_it_starts_low_and_creeps_up_to_the_ceiling():
    limiter = Aimd(10)
    assert limiter.limit == START
    seen = []
    for _ in range(100):
        succeed(limiter, 1)
        seen.append(limiter.limit)
    assert seen == sorted(seen)
    assert set(seen) == set(range(START, 11))


def test_no_more_may_start_than_the_limit_allows():
    limiter = Aimd(2)
    limiter.start()
    assert limiter.wait(0) == 0
    limiter.start()
    assert limiter.wait(0) is None
    limiter.end()
    assert limiter.wait(0) == 0


def test_requests_refused_together_halve_the_limit_once():
    limiter = Aimd(16)
    succeed(limiter, 200)
    rounds = [limiter.start() for _ in range(16)]
    for began_in in rounds:
        limiter.refuse(began_in, 0, None)
    assert limiter.limit == 8


def test_what_the_server_asks_for_is_waited_for_by_all():
    limiter = Aimd(8)
    limiter.refuse(limiter.start(), 100.0, 30.0)
    assert limiter.wait(110.0) == 20.0
    assert limiter.wait(130.0) == 0


def test_pauses_double_while_nothing_succeeds_and_stay_bounded():
    limiter, now, pauses = Aimd(8), 0.0, []
    for _ in range(10):
        limiter.refuse(limiter.start(), now, None)
        pauses.append(limiter.wait(now))
        now += pauses[-1]
    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == LONGEST_PAUSE
    assert limiter.limit == 1
    succeed(limiter, 1)
    limiter.refuse(limiter.start(), now, None)
    assert limiter.wait(now) == 1


def test_a_ceiling_below_one_is_refused():
    with pytest.raises(ConfigurationError, match="concurrency"):
        Aimd(0)
