"""Copies of this tree, for commands that change it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from scripts.comparison.wire import wire_changes
from scripts.document.reading import parse, read
from scripts.generate import DOCUMENT, ROOT
from scripts.update_spec import SCENARIO

# What tools keep for their next run.
KEPT = {".hypothesis", ".mypy_cache", "__pycache__"}
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "reports")


class Tree:
    """A copy of this tree.

    Arguments:
        root: where.
    """

    def __init__(self, root):
        self.root = root

    def run(self, module, *arguments):
        """Run a module of it; give the exit code, standard output and standard error."""
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=self.root,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def update(self, *arguments):
        """Run `update_spec --json`; give the exit code and the report."""
        code, out, err = self.run("scripts.update_spec", "--json", *arguments)
        assert out, err
        return code, json.loads(out)

    def contents(self):
        """Tell each file, by a digest; what tools keep for themselves aside."""
        return {
            path.relative_to(self.root): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.root.rglob("*")
            if path.is_file() and not KEPT & set(path.parts)
        }


@pytest.fixture
def whole_tree(tmp_path):
    """A copy with all tests."""
    root = shutil.copytree(ROOT, tmp_path / "tree", ignore=IGNORED)
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", root / ".mypy_cache")
    return Tree(root)


@pytest.fixture
def tree(whole_tree):
    """A copy whose own tests are few, for what does not depend on them."""
    for file in (whole_tree.root / "tests" / "unit").glob("test_*.py"):
        file.unlink()
    (whole_tree.root / "tests" / "unit" / "test_one.py").write_text(
        "def test_nothing():\n    assert True\n"
    )
    (whole_tree.root / "scripts" / "contract.py").write_text("")
    (whole_tree.root / SCENARIO).write_text(
        "import modelgates_api\n\n\ndef test_it_is_the_copy_that_is_tried():\n"
        "    assert 'modelgates-update-' in modelgates_api.__file__\n"
    )
    return whole_tree


@pytest.fixture
def document():
    """The document as it is, parsed."""
    return parse(read(DOCUMENT))


@pytest.fixture
def rate(document):
    """Change a copy of the document and give the changes on the wire."""

    def rate(change):
        other = deepcopy(document)
        change(other)
        return wire_changes(document, other)

    return rate


@pytest.fixture
def write(tmp_path):
    """Write a document to a file."""

    def write(contents, name="changed.json"):
        path = Path(tmp_path, name)
        data = contents if isinstance(contents, bytes) else json.dumps(contents, indent=1).encode()
        path.write_bytes(data)
        return path

    return write
