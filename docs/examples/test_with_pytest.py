"""A program and its tests. There is nothing to configure: the package brings the fixture."""

from datetime import date

import pytest

from modelgates_speech import ModelGates, RateLimitError


def greet(name):
    """The program: it finds key and address in the environment, as it does in production."""
    with ModelGates() as client:
        return client.audio.speech.create(
            model="any/model", voice="alloy", input=f"Hello {name}, it is {date.today()}"
        )


def test_it_speaks(modelgates_stub):
    assert greet("Ada").duration > 1
    modelgates_stub.assert_called(times=1, voice="alloy")
    assert "Ada" in modelgates_stub.last_request.body["input"]


def test_it_gives_up_when_the_limit_stays_reached(modelgates_stub):
    modelgates_stub.fail_next(429, times=3, retry_after=0)
    with pytest.raises(RateLimitError):
        greet("Ada")
    modelgates_stub.assert_called(times=3, status=429)


@pytest.fixture(scope="session")
def spoken(modelgates_stub_server):
    """Something expensive, made once for the whole session."""
    stub = modelgates_stub_server
    with ModelGates(base_url=stub.base_url, api_key=stub.api_key) as client:
        return client.audio.speech.create(model="any/model", voice="alloy", input="Once")


def test_a_fixture_of_the_session_speaks_too(spoken):
    assert spoken.to_wav().startswith(b"RIFF")


@pytest.fixture
def farewell(modelgates_stub):
    """A fault that only the teardown meets counts as met: faults are checked last of all."""
    yield
    modelgates_stub.fail_next(503, retry_after=0)
    greet("and goodbye")


def test_what_is_sent_at_the_end_counts(farewell):
    greet("Ada")
