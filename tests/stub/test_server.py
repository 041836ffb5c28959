"""The server as something to hold: starts at once, stops at once, tells what it received."""

import contextlib
import gc
import inspect
import json
import os
import pickle
import socket
import subprocess
import sys
from typing import get_type_hints
from urllib.parse import urlsplit

import httpx
import pytest

import modelgates_speech.stub
from modelgates_speech.stub import RecordedRequest, Stub, StubServer
from tests.edition import HELLO
from tests.systems import LINK_LOCAL, needs_ipv6

from .conftest import BODY, REFERENCE, REFERENCE_FILE, connect


def test_is_ready_when_entered_and_gone_when_left(no_thread_left):
    with StubServer(document=REFERENCE) as stub:
        host, port = stub.url.removeprefix("http://").split(":")
        with connect(stub) as http:
            assert http.post("/audio/speech", json=BODY).status_code == 200

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_stopping_waits_for_nobody():
    with StubServer(document=REFERENCE) as stub, connect(stub) as http:
        stalled = http.stream("POST", "/audio/speech", json=BODY | {"model": "stub/stall-midway"})
        with stalled as response:
            chunks = response.iter_raw()
            next(chunks)
            stub.stop()
            with pytest.raises(httpx.TransportError):
                next(chunks)


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_that_is_made_just_before_the_end_is_closed(tls):
    for _ in range(10):
        with contextlib.ExitStack() as clients, StubServer(tls=tls) as stub:
            for _ in range(3):
                clients.enter_context(socket.create_connection(stub._running.address))
    # One that was left open says so when it is collected, which fails a test.
    gc.collect()


def ask_and_hang_up(stub):
    """Send a request whole, over a connection that nobody waits at for the answer."""
    body = json.dumps(BODY).encode()
    head = f"POST {urlsplit(stub.base_url).path}/audio/speech HTTP/1.1\r\nHost: x\r\n"
    head += f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {stub.api_key}\r\n\r\n"
    with socket.create_connection(stub.url.removeprefix("http://").split(":")) as connection:
        connection.sendall(head.encode() + body)


@pytest.mark.parametrize("way", ["Python", "HTTP"])
def test_a_request_that_was_sent_before_a_reset_is_not_received_after_it(way):
    # From its start on, when nothing of it is in motion yet.
    with StubServer(document=REFERENCE) as stub, connect(stub) as http:
        for _ in range(5):
            for _ in range(5):
                ask_and_hang_up(stub)
            if way == "HTTP":
                assert http.post(f"{stub.url}/_stub/reset").status_code == 204
            else:
                stub.reset()
            stub.fail_next(429)
            assert http.post("/audio/speech", json=BODY).status_code == 429
            assert [request.status for request in stub.requests] == [429]
            stub.reset()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows knows no forks")
@pytest.mark.parametrize("way", ["falls through", "leaves at once", "forgets"])
def test_a_forked_child_leaves_its_parents_stub_and_does_not_end_it(environment, way):
    program = f"""if True:
        import os, sys, urllib.request
        from modelgates_speech.stub import StubServer
        with StubServer() as stub:
            if not (child := os.fork()):
                if {way!r} == "leaves at once":
                    sys.exit(7)
                if {way!r} == "forgets":
                    stub.reset()
        if not child:
            sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        with stub:
            if not (child := os.fork()):
                stub.stop()
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
            assert no_proxy.open(f"{{stub.url}}/_stub/health").status == 200
    """
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)


def test_several_run_at_once_each_with_its_own_key_and_records():
    with (
        StubServer(document=REFERENCE, api_key="one") as one,
        StubServer(document=REFERENCE, api_key="two") as two,
        connect(one) as to_one,
        connect(two) as to_two,
    ):
        to_one.post("/audio/speech", json=BODY)
        wrong = to_two.post("/audio/speech", json=BODY, headers={"Authorization": "Bearer one"})

    assert wrong.status_code == 401
    assert [each.status for each in one.requests] == [200]
    assert [each.status for each in two.requests] == [401]


@pytest.mark.parametrize("key", ["", " ", "a key", "key\n", "\N{SNOWMAN}"])
def test_a_key_that_no_request_can_hold_is_refused_and_not_shown(key):
    with pytest.raises(ValueError, match="api_key") as refused:
        StubServer(api_key=key)
    assert not (key.strip() and key in str(refused.value))
    stub = StubServer()
    with pytest.raises(ValueError, match="api_key"):
        stub.api_key = key
    assert stub.api_key == StubServer().api_key


def test_can_be_started_again():
    stub = StubServer(document=REFERENCE)
    with stub, connect(stub) as http:
        http.post("/audio/speech", json=BODY)
    with stub, connect(stub) as http:
        assert http.post("/audio/speech", json=BODY).status_code == 200

    assert len(stub.requests) == 2


def test_starting_twice_and_stopping_twice_is_once():
    stub = StubServer().start()
    url = stub.start().url
    stub.stop()
    stub.stop()

    assert url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="not running"):
        _ = stub.base_url


def test_a_taken_port_is_an_error_at_once():
    with StubServer() as stub:
        port = int(stub.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"):
            StubServer(port=port).start()


FEW_FILES = f"""
import os, resource, sys
from modelgates_speech.stub import StubServer

with StubServer(document={REFERENCE_FILE!r}) as stub:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = os.dup(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 5, most))
    print(stub.base_url, stub.api_key, flush=True)
    sys.stdin.read()
"""


def test_of_more_connections_than_the_system_lets_it_have_it_says_one_line(environment):
    pytest.importorskip("resource")
    with subprocess.Popen(
        [sys.executable, "-c", FEW_FILES],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        base_url, key = process.stdout.readline().split()
        at = urlsplit(base_url)
        with contextlib.ExitStack() as clients:
            for _ in range(20):
                clients.enter_context(socket.create_connection((at.hostname, at.port)))
            said = process.stderr.readline()
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(
            f"{base_url}/audio/speech", json=BODY, headers=headers, timeout=60, trust_env=False
        )
        _, more = process.communicate("", timeout=60)

    assert "no more connections" in said
    assert (answer.status_code, more) == (200, "")


@needs_ipv6
def test_listens_on_ipv6_too():
    with StubServer("::1", document=REFERENCE) as stub, connect(stub) as http:
        assert stub.url.startswith("http://[::1]:")
        assert http.post("/audio/speech", json=BODY).status_code == 200


@pytest.mark.skipif(not LINK_LOCAL, reason="this machine has no link-local address")
def test_an_address_may_have_a_zone():
    # In a process of its own, for this one is kept from what is not loopback.
    program = f"""if True:
        from modelgates_speech import ModelGates
        from modelgates_speech.stub import StubServer
        with StubServer({LINK_LOCAL!r}) as stub:
            where = {{"base_url": stub.base_url, "api_key": stub.api_key, "allow_plain_http": True}}
            with ModelGates(**where) as client:
                print(client.audio.speech.create(**{HELLO!r}).format)
            print(stub.url)
    """
    told = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert told[-1].startswith(f"http://[{LINK_LOCAL}]:")


def test_any_key_may_be_let_in_if_it_is_well_formed():
    with StubServer(document=REFERENCE, any_key=True) as stub, connect(stub) as http:
        for credentials, status in (("Bearer whatever", 200), ("Bearer", 401), ("Basic x", 401)):
            answer = http.post("/audio/speech", json=BODY, headers={"Authorization": credentials})
            assert answer.status_code == status


def test_records_say_what_came_and_how_it_was_answered(stub, http, speak, send):
    speak(input="Hello", speed=2)
    stub.fail_next("cut-chunked", after=10)
    with pytest.raises(httpx.RemoteProtocolError):
        speak()
    speak(model="stub/429?retry-after=1")
    send(b"not JSON")
    http.get("/models?page=2")

    assert [
        (each.method, each.path, each.query, each.status, each.fault) for each in stub.requests
    ] == [
        ("POST", "/api/v1/audio/speech", "", 200, None),
        ("POST", "/api/v1/audio/speech", "", 200, "cut-chunked (after=10)"),
        ("POST", "/api/v1/audio/speech", "", 429, "429 (retry_after=1)"),
        ("POST", "/api/v1/audio/speech", "", 400, None),
        ("GET", "/api/v1/models", "page=2", 404, None),
    ]
    assert stub.requests[0].body == BODY | {"input": "Hello", "speed": 2}
    assert stub.requests[3].body == b"not JSON"
    assert stub.last_request is stub.requests[-1]
    assert stub.requests[0].headers["content-type"] == "application/json"


def test_a_request_left_without_an_answer_is_recorded_so(stub, speak):
    with pytest.raises(httpx.ReadError):
        speak(model="stub/reset")

    assert stub.last_request.status is None
    assert "no answer, fault reset" in str(stub.last_request)


def test_records_never_hold_the_key(stub, http):
    for credentials in ("Bearer s3cret-key", "bearer s3cret-key", "s3cret-key", "Basic s3cret-key"):
        http.post("/audio/speech", json=BODY, headers={"Authorization": credentials})
        http.get("/elsewhere", headers={"Authorization": credentials})

    assert len(stub.requests) == 8
    assert "s3cret" not in repr(stub.requests)
    assert stub.requests[0].headers["authorization"] == "Bearer [redacted]"


@pytest.mark.parametrize(
    "name",
    [
        *("api-key", "X-Api-Key", "Cookie", "Proxy-Authorization", "Ocp-Apim-Subscription-Key"),
        *("X-RapidAPI-Key", "X-Secret-Key", "X-Password", "accessToken", "clientSecret", "apikey"),
        *("api_key", "api%5Fkey", "%6bey", "sig", "X-Amz-Signature", "password", "auth[key]"),
    ],
)
def test_records_hold_no_key_of_another_kind(stub, http, name):
    secret = "sk-not-for-the-record"
    headers = {name: secret} if name.replace("-", "").isalnum() else {}
    http.post(f"/audio/speech?voice=alloy&{name}={secret}&n", json=BODY, headers=headers)
    request = stub.last_request
    assert secret not in repr(request)
    assert request.query == f"voice=alloy&{name}=[redacted]&n"


def test_records_hold_what_is_called_a_key_and_is_none(stub, http):
    http.post("/audio/speech?keys=1&design=2", json=BODY, headers={"Idempotency-Key": "one"})
    assert stub.last_request.query == "keys=1&design=2"
    assert stub.last_request.headers["idempotency-key"] == "one"


def test_records_cannot_be_changed(stub, speak):
    speak()

    with pytest.raises(AttributeError):
        stub.last_request.status = 500
    with pytest.raises(TypeError):
        stub.last_request.headers["authorization"] = "x"
    assert isinstance(stub.requests, tuple)


def test_a_header_is_found_as_programs_write_its_name(stub, http):
    http.post("/audio/speech", json=BODY, headers={"X-Trace": "one"})
    kept = pickle.loads(pickle.dumps(stub.last_request)).headers
    for name in ("X-Trace", "x-trace", "X-TRACE"):
        assert kept[name] == kept.get(name) == "one"
        assert name in kept
    assert "X-Other" not in kept


def test_a_reset_gives_the_first_key_back(stub, speak):
    first, stub.api_key, stub.any_key = stub.api_key, "another", True
    stub.reset()
    assert (stub.api_key, stub.any_key) == (first, False)
    speak()
    name = stub.last_request.request_id
    stub.reset()
    speak()
    assert stub.last_request.request_id == name


def test_reset_forgets_everything(stub, speak):
    speak(model="stub/503?times=1")
    stub.fail_next(500)
    stub.reset()

    assert (stub.requests, stub.pending_faults) == ((), ())
    assert speak(model="stub/503?times=1").status_code == 503


def recorded(stub, raw):
    stub.records.add(stub, RecordedRequest("POST", "/", "", {}, raw, 200, None, "stub-1"))


def test_only_the_last_thousand_requests_are_kept():
    stub = Stub()
    recorded(stub.scope("another"), b"0")
    for number in range(1500):
        recorded(stub, b"%d" % number)

    assert [each.body for each in stub.requests] == list(range(500, 1500))
    assert [each.body for each in stub.scope("another").requests] == [0]
    with pytest.raises(AssertionError, match="no more are kept") as failed:
        stub.assert_called(times=1500)
    assert "1499" in str(failed.value)
    assert len(str(failed.value)) < 2000


def test_what_is_kept_is_bounded_over_all_scopes():
    stub = Stub()
    for name in "abcd":
        recorded(stub.scope(name), b" " * 10_000_000)

    assert [len(stub.scope(name).requests) for name in "abcd"] == [0, 1, 1, 1]
    stub.scope("b").reset()
    recorded(stub, b" " * 10_000_000)
    assert [len(stub.scope(name).requests) for name in "abcd"] == [0, 0, 1, 1]
    stub.reset()
    assert not any(each.requests for each in (stub, *map(stub.scope, "abcd")))


def test_a_body_that_is_json_is_recorded_as_what_it_says_though_it_is_refused(stub, speak, send):
    speak(input="Hi", voice=None)
    stub.assert_called(times=1, status=400, input="Hi")
    send(b'{"input": "Ho"}', "text/plain")
    stub.assert_called(times=1, status=400, input="Ho")
    send(b"", None)
    assert (stub.last_request.body, stub.last_request.status) == (None, 200)


def test_the_name_of_a_request_is_recorded_as_it_was_answered(stub, speak):
    stub.fail_next(429, headers={"X-Request-Id": "mine"})
    assert speak().headers["X-Request-Id"] == "mine"
    assert stub.last_request.request_id == "mine"
    assert speak().headers["X-Request-Id"] == stub.last_request.request_id


def test_assertions_hold_when_the_requests_were_made(stub, speak):
    stub.assert_not_called()
    speak(voice="alloy")
    speak(voice="nova", speed=2, model="stub/503")

    stub.assert_called()
    stub.assert_called(times=2)
    stub.assert_called(times=1, voice="nova", speed=2)
    stub.assert_called(times=0, voice="echo")
    stub.assert_called(times=1, status=503)
    stub.assert_called(times=1, status=200, voice="alloy")


def test_assertions_say_what_was_expected_and_what_came(stub, speak):
    with pytest.raises(AssertionError, match="no request"):
        _ = stub.last_request
    with pytest.raises(AssertionError, match=r"at least one request .* found 0(.|\n)*no request"):
        stub.assert_called()
    speak(input="long " * 60)
    with pytest.raises(AssertionError) as raised:
        stub.assert_called(times=2, voice="nova")
    with pytest.raises(AssertionError, match=r"0 request\(s\)"):
        stub.assert_not_called()

    message = str(raised.value)
    assert "expected 2 request(s) with voice='nova', found 0" in message
    assert "POST /api/v1/audio/speech -> 200: {'input': 'long " in message
    assert len(message) < 500


def test_answers_do_not_wait_for_acknowledgements():
    with StubServer() as stub, socket.create_connection(stub._running.address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: stub\r\n\r\n")
        client.recv(1)  # from here on the server knows the connection
        [connection] = stub._running.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_what_reads_annotations_can_read_those_of_all_that_is_public():
    found = (getattr(modelgates_speech.stub, name) for name in dir(modelgates_speech.stub))
    public = [each for each in found if ".stub." in getattr(each, "__module__", "")]
    assert StubServer in public
    for thing in public:
        own = [each for name, each in vars(thing).items() if not name.startswith("_")]
        functions = [each for each in own if inspect.isfunction(each)]
        functions += [each.fget for each in own if isinstance(each, property)]
        assert all("return" in get_type_hints(each) for each in functions), thing
        get_type_hints(thing)
        get_type_hints(thing.__init__ if inspect.isclass(thing) else thing)
