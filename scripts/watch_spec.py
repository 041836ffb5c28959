"""If the published document has changed, adopt it and write the text of a pull request.

For a scheduled job: `nox -s watch_spec -- URL --state FILE --request FILE`. The change is left in
the tree, breaking or not, for a person to judge. If the document cannot be adopted, the tree stays
as it was, and the text says why.

Prints `outcome=...`, `rating=...` and `title=...`, one a line. `outcome` is `unchanged` if there is
nothing to do.

exit codes:
  0  done; the outcome says what was found
  4  the document could not be fetched
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.comparison.report import Outcome, Report
from scripts.document.reading import DocumentError
from scripts.fetch import FetchError, fetch
from scripts.update_spec import attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_FETCHED = 4


def watch(url: str, state: Path, request: Path) -> Report | None:
    """Adopt the published document if it has changed since the last time.

    Args:
        url: Where it is published.
        state: Remembers what was seen last; need not exist.
        request: Where to write the text of a pull request, if there is one to make.

    Returns:
        What updating came to, or None if nothing changed.

    Raises:
        DocumentError: What is published is larger than a document can be.
        FetchError: It cannot be fetched.
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
    """Give the pull request's title."""
    if report.outcome is Outcome.APPLIED:
        return f"Update to the published document: {report.rating}"
    return f"The published document cannot be taken: {report.outcome}"


def _update(data: bytes, url: str) -> Report:
    with TemporaryDirectory(prefix="modelgates-watch-") as folder:
        document = Path(folder, "openapi.yaml")
        document.write_bytes(data)
        _, report = attempt([str(document), "--accept-breaking"])
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
    parser.add_argument("--request", type=Path, required=True, help="file for the text")
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
