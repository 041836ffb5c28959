"""Importing is cheap, and public names are there when they are asked for."""

import subprocess
import sys

import pytest

import modelgates_speech
from modelgates_speech import jobs
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
    assert not [name for name in jobs.__all__ if getattr(jobs, name, None) is None]
    with pytest.raises(AttributeError, match="nonsense"):
        jobs.nonsense  # noqa: B018


def test_a_star_import_gives_the_public_names():
    names = {}
    exec("from modelgates_speech import *", names)
    assert set(modelgates_speech.__all__) <= names.keys()
