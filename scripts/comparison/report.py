"""What updating came to: for people, for machines, for the changelog."""

from __future__ import annotations

import re
import textwrap
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from scripts.comparison.changes import Change, Rating, overall
from scripts.document.operation import METHOD, PATH
from scripts.generation.arguments import python_name

_SHOWN = 60


class Outcome(StrEnum):
    """How it ended."""

    APPLIED = "applied"
    UNCHANGED = "nothing to do"
    DRY_RUN = "would be applied"
    BREAKING = "breaking and not accepted"
    INVALID = "invalid document"
    FAILED = "the regenerated client fails"

    @property
    def exit_code(self) -> int:
        """The exit code that says so."""
        return {Outcome.BREAKING: 1, Outcome.INVALID: 2, Outcome.FAILED: 3}.get(self, 0)


@dataclass
class Report:
    """What is known so far.

    Attributes:
        source: The path or URL of the document.
        outcome: How it ended.
        changes: Each change, rated.
        left_out: Parts of the document that are not generated, with the reason.
        warnings: What was mended or assumed on the way.
        checks: For each thing that was tried with the regenerated client, whether it works.
        error: What ended it, if it failed.
        line: The line of the document that the error is about, if one is.
    """

    source: str
    outcome: Outcome = Outcome.FAILED
    changes: list[Change] = field(default_factory=list[Change])
    left_out: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    checks: dict[str, bool] = field(default_factory=dict[str, bool])
    error: str = ""
    line: int | None = None

    @property
    def rating(self) -> Rating:
        """The rating of all changes together."""
        return overall(self.changes)

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        changes = [asdict(change) | {"rating": str(change.rating)} for change in self.changes]
        ended = {
            "exit_code": self.outcome.exit_code,
            "rating": str(self.rating),
            "bump": self.rating.bump,
        }
        return asdict(self) | ended | {"changes": changes}

    def as_text(self) -> str:
        """Give the report for a terminal."""
        lines = [f"{change}" for change in self.changes]
        lines += [f"warning: {warning}" for warning in self.warnings]
        lines += [f"left out: {part}" for part in self.left_out]
        lines += [f"{name}: {'ok' if works else 'FAILS'}" for name, works in self.checks.items()]
        if self.error:
            where = f"{self.source}, line {self.line}" if self.line else self.source
            lines.append(f"{where}: {self.error}")
        if self.changes:
            lines.append(
                f"rated {self.rating}, which calls for the version bump {self.rating.bump}"
            )
        if self.outcome is Outcome.BREAKING:
            lines.append("to take it all the same: --accept-breaking")
        if self.outcome is Outcome.APPLIED:
            lines.append(
                "next: review `git diff` with CHANGELOG.md and commit it; "
                f"to release, nox -s raise_version -- {self.rating.bump}"
            )
        return "\n".join([*lines, f"{self.source}: {self.outcome}"])

    def as_markdown(self) -> str:
        """Give the report as the text of a change request."""
        parts = [f"{self.source}: **{self.outcome}**"]
        if self.changes:
            parts.append(f"Rated **{self.rating}**; version bump: **{self.rating.bump}**.")
        if self.error:
            where = f"Line {self.line}: " if self.line else ""
            parts.append(f"```text\n{where}{self.error.replace('```', '')}\n```")
        for rating in reversed(Rating):
            found = [
                f"- {_where(change)}: {_told(change)}{_behind(change)}"
                for change in self.changes
                if change.rating is rating
            ]
            if found:
                more = [f"- and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
                heading = f"## {str(rating).capitalize()}"
                parts.append("\n".join([heading, "", *found[:_SHOWN], *more]))
        if self.left_out:
            listed = "\n".join(f"- {part}" for part in self.left_out)
            parts.append(f"## Left out\n\nThese cannot be generated:\n\n{listed}")
        if self.warnings:
            listed = "\n".join(f"- {warning}" for warning in self.warnings)
            parts.append(f"## Warnings\n\n{listed}")
        if self.checks:
            listed = "\n".join(
                f"| {name} | {'ok' if ok else '**fails**'} |" for name, ok in self.checks.items()
            )
            parts.append(
                f"## The regenerated client\n\n| check | result |\n| --- | --- |\n{listed}"
            )
        return "\n\n".join(parts) + "\n"


_OURS = f"{METHOD.upper()} {PATH}: "
# A property of the request itself, before the word or after it.
_ARGUMENT = re.compile(r"request property `([^`/]+)`|`([^`/]+)` request property")


def _where(change: Change) -> str:
    """Say where a user meets a change."""
    if change.side == "python":
        return "Python"
    return "Speech" if change.what.startswith(_OURS) else "API"


def _told(change: Change) -> str:
    """Say a change in the words of those who call `create`."""
    what = _ARGUMENT.sub(_in_python, change.what.removeprefix(_OURS))
    what = what.replace("request property", "argument")
    return f"{what}; {change.advice}" if change.advice else what


def _in_python(match: re.Match[str]) -> str:
    """Call a property as the argument is called, where Python or an option of ours has its name."""
    wire = match[1] or match[2]
    python = python_name(wire, ())
    if python == wire:
        return match[0]
    return match[0].replace(f"`{wire}`", f"`{python}` (`{wire}` on the wire)")


def _behind(change: Change) -> str:
    """Give the list behind a change, folded."""
    if not change.details:
        return ""
    listed = "\n".join(f"  - {detail}" for detail in change.details)
    return f"\n\n  <details><summary>all</summary>\n\n{listed}\n\n  </details>"


def add_to_changelog(changelog: str, changes: list[Change]) -> str:
    """Note what users will meet under Unreleased, section Changed.

    Args:
        changelog: The file's text, in the form of Keep a Changelog.
        changes: The changes; what is merely new in Python is told by the wire already.

    Returns:
        The text with the changes added.
    """
    told = [c for c in changes if c.side == "wire" or c.rating is Rating.BREAKING]
    entries = "".join(f"{_entry(change)}\n" for change in told)
    if not (heading := re.search(r"^## \[?Unreleased\]?.*$", changelog, re.MULTILINE)):
        before, mark, released = changelog.partition("\n## ")
        changelog = f"{before.rstrip()}\n\n## [Unreleased]\n{mark}{released}"
        return add_to_changelog(changelog, changes)
    section, mark, released = changelog[heading.end() :].partition("\n## ")
    if "### Changed\n" not in section:
        section = f"{section.rstrip()}\n\n### Changed\n"
    section = re.sub(r"### Changed\n\n?", lambda _: f"### Changed\n\n{entries}", section, count=1)
    return f"{changelog[: heading.end()]}{section}{mark}{released}"


def _entry(change: Change) -> str:
    breaking = "**Breaking:** " if change.rating is Rating.BREAKING else ""
    return textwrap.fill(
        f"- {breaking}{_where(change)}: {_told(change)}.",
        width=100,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
