"""Every value that a schema of ours allows goes through its generated model unchanged."""

import json
import re
from typing import get_args

import hypothesis
import pytest

from tests.contract.client.strategies import SCHEMAS, holds_files, model, ours, settings, values
from tests.contract.run import edition

OURS = ours()
OBJECTS = [name for name in OURS if SCHEMAS[name].get("type") == "object"]
ENUMS = [name for name in OURS if "enum" in SCHEMAS[name]]
# What becomes an object of Python's, and is written in one of several ways.
FORMATS = re.compile(r'"format": "(date|date-time|uuid)"')


@pytest.mark.parametrize("name", OBJECTS)
def test_valid_data_survives_the_generated_model(name):
    made = model(name)
    if made is None:
        pytest.skip("the generator has another name for it")
    if holds_files(name):
        pytest.skip("it holds files, which are not JSON")
    schema = {"$ref": f"#/components/schemas/{name}"}
    allowed = edition().validator(schema)
    exact = not FORMATS.search(json.dumps(SCHEMAS))
    seen = []

    @settings
    @hypothesis.given(values(schema))
    def survives(value):
        there = made.from_dict(value)
        back = there.to_dict()
        assert back == value or not exact
        assert allowed.is_valid(back)
        # And once more: what was made of it is equal to what it was made of.
        assert made.from_dict(back) == there
        seen.append(value)

    survives()
    assert seen


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_exactly_the_documents_values(name):
    made = model(name)
    if made is None:
        pytest.skip("the generator has another name for it")
    known = [member.value for member in made] if isinstance(made, type) else get_args(made)
    assert {*known} == {value for value in SCHEMAS[name]["enum"] if value is not None}
