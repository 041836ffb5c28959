"""How the suite keeps its book: what each test found, whatever was skipped, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from schemathesis.core.failures import FailureGroup

from tests.contract import reports
from tests.contract.run import (
    LEDGER,
    SETTINGS,
    OverSocket,
    StoppedError,
    name_documented_answers,
)
from tests.offline import GUARD

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stub_only: asks of a server what only a stub can do")
    config.addinivalue_line("markers", "told: what it finds is in the ledger already")
    name_documented_answers()
    if SETTINGS.base_url:
        GUARD.open()


@pytest.fixture(scope="session")
def server() -> Iterator[OverSocket]:
    """The server that is judged, behind a socket."""
    way = OverSocket()
    yield way
    way.close()


def check_name(item: pytest.Item) -> str:
    """Name the check that a test is, as the report and the defects name it."""
    name: str = getattr(item, "originalname", None) or item.name
    return name.split("[")[0].removeprefix("test_").replace("_", " ")


def is_generated(item: pytest.Item) -> bool:
    """Whether Schemathesis runs the test: its checks are entered one by one, as they happen."""
    return getattr(item, "operation_label", None) is not None or bool(
        item.get_closest_marker("told")
    )


def case_name(item: pytest.Item) -> str:
    """Name the case of a parametrized test."""
    return item.name.partition("[")[2].removesuffix("]")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("stub_only") and not SETTINGS.stub:
        pytest.skip("only a stub can be asked this")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    except StoppedError as stopped:
        pytest.skip(str(stopped))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    check = check_name(item)
    if report.skipped:
        reason = str(call.excinfo.value) if call.excinfo else ""
        LEDGER.skipped[check] = reason
    elif report.failed:
        error = call.excinfo.value if call.excinfo else ""
        if not is_generated(item):
            LEDGER.enter(check, failure=str(error), where=case_name(item))
        elif not isinstance(error, FailureGroup):
            LEDGER.enter("every request is answered", failure=repr(error), where=case_name(item))
    elif report.when == "call" and not is_generated(item):
        LEDGER.enter(check)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if SETTINGS.report_dir is None:
        return
    directory = Path(SETTINGS.report_dir)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "ledger.json").write_text(json.dumps(LEDGER.dump(), indent=2), "utf-8")
    (directory / "junit.xml").write_text(reports.junit(LEDGER), "utf-8")
    with (directory / "traffic.har").open("w", encoding="utf-8") as file:
        reports.har(LEDGER, file)
