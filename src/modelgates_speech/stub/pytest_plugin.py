"""The pytest fixture `modelgates_stub`: a ModelGates API of the test's own.

Every pytest run of a machine that has this package imports this module, so it imports nothing of
the stub until a test asks for the fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from modelgates_speech.stub.server import StubServer

_STUB = pytest.StashKey["StubServer"]()


@pytest.fixture(scope="session")
def modelgates_stub_server() -> Iterator[StubServer]:
    """One running stub for the session; under xdist, for the worker."""
    from modelgates_speech.stub import StubServer

    with StubServer() as server:
        yield server


@pytest.fixture
def modelgates_stub(
    request: pytest.FixtureRequest,
    modelgates_stub_server: StubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[StubServer]:
    """A ModelGates API on this machine, fresh for each test, that the environment points at.

    Faults that the test injects and no request meets fail the test.
    """
    stub = modelgates_stub_server
    stub.reset()
    monkeypatch.setenv("MODELGATES_BASE_URL", stub.base_url)
    monkeypatch.setenv("MODELGATES_API_KEY", stub.api_key)
    request.node.stash[_STUB] = stub
    yield stub
    stub.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that injected a fault which nothing met: it did not test what it says."""
    result = yield
    stub = item.stash.get(_STUB, None)
    if stub is not None and stub.pending_faults:
        unmet = "\n".join(f"  {fault}" for fault in stub.pending_faults)
        received = "\n".join(f"  {request}" for request in stub.requests) or "  (no request)"
        pytest.fail(
            f"no request met these injected faults:\n{unmet}\n"
            f"the stub received:\n{received}\n"
            "(stub.reset() drops faults that are not wanted any more)",
            pytrace=False,
        )
    return result
