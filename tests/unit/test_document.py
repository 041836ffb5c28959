"""The vendored document is what upstream publishes, and is sound."""

import hashlib
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from ruamel.yaml import YAML

DOCUMENT = Path(__file__).parents[2] / "openapi.yaml"

# Of the published document with all white space removed, for a page may show it on one line.
# `nox -s update_spec` writes it.
PUBLISHED = Path(__file__).with_name("published.sha256").read_text("ascii").strip()


@pytest.fixture(scope="module")
def document():
    return YAML(typ="safe").load(DOCUMENT.read_bytes())


def test_the_document_is_the_published_one_white_space_aside():
    text = "".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED


def test_the_document_is_valid_openapi(document):
    kind = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}
    validator = kind[document["openapi"][:3]](document)
    assert [error.message for error in validator.iter_errors()] == []


def test_the_document_describes_audio_and_errors(document):
    responses = document["paths"]["/audio/speech"]["post"]["responses"]
    assert responses.pop("200")["content"]
    assert len(responses) >= 8
    for status, response in responses.items():
        assert status[0] in "45d"
        reference = response["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert "error" in schema["required"]


def test_the_document_names_its_server(document):
    assert document["servers"][0]["url"].startswith("https://")
