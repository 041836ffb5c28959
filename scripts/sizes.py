"""Count the lines of the project by folder, and hold the limits that keep the wrapper small.

Run by `nox -s lint`. Generated modules count like any other: somebody reads them.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "modelgates_speech"

# Of lines, docstrings and blank ones included. The sums are those of today, so that the package
# grows by a decision: whoever raises one says what for, and whoever removes lines lowers it.
LARGEST_FILE = 400
TOP = 5_126
WITHOUT_STUB = 10_554
STUB = 3_727


def count(file: Path) -> int:
    """Give the number of lines of a file."""
    return len(file.read_text(encoding="utf-8").splitlines())


def sizes(folder: Path, *, deep: bool = True) -> dict[Path, int]:
    """Give the lines of each Python file in a folder, and below it if `deep`."""
    return {file: count(file) for file in (folder.rglob if deep else folder.glob)("*.py")}


def excesses(package: Path) -> list[str]:
    """Give a line for each limit that the package exceeds."""
    every, top = sizes(package), sizes(package, deep=False)
    without_stub = {
        file: lines for file, lines in every.items() if package / "stub" not in file.parents
    }
    found = [
        f"{file.relative_to(package)}: {lines:,} lines, more than {LARGEST_FILE:,}"
        for file, lines in sorted(every.items())
        if lines > LARGEST_FILE
    ]
    for what, files, limit in (
        ("the files at the top", top, TOP),
        ("the package without its stub", without_stub, WITHOUT_STUB),
        ("the stub", sizes(package / "stub"), STUB),
    ):
        if (lines := sum(files.values())) > limit:
            found.append(f"{what}: {lines:,} lines, more than {limit:,}")
    return found


def main() -> int:
    """Print the lines by folder; the exit code is 1 where a limit is exceeded."""
    print(f"{sum(sizes(PACKAGE, deep=False).values()):>7,}  {PACKAGE.relative_to(ROOT)}/*.py")
    for folder in ("formats", "jobs", "cli", "stub"):
        path = PACKAGE / folder
        print(f"{sum(sizes(path).values()):>7,}  {path.relative_to(ROOT)}")
    for name in ("scripts", "tests", "benchmarks", "generated"):
        print(f"{sum(sizes(ROOT / name).values()):>7,}  {name}")
    found = excesses(PACKAGE)
    for excess in found:
        print(f"sizes: {excess}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
