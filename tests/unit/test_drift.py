"""Drift is named, file by file: what was edited, what is missing, what does not belong."""

import shutil

import pytest

from scripts import drift
from scripts.generate import BINDING, METHODS, OUTPUT

# Whichever comes first: the document names them.
MODEL = min((OUTPUT / "modelgates_api" / "models").glob("[a-z]*.py")).relative_to(OUTPUT)


@pytest.fixture
def generated_once(monkeypatch):
    """Let what is in this tree stand for what generating would write: the first test proves it."""

    def generate(_document, output, binding):
        shutil.copytree(OUTPUT, output, ignore=shutil.ignore_patterns("__pycache__"))
        for name in (BINDING.name, METHODS):
            shutil.copy(BINDING.with_name(name), binding.with_name(name))

    monkeypatch.setattr(drift, "generate", generate)


@pytest.fixture
def copy(tmp_path):
    """The generated files, as they are in this tree, where they can be spoilt."""
    ignore = shutil.ignore_patterns("__pycache__")
    output = shutil.copytree(OUTPUT, tmp_path / "generated", ignore=ignore)
    for name in (BINDING.name, METHODS):
        shutil.copy(BINDING.with_name(name), tmp_path / name)
    return output


@pytest.fixture
def run(copy, capsys):
    def compare():
        binding = copy.parent / "_binding.py"
        code = drift.main([f"--output={copy}", f"--binding={binding}"])
        findings = [line for line in capsys.readouterr().err.splitlines() if ": " in line]
        return code, [line for line in findings if not line.startswith("drift:")]

    return compare


def test_this_tree_has_none(run):
    assert run() == (0, [])


def test_a_hand_edit_a_stray_and_a_missing_file_are_each_named(run, copy):
    edited, stray, missing = copy / MODEL, copy / "modelgates_api" / "notes.txt", copy / "README.md"
    edited.write_text(edited.read_text(encoding="utf-8") + "# by hand\n", encoding="utf-8")
    stray.touch()
    missing.unlink()
    assert run() == (1, [f"missing: {missing}", f"edited: {edited}", f"stray: {stray}"])


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lambda copy: (copy / MODEL).write_text("x = 1\n"), f"edited: {{generated}}/{MODEL}"),
        (
            lambda copy: (copy / "modelgates_api" / "py.typed").unlink(),
            "missing: {generated}/modelgates_api/py.typed",
        ),
        (lambda copy: (copy / "stray.py").touch(), "stray: {generated}/stray.py"),
        (
            lambda copy: (copy.parent / "_binding.py").write_text("BASE_URL = 1\n"),
            "edited: {root}/_binding.py",
        ),
        (lambda copy: (copy.parent / "_binding.py").unlink(), "missing: {root}/_binding.py"),
        (
            lambda copy: (copy.parent / METHODS).write_text("class SpeechMethods: ...\n"),
            "edited: {root}/_methods.py",
        ),
    ],
    ids=["hand edit", "missing", "stray", "edited binding", "missing binding", "edited methods"],
)
@pytest.mark.usefixtures("generated_once")
def test_one_difference_is_enough_to_fail(spoil, finding, run, copy):
    spoil(copy)
    assert run() == (1, [finding.format(generated=copy, root=copy.parent)])


@pytest.mark.usefixtures("generated_once")
def test_what_running_the_code_leaves_is_no_drift(run, copy):
    cache = copy / "modelgates_api" / "__pycache__"
    cache.mkdir()
    (cache / "client.cpython-311.pyc").touch()
    assert run() == (0, [])
