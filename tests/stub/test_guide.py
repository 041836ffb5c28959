"""The guide to testing a program works as it is written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from modelgates_speech.stub.usage import KINDS, STATUS
from tests.edition import needs_nothing_new, skip_what_is_gone

pytest_plugins = "pytester"

GUIDE = (Path(__file__).parents[2] / "docs" / "testing-your-program.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
FILES = {block.splitlines()[0].removeprefix("# "): block for block in BLOCKS if block[0] == "#"}


@needs_nothing_new
def test_the_example_project_passes_its_tests(pytester, monkeypatch, environment):
    skip_what_is_gone(*FILES.values())
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    for name, content in FILES.items():
        (pytester.path / name).write_text(content, "utf-8")
    result = pytester.runpytest_subprocess(
        *("-Werror", "--disable-plugin-autoload", "-p", "modelgates_speech.stub.pytest_plugin"),
        timeout=170,
    )

    assert set(FILES) == {"announce.py", "test_announce.py"}
    result.assert_outcomes(passed=3)


@needs_nothing_new
@pytest.mark.parametrize("block", [block for block in BLOCKS if block[0] != "#"])
def test_the_other_examples_run(block, environment):
    skip_what_is_gone(block)
    ended = subprocess.run(
        [sys.executable, "-Werror", "-c", block],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(r"Out of credits\n0\.\d+\n", ended.stdout)


def test_the_table_has_every_fault_and_what_can_be_set_about_it():
    rows = re.findall(r'^\| `"?([\w-]+)"?`.* \| .* \| (.*?) ?\|$', GUIDE, re.MULTILINE)
    told = {name: tuple(re.findall(r"`(\w+)`", settings)) for name, settings in rows}

    kinds = {"400": STATUS} | KINDS
    assert told == {name: tuple(kind.options) for name, kind in kinds.items()}
