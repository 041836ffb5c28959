"""Take a new OpenAPI document: validate, compare, regenerate, try, and only then replace.

Run by `nox -s update_spec -- PATH_OR_URL`. Everything happens in a copy of the tree; whatever
fails, the tree is as it was.

exit codes:
  0  applied, or nothing to do
  1  breaking, and not accepted
  2  the document is invalid
  3  the regenerated client fails
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scripts.comparison.changes import Change, Rating
from scripts.comparison.oasdiff import OasdiffError
from scripts.comparison.python_api import python_changes
from scripts.comparison.report import Outcome, Report, add_to_changelog
from scripts.comparison.wire import UNSEEN, wire_changes
from scripts.document.mending import mended
from scripts.document.operation import BindingError, base_url
from scripts.document.page import document_in
from scripts.document.reading import DocumentError, parse, read
from scripts.document.scope import Scope, ScopeError
from scripts.document.validation import validate
from scripts.fetch import FetchError, fetch, is_url
from scripts.generate import (
    BINDING,
    DOCUMENT,
    METHODS,
    OUTPUT,
    PACKAGE,
    ROOT,
    SCOPE,
    GenerationError,
    generate,
)
from scripts.generation.blame import blame
from scripts.generation.parsing import ParsingError

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANGELOG = ROOT / "CHANGELOG.md"
# Of the document without white space: a test holds it against an edit by hand.
FINGERPRINT = ROOT / "tests" / "unit" / "published.sha256"
# What a new document replaces, together or not at all.
REPLACED = [
    path.relative_to(ROOT)
    for path in (
        *(DOCUMENT, SCOPE, FINGERPRINT, OUTPUT / PACKAGE, OUTPUT / "README.md"),
        *(BINDING, BINDING.with_name(METHODS), CHANGELOG),
    )
]
# What is compiled is of use to the copy, too, but for what pytest compiled: that names its files as
# they are here.
_NOT_COPIED = shutil.ignore_patterns(
    ".*", "*-pytest-*.pyc", "build", "dist", "reports", "node_modules", "*.egg-info"
)

SCENARIO = "tests/evolution/scenario.py"
# About the document and the generator, which have just been tried.
GENERATOR_TESTS = ("tests/unit/test_drift.py", "tests/unit/test_generation.py")
# Loading them takes longer than some of the tests.
UNUSED_PLUGINS = ("anyio", "asyncio", "cacheprovider", "hypothesispytest", "schemathesis", "xdist")
PYTEST = ["-m", "pytest", "-q", *(f"-pno:{name}" for name in UNUSED_PLUGINS)]
CONTRACT = ["-m", "scripts.contract", "--only"]
IMPORTS = "import modelgates_api; from modelgates_speech import _binding; _binding.speech_operation"
# What is tried, the longest first, and whose fault it is where it fails.
CHECKS = {
    "imports": (["-W", "error", "-c", IMPORTS], "the client cannot express this document"),
    "contract of the stub": ([*CONTRACT, "server"], "the stub cannot play this document"),
    "tests": (
        [*PYTEST, "tests/unit", *(f"--ignore={file}" for file in GENERATOR_TESTS)],
        "a test of ours assumes too much",
    ),
    "contract of the client": ([*CONTRACT, "client"], "the client cannot express this document"),
    "use": ([*PYTEST, SCENARIO], "the client cannot express this document"),
}
_FAILURE = [re.compile(p, re.M) for p in (r"^(?:FAILED|ERROR):? .+", r"^E  .+", r"^Timeout .+")]
# Where our tests read the document.
_ASSUMED = re.compile(
    r"^tests/edition\.py:\d+: \w*Error|^ImportError while loading conftest", re.MULTILINE
)
# How often a part that does not type-check is left out and the rest tried again.
ROUNDS = 5


class CheckError(Exception):
    """The regenerated client does not work."""


def update(options: argparse.Namespace, report: Report) -> Outcome:
    """Do what the command line asks for.

    Args:
        options: The command line, parsed.
        report: Filled in on the way, so that it says how far things went.

    Raises:
        DocumentError: The document is invalid.
        Exception: The regenerated client fails, in one of many ways.
    """
    data, before = document_in(_data(options.source))
    if before:
        report.warnings.append(
            f"taken from a page, from line {before + 1} on, which is line 1 of the document"
        )
    contents = parse(data)
    taken = validate(contents, data)
    report.warnings += taken.warnings
    current = parse(read(DOCUMENT))
    if json.dumps(contents) == json.dumps(current):
        return Outcome.UNCHANGED
    with TemporaryDirectory(prefix="modelgates-update-") as folder:
        tree = Path(folder, "tree")
        shutil.copytree(ROOT, tree, ignore=_NOT_COPIED, symlinks=True)
        _at(tree, DOCUMENT).write_bytes(data)
        digest = hashlib.sha256("".join(data.decode("utf-8-sig").split()).encode()).hexdigest()
        _at(tree, FINGERPRINT).write_text(f"{digest}\n", encoding="ascii")
        old = Scope.read(SCOPE)
        scope = Scope(old.operations, _server(taken.document, old, report), taken.left_out)
        with ThreadPoolExecutor(2) as pool:
            _generate(tree, scope, report)
            _leave_out_what_does_not_type(tree, scope, report)
            known = old.of(mended(current)[0])
            wire = pool.submit(wire_changes, known, scope.of(taken.document))
            report.changes = wire.result() + python_changes(
                [ROOT / "src", OUTPUT], [tree / "src", _at(tree, OUTPUT)]
            )
            report.changes = report.changes or [Change(Rating.DOCUMENTATION, "wire", UNSEEN)]
            _say(f"comparing: {report.rating}")
            _try(tree, report, pool)
        if report.rating is Rating.BREAKING and not options.accept_breaking:
            return Outcome.BREAKING
        if options.dry_run:
            return Outcome.DRY_RUN
        changelog = _at(tree, CHANGELOG)
        changelog.write_text(
            add_to_changelog(changelog.read_text("utf-8"), report.changes), encoding="utf-8"
        )
        replace(tree)
    return Outcome.APPLIED


def _server(document: dict[str, Any], scope: Scope, report: Report) -> str | None:
    """Give the server to keep for documents that name none."""
    try:
        return base_url(document)
    except BindingError as error:
        report.warnings.append(f"{error}: {scope.server} stays")
        return scope.server


def _generate(tree: Path, scope: Scope, report: Report) -> None:
    scope.write(_at(tree, SCOPE))
    places = (_at(tree, place) for place in (DOCUMENT, OUTPUT, BINDING, SCOPE))
    try:
        missing = generate(*places)
    except GenerationError as error:
        if isinstance(error.__cause__, BindingError | ParsingError):
            raise CheckError(f"the client cannot express this document: {error}") from error
        raise
    report.checks["generates"] = True
    report.left_out = [f"{part}: {reason}" for part, reason in scope.left_out.items()] + missing


def _leave_out_what_does_not_type(tree: Path, scope: Scope, report: Report) -> None:
    """Type-check; what of other operations fails is left out.

    Raises:
        CheckError: Something that ours needs does not type-check.
    """
    command = ["-m", "mypy", "--strict", "src", "generated"]
    done = _run(tree, command)
    for _ in range(ROUNDS):
        _say("checking: types")
        report.checks["types"] = done.returncode == 0
        if done.returncode == 0:
            return
        blamed = blame(_at(tree, OUTPUT), done.stdout)
        if not blamed or blamed.keys() <= scope.left_out.keys():
            break
        scope.left_out |= blamed
        _generate(tree, scope, report)
        done = _run(tree, command)
    raise CheckError(f"the client cannot express this document: types\n{done.stdout[-8000:]}")


def _data(source: str) -> bytes:
    if not is_url(source):
        return read(Path(source))
    fetched = fetch(source)
    assert fetched is not None, "nothing was said about the last answer"
    return fetched.data


def _at(tree: Path, path: Path) -> Path:
    return tree / path.relative_to(ROOT)


def _try(tree: Path, report: Report, pool: ThreadPoolExecutor) -> None:
    """Import and test the regenerated client.

    Raises:
        CheckError: One of these fails.
    """
    running = {name: pool.submit(_run, tree, command) for name, (command, _) in CHECKS.items()}
    failed: dict[str, str] = {}
    for name in CHECKS:
        _say(f"checking: {name}")
        done = running[name].result()
        report.checks[name] = done.returncode == 0
        if done.returncode:
            failed[name] = done.stdout
    if failed:
        raise CheckError(explained(failed))


def explained(failed: dict[str, str]) -> str:
    """Say of each check that failed whose fault it is, in a line, and show the first one's output.

    Args:
        failed: What each of them printed.
    """
    lines = {
        name: f"{_fault(name, said)}: {name}: {_failure(said)}" for name, said in failed.items()
    }
    # What cannot be expressed explains what assumes too much.
    order = sorted(lines, key=lambda name: not lines[name].startswith("the client"))
    return "\n".join([*(lines[name] for name in order), failed[order[0]][-8000:]])


def _failure(said: str) -> str:
    """Give the line that says what failed first, or why nothing was tried."""
    lines = (line for pattern in _FAILURE for line in pattern.findall(said))
    return next(lines, "")


def _fault(name: str, said: str) -> str:
    """Tell whose fault it is; that of our tests where each failure is in what they know of it."""
    failures = max(1, len(re.findall(r"^(?:FAILED|ERROR) ", said, re.MULTILINE)))
    assumes = len(_ASSUMED.findall(said)) >= failures
    return CHECKS["tests" if assumes else name][1]


def _run(tree: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=tree,
        env=_environment(tree),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _environment(tree: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "MODELGATES" not in name}
    # Or each process would compile all that it loads, and pytest the whole of Schemathesis.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    # Where Hypothesis keeps which characters there are.
    kept.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", f"{ROOT / '.hypothesis'}")
    return kept | {
        "PYTHONPATH": os.pathsep.join(f"{tree / folder}" for folder in ("src", "generated", ".")),
        "MYPY_CACHE_DIR": f"{ROOT / '.mypy_cache'}",
        # Not where other runs of pytest clean up at this very moment.
        "PYTEST_DEBUG_TEMPROOT": f"{tree.parent}",
    }


def replace(tree: Path) -> None:
    """Put what is in `tree` in the place of what is here, all of it or nothing."""
    with TemporaryDirectory(dir=ROOT, prefix=".update-") as folder, ExitStack() as undo:
        fresh, old = Path(folder, "new"), Path(folder, "old")
        # Copied first: renaming within one file system is all that is left to go wrong.
        for path in REPLACED:
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (old / path).parent.mkdir(parents=True, exist_ok=True)
            if (tree / path).is_dir():
                compiled = shutil.ignore_patterns("__pycache__")
                shutil.copytree(tree / path, fresh / path, ignore=compiled)
            else:
                shutil.copy2(tree / path, fresh / path)
        for path in REPLACED:
            (ROOT / path).rename(old / path)
            undo.callback((old / path).rename, ROOT / path)
            (fresh / path).rename(ROOT / path)
            undo.callback((ROOT / path).rename, fresh / path)
        undo.pop_all()


def _say(progress: str) -> None:
    print(f"update_spec: {progress}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    summary, _, codes = str(__doc__).partition("exit codes:")
    parser = argparse.ArgumentParser(
        prog="nox -s update_spec --",
        description=summary,
        epilog=f"exit codes:{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", help="the new document, or a page of Markdown that shows it: a path or a URL"
    )
    parser.add_argument("--accept-breaking", action="store_true", help="apply breaking changes too")
    parser.add_argument("--dry-run", action="store_true", help="apply nothing")
    parser.add_argument("--json", action="store_true", help="print the report for machines")
    return parser


def attempt(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, Report]:
    """Update as the command line asks for; give it parsed, and what came of it."""
    options = _parser().parse_args(arguments)
    report = Report(options.source)
    try:
        report.outcome = update(options, report)
    except (DocumentError, FetchError) as error:
        report.outcome = Outcome.INVALID
        report.error = getattr(error, "reason", str(error))
        report.line = getattr(error, "line", None)
    except (BindingError, CheckError, GenerationError, OasdiffError, ScopeError) as error:
        if not report.checks:
            report.checks["generates"] = False
        report.error = str(error)
    except Exception:  # noqa: BLE001 - an exit code of 1 would say something else
        report.error = traceback.format_exc()
    return options, report


def main(arguments: Sequence[str] | None = None) -> int:
    """Update from the command line; the exit code says how it ended."""
    options, report = attempt(arguments)
    print(json.dumps(report.as_json(), indent=1) if options.json else report.as_text())
    return report.outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
