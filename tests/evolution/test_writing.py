"""What a document means does not depend on the program that wrote it."""

import contextlib
import json
import re
from copy import deepcopy

import pytest
from jsonschema import Draft202012Validator
from openapi_python_client.config import Config, ConfigFile, MetaType

from scripts.document.operation import METHOD, PATH, server_urls
from scripts.document.reading import DocumentError, parse
from scripts.document.references import pointer, put
from scripts.document.scope import UNUSED
from scripts.document.simpler import simplify
from scripts.document.validation import validate
from scripts.generate import CONFIG
from scripts.generation.arguments import arguments_of, request_properties
from scripts.generation.binding import find_endpoint, render_binding
from scripts.generation.parsing import parse_for_generator
from scripts.generation.terms import Terms

SCHEMAS = "#/components/schemas"
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Speech", "version": "1"},
    "servers": [{"url": "https://speech.example/v1"}],
    "paths": {
        PATH: {
            METHOD: {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}/Speech"}}}
                },
                "responses": {
                    "200": {"description": "Audio", "content": {"audio/mpeg": {}}},
                    "400": {
                        "description": "No",
                        "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}/Error"}}},
                    },
                },
            }
        },
        "/voices/{id}": {
            "get": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
                "responses": {
                    "200": {
                        "description": "Voice",
                        "content": {
                            "application/json": {"schema": {"type": "object", "title": "Voice"}}
                        },
                    },
                    "404": {"description": "None"},
                },
            }
        },
    },
    "components": {
        "schemas": {
            "Speech": {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
            },
            "Error": {"type": "object", "properties": {"message": {"type": "string"}}},
        }
    },
}


@pytest.fixture
def document():
    return deepcopy(DOCUMENT)


@pytest.fixture
def speech(document):
    """Our operation."""
    return document["paths"][PATH][METHOD]


@pytest.fixture
def schemas(document):
    return document["components"]["schemas"]


@pytest.fixture
def properties(schemas):
    """The properties of the request."""
    return schemas["Speech"]["properties"]


def take(document):
    return validate(document, json.dumps(document, indent=1).encode())


def configuration(tmp_path):
    return Config.from_sources(
        ConfigFile.load_from_path(CONFIG),
        MetaType.NONE,
        document_source=tmp_path / "openapi.yaml",
        file_encoding="utf-8",
        overwrite=False,
        output_path=tmp_path,
    )


def types(document, tmp_path):
    """Give the Python type of each property of the request."""
    config = configuration(tmp_path)
    terms = Terms(take(document).document, config)
    api, _ = parse_for_generator(terms.document, config)
    model = find_endpoint(api)[1].bodies[0].prop
    known = [*model.required_properties, *model.optional_properties]
    return {
        each.name.get_untrusted_value(): each.get_type_string(no_optional=True).as_unembedded_code()
        for each in known
    }


@pytest.mark.parametrize(
    "kind", ["parameters", "responses", "headers", "securitySchemes", "x-mine"]
)
def test_components_of_which_a_program_knows_none_may_be_null(document, kind):
    document["components"][kind] = None
    assert take(document)


def test_null_is_left_aside_where_it_says_nothing(document, speech, properties):
    document["info"] |= dict.fromkeys(("description", "contact", "license", "termsOfService"))
    document["servers"][0] |= {"description": None, "variables": None}
    speech |= dict.fromkeys(("tags", "description", "summary", "security"))
    speech["responses"]["400"]["content"] = None
    speech["responses"]["200"]["content"]["audio/wav"] = None
    properties["anything"] = None
    taken = take(document)
    (told,) = taken.warnings
    assert "null says nothing here" in told
    content = taken.document["paths"][PATH][METHOD]["responses"]["200"]["content"]
    assert content == {"audio/mpeg": {}, "audio/wav": {}}
    assert "anything" in request_properties(taken.document)[0]


@pytest.mark.parametrize(
    ("pattern", "read"),
    [
        ("^[^[\\]]+$", r"^[^\[\]]+$"),
        ("^[[(]", r"^[\[(]"),
        (r"\[[a-z]", r"\[[a-z]"),
        ("^[[:alpha:]]$", None),
        ("[a&&b]", None),
    ],
)
def test_a_pattern_is_one_that_python_reads_without_a_warning(document, properties, pattern, read):
    properties["style"] = {"type": "string", "pattern": pattern}
    taken = take(document)
    schemas = taken.document["components"]["schemas"]
    assert schemas["Speech"]["properties"]["style"].get("pattern") == read
    assert bool(taken.warnings) is (read is None)


@pytest.mark.parametrize("key", ["type", "enum", "allOf", "anyOf", "oneOf", "prefixItems"])
def test_an_empty_list_says_nothing_where_none_would_fit(document, properties, key):
    properties["note"] = {"description": "A note.", key: []}
    taken = take(document)
    assert request_properties(taken.document)[0]["note"] == {"description": "A note."}
    assert f"{key}: null says nothing here, nor do an empty list" in taken.warnings[0]


def test_a_whole_number_may_be_written_with_a_fraction(document, properties):
    text = """{"type": "integer", "enum": [1.0, 1e2, 3], "default": 1E2,
        "minimum": 0.0, "maximum": 9.223372036854775807e18}"""
    properties["rate"] = json.loads(text)
    taken = take(document)
    rate = request_properties(taken.document)[0]["rate"]
    assert [json.dumps(value) for value in [*rate["enum"], rate["default"]]] == [
        *("1", "100", "3", "100")
    ]
    assert json.dumps([rate["minimum"], rate["maximum"]]) == f"[0, {2**63}]"
    assert not taken.warnings


def test_a_date_is_the_text_that_stands_there_whether_or_not_there_is_such_a_day():
    text = b"a: [2026-02-30, 2026-01-02T03:04:05Z, =]\n2026-01-01: b\n"
    assert parse(text) == {
        "a": ["2026-02-30", "2026-01-02T03:04:05Z", "="],
        "2026-01-01": "b",
    }


def test_a_key_is_the_text_that_stands_there():
    text = b"a: {200: 1, 0x10: 2, 1.0: 3, true: 4, null: 5, ~: 6, 2026-01-01: 7}"
    assert list(parse(text)["a"]) == ["200", "0x10", "1.0", "true", "null", "~", "2026-01-01"]
    assert parse(b"a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}")["d"] == {"b": 1, "c": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"a: 1\t# b\n\t# c\n \t\nb:\t2\t\n\t", {"a": 1, "b": 2}),
        (b"a:\n  -\tx\ty\t# z\n  - [1,\t2\t]\t\n", {"a": ["x\ty", [1, 2]]}),
        (b"a: {b:\tx\t}\nc\t: |\n  d\t# e\n", {"a": {"b": "x"}, "c": "d\t# e\n"}),
    ],
)
def test_tabs_may_stand_wherever_they_indent_nothing(text, value):
    assert parse(text) == value


@pytest.mark.parametrize("text", [b"a:\n\tb: 1\n", b"a:\n  -\tb: 1\n    c: 2\n"])
def test_tabs_that_indent_are_refused(text):
    with pytest.raises(DocumentError, match=r"line 2: not YAML"):
        parse(text)


def test_a_server_of_which_a_part_is_open_is_none(document):
    variables = {"part": {"enum": ["eu", "us"]}, "version": {}}
    document["servers"] = [
        {"url": "https://{part}.speech.example/{version}", "variables": variables},
        {"url": "https://{region}.speech.example"},
        {"url": "https://{part}.speech.example", "variables": {"part": {"enum": ["eu", "us"]}}},
    ]
    taken = take(document)
    assert server_urls(taken.document) == ["https://eu.speech.example"]
    assert "it has no default, so it is eu" in "".join(taken.warnings)


@pytest.mark.parametrize(
    "url",
    ["https://a.example:443/v1", "HTTPS://A.example/v1/ ", "https://a.example:{port}/v1"],
)
def test_a_server_is_the_same_however_it_is_written(document, url):
    ports = {"port": {"default": 443, "enum": [443, 8443]}}
    document["servers"] = [{"url": url, "variables": ports}, {"url": "http://A.example:80"}]
    taken = take(document)
    assert server_urls(taken.document)[0] == "https://a.example/v1"
    assert server_urls(taken.document)[1] == "http://a.example"
    assert all("a number is the text" in warning for warning in taken.warnings)


def test_null_that_is_a_value_stays(document, properties):
    properties["mood"] = {"enum": ["glad", None], "default": None, "examples": [None]}
    properties["none"] = {"const": None, "x-of-ours": None}
    taken = take(document)
    assert request_properties(taken.document)[0]["mood"] == properties["mood"]
    assert not taken.warnings


def test_what_a_publisher_says_for_itself_may_be_anything(document, speech):
    document["x-mine"] = speech["x-ours"] = {"$ref": "#/nowhere", "type": None}
    taken = take(document)
    assert "x-mine" not in taken.document
    assert not taken.warnings


def test_the_type_null_may_lack_its_quotes(document, properties):
    properties["note"] = {"anyOf": [{"type": "string"}, {"type": None}]}
    properties["other"] = {"type": ["string", None]}
    mended = take(document).document["components"]["schemas"]["Speech"]["properties"]
    assert mended["note"]["anyOf"][1] == {"type": "null"}
    assert mended["other"] == {"type": ["string", "null"]}


def test_a_licence_is_not_what_a_client_is_made_from(document):
    document["info"]["license"] = {"name": "A", "url": "https://a.example", "identifier": "A"}
    (told,) = take(document).warnings
    assert told.endswith("which no code is made from")


def test_a_key_that_nobody_asks_for_may_be_wrong(document):
    document["components"]["securitySchemes"] = {"old": {"type": "apikey"}}
    assert [*take(document).left_out] == [UNUSED]


@pytest.mark.parametrize("path", ["~1voices~1{id}", "~1voices~1%7Bid%7D"])
def test_a_schema_may_be_pointed_at_where_it_was_written_first(document, properties, path):
    media = "responses/200/content/application~1json/schema"
    properties["voice"] = {"type": "array", "items": {"$ref": f"#/paths/{path}/get/{media}"}}
    taken = take(document)
    assert not taken.left_out
    assert taken.document["components"]["schemas"]["schema"] == {"type": "object", "title": "Voice"}


def test_so_may_an_answer(document, speech):
    theirs = {"$ref": "#/paths/~1voices~1{id}/get/responses/404"}
    speech["responses"] |= {"404": theirs, "410": {**theirs, "description": "No more"}}
    responses = take(document).document["paths"][PATH][METHOD]["responses"]
    assert responses["404"] == {"description": "None"}
    assert responses["410"] == {"description": "No more"}


def test_what_is_mended_in_many_places_is_told_once_where_all_is_one_line(document):
    document["paths"] |= {f"/v{n}": None for n in range(5)}
    (told,) = validate(document, json.dumps(document).encode()).warnings
    assert told.startswith("/v0, /v1, /v2 and 2 more: ")


def test_what_is_mended_on_many_lines_names_the_first(document):
    document["paths"] |= {f"/v{n}": None for n in range(5)}
    (told,) = validate(document, json.dumps(document, indent=1).encode()).warnings
    assert re.match(r"lines \d+, \d+, \d+ and 2 more: ", told)


def test_a_name_may_be_written_with_escapes_and_have_blanks(document, schemas, properties):
    schemas["My Mood"] = {"type": "string"}
    schemas["Page«Mood»"] = {"type": "array", "items": {"$ref": f"{SCHEMAS}/My%20Mood"}}
    schemas["type_tts:Mood"] = {"type": "string"}
    for name in ("My Mood", "Page«Mood»", "type_tts:Mood"):
        properties[name] = {"$ref": f"{SCHEMAS}/{name}"}
    taken = take(document)
    known = taken.document["components"]["schemas"]
    assert {"My_Mood", "Page_Mood", "type_tts_Mood"} <= known.keys()
    assert known["Page_Mood"]["items"] == {"$ref": f"{SCHEMAS}/My_Mood"}
    assert len(taken.warnings) == 3


def test_what_discriminates_and_what_asks_for_a_key_know_the_names_too(document, schemas, speech):
    schemas["a:Cat"] = schemas["a:Dog"] = {"type": "object", "properties": {"k": {}}}
    mapping = {"cat": "a:Cat", "dog": f"{SCHEMAS}/a:Dog"}
    schemas["Speech"]["properties"]["pet"] = {
        "oneOf": [{"$ref": f"{SCHEMAS}/a:Cat"}, {"$ref": f"{SCHEMAS}/a:Dog"}],
        "discriminator": {"propertyName": "k", "mapping": mapping},
    }
    document["components"]["securitySchemes"] = {"my key": {"type": "http", "scheme": "bearer"}}
    speech["security"] = [{"my key": []}]
    mended = take(document).document
    pet = mended["components"]["schemas"]["Speech"]["properties"]["pet"]
    assert pet["discriminator"]["mapping"] == {
        "cat": f"{SCHEMAS}/a_Cat",
        "dog": f"{SCHEMAS}/a_Dog",
    }
    assert mended["paths"][PATH][METHOD]["security"] == [{"my_key": []}]


def test_a_discriminator_that_maps_nothing_means_the_names_as_they_were(schemas, document):
    schemas["my Cat"] = schemas["Dog"] = {"type": "object", "properties": {"k": {}}}
    schemas["Speech"]["properties"]["pet"] = {
        "oneOf": [{"$ref": f"{SCHEMAS}/my%20Cat"}, {"$ref": f"{SCHEMAS}/Dog"}],
        "discriminator": {"propertyName": "k"},
    }
    pet = take(document).document["components"]["schemas"]["Speech"]["properties"]["pet"]
    assert pet["discriminator"]["mapping"] == {"my Cat": f"{SCHEMAS}/my_Cat"}


@pytest.mark.parametrize("reference", ["#timing", "#", "#/$defs/Step", "https://a.example/timing"])
def test_a_schema_may_be_pointed_at_as_in_json_schema(document, schemas, properties, reference):
    schemas["Timing"] = {
        "$id": "https://a.example/timing",
        "$anchor": "timing",
        "$defs": {"Step": {"type": "object"}},
        "type": "object",
        "properties": {"next": {"$ref": reference}},
    }
    properties["timing"] = {"$ref": f"{SCHEMAS}/Timing"}
    mended = take(document).document["components"]["schemas"]["Timing"]["properties"]["next"]
    end = "/$defs/Step" if "Step" in reference else ""
    assert mended == {"$ref": f"{SCHEMAS}/Timing{end}"}


def test_a_schema_may_hold_itself_by_a_dynamic_anchor(document, schemas, properties):
    step = {"type": "array", "items": {"$dynamicRef": "#step"}}
    schemas["Timing"] = {"$dynamicAnchor": "step", "properties": {"next": step}}
    properties["timing"] = {"$ref": f"{SCHEMAS}/Timing"}
    mended = take(document).document["components"]["schemas"]["Timing"]
    itself = {"$ref": f"{SCHEMAS}/Timing"}
    assert mended == {"properties": {"next": {"type": "array", "items": itself}}}


def test_an_anchor_that_is_not_there_is_told_of(document, properties):
    properties["next"] = {"$ref": "#nowhere"}
    with pytest.raises(DocumentError, match=r"line .*'#nowhere', which is not there"):
        take(document)


def test_what_stands_beside_an_only_part_is_not_lost(document, schemas, tmp_path):
    own = {"speed": {"type": "number"}, "odd": {"enum": [1, "a", True]}}
    schemas["Base"] = {**schemas["Speech"]}
    base = {"$ref": f"{SCHEMAS}/Base"}
    schemas["Speech"] = {"allOf": [base], "properties": own, "required": ["speed"]}
    found = types(document, tmp_path)
    assert found == {"input": "str", "speed": "float", "odd": "bool | int | str"}
    schemas["Speech"] = {**base, "properties": own, "required": ["speed"]}
    assert types(document, tmp_path) == found


INNER = {"type": "object", "properties": {"inner": {"type": "object", "properties": {"n": {}}}}}


@pytest.mark.parametrize(
    "written",
    [
        {"anyOf": [INNER, {"type": "string"}]},
        {"oneOf": [INNER | {"title": "One"}, {"anyOf": [INNER, {"type": "null"}]}]},
        INNER | {"type": ["object", "null"]},
        {"type": "array", "items": {"anyOf": [INNER, {"type": "string"}]}},
        {"anyOf": [{"type": "array", "items": INNER}, {"type": "string"}]},
        {"allOf": [{"$ref": f"{SCHEMAS}/Other"}]},
        {"anyOf": [{"allOf": [{"$ref": f"{SCHEMAS}/Other"}, INNER]}, {"type": "null"}]},
    ],
)
def test_an_object_within_a_component_makes_its_classes_once(
    document, schemas, speech, written, tmp_path
):
    schemas |= {"Other": deepcopy(INNER), "Refusal": deepcopy(written)}
    answer = speech["responses"]["400"]["content"]["application/json"]
    answer["schema"] = {"anyOf": [{"$ref": f"{SCHEMAS}/{each}"} for each in ("Refusal", "Other")]}
    config = configuration(tmp_path)
    _, missing = parse_for_generator(Terms(take(document).document, config).document, config)
    assert missing == []


@pytest.mark.parametrize(
    "several",
    [
        [{"$ref": f"{SCHEMAS}/Error"}, {"$ref": f"{SCHEMAS}/Other"}],
        [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        [
            {"type": "object", "properties": {"code": {"const": code}}, "required": ["code"]}
            for code in (1, 2)
        ],
    ],
)
def test_whether_an_error_fits_several_makes_no_difference(document, schemas, speech, several):
    schemas["Other"] = deepcopy(schemas["Error"])
    content = {"application/json": {"schema": {"oneOf": several}}}
    speech["responses"]["default"] = {"description": "No", "content": content}
    taken = take(document)
    mended = taken.document["paths"][PATH][METHOD]["responses"]["default"]
    assert mended["content"]["application/json"]["schema"] == {"anyOf": several}
    assert not taken.warnings


def test_what_says_by_itself_which_it_is_stays_one_of(document, schemas, speech):
    kinds = {
        kind: {"type": "object", "properties": {"kind": {"const": kind}}, "required": ["kind"]}
        for kind in ("Busy", "Broken")
    }
    schemas |= kinds
    one_of = [{"$ref": f"{SCHEMAS}/{kind}"} for kind in kinds]
    told = {"oneOf": one_of, "discriminator": {"propertyName": "kind"}}
    content = {"application/json": {"schema": told}}
    speech["responses"]["default"] = {"description": "No", "content": content}
    responses = take(document).document["paths"][PATH][METHOD]["responses"]
    assert responses["default"]["content"] == content


def test_bytes_within_json_are_text(document, schemas, properties, tmp_path):
    schemas["Sample"] = {"type": "string", "format": "binary"}
    properties |= {"sample": dict(schemas["Sample"]), "other": {"$ref": f"{SCHEMAS}/Sample"}}
    found = types(document, tmp_path)
    assert (found["sample"], found["other"]) == ("str", "str")
    assert len(take(document).warnings) == 2


def test_bytes_within_a_form_are_a_file(document, schemas):
    schemas["Sample"] = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"sample": {"$ref": f"{SCHEMAS}/Sample"}}}
    document["paths"]["/voices/{id}"]["get"]["requestBody"] = {
        "content": {"multipart/form-data": {"schema": form}}
    }
    assert not take(document).warnings


def test_media_types_are_read_in_any_letters(document, speech):
    content = speech["responses"]["400"]["content"]
    content["Application/JSON; charset=UTF-8"] = content.pop("application/json")
    mended = take(document).document["paths"][PATH][METHOD]["responses"]["400"]
    assert [*mended["content"]] == ["application/json; charset=UTF-8"]


def test_so_are_classes_of_statuses(document, speech):
    responses = document["components"]["responses"] = {"4xx": speech["responses"].pop("400")}
    speech["responses"]["4xx"] = {"$ref": "#/components/responses/4xx"}
    speech["responses"]["5Xx"] = responses["4xx"]
    mended = take(document).document["paths"][PATH][METHOD]["responses"]
    assert mended.keys() == {"200", "4XX", "5XX"}


@pytest.mark.parametrize("said", [{"const": 1.0}, {"enum": [0.5, 1]}])
def test_a_fraction_that_is_the_only_one_is_a_number(document, properties, said, tmp_path):
    properties["version"] = said
    assert types(document, tmp_path)["version"] == "float"


def test_a_child_has_its_parent_without_the_parents_children(document, schemas, properties):
    parent, child = {"$ref": f"{SCHEMAS}/Parent"}, {"$ref": f"{SCHEMAS}/Child"}
    schemas["Parent"] = {
        "type": "object",
        "properties": {"kind": {"type": "string"}},
        "discriminator": {"propertyName": "kind"},
        "oneOf": [child],
    }
    own = {"type": "object", "properties": {"text": {"type": "string"}}}
    schemas["Child"] = {"allOf": [parent, own]}
    properties["pet"] = parent
    taken = take(document)
    common = {"type": "object", "properties": {"kind": {"type": "string"}}}
    assert taken.document["components"]["schemas"]["Child"] == {"allOf": [common, own]}
    (told,) = taken.warnings
    assert "Parent" in told


def test_a_schema_that_is_a_part_of_itself_is_named(document, schemas, properties):
    schemas["A"] = {"allOf": [{"$ref": f"{SCHEMAS}/B"}]}
    schemas["B"] = {"allOf": [{"$ref": f"{SCHEMAS}/A"}]}
    properties["a"] = {"$ref": f"{SCHEMAS}/A"}
    with pytest.raises(DocumentError, match=r"line .* without end"):
        take(document)


@pytest.mark.parametrize("key", ["anyOf", "oneOf", "allOf"])
def test_what_is_one_of_its_own_parts_is_refused_by_its_line(document, schemas, properties, key):
    schemas["Loop"] = {key: [{"$ref": f"{SCHEMAS}/Loop"}, {"type": "string"}]}
    properties["loop"] = {"$ref": f"{SCHEMAS}/Loop"}
    with pytest.raises(DocumentError, match=r"line .* `Loop` refers to itself without end"):
        take(document)


def test_a_property_or_an_answer_that_is_only_itself_is_refused(document, properties, speech):
    speech["responses"]["400"] = {"$ref": "#/components/responses/No"}
    document["components"]["responses"] = {"No": {"$ref": "#/components/responses/No"}}
    with pytest.raises(DocumentError, match=r"line .* `No` refers to itself without end"):
        take(document)
    del document["components"]["responses"], speech["responses"]["400"]
    properties["style"] = {"$ref": f"{SCHEMAS}/Speech/properties/style"}
    with pytest.raises(DocumentError, match=r"line .* `style` refers to itself without end"):
        take(document)


def test_what_holds_itself_further_down_is_taken(document, schemas, properties):
    schemas["Turns"] = {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"$ref": f"{SCHEMAS}/Turns"}},
        ]
    }
    properties["turns"] = {"$ref": f"{SCHEMAS}/Turns"}
    assert not take(document).warnings


def test_a_list_of_one_type_is_that_type(document, schemas, properties, tmp_path):
    properties["style"] = {"type": ["string"]}
    properties["voice"] = {"oneOf": [{"type": "null"}, {"type": "object", "properties": {}}]}
    schemas["Speech"]["type"] = ["object"]
    taken = take(document).document
    assert taken["components"]["schemas"]["Speech"]["type"] == "object"
    assert types(document, tmp_path).keys() == {"input", "style", "voice"}


def test_objects_of_long_names_deep_in_each_other_have_classes_all_the_same(
    document, properties, tmp_path
):
    names = [f"{word} of the explicit content that was found" for word in ("part", "kind", "one")]
    schema = {"type": "string"}
    for name in [*names, "the options of a video whose content is looked at asynchronously"] * 2:
        schema = {"type": "object", "properties": {name: schema, f"{name}!": deepcopy(schema)}}
    properties["options"] = schema
    assert "options" in types(document, tmp_path)


def test_a_request_written_in_place_points_at_its_own_parts(speech, document, schemas):
    schema = schemas.pop("Speech")
    schema["$defs"] = {"Style": {"type": "string", "enum": ["calm"]}}
    schema["properties"]["style"] = {"$ref": "#/$defs/Style"}
    speech["requestBody"]["content"]["application/json"]["schema"] = schema
    taken = take(document).document
    assert arguments_of(taken)["style"]["values"] == ("calm",)


@pytest.mark.parametrize("word", ["const", "enum"])
def test_formats_that_are_requests_of_their_own_are_one_list(document, schemas, word):
    speech = schemas["Speech"]
    schemas["Speech"] = {"oneOf": []}
    for name in ("pcm", "mp3", "opus"):
        value = name if word == "const" else [name]
        own = {"response_format": {"type": "string", word: value, "default": name}}
        schemas[name] = {**speech, "properties": {**speech["properties"], **own}}
        schemas["Speech"]["oneOf"].append({"$ref": f"{SCHEMAS}/{name}"})
    document = take(document).document
    simplify(document)
    found = request_properties(document)[0]["response_format"]
    assert found == {"type": "string", "enum": ["pcm", "mp3", "opus"]}


def places(node, place=()):
    """Give each place of a document."""
    yield place
    steps = node.items() if isinstance(node, dict) else ()
    for step, inner in [*steps, *(enumerate(node) if isinstance(node, list) else ())]:
        yield from places(inner, (*place, step))


@pytest.mark.parametrize("value", [None, [None], "text"])
def test_what_is_of_another_kind_is_refused_or_mended(document, value):
    for place in [*places(document)][1:]:
        changed = deepcopy(document)
        put(changed, place, value)
        with contextlib.suppress(DocumentError):
            assert take(changed)


def test_a_number_without_end_is_refused_by_its_line():
    with pytest.raises(DocumentError, match=r"^line 3: inf is"):
        parse(b"a:\n  b: 1\n  c: [.inf]\n")


@pytest.mark.parametrize("digits", [400, 5000])
def test_so_is_a_number_of_so_many_digits_that_programs_cannot_read_it(digits):
    number = b"9" * digits
    for text in (b'{"a":\n{"b": %b}}', b"a:\n  b: %b\n"):
        with pytest.raises(DocumentError, match=r"^line 2: "):
            parse(text % number)
    assert parse(b'{"maximum": %b}' % number) == {"maximum": None}


@pytest.mark.parametrize("text", ["!!int x", "!!float x", '"\\ud800"'])
def test_so_is_a_value_that_is_not_what_it_says(text):
    with pytest.raises(DocumentError, match=r"^line 2: "):
        parse(f"a:\n  b: {text}\n".encode())


def test_a_limit_without_end_is_none():
    text = json.dumps(DOCUMENT).replace(
        '"type": "string"', '"type": "string", "maxLength": Infinity'
    )
    taken = validate(parse(text.encode()), text.encode())
    assert request_properties(taken.document)[0]["input"] == {"type": "string"}
    assert "maxLength: " in taken.warnings[0]
    assert parse(b"a: {minimum: -.inf, maxItems: .inf}") == {
        "a": {"minimum": None, "maxItems": None}
    }
    with pytest.raises(DocumentError, match="-inf is"):
        parse(b"a: {maximum: -.inf}")


def test_a_component_may_be_true_or_false(document, schemas, properties):
    schemas |= {"Anything": True, "Nothing": False}
    properties |= {name: {"$ref": f"{SCHEMAS}/{name}"} for name in ("Anything", "Nothing")}
    found, _ = request_properties(take(document).document)
    assert (found["Anything"], found["Nothing"]) == ({}, {"not": {}})


@pytest.mark.parametrize(
    ("said", "python"),
    [
        ({"enum": [0, 1, False, True]}, "bool | int"),
        ({"enum": ["auto", True]}, "bool | str"),
        ({"enum": [True, None]}, "bool | None"),
        ({"const": True}, "bool"),
        ({"const": None}, "None"),
        ({"enum": [1, 2.5, "a"]}, "float | str"),
        ({"enum": [[1], {"a": 1}]}, "Any"),
        ({"type": ["string", "null"], "enum": ["a", None]}, "None | SpeechSaidType1"),
        ({"type": ["string", "null"], "enum": ["a"]}, "None | SpeechSaidType1"),
        ({"type": "array"}, "list[Any]"),
        # Python cannot tell lists by what is in them.
        (
            {
                "anyOf": [
                    {"type": "array", "items": {"type": kind}} for kind in ("string", "integer")
                ]
            },
            "list[int | str]",
        ),
        # A constant among others would be the only value that is read.
        (
            {"anyOf": [{"const": "a"}, {"const": "b"}, {"type": "string", "pattern": "^c"}]},
            "SpeechSaidType0 | SpeechSaidType1 | str",
        ),
    ],
)
def test_values_of_several_types_have_a_type(document, properties, said, python, tmp_path):
    properties["said"] = said
    assert types(document, tmp_path)["said"] == python


def test_a_value_that_may_be_null_may_be_null_though_only_others_are_listed(
    document, properties, tmp_path
):
    document["openapi"] = "3.0.3"
    properties["said"] = {"type": "string", "nullable": True, "enum": ["a", "b"]}
    assert types(document, tmp_path)["said"] == "None | SpeechSaidType1"
    assert "null is one of its values" in take(document).warnings[0]


@pytest.mark.parametrize("words", [{"description": "Told"}, {"title": "Told", "required": ["n"]}])
def test_what_may_be_null_may_be_described_where_it_is_used(
    document, schemas, properties, words, tmp_path
):
    schemas["Other"] = {"type": ["object", "null"], "properties": {"n": {"type": "integer"}}}
    properties["said"] = {"allOf": [{"$ref": f"{SCHEMAS}/Other"}, words]}
    assert types(document, tmp_path)["said"] == "None | OtherType0"


@pytest.mark.parametrize("is_deeper", [False, True])
@pytest.mark.parametrize(
    ("given", "narrowed", "python"),
    [
        ({"type": ["boolean", "null"]}, {"type": "boolean"}, "bool"),
        ({"$ref": f"{SCHEMAS}/Error"}, {"$ref": f"{SCHEMAS}/Other"}, "Other"),
        ({"$ref": f"{SCHEMAS}/Error"}, {"type": "string", "enum": ["a"]}, "SpeechSaid"),
    ],
)
def test_the_last_part_of_a_whole_says_what_a_property_is(
    document, schemas, given, narrowed, python, is_deeper, tmp_path
):
    schemas["Other"] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    schemas["Base"] = {**schemas["Speech"], "properties": {"input": {}, "said": given}}
    part = {"type": "object", "properties": {"said": narrowed}}
    base = {"$ref": f"{SCHEMAS}/Base"}
    if is_deeper:
        schemas["Child"] = {"allOf": [base, {"properties": {"m": {"type": "integer"}}}]}
        base = {"$ref": f"{SCHEMAS}/Child"}
    schemas["Speech"] = {"allOf": [base, part]}
    assert types(document, tmp_path)["said"] == python


def test_null_may_be_several_of_several_alternatives(document, schemas):
    document["openapi"] = "3.0.3"
    text = {"type": "string", "nullable": True}
    several = {"oneOf": [text, {"type": "array", "items": text}], "nullable": True}
    schemas["Voice"] = {"type": "object", "properties": {"stop": {**several, "default": None}}}
    asked = {"application/json": {"schema": {"$ref": f"{SCHEMAS}/Voice"}}}
    document["paths"]["/voices/{id}"]["get"]["requestBody"] = {"content": asked}
    assert not take(document).left_out


@pytest.mark.parametrize("several", [["string", "integer"], [None, None], ["string", "null"]])
def test_a_body_that_may_be_left_out_may_be_one_of_several_texts(document, several, tmp_path):
    said = [{"type": kind} if kind else {"description": "Any"} for kind in several]
    asked = {"content": {"application/json": {"schema": {"oneOf": said}}}}
    other = document["paths"].pop("/voices/{id}")["get"]
    document["paths"] |= {"/voices/{id}": {"put": other | {"requestBody": asked}}}
    config = configuration(tmp_path)
    api, _ = parse_for_generator(Terms(take(document).document, config).document, config)
    found = [each for tag in api.endpoint_collections_by_tag.values() for each in tag.endpoints]
    [body] = next(each for each in found if each.method == "put").bodies
    assert body.prop.get_type_string(no_optional=True).as_unembedded_code() == "Any"


def test_a_path_that_differs_in_its_fragment_alone_is_left_out(document):
    paths = document["paths"]
    paths["/voices/{id}#all"] = deepcopy(paths["/voices/{id}"])
    taken = take(document)
    assert [*taken.document["paths"]] == [PATH, "/voices/{id}"]
    assert "left out, for no path has a query or a fragment in it" in taken.warnings[0]


def test_yes_is_true_where_nothing_else_can_be_meant(document, properties):
    properties["old"] = {"type": "string", "deprecated": "yes", "default": "no"}
    properties["loud"] = {"type": "boolean", "default": "Off"}
    taken = take(document)
    told = request_properties(taken.document)[0]
    assert told["old"] == {"type": "string", "deprecated": True, "default": "no"}
    assert told["loud"] == {"type": "boolean", "default": False}
    assert "'yes' means true" in taken.warnings[0]


def test_true_is_not_the_number_one(document, properties):
    properties["flags"] = {"enum": [0, 1, False, True]}
    taken = take(document)
    assert request_properties(taken.document)[0]["flags"]["enum"] == [0, 1, False, True]
    assert not taken.warnings


def test_json_of_which_each_item_is_described_is_not_left_out(document, speech):
    item = {"itemSchema": {"type": "object"}}
    document["openapi"] = "3.2.0"
    speech["responses"]["200"]["content"]["application/jsonl"] = item
    taken = take(document)
    content = taken.document["paths"][PATH][METHOD]["responses"]["200"]["content"]
    assert content["application/jsonl"] == item
    assert not taken.warnings


def test_a_parameter_that_is_a_whole_query_is_left_to_who_calls(document, speech, tmp_path):
    schema = {"type": "object"}
    whole = {"name": "q", "in": "querystring", "content": {"application/json": {"schema": schema}}}
    document["openapi"] = "3.2.0"
    document["components"]["parameters"] = {"Whole": whole}
    other = {"name": "page", "in": "query", "schema": {"type": "integer"}}
    speech["parameters"] = [{"$ref": "#/components/parameters/Whole"}, other]
    taken = take(document)
    assert "extra_query" in taken.warnings[0]
    assert taken.document["paths"][PATH][METHOD]["parameters"] == [other]
    assert types(document, tmp_path) == {"input": "str"}


def test_parameters_that_python_has_one_name_for_are_told_apart(document, speech, tmp_path):
    names = ["from", "from_", "page[size]", "page_size"]
    schema = {"type": "string"}
    given = [{"name": name, "in": "query", "schema": schema} for name in names]
    document["paths"][PATH]["parameters"] = [{"$ref": "#/components/parameters/From"}]
    document["components"]["parameters"] = {"From": given[0]}
    # What is said of an operation itself overrides what is said of its path.
    speech["parameters"] = deepcopy(given)
    config = configuration(tmp_path)
    terms = Terms(take(document).document, config)
    api, _ = parse_for_generator(terms.document, config)
    terms.restore_wire_names(api)
    found = find_endpoint(api)[1].query_parameters
    assert [each.name.get_untrusted_value() for each in found] == names
    assert len({each.python_name for each in found}) == len(names)


@pytest.mark.parametrize(
    "said",
    [
        {"const": "2026-12-01"},
        {"type": "string", "format": "date"},
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
    ],
)
def test_a_header_is_text_whatever_the_text_stands_for(document, speech, said, tmp_path):
    speech["parameters"] = [{"name": "X-Version", "in": "header", "required": True, "schema": said}]
    config = configuration(tmp_path)
    api, _ = parse_for_generator(Terms(take(document).document, config).document, config)
    (header,) = find_endpoint(api)[1].header_parameters
    assert header.get_type_string().as_unembedded_code() == "str"


def test_a_number_may_be_described_in_several_parts(document, properties, schemas, tmp_path):
    schemas["Rate"] = {"type": "number", "minimum": 0.5}
    parts = [{"$ref": f"{SCHEMAS}/Rate"}, {"maximum": 2}]
    properties["speed"] = {"allOf": parts, "default": 1}
    assert types(document, tmp_path)["speed"] == "float"
    known = request_properties(take(document).document)[0]["speed"]
    assert known == {"type": "number", "minimum": 0.5, "maximum": 2, "default": 1}


def test_ligatures_and_wide_letters_are_the_plain_ones_as_which_python_reads_them(
    document, speech, properties, tmp_path
):
    speech |= {"operationId": "\uff33\uff30\uff25\uff21\uff2b", "tags": ["\uff34\uff34\uff33"]}
    properties |= {"\ufb01ne": {"type": "string"}, "fine": {"type": "integer"}}
    assert types(document, tmp_path) == {"input": "str", "fine_2": "str", "fine": "int"}
    assert list(arguments_of(document)) == ["input", "fine", "fine_2"]
    terms = Terms(take(document).document, configuration(tmp_path))
    operation = terms.document["paths"][PATH][METHOD]
    assert (operation["operationId"], operation["tags"]) == ("SPEAK", ["TTS"])


def test_a_request_of_any_media_type_is_json(document, speech, tmp_path):
    content = speech["requestBody"]["content"]
    content["*/*"] = content.pop("application/json")
    assert types(document, tmp_path) == {"input": "str"}
    (told,) = take(document).warnings
    assert "taken as JSON" in told


def test_an_answer_that_is_text_of_any_media_type_is_audio(document, speech):
    text = {"schema": {"type": "string", "format": "byte"}}
    speech["responses"]["200"]["content"] = {"*/*": text}
    taken = take(document)
    content = taken.document["paths"][PATH][METHOD]["responses"]["200"]["content"]
    assert [*content] == ["application/octet-stream"]
    (told,) = taken.warnings
    assert told.endswith("taken as audio")


AUDIO = {"description": "Audio", "content": {"audio/mpeg": {}}}
SILENT = {"description": "Done"}
ANY_OBJECT = {"schema": {"type": "object", "properties": {}, "x-orders": []}}
WAV = {"description": "Audio", "content": {"audio/x-wav; rate=8000": {}, "audio/wav": {}}}
VAGUE = {"description": "", "content": {"application/json": ANY_OBJECT}, "headers": {}}


@pytest.mark.parametrize(
    ("responses", "status", "kind"),
    [
        ({"200": SILENT}, "200", "application/octet-stream"),
        ({"2XX": SILENT, "204": SILENT}, "2XX", "application/octet-stream"),
        ({"default": AUDIO, "400": SILENT}, "200", "audio/mpeg"),
        ({"default": SILENT}, "200", "application/octet-stream"),
        ({"200": VAGUE}, "200", "application/octet-stream"),
    ],
)
def test_a_success_of_which_little_is_said_is_audio(document, speech, responses, status, kind):
    speech["responses"] = deepcopy(responses)
    taken = take(document)
    content = taken.document["paths"][PATH][METHOD]["responses"][status]["content"]
    assert [*content] == [kind]
    assert all("taken as" in told for told in taken.warnings)
    assert taken.warnings


@pytest.mark.parametrize(
    ("responses", "is_left_out"),
    [
        ({"101": SILENT}, True),
        ({"101": SILENT, "426": SILENT}, True),
        ({"101": SILENT, "200": SILENT}, False),
        ({"101": SILENT, "default": SILENT}, False),
        ({"426": SILENT}, False),
    ],
)
def test_what_can_but_open_a_websocket_is_left_out(document, responses, is_left_out):
    document["paths"][PATH]["get"] = {"operationId": "listen", "responses": deepcopy(responses)}
    taken = take(document)
    assert ("get" in taken.document["paths"][PATH]) is not is_left_out
    assert any("WebSocket" in told for told in taken.warnings) is is_left_out


def test_a_later_success_without_content_stays_without(document, speech):
    speech["responses"]["202"] = SILENT
    taken = take(document)
    assert "content" not in taken.document["paths"][PATH][METHOD]["responses"]["202"]
    assert not taken.warnings


@pytest.mark.parametrize(
    "responses",
    [
        {"400": SILENT},
        {"204": SILENT},
        {"302": AUDIO},
        {
            "default": {
                "description": "No",
                "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}/Error"}}},
            }
        },
    ],
)
def test_no_success_that_may_be_audio_is_refused_by_its_line(document, speech, responses):
    speech["responses"] = responses
    with pytest.raises(DocumentError, match="no audio") as refused:
        take(document)
    said = json.dumps(document, indent=1).splitlines()
    assert '"responses"' in said[refused.value.line - 1]


@pytest.mark.parametrize("status", ["error", "40X", "4XX-5XX", "2000", "1"])
def test_what_is_no_status_is_left_out(document, speech, status):
    speech["responses"][status] = SILENT
    taken = take(document)
    assert [*taken.document["paths"][PATH][METHOD]["responses"]] == ["200", "400"]
    assert "it is no status" in taken.warnings[0]


def test_what_a_parameter_or_a_header_holds_may_lack_its_schema(document, speech):
    speech["parameters"] = [{"name": "a", "in": "query", "type": "string", "maxLength": 3}]
    speech["responses"]["200"]["headers"] = {"X-Cost": {"description": "Of it"}}
    taken = take(document)
    mended = taken.document["paths"][PATH][METHOD]
    assert mended["parameters"][0]["schema"] == {"type": "string", "maxLength": 3}
    assert mended["responses"]["200"]["headers"]["X-Cost"]["schema"] == {}
    assert len(taken.warnings) == 2


def test_a_type_may_be_in_capitals_and_a_count_a_fraction(document, properties):
    properties["note"] = {"type": "String", "maxLength": 1e4}
    mended = request_properties(take(document).document)[0]["note"]
    assert json.dumps(mended) == '{"type": "string", "maxLength": 10000}'


def test_answers_with_objects_of_any_media_type_are_json(document, speech):
    refusal = speech["responses"]["400"]
    refusal["content"] = {"*/*": refusal["content"]["application/json"]}
    speech["responses"]["500"] = {
        "description": "No",
        "content": {"*/*": {"schema": {"type": "string"}}},
    }
    answers = take(document).document["paths"][PATH][METHOD]["responses"]
    assert [*answers["400"]["content"]] == ["application/json"]
    assert [*answers["500"]["content"]] == ["*/*"]


def test_a_key_in_the_header_of_bearer_tokens_is_one(document, speech):
    scheme = {"type": "apiKey", "in": "header", "name": "Authorization"}
    document["components"]["securitySchemes"] = {"key": scheme}
    speech["security"] = [{"key": []}]
    taken = take(document)
    assert not taken.warnings
    assert taken.document["paths"][PATH][METHOD]["security"] == [{"key": []}]


def test_an_answer_in_json_and_as_text_is_read_as_json(document, speech, tmp_path):
    content = speech["responses"]["400"]["content"]
    speech["responses"]["400"]["content"] = {"text/plain": {}, **content}
    config = configuration(tmp_path)
    api, _ = parse_for_generator(Terms(take(document).document, config).document, config)
    _, refusal = find_endpoint(api)[1].responses
    assert refusal.prop.get_type_string().as_unembedded_code() == "Error"


def test_a_request_of_no_component_may_use_names_of_the_generators(document, schemas, tmp_path):
    properties = {"d": {"type": "object", "properties": {"to_dict": {}}}, "input": {}}
    media = document["paths"][PATH][METHOD]["requestBody"]["content"]["application/json"]
    media["schema"] = {"type": "object", "properties": properties}
    config = configuration(tmp_path)
    api, _ = parse_for_generator(Terms(take(document).document, config).document, config)
    model = find_endpoint(api)[1].bodies[0].prop
    inner = next(each for each in model.optional_properties if each.name == "d_2")
    assert [each.python_name for each in model.optional_properties] == ["d_2", "input_"]
    assert [each.python_name for each in inner.optional_properties] == ["to_dict_2"]


def test_what_may_be_anything_is_named_as_the_document_names_it(document, schemas, tmp_path):
    schemas["Turns"] = {"type": "array", "items": {"$ref": f"{SCHEMAS}/Turns"}}
    schemas["Speech"]["properties"]["json"] = {"$ref": f"{SCHEMAS}/Turns"}
    config = configuration(tmp_path)
    terms = Terms(take(document).document, config)
    _, [missing] = parse_for_generator(terms.document, config, terms.wire_names)
    assert "`json`" in missing


def test_a_fault_of_a_default_is_named_by_its_own_line(document, properties):
    properties["fine"] = {"anyOf": [{"type": "integer", "maximum": 5}], "default": 5}
    properties["wrong"] = {"anyOf": [{"type": "integer", "maximum": 4}], "default": 5}
    with pytest.raises(DocumentError, match="not valid under any") as refused:
        take(document)
    before = json.dumps(document, indent=1).splitlines()[: refused.value.line]
    assert '"wrong"' in "".join(before)
    assert before[-1].strip() == '"default": 5'


def test_a_parameter_twice_is_refused_by_the_line_of_its_operation(document, speech):
    speech["parameters"] = [{"name": "a", "in": "query", "schema": {}} for _ in range(2)]
    with pytest.raises(DocumentError, match="Duplicate parameter") as refused:
        take(document)
    assert f'"{METHOD}"' in json.dumps(document, indent=1).splitlines()[refused.value.line - 1]


@pytest.mark.parametrize("more", [{"type": "null"}, {"type": "array", "items": {}}, {"not": {}}])
def test_what_else_a_request_may_be_takes_nothing_from_the_object(document, more):
    media = document["paths"][PATH][METHOD]["requestBody"]["content"]["application/json"]
    media["schema"] = {"oneOf": [media["schema"], more]}
    assert arguments_of(take(document).document)["input"]["required"]


def test_a_request_that_may_be_null_is_the_object_to_the_generator(document, schemas, tmp_path):
    schemas["Speech"]["type"] = ["object", "null"]
    assert "input" in types(document, tmp_path)


def test_a_link_that_gives_what_its_operation_does_not_take_is_left_aside(document, speech):
    paths = document["paths"]
    paths["/voices/{id}"]["get"]["operationId"] = "voice"
    links = {
        "known": {"operationId": "voice", "parameters": {"path.id": "$response.header.X-Voice"}},
        "wrong": {"operationRef": "#/paths/~1audio~1speech/post", "parameters": {"id": "a"}},
    }
    speech["responses"]["200"]["links"] = links
    taken = take(document)
    assert taken.document["paths"][PATH][METHOD]["responses"]["200"]["links"].keys() == {"known"}
    assert "wrong: gives id, which its operation does not take" in taken.warnings[0]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"exclusiveMaximum": 4, "maximum": 5}, {"maximum": 4, "exclusiveMaximum": True}),
        ({"exclusiveMinimum": 0, "minimum": 1}, {"minimum": 1, "exclusiveMinimum": False}),
    ],
)
def test_an_end_of_3_1_is_one_of_3_0_where_the_document_says_that(
    document, properties, written, read
):
    document["openapi"] = "3.0.3"
    properties["pitch"] = {"type": "number", **written}
    assert request_properties(take(document).document)[0]["pitch"] == {"type": "number", **read}


def test_a_part_that_takes_no_other_properties_takes_those_of_the_others(document, properties):
    name, calm = {"type": "string"}, {"type": "object", "properties": {"calm": {"type": "number"}}}
    document["components"]["schemas"]["Base"] = {
        "type": "object",
        "properties": {"name": name},
        "additionalProperties": False,
    }
    base = {"$ref": f"{SCHEMAS}/Base"}
    properties["joined"] = {"allOf": [base, calm]}
    properties["either"] = {**calm, "oneOf": [base, {"required": ["other"]}]}
    properties["closed"] = {**calm, "allOf": [base], "additionalProperties": False}
    properties["alone"] = {"allOf": [base]}
    known = validate(document, b"").document
    validator = Draft202012Validator({**known, "$ref": f"{SCHEMAS}/Speech"})
    for each in ("joined", "either", "closed"):
        assert validator.is_valid({"input": "", each: {"name": "a", "calm": 1}})
    for each in ("joined", "closed", "alone"):
        assert not validator.is_valid({"input": "", each: {"name": "a", "other": 1}})
    assert known["components"]["schemas"]["Base"]["properties"] == {"name": name}
    assert sum("takes no properties of the others" in it for it in take(document).warnings) == 3


def test_a_schema_in_the_place_of_what_holds_one_is_taken_as_held(document, speech, schemas):
    error = {"$ref": f"{SCHEMAS}/Error"}
    speech["responses"] |= {
        "400": {"description": "No", "content": {"application/json": error}},
        "404": error,
    }
    content = {"type": "array", "items": error}
    schemas["Speech"]["properties"] |= {"content": content, "responses": content}
    taken = take(document)
    responses = taken.document["paths"][PATH][METHOD]["responses"]
    for status in ("400", "404"):
        assert responses[status]["content"] == {"application/json": {"schema": error}}
        assert any(f"{status}: points at a schema" in each for each in taken.warnings)
    assert request_properties(taken.document)[0]["content"] == content


@pytest.mark.parametrize(
    ("success", "given", "format_"),
    [
        (AUDIO, {}, "mp3"),
        (WAV, {}, "wav"),
        (AUDIO, {"response_format": {"type": "string", "default": "opus"}}, "opus"),
        (AUDIO | {"content": AUDIO["content"] | WAV["content"]}, {}, "pcm"),
        (SILENT, {}, "pcm"),
    ],
)
def test_what_comes_unasked_is_the_default_or_what_every_success_is(
    document, speech, schemas, tmp_path, success, given, format_
):
    speech["responses"]["200"] = deepcopy(success)
    schemas["Speech"]["properties"] |= given
    taken, config = take(document).document, configuration(tmp_path)
    api, _ = parse_for_generator(Terms(taken, config).document, config)
    assert f"DEFAULT_RESPONSE_FORMAT = {format_!r}" in render_binding(taken, api, config, "a")


@pytest.mark.parametrize("place", [("responses",), ("requestBody", "content")])
def test_a_reference_in_the_place_of_parts_by_their_names_is_followed(document, speech, place):
    whole = deepcopy(speech)
    other = document["paths"]["/other"] = {METHOD: deepcopy(speech)}
    put(
        document,
        ("paths", PATH, METHOD, *place),
        {"$ref": pointer(("paths", "/other", METHOD, *place))},
    )
    other[METHOD]["operationId"] = "other"
    taken = take(document)
    found = taken.document["paths"][PATH][METHOD]
    assert found["responses"] == whole["responses"]
    assert found["requestBody"] == whole["requestBody"]
    assert sum("taken as what it points at" in each for each in taken.warnings) == 1


def with_a_key_twice(document, *, as_yaml):
    """Give the text of a document in which `said_again` is called `said`, as another is."""
    text = "\n".join(written_out(document)) if as_yaml else json.dumps(document, indent="\t")
    return re.sub(r"\bsaid_again\b", "said", text).encode()


def written_out(value, indent=0):
    for key, inner in value.items():
        space, name = " " * indent, json.dumps(key)
        if isinstance(inner, dict) and inner:
            yield f"{space}{name}:"
            yield from written_out(inner, indent + 1)
        else:
            yield f"{space}{name}: {json.dumps(inner)}"


@pytest.mark.parametrize("as_yaml", [True, False])
def test_of_a_key_that_stands_twice_elsewhere_the_last_is_taken_with_a_warning(
    document, schemas, as_yaml
):
    said = {"said": {"type": "string"}, "said_again": {"type": "integer"}}
    schemas["Other"] = {"type": "object", "properties": said}
    answer = {"content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}/Other"}}}}
    document["paths"]["/other"] = {"get": {"responses": {"200": {"description": "", **answer}}}}
    data = with_a_key_twice(document, as_yaml=as_yaml)
    taken = validate(parse(data), data)
    kept = taken.document["components"]["schemas"]["Other"]["properties"]
    assert kept == {"said": {"type": "integer"}}
    line = max(n for n, text in enumerate(data.splitlines(), 1) if b'"said"' in text)
    assert [each for each in taken.warnings if each.startswith(f"line {line}: ")]


@pytest.mark.parametrize("as_yaml", [True, False])
def test_a_key_of_ours_that_stands_twice_is_refused_by_its_line_unless_it_says_the_same(
    document, schemas, as_yaml
):
    properties = schemas["Speech"]["properties"]
    properties |= {"said": {"type": "string"}, "said_again": {"type": "integer"}}
    data = with_a_key_twice(document, as_yaml=as_yaml)
    line = max(n for n, text in enumerate(data.splitlines(), 1) if b'"said"' in text)
    with pytest.raises(DocumentError, match=f"line {line}: .*'said'"):
        validate(parse(data), data)
    properties["said_again"] = properties["said"]
    data = with_a_key_twice(document, as_yaml=as_yaml)
    assert any(each.startswith(f"line {line}: ") for each in validate(parse(data), data).warnings)


def test_what_is_wrong_around_a_link_or_an_answer_leaves_out_its_operation_alone(document, speech):
    other = document["paths"]["/voices/{id}"]["get"]
    other["operationId"] = "voice"
    other["parameters"] = [{"$ref": "#/components/parameters/Gone"}, "id"]
    other["responses"]["500"] = "no"
    link = {"operationId": "voice", "parameters": {"id": "a"}}
    speech["responses"]["200"]["links"] = {"voice": link}
    assert [*take(document).left_out] == ["GET /voices/{id}"]


def test_a_parameter_that_is_a_schema_is_refused_by_its_line(document, speech):
    document["components"]["parameters"] = {"Speed": {"$ref": f"{SCHEMAS}/Speech"}}
    speech["parameters"] = [{"$ref": "#/components/parameters/Speed"}]
    with pytest.raises(DocumentError, match="which is no parameter") as refused:
        take(document)
    assert "$ref" in json.dumps(document, indent=1).splitlines()[refused.value.line - 1]


@pytest.mark.parametrize("limit", [{"multipleOf": 0}, {"maxLength": "ten"}, {"enum": 5}])
def test_a_limit_that_is_none_is_refused_by_its_line_beside_a_default(document, properties, limit):
    properties["speed"] = {"type": ["integer", "string"], **limit, "default": 1}
    with pytest.raises(DocumentError) as refused:
        take(document)
    line = json.dumps(document, indent=1).splitlines()[refused.value.line - 1]
    assert next(iter(limit)) in line


def test_a_success_that_is_a_schema_is_no_audio(document, speech):
    speech["responses"]["200"] = {"$ref": f"{SCHEMAS}/Error"}
    with pytest.raises(DocumentError, match="no audio") as refused:
        take(document)
    assert refused.value.line


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "maximum": 1, "default": 5},
        {"type": "string", "enum": ["a"], "default": "b"},
        {"type": ["string", "null"], "minLength": 2, "default": "b"},
        {"type": "string", "format": "uuid", "default": ""},
        {"$ref": f"{SCHEMAS}/Pick", "default": "b"},
    ],
)
def test_a_default_that_is_no_value_is_dropped_whatever_is_wrong_with_it(
    document, properties, schemas, schema
):
    schemas["Pick"] = {"type": "str", "enum": ["a"]}
    properties["mood"] = schema
    taken = take(document)
    assert "default" not in request_properties(taken.document)[0]["mood"]
    assert any("mood: its default is no value of it" in each for each in taken.warnings)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"type": "file"}, {"type": "string"}),
        ({"type": "uuid"}, {"type": "string", "format": "uuid"}),
        ({"type": "any"}, {}),
        ({"type": "number", "minimum": "0.25"}, {"type": "number", "minimum": 0.25}),
        ({"type": "string", "maxLength": "20"}, {"type": "string", "maxLength": 20}),
    ],
)
def test_types_that_are_formats_and_limits_in_text_are_what_they_mean(
    document, properties, written, read
):
    properties["sample"] = written
    taken = take(document)
    assert request_properties(taken.document)[0]["sample"] == read
    assert "means" in taken.warnings[0]


def test_what_comes_after_a_query_in_a_servers_url_is_left_aside(document):
    document["servers"] = [{"url": "https://speech.example/v1?tenant=a#top"}]
    taken = take(document)
    assert server_urls(taken.document) == ["https://speech.example/v1"]
    assert "no path comes after a query" in taken.warnings[0]


def test_yaml_may_be_written_in_braces():
    assert parse(b'{openapi: 3.1.0, # as YAML\n paths: {"/a": {},},}') == {
        "openapi": "3.1.0",
        "paths": {"/a": {}},
    }


def test_bytes_of_any_type_are_told_as_such(document, speech):
    binary = {"schema": {"type": "string", "format": "binary"}}
    speech["responses"]["200"] = {"description": "Audio", "content": {"*/*": binary}}
    (told,) = take(document).warnings
    assert told.endswith("bytes of any type: taken as audio")
