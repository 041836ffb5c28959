"""A complete document of a publisher, wrong in parts that are not ours, is taken for ours."""

import json
import re
import subprocess
import sys

USE = """
import json
from modelgates_api.api.voices import get_voice, list_voices
from modelgates_api.api.chat import stream_chat
from modelgates_speech import ModelGates
from modelgates_speech.stub import StubServer

with StubServer() as stub, ModelGates(base_url=stub.base_url, api_key=stub.api_key) as client:
    voices = client.call(list_voices)
    voice = client.call(get_voice, voice_id="a/b")
    events = client.call(stream_chat)
    print(json.dumps({
        "voices": [voice.to_dict() for voice in voices],
        "voice": voice.to_dict(),
        "events": events,
        "paths": [request.path for request in stub.requests],
    }))
"""
VOICE = {"$ref": "#/components/schemas/Voice"}
ITEMS = {"type": "array", "items": {"type": "string"}}


def answering(schema, media_type="application/json"):
    return {"200": {"description": "Done", "content": {media_type: {"schema": schema}}}}


def endpoint(name, tag, schema, **more):
    return {"operationId": name, "tags": [tag], "responses": answering(schema), **more}


def grown(document):
    """Add what a publisher has beside speech: fifty endpoints, some of them wrong."""
    paths, schemas = document["paths"], document["components"]["schemas"]
    example = [{"id": "a", "labels": ["warm"]}]
    paths["/voices"] = {"get": endpoint("list-voices", "voices", {"type": "array", "items": VOICE})}
    paths["/voices"]["get"]["responses"]["200"]["content"]["application/json"]["example"] = example
    paths["/voices/{voice_id}"] = {
        "parameters": [
            {"name": "voice_id", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "get": endpoint("get-voice", "voices", VOICE),
    }
    schemas["Voice"] = {
        "type": "object",
        "required": ["id", "id"],
        "properties": {"id": {"type": "string"}, "labels": ITEMS},
    }
    # What a publisher says for itself, and bodies of kinds that no client need send.
    paths["x-groups"] = "voices, chat"
    speech = paths["/audio/speech"]["post"]
    speech["responses"]["x-since"] = "2025"
    text = {"schema": {"type": "string"}}
    speech["requestBody"]["content"] |= {"text/plain": text, "application/ssml+xml": text}
    # An error that is of the one kind of a common one.
    told = {
        "type": "object",
        "properties": {"kind": {"type": "string"}, "code": {"type": "integer"}},
    }
    schemas["Told"] = told
    only = {"properties": {"kind": {"const": "conflict"}, "code": {"const": 409}}}
    content = {
        "application/json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Told"}, only]}}
    }
    speech["responses"]["409"] = {"description": "Conflict", "content": content}
    event = {"type": "object", "properties": {"data": {"type": "string"}}}
    paths["/chat"] = {
        "post": {
            "operationId": "stream-chat",
            "tags": ["chat"],
            "responses": answering(event, "text/event-stream"),
        }
    }
    for number in range(45):
        thing = {
            "type": "object",
            "properties": {"id": {"type": "string"}, "n": {"type": "integer"}},
        }
        schemas[f"Thing{number}"] = thing
        reference = {"$ref": f"#/components/schemas/Thing{number}"}
        paths[f"/things/{number}"] = {"get": endpoint(f"get-thing-{number}", "things", reference)}
    # Valid, and seldom tried: a name with a hyphen, a type that a property tells, an answer
    # that may fit one of two and fits both, a call that the server makes.
    kind = {"name": "sub-kind", "in": "path", "required": True, "schema": {"type": "string"}}
    paths["/kinds/{sub-kind}"] = {"get": endpoint("get-kind", "kinds", VOICE, parameters=[kind])}
    schemas["Cat"] = {"type": "object", "properties": {"kind": {"type": "string"}}}
    schemas["Pet"] = {
        "type": "object",
        "properties": {"kind": {"type": "string"}},
        "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat"}},
    }
    paths["/pets"] = {"get": endpoint("get-pet", "kinds", {"$ref": "#/components/schemas/Pet"})}
    # A discriminator whose values are not the names of the schemas, without a mapping.
    schemas |= {
        name: {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"type": "string", "const": value}},
        }
        for name, value in (("OpenState", "open"), ("ClosedState", "closed"))
    }
    states = [{"$ref": f"#/components/schemas/{name}"} for name in ("OpenState", "ClosedState")]
    state = {"oneOf": states, "discriminator": {"propertyName": "kind"}}
    paths["/state"] = {"get": endpoint("get-state", "kinds", state)}
    either = {"oneOf": [{"type": "object"}, {"type": "object"}]}
    paths["/either"] = {"get": endpoint("get-either", "kinds", either)}
    schemas["Done"] = {"type": "object", "properties": {"id": {"type": "string"}}}
    told = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Done"}}}}
    event = {"post": {"requestBody": told, "responses": {"200": {"description": "Thanks"}}}}
    document["webhooks"] = {"done": event}
    # Wrong, and plain: null as the default of what may not be null.
    name = {"type": "string", "enum": ["a"]}
    schemas["Lone"] = {"default": None, "oneOf": [name, {"$ref": "#/components/schemas/Cat"}]}
    paths["/lone"] = {"get": endpoint("get-lone", "kinds", {"$ref": "#/components/schemas/Lone"})}
    # A word of OpenAPI 3.0, beside whatever it may stand beside.
    done = {"$ref": "#/components/schemas/Done"}
    kinds = [name, {"oneOf": [name, done]}, {"anyOf": [name, done]}, done, {"allOf": [done]}, {}]
    kinds.append({"type": "string", "anyOf": [{"minLength": 2}]})
    schemas["Joint"] = {
        "type": "object",
        "required": [f"part{n}" for n, _ in enumerate(kinds)],
        "properties": {f"part{n}": kind | {"nullable": True} for n, kind in enumerate(kinds)},
        "example": {f"part{n}": None for n, _ in enumerate(kinds)},
    }
    joint = {"$ref": "#/components/schemas/Joint"}
    paths["/joint"] = {"get": endpoint("get-joint", "kinds", joint)}
    # Fit to be called with a body alone, which may be one of two.
    asked = endpoint("ask-lone", "kinds", VOICE)
    media = {"schema": {"$ref": "#/components/schemas/Done"}}
    bodies = {"application/json": media, "multipart/form-data": media}
    paths["/lone"]["post"] = asked | {"requestBody": {"required": True, "content": bodies}}
    # Wrong: a reference to nothing, a type that there is not, a bound of OpenAPI 3.0.
    paths["/lost"] = {"get": endpoint("lost", "wrong", {"$ref": "#/components/schemas/Gone"})}
    lost = {"$ref": "#/components/schemas/Gone"}
    part = {"type": "object", "required": ["part"], "properties": {"part": lost}}
    paths["/lost-part"] = {"get": endpoint("lost-part", "wrong", part), "put": None}
    paths["/strin"] = {"get": endpoint("strin", "wrong", {"type": "strin"})}
    bound = {"name": "n", "in": "query", "schema": {"type": "integer", "exclusiveMinimum": True}}
    paths["/bound"] = {"get": endpoint("bound", "wrong", ITEMS, parameters=[bound])}
    # Valid, and more than the generator can write with its types right.
    schemas["Odd"] = {
        "type": "object",
        "properties": {
            "n": {"anyOf": [ITEMS, {"type": "array", "prefixItems": [VOICE], "items": VOICE}]}
        },
    }
    schemas["Odder"] = schemas["Odd"]
    # The generator writes no code that would read this answer, but the component's all the same.
    odder = endpoint("odder", "wrong", {"$ref": "#/components/schemas/Odder"})
    odder["responses"]["200"]["content"] = {
        "application/cbor": odder["responses"]["200"]["content"]["application/json"]
    }
    paths["/odder"] = {"get": odder}
    paths["/odd"] = {"get": endpoint("odd", "wrong", {"$ref": "#/components/schemas/Odd"})}


def test_ours_is_taken_the_rest_is_usable_and_what_is_left_out_is_named(
    whole_tree, document, write
):
    grown(document)
    code, report = whole_tree.update(write(document))
    assert (code, report["outcome"], report["error"]) == (0, "applied", "")
    assert report["rating"] == "compatible"
    left_out = " ".join(report["left_out"])
    assert "GET /lost: line" in left_out
    assert "GET /strin: line" in left_out
    assert "GET /lost-part: line" in left_out
    assert "GET /odd: its code would not type-check" in left_out
    assert "GET /odder: part of its code would not type-check" in left_out
    warnings = " ".join(report["warnings"])
    [nullable] = [warning for warning in report["warnings"] if "`nullable`" in warning]
    assert re.match(r"lines \d+(, \d+){2} and 4 more: ", nullable)
    for mended in ("exclusiveMinimum", "has a value twice", "default null", "says nothing"):
        assert mended in warnings
    for operation in (
        "GET /voices",
        "POST /chat",
        "GET /things/7",
        "GET /bound",
        "GET /kinds",
        " /lone",
        "/joint",
    ):
        assert operation not in left_out
    paths = [str(whole_tree.root / folder) for folder in ("src", "generated")]
    script = f"import sys; sys.path[:0] = {paths!r}\n{USE}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["voices"] == [{"id": "a", "labels": ["warm"]}]
    assert seen["voice"].keys() >= {"id"}
    assert isinstance(seen["events"], str)
    assert seen["paths"][1].endswith("/voices/a%2Fb") or seen["paths"][1].endswith("/voices/a/b")
    # What was left out stays so for whoever generates next.
    code, _, drift = whole_tree.run("scripts.drift")
    assert (code, drift) == (0, "")


def test_a_list_of_operations_keeps_a_large_document_small(tree, document, write):
    grown(document)
    scope = tree.root / "generator-scope.yaml"
    text = scope.read_text("utf-8").replace("operations: all", "operations: [GET /voices]")
    scope.write_text(text, "utf-8")
    code, report = tree.update(write(document))
    assert (code, report["outcome"]) == (0, "applied"), report["error"]
    package = tree.root / "generated" / "modelgates_api"
    tags = {path.name for path in (package / "api").iterdir() if path.is_dir()}
    assert "voices" in tags
    assert not {"things", "chat", "wrong"} & tags
    assert "operations: [GET /voices]" in scope.read_text("utf-8")
