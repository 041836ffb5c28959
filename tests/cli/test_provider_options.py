"""How `--provider-option` pairs become `provider.options`."""

import click
import pytest

from modelgates_speech.cli.inputs import parse_provider_options


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("calm", "calm"),
        ('"calm"', "calm"),
        ("calm and slow", "calm and slow"),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ('["a", 1]', ["a", 1]),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        ("", ""),
        ("a=b", "a=b"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ('"unclosed', '"unclosed'),
    ],
)
def test_a_value_is_json_where_it_parses_and_text_where_not(value, parsed):
    assert parse_provider_options([f"openai.instructions={value}"]) == {
        "openai": {"instructions": parsed}
    }


def test_dots_after_the_slug_nest():
    pairs = ["elevenlabs.voice_settings.stability=0.5", "elevenlabs.voice_settings.style=0.1"]
    assert parse_provider_options(pairs) == {
        "elevenlabs": {"voice_settings": {"stability": 0.5, "style": 0.1}}
    }


def test_an_object_gives_a_providers_options_whole_even_names_with_dots():
    assert parse_provider_options(['z-ai={"a.b": 1}', "z-ai.c=2"]) == {"z-ai": {"a.b": 1, "c": 2}}


@pytest.mark.parametrize(
    "pairs",
    [
        ["openai"],
        ["openai.instructions"],
        ["=1"],
        ["openai.=1"],
        [".a=1"],
        ["openai=calm"],
        ["openai.a=1", "openai.a=2"],
        ["openai.a=1", "openai.a.b=2"],
        ["openai.a.b=1", "openai.a=2"],
    ],
)
def test_what_is_malformed_or_contradicts_itself_is_refused(pairs):
    with pytest.raises(click.UsageError, match="--provider-option"):
        parse_provider_options(pairs)
