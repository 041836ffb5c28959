# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.2.9"]
# ///
"""Everything this project does, as sessions: `nox --list` names them, `nox -s NAME` runs one.

`pip install nox` on Python 3.11 or later is all that they need.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types", "drift", "build"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
SENTENCE = "Hello! This is the ModelGates client, speaking from your own machine."


def group(name: str) -> list[str]:
    """Give the requirements of a dependency group, which are pinned in pyproject.toml alone."""
    return nox.project.dependency_groups(PYPROJECT, name)


def exit_code_of(session: nox.Session, module: str) -> None:
    """Run a module and end as it does, where nox would make every failure a 1."""
    python = f"{Path(session.bin, 'python')}"
    done = subprocess.run([python, "-m", module, *session.posargs], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def fresh_environment(session: nox.Session) -> str:
    """Make an empty environment, by the session's virtualenv, and give its Python."""
    folder = Path(session.create_tmp(), "fresh")
    session.run("python", "-m", "virtualenv", "--clear", "--quiet", f"{folder}")
    return f"{folder / ('Scripts' if sys.platform == 'win32' else 'bin') / 'python'}"


@nox.session(tags=["use"])
def speak(session: nox.Session) -> None:
    """Speak a sentence, offline: `nox -s speak -- "Any other text" -o other.mp3`."""
    session.install(".[cli,stub]")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-o", "--output", default="hello.wav")
    given, rest = parser.parse_known_args(session.posargs)
    with session.chdir(session.invoked_from):
        session.run(
            "modelgates-speech", "speak", "--local", "-o", given.output, *(rest or [SENTENCE])
        )


@nox.session(tags=["generate"])
def generate(session: nox.Session) -> None:
    """Rewrite generated/ and src/modelgates_speech/_binding.py from openapi.yaml."""
    session.install(*group("generate"))
    session.run("python", "-m", "scripts.generate", *session.posargs)


@nox.session(tags=["check", "generate"])
def drift(session: nox.Session) -> None:
    """Fail, naming the files, when generated code is not what generating would write."""
    session.install(*group("generate"))
    session.run("python", "-m", "scripts.drift", *session.posargs)


@nox.session(tags=["generate"])
def update_spec(session: nox.Session) -> None:
    """Take a new OpenAPI document, if the client works with it: `-- PATH_OR_URL`, `-- --help`."""
    session.install(".[all]", *group("update"))
    exit_code_of(session, "scripts.update_spec")


@nox.session(tags=["generate"])
def watch_spec(session: nox.Session) -> None:
    """Take the published document if it changed, and write a change request: `-- --help`."""
    session.install(".[all]", *group("update"))
    exit_code_of(session, "scripts.watch_spec")


@nox.session(tags=["check"])
def evolution(session: nox.Session) -> None:
    """Try the documents that upstream may publish next: `-- slug-added` for one alone."""
    session.install(".[all]", *group("update"))
    if not session.posargs:
        # Each of these runs the tests of a whole tree.
        patience = ["-o", "faulthandler_timeout=900"]
        session.run("pytest", "--numprocesses=2", *patience, "tests/evolution")
    session.run("python", "-m", "tests.evolution.matrix", *session.posargs)


@nox.session(tags=["check"])
def tests(session: nox.Session) -> None:
    """Run the tests: `nox -s tests -- tests/unit -k audio`."""
    session.install(".[all]", *group("test"))
    # These have sessions of their own, with what they need.
    others = [f"--ignore=tests/{suite}" for suite in ("contract", "evolution", "faults")]
    session.run("pytest", "--numprocesses=2", *others, *session.posargs)


@nox.session(tags=["check"])
def contract(session: nox.Session) -> None:
    """Judge the stub, or any server, by the document: `nox -s contract -- --help`."""
    session.install(".[stub]", *group("contract"))
    # Not session.run: it knows only success and failure, and the exit code tells trouble apart.
    command = [f"{Path(session.bin, 'python')}", "-m", "scripts.contract", *session.posargs]
    code = subprocess.run(command, check=False).returncode
    if code > 1:
        sys.exit(code)
    if code:
        session.error("the contract is violated, or the suite is: see above")


@nox.session(tags=["check"])
def faults(session: nox.Session) -> None:
    """Break network, disk and process; with `-- --prove`, break the wrapper too and be caught."""
    session.install(".[all]", *group("test"))
    arguments = [argument for argument in session.posargs if argument != "--prove"]
    session.run("pytest", "--numprocesses=2", *(arguments or ["tests/faults"]))
    if "--prove" in session.posargs:
        session.run("python", "-m", "tests.faults.prove")


@nox.session(tags=["check"])
def browser(session: nox.Session) -> None:
    """Try the stub's page in Chromium, which root on Debian need not install first."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "--quiet", "--quiet", *command], check=False)
        chromium = shutil.which("chromium")
    if chromium is None:
        session.skip("no Chromium here: install it (on Debian, `chromium`) or name it in CHROMIUM")
    session.install(".[stub]", *group("browser"))
    session.run("pytest", "tests/browser", *session.posargs, env={"CHROMIUM": chromium})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure this client beside its peers: `-- --quick`, `-- --check`, `-- --help`."""
    session.install(*group("bench"))
    session.run("python", "-m", "benchmarks.run", *session.posargs)


@nox.session(tags=["check"])
def distributed(session: nox.Session) -> None:
    """Test batches on a local Ray cluster, a worker killed midway; takes a few minutes."""
    session.install(".[stub,ray]", *group("distributed"))
    session.run("pytest", "tests/distributed/on_ray.py", *session.posargs)


@nox.session(tags=["measure"], name="jobs-benchmark")
def jobs_benchmark(session: nox.Session) -> None:
    """Measure long texts and batches: `nox -s jobs-benchmark -- long`, or batch, or both."""
    session.install(".[jobs]", *group("jobs-benchmark"))
    session.run("python", "-m", "benchmarks.jobs", *session.posargs)


@nox.session(tags=["measure"], name="distributed-benchmark")
def distributed_benchmark(session: nox.Session) -> None:
    """Measure a batch on one worker of a local Ray cluster, and on two."""
    session.install(".[ray]", *group("distributed"))
    session.run("python", "-m", "benchmarks.cluster", *session.posargs)


@nox.session(tags=["check"])
def lint(session: nox.Session) -> None:
    """Check style, formatting, layers of imports and sizes; generated code by its own rules."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "format", "--check", "--isolated", "--target-version=py311", "generated")
    session.run("lint-imports", env={"PYTHONPATH": "src"})
    session.run("python", "-m", "scripts.sizes")


@nox.session(tags=["check"])
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, both strict."""
    session.install(".[all]", *group("types"), *group("update"))
    session.run("mypy", "--strict", "src", "generated", "scripts")
    session.run("pyright")


@nox.session(tags=["check"])
def build(session: nox.Session) -> None:
    """Build the sdist, from it the wheel, and try the wheel in a clean environment."""
    session.install(*group("build"))
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    [wheel] = Path("dist").glob("*.whl")
    python = fresh_environment(session)
    session.run(python, "-m", "pip", "install", "--quiet", f"{wheel}[cli]", external=True)
    # Isolated, and away from the sources: only what was installed can be imported.
    session.run(python, "-I", "scripts/smoke.py", external=True)
    session.run(f"{Path(python).with_name('modelgates-speech')}", "--version", external=True)


@nox.session(tags=["check"])
def side_by_side(session: nox.Session) -> None:
    """Install the publisher's package beside ours, in both orders, and use both at once."""
    session.install(*group("build"))
    session.run("python", "-m", "build", "--wheel", "--outdir", session.create_tmp())
    [wheel] = Path(session.create_tmp()).glob("*.whl")
    ours, theirs = f"modelgates-speech[stub] @ {wheel.resolve().as_uri()}", *group("side-by-side")
    for order in ((ours, theirs), (theirs, ours)):
        python = fresh_environment(session)
        for package in order:
            session.run(python, "-m", "pip", "install", "--quiet", package, external=True)
        session.run(python, "-I", "scripts/side_by_side.py", external=True)


if __name__ == "__main__":
    nox.main()
