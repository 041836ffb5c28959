"""Change the core in one small way after the other, and see whether a test notices.

Run by `nox -s mutation`, with mutmut; `-- "modelgates_speech.retry*"` tries a part. What was tried
is remembered in mutants/. Each change that no test notices is shown, and kept in
reports/mutants.diff: it wants a test, or a reason why it does no harm.

exit codes:
  0  enough of the changes are noticed
  1  too few are
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
LEAST = 0.9


def mutmut(*arguments: str) -> str:
    """Give what mutmut prints."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def main(arguments: Sequence[str]) -> int:
    """Try the changes, all or some by name."""
    if not arguments:
        shutil.rmtree(ROOT / "mutants", ignore_errors=True)
    subprocess.run([sys.executable, "-m", "mutmut", "run", *arguments], cwd=ROOT, check=False)
    mutmut("export-cicd-stats")
    counts: dict[str, int] = json.loads((ROOT / "mutants/mutmut-cicd-stats.json").read_text())
    # One that makes a test wait for ever is noticed, too.
    noticed = counts["killed"] + counts["timeout"] + counts["segfault"]
    lines = (line.strip().partition(": ") for line in mutmut("results").splitlines())
    missed = [name for name, _, state in lines if state in ("survived", "no tests", "suspicious")]
    report = ROOT / "reports" / "mutants.diff"
    report.parent.mkdir(exist_ok=True)
    report.write_text("\n".join(mutmut("show", name) for name in missed), encoding="utf-8")
    print(report.read_text("utf-8"))
    tried = noticed + len(missed)
    share = noticed / tried if tried else 0.0
    print(
        f"{noticed:,} of {tried:,} changes are noticed, {share:.1%}; at least {LEAST:.0%} must be"
    )
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
