"""Each difference is told by itself: what is rated hides nothing that is not."""

import re
from copy import deepcopy

import pytest

from scripts.comparison.changes import Change, Rating, grouped, overall
from scripts.comparison.python_api import python_changes
from scripts.comparison.report import Outcome, Report, add_to_changelog
from scripts.comparison.wire import wire_changes

POST = "/audio/speech"


def request(document):
    return document["components"]["schemas"]["SpeechRequest"]


def properties(document):
    return request(document)["properties"]


def speech(document):
    return document["paths"][POST]["post"]


def said(changes):
    return "\n".join(map(str, changes))


def steps_of_a_quarter(document):
    properties(document)["speed"]["multipleOf"] = 0.25


def close(document):
    request(document)["unevaluatedProperties"] = False


def refuse_a_voice(document):
    properties(document)["voice"]["not"] = {"enum": ["alloy"]}


def four_at_least(document):
    request(document)["minProperties"] = 4


def one_of_two(document):
    request(document)["oneOf"] = [{"required": ["speed"]}, {"required": ["provider"]}]


def short_or_many(document):
    properties(document)["input"] = {
        "anyOf": [{"type": "string", "maxLength": 10}, {"type": "array", "items": {}}]
    }


def one_of_several_providers(document):
    properties(document)["provider"] = {
        "type": "object",
        "properties": document["components"]["schemas"]["SpeechRequestProvider"]["properties"],
        "anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}],
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (steps_of_a_quarter, "the `speed` request property's value must be a multiple of `0.25`"),
        (close, "takes no properties but those that it names"),
        (refuse_a_voice, "the `voice` request property's value must not be one of some"),
        (four_at_least, "the request's object must hold `4` properties or more"),
        (one_of_two, "takes only certain properties together"),
        (short_or_many, "maxLength was set to `10`"),
        (one_of_several_providers, "one of them must fit"),
    ],
)
def test_what_breaks_is_told_beside_what_is_harmless(change, told, rate):
    def both(document):
        properties(document)["style"] = {"type": "string"}
        change(document)

    changes = rate(both)
    assert overall(changes) is Rating.BREAKING
    assert told in said([change for change in changes if change.rating is Rating.BREAKING])
    assert "added the new optional request property `style`" in said(changes)


@pytest.mark.parametrize(
    ("keyword", "tight", "loose"),
    [
        ("multipleOf", 0.02, 0.01),
        ("multipleOf", 6, 3),
        ("uniqueItems", True, False),
        ("minItems", 2, 1),
        ("maxItems", 3, 5),
        ("minProperties", 2, 1),
        ("maxProperties", 3, 5),
        ("not", {"const": 3}, None),
    ],
)
def test_what_is_asked_of_a_value_is_rated_by_whether_less_fits(document, keyword, tight, loose):
    def limited(limit):
        other = deepcopy(document)
        kind = "object" if "Prop" in keyword else "array" if "Items" in keyword else "number"
        known = {"type": kind, "items": {}} if kind == "array" else {"type": kind}
        said = {} if limit is None else {keyword: limit}
        properties(other)["wanted"] = known | said
        return other

    [tightened] = wire_changes(limited(loose), limited(tight))
    assert tightened.rating is Rating.BREAKING
    assert "nothing here rates" not in tightened.what
    assert tightened.advice == "keep your calls within it"
    assert "`wanted`" in tightened.what
    assert overall(wire_changes(limited(tight), limited(loose))) is Rating.COMPATIBLE


def test_a_limit_of_a_parameter_is_told_with_its_name(document):
    def limit(document, *most):
        schema = {"type": "array", "items": {"type": "string"}} | dict(most)
        parameter = {"name": "tags", "in": "query", "schema": schema}
        speech(document)["parameters"] = [parameter]

    before, after = deepcopy(document), deepcopy(document)
    limit(before)
    limit(after, ("maxItems", 3))
    [change] = wire_changes(before, after)
    assert "`tags` parameter's list must hold `3` values or fewer now" in f"{change}"
    assert change.advice


def test_a_limit_that_is_gone_asks_nothing(document, rate):
    steps_of_a_quarter(document)
    request(document)["minProperties"] = 4

    def lift(document):
        del properties(document)["speed"]["multipleOf"]
        request(document)["minProperties"] = 3

    changes = rate(lift)
    assert overall(changes) is Rating.COMPATIBLE
    assert "`multipleOf` of `speed`" in said(changes)


def test_answers_for_the_rest_are_told_beside_others(rate):
    def answer(document):
        responses = speech(document)["responses"]
        del responses["404"]
        responses["4XX"] = responses["default"] = {"description": "No."}

    changes = rate(answer)
    assert overall(changes) is Rating.COMPATIBLE
    assert "responses are new: 4XX, default" in said(changes)


def say_that_others_may_be_anything(document):
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        for value in schema.get("properties", {}).values():
            if "additionalProperties" in value:
                value["additionalProperties"] = True


def null_beside_a_reference(document):
    document["openapi"] = "3.0.3"
    known = {"$ref": "#/components/schemas/SpeechRequestProvider"}
    properties(document)["provider"] = {"nullable": True, "allOf": [known]}


def known_models(document):
    document["components"]["schemas"]["KnownModels"] = {"type": "string", "enum": ["a", "b"]}
    known = {"$ref": "#/components/schemas/KnownModels"}
    properties(document)["model"] = {"anyOf": [{"type": "string"}, known]}


def a_voice_may_be_an_object(document):
    properties(document)["voice"] = {"anyOf": [{"type": "string"}, {"type": "object"}]}


def a_speed_may_be_a_text(document):
    properties(document)["speed"]["type"] = ["number", "string"]


def a_key_if_you_have_one(document):
    speech(document)["parameters"] = []
    speech(document)["security"] = [{"tokenAuth": []}, {}]
    schemes = document["components"]["securitySchemes"]
    schemes["tokenAuth"] = {"type": "apiKey", "in": "header", "name": "X-Token"}


def input_or_ssml(document):
    properties(document)["ssml"] = {"type": "string"}
    request(document)["required"] = ["model", "voice"]
    request(document)["oneOf"] = [{"required": ["input"]}, {"required": ["ssml"]}]


def input_or_ssml_beside_the_rest(document):
    text = properties(document).pop("input")
    rest = dict(request(document), required=["model", "voice"])
    either = [
        {"properties": {name: text}, "required": [name], "type": "object"}
        for name in ("input", "ssml")
    ]
    document["components"]["schemas"]["Rest"] = rest
    document["components"]["schemas"]["SpeechRequest"] = {
        "allOf": [{"$ref": "#/components/schemas/Rest"}, {"oneOf": either}]
    }


def a_success_of_any_number(document):
    responses = document["paths"]["/audio/speech"]["post"]["responses"]
    responses["2XX"] = responses.pop("200")


def limits_that_exclude_nothing(document):
    document["openapi"] = "3.0.3"
    properties(document)["speed"] |= {"exclusiveMaximum": False, "exclusiveMinimum": False}


@pytest.mark.parametrize(
    "change",
    [
        say_that_others_may_be_anything,
        null_beside_a_reference,
        known_models,
        a_voice_may_be_an_object,
        a_speed_may_be_a_text,
        a_key_if_you_have_one,
        input_or_ssml,
        input_or_ssml_beside_the_rest,
        limits_that_exclude_nothing,
        a_success_of_any_number,
    ],
)
def test_what_takes_all_that_was_taken_breaks_nothing(change, rate):
    changes = rate(change)
    assert overall(changes) < Rating.BREAKING, said(changes)


def test_another_type_is_said_in_words(rate):
    def give_no_type(document):
        del properties(document)["speed"]["type"]
        properties(document)["voice"]["format"] = "uuid"

    told = said(rate(give_no_type))
    assert "`speed` request property was `number` and is of no single type now" in told
    assert "`voice` request property was `string` and is `string` (`uuid`) now" in told


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        ({"type": "apiKey", "in": "header", "name": "xi-api-key"}, "xi-api-key"),
        ({"type": "http", "scheme": "basic"}, "basic"),
    ],
)
def test_another_way_to_ask_for_the_key_is_told_and_ours_is_not(scheme, name, rate):
    def ask(document):
        speech(document)["parameters"] = []
        # As such a document is mended.
        speech(document)["security"] = [{"own": []}, {"bearerKey": []}]
        document["components"]["securitySchemes"] = {
            "own": scheme,
            "bearerKey": {"type": "http", "scheme": "bearer"},
        }

    [change] = rate(ask)
    assert change.rating is Rating.COMPATIBLE
    assert f"asked for by `{name}`, no longer as a bearer token" in change.what


def test_more_ways_to_give_the_key_are_told_by_name(rate):
    def ask(document):
        speech(document)["parameters"] = []
        speech(document)["security"] = [{"apiKey": []}, {"own": []}]
        scheme = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        document["components"]["securitySchemes"]["own"] = scheme

    [change] = rate(ask)
    assert change.rating is Rating.DOCUMENTATION
    assert "the key may be given by `X-API-Key`, too" in change.what


def test_an_answer_that_is_never_null_any_more_asks_nothing(rate):
    def tell(document):
        schemas = document["components"]["schemas"]
        schemas["BadRequestResponse"]["properties"]["user_id"]["type"] = "string"

    changes = rate(tell)
    assert overall(changes) is Rating.COMPATIBLE, said(changes)


def test_values_of_what_took_any_are_not_new(rate):
    [change] = rate(lambda document: properties(document)["voice"].update(enum=["a", "b"]))
    assert "restricted to a list" in change.what


def test_many_new_values_are_one_line(rate):
    def name(document):
        formats = document["components"]["schemas"]["SpeechRequestResponseFormat"]
        formats["enum"] += [f"f{number}" for number in range(8)]

    [change] = rate(name)
    assert "property `response_format`: `f" in change.what
    assert len(change.details) == 8


def test_a_sandbox_put_first_says_how_to_stay(rate):
    old = "https://modelgates.ai/api/v1"
    [change] = rate(lambda document: document["servers"].insert(0, {"url": "https://sand.example"}))
    assert f"base_url='{old}'" in str(change)
    assert "nothing to do" not in str(change)


def test_null_among_values_is_called_so_and_a_default_less_is_the_servers(rate):
    def change(document):
        formats = document["components"]["schemas"]["SpeechRequestResponseFormat"]
        formats["enum"].append(None)
        del formats["default"]

    told = said(rate(change))
    assert "the new `null` enum value" in told
    assert "undefined" not in told
    assert "gets what the server chooses" in told


def test_an_operation_without_a_name_is_replaced_with_nothing(rate):
    [change] = rate(lambda document: speech(document).pop("operationId"))
    assert "replaced" not in change.what


def test_an_argument_is_called_by_its_name_in_python(rate):
    def add(document):
        properties(document)["timeout"] = properties(document)["x-style"] = {"type": "string"}

    changes = rate(add)
    for text in (
        Report("x", Outcome.APPLIED, changes).as_markdown(),
        add_to_changelog("", changes),
    ):
        assert "argument `timeout_` (`timeout` on the wire)" in " ".join(text.split())
        assert "argument `x_style` (`x-style` on the wire)" in " ".join(text.split())


def test_one_argument_less_is_told_once_for_all_methods():
    changes = [
        Change(Rating.BREAKING, "python", f"`a.Methods.{method}` no longer takes `voice`")
        for method in ("create", "save", "stream")
    ]
    [change] = grouped(changes)
    assert change.what == "`a.Methods/…` no longer takes `voice`: `create`, `save`, `stream`"
    assert change.advice == "leave that argument out"


@pytest.mark.parametrize(
    ("name", "after", "told", "advice"),
    [
        ("A", "", "is gone", "do without it"),
        ("A", "class B: ...\n", "is gone or has moved", "its new name"),
        ("additional_keys", "class B: ...\n", "is gone", "do without it"),
    ],
)
def test_what_is_gone_has_a_new_name_only_where_something_is_new(
    tmp_path, name, after, told, advice
):
    for edition, models in (("old", f"class {name}: ...\n"), ("new", after)):
        for package, text in (("modelgates_speech", ""), ("modelgates_api", models)):
            (tmp_path / edition / package).mkdir(parents=True)
            (tmp_path / edition / package / "__init__.py").write_text(text)
    changes = python_changes([tmp_path / "old"], [tmp_path / "new"])
    assert changes[0].what == f"`modelgates_api.{name}` {told}"
    assert advice in changes[0].advice


def test_an_argument_that_is_demanded_from_now_on_is_told_once(tmp_path):
    for side, arguments in (("old", ""), ("new", "*, region, pace=1")):
        for name in ("modelgates_speech", "modelgates_api"):
            package = tmp_path / side / name
            package.mkdir(parents=True)
            package.joinpath("__init__.py").write_text(f"def speak({arguments}): ...\n")
    told = {change.what for change in python_changes([tmp_path / "old"], [tmp_path / "new"])}
    assert told == {
        f"`{name}.speak{more}"
        for name in ("modelgates_speech", "modelgates_api")
        for more in ("` requires a new argument `region`", "(pace=)` is new")
    }


def test_an_attribute_that_several_models_lose_is_told_once_as_a_program_imports_them(tmp_path):
    names = ["Apple", "Banana", "Cherry"]
    for side, attribute in (("old", "ripe"), ("new", "eaten")):
        (tmp_path / side / "modelgates_speech").mkdir(parents=True)
        (tmp_path / side / "modelgates_speech" / "__init__.py").touch()
        models = tmp_path / side / "modelgates_api" / "models"
        models.mkdir(parents=True)
        (models.parent / "__init__.py").touch()
        imports = "".join(f"from .{name.lower()} import {name}\n" for name in names)
        (models / "__init__.py").write_text(f"{imports}__all__ = {names}\n")
        for name in names:
            text = f"class {name}:\n    seed: int\n    {attribute}: bool\n"
            (models / f"{name.lower()}.py").write_text(text)
    gone, new = python_changes([tmp_path / "old"], [tmp_path / "new"])
    assert gone.what.startswith("`modelgates_api.models.….ripe` is gone")
    assert new.what.startswith("`modelgates_api.models.….eaten` is new")
    for change in (gone, new):
        assert sorted(re.findall(r"`([A-Z]\w+)`", change.what)) == names


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, "depends on a condition now"),
        ({"dependentRequired": {"a": ["b"]}}, "must hold `b` where it holds `a`"),
        ({"dependentSchemas": {"a": {}}}, "depends on a condition where it holds `a`"),
        ({"propertyNames": {"maxLength": 3}}, "holds properties of certain names alone now"),
    ],
)
def test_what_is_asked_is_told_once_and_in_no_words_of_json_schema(document, rate, said, told):
    def ask(changed):
        changed["components"]["schemas"]["SpeechRequestProvider"] |= said

    (change,) = rate(ask)
    assert change.rating is Rating.BREAKING
    assert change.what.endswith(told)


def test_what_a_value_may_be_as_well_is_told_by_its_name(document):
    schemas = document["components"]["schemas"]
    alone = {"oneOf": [{"$ref": "#/components/schemas/SpeechRequestProvider"}]}
    schemas["SpeechRequest"]["properties"]["given"] = alone
    several = deepcopy(document)
    schemas = several["components"]["schemas"]
    schemas["Other"] = {"type": "object", "properties": {"pace": {"type": "number"}}}
    schemas["SpeechRequest"]["properties"]["given"]["oneOf"].append(
        {"$ref": "#/components/schemas/Other"}
    )
    (change,) = wire_changes(document, several)
    assert change.what.endswith("may be `Other` as well")


def test_new_endpoints_and_webhooks_are_one_line_each():
    texts = [f"GET /a/{{id}}/v{n}: endpoint added" for n in range(9)]
    texts += [f"webhook `said-{n}` added" for n in range(9)]
    first, second = grouped([Change(Rating.COMPATIBLE, "wire", text) for text in texts])
    assert first.what == (
        "endpoint added: `GET /a/{id}/v0`, `GET /a/{id}/v1`, `GET /a/{id}/v2` and 6 more"
    )
    assert second.what == "webhook `…` added: `said-0`, `said-1`, `said-2` and 6 more"
    assert [*first.details, *second.details] == texts
