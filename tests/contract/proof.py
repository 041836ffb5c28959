"""The suite against seeded defects, one process each, the imports paid for once."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.settings import ROOT, VARIABLE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection

# Whatever does not look at the settings when imported.
PRELOADED = [
    "harfile",
    "hypothesis.internal.conjecture.engine",
    "hypothesis.strategies",
    "miniaudio",
    "modelgates_speech.stub.app",
    "modelgates_speech.stub.server",
    "pytest",
    "schemathesis.generation.hypothesis.builder",
    "schemathesis.pytest.plugin",
    "schemathesis.specs.openapi.checks",
    "uvicorn.protocols.http.h11_impl",
    "yaml",
]


def judge_all(settings: Iterable[Settings]) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Run the suite once for each, two at a time.

    Returns:
        For each, in order: pytest's exit status, the ledger (empty if it broke before that), and
        what pytest printed.
    """
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(PRELOADED)
    with ThreadPoolExecutor(2) as threads:
        yield from threads.map(partial(_judge_apart, context), [each.dump() for each in settings])


def _judge_apart(context: Any, dumped: str) -> tuple[int, dict[str, Any], str]:
    """Run the suite in a process of its own.

    A pool of processes needs shared memory, which not every machine lets one write, and waits
    for ever for one that was killed.
    """
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_judge_and_send, args=(sender, dumped))
    process.start()
    sender.close()
    try:
        found: tuple[int, dict[str, Any], str] = receiver.recv()
        process.join()
    except EOFError:
        process.join()
        found = (process.exitcode or 1, {}, "The process ended before it had judged.")
    receiver.close()
    return found


def _judge_and_send(sender: Connection, dumped: str) -> None:
    with sender:
        sender.send(judge(dumped))


def judge(dumped: str) -> tuple[int, dict[str, Any], str]:
    """Run the suite in this process, which must not have run it before."""
    os.environ[VARIABLE] = dumped
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as directory:
        given = {**json.loads(dumped), "report_dir": directory}
        os.environ[VARIABLE] = Settings(**given).dump()
        printed = Path(directory, "output")
        with printed.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
            status = pytest.main(
                # Plain: modules that are loaded already cannot be rewritten.
                [
                    *("-q", "--tb=short", "--assert=plain", "-p", "no:cacheprovider"),
                    "tests/contract/server",
                ]
            )
        sys.stdout.flush()
        book = Path(directory, "ledger.json")
        ledger = json.loads(book.read_text("utf-8")) if book.exists() else {}
        return int(status), ledger, printed.read_text("utf-8")
