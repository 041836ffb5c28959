"""Importing is cheap, and the layers depend on each other in one direction only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import modelgates_speech

SOURCE = Path(modelgates_speech.__file__).parent
CORE = {"audio", "call", "client", "config", "deadline", "errors", "files", "retry"} | {
    "speech",
    "streams",
    "_binding",
    "_connect",
    "_exchange",
    "_fast",
    "_http",
    "_pool",
    "_transport",
    "_version",
}
MAKE_A_CLIENT = "from modelgates_speech import ModelGates\nModelGates(api_key='key').close()"


def loaded_after(code: str) -> set[str]:
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*sys.modules.keys() - before)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


def test_importing_the_package_loads_nothing_else():
    loaded = loaded_after("import modelgates_speech")
    assert loaded <= {
        "modelgates_speech",
        "modelgates_speech._version",
        "importlib",
        "importlib._bootstrap",
        "typing",
    } | {
        name
        for name in loaded
        if not name.startswith(("modelgates_speech", "httpx", "attr", "anyio"))
    }


def test_no_http_library_is_loaded_before_a_client_is_made():
    assert not {"httpx", "httpcore"} & loaded_after(
        "from modelgates_speech import ModelGates, RateLimitError"
    )
    made = loaded_after(MAKE_A_CLIENT)
    assert "httpcore" in made
    assert not {"httpx", "modelgates_api"} & made


def test_a_client_does_not_load_the_models_of_every_provider():
    loaded = loaded_after(MAKE_A_CLIENT)
    assert not [name for name in loaded if "provider_options" in name]


def test_every_public_name_can_be_reached_and_an_unknown_one_cannot():
    assert {
        name for name in modelgates_speech.__all__ if getattr(modelgates_speech, name, None) is None
    } == set()
    assert set(modelgates_speech.__all__) <= set(dir(modelgates_speech))
    with pytest.raises(AttributeError, match="nonsense"):
        modelgates_speech.nonsense  # noqa: B018


@pytest.mark.parametrize("module", sorted(CORE))
def test_the_core_knows_neither_stub_nor_command_line(module):
    beyond = {"cli", "stub", "distributed"}
    names = imports_of(SOURCE / f"{module}.py")
    assert not [
        name
        for name in names
        if set(name.split(".")) & beyond and name.startswith("modelgates_speech.")
    ]


@pytest.mark.parametrize("module", sorted(CORE))
def test_the_core_hands_itself_to_jobs_only_when_called(module):
    body = ast.parse((SOURCE / f"{module}.py").read_text()).body
    at_once = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in at_once if "modelgates_speech.jobs" in ast.unparse(node)]


def test_the_stub_knows_nothing_of_the_client():
    for path in (SOURCE / "stub").glob("*.py"):
        mine = {name for name in imports_of(path) if name.split(".")[0] == "modelgates_speech"}
        assert not [
            name
            for name in mine
            if name.removeprefix("modelgates_speech.").split(".")[0] in CORE - {"_version"}
        ], path


def test_the_transports_alone_know_the_http_library_at_run_time():
    run_time = {
        path.name
        for path in SOURCE.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {"httpx", "httpcore"} & imports_of_node(node)
    }
    assert run_time == {"_connect.py", "_deadline.py", "_fast.py", "_pool.py", "_transport.py"}


def imports_of_node(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return {alias.name.split(".")[0] for alias in node.names}
