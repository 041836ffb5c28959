"""What the stub refuses, how, and what it must not refuse."""

import json
import socket

import httpx
import jsonschema_rs
import pytest

from .conftest import BODY, connect

VALID = json.dumps(BODY).encode()


@pytest.fixture
def documented(document):
    """Judge an error by the document, with another validator than the stub's own."""

    def documented(response, status):
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/json"
        responses = document["paths"]["/audio/speech"]["post"]["responses"]
        # Statuses outside the document come in the shape of a documented one.
        content = responses.get(str(status), responses["400"])["content"]["application/json"]
        schema = {**content["schema"], "components": document["components"]}
        error = response.json()
        assert jsonschema_rs.validator_for(schema).is_valid(error)
        assert error["error"]["code"] == status
        return error["error"]["message"]

    return documented


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"input": "a"} {}', "not JSON"),
        (b"{'input': 'a'}", "not JSON"),
        (b"\xef\xbb\xbf" + VALID, "not JSON"),
        (VALID.replace(b'"a-model"', b"NaN"), "NaN"),
        (VALID.replace(b'"a-model"', b"-Infinity"), "-Infinity"),
        (VALID.replace(b"{", b'{"input": "b", ', 1), "twice"),
        (json.dumps({f"k{n}": n for n in range(40_000)})[:-1] + ', "k39999": 2}', "twice"),
        (VALID.replace(b"Hello", b"\xff\xfe"), "UTF-8"),
        (VALID.replace(b"Hello", b"\xed\xa0\x80"), "UTF-8"),
        (VALID.decode().encode("utf-16"), "UTF-8"),
        (VALID.replace(b"Hello", rb"\ud800"), "surrogate"),
        (VALID.replace(b'"input"', rb'"\udfff": 1, "input"'), "surrogate"),
        (b"[" * 10_000, "deep"),
        (VALID.replace(b"{", b'{"x": %b, ' % (b"[" * 200 + b"]" * 200), 1), "deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deep"),
        (VALID.replace(b"{", b'{"x": [%b0], ' % (b"0," * 100_000), 1), "values"),
        (json.dumps(BODY | {f"k{n}": "" for n in range(101_000)}), "values"),
        (json.dumps(BODY | {"x": [""] * 500_000}), "values"),
        (b'{"x": "%b' % (b'\\"' * 200_000), "not JSON"),
        (b" " * (17 << 20), "larger"),
    ],
)
def test_what_is_not_json_is_400(send, documented, content, says):
    assert says in documented(send(content), 400)


@pytest.mark.parametrize(
    "changed",
    [
        {"input": None},
        {"model": None},
        {"voice": None},
        {"input": 5},
        {"input": ["Hello"]},
        {"model": True},
        {"voice": {}},
        {"speed": "1"},
        {"speed": True},
        {"response_format": "PCM"},
        {"response_format": "opus"},
        {"provider": "openai"},
        {"provider": {"options": []}},
        {"provider": {"options": {"openai": "calm"}}},
    ],
)
def test_what_breaks_the_schema_is_400(speak, documented, changed):
    documented(speak(**changed), 400)


def test_the_message_says_what_is_wrong_and_where(speak, documented):
    refused = speak(speed="fast")

    assert documented(refused, 400) == (
        "Invalid request: \"fast\" is not of type 'number' (at $.speed)"
    )
    assert refused.json()["error"]["metadata"] == {"path": "$.speed"}


@pytest.mark.parametrize("value", [b"null", b"[]", b'"text"', b"1", b"true"])
def test_json_that_is_no_object_is_400(send, documented, value):
    documented(send(value), 400)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/problem+json",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=nonsense",
        "application/json; charset=utf-8; charset=utf-16",
    ],
)
def test_another_content_type_is_400(send, documented, content_type):
    documented(send(VALID, content_type), 400)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json ; v=1",
        'application/json; profile="a;charset=x"',
        "application/json; charset=us-ascii",
        "application/json; charset=ASCII",
        "application/json; charset=UTF_8",
    ],
)
def test_the_same_content_type_written_otherwise_is_accepted(send, content_type):
    assert send(VALID, content_type).status_code == 200


@pytest.mark.parametrize("encoding", ["", "Identity", "identity, identity"])
def test_a_body_that_is_said_to_be_as_it_is_is_accepted(send, encoding):
    assert send(VALID, **{"Content-Encoding": encoding}).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"input": ""},
        {"input": "\x00\x07"},
        {"voice": ""},
        {"model": ""},
        {"speed": 0},
        {"speed": -7},
        {"speed": 1e308},
        {"unknown": {"deep": [1, 2]}},
        {"provider": {}},
        {"provider": {"options": {"openai": {"instructions": "calm"}, "nobody-knows": {}}}},
    ],
)
def test_whatever_the_document_allows_is_accepted(speak, changed):
    answer = speak(**changed)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert len(answer.content) > 0


@pytest.mark.parametrize("digits", ["1e400", "9" * 5000])
def test_a_number_that_no_machine_holds_is_still_a_number(send, digits):
    assert send(VALID.replace(b"{", b'{"speed": %b, ' % digits.encode(), 1)).status_code == 200


def test_a_body_left_out_is_accepted_as_the_document_does_not_require_it(send):
    assert send(b"", None).status_code == 200


def test_nesting_that_a_person_might_write_is_accepted(send):
    options = b'{"a":' * 50 + b"1" + b"}" * 50
    body = VALID.replace(b"{", b'{"provider": {"options": {"openai": %b}}, ' % options, 1)

    assert send(body).status_code == 200


def test_a_text_is_one_value_whatever_is_written_in_it(http):
    body = BODY | {"input": '{"a": [1, ' * 40_000}
    # That it is accepted is known long before all of it is spoken.
    with http.stream("POST", "/audio/speech", json=body) as answer:
        assert answer.status_code == 200


def test_what_is_accepted_can_be_looked_at_however_deep_it_is(send, stub):
    body = VALID.replace(b"{", b'{"x": %b, ' % (b"[" * 199 + b"]" * 199), 1)

    assert send(body).status_code == 200
    assert httpx.get(f"{stub.url}/_stub/requests").status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        "",
        "Bearer",
        "stub-key",
        "Basic c3R1Yjprc2V5",
        "Token stub-key",
        "Bearerstub-key",
        "Bearer another-key",
        "Bearer stub-key x",
        "Bearer stub-key, Bearer stub-key",
        "Bearer Bearer stub-key",
        "Bearer STUB-KEY",
        "Bearer \xfc",
    ],
)
def test_missing_malformed_and_wrong_credentials_are_401(stub, documented, credentials):
    headers = {} if credentials is None else {"Authorization": credentials.encode("latin-1")}
    with connect(stub) as http:
        del http.headers["Authorization"]
        # The body is wrong as well: whether one may call at all comes first.
        refused = http.post("/audio/speech", content=b"{", headers=headers)

    documented(refused, 401)
    assert refused.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_may_be_written_in_any_case(send, scheme):
    assert send(VALID, Authorization=f"{scheme} stub-key").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_another_method_is_405_and_says_which_is_allowed(http, documented, method):
    refused = http.request(method, "/audio/speech")

    assert refused.status_code == 405
    assert refused.headers["Allow"] == "POST"
    if method == "HEAD":
        assert refused.content == b""
    else:
        documented(refused, 405)


@pytest.mark.parametrize("path", ["/speech", "/audio/speech/", "/audio//speech", "/audio/speechx"])
def test_another_path_is_404_and_says_which_there_are(http, documented, path):
    assert "/api/v1/audio/speech" in documented(http.post(path, json=BODY), 404)


def test_answers_carry_a_request_id_of_their_own(speak):
    answers = [speak(), speak(), speak(speed="x"), speak(model="stub/500")]

    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 4


def test_a_client_that_leaves_in_the_middle_of_its_request_does_no_harm(stub, speak, caplog):
    host, port = stub.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as left:
        left.sendall(
            b"POST /api/v1/audio/speech HTTP/1.1\r\nHost: stub\r\n"
            b"Authorization: Bearer stub-key\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        )

    assert speak().status_code == 200
    assert caplog.records == []


def test_what_was_refused_is_recorded_whole_whatever_it_was_refused_for(stub):
    """Whoever wonders why wants to see what their program sent, to the wrong place too."""
    with connect(stub) as http:
        http.post("/audio/speech", json=BODY, headers={"Authorization": "Bearer wrong"})
        http.post("/speech", json=BODY)
        http.put("/audio/speech", json=BODY)

    assert [request.status for request in stub.requests] == [401, 404, 405]
    assert [request.body for request in stub.requests] == [BODY] * 3
