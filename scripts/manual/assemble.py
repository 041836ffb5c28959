"""Put the pages of the site together: those in `docs/`, some at the top, and what is generated."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.manual.commands import command_reference
from scripts.manual.picture import draw, table_of_modules

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "build" / "manual"
SITE = ROOT / "build" / "site"

# Files outside `docs/` that the site has, and what they are called there.
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE": "LICENSE.txt",
    "SECURITY.md": "security.md",
    ".github/workflows/watch-the-document.yml": "watch-the-document.yml",
    "openapi.yaml": "openapi.yaml",
    # The builder would make an index of it all the same, and no Markdown beside it.
    "docs/benchmarks/README.md": "benchmarks/index.md",
}
# What stands in a page's place of the form ``<!-- insert: NAME -->``.
INSERTS: dict[str, Callable[[], str]] = {
    "commands": command_reference,
    "decisions": lambda: decisions(),
    "modules": table_of_modules,
}

_INSERT = re.compile(r"<!-- insert: (\w+) -->")
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def assemble() -> set[str]:
    """Write the pages into `SOURCE`, and give their names."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    files = [path for path in (ROOT / "docs").rglob("*") if path.is_file()]
    for file in {*files, *(ROOT / name for name in ELSEWHERE)}:
        here = file.relative_to(ROOT).as_posix()
        target = SOURCE / place(here)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            target.write_text(page(here, file.read_text("utf-8")), "utf-8")
        else:
            shutil.copyfile(file, target)
    (SOURCE / "maintaining" / "modules.svg").write_text(draw(), "utf-8")
    return {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.md")}


def place(here: str) -> str:
    """Where a file of the project is in the site.

    Raises:
        ValueError: If it is not there.
    """
    if here in ELSEWHERE:
        return ELSEWHERE[here]
    if not here.startswith("docs/"):
        raise ValueError(f"{here} is not part of the site: do not link to it")
    return here.removeprefix("docs/")


def page(here: str, text: str) -> str:
    """Give a page as the site has it: links to where things are there, and what is generated."""

    def moved(link: re.Match[str]) -> str:
        target = os.path.normpath(Path(here).parent / link[1])
        try:
            there = place(Path(target).as_posix())
        except ValueError as error:
            raise ValueError(f"{here}: {error}") from None
        return Path(os.path.relpath(there, Path(place(here)).parent)).as_posix()

    parts = _CODE.split(text)
    text = "".join(part if part.startswith("```") else _LINK.sub(moved, part) for part in parts)
    return _INSERT.sub(lambda insert: INSERTS[insert[1]](), text)


def decisions() -> str:
    """Give a list of the decisions, by their titles."""
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    titles = [(path.name, title_of(path.read_text("utf-8"))) for path in pages]
    return "\n".join(f"- [{title}]({name})" for name, title in titles)


def title_of(text: str) -> str:
    """Give the first heading of a page."""
    return next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))


def menu() -> list[tuple[str, list[tuple[str, str]]]]:
    """Give the menus of the site: their names, and the titles and pages of each."""
    return _menus(configuration()["nav"])


def configuration() -> dict[str, Any]:
    """Give what the builder is told."""
    config: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
    return config


def _menus(entries: list[dict[str, Any]], name: str = "") -> list[tuple[str, list[Any]]]:
    here: list[tuple[str, str]] = []
    below: list[tuple[str, list[Any]]] = []
    for entry in entries:
        [(title, value)] = entry.items()
        if isinstance(value, str):
            here.append((title, value))
        else:
            below += _menus(value, title)
    return [(name, here), *below] if here else below
