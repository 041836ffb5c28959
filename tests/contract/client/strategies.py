"""Values drawn from the document's schemas, through Schemathesis.

It draws requests, so each schema becomes the body of one: a document with a POST per schema.
"""

import copy
import functools
import importlib
import re
from collections.abc import Mapping

import hypothesis
import jsonschema_rs
from hypothesis import strategies as st

from tests.contract.run import document, schema

SCHEMAS = document()["components"]["schemas"]

settings = hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@functools.cache
def _one_post_per_schema():
    return schema(
        {
            "openapi": "3.1.0",
            "info": {"title": "Schemas", "version": "1"},
            "components": copy.deepcopy(document()["components"]),
            "paths": {
                f"/{name}": {
                    "post": {
                        "requestBody": {
                            "required": True,
                            "content": {
                                "application/json": {
                                    "schema": {"$ref": f"#/components/schemas/{name}"}
                                }
                            },
                        },
                        "responses": {"200": {"description": "Never sent."}},
                    }
                }
                for name in SCHEMAS
            },
        }
    )


def values(name: str) -> st.SearchStrategy:
    """Valid values of a schema."""
    cases = _one_post_per_schema()[f"/{name}"]["POST"].as_strategy()
    return cases.map(lambda case: case.body).filter(validator(name).is_valid)


@functools.cache
def validator(name: str) -> jsonschema_rs.Validator:
    """A validator for a schema; another than the stub's, so that they do not err alike."""
    return jsonschema_rs.validator_for(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"#/components/schemas/{name}",
            "components": document()["components"],
        }
    )


def model(name: str) -> type:
    """The generated class of a schema."""
    models = importlib.import_module("modelgates_api.models")
    return getattr(models, name)


def is_object(name: str) -> bool:
    return isinstance(SCHEMAS[name], Mapping) and SCHEMAS[name].get("type") == "object"


def is_header_safe(text: str) -> bool:
    return re.fullmatch(r"[\x21-\x7e]+", text) is not None
