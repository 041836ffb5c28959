"""Every value that a schema allows goes through its generated model unchanged."""

import hypothesis
import pytest

from tests.contract.client.strategies import SCHEMAS, is_object, model, settings, validator, values


@pytest.mark.parametrize("name", [*filter(is_object, SCHEMAS)])
def test_valid_data_survives_the_generated_model(name):
    seen = []

    @settings
    @hypothesis.given(values(name))
    def survives(value):
        there = model(name).from_dict(value)
        back = there.to_dict()
        assert back == value
        assert validator(name).is_valid(back)
        # And once more: what was made of it is equal to what it was made of.
        assert model(name).from_dict(back) == there
        seen.append(value)

    survives()
    assert len(seen) > 10


@pytest.mark.parametrize(
    "name", [name for name in SCHEMAS if not is_object(name) and "enum" in SCHEMAS[name]]
)
def test_an_enum_has_exactly_the_documents_values(name):
    from typing import get_args

    made = model(name)
    known = [member.value for member in made] if isinstance(made, type) else get_args(made)
    assert sorted(known) == sorted(SCHEMAS[name]["enum"])
