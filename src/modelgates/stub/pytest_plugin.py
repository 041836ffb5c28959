"""The pytest fixture `modelgates_stub`: a ModelGates API of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelgates.stub.server import StubServer


@pytest.fixture(scope="session")
def modelgates_stub_server() -> Iterator[StubServer]:
    """One running stub for the whole session (under xdist: for the whole worker)."""
    from modelgates.stub.server import StubServer

    with StubServer() as server:
        yield server


@pytest.fixture
def modelgates_stub(
    modelgates_stub_server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StubServer]:
    """The stub, fresh for this test, with the environment pointing at it."""
    stub = modelgates_stub_server
    stub.reset()
    monkeypatch.setenv("MODELGATES_BASE_URL", stub.base_url)
    monkeypatch.setenv("MODELGATES_API_KEY", stub.api_key)
    yield stub
    stub.reset()
