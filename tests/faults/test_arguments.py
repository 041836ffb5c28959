"""Whatever is passed in: valid JSON reaches the server, or nothing does."""

import json
from contextlib import closing

import pytest

from modelgates_speech import ConfigurationError, Timeout
from modelgates_speech._binding import ARGUMENTS
from tests.faults.calls import CALLERS, CALLS, CLIENTS, KEY
from tests.faults.table import HEALTHY

SENDABLE = {
    "NUL": {"input": "a\0b"},
    "every control character": {"input": "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029"},
    "line breaks in the voice": {"voice": "alloy\r\nX-Injected: 1\r\n\r\nGET / HTTP/1.1"},
    "line breaks in the model": {"model": "a/b\r\nX-Injected: 1"},
    "beyond the basic plane": {"input": "\U0001f600 \U0010ffff"},
    "a million characters": {"input": "\u00e9" * 1_000_000},
    "nothing to say": {"input": ""},
    "an unknown format": {"response_format": "opus"},
    "an odd format": {"response_format": 'pcm"\r\n'},
    "an unknown provider": {"provider": {"options": {"no-such/2": {"x": [1, None]}}}},
    "an extreme speed": {"speed": 1e308},
    "a negative speed": {"speed": -1.0},
    "another property": {"extra_body": {"seed": 1 << 70}},
    "a tab in a header": {"extra_headers": {"X-Note": "a\tb"}},
}
UNSENDABLE = {
    "a surrogate in the input": {"input": "a\ud800b"},
    "a surrogate in the voice": {"voice": "\udcff"},
    "a surrogate in a provider's option": {"provider": {"options": {"openai": {"x": "\ud83d"}}}},
    "a surrogate in a property's name": {"extra_body": {"\ud83d": 1}},
    "a speed that is NaN": {"speed": float("nan")},
    "a speed that is infinite": {"speed": float("inf")},
    "NaN deep inside": {"provider": {"options": {"x": {"y": [float("-inf")]}}}},
    "bytes for text": {"input": b"Hello"},
    "a set": {"extra_body": {"x": {1}}},
    "a structure without end": {"extra_body": {}},
    "a line break in a header": {"extra_headers": {"X-Note": "a\r\nAuthorization: Bearer x"}},
    "a lone line feed in a header": {"extra_headers": {"X-Note": "a\nX: y"}},
    "NUL in a header": {"extra_headers": {"X-Note": "a\0b"}},
    "a character outside ASCII in a header": {"extra_headers": {"X-Note": "\u20ac"}},
    "a line break in a header's name": {"extra_headers": {"X-A: b\r\nX-B": "c"}},
    "a blank in a header's name": {"extra_headers": {"X A": "c"}},
    "an empty header's name": {"extra_headers": {"": "c"}},
    "another key in a header": {"extra_headers": {"AUTHORIZATION": "Bearer x"}},
    "another length in a header": {"extra_headers": {"Content-Length": "1"}},
    "another framing in a header": {"extra_headers": {"Transfer-Encoding": "chunked"}},
    "another host in a header": {"extra_headers": {"Host": "evil.example"}},
    "a deadline of zero": {"deadline": 0},
    "a deadline that is NaN": {"deadline": float("nan")},
    "a timeout that is infinite": {"timeout": float("inf")},
    "a negative timeout": {"timeout": -1},
}
UNSENDABLE["a structure without end"]["extra_body"]["x"] = UNSENDABLE["a structure without end"]

# What is no property of the document.
OURS = {"extra_body", "extra_headers", "deadline", "timeout"}


def known(arguments):
    """These arguments; the test is skipped where the OpenAPI document lacks one."""
    for name in arguments.keys() - ARGUMENTS.keys() - OURS:
        pytest.skip(f"the OpenAPI document has no {name}")
    return arguments


@pytest.fixture(params=CLIENTS)
def caller(request, server):
    server.acts = HEALTHY
    with closing(CALLERS[request.param](api_key=KEY, base_url=server.url)) as caller:
        yield caller


@pytest.mark.parametrize(
    ("name", "call"),
    [
        (name, call)
        for name in SENDABLE
        for call in CALLS[:3]
        # The suffix of the file decides the format.
        if not (call == "save" and "response_format" in SENDABLE[name])
    ],
)
def test_odd_arguments_arrive_as_valid_json(name, call, caller, server, tmp_path):
    arguments = known(SENDABLE[name])
    outcome = caller.make(call, tmp_path, **arguments)
    if outcome.error:
        raise outcome.error
    [sent] = server.requests
    head, _, body = sent.partition(b"\r\n\r\n")
    payload = json.loads(body.decode("utf-8"))
    assert b"x-injected" not in head.lower()
    assert head.count(b"\r\n") == head.count(b"\n")
    for argument, value in arguments.items():
        match argument:
            case "extra_body":
                assert payload.items() >= value.items()
            case "extra_headers":
                assert b"\r\nx-note: a\tb\r\n" in head.lower() + b"\r\n"
            case _:
                assert payload[argument] == value


@pytest.mark.parametrize("call", CALLS[:3])
@pytest.mark.parametrize("name", UNSENDABLE)
def test_what_cannot_be_said_is_refused_before_connecting(name, call, caller, server, tmp_path):
    outcome = caller.make(call, tmp_path, **known(UNSENDABLE[name]))
    assert type(outcome.error) is ConfigurationError
    assert server.connections == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "a b",
        "key\n",
        "key\r\nX-Injected: 1",
        "\nkey",
        "k\0y",
        "kéy",
        "k\u2028y",
        "k\ud800",
    ],
)
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(client, key, server):
    with pytest.raises(ConfigurationError) as caught:
        CALLERS[client](api_key=key, base_url=server.url)
    assert key.strip() == "" or key not in str(caught.value)
    assert server.connections == 0


def test_a_key_function_is_held_to_the_same(caller, server):
    changed = caller.client.with_options(api_key=lambda: "key\r\nX-Injected: 1")
    caller.client, original = changed, caller.client
    outcome = caller.make("create", None)
    caller.client = original
    assert type(outcome.error) is ConfigurationError
    assert server.connections == 0


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "10.0.0.1",
        "2130706433",
        "0x7f000001",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "notlocalhost",
        "[::ffff:10.0.0.1]",
        "[fe80::1]",
    ],
)
def test_plain_http_to_another_machine_is_refused_before_connecting(client, host, server):
    with pytest.raises(ConfigurationError, match="https"):
        CALLERS[client](api_key=KEY, base_url=f"http://{host}:{server.port}")
    assert server.connections == 0


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "example.com",
        "//example.com",
        "https://",
        "https://user:secret@example.com",
        "https://exa\nmple.com",
        "https://example.com/?a=1",
        "https://example.com/#a",
        "https://example.com:99999",
        "https://[::1",
    ],
)
def test_a_base_url_that_is_none_is_refused(client, url):
    with pytest.raises(ConfigurationError) as caught:
        CALLERS[client](api_key=KEY, base_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("phase", ["connect", "read", "write", "pool"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "5", None])
def test_a_timeout_that_is_none_is_refused(phase, value):
    with pytest.raises(ConfigurationError, match=phase):
        Timeout(**{phase: value})
