"""Test a server against the OpenAPI document: `nox -s contract -- --help` says how.

The cases are in tests/contract. This starts them, explains what they found, and says with its exit
code what kind of trouble there is.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tests.contract.defects import DEFECTS
from tests.contract.document import read
from tests.contract.proof import judge_all
from tests.contract.settings import (
    DOCUMENT_VARIABLE,
    KEY_VARIABLE,
    ROOT,
    STUB_KEY,
    VARIABLE,
    Settings,
)
from tests.edition import Edition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEPT, VIOLATED, MISUSED, UNREACHABLE, REFUSED, OUT_OF_CREDITS, INCONCLUSIVE = range(7)
ENDS = {
    KEPT: "the server keeps the contract",
    VIOLATED: "the server VIOLATES the contract",
    MISUSED: "the command line is wrong",
    UNREACHABLE: "the server is unreachable",
    REFUSED: "the server refused the key (401 or 403 for a valid request)",
    OUT_OF_CREDITS: "the account is out of credits (402 for a valid request)",
    INCONCLUSIVE: "inconclusive: the run saw too little to prove anything, or broke",
}

# What a run against somebody else's server may cost unless told otherwise.
DEFAULT_REQUESTS = 500
DEFAULT_CHARACTERS = 20_000
# Small enough for a bill, large enough to meet every kind of case.
FEW_EXAMPLES = 30
NARROW = 6

# What does not need each other, the longest first.
PARTS = ("tests/contract/test_command.py", "tests/contract/client", "tests/contract/server")

# How many cases a round of --deep draws, for each document: it ends when a round does.
ROUND = 500

# Of the reason of a failure, which may quote a schema and a body; the reports have all of it.
LINES = 12

# Why a seeded defect is left out of a proof.
HARMLESS = "the OpenAPI document does not forbid it, or has nothing to break"

# Checks of the run itself: it is not the server that fails them.
VACUITY = {"every kind of answer was seen often enough", "every documented answer was seen"}


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Args:
        status: pytest's exit status.
        ledger: see tests/contract/ledger.py; empty if the run did not get that far.
        output: what pytest printed.
        seconds: how long it took.
    """

    status: int
    ledger: dict[str, Any]
    output: str = ""
    seconds: float = 0.0

    @property
    def failures(self) -> dict[str, dict[str, Any]]:
        """The verdicts of the checks that failed, by name."""
        verdicts: dict[str, dict[str, Any]] = self.ledger.get("verdicts", {})
        return {name: verdict for name, verdict in verdicts.items() if verdict["failed"]}

    @property
    def exit_code(self) -> int:
        """What to exit with; a violation outweighs whatever ended the run."""
        if set(self.failures) - VACUITY:
            return VIOLATED
        stopped: str = self.ledger.get("stopped") or ""
        if "unreachable" in stopped:
            return UNREACHABLE
        if "credits" in stopped:
            return OUT_OF_CREDITS
        return INCONCLUSIVE if self.failures or self.status else KEPT


def run(settings: Settings, *, quietly: bool = False, tests: Sequence[str] = ()) -> Outcome:
    """Run the suite in a process of its own.

    Args:
        settings: what to run.
        quietly: keep pytest's output instead of printing it.
        tests: which tests; by default those that judge a server.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(settings.report_dir or scratch)
        settings = dataclasses.replace(settings, report_dir=str(directory))
        book = directory / "ledger.json"
        book.unlink(missing_ok=True)
        # The report says better what a server did, and without the key.
        traces = "--tb=short" if PARTS[0] in tests else "--tb=no"
        command = [sys.executable, "-m", "pytest", "-q", traces]
        command += ["-pno:anyio", "-pno:cacheprovider", "-pno:xdist"]
        # The tests of a document are as long as that is, on a busy machine many times as long.
        command += ["-o", "faulthandler_timeout=900"]
        command += ["-rE", *(tests or ["tests/contract/server"])]
        secret = os.environ.get(KEY_VARIABLE) or STUB_KEY
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, VARIABLE: settings.dump()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line.replace(secret, "[redacted]"))
                if not quietly:
                    print(lines[-1], end="", flush=True)
        ledger: dict[str, Any] = json.loads(book.read_text("utf-8")) if book.exists() else {}
    seconds = time.monotonic() - began
    return Outcome(process.returncode, ledger, "".join(lines), seconds)


def report(outcome: Outcome, settings: Settings) -> Iterator[str]:
    """Say what a run found, for people."""
    ledger = outcome.ledger
    if not ledger:
        yield f"The run broke before it judged anything (pytest: {outcome.status})."
        return
    verdicts: dict[str, dict[str, Any]] = ledger["verdicts"]
    width = max([len("check"), *map(len, verdicts)])
    yield f"{'check':<{width}}  passed  failed  verdict"
    for name, verdict in verdicts.items():
        word = "FAILED" if verdict["failed"] else "ok"
        yield f"{name:<{width}}  {verdict['passed']:>6}  {verdict['failed']:>6}  {word}"
    yield ""
    for name, verdict in outcome.failures.items():
        yield f"FAILED: {name}" + (f" [{verdict['where']}]" if verdict["where"] else "")
        for line in verdict["detail"].strip().splitlines()[:LINES]:
            yield f"    {line}"
        if name not in VACUITY and verdict["curl"]:
            yield f"    to repeat it: {verdict['curl']}"
        yield ""
    asked = bool(ledger["requests"])
    if asked:
        counts = (f"{key}: {count}" for key, count in ledger["statuses"].items())
        yield f"statuses: {', '.join(counts)}"
    for label, answers in ledger["documented"].items() if asked else ():
        seen = sum(bool(count) for count in answers.values())
        listed = ", ".join(f"{status}: {count}" for status, count in answers.items())
        yield f"documented answers of {label}: {seen} of {len(answers)} seen and valid ({listed})"
    for name, reason in ledger["skipped"].items():
        yield f"skipped: {name}: {reason}"
    yield (
        f"seed {settings.seed}; {ledger['requests']:,} requests, {ledger['characters']:,} "
        f"characters, {outcome.seconds:.0f} s"
    )
    if ledger["stopped"]:
        yield f"The run ended early: {ledger['stopped']}."
    if settings.report_dir:
        yield f"reports: {settings.report_dir}/junit.xml, traffic.har, ledger.json"


def show(outcome: Outcome, settings: Settings) -> int:
    """Print the report; return the exit code."""
    print("", *report(outcome, settings), sep="\n")
    end = ENDS[outcome.exit_code]
    if not outcome.ledger.get("requests"):  # the client is tested without a server
        end = end.replace("server", "client")
    print(f"{end[0].upper()}{end[1:]}.")
    return outcome.exit_code


def against(settings: Settings, most_requests: int, most_characters: int) -> int:
    """Judge a running server, after one request that tells whether that makes sense."""
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        print(f"set {KEY_VARIABLE} to the key for {settings.base_url}", file=sys.stderr)
        return MISUSED
    print(
        f"{settings.base_url} will get at most {most_requests:,} requests and be asked to speak at "
        f"most {most_characters:,} characters, which it may bill."
    )
    body = {
        "input": "Hello.",
        "model": settings.model or "any/model",
        "voice": settings.voice or "alloy",
    }
    try:
        with requests.Session() as session:
            # A .netrc would replace the key.
            session.trust_env = False
            answer = session.post(
                f"{settings.base_url}/audio/speech",
                json=body,
                headers={"Authorization": f"Bearer {key}"},
                proxies=requests.utils.get_environ_proxies(str(settings.base_url)),
                timeout=60,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        print(f"unreachable: {str(error).replace(key, '[redacted]')}", file=sys.stderr)
        return UNREACHABLE
    if answer.status_code in {401, 403}:
        print(f"refused: {answer.status_code} for a valid request; check {KEY_VARIABLE}")
        return REFUSED
    if answer.status_code == 402:
        print("out of credits: 402 for a valid request")
        return OUT_OF_CREDITS
    stub = "x-stub-engine" in answer.headers
    if not stub:
        print("This is not a stub: what only a stub can be asked is skipped, and listed below.")
    if not answer.ok and not settings.model:
        print(
            f"It answered {answer.status_code} for {body['model']}: name a model and a voice that "
            "it has with --model and --voice."
        )
    settings = dataclasses.replace(
        settings,
        stub=stub,
        max_requests=most_requests - 1,
        max_characters=most_characters - len(body["input"]),
    )
    return show(run(settings), settings)


def explore(settings: Settings, minutes: float) -> int:
    """Try fresh seeds until the time is over or something fails."""
    until = time.time() + minutes * 60
    rounds = 0
    while time.time() < until:
        seed = random.SystemRandom().randrange(2**32)
        rounds += 1
        print(f"round {rounds}, seed {seed} (to repeat it: --seed {seed} --examples {ROUND})")
        chosen = dataclasses.replace(settings, seed=seed, examples=ROUND, until=until)
        outcome = run(chosen)
        if outcome.exit_code == INCONCLUSIVE and time.time() >= until and rounds > 1:
            break
        if outcome.exit_code:
            return show(outcome, chosen)
    print(f"{rounds} rounds in {minutes:g} minutes: no failure.")
    return KEPT


def in_parts(settings: Settings) -> int:
    """Run the whole suite, two parts of it at a time."""
    codes: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, settings, quietly=True, tests=[part]) for part in PARTS]
        for part, found in zip(PARTS, (each.result() for each in runs), strict=True):
            print(f"\n{part}\n{found.output}", end="", flush=True)
            # What tries the command judges nobody, so there is nothing to show unless it fails.
            tried = part == PARTS[0] and found.exit_code == KEPT
            codes.append(KEPT if tried else show(found, settings))
    return VIOLATED if VIOLATED in codes else max(codes)


def prove(settings: Settings, names: Sequence[str]) -> int:
    """Run the suite against every seeded defect; each must fail the check that is meant to."""
    began = time.monotonic()
    document = Edition(read(settings.document))
    named = [DEFECTS[name] for name in names] or list(DEFECTS.values())
    chosen = [defect for defect in named if defect.breaks_what(document)]
    width = max(len(defect.name) for defect in named)

    print(f"{len(chosen)} defects, two at a time.\n")
    for defect in named:
        if defect not in chosen:
            print(f"{defect.name:<{width}}  {defect.breaks:<52}  skipped: {HARMLESS}")
    missed: list[str] = []
    few = dataclasses.replace(
        settings, examples=FEW_EXAMPLES, breadth=NARROW, shrink=False, report_dir=None
    )
    wrong = [dataclasses.replace(few, defect=defect.name) for defect in chosen]
    for defect, found in zip(chosen, judge_all(wrong), strict=True):
        outcome = Outcome(*found)
        failed = set(outcome.failures)
        others = len(failed - VACUITY - {defect.caught_by})
        word = f"caught by: {defect.caught_by}" + (f" (and {others} more)" if others else "")
        if defect.caught_by not in failed:
            missed.append(defect.name)
            word = f"MISSED by: {defect.caught_by}; failed: {sorted(failed) or 'nothing'}"
            if not outcome.ledger:
                word += f"\n{outcome.output}"
        print(f"{defect.name:<{width}}  {defect.breaks:<52}  {word}", flush=True)
    share = 1 - len(missed) / max(len(chosen), 1)
    seconds = time.monotonic() - began
    print(f"\n{share:.0%} of {len(chosen)} defects caught by the check meant to, {seconds:.0f} s.")
    print(f"MISSED: {', '.join(missed)}" if missed else "Exemptions: none.")
    return VIOLATED if missed else KEPT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nox -s contract --",
        description="Test the stub, or any running server, against the OpenAPI document.",
        epilog="\n".join(["exit codes:", *(f"  {code}  {end}" for code, end in ENDS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--document", help=f"the OpenAPI document to test against (or {DOCUMENT_VARIABLE})")
    add("--report-dir", metavar="DIR", help="write junit.xml, traffic.har and ledger.json there")
    add(
        "--seed",
        type=int,
        default=Settings.seed,
        help="what cases are drawn with (%(default)s)",
    )
    add("--examples", type=int, help="how many cases are drawn for each document")
    live = parser.add_argument_group(f"against a running server (key: {KEY_VARIABLE})")
    live.add_argument("--base-url", metavar="URL")
    live.add_argument("--model", help="use it in place of generated models")
    live.add_argument("--voice", help="use it in place of generated voices")
    live.add_argument("--max-requests", type=int, default=DEFAULT_REQUESTS, metavar="N")
    live.add_argument("--max-characters", type=int, default=DEFAULT_CHARACTERS, metavar="N")
    other = parser.add_argument_group("other things to do")
    other.add_argument(
        "--only", choices=["server", "client"], help="test the stub alone, or the client alone"
    )
    other.add_argument("--deep", action="store_true", help="use fresh seeds for some minutes")
    other.add_argument("--minutes", type=float, default=10, help="for --deep (%(default)s)")
    other.add_argument(
        "--prove",
        nargs="*",
        metavar="DEFECT",
        help="run against servers with seeded defects, all by default",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    settings = Settings(
        document=given.document or os.environ.get(DOCUMENT_VARIABLE) or Settings.document,
        seed=given.seed,
        examples=given.examples or Settings.examples,
        report_dir=given.report_dir and str(Path(given.report_dir).absolute()),
    )
    if unknown := set(given.prove or ()) - set(DEFECTS):
        parser.error(f"no such defects: {', '.join(unknown)}; there are {', '.join(DEFECTS)}")
    if given.base_url:
        return against(
            dataclasses.replace(
                settings,
                base_url=given.base_url.rstrip("/"),
                model=given.model,
                voice=given.voice,
                examples=given.examples or FEW_EXAMPLES,
                breadth=NARROW,
            ),
            given.max_requests,
            given.max_characters,
        )
    if given.prove is not None:
        return prove(settings, given.prove)
    if given.deep:
        return explore(settings, given.minutes)
    if given.only or settings.report_dir:
        suite = "tests/contract" + (f"/{given.only}" if given.only else "")
        return show(run(settings, tests=[suite]), settings)
    return in_parts(settings)


if __name__ == "__main__":
    sys.exit(main())
