"""A stub for the tests of this folder, tones instead of speech where the sound is no matter."""

import pytest

from modelgates_speech import AsyncModelGates, ModelGates


@pytest.fixture
def stub(modelgates_stub):
    return modelgates_stub


@pytest.fixture
def client(stub):
    with ModelGates() as client:
        yield client


@pytest.fixture
def async_client(stub):
    return AsyncModelGates()
