"""Look whether upstream has published another document; if so, take it and write a change request.

For a scheduled job: `nox -s watch_spec -- URL --state FILE --request FILE`. The tree is left with
the change applied, breaking or not, for a person to judge; a document that cannot be taken leaves
the tree as it was, and a request that says why.

Prints `outcome=...`, `rating=...` and `title=...`, one a line. `outcome` is `unchanged` when there
is nothing to request.

exit codes:
  0  looked; the outcome says what was found
  4  the document could not be fetched
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.document import DocumentError
from scripts.fetch import FetchError, fetch
from scripts.generate import ROOT
from scripts.report import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_FETCHED = 4


def watch(url: str, state: Path, request: Path) -> Report | None:
    """Take the published document if it is another than the last one.

    Args:
        url: Where upstream publishes it.
        state: Remembers what was seen last; need not exist.
        request: Written with the text of a change request when there is one to make.

    Returns:
        What updating came to, or None if nothing changed.

    Raises:
        DocumentError: What is published is larger than a document can be.
        FetchError: It cannot be had.
    """
    seen: dict[str, Any] = json.loads(state.read_text("utf-8")) if state.exists() else {}
    # Another address may have the same tags for other things.
    same = seen.get("url") == url
    fetched = fetch(url, seen["validators"] if same else None)
    if fetched is None:
        return None
    digest = hashlib.sha256(fetched.data).hexdigest()
    report = None
    if not same or seen["sha256"] != digest:
        report = _update(fetched.data, url)
        if report.outcome is Outcome.UNCHANGED:
            report = None
        else:
            request.write_text(report.as_markdown(), encoding="utf-8")
    # Last: a run that was cut short must look again.
    remembered = {"url": url, "validators": fetched.validators, "sha256": digest}
    state.write_text(json.dumps(remembered, indent=1), encoding="utf-8")
    return report


def title(report: Report) -> str:
    """Give the change request's title."""
    if report.outcome is Outcome.APPLIED:
        return f"Update to the published document: {report.rating}"
    return f"The published document cannot be taken: {report.outcome}"


def _update(data: bytes, url: str) -> Report:
    with TemporaryDirectory(prefix="modelgates-watch-") as folder:
        document = Path(folder, "openapi.yaml")
        document.write_bytes(data)
        command = [sys.executable, "-m", "scripts.update_spec", "--json", "--accept-breaking"]
        done = subprocess.run(
            [*command, document], cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", check=False
        )
    report = Report.from_json(json.loads(done.stdout))
    report.source = url
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch from the command line."""
    parser = argparse.ArgumentParser(
        prog="nox -s watch_spec --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="where the document is published")
    parser.add_argument("--state", type=Path, required=True, help="remembers what was seen last")
    parser.add_argument("--request", type=Path, required=True, help="the request's text goes there")
    options = parser.parse_args(arguments)
    try:
        report = watch(options.url, options.state, options.request)
    except (DocumentError, FetchError) as error:
        print(f"watch_spec: {error}", file=sys.stderr)
        return NOT_FETCHED
    if report is None:
        print("outcome=unchanged")
        return 0
    print(f"outcome={report.outcome}\nrating={report.rating}\ntitle={title(report)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
