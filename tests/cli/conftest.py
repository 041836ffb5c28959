"""The real command in a process of its own, against the real stub on a real socket."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from modelgates_speech.stub import StubServer
from tests.edition import EDITION, HAS_SAMPLES, USUAL

# What a command that speaks must say beside what the tests have it say.
DEMANDED = [f"--header={name}:{value}" for name, value in EDITION.headers.items()]
SPEAKS = {"speak", "narrate", "batch"}
KEY = "mg-canary-4f1d9c"
LEAN = os.path.join(os.path.dirname(__file__), "lean")

WITH_A_LIST = """
import sys
from modelgates_speech.cli import main
code = main()
sys.stderr.write("\\n".join(sys.modules))
sys.exit(code)
"""


@pytest.fixture(autouse=True)
def _the_command_can_say_what_a_request_must():
    if EDITION.demanded("query") or not EDITION.allows(EDITION.schema, USUAL):
        pytest.skip("the OpenAPI document demands what these command lines do not say")
    if not HAS_SAMPLES:
        pytest.skip("the OpenAPI document has no audio for the .wav that these command lines name")


@pytest.fixture
def stub():
    with StubServer(api_key=KEY) as server:
        yield server


@pytest.fixture
def environment(tmp_path):
    """The variables of a user who has set nothing up."""
    ours = ("MODELGATES", "_MODELGATES", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Commands run in another folder, where relative entries would lead nowhere.
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = (LEAN, *(os.path.abspath(entry) for entry in entries if entry))
    return kept | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(path)}


@pytest.fixture
def with_key(environment, stub):
    """The variables of a user whose API is the stub."""
    return environment | {"MODELGATES_BASE_URL": stub.base_url, "MODELGATES_API_KEY": KEY}


@pytest.fixture
def folder(tmp_path):
    """The empty folder that commands run in."""
    path = tmp_path / "here"
    path.mkdir()
    return path


@pytest.fixture
def start(folder):
    """Start `modelgates-speech ...` without waiting; what still runs is ended with the test."""
    running = []

    def start(*arguments, env, closed=None, **options):
        demanded = DEMANDED if SPEAKS & {*arguments[:1]} else []
        arguments = [*arguments[:1], *demanded, *arguments[1:]]
        command = [sys.executable, "-m", "modelgates_speech", *arguments]
        if closed:
            # A shell closes it (`<&-`, `>&-`): Python has nothing there then.
            command = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
        process = subprocess.Popen(
            command,
            **{"env": env, "cwd": folder, "stdin": subprocess.DEVNULL} | options,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """Run `modelgates-speech ...`: `.code`, `.out` and `.err` as text, `.raw` as bytes."""

    def run(*arguments, env, given=None, **options):
        pipe = subprocess.PIPE
        process = start(
            *arguments,
            env=env,
            **{"stdin": pipe, "stdout": pipe, "stderr": pipe} | options,
        )
        raw, err = process.communicate(given, timeout=120)
        err = (err or b"").decode()
        assert KEY not in err, "the API key is in the messages"
        assert KEY.encode() not in (raw or b""), "the API key is in the output"
        out = None if raw is None else raw.decode(errors="replace")
        return SimpleNamespace(code=process.returncode, out=out, err=err, raw=raw)

    return run


@pytest.fixture
def speak(run, with_key):
    """Run `modelgates-speech speak ...` as that user, to its end."""

    def speak(*arguments, env=None, **options):
        return run("speak", *arguments, env=with_key | (env or {}), **options)

    return speak


@pytest.fixture
def modules_loaded():
    """Run `modelgates-speech ...` and return the names of all modules imported by its end."""

    def modules_loaded(*arguments, env):
        ended = subprocess.run(
            [sys.executable, "-c", WITH_A_LIST, *arguments],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        return set(ended.stderr.split())

    return modules_loaded
