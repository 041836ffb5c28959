"""Processes of their own, for what a process does not survive: limits, signals, forks."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

from tests.faults.calls import KEY

PRELUDE = """
import asyncio, json, os, sys
from modelgates_speech import AsyncModelGates, ModelGates, ModelGatesError
from tests.faults.calls import CALLERS, ROW, SPEECH

def tell(**what):
    print(json.dumps(what), flush=True)

client, path = sys.argv[1:3]
"""


@contextmanager
def child(script, *arguments, server, unnamed=True, before=()):
    """Run `script` after `PRELUDE`; it talks to `server`.

    Args:
        unnamed: Whether the system knows unnamed files, as Linux does and others do not.
        before: A command that starts it.
    """
    names = "" if unnamed else "import os; vars(os).pop('O_TMPFILE', None)\n"
    environment = os.environ | {
        "MODELGATES_BASE_URL": server.url,
        "MODELGATES_API_KEY": KEY,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    process = subprocess.Popen(
        [*before, sys.executable, "-c", names + PRELUDE + script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process):
    """What the child tells next."""
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return json.loads(line)


def outcome(script, *arguments, **options):
    """What the child told last, after it has ended well; nothing may be on standard error."""
    with child(script, *arguments, **options) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    return json.loads(out.splitlines()[-1])
