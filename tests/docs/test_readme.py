"""The README's examples leave nothing open: in a user's own test suite that would be a failure."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from modelgates_speech import _binding
from tests.edition import gone_from, needs_nothing_new, skip_what_is_gone

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@needs_nothing_new
def test_the_examples_pass_where_warnings_are_errors(modelgates_stub, tmp_path):
    package, _, name = _binding.speech_operation.__name__.rpartition(".")
    there = [example for example in EXAMPLES if not gone_from(example)]
    tests = "\n\n\n".join(
        f"def test_example_{number}():\n{textwrap.indent(example, '    ')}"
        for number, example in enumerate(there)
    )
    tests = tests.replace("modelgates_api.api.subpackage_tts", package)
    tests = tests.replace("create_audio_speech", name)
    (tmp_path / "test_examples.py").write_text(tests, "utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-q", tmp_path],
        cwd=tmp_path,
        # Other plugins have warnings of their own.
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert f"{len(there)} passed" in run.stdout
    skip_what_is_gone(*EXAMPLES)


def test_the_first_example_closes_its_client():
    assert "with ModelGates() as client:" in EXAMPLES[0]
