"""Raise the version by what changed: `nox -s raise_version -- minor`.

The part to raise is what `nox -s update_spec` rates the change as: `major`, `minor` or `patch`.
`none` leaves the version as it is, for the first release. What is under Unreleased in the changelog
becomes the section of that version.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("major", "minor", "patch")
VERSION = "src/modelgates_speech/_version.py"
CHANGELOG = "CHANGELOG.md"
_ASSIGNED = re.compile(r'(?<=^__version__ = ")[^"]*(?=")', re.MULTILINE)
_UNRELEASED = re.compile(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class ChangelogError(Exception):
    """The changelog does not go with the version."""


def current_version(root: Path) -> str:
    """Read the version of a tree."""
    [version] = _ASSIGNED.findall((root / VERSION).read_text("utf-8"))
    return str(version)


def raised(version: str, part: str) -> str:
    """Give the version that follows when this part of it is raised."""
    if part not in PARTS:
        return version
    numbers = [int(number) for number in version.split(".")]
    place = PARTS.index(part)
    return ".".join(map(str, [*numbers[:place], numbers[place] + 1, *[0] * (2 - place)]))


def unreleased(changelog: str) -> str:
    """Give what a changelog says under Unreleased.

    Raises:
        ChangelogError: It has no such section.
    """
    if (section := _UNRELEASED.search(changelog)) is None:
        raise ChangelogError(f"{CHANGELOG} has no section [Unreleased]")
    return section[1].strip()


def release_date(root: Path, version: str) -> dt.date:
    """Read the date of a version's section, which must be the last and everything in it.

    Raises:
        ChangelogError: There is no such section, or something is noted above it.
    """
    changelog = (root / CHANGELOG).read_text("utf-8")
    if unreleased(changelog):
        raise ChangelogError(
            f"{CHANGELOG} has unreleased changes: run nox -s raise_version -- PART"
        )
    sections = re.findall(r"^## \[([\d.]+)\](?: - (\S+))?$", changelog, re.MULTILINE)
    if not sections or sections[0][0] != version:
        last = sections[0][0] if sections else "none"
        raise ChangelogError(f"the last version in {CHANGELOG} is {last}, not {version}")
    try:
        return dt.date.fromisoformat(sections[0][1])
    except ValueError:
        raise ChangelogError(
            f"{CHANGELOG} has no date for {version}: ## [{version}] - YYYY-MM-DD"
        ) from None


def raise_version(root: Path, part: str, today: dt.date) -> str:
    """Write the version that follows, and its section of the changelog.

    Args:
        root: The tree.
        part: What to raise: `major`, `minor`, `patch`, or `none`.
        today: The date of the release.

    Returns:
        The version.

    Raises:
        ChangelogError: Nothing has changed, or something breaks and `part` does not say so.
    """
    changelog = (root / CHANGELOG).read_text("utf-8")
    changes = unreleased(changelog)
    if not changes:
        raise ChangelogError(f"{CHANGELOG} has nothing under [Unreleased]: what would be released?")
    released = re.search(r"^## \[\d", changelog, re.MULTILINE)
    if "**Breaking:**" in changes and released and part != "major":
        raise ChangelogError(
            f"{CHANGELOG} has breaking changes, which call for `major`, not `{part}`"
        )
    version = raised(current_version(root), part)
    if f"## [{version}]" in changelog:
        raise ChangelogError(f"{version} is released already: raise a part of it")
    section = f"## [Unreleased]\n\n## [{version}] - {today}\n\n{changes}\n\n"
    text = _UNRELEASED.sub(lambda _: section, changelog, count=1).rstrip() + "\n"
    (root / CHANGELOG).write_text(text, encoding="utf-8")
    module = root / VERSION
    module.write_text(_ASSIGNED.sub(version, module.read_text("utf-8")), encoding="utf-8")
    return version


def main(arguments: Sequence[str] | None = None) -> int:
    """Raise from the command line."""
    parser = argparse.ArgumentParser(
        prog="nox -s raise_version --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=(*PARTS, "none"), help="what to raise")
    try:
        today = dt.datetime.now(dt.UTC).date()
        version = raise_version(ROOT, parser.parse_args(arguments).part, today)
    except ChangelogError as error:
        print(f"raise_version: {error}", file=sys.stderr)
        return 1
    print(f"{version}: commit this, then nox -s release")
    return 0


if __name__ == "__main__":
    sys.exit(main())
