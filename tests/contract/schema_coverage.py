"""A plugin: which keywords of the document the run has asked about, with what they allow and not.

`nox -s schema_coverage` runs the server's tests with it. A gap fails the run, unless its reason
stands in `REASONS`; so does a reason whose gap is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import tracecov

from tests.contract.ledger import body_of
from tests.contract.run import LEDGER, METHODS, document

if TYPE_CHECKING:
    import pytest
    import requests

REPORT = Path("reports/schema-coverage.html")
# Of a gap by its name, as the report below prints it.
REASONS: dict[str, str] = {}
COVERAGE = tracecov.CoverageMap.from_dict(document())


def name_of(gap: dict[str, Any]) -> str:
    """Name a gap for people."""
    return " ".join(
        str(gap[part])
        for part in (
            "kind",
            "method",
            "path",
            "status_code",
            "location",
            "parameter",
            "schema_path",
        )
        if part in gap
    )


def gaps() -> set[str]:
    """Give what the run has not asked, by name."""
    return {name_of(dict(gap)) for gap in COVERAGE.coverage_gaps()}


def pytest_configure() -> None:
    """Have what enters the ledger counted too."""
    LEDGER.followers.append(record)


def record(request: requests.PreparedRequest, response: requests.Response) -> None:
    """Count one request and its answer, if its method is one that a document can have."""
    if str(request.method).lower() not in METHODS:
        return
    headers = {
        name: value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    COVERAGE.record(
        tracecov.HttpRequest(str(request.method), str(request.url), body_of(request), headers),
        tracecov.HttpResponse(
            response.status_code,
            response.elapsed.total_seconds(),
            response.content,
            dict(response.headers),
        ),
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run for what it did not ask."""
    if session.exitstatus == 0 and gaps() != REASONS.keys():
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was asked, and what was not."""
    told = terminalreporter
    told.section("coverage of the document")
    for what, found in dict[str, Any](COVERAGE.statistic()).items():
        done = found.get("full", found.get("seen", found.get("reached")))
        told.write_line(f"{what.replace('_', ' '):<20}{done} of {found['total']}")
    missing = gaps()
    for gap in sorted(missing):
        told.write_line(f"not covered: {gap}: {REASONS.get(gap, 'NO REASON IS GIVEN')}")
    for gap in sorted(REASONS.keys() - missing):
        told.write_line(f"covered after all, so take its reason away: {gap}")
    REPORT.parent.mkdir(exist_ok=True)
    COVERAGE.save_report(output_file=f"{REPORT}")
    told.write_line(f"in full: {REPORT}")
