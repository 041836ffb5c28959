"""Importing is cheap, and public names are there when they are asked for."""

import ast
import compileall
import importlib
import shutil
import subprocess
import sys
from modulefinder import ModuleFinder
from pathlib import Path
from types import ModuleType

import pytest

import modelgates_speech
from modelgates_speech import jobs, stub
from modelgates_speech._lazy import attach
from tests.edition import HELLO

MAKE_A_CLIENT = "from modelgates_speech import ModelGates\nModelGates(api_key='key').close()"


def loaded_after(code: str) -> set[str]:
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*sys.modules.keys() - before)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing_else():
    loaded = loaded_after("import modelgates_speech")
    assert loaded <= {
        "modelgates_speech",
        "modelgates_speech._lazy",
        "importlib",
        "importlib._bootstrap",
        "typing",
    } | {
        name
        for name in loaded
        if not name.startswith(("modelgates_speech", "httpx", "attr", "anyio"))
    }


def test_no_http_library_is_loaded_before_a_client_is_made():
    assert not {"httpx", "httpcore2"} & loaded_after(
        "from modelgates_speech import ModelGates, RateLimitError"
    )
    made = loaded_after(MAKE_A_CLIENT)
    assert "httpcore2" in made
    assert not {"httpx", "modelgates_api"} & made


@pytest.mark.skipif("extra_query" in HELLO, reason="httpx writes the query of a URL")
def test_a_call_loads_neither_httpx_nor_the_models_of_every_provider(modelgates_stub):
    call = (
        "from modelgates_speech import ModelGates\n"
        "with ModelGates() as client:\n"
        f"    client.audio.speech.create(**{HELLO!r})"
    )
    loaded = loaded_after(call)
    assert "modelgates_api" in loaded
    assert not {"httpx", "urllib.request", "modelgates_api.client"} & loaded
    assert not [name for name in loaded if "provider_options" in name]


def test_every_public_name_can_be_reached_and_an_unknown_one_cannot():
    names = set(modelgates_speech.__all__)
    assert names
    assert not [name for name in names if getattr(modelgates_speech, name, None) is None]
    assert names <= set(dir(modelgates_speech))
    with pytest.raises(AttributeError, match="nonsense"):
        modelgates_speech.nonsense  # noqa: B018


def test_every_public_name_of_jobs_can_be_reached():
    assert jobs.__all__
    assert not [name for name in jobs.__all__ if getattr(jobs, name, None) is None]
    with pytest.raises(AttributeError, match="nonsense"):
        jobs.nonsense  # noqa: B018


def test_a_package_loads_its_names_when_they_are_first_used(monkeypatch):
    package, inner = ModuleType("choir"), ModuleType("choir.inner")
    inner.Alto = inner.Bass = object()
    for module in (package, inner):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    package.__getattr__, package.__dir__ = attach("choir", inner="Bass Alto")
    assert "Alto" not in vars(package)
    assert package.Alto is inner.Alto
    assert vars(package)["Alto"] is inner.Alto
    assert package.__all__ == ["Alto", "Bass"]
    assert dir(package) == sorted({*vars(package), "Bass"})
    with pytest.raises(AttributeError, match=r"^module 'choir' has no attribute 'Tenor'$"):
        package.Tenor  # noqa: B018


def test_a_star_import_gives_the_public_names():
    names = {}
    exec("from modelgates_speech import *", names)
    assert set(modelgates_speech.__all__) <= names.keys()


@pytest.mark.parametrize("package", [modelgates_speech, jobs, stub])
def test_what_type_checkers_read_is_what_is_loaded(package):
    tree = ast.parse(Path(package.__file__).read_text("utf-8"))
    read = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert read.keys() == set(package.__all__)
    for name, module in read.items():
        found = vars(importlib.import_module(f"{package.__name__}.{module}"))[name]
        assert getattr(package, name) is found


def run_packed(folder: Path, program: str) -> str:
    """Give what `program` prints where `folder`, or an archive, is all that there is of ours."""
    code = f"import sys\nsys.path.insert(0, {str(folder)!r})\n{program}"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=folder.parent
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


PROGRAM = (
    "import modelgates_speech, modelgates_speech.jobs\n"
    "print(modelgates_speech.__file__)\n"
    "modelgates_speech.ModelGates(api_key='key').close()\n"
    "modelgates_speech.jobs.AudioCache('kept')\n"
    "print(len(modelgates_speech.__all__) <= len(dir(modelgates_speech)))"
)


@pytest.fixture
def packages(tmp_path):
    """Copy our package, as it is installed; the generated one is loaded by the first call."""
    home = Path(modelgates_speech.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(home, tmp_path / "copy" / home.name, ignore=ignored)
    return tmp_path / "copy"


def test_a_program_that_is_one_archive_finds_every_name(packages, tmp_path):
    archive = Path(shutil.make_archive(str(tmp_path / "program"), "zip", packages))
    shown = run_packed(archive, PROGRAM).splitlines()
    assert shown[0].startswith(str(archive))
    assert shown[1] == "True"


def test_a_program_without_its_sources_finds_every_name(packages):
    compileall.compile_dir(packages, quiet=1, legacy=True)
    for source in packages.rglob("*.py*"):
        if source.suffix != ".pyc":
            source.unlink()
    shown = run_packed(packages, PROGRAM).splitlines()
    assert shown[0].endswith("__init__.pyc")
    assert shown[1] == "True"


@pytest.mark.parametrize("package", [modelgates_speech, jobs, stub])
def test_what_packs_a_program_sees_the_module_of_every_name(package, packages, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"from {package.__name__} import {package.__all__[0]}", encoding="utf-8")
    # A copy of our own alone: beside an installed package is everything else, which it would
    # follow as deep as that goes.
    finder = ModuleFinder([str(packages)])
    finder.run_script(str(program))
    names = {name: getattr(package, name) for name in package.__all__ if name != "__version__"}
    assert {found.__module__ for found in names.values()} <= finder.modules.keys()
