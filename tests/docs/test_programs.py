"""The programs in docs/examples run, in the languages that this machine has."""

import shutil
import subprocess
from pathlib import Path

import pytest

from modelgates_speech.stub import StubServer
from tests.stub.conftest import REFERENCE

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_a_program_in_node_breaks_a_call_and_sees_what_arrived():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    with StubServer(document=REFERENCE, any_key=True) as stub:
        ran = subprocess.run(
            [node, EXAMPLES / "stub.mjs", stub.base_url],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    refused, spoken, *seen = ran.stdout.splitlines()
    assert refused == "refused: 429 come back in 3 s"
    assert spoken.startswith("spoken: 200 ")
    assert [line.split()[2] for line in seen] == ["429", "200"]
