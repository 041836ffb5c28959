"""Every example of the pages runs, as it stands, against the stub."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from modelgates_speech import _binding
from tests.edition import gone_from, needs_nothing_new, skip_what_is_gone

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^( *)```([\w-]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md"] + [
    page.relative_to(ROOT).as_posix()
    for page in sorted(ROOT.glob("docs/**/*.md"))
    if page.parent.name != "decisions"
]
SHELLS = {"sh": "bash", "shell": "bash", "bash": "bash", "zsh": "zsh", "fish": "fish"}
SHELLS["powershell"] = "pwsh"
# What shows something and does nothing, or is not for this machine.
SHOWN = {"text", "yaml", "dockerfile", "javascript", "go", "java", "ruby"}
# They need more than the tests have; `nox -s docs` brings it, and runs them.
GUIDES = ("docs/guides/browser.md", "docs/guides/notebook.md", "docs/guides/telephony.md")
# They need a notebook, and an event loop that is there already.
NOTEBOOKS = {"docs/guides/notebook.md"}
# Theirs is a test of its own.
ELSEWHERE = {
    "docs/guides/clusters.md": "tests/distributed/on_ray.py",
    "docs/playing.md": "tests/docs/test_playing.py",
}
# They go on until they are stopped.
SERVERS = ("modelgates-speech stub", "python -m tests.contract.defects", "uvicorn app:app")
# What a reader does once, and this machine has done already.
PREPARATIONS = ("pip install ", "python3 -m venv ", "export MODELGATES_API_KEY=...")
# They rewrite the project; tests of their own run them on copies.
REWRITING = {"generate", "update_spec"}


class Block(NamedTuple):
    line: int
    language: str
    code: str


def blocks(page):
    text = (ROOT / page).read_text("utf-8")
    return [
        Block(text.count("\n", 0, found.start()) + 1, found[2], textwrap.dedent(found[3]))
        for found in BLOCK.finditer(text)
    ]


@needs_nothing_new
@pytest.mark.parametrize("page", [page for page in PAGES if page not in GUIDES and blocks(page)])
def test_the_examples_of_a_page_run_one_after_the_other(page, modelgates_stub, tmp_path):
    run_through(page, tmp_path)
    skip_what_is_gone(*(block.code for block in blocks(page)))


def run_through(page, folder):
    """Run the blocks of a page in their order, each as a reader of it would."""
    before = None
    for block in blocks(page):
        run = {**dict.fromkeys(SHELLS, in_a_shell), "python": in_python, "yaml": as_yaml}
        run |= {"console": as_a_transcript, "diff": as_changes}
        assert block.language in run | dict.fromkeys(SHOWN), f"{page}:{block.line}"
        if block.language in run:
            failure = run[block.language](page, block, folder)
            assert not failure, f"{page}:{block.line}\n{failure}"
        elif before in SHELLS and (said := printed(folder)) and not gone_from(block.code):
            # What a page says that a command prints is so, but for the figures.
            assert re.sub(r"\d+", "0", block.code) == re.sub(r"\d+", "0", said)
        before = block.language


def in_python(page, block, folder):
    if gone_from(block.code):
        return ""
    package, _, name = _binding.speech_operation.__name__.rpartition(".")
    code = block.code.replace("modelgates_api.api.subpackage_tts", package)
    code = code.replace("create_audio_speech", name)
    # A page that hands secrets to a container shows where they are there.
    code = code.replace("/run/secrets/", f"{folder}/")
    named = re.match(r"# (\w+\.py)\n", code)
    file = folder / (named[1] if named else f"line_{block.line}.py")
    file.write_text(code, "utf-8")
    if page in ELSEWHERE:
        return "" if page in (ROOT / ELSEWHERE[page]).read_text("utf-8") else "nobody runs it"
    if page in NOTEBOOKS:
        return ran([sys.executable, "-m", "IPython", "--no-banner", "-c", code], folder)
    if file.name.startswith("test_"):
        # Other plugins have warnings of their own.
        plugins = ["--disable-plugin-autoload", "-p", "modelgates_speech.stub.pytest_plugin"]
        return ran([sys.executable, "-W", "error", "-m", "pytest", *plugins, file.name], folder)
    return ran([sys.executable, "-W", "error", file.name], folder)


def printed(folder):
    """Give what the last command printed, once."""
    file = folder / "printed"
    text = file.read_text("utf-8") if file.exists() else ""
    file.unlink(missing_ok=True)
    return text


def in_a_shell(page, block, folder):
    printed(folder)
    failures = []
    lines = block.code.replace("\\\n", " ").splitlines()
    lines = [line for line in lines if not gone_from(line)]
    for line in lines:
        if re.search(r"\bnox (-s|--list)", line):
            missing = sessions_of(line) - sessions_of_the_noxfile()
            failures += [f"no session {name}" for name in missing]
        elif line.startswith("pip install"):
            failures += [f"no extra {name}" for name in extras_of(line) - extras()]
        elif line.startswith(SERVERS):
            failures.append(served(line, folder))
    left = [line for line in lines if not line.startswith((*PREPARATIONS, *SERVERS))]
    # A device to play on is in tests/cli/test_play.py.
    left = [line for line in left if not re.search(r"\bnox (-s|--list)|^\.ci/run| --play", line)]
    shell = SHELLS[block.language]
    if any(left) and shutil.which(shell) and os.name == "posix":
        failures.append(ran([shell, "-ec", "\n".join(left)], folder))
    return "\n".join(filter(None, failures))


def as_a_transcript(_page, block, _folder):
    """What only a maintainer does, and once: its sessions are looked for, and nothing is run."""
    prompts = [line for line in block.code.splitlines() if line.startswith("$ ")]
    missing = {name for line in prompts for name in sessions_of(line)} - sessions_of_the_noxfile()
    return "\n".join(f"no session {name}" for name in missing) or ("" if prompts else "no prompt")


def as_changes(_page, block, _folder):
    """What a change takes away is in the code."""
    code = "".join(file.read_text("utf-8") for file in sorted((ROOT / "src").rglob("*.py")))
    there = {line.strip() for line in code.splitlines()}
    taken = [line[1:] for line in block.code.splitlines() if line.startswith("-")]
    return "\n".join(f"there is no line {line!r}" for line in taken if line not in there)


def as_yaml(_page, block, _folder):
    yaml.safe_load(block.code)


def ran(command, folder):
    """Give what went wrong."""
    tools = folder / "tools"
    if not tools.exists():
        tools.mkdir()
        for name, does in (("aplay", "cat > /dev/null"), ("python", f"{sys.executable} $@")):
            (tools / name).write_text(f"#!/bin/sh\n{does}\n")
            (tools / name).chmod(0o755)
    path = os.pathsep.join([f"{tools}", f"{Path(sys.executable).parent}", os.environ["PATH"]])
    run = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=150,
    )
    (folder / "printed").write_text(run.stdout, "utf-8")
    return run.returncode and f"{run.stdout}\n{run.stderr}\nexit code {run.returncode}"


def served(line, folder):
    """Start a server on any free port, and stop it once it says that it is there."""
    if line.startswith("uvicorn"):
        return ""  # its own test asks it for speech
    command = shlex.split(re.sub(r"\b80\d\d\b", "0", line))
    module = [sys.executable, "-m", "modelgates_speech"]
    command = [*(module if command[0] != "python" else [sys.executable]), *command[1:]]
    server = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    try:
        first = server.stdout.readline()
        return "" if first and server.poll() is None else f"{line}: {first}{server.stdout.read()}"
    finally:
        server.kill()
        server.communicate()


def gate():
    return (ROOT / ".ci" / "run").read_text("utf-8")


def sessions_of_the_noxfile():
    sessions = (ROOT / "noxfile.py").read_text("utf-8")
    return {*re.findall(r"^@nox\.session.*\ndef (\w+)", sessions, re.MULTILINE)}


def sessions_of(script):
    return {
        name
        for names in re.findall(r"nox -s ([\w -]+?)(?= --|\W*$)", script, re.MULTILINE)
        for name in names.split()
    }


def extras():
    return {
        *tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
            "optional-dependencies"
        ]
    }


def extras_of(line):
    return {
        name
        for names in re.findall(r"modelgates-speech\[(.*?)\]", line)
        for name in names.split(",")
    }


def test_the_sessions_that_the_readme_shows_are_part_of_the_gate():
    shown = {name for block in blocks("README.md") for name in sessions_of(block.code)}
    assert shown
    assert shown <= sessions_of(gate()) | REWRITING


def test_the_two_commands_are_in_the_readme_and_the_gate_runs_them():
    readme = [block.code.strip() for block in blocks("README.md")]
    for command in ("pip install nox && nox -s speak", "pip install nox && nox -s tests"):
        assert command in readme
        assert command in gate()


def test_every_link_between_pages_leads_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    link = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)")
    links = [(page, target) for page in pages for target in link.findall(page.read_text("utf-8"))]
    assert links
    for page, target in links:
        if target != "modules.svg":  # drawn when the site is built
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
