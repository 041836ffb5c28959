"""Generating gives the same bytes everywhere, follows the document, and never writes halves."""

import difflib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files

import pytest
from openapi_python_client.config import ConfigFile
from ruamel.yaml import YAML

import modelgates_api
from scripts import generate as generation
from scripts.document.mending import mended
from scripts.document.operation import request_schema, resolve
from scripts.document.reading import parse, read
from scripts.document.scope import Scope
from scripts.document.validation import validate
from scripts.generate import BANNER, CONFIG, DOCUMENT, ROOT, SCOPE, GenerationError, generate
from scripts.generation.overrides import FOLDER, UPSTREAM, Override, OverrideError

PATCHES = sorted(FOLDER.glob("*.patch"))


def contents_of(folder):
    return {
        file.relative_to(folder): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def generate_into(folder, document=DOCUMENT):
    generate(document, folder / "generated", folder / "binding.py")
    return contents_of(folder)


def generate_in_another_process(folder, **environment):
    command = [sys.executable, "-m", "scripts.generate"]
    command += [f"--output={folder / 'generated'}", f"--binding={folder / 'binding.py'}"]
    subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return contents_of(folder)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A folder with what the document of this tree gives; not to be written to."""
    folder = tmp_path_factory.mktemp("fresh")
    generate_into(folder)
    return folder


@pytest.fixture
def document():
    """The document as it is generated from, whatever its paths begin with."""
    document, _ = mended(parse(read(DOCUMENT)))
    document.setdefault("components", {}).setdefault("schemas", {})
    return document


def write(document, folder):
    path = folder / "changed.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_the_document_is_one_that_this_client_can_be_generated_from():
    data = DOCUMENT.read_bytes()
    assert validate(parse(data), data).document


def test_the_document_ships_in_the_package_in_its_own_order():
    shipped = files(modelgates_api).joinpath("openapi.json").read_text(encoding="utf-8")
    vendored, _ = mended(parse(read(DOCUMENT)))
    assert json.dumps(json.loads(shipped)) == json.dumps(Scope.read(SCOPE).of(vendored))


def test_the_same_bytes_come_of_any_process_whatever_ruff_is_first_on_path(fresh, tmp_path):
    impostor = tmp_path / "bin" / "ruff"
    impostor.parent.mkdir()
    impostor.write_text("#!/bin/sh\nexit 1\n")
    impostor.chmod(0o755)
    path = f"{impostor.parent}{os.pathsep}{os.environ['PATH']}"
    made = generate_in_another_process(tmp_path / "here", PATH=path, PYTHONHASHSEED="1")
    assert made == contents_of(fresh)


@pytest.mark.parametrize("tool", ["ruff", "openapi-python-client"])
def test_another_release_of_a_tool_than_the_pinned_one_is_refused(tool, tmp_path, monkeypatch):
    pins = {"ruff": "0.17.6", "openapi-python-client": "0.29.1"} | {tool: "0.0.1"}
    lines = ", ".join(f'"{name}=={version}"' for name, version in pins.items())
    (tmp_path / "pyproject.toml").write_text(f"[dependency-groups]\ngenerate = [{lines}]\n")
    monkeypatch.setattr(generation, "ROOT", tmp_path)
    with pytest.raises(GenerationError, match=rf"{tool} is .* pins 0\.0\.1"):
        generate_into(tmp_path)
    assert not (tmp_path / "generated").exists()


def test_every_option_is_one_that_the_generator_knows():
    options = YAML(typ="safe").load(CONFIG.read_bytes())
    assert set(options) - set(ConfigFile.model_fields) == set()


def test_every_generated_module_says_so_and_names_the_command(fresh):
    modules = [*(fresh / "generated" / "modelgates_api").rglob("*.py")]
    assert modules
    for module in modules:
        assert module.read_text(encoding="utf-8").startswith(BANNER)
    assert "nox -s generate" in (fresh / "generated" / "README.md").read_text(encoding="utf-8")
    assert "nox -s generate" in (fresh / "binding.py").read_text(encoding="utf-8")


def test_nothing_of_an_earlier_generation_stays(fresh, tmp_path):
    shutil.copytree(fresh, tmp_path, dirs_exist_ok=True)
    (tmp_path / "generated" / "modelgates_api" / "errors_old.py").touch()
    assert generate_into(tmp_path) == contents_of(fresh)


def test_the_wrapper_finds_its_operation_under_any_name_and_documented_529_is_parsed(
    document, tmp_path
):
    operation = document["paths"]["/audio/speech"]["post"]
    operation |= {"tags": ["Voices"], "operationId": "synthesize"}
    schemas = document["components"]["schemas"]
    request = schemas["Utterance"] = resolve(document, request_schema(document))
    request["title"] = "Utterance"
    request["properties"]["response_format"] = {"enum": ["mp3", "pcm", "opus"], "default": "mp3"}
    reference = {"$ref": "#/components/schemas/Utterance"}
    operation["requestBody"]["content"]["application/json"]["schema"] = reference
    told = {"properties": {"message": {"type": "string"}}, "required": ["message"]}
    envelope = {"type": "object", "properties": {"error": told}, "required": ["error"]}
    content = {"application/json": {"schema": envelope}}
    operation["responses"]["529"] = {"description": "Overloaded", "content": content}
    document["servers"] = [
        {"url": "https://{region}.example/v2/", "variables": {"region": {"default": "eu"}}}
    ]
    generate_into(tmp_path, write(document, tmp_path))
    found = subprocess.run(
        [sys.executable, "-c", USE_THE_BINDING],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{tmp_path / 'generated'}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(found.stdout) == {
        "loaded without HTTP": True,
        "module": "modelgates_api.api.voices.synthesize",
        "model": "Utterance",
        "base url": "https://eu.example/v2",
        "formats": ["mp3", "pcm", "opus"],
        "default": "mp3",
        "status": 529,
        "message": "overloaded",
    }


USE_THE_BINDING = """
import json, sys
import binding
light = "httpx" not in sys.modules
import httpx
from modelgates_api import Client
operation = binding.speech_operation
answer = operation._build_response(
    client=Client(base_url=binding.BASE_URL),
    response=httpx.Response(529, json={"error": {"code": 529, "message": "overloaded"}}),
)
print(json.dumps({
    "loaded without HTTP": light,
    "module": operation.__name__,
    "model": binding.SpeechRequest.__name__,
    "base url": binding.BASE_URL,
    "formats": binding.ARGUMENTS["response_format"].values,
    "default": binding.DEFAULT_RESPONSE_FORMAT,
    "status": answer.status_code,
    "message": answer.parsed.error.message,
}))
"""


def remove_operation(document):
    document["paths"] = {"/models": document["paths"]["/audio/speech"]}


def make_body_a_text(document):
    content = document["paths"]["/audio/speech"]["post"]["requestBody"]["content"]
    content["application/json"]["schema"] = {"type": "string"}


def say_nothing_of_the_body(document):
    content = document["paths"]["/audio/speech"]["post"]["requestBody"]["content"]
    content["application/json"]["schema"] = {"type": "object", "additionalProperties": True}


def make_response_inexpressible(document):
    # A list of lists of lists, without end.
    reference = {"$ref": "#/components/schemas/Endless"}
    document["components"]["schemas"]["Endless"] = {"type": "array", "items": reference}
    refused = {"description": "Refused", "content": {"application/json": {"schema": reference}}}
    document["paths"]["/audio/speech"]["post"]["responses"]["400"] = refused


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (remove_operation, "no POST /audio/speech"),
        (make_body_a_text, "not a JSON object"),
        (say_nothing_of_the_body, "no properties"),
        (make_response_inexpressible, "Endless"),
    ],
)
def test_a_document_that_cannot_be_generated_from_in_full_changes_nothing(
    change, complaint, document, fresh, tmp_path
):
    shutil.copytree(fresh, tmp_path, dirs_exist_ok=True)
    change(document)
    changed = write(document, tmp_path)
    with pytest.raises(GenerationError, match=complaint):
        generate_into(tmp_path, changed)
    changed.unlink()
    assert contents_of(tmp_path) == contents_of(fresh)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_an_override_differs_from_upstream_by_as_many_lines_as_it_says(patch):
    override = Override.read(patch)
    upstream = (UPSTREAM / override.name).read_bytes()
    ours = override.apply(upstream).splitlines()
    diff = list(difflib.unified_diff(upstream.decode().splitlines(), ours, lineterm=""))[2:]
    removed, added = (sum(line.startswith(sign) for line in diff) for sign in "-+")
    assert override.headers["Changes"] == f"-{removed} +{added} lines"


def test_there_are_few_overrides():
    assert 0 < len(PATCHES) <= 5


@pytest.mark.parametrize("header", ["Upstream", "Sha256", "Changes", "Why", "Until"])
def test_an_override_with_an_untrue_or_missing_header_is_refused(header):
    override = Override.read(PATCHES[0])
    untrue = replace(override, headers=override.headers | {header: ""})
    with pytest.raises(OverrideError, match=rf"^{override.name}\.patch .*{header}"):
        untrue.apply((UPSTREAM / override.name).read_bytes())


def test_an_override_whose_context_is_not_upstreams_is_refused(tmp_path):
    altered = tmp_path / PATCHES[0].name
    text = PATCHES[0].read_text(encoding="utf-8")
    context = next(line for line in text.partition("\n@@ ")[2].splitlines() if line[:1] == " ")
    altered.write_text(text.replace(context, context + "!", 1), encoding="utf-8")
    override = Override.read(altered)
    with pytest.raises(OverrideError, match=rf"^{override.name}\.patch does not fit"):
        override.apply((UPSTREAM / override.name).read_bytes())


@pytest.mark.parametrize(
    "text", ["Why: none\n\n", "Why: none\n\n--- a\n+++ b\n@@ -1,9 +1 @@\n-x\n"]
)
def test_an_override_without_one_whole_diff_is_refused(text, tmp_path):
    patch = tmp_path / "client.py.jinja.patch"
    patch.write_text(text)
    with pytest.raises(OverrideError, match=r"^client\.py\.jinja\.patch: "):
        Override.read(patch)
