"""The vendored document is what upstream publishes, and is sound."""

import hashlib
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from ruamel.yaml import YAML

DOCUMENT = Path(__file__).parents[2] / "openapi.yaml"

# Of the published page's document with all white space removed: the page shows it on one line.
PUBLISHED = "2faeeb3a295bfe35885f102356448e6bbf4242d325800db28bb9d4252754eeb2"


@pytest.fixture(scope="module")
def document():
    return YAML(typ="safe").load(DOCUMENT.read_bytes())


def test_the_document_is_the_published_one_white_space_aside():
    text = "".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED


def test_the_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_document_names_111_providers(document):
    assert len(document["components"]["schemas"]["ProviderOptions"]["properties"]) == 111


def test_the_document_describes_audio_and_eight_errors(document):
    responses = document["paths"]["/audio/speech"]["post"]["responses"]
    assert list(responses) == ["200", "400", "401", "402", "404", "429", "500", "502", "503"]
    for status in list(responses)[1:]:
        reference = responses[status]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert schema["required"] == ["error"]


def test_the_document_names_its_server(document):
    assert document["servers"] == [{"url": "https://modelgates.ai/api/v1"}]
