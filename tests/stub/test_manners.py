"""The stub never keeps anybody waiting, says what it wants, and lets a browser in."""

import gzip
import json
import socket
import time

import httpx
import pytest

from modelgates_speech.stub import StubServer
from tests.systems import needs_ipv6

from .conftest import BODY, REFERENCE, connect

ORIGINS = [
    "http://localhost:5173",
    "http://127.0.0.1:8000",
    "https://app.localhost",
    "http://[::1]:3000",
    "null",
]


def request(stub, **fields):
    """A request as it goes over the wire."""
    body = json.dumps(BODY | fields).encode()
    head = (
        f"POST {stub.base_url.removeprefix(stub.url)}/audio/speech HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {stub.api_key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def heard_by(stub, sent):
    """What who sends this, and ends their half of the connection, gets until its end."""
    with socket.create_connection(stub._running.address, timeout=60) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize(
    ("fault", "settings"),
    [
        ("slow", {"delay": 3600}),
        ("stall", {}),
        ("stall-midway", {}),
        ("drip", {"interval": 3600}),
        ("cut", {"after": 10**9}),
    ],
)
@pytest.mark.parametrize("stays", [True, False])
def test_a_fault_is_over_when_its_client_is_gone_and_stopping_waits_for_nothing(
    fault, settings, stays, no_thread_left
):
    stub = StubServer(document=REFERENCE).start()
    stub.fail_next(fault, **settings)
    with socket.create_connection(stub._running.address) as client:
        client.sendall(request(stub))
        while not stub.requests:
            client.settimeout(60)
            time.sleep(0.01)
        if not stays:
            client.close()
        stub.stop()


@pytest.mark.parametrize(
    ("fault", "starts"),
    [
        (None, b"HTTP/1.1 200"),
        ("503", b"HTTP/1.1 503"),
        ("stall-midway", b"HTTP/1.1 200"),
        ("stall", b""),
        ("slow", b""),
    ],
)
def test_who_ends_their_half_of_the_connection_gets_what_can_be_had_and_its_end(
    stub, speak, fault, starts
):
    whole = speak().content
    settings = {"delay": 3600} if fault == "slow" else {}
    if fault:
        stub.fail_next(fault, **settings)
    received = heard_by(stub, request(stub))
    assert received.startswith(starts)
    assert bool(received) == bool(starts)
    assert (len(received) > len(whole)) == (fault is None)


@pytest.mark.parametrize(
    ("model", "status"), [("m/n", 200), ("stub/503", 503), ("stub/stall", None)]
)
def test_who_ends_their_half_of_the_connection_is_answered_each_whole_request(stub, model, status):
    received = heard_by(stub, request(stub) * 2 + request(stub, model=model) + request(stub)[:-1])
    assert received.count(b"HTTP/1.1 ") == (2 if status is None else 3)
    assert [seen.status for seen in stub.requests[:3]] == [200, 200, status]


def test_http_2_is_refused_and_is_no_request(stub):
    received = heard_by(stub, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1
    stub.assert_not_called()


def test_a_stub_that_was_used_under_a_frozen_clock_stops(monkeypatch, no_thread_left):
    stub = StubServer(document=REFERENCE).start()
    with monkeypatch.context() as frozen:
        frozen.setattr(time, "monotonic", lambda: 1.9e9)
        with connect(stub) as http:
            assert http.post("/audio/speech", json=BODY).status_code == 200
    stub.stop()


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_of_this_machine_may_call(http, origin):
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = http.options("/audio/speech", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] in {origin, "*"}
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed
    answer = http.post("/audio/speech", json=BODY, headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] in {origin, "*"}
    refused = http.post("/audio/speech", json={}, headers={"Origin": origin})
    assert refused.status_code == 400
    assert "Access-Control-Allow-Origin" in refused.headers


def test_a_page_may_call_with_credentials_and_see_when_to_call_again(http):
    asked = {"Origin": ORIGINS[0], "Prefer": "code=429; retry-after=3"}
    preflight = http.options(
        "/audio/speech", headers=asked | {"Access-Control-Request-Method": "POST"}
    )
    answer = http.post("/audio/speech", json=BODY, headers=asked)
    for each in (preflight, answer):
        # A browser takes no `*` for an answer to a call with credentials.
        assert each.headers["Access-Control-Allow-Origin"] == ORIGINS[0]
        assert each.headers["Access-Control-Allow-Credentials"] == "true"
    shown = answer.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"retry-after", "x-request-id"} <= {*shown}


def test_a_page_from_elsewhere_may_not(http):
    answer = http.post("/audio/speech", json=BODY, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_plain_options_is_not_allowed(http):
    assert http.options("/audio/speech").status_code == 405


def test_a_compressed_body_is_refused_in_the_words_of_the_protocol(http):
    answer = http.post(
        "/audio/speech",
        content=gzip.compress(json.dumps(BODY).encode()),
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    assert "Content-Encoding is gzip" in answer.text


@pytest.mark.parametrize("value", ["null", "true", "[1, null]"])
def test_what_was_received_is_said_as_json(http, value):
    answer = http.post("/audio/speech", content=value, headers={"Content-Type": "application/json"})
    assert f"{value} is not of type" in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["sk_live:abc", "a,b", "{x}", "a=b=c", "ключ".encode()])
def test_a_key_may_be_of_any_characters_but_blanks(key):
    with (
        StubServer(document=REFERENCE, any_key=True) as stub,
        httpx.Client(base_url=stub.base_url) as http,
    ):
        bearer = b"Bearer " + (key if isinstance(key, bytes) else key.encode())
        answer = http.post("/audio/speech", json=BODY, headers={"Authorization": bearer})
        assert answer.status_code == 200


def test_two_keys_are_none(stub, http):
    both = [("Authorization", f"Bearer {stub.api_key}"), ("Authorization", "Bearer other")]
    with httpx.Client(base_url=stub.base_url) as bare:
        answer = bare.post("/audio/speech", json=BODY, headers=both)
    assert answer.status_code == 401
    assert "more than once" in answer.text


def test_an_upgrade_that_is_offered_is_passed_over_in_silence(http, capfd, caplog):
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"}
    assert http.post("/audio/speech", json=BODY, headers=upgrade).status_code == 200
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


@needs_ipv6
def test_all_addresses_are_those_of_both_families():
    if not socket.has_dualstack_ipv6():
        pytest.skip("this system has one family a socket")
    with StubServer("::", document=REFERENCE) as stub:
        port = stub.url.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{host}:{port}/_stub/health").json() == {"status": "ok"}
        assert "[::]" not in stub.url


def test_a_look_at_its_health_is_not_a_request(stub, http):
    assert httpx.get(f"{stub.url}/_stub/health").json() == {"status": "ok"}
    stub.assert_not_called()


def test_what_it_keeps_is_bounded_in_bytes(stub, http):
    text = "x" * 9_000_000
    for _ in range(5):
        http.post("/audio/speech", json=BODY | {"input": [text]})
    assert 0 < len(stub.requests) < 5
    http.post("/audio/speech", json=BODY)
    assert stub.last_request.status == 200


def test_its_root_says_how_to_write_a_client(stub):
    page = httpx.get(stub.url).text
    for said in (stub.base_url, "Authorization: Bearer", "curl", "16-bit", "voice", "required"):
        assert said in page
    for setting in ("after", "delay", "interval", "retry-after", "times"):
        assert setting in page


@pytest.mark.parametrize(
    ("fault", "settings"),
    [
        ("slow", {"delay": -1}),
        ("slow", {"delay": float("nan")}),
        ("slow", {"delay": float("inf")}),
        ("drip", {"interval": -0.1}),
        ("cut", {"after": -1}),
        (503, {"retry_after": -1}),
        (503, {"retry_after": "€"}),
        (503, {"headers": {"X-A": "a\r\nb"}}),
        (503, {"headers": {"X-A": "a "}}),
        ("redirect", {"to": "https://ü.example"}),
    ],
)
def test_a_fault_that_cannot_be_played_is_refused_with_what_is_allowed(stub, fault, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        stub.fail_next(fault, **settings)
    assert not stub.pending_faults


def exchange(stub, request):
    """Send bytes, and give all that comes until the connection ends."""
    url = httpx.URL(stub.base_url)
    with socket.create_connection((url.host, url.port), timeout=60) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def written(target, *headers):
    body = json.dumps(BODY)
    lines = [f"POST {target} HTTP/1.1", "Host: api.example", "Authorization: Bearer stub-key"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", body]).encode()


def test_a_client_that_takes_it_for_a_proxy_is_answered(stub):
    path = httpx.URL(stub.base_url).path
    answer = exchange(stub, written(f"http://api.example{path}/audio/speech"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert stub.last_request.path == f"{path}/audio/speech"


@pytest.mark.parametrize("line", ["CONNECT api.example:443", "OPTIONS *", "GET requests"])
def test_what_is_no_target_of_a_server_is_refused_and_no_request_for_its_root(stub, line):
    answer = exchange(stub, f"{line} HTTP/1.1\r\nHost: stub\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    stub.assert_not_called()


def test_a_connection_is_cut_whatever_a_proxy_says_of_it(stub):
    target = f"{httpx.URL(stub.base_url).path}/audio/speech"
    cut = exchange(stub, written(target, "X-Forwarded-For: 192.0.2.1", "Prefer: fault=cut"))
    assert cut.startswith(b"HTTP/1.1 200")
    assert cut.count(b"\r\n\r\n") == 1


def test_a_content_type_that_is_missing_is_said_to_be(http):
    content = json.dumps(BODY).encode()
    refused = http.post("/audio/speech", content=content)
    assert "Content-Type is missing" in refused.json()["error"]["message"]
