"""Every example in the README runs, as it stands, against the stub."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from modelgates_speech import _binding
from tests.edition import needs_nothing_new

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", "docs/bringing-another-engine.md"]
# They rewrite the project; tests of their own run them on copies.
REWRITING = {"generate", "update_spec"}


def examples(language):
    return [
        pytest.param(code, id=f"{page}-{number}")
        for page in PAGES
        for number, (kind, code) in enumerate(BLOCK.findall((ROOT / page).read_text()), 1)
        if kind == language
    ]


@needs_nothing_new
@pytest.mark.parametrize("code", examples("python"))
def test_a_python_example_runs_against_the_stub(code, modelgates_stub, tmp_path):
    package, _, name = _binding.speech_operation.__name__.rpartition(".")
    code = code.replace("modelgates_api.api.subpackage_tts", package)
    code = code.replace("create_audio_speech", name)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout or list(tmp_path.iterdir())


@needs_nothing_new
@pytest.mark.parametrize("code", examples("sh"))
def test_a_shell_example_runs_as_it_stands_or_is_part_of_the_gate(code, tmp_path):
    for line in code.splitlines():
        if "nox -s" in line:
            assert sessions_of(line) <= sessions_of(gate()) | REWRITING
            assert all(f"\ndef {name}(" in noxfile() for name in sessions_of(line))
        else:
            command = re.sub(
                r"\bmodelgates-speech\b",
                f"{shlex.quote(sys.executable)} -m modelgates_speech",
                line,
            )
            run = subprocess.run(
                ["bash", "-ec", command], cwd=tmp_path, capture_output=True, text=True
            )
            assert run.returncode == 0, run.stderr
    assert "nox" in code or list(tmp_path.iterdir())


def gate():
    return (ROOT / ".ci" / "run").read_text()


def noxfile():
    return (ROOT / "noxfile.py").read_text()


def sessions_of(script):
    return {name for names in re.findall(r"nox -s ([a-z_ ]+)", script) for name in names.split()}


def test_the_two_commands_are_in_the_readme_and_the_gate_runs_them():
    readme = [code.strip() for kind, code in BLOCK.findall((ROOT / "README.md").read_text())]
    for command in ("pip install nox && nox -s speak", "pip install nox && nox -s tests"):
        assert command in readme
        assert command in gate()


def test_every_link_between_pages_leads_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
