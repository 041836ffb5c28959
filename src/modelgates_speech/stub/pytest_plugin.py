"""The pytest fixture `modelgates_stub`; every run of pytest imports it, so it imports nothing."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from modelgates_speech.stub.server import StubServer

_passed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember for the fixture whether the test itself has passed."""
    report = yield
    if call.when == "call":
        item.stash[_passed] = report.passed
    return report


@pytest.fixture(scope="session")
def modelgates_stub_server() -> Iterator[StubServer]:
    """One running stub for the session (under xdist, for the worker), for fixtures of any scope.

    `modelgates_stub` is the same server, made fresh for each test.

    Examples:
        >>> @pytest.fixture(scope="session")
        ... def client(modelgates_stub_server):
        ...     url, key = modelgates_stub_server.base_url, modelgates_stub_server.api_key
        ...     with ModelGates(base_url=url, api_key=key) as client:
        ...         yield client
    """
    from modelgates_speech.stub import StubServer

    # The client stands on it, and looks for its files: a test may put these away, as pyfakefs does.
    importlib.import_module("httpcore2")
    with StubServer() as server:
        yield server


@pytest.fixture
def modelgates_stub(
    request: pytest.FixtureRequest,
    modelgates_stub_server: StubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[StubServer]:
    """A ModelGates API on this machine, fresh for each test, that the environment points at.

    Faults that the test injects and no request meets fail the test, at the end of its teardown:
    what a fixture of the test's own still sends when it is torn down may meet them.

    Examples:
        >>> def test_it_speaks(modelgates_stub):
        ...     with ModelGates() as client:
        ...         client.audio.speech.create(model="any/model", voice="alloy", input="Hello")
        ...     modelgates_stub.assert_called(times=1, voice="alloy")
    """
    stub = modelgates_stub_server.start()  # a test may have stopped it, to be refused
    stub.reset()
    monkeypatch.setenv("MODELGATES_BASE_URL", stub.base_url)
    monkeypatch.setenv("MODELGATES_API_KEY", stub.api_key)
    yield stub
    unmet, received = stub.unmet_faults, stub.requests
    stub.reset()
    # A test that failed, or skipped itself, has said already that it went another way.
    if unmet and request.node.stash.get(_passed, False):
        times = Counter(map(str, unmet))
        faults = "\n".join(f"  {fault}{f', {n} times' * (n > 1)}" for fault, n in times.items())
        came = "\n".join(f"  {request}" for request in received) or "  (no request)"
        pytest.fail(
            f"no request met these injected faults:\n{faults}\n"
            f"the stub received:\n{came}\n"
            "(stub.reset() drops faults that are no longer wanted)",
            pytrace=False,
        )
