"""Any operation that a generated package may have can be called, and what cannot be sent is not."""

import gzip
import types
from urllib.parse import parse_qs, urlsplit

import pytest

from modelgates_speech import (
    APIStatusError,
    ConfigurationError,
    InvalidResponseError,
    ModelGates,
    _binding,
)
from modelgates_speech._binding import ARGUMENTS
from modelgates_speech._version import __version__
from modelgates_speech.call import operation_kwargs, prepare
from tests.edition import BODY, HELLO
from tests.faults.server import FaultServer
from tests.faults.table import reply


@pytest.fixture
def server():
    with FaultServer(
        (reply(body=b'{"found": 3}', Content_Type="application/json", X_Request_Id="r-1"),)
    ) as server:
        yield server


def operation(kwargs, parse=lambda **given: given["response"].json()):
    """A module as the generator writes one, whose request is what `kwargs` makes of arguments."""
    made = types.ModuleType("search")
    made._get_kwargs, made._parse_response = kwargs, parse
    return made


def call(server, of, **arguments):
    """Call it; give the result, the request line's path, the headers and the body as sent."""
    with ModelGates(api_key="the-key", base_url=server.url) as client:
        result = client.call(of, **arguments)
    head, _, body = server.requests[-1].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    named = {name.lower(): value for name, value in (each.split(": ", 1) for each in headers)}
    return result, line, named, body


def test_a_query_is_written_and_the_answer_read(server):
    of = operation(
        lambda *, words: {"method": "get", "url": "/search", "params": {"q": words, "n": 2}}
    )
    result, line, headers, body = call(server, of, words="ä&b c")
    method, target, _ = line.split()
    assert (result, method, body) == ({"found": 3}, "GET", b"")
    assert parse_qs(urlsplit(target).query) == {"q": ["ä&b c"], "n": ["2"]}
    assert headers["authorization"] == "Bearer the-key"
    assert headers["content-length"] == "0"


def test_a_form_and_cookies_are_written_with_their_headers(server):
    of = operation(
        lambda *, text: {
            "method": "post",
            "url": "/form",
            "data": {"text": text},
            "cookies": {"session": "s1"},
        }
    )
    _, _, headers, body = call(server, of, text="a b")
    assert (headers["content-type"], body) == ("application/x-www-form-urlencoded", b"text=a+b")
    assert headers["cookie"] == "session=s1"
    assert headers["content-length"] == f"{len(body)}"


def test_a_request_says_who_sends_it_and_asks_for_plain_bytes(server):
    of = operation(lambda: {"method": "get", "url": "/x", "headers": {"X-Kind": "its own"}})
    _, _, headers, _ = call(server, of)
    assert headers["user-agent"] == f"modelgates-speech/{__version__}"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == urlsplit(server.url).netloc
    assert headers["x-kind"] == "its own"


def test_a_header_of_the_client_stands_for_that_of_the_same_name(server):
    own = {"User-Agent": "mine", "x-kind": "mine"}
    with ModelGates(api_key="key", base_url=server.url, headers=own) as client:
        client.call(
            operation(
                lambda: {
                    "method": "get",
                    "url": "/x",
                    "headers": {"X-Kind": "its own", "Accept-Encoding": "gzip"},
                    "params": {"q": 1},
                }
            )
        )
    head = server.requests[-1].lower()
    for name in (b"user-agent:", b"x-kind:", b"accept-encoding: identity", b"content-length: 0"):
        assert head.count(name.partition(b" ")[0]) == head.count(name) == 1
    assert head.count(b": mine\r\n") == 2


def test_an_address_may_end_as_a_short_path_begins(server):
    with ModelGates(api_key="key", base_url=f"{server.url}/x") as client:
        client.call(operation(lambda: {"method": "get", "url": "/x"}))
    assert server.requests[-1].startswith(b"GET /x/x HTTP/1.1\r\n")


@pytest.mark.parametrize("query", [{}, {"params": {"n": 2}}])
def test_a_path_may_be_in_any_script(server, query):
    of = operation(lambda: {"method": "get", "url": "/größen/a%2Fb:c", **query})
    _, line, *_ = call(server, of)
    assert urlsplit(line.split()[1]).path == "/gr%C3%B6%C3%9Fen/a%2Fb:c"


def test_the_type_of_a_body_that_is_not_there_is_not_named(server):
    of = operation(
        lambda: {"method": "post", "url": "/empty", "headers": {"Content-Type": "application/json"}}
    )
    _, _, headers, _ = call(server, of)
    assert "content-type" not in headers


def test_the_clients_key_stands_for_a_key_that_the_operation_asks_for(server):
    of = operation(
        lambda *, authorization: {
            "method": "get",
            "url": "/me",
            "headers": {"Authorization": authorization, "X-Key": authorization},
            "cookies": {"token": authorization},
            "params": {"key": authorization},
        }
    )
    _, line, headers, _ = call(server, of)
    assert line.startswith("GET /me HTTP")
    assert headers["authorization"] == "Bearer the-key"
    assert not {"cookie", "x-key"} & headers.keys()


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (
            operation(lambda *, voice_id: {"method": "get", "url": f"/voices/{voice_id}"}),
            "search cannot be called without voice_id$",
        ),
        (
            operation(lambda *, of, to: {"method": "get", "url": f"/voices/{to}/{of}"}),
            "search cannot be called without of, to$",
        ),
        (
            operation(lambda: {}["url"]),
            r"search cannot be called like this: KeyError\('url'\)$",
        ),
        (
            operation(lambda: {"method": "post", "url": "/x", "params": {}, "files": 3}),
            "cannot be made",
        ),
        (
            operation(lambda: {"method": "get", "url": "/x", "headers": {"X-Name": "José"}}),
            "^the header X-Name must be a string of ASCII characters",
        ),
        (
            operation(lambda: {"method": "get", "url": "/x", "cookies": {"name": "José"}}),
            "^the header cookie must be a string of ASCII characters",
        ),
        (
            operation(lambda: {"method": "post", "url": "/x", "json": {"x": float("nan")}}),
            "^x cannot be written as JSON",
        ),
        (
            operation(lambda: {"method": "post", "url": "/x", "json": [float("nan")]}),
            "^the request cannot be written as JSON",
        ),
        (
            operation(lambda: {"method": "post", "url": "/x", "json": {(1, 2): 3}}),
            "^the request cannot be written as JSON",
        ),
    ],
    ids=[
        "a part of the address is missing",
        "two parts of it are",
        "its own code fails",
        "what no library writes",
        "a header that is not ASCII",
        "a cookie that is not ASCII",
        "a value that is not JSON",
        "a list that is not JSON",
        "a name that is not JSON",
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(server, of, says):
    with pytest.raises(ConfigurationError, match=says):
        call(server, of)
    assert not server.requests


@pytest.mark.parametrize("status", [299, 300, 301])
def test_only_what_is_a_success_is_read(server, status):
    server.acts = (reply(status, b'{"found": 3}'),)
    of = operation(lambda: {"method": "get", "url": "/x"})
    if status < 300:
        assert call(server, of)[0] == {"found": 3}
    else:
        with pytest.raises(APIStatusError, match=f"HTTP {status}"):
            call(server, of)


def test_an_answer_that_the_generated_parser_chokes_on_says_so(server):
    def parse(**given):
        raise KeyError("name")

    with pytest.raises(InvalidResponseError, match="does not match the OpenAPI document") as caught:
        call(server, operation(lambda: {"method": "get", "url": "/x"}, parse))
    assert caught.value.body == b'{"found": 3}'
    assert caught.value.content_type == "application/json"
    assert caught.value.request_id == "r-1"


def test_an_answer_without_a_type_that_it_chokes_on_has_none(server):
    server.acts = (reply(kind=""),)
    with pytest.raises(InvalidResponseError) as caught:
        call(server, operation(lambda: {"method": "get", "url": "/x"}))
    assert caught.value.content_type is None


def test_a_stream_of_events_is_given_as_its_text(server):
    events = "data: {}\n\ndata: é\n\n"
    server.acts = (reply(body=events.encode(), Content_Type="Text/Event-Stream"),)
    result, *_ = call(server, operation(lambda: {"method": "get", "url": "/x"}))
    assert result == events


def test_an_answer_that_comes_compressed_is_read(server):
    server.acts = (reply(body=gzip.compress(b'{"found": 4}'), Content_Encoding="gzip"),)
    result, *_ = call(server, operation(lambda: {"method": "get", "url": "/x"}))
    assert result == {"found": 4}


def test_the_generated_parser_is_given_the_answer_as_it_came(server):
    seen = {}

    def parse(*, client, response):
        seen.update(status=response.status_code, kind=response.headers["content-type"])
        return client.raise_on_unexpected_status, response.content

    result, *_ = call(server, operation(lambda: {"method": "get", "url": "/x"}, parse))
    assert result == (False, b'{"found": 3}')
    assert seen == {"status": 200, "kind": "application/json"}


def test_a_value_that_the_generated_model_refuses_is_for_the_server_to_judge():
    newer = {argument.name: {"newer": True} for argument in ARGUMENTS.values()}
    sent = prepare(**HELLO | {"extra_body": newer}).kwargs["json"]
    assert sent == newer


@pytest.mark.parametrize("name", ARGUMENTS)
def test_so_is_an_argument_of_another_kind(name):
    sent = prepare(**HELLO | {name: [7]}).kwargs["json"]
    assert sent[ARGUMENTS[name].name] == [7]


@pytest.mark.parametrize(
    "error", [ValueError("newer"), KeyError("inner"), KeyError(next(iter(BODY)))]
)
def test_so_is_a_request_that_it_refuses_as_a_whole(monkeypatch, error):
    class Strict(_binding.SpeechRequest):
        @classmethod
        def from_dict(cls, src_dict):
            raise error

    monkeypatch.setattr(_binding, "SpeechRequest", Strict)
    assert prepare(**HELLO).kwargs["json"] == BODY


def test_a_query_of_the_operation_stands_beside_that_of_the_call(monkeypatch):
    of = operation(
        lambda *, body: {"method": "post", "url": "/x", "json": body.to_dict(), "params": {"a": 1}}
    )
    monkeypatch.setattr(_binding, "speech_operation", of)
    made = prepare(**HELLO | {"extra_query": {"b": "2"}})
    assert made.kwargs["params"] == {"a": 1, "b": "2"}
    assert made.operation is of


def test_what_an_operation_requires_of_the_query_is_left_to_the_call_whatever_it_is():
    def written(*, wanted, several, at):
        listed = {"several": list(several), "at": at.isoformat()}
        return {"url": "/speak", "params": {**wanted.to_dict(), **listed}}

    of = operation(written)
    assert operation_kwargs(of, {}) == {"url": "/speak"}
    given = operation_kwargs(of, {"several": ["a"]})
    assert given == {"url": "/speak", "params": {"several": ["a"]}}


def test_an_argument_that_there_is_not_is_told_with_the_nearest():
    name = next(iter(ARGUMENTS))
    told = f"unexpected argument '{name}x'.*did you mean '{name}'"
    with pytest.raises(ConfigurationError, match=told):
        prepare(**HELLO | {f"{name}x": 1})


def test_the_format_that_is_asked_for_is_known_wherever_it_stands():
    assert (
        prepare(**HELLO | {"extra_body": {"response_format": "newer"}}).response_format == "newer"
    )


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if ARGUMENTS[name].required])
def test_each_argument_that_a_request_needs_is_missed_by_its_name(name):
    with pytest.raises(ConfigurationError, match=f"missing argument '{name}'"):
        prepare(**{each: value for each, value in HELLO.items() if each != name})
