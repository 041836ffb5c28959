"""What is given as text, as an option or in a table, is of the type that the document has."""

import pytest

from modelgates_speech.jobs.values import value_of


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "1", "1"),
        ("number|string", "1.5", 1.5),
        ("number|string", "slow", "slow"),
        ("object|string", "alloy", "alloy"),
        ("object|string", "7", "7"),
        ("object|string", '["a"]', '["a"]'),
        ("object|string", ' {"id": "a"}', {"id": "a"}),
        ("object|string", "{open", "{open"),
        ("array|object", '["a", 1]', ["a", 1]),
        ("boolean|integer", "TRUE", True),
        ("boolean|integer", "7", 7),
        ("any", "null", None),
        ("any", "NaN", "NaN"),
        ("any", "calm", "calm"),
    ],
)
def test_a_text_is_of_the_first_type_that_fits_and_otherwise_itself(kind, text, value):
    assert value_of(text, kind) == value


@pytest.mark.parametrize(
    ("kind", "text", "advice"),
    [
        ("object", "[]", "write JSON"),
        ("array|object", "7", "write JSON"),
        ("boolean|integer", "1.5", "write true or false or a whole number"),
        ("number", "nan", "write a number"),
    ],
)
def test_what_is_of_no_type_that_is_taken_is_refused_with_what_to_write(kind, text, advice):
    with pytest.raises(ValueError, match=f"^{advice}$"):
        value_of(text, kind)
