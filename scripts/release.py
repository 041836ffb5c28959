"""Check that this tree can be released, build what is released, and write its bill of materials.

Run by `nox -s release`. The distributions are left in dist/, the bill in reports/.

exit codes:
  0  it can be released
  1  it cannot; every reason is printed
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.version import ROOT, ChangelogError, current_version, release_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from email.message import Message

DIST = ROOT / "dist"
REPORTS = ROOT / "reports"
# Folder of the tree, and what it is in the wheel.
SHIPPED = {
    "src/modelgates_speech/": "modelgates_speech/",
    "generated/modelgates_api/": "modelgates_api/",
}
IN_SDIST = ("src/", "generated/", "openapi.yaml", "README.md", "CHANGELOG.md", "LICENSE")
# What the builder adds to an sdist.
ADDED = {".gitignore", "PKG-INFO", "pyproject.toml"}
# Licences that ask nothing of those who use the client.
FREE = re.compile(r"\b(apache|0?bsd|isc|mit|mpl|psf|unlicense)\b", re.IGNORECASE)
_COPYLEFT = re.compile(r"\b[AL]?GPL")
# Brought by these extras alone, and run in the stub's process alone: see decision 0007.
COPYLEFT = {"espeakng-loader", "lameenc"}
BRINGING = {"stub", "all"}


def git(*arguments: str) -> list[str]:
    """Give the lines that git prints."""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout.splitlines()


def against_history(version: str, tag: str | None) -> list[str]:
    """Say what is wrong with the changelog, the tag and the tree for this version."""
    wrong: list[str] = []
    try:
        release_date(ROOT, version)
    except ChangelogError as error:
        wrong.append(f"{error}")
    name = f"v{version}"
    if tag is not None and tag != name:
        wrong.append(f"the tag is {tag}, but the version is {version}: the tag must be {name}")
    if name in git("tag", "--list", name) and git("rev-list", "-n1", name) != git(
        "rev-parse", "HEAD"
    ):
        wrong.append(f"{name} is on another commit: a version is released only once, so raise it")
    if changed := git("status", "--porcelain"):
        wrong.append(f"not committed: {', '.join(line[3:] for line in changed)}")
    return wrong


def build(into: Path) -> list[Path]:
    """Build sdist and wheel as they are built everywhere, dated by the last commit."""
    [moment] = git("log", "-1", "--format=%ct")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", into, ROOT],
        env=os.environ | {"SOURCE_DATE_EPOCH": moment},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return sorted(into.iterdir())


def against_tree(sdist: Path, wheel: Path, tracked: Iterable[str]) -> list[str]:
    """Say which files are missing in the distributions, or are in them and should not be."""
    tracked = set(tracked)
    expected = {
        inside + file.removeprefix(folder)
        for folder, inside in SHIPPED.items()
        for file in tracked
        if file.startswith(folder)
    }
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    return [
        *_differences(wheel.name, expected, in_wheel),
        *_differences(
            sdist.name,
            {file for file in tracked if file.startswith(IN_SDIST)} | ADDED,
            in_sdist,
        ),
    ]


def _differences(where: str, expected: set[str], found: set[str]) -> list[str]:
    return [
        *(f"{where} lacks {name}" for name in sorted(expected - found)),
        *(f"{where} has {name}, which git does not know" for name in sorted(found - expected)),
    ]


def metadata_of(wheel: Path) -> Message:
    """Read the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def against_metadata(version: str, metadata: Message) -> list[str]:
    """Say what is wrong with what an index would show."""
    wrong = [
        f"the metadata has {field}: {metadata[field]}, not {expected}"
        for field, expected in (
            ("Name", "modelgates-speech"),
            ("Version", version),
            ("License-Expression", "MIT"),
        )
        if metadata[field] != expected
    ]
    extras = ["", *metadata.get_all("Provides-Extra", [])]
    for required in map(Requirement, metadata.get_all("Requires-Dist", [])):
        marker = required.marker
        bringing = {
            extra for extra in extras if marker is None or marker.evaluate({"extra": extra})
        }
        if canonicalize_name(required.name) in COPYLEFT and bringing - BRINGING:
            wrong.append(f"{required.name} is copyleft: only the extra `stub` may bring it")
    return wrong


def licences(bill: dict[str, Any]) -> dict[str, str]:
    """Give the licence of each component of a bill of materials, in its own words."""
    return {
        component["name"]: " or ".join(
            entry.get("expression") or entry["license"].get("id") or entry["license"]["name"]
            for entry in component.get("licenses", [])
        )
        for component in bill.get("components", [])
    }


def against_licences(found: dict[str, str]) -> list[str]:
    """Say which licences would ask something of those who use the client."""
    return [
        f"{name} has the licence {licence or '(none is stated)'}: look at it, then name it in "
        "scripts/release.py or do without it"
        for name, licence in sorted(found.items())
        if canonicalize_name(name) not in COPYLEFT
        and (_COPYLEFT.search(licence) or not FREE.search(licence))
    ]


def bill_of_materials(wheel: Path, target: Path) -> dict[str, Any]:
    """Write down what comes with the wheel and its extra `all`, if installed today."""
    [moment] = git("log", "-1", "--format=%ct")
    with TemporaryDirectory(prefix="modelgates-release-") as folder:
        home = Path(folder, "venv")
        subprocess.run(["uv", "venv", "--quiet", home], check=True)
        python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        install = ["uv", "pip", "install", "--quiet", f"--python={python}", f"{wheel}[all]"]
        subprocess.run(install, check=True)
        target.parent.mkdir(exist_ok=True)
        command = ["cyclonedx_py", "environment", "--output-reproducible"]
        options = [f"--output-file={target}", f"--pyproject={ROOT / 'pyproject.toml'}"]
        subprocess.run(
            [sys.executable, "-m", *command, *options, f"{python}"],
            env=os.environ | {"SOURCE_DATE_EPOCH": moment},
            check=True,
        )
    bill: dict[str, Any] = json.loads(target.read_text("utf-8"))
    return bill


def check(tag: str | None) -> list[str]:
    """Build and check everything; leave what is released in dist/ and reports/.

    Args:
        tag: The tag that is being released; None before there is one.

    Returns:
        Every reason against it.
    """
    version = current_version(ROOT)
    wrong = against_history(version, tag)
    shutil.rmtree(DIST, ignore_errors=True)
    built = build(DIST)
    with TemporaryDirectory(prefix="modelgates-release-") as folder:
        again = build(Path(folder))
        for one, other in zip(built, again, strict=True):
            if one.read_bytes() != other.read_bytes():
                wrong.append(f"{one.name} is different when it is built again")
    [sdist], [wheel] = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    wrong += against_tree(sdist, wheel, git("ls-files"))
    wrong += against_metadata(version, metadata_of(wheel))
    twine = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)]
    if subprocess.run(twine, check=False).returncode:
        wrong.append("twine finds mistakes in the metadata: see above")
    bill = bill_of_materials(wheel, REPORTS / f"{wheel.name.split('-py3')[0]}.cdx.json")
    wrong += against_licences(licences(bill))
    for name, licence in sorted(licences(bill).items()):
        print(f"{name:28} {licence}")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Check from the command line."""
    parser = argparse.ArgumentParser(
        prog="nox -s release --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tag", help="the tag that is being released, as v1.2.3")
    wrong = check(parser.parse_args(arguments).tag)
    for reason in wrong:
        print(f"release: {reason}", file=sys.stderr)
    if not wrong:
        print(f"{current_version(ROOT)} can be released")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
