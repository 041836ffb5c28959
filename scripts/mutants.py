"""Change the core in one small way after another, and see whether a test notices.

Run by `nox -s mutation`, with mutmut; `-- "modelgates_speech.retry*"` tries only a part, also what
was tried before. The folder mutants/ remembers that. Each change that no test notices is kept in
reports/mutants.diff, and shown unless docs/maintaining/mutants.md says why it does no harm.

exit codes:
  0  enough of the changes are noticed
  1  too few are, or some could not be tried
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = ROOT / "mutants"
REASONS = ROOT / "docs" / "maintaining" / "mutants.md"
LEAST = 0.9

# How the tests of a change end: pytest's exit codes, mutmut's own, signals where time ran out.
NOTICED = {1, 3}
MISSED = {0, 5, 33}
OUT_OF_TIME = {-24, -9}

# A changed core replaced /dev/null. Whoever may do that may write to two folders alone.
CONFINED = """
for folder in "$1" "$2"; do mount --bind "$folder" "$folder"; done
mount --rbind /dev /dev
for folder in / /dev; do mount -o remount,bind,ro "$folder"; done
cd "$1"; shift 2; exec "$@"
"""


def try_changes(*arguments: str) -> None:
    """Have mutmut try all changes that were not yet tried, or those named."""
    command = [sys.executable, "-m", "mutmut", "run", *arguments]
    if os.geteuid() == 0:
        folders = [f"{ROOT}", tempfile.gettempdir()]
        command = ["unshare", "--mount", "sh", "-ec", CONFINED, "-", *folders, *command]
    # It ends well whatever the tests say.
    subprocess.run(command, cwd=ROOT, check=True)


def tried() -> dict[str, int]:
    """How the tests of each change ended."""
    files = (json.loads(file.read_text("utf-8")) for file in MUTANTS.rglob("*.py.meta"))
    codes: dict[str, int | None] = {}
    for file in files:
        codes |= file["exit_code_by_key"]
    return {name: code for name, code in codes.items() if code is not None}


def among(names: dict[str, int], codes: set[int]) -> list[str]:
    """Those whose tests ended with one of `codes`."""
    return [name for name, code in names.items() if code in codes]


def show(name: str) -> str:
    """The change as a diff."""
    command = [sys.executable, "-m", "mutmut", "show", name]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def lines_of(diffs: str) -> set[str]:
    """The lines that diffs add and take away, but for their indentation."""
    changed = re.findall(r"^([+-])(?!\1)(.*)$", diffs, re.MULTILINE)
    return {f"{sign}{line.strip()}" for sign, line in changed}


def unexplained(diffs: Iterable[str]) -> list[str]:
    """Those for which no reason is given."""
    reasons = lines_of(REASONS.read_text("utf-8"))
    return [diff for diff in diffs if not lines_of(diff) <= reasons]


def main(arguments: Sequence[str]) -> int:
    """Try the changes, all or some by name."""
    if not arguments:
        shutil.rmtree(MUTANTS, ignore_errors=True)
    try_changes(*arguments)
    # On a busy machine a test takes its time; what waits for ever does so alone, too.
    if again := [name for name, code in tried().items() if code not in NOTICED | MISSED]:
        try_changes("--max-children=1", *again)
    ends = tried()
    late, missed = among(ends, OUT_OF_TIME), among(ends, MISSED)
    noticed = len(among(ends, NOTICED)) + len(late)
    diffs = [show(name) for name in missed]
    report = ROOT / "reports" / "mutants.diff"
    report.parent.mkdir(exist_ok=True)
    report.write_text("\n".join(diffs), encoding="utf-8")
    new = unexplained(diffs)
    share = noticed / len(ends)
    lost = len(ends) - noticed - len(missed)
    print(*new, sep="\n")
    print(
        f"{noticed:,} of {len(ends):,} changes are noticed, {share:.1%}; at least {LEAST:.0%} must "
        f"be. {len(late)} of them make a test wait for ever. {len(missed)} are missed, and "
        f"{len(new)} of these have no reason in {REASONS.relative_to(ROOT)}."
    )
    if lost:
        print(f"The tests of {lost} could not be run: see {MUTANTS.name}/**/*.meta.")
    return 0 if share >= LEAST and not lost else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
