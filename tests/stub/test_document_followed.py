"""The stub follows the document: change the document, and the stub changes."""

import copy
import json
import subprocess
import sys
import uuid
from email.utils import parsedate_to_datetime

import httpx
import pytest
import yaml

from modelgates_speech.stub import StubServer, create_app
from modelgates_speech.stub.document import load
from modelgates_speech.stub.schemas import FORMATS, absolute, problem
from tests.edition import Edition

from .conftest import BODY, connect


@pytest.fixture
def changed(document):
    return copy.deepcopy(document)


@pytest.fixture
def operation(changed):
    return changed["paths"]["/audio/speech"]["post"]


def call(document, method="POST", path="/audio/speech", **options):
    """One request to a stub that follows `document`."""
    options = {"json": BODY} | options if method == "POST" else options
    with StubServer(document=document) as stub, connect(stub) as http:
        return http.request(method, path, **options)


def test_the_server_and_the_path_are_the_documents(changed):
    changed["servers"] = [
        {
            "url": "https://{where}.example/v{version}/",
            "variables": {"where": {"default": "eu"}, "version": {"default": "2"}},
        },
    ]
    changed["paths"]["/speak"] = changed["paths"].pop("/audio/speech")

    with StubServer(document=changed) as stub, connect(stub) as http:
        assert stub.base_url == f"{stub.url}/v2"
        assert http.post("/speak", json=BODY).status_code == 200
        assert http.post("/audio/speech", json=BODY).status_code == 404


@pytest.mark.parametrize("name", ["sub-kind", "file.name", "$id", "1st", "id:int"])
def test_a_name_in_a_path_may_be_any(changed, name):
    done = {"200": {"description": "Done"}}
    changed["paths"][f"/kinds/{{{name}}}/{{{name}}}:run"] = {"get": {"responses": done}}

    assert call(changed, "GET", "/kinds/a-b/c:run").status_code == 200
    assert call(changed, "GET", "/kinds/a-b/c:stop").status_code == 404


@pytest.mark.parametrize(
    ("schema", "sample"),
    [
        ({"type": "string", "format": "date-time"}, "2026-01-02 03:04:05"),
        ({"type": "array", "items": {"type": "integer"}}, ["one"]),
    ],
)
def test_what_a_sample_has_wrong_is_not_sent(changed, schema, sample):
    """A sample of the OpenAPI document is answered with, but for what contradicts its schema."""
    properties = {"id": {"type": "string"}, "value": schema}
    answer = {"type": "object", "properties": properties, "example": {"id": "a", "value": sample}}
    content = {"application/json": {"schema": answer}}
    done = {"200": {"description": "Done", "content": content}}
    changed["paths"]["/kinds"] = {"get": {"responses": done}}

    given = call(changed, "GET", "/kinds").json()
    assert given["id"] == "a"
    assert load(changed).problem(answer, given) is None


@pytest.mark.parametrize(
    "schema",
    [
        # What one part requires is described in another, before it or after it.
        {"allOf": [{"properties": {"id": {"type": "string"}}}, {"required": ["id"]}]},
        {"allOf": [{"required": ["id"]}, {"properties": {"id": {"type": "string"}}}]},
        {"allOf": [{"properties": {"id": {"type": "string"}}}], "required": ["id"]},
        # One part says more of a property than the other.
        {
            "allOf": [
                {"required": ["kind"], "properties": {"kind": {"type": "string"}}},
                {"properties": {"kind": {"const": "cat"}}},
            ]
        },
        # A choice, and more said of it.
        {
            "allOf": [
                {"oneOf": [{"type": "string"}, {"type": "object"}]},
                {"not": {"type": "object"}},
            ]
        },
        # Short, and small.
        {
            "required": ["code", "count", "under"],
            "properties": {
                "code": {"type": "string", "maxLength": 2},
                "count": {"type": "integer", "exclusiveMinimum": 4},
                "under": {"type": "integer", "maximum": -1},
            },
        },
        # Of a pattern, as JavaScript has it, and in steps.
        {
            "required": ["id", "language", "price", "many"],
            "properties": {
                "id": {"type": "string", "pattern": r"^gen-(?<day>\d{8})-[\w-]{6,}$"},
                "language": {"type": "string", "pattern": "^[a-z]{2}(-[A-Z]{2})?$", "minLength": 5},
                "price": {"type": "string", "pattern": r"^\d+\.\d{2}$"},
                "many": {"type": "integer", "minimum": 3, "multipleOf": 5},
            },
        },
        # Between bounds, in order, each once.
        {
            "required": ["share", "steps", "pair"],
            "properties": {
                "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "steps": {
                    "type": "array",
                    "minItems": 2,
                    "uniqueItems": True,
                    "items": {"type": "integer"},
                },
                "pair": {
                    "type": "array",
                    "minItems": 2,
                    "prefixItems": [{"type": "string"}, {"type": "integer"}],
                },
            },
        },
        # In itself, as often as it likes.
        {
            "type": "object",
            "required": ["left", "right"],
            "properties": {
                name: {"type": "array", "items": {"$ref": "#/components/schemas/Joined"}}
                for name in ("left", "right")
            },
        },
        # In itself.
        {
            "type": "object",
            "required": ["child"],
            "properties": {
                "child": {"anyOf": [{"$ref": "#/components/schemas/Joined"}, {"type": "null"}]}
            },
        },
        # Of any depth.
        {
            "oneOf": [
                {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
                {"type": "array", "items": {"$ref": "#/components/schemas/Joined"}},
            ]
        },
    ],
)
def test_a_schema_that_is_made_of_others_is_answered_with_what_fits_it(changed, schema):
    changed["components"]["schemas"]["Joined"] = schema
    whole = {"$ref": "#/components/schemas/Joined"}
    content = {"application/json": {"schema": whole}}
    done = {"200": {"description": "Done", "content": content}}
    changed["paths"]["/kinds"] = {"get": {"responses": done}}

    given = call(changed, "GET", "/kinds").json()
    assert given is not None
    assert Edition(changed).allows(whole, given)


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        *((name, {"type": "string"}) for name in ("Transfer-Encoding", "Connection", "Date")),
        *((name, {"type": "string"}) for name in ("Content-Encoding", "Content-Type", "Upgrade")),
        ("Content-Length", {"type": "integer"}),
        *(("X-Price", {"const": value}) for value in ("5 \u20ac", "5\r\nX-Other: 6", " 5 ")),
    ],
)
@pytest.mark.parametrize("model", ["any/model", "stub/429"])
def test_a_header_of_the_document_spoils_no_answer(changed, operation, name, schema, model):
    plain = call(changed, json=BODY | {"model": model})
    for response in operation["responses"].values():
        response["headers"] = {name: {"required": True, "schema": schema}}
    answer = call(changed, json=BODY | {"model": model})

    assert (answer.status_code, answer.content) == (plain.status_code, plain.content)
    known = {*plain.headers, name.lower()}
    assert known >= {*answer.headers}


@pytest.mark.parametrize("servers", [[], None])
def test_without_a_server_the_paths_start_at_the_root(changed, servers):
    changed["servers"] = servers

    with StubServer(document=changed) as stub:
        assert stub.base_url == stub.url


def test_a_new_required_field_is_required(changed):
    schema = changed["components"]["schemas"]["SpeechRequest"]
    schema["properties"]["language"] = {"type": "string", "enum": ["en", "de"]}
    schema["required"].append("language")

    assert call(changed).status_code == 400
    assert call(changed, json=BODY | {"language": "fr"}).status_code == 400
    assert call(changed, json=BODY | {"language": "de"}).status_code == 200


def test_bounds_are_kept(changed):
    changed["components"]["schemas"]["SpeechRequest"]["properties"]["speed"] |= {"maximum": 2}

    assert call(changed, json=BODY | {"speed": 2.5}).status_code == 400


def test_the_default_format_is_taken_from_the_document(changed):
    changed["components"]["schemas"]["SpeechRequestResponseFormat"]["default"] = "mp3"

    assert call(changed).content == call(changed, json=BODY | {"response_format": "mp3"}).content


def test_wav_can_be_had_and_a_format_the_stub_has_not_comes_as_pcm(changed):
    formats = changed["components"]["schemas"]["SpeechRequestResponseFormat"]["enum"]
    formats += ["wav", "opus"]
    pcm, wav, opus = (
        call(changed, json=BODY | {"response_format": each}).content
        for each in ("pcm", "wav", "opus")
    )

    assert wav[:4] + wav[8:16] == b"RIFFWAVEfmt "
    assert wav[44:] == pcm
    assert opus == pcm


@pytest.mark.parametrize(
    ("declared", "pcm", "mp3"),
    [
        (["audio/mpeg", "audio/pcm"], "audio/pcm", "audio/mpeg"),
        (["audio/*"], "audio/pcm;rate=24000;channels=1", "audio/mpeg"),
        (["application/octet-stream", "audio/mpeg"], "application/octet-stream", "audio/mpeg"),
        (["audio/ogg"], "audio/ogg", "audio/ogg"),
        (["audio/L16 ; rate=24000", "audio/mpeg"], "audio/l16 ; rate=24000", "audio/mpeg"),
        (["audio/L16", "application/octet-stream"], *["application/octet-stream"] * 2),
        (["Audio/PCM;rate=24000", "audio/*"], "audio/pcm;rate=24000", "audio/mpeg"),
    ],
)
def test_the_content_type_is_the_documents_that_fits_best(changed, operation, declared, pcm, mp3):
    schema = {"type": "string", "format": "binary"}
    operation["responses"]["200"]["content"] = {kind: {"schema": schema} for kind in declared}

    answers = {
        each: call(changed, json=BODY | {"response_format": each}).headers["Content-Type"]
        for each in ("pcm", "mp3")
    }

    assert answers == {"pcm": pcm, "mp3": mp3}


@pytest.mark.parametrize(
    ("declared", "format_"), [("audio/mpeg", "mp3"), ("audio/x-wav", "wav"), ("audio/ogg", "pcm")]
)
def test_what_comes_unasked_is_of_the_documented_media_type(changed, operation, declared, format_):
    schema = {"type": "string", "format": "binary"}
    operation["responses"]["200"]["content"] = {declared: {"schema": schema}}
    changed["components"]["schemas"]["SpeechRequestResponseFormat"]["enum"].append("wav")
    asked = call(changed, json=BODY | {"response_format": format_}).content
    del changed["components"]["schemas"]["SpeechRequest"]["properties"]["response_format"]

    assert call(changed).content == asked


def test_an_error_of_which_little_is_described_says_what_was_wrong(changed):
    free = {"type": "object", "additionalProperties": True}
    changed["components"]["schemas"]["BadRequestResponse"] = {
        "type": "object",
        "required": ["error", "trace"],
        "properties": {"error": free, "trace": {"type": "string"}},
    }

    refused = call(changed, json={}).json()

    assert refused["error"]["code"] == 400
    assert refused["error"]["message"]
    assert refused["trace"]


@pytest.mark.parametrize(("kind", "code"), [("integer", 400), ("string", "400")])
def test_an_error_that_may_be_left_out_says_what_was_wrong(changed, kind, code):
    told = {"code": {"type": kind}, "message": {"type": "string"}}
    changed["components"]["schemas"]["BadRequestResponse"] = {
        "type": "object",
        "properties": {"error": {"type": "object", "properties": told}},
    }

    refused = call(changed, json={}).json()

    assert refused["error"]["code"] == code
    assert refused["error"]["message"]


def test_an_error_schema_with_other_fields_is_filled_in(changed):
    changed["components"]["schemas"]["BadRequestResponse"] = {
        "type": "object",
        "required": ["message", "code", "errors", "trace", "kind"],
        "properties": {
            "message": {"type": "string"},
            "code": {"type": "string", "enum": ["bad_request"]},
            "errors": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
            "trace": {
                "allOf": [
                    {
                        "type": "object",
                        "required": ["id"],
                        "properties": {"id": {"type": "string", "minLength": 10}},
                    }
                ]
            },
            "kind": {"type": ["string", "null"], "const": "refused"},
            "hint": {"type": "string"},
        },
    }

    refused = call(changed, json={})

    assert refused.status_code == 400
    assert refused.json() == {
        "message": "Invalid request: 'input' is a required property (at $)",
        "code": "bad_request",
        "errors": [0, 0],
        "trace": {"id": "exampleeee"},
        "kind": "refused",
    }


@pytest.mark.parametrize("place", ["operation", "document", "nowhere"])
def test_the_key_is_asked_for_where_the_parameter_is_gone(changed, operation, place):
    operation["parameters"] = []
    if place != "nowhere":
        (operation if place == "operation" else changed)["security"] = [{"apiKey": []}]
    assert call(changed, headers={"Authorization": ""}).status_code == 401
    assert call(changed).status_code == 200


@pytest.mark.parametrize("security", [[], [{"apiKey": []}, {}]])
def test_a_call_that_needs_no_key_is_still_refused_with_a_wrong_one(changed, operation, security):
    operation |= {"parameters": [], "security": security}
    with StubServer(document=changed) as stub, httpx.Client(base_url=stub.base_url) as http:
        assert http.post("/audio/speech", json=BODY).status_code == 200
        wrong = {"Authorization": "Bearer wrong"}
        assert http.post("/audio/speech", json=BODY, headers=wrong).status_code == 401


def test_one_right_key_of_several_is_enough(changed, operation):
    header = {"name": "X-Wallet", "in": "header"}
    changed["components"]["securitySchemes"]["wallet"] = {"type": "apiKey", **header}
    operation |= {"parameters": [header | {"schema": {}}], "security": [{"wallet": []}]}
    assert call(changed, headers={"X-Wallet": "signed"}).status_code == 200
    wrong = {"X-Wallet": "signed", "Authorization": "Bearer wrong"}
    assert call(changed, headers=wrong).status_code == 401


def test_an_empty_list_of_security_does_not_undo_a_parameter_that_asks_for_the_key(
    changed, operation
):
    asked = {"name": "Authorization", "in": "header", "required": True, "schema": {}}
    operation |= {"parameters": [asked], "security": []}
    with StubServer(document=changed) as stub, httpx.Client(base_url=stub.base_url) as http:
        assert http.post("/audio/speech", json=BODY).status_code == 401
    assert call(changed).status_code == 200


def test_a_key_in_a_header_of_its_own_is_asked_for_and_redacted(changed, operation):
    operation["parameters"] = []
    changed["components"]["securitySchemes"]["apiKey"] = {
        "type": "apiKey",
        "in": "header",
        "name": "X-Key",
    }
    operation["security"] = [{"apiKey": []}]

    with (
        StubServer(document=changed, api_key="the-key") as stub,
        httpx.Client(base_url=stub.base_url) as http,
    ):
        assert http.post("/audio/speech", json=BODY).status_code == 401
        assert http.post("/audio/speech", json=BODY, headers={"X-Key": "a"}).status_code == 401
        assert http.post("/audio/speech", json=BODY, headers={"X-Key": "the-key"}).is_success
        assert "the-key" not in str(stub.requests)


BARS = {"style": "pipeDelimited", "explode": False}
PARAMETERS = {
    "a list in a header": (
        {"in": "header", "schema": {"type": "array", "items": {"type": "integer"}, "minItems": 2}},
        [{"headers": {"p": "1,2"}}],
        [{"headers": {"p": "1"}}, {"headers": {"p": "1,two"}}],
    ),
    "a list by bars": (
        {"in": "query", "schema": {"type": "array", "items": {"type": "integer"}}} | BARS,
        [{"params": {"p": "1|2"}}],
        [{"params": {"p": "1|two"}}],
    ),
    "JSON in the query": (
        {"in": "query", "content": {"application/json": {"schema": {"required": ["a"]}}}},
        [{"params": {"p": '{"a": 1}'}}],
        [{"params": {"p": "{}"}}],
    ),
    "an object in a cookie": (
        {"in": "cookie", "schema": {"type": "object", "additionalProperties": {"enum": [1]}}},
        [{"headers": {"Cookie": "p=a,1"}}, {"headers": {"Cookie": "p="}}],
        [{"headers": {"Cookie": "p=a,2"}}],
    ),
    "an object in the query": (
        {"in": "query", "schema": {"type": "object", "properties": {"a": {"enum": [1]}}}},
        [{"params": {"p[a]": "1"}}, {"params": {"a": "1"}}],
        [{"params": {"p[a]": "2"}}, {"params": {"a": "2"}}],
    ),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_several_values_are_read_as_documents_write_them(changed, operation, name):
    parameter, good, bad = PARAMETERS[name]
    operation["parameters"] = [{"name": "p", **parameter}]
    assert [call(changed, **each).status_code for each in good] == [200] * len(good)
    assert [call(changed, **each).status_code for each in bad] == [400] * len(bad)


def test_parameters_are_checked(changed, operation):
    operation["parameters"] += [
        {"name": "X-Team", "in": "header", "required": True, "schema": {"enum": ["a", "b"]}},
        {"$ref": "#/components/parameters/Page"},
    ]
    changed["components"]["parameters"] = {
        "Page": {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1}}
    }

    assert call(changed).status_code == 400
    assert call(changed, headers={"X-Team": "c"}).status_code == 400
    assert call(changed, headers={"X-Team": "a"}).status_code == 200
    assert call(changed, headers={"X-Team": "a"}, params={"page": "0"}).status_code == 400
    assert call(changed, headers={"X-Team": "a"}, params={"page": "two"}).status_code == 400
    assert call(changed, headers={"X-Team": "a"}, params={"page": "2"}).status_code == 200


def test_a_new_operation_answers_with_an_example_of_its_schema(changed):
    changed["paths"]["/models/{id}"] = {
        "get": {
            "responses": {
                "200": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["id", "voices", "price"],
                                "properties": {
                                    "id": {"type": "string", "examples": ["a-model"]},
                                    "voices": {
                                        "type": "array",
                                        "items": {"type": "string"},
                                        "minItems": 1,
                                    },
                                    "price": {
                                        "anyOf": [
                                            {"type": "number", "minimum": 2},
                                            {"type": "null"},
                                        ]
                                    },
                                    "note": {"type": "string"},
                                },
                            }
                        }
                    }
                }
            }
        },
        "delete": {"responses": {"204": {"description": "Gone"}}},
    }

    found = call(changed, "GET", "/models/x")
    gone = call(changed, "DELETE", "/models/x")
    refused = call(changed, "PUT", "/models/x")

    assert (found.status_code, found.headers["Content-Type"]) == (200, "application/json")
    assert found.json() == {"id": "a-model", "voices": ["example"], "price": 2}
    assert (gone.status_code, gone.content) == (204, b"")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, DELETE")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 1},
        {"type": "string", "enum": ["kind", "brisk"]},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "string", "anyOf": [{"minLength": 2}]},
        {"allOf": [{"type": "string"}]},
    ],
)
@pytest.mark.parametrize(("nullable", "status"), [(True, 200), (False, 400)])
def test_what_may_be_null_in_words_of_openapi_3_0_may_be_null(changed, schema, nullable, status):
    media = changed["paths"]["/audio/speech"]["post"]["requestBody"]["content"]
    place = media["application/json"]["schema"]
    while "$ref" in place:
        place = changed["components"]["schemas"][place["$ref"].rpartition("/")[2]]
    place.setdefault("properties", {})["mood"] = {**schema, "nullable": nullable}

    assert call(changed, json={**BODY, "mood": None}).status_code == status
    assert call(changed, json={**BODY, "mood": "kind"}).status_code == 200
    assert call(changed, json={**BODY, "mood": []}).status_code == 400


def test_a_speed_in_percent_is_a_share_of_the_usual(changed):
    spoken = {"type": "integer", "minimum": 25, "maximum": 400, "default": 100}
    changed["components"]["schemas"]["SpeechRequest"]["properties"]["speed"] = spoken
    length = {
        speed: len(call(changed, json={**BODY, **speeds}).content)
        for speed, speeds in {None: {}, 100: {"speed": 100}, 200: {"speed": 200}}.items()
    }
    assert length[None] == length[100]
    assert length[200] < 0.6 * length[100]


def test_two_paths_may_differ_in_a_name_alone(changed):
    done = {"200": {"description": "Done"}}
    changed["paths"]["/voices/{id}"] = {"get": {"responses": done}}
    changed["paths"]["/voices/{name}"] = {"post": {"responses": done}}
    assert call(changed, "GET", "/voices/a").status_code == 200
    assert call(changed, "POST", "/voices/a").status_code == 200
    assert call(changed, "PUT", "/voices/a").headers["allow"] == "GET, POST"


def test_a_path_with_a_text_where_another_has_a_name_is_meant_for_every_method(changed):
    paths = {"/kinds/{id}": ["get", "put"], "/kinds/mine": ["get"], "/kinds/{id}:run": ["post"]}
    for path, methods in paths.items():
        header = {"required": True, "schema": {"const": path.strip("{/}")}}
        done = {"200": {"description": "Done", "headers": {"X-Path": header}}}
        changed["paths"][path] = {method: {"responses": done} for method in methods}
    assert call(changed, "GET", "/kinds/mine").headers["X-Path"] == "kinds/mine"
    assert call(changed, "GET", "/kinds/a").headers["X-Path"] == "kinds/{id"
    assert call(changed, "PUT", "/kinds/mine").headers["allow"] == "GET"
    assert call(changed, "GET", "/kinds/a:run").headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/openapi.json"])
def test_what_the_document_has_at_a_path_of_the_stubs_own_comes_first(changed, path):
    changed["servers"] = []
    changed["paths"][path] = {"get": {"responses": {"204": {"description": "Done"}}}}
    assert call(changed, "GET", path).status_code == 204


@pytest.mark.parametrize("name", ["a", "a%2Fb", "a%2fb", "%C3%A9", "100%25"])
def test_a_name_in_a_path_may_have_any_character(changed, name):
    answers = {"200": {"description": "A voice"}}
    changed["paths"]["/voices/{name}"] = {"get": {"responses": answers}}
    assert call(changed, "GET", f"/voices/{name}").status_code == 200


def test_the_document_may_be_a_file(changed, tmp_path):
    changed["servers"] = [{"url": "/elsewhere"}]
    as_json, as_yaml = tmp_path / "openapi.json", tmp_path / "openapi.yaml"
    as_json.write_text(json.dumps(changed), "utf-8")
    as_yaml.write_text(yaml.safe_dump(changed), "utf-8")

    for path in (as_json, str(as_yaml)):
        assert load(path).prefix == "/elsewhere"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("12:30:45", "12:30:45"),
        ("no", "no"),
        ("On", "On"),
        ("1_000", "1_000"),
        ("'7'", "7"),
        ("7", 7),
        ("-0.5e3", -500.0),
        ("true", True),
        ("null", None),
    ],
)
def test_yaml_is_read_as_openapi_has_it(changed, tmp_path, written, meant):
    path = tmp_path / "openapi.yaml"
    changed["info"]["title"] = "REPLACED"
    text = yaml.safe_dump(changed).replace("REPLACED", written)
    path.write_text(text, "utf-8-sig")

    assert load(path).contents["info"]["title"] == meant


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '"text"', '{"paths": 1}', "- a: {", '{"swagger": "2.0", "paths": {}}']
)
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_what_is_no_document_is_refused(tmp_path, text, suffix):
    path = tmp_path / f"openapi.{suffix}"
    path.write_text(text, "utf-8")

    with pytest.raises(ValueError, match=r"YAML|no paths|Expecting|Swagger 2.0"):
        StubServer(document=path)


@pytest.mark.anyio
async def test_the_application_can_be_called_in_process(changed, anyio_backend_name):
    app = create_app(changed)
    app.state.stub.fail_next(503)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://stub/api/v1",
        headers={"Authorization": f"Bearer {app.state.stub.api_key}"},
    ) as http:
        failed = await http.post("/audio/speech", json=BODY)
        spoken = await http.post("/audio/speech", json=BODY)

    assert (failed.status_code, spoken.status_code) == (503, 200)
    assert spoken.content == call(changed).content
    app.state.stub.assert_called(times=2)


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["reset", "cut"])
async def test_in_process_there_is_no_connection_to_end(changed, fault):
    app = create_app(changed)
    app.state.stub.fail_next(fault)
    headers = {"Authorization": f"Bearer {app.state.stub.api_key}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), headers=headers) as http:
        with pytest.raises(ConnectionResetError, match="StubServer"):
            await http.post("http://stub/api/v1/audio/speech", json=BODY)
    app.state.stub.assert_called(times=1)


@pytest.mark.parametrize(
    ("kind", "value", "status"),
    [("int32", 2**31 - 1, 200), ("int32", 2**31, 400), ("int64", -(2**63) - 1, 400)],
)
def test_a_number_is_as_large_as_its_format_has_room_for(changed, kind, value, status):
    properties = changed["components"]["schemas"]["SpeechRequest"]["properties"]
    properties["seed"] = {"type": "integer", "format": kind}

    assert call(changed, json=BODY | {"seed": value}).status_code == status


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("date-time", "2026-01-02T03:04:05.6+07:00", "2026-02-30T03:04:05Z"),
        ("date-time", "2026-12-31t23:59:60Z", "2026-01-02T03:04:05"),
        ("duration", "P1DT2H", "tomorrow"),
        ("duration", "P1Y2M3D", "P1Y3D"),
        ("email", "a@example.com", "example.com"),
        ("email", "a.b+c@example.com", "a@example-.com"),
        ("hostname", "a.example.com", "-a.example.com"),
        ("idn-email", "é@example.com", "é.@example.com"),
        ("idn-hostname", "é.example", "a_b"),
        ("iri", "https://example.com/é", "example"),
        ("iri-reference", "é", "a b"),
        ("json-pointer", "/a~1b", "a~b"),
        ("time", "23:59:60Z", "24:00:00Z"),
        ("uri", "https://example.com/?a=%20", "https://example.com/a b"),
        ("uri", "https://a@[::1]:80/?a", "https://a:b/"),
        ("uri-reference", "../a?b", "a b"),
        ("uri-reference", "", "1:a"),
        ("uri-template", "/a/{+b}{?c*,d:3}", "/a/{b"),
        ("uuid", "0c6ff3a4-1f5b-4cc1-9f67-64b9a3a1d1c4", "0c6ff3a4-1f5b-4cc1-9f67-64b9a3a1d1_4"),
    ],
)
def test_a_text_is_written_as_its_format_says(changed, kind, good, bad):
    properties = changed["components"]["schemas"]["SpeechRequest"]["properties"]
    properties["seed"] = {"type": "string", "format": kind}

    assert call(changed, json=BODY | {"seed": good}).status_code == 200
    assert call(changed, json=BODY | {"seed": bad}).status_code == 400


def test_a_text_of_each_format_can_be_made(changed):
    for kind in {*FORMATS.checkers} - {"int32", "int64"}:
        schema = {"type": "string", "format": kind}
        for sample in (load(changed).example(schema, {}), Edition(changed).sample(schema)):
            assert Edition(changed).allows(schema, sample), kind
            assert load(changed).problem(schema, sample) is None, kind


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\d+$", "12", "\u0661"),
        ("^[a-z]+$", "calm", "calm\n"),
        (r"^[\w.]+\$$", "a.b$", "é$"),
        ("^(?<tone>calm|glad)$", "glad", "sad"),
    ],
)
def test_a_pattern_is_read_as_javascript_has_it(changed, pattern, good, bad):
    properties = changed["components"]["schemas"]["SpeechRequest"]["properties"]
    properties["seed"] = {"type": "string", "pattern": pattern}

    assert call(changed, json=BODY | {"seed": good}).status_code == 200
    refused = call(changed, json=BODY | {"seed": bad})
    assert refused.status_code == 400
    assert pattern in refused.json()["error"]["message"].replace("\\\\", "\\")


@pytest.mark.parametrize(
    ("step", "good", "bad"), [(0.1, 0.3, 0.35), (0.25, 1.75, 1.8), (2, 10**300, 3)]
)
def test_a_number_in_steps_is_counted_as_it_is_written(changed, step, good, bad):
    properties = changed["components"]["schemas"]["SpeechRequest"]["properties"]
    properties["seed"] = {"type": "number", "multipleOf": step}

    assert call(changed, json=BODY | {"seed": good}).status_code == 200
    assert call(changed, json=BODY | {"seed": bad}).status_code == 400
    huge = json.dumps(BODY | {"seed": 0}).replace('"seed": 0', '"seed": 1e400')
    headers = {"Content-Type": "application/json"}
    assert call(changed, json=None, content=huge, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "said", [True, {}, {"description": "Any type"}, {"nullable": True}, {"example": 5}]
)
def test_values_of_which_nothing_is_asked_are_not_looked_at(said):
    class Names(dict):
        __iter__ = None

    class Values(list):
        __iter__ = None

    for keyword, plain, unread in (
        ("additionalProperties", {"a": 1}, Names(a=1)),
        ("items", [1], Values([1])),
    ):
        assert problem(absolute({keyword: said}), unread) is None
        for asked in (False, {"type": "string"}, {"type": "string", "nullable": True}):
            assert problem(absolute({keyword: asked}), plain)


def test_an_error_is_the_same_bytes_in_every_run(document, environment, tmp_path):
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    program = f"""if True:
        from modelgates_speech.stub.document import load
        document = load({str(path)!r})
        print(document.error(document.operations[0], 429, message="Wait"))
    """
    runs = (
        subprocess.run(
            [sys.executable, "-c", program],
            env=environment | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        for seed in "1234"
    )
    assert len({run.stdout for run in runs}) == 1


@pytest.mark.parametrize("kind", ["text/plain", "text/csv", "text/event-stream"])
def test_an_answer_of_text_is_a_text(changed, kind):
    content = {kind: {"schema": {"type": "string"}, "example": "a,b"}}
    done = {"200": {"description": "Done", "content": content}}
    changed["paths"]["/kinds"] = {"get": {"responses": done}}

    given = call(changed, "GET", "/kinds")
    assert given.headers["Content-Type"].startswith(kind)
    assert "a,b" in given.text


def test_where_an_answer_is_json_or_a_feed_no_audio_comes(changed):
    """Lists of models can be had as RSS, too; who does not ask for it reads JSON."""
    models = {"schema": {"type": "array", "items": {}}}
    feed = {"schema": {"type": "string"}, "example": "<rss/>"}
    content = {"application/json": models, "application/rss+xml": feed}
    done = {"200": {"description": "Done", "content": content}}
    alone = {"200": {"description": "Done", "content": {"application/rss+xml": feed}}}
    changed["paths"] |= {"/models": {"get": {"responses": done}}}
    changed["paths"] |= {"/feed": {"get": {"responses": alone}}}

    assert call(changed, "GET", "/models").json() == []
    assert call(changed, "GET", "/feed").text == "<rss/>"


def test_what_is_no_speech_is_answered_as_is_documented_first(changed):
    """What was spoken before can be fetched: as JSON while it is not done, else as audio."""
    state = {"type": "object", "required": ["done"], "properties": {"done": {"type": "boolean"}}}
    content = {"application/json": {"schema": state}, "audio/mpeg": {"schema": {}}}
    done = {"200": {"description": "Done", "content": content}}
    changed["paths"] |= {"/spoken": {"get": {"responses": done}}}

    assert "done" in call(changed, "GET", "/spoken").json()


def test_a_body_is_of_the_types_that_a_range_has(changed):
    text = {"schema": {"type": "string"}}
    kinds = {
        "audio/*": {"schema": {}},
        "text/plain; charset=utf-8": text,
        "application/jsonl": text,
    }
    body = {"required": True, "content": kinds}
    done = {"200": {"description": "Done"}}
    changed["paths"]["/kinds"] = {"post": {"requestBody": body, "responses": done}}
    asked = {"audio/wav": 200, "text/plain": 200, "application/jsonl": 200, "image/png": 400}
    for kind, status in asked.items():
        headers = {"Content-Type": kind}
        sent = call(changed, path="/kinds", json=None, content=b"RIFF", headers=headers)
        assert sent.status_code == status


@pytest.mark.parametrize(
    "broken",
    [
        {"/kinds": {"$ref": "#/paths/~1kinds"}},
        {"/kinds": {"$ref": "other.yaml#/kinds"}},
        {"/kinds": {"get": {"responses": {"200": None}}}},
    ],
)
def test_a_document_that_cannot_be_followed_is_refused(changed, tmp_path, broken):
    changed["paths"] |= broken
    (tmp_path / "document.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match=r"."):
        load(tmp_path / "document.json")


def test_the_name_of_an_answer_is_as_the_document_says(changed, operation):
    [status] = [status for status in operation["responses"] if str(status)[0] == "2"]
    named = {"x-request-ID": {"schema": {"type": "string", "format": "uuid"}}}
    operation["responses"][status]["headers"] = named

    uuid.UUID(call(changed).headers["X-Request-Id"])


def test_an_object_of_nothing_need_not_be_seen_in_a_query(changed):
    known = {"type": "object", "properties": {"page": {"type": "integer"}}}
    asked = {"name": "pageable", "in": "query", "required": True, "schema": known}
    done = {"200": {"description": "Done"}}
    changed["paths"]["/pages"] = {"get": {"parameters": [asked], "responses": done}}

    assert call(changed, "GET", "/pages").status_code == 200
    known["required"] = ["page"]
    assert call(changed, "GET", "/pages").status_code == 400


def test_an_answer_of_any_type_that_is_an_object_is_json(changed):
    answer = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    done = {"200": {"description": "Done", "content": {"*/*": {"schema": answer}}}}
    changed["paths"]["/kinds"] = {"get": {"responses": done}}

    given = call(changed, "GET", "/kinds")
    assert given.headers["content-type"] == "application/json"
    assert load(changed).problem(answer, given.json()) is None


def test_what_a_publisher_says_for_itself_is_passed_over(changed, operation):
    changed["paths"]["x-groups"] = "audio"
    operation["responses"]["x-since"] = "2025"

    assert call(changed).status_code == 200


@pytest.fixture
def anyio_backend():
    return "asyncio"


def test_a_text_that_is_not_called_input_is_spoken(changed):
    schema = changed["components"]["schemas"]["SpeechRequest"]
    schema["properties"]["id"] = {"type": "string", "format": "uuid"}
    schema["properties"]["text"] = schema["properties"].pop("input")
    schema["required"] = ["id", "text", "model", "voice"]
    asked = {"id": f"{uuid.UUID(int=0)}", "text": "One. Two.", "model": "m", "voice": "v"}

    with StubServer(document=changed) as stub, connect(stub) as http:
        long = http.post("/audio/speech", json=asked)
        short = http.post("/audio/speech", json=asked | {"text": "One."})
    assert len(long.content) > len(short.content) > 0


def test_tests_know_the_text_the_bounds_and_what_fits_nothing(changed):
    schema = changed["components"]["schemas"]["SpeechRequest"]
    assert Edition(changed).text == "input"
    schema["properties"]["text"] = schema["properties"].pop("input")
    schema["required"] = ["text", "model", "voice"]
    schema["properties"]["never"] = {"not": {}}
    schema["properties"]["nor"] = False
    schema["properties"]["neither"] = {"type": "string", "minLength": 5, "maxLength": 2}
    schema["properties"]["speed"] = {"type": "number", "maximum": 4, "exclusiveMaximum": True}
    edition = Edition(changed)

    assert edition.text == "text"
    assert edition.body["text"] == "Hello. And again."
    impossible = {name for name in edition.properties if edition.is_impossible(name)}
    assert impossible == {"never", "nor", "neither"}
    speed = edition.properties["speed"]
    assert (edition.allows(speed, 3.9), edition.allows(speed, 4)) == (True, False)


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("Retry-After", float),
        ("X-RateLimit-Remaining", int),
        ("Location", httpx.URL),
        ("Last-Modified", parsedate_to_datetime),
    ],
)
@pytest.mark.parametrize("schema", [{}, {"type": "string"}, {"type": ["string", "null"]}])
def test_a_header_that_programs_read_holds_what_they_can_read(
    changed, operation, name, reads, schema
):
    for response in operation["responses"].values():
        response["headers"] = {name: {"required": True, "schema": schema}}

    for model in ("any/model", "stub/429"):
        value = call(changed, json=BODY | {"model": model}).headers[name]
        assert reads(value) is not None
        assert value != "example"


@pytest.mark.parametrize("said", [{"example": "120"}, {"schema": {"examples": ["120"]}}])
def test_a_header_holds_what_the_document_has_as_its_sample(changed, operation, said):
    for response in operation["responses"].values():
        header = {"required": True, "schema": {"type": "string"}} | said
        response["headers"] = {"Retry-After": header}

    assert call(changed, json=BODY | {"model": "stub/503"}).headers["Retry-After"] == "120"


def test_which_pages_may_read_an_answer_is_not_for_a_document_to_say(changed, operation):
    open_to_all = {"required": True, "schema": {"type": "string"}, "example": "*"}
    for response in operation["responses"].values():
        response["headers"] = {"Access-Control-Allow-Origin": open_to_all}

    for model in ("any/model", "stub/429"):
        headers = {"Origin": "https://elsewhere.example"}
        answer = call(changed, json=BODY | {"model": model}, headers=headers)
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "text/event-stream"])
def test_a_text_says_in_which_encoding_it_is(changed, operation, kind):
    """Programs take what does not say so for Latin-1."""
    said = {kind: {"schema": {"type": "string"}, "example": "Grüße"}}
    changed["paths"]["/kinds"] = {"get": {"responses": {"200": {"content": said}}}}
    operation["responses"] = {"200": operation["responses"]["200"], "4XX": {"content": said}}

    with StubServer(document=changed) as stub, connect(stub) as http:
        stub.fail_next(429, message="Grüße")
        stub.fail_next(502, body="<h1>Grüße</h1>", content_type=kind)
        told = http.post("/audio/speech", json=BODY), http.post("/audio/speech", json=BODY)
        for answer in (http.get("/kinds"), *told):
            assert answer.headers["Content-Type"].lower().replace(" ", "").startswith(kind)
            assert answer.charset_encoding == "utf-8"
            assert "Grüße" in answer.text
