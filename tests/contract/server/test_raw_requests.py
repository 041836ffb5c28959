"""What Schemathesis never sends: bytes that no serializer would write, and extremes."""

import json

import pytest

from tests.contract.run import OK, edition, speech_request

TEXT = edition().text
KIND = edition().media_type.partition(";")[0]
JSON = {"Content-Type": KIND}


def body(**fields):
    return json.dumps({**speech_request(), **fields}).encode()


def with_number(raw: bytes) -> bytes:
    """A body with a number that is written as given."""
    return body()[:-1] + b', "speed": ' + raw + b"}"


def with_input(raw: bytes) -> bytes:
    """A body whose input is written as given, quotes and all."""
    return body(**{TEXT: "@"}).replace(b'"@"', raw)


DEEP = b"[" * 10_000 + b"]" * 10_000
UTF_16 = body().decode().encode("utf-16")

BROKEN = {
    "nothing": (b"", JSON),
    "half an object": (body()[:-1], JSON),
    "two objects": (body() + body(), JSON),
    "a trailing comma": (body()[:-1] + b",}", JSON),
    "single quotes": (body().replace(b'"', b"'"), JSON),
    "a comment": (body() + b" // hello", JSON),
    "not a number": (with_number(b"NaN"), JSON),
    "infinity": (with_number(b"Infinity"), JSON),
    "a leading zero": (with_number(b"01"), JSON),
    "a raw line break in text": (with_input(b'"a\nb"'), JSON),
    "a raw NUL in text": (with_input(b'"a\0b"'), JSON),
    "a byte order mark": (b"\xef\xbb\xbf" + body(), JSON),
    "UTF-16": (UTF_16, JSON),
    "Latin-1": (with_input('"café"'.encode("latin-1")), JSON),
    "an overlong encoding": (with_input(b'"\xc0\xaf"'), JSON),
    "a lone high surrogate": (with_input(rb'"a\ud800b"'), JSON),
    "a lone low surrogate": (with_input(rb'"\udc00"'), JSON),
    "surrogates in the wrong order": (with_input(rb'"\udc00\ud800"'), JSON),
    "a lone surrogate in a key": (body()[:-1] + rb', "\ud800": 1}', JSON),
    "a duplicate key": (body()[:-1] + b", " + body()[1:], JSON),
    "a duplicate key, deeper": (body()[:-1] + b', "provider": {"a": 1, "a": 2}}', JSON),
    "an array, 10,000 deep": (DEEP, JSON),
    "an array never closed": (b"[" * 10_000, JSON),
    "no content type": (body(), {}),
    "an empty content type": (body(), {"Content-Type": ""}),
    "text": (body(), {"Content-Type": "text/plain"}),
    "a form": (
        b"input=Hello&model=m&voice=v",
        {"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "nearly JSON": (body(), {"Content-Type": "application/jsonp"}),
    "a subtype alone": (body(), {"Content-Type": "json"}),
    "another charset": (body(), {"Content-Type": f"{KIND}; charset=iso-8859-1"}),
    "UTF-16 that says so": (UTF_16, {"Content-Type": f"{KIND}; charset=utf-16"}),
    "a charset that is none": (body(), {"Content-Type": f"{KIND}; charset=klingon"}),
}

ODD = {
    "NUL": (body(**{TEXT: "Hello\0world"}), JSON),
    "an emoji as a surrogate pair": (with_input(rb'"\ud83d\ude00"'), JSON),
    "control characters": (body(**{TEXT: "".join(map(chr, range(32)))}), JSON),
    "right to left": (body(**{TEXT: "\u202eHello \u05e9\u05dc\u05d5\u05dd"}), JSON),
    "noncharacters": (body(**{TEXT: "\uffff\U0010ffff"}), JSON),
    # Almost all of it blank, so that the answer is short.
    "a million characters": (body(**{TEXT: "Hello" + " " * 1_000_000 + "world."}), JSON),
    "a voice of 100,000 characters": (body(voice="v" * 100_000), JSON),
    "1,000 unknown properties": (body(**{f"x{number}": number for number in range(1000)}), JSON),
    "a number of 400 digits": (body(speed=10**399), JSON),
    "a tiny speed": (body(speed=1e-300), JSON),
    "a negative speed": (body(speed=-1), JSON),
    "white space around": (b" \r\n\t" + body() + b" \r\n\t", JSON),
    "escapes everywhere": (with_input(rb'"\u0048\u0069\/"'), JSON),
    "a content type in capitals": (body(), {"Content-Type": KIND.upper()}),
    "a charset": (body(), {"Content-Type": f"{KIND}; charset=utf-8"}),
    "a charset in quotes and capitals": (
        body(),
        {"Content-Type": f'{KIND};Charset="UTF-8"'},
    ),
}


PROVIDER = {"options": {"openai": {"deep": []}}}


@pytest.mark.stub_only
@pytest.mark.parametrize("name", BROKEN)
def test_broken_requests_are_refused(server, name):
    data, headers = BROKEN[name]
    kind = headers.get("Content-Type", "")
    if "json" not in kind and kind.partition(";")[0] in edition().media_types:
        pytest.skip("the OpenAPI document takes this content type")
    server.judge(server.send(data=data, headers=headers), status=400)


@pytest.mark.stub_only
@pytest.mark.parametrize("name", ODD)
def test_odd_but_valid_requests_are_answered(server, name):
    data, headers = ODD[name]
    if not edition().allows(edition().schema, json.loads(data)):
        pytest.skip("the OpenAPI document does not allow it")
    response = server.send(data=data, headers=headers)
    server.judge(response, status=OK)
    assert response.content


@pytest.mark.stub_only
def test_odd_but_valid_requests_are_answered_or_refused_when_too_deep(server):
    # Any value is valid among a provider's options; that a server has its limits, too.
    options = b'{"options": {"openai": {"deep": ' + DEEP + b"}}}"
    if not edition().allows(edition().properties.get("provider", False), PROVIDER):
        pytest.skip("the OpenAPI document has no options of providers")
    response = server.send(data=body(provider="@").replace(b'"@"', options), headers=JSON)
    assert response.status_code in {OK, 400}, f"answered {response.status_code}"
    server.judge(response)
