"""What a recording does with an API that answers in ways that the stub itself never would."""

import contextlib
import gzip
import json
import queue
import re
import socket
import socketserver
import threading
from urllib.parse import quote, unquote_to_bytes

import httpx
import pytest

from modelgates_speech.stub import Profile, Recording, Replay, StubServer

from .conftest import BODY, REFERENCE, connect

# Of a kind that JSON and URLs may write in their own ways.
KEY = "sk/live+0123456789/abc=="


@contextlib.contextmanager
def answering(*answers):
    """Serve these bytes, one after another: where, and what was asked."""
    asked, left = [], list(answers)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            head = b"".join(iter(self.rfile.readline, b"\r\n"))
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            asked.append(head + b"\r\n" + self.rfile.read(int(length[1]) if length else 0))
            self.wfile.write(left.pop(0))

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def reply(body=b"\0\1" * 50, status=200, **headers):
    """An answer in the bytes of HTTP; the values of headers are bytes."""
    told = {"content_length": b"%d" % len(body), "content_type": b"audio/pcm"} | headers
    lines = [name.replace("_", "-").encode() + b": " + told[name] for name in told]
    return b"\r\n".join([b"HTTP/1.1 %d Whatever" % status, *lines, b"", body])


@contextlib.contextmanager
def recording(tmp_path, upstream, **options):
    tape = Recording(tmp_path / "tape", upstream=upstream)
    with StubServer(document=REFERENCE, api_key=KEY, tape=tape, **options) as stub:
        yield stub


def recorded(tmp_path, answer, *, path="/audio/speech", body=BODY, **headers):
    """Record one answer: what the client got, and all that was written."""
    with (
        answering(answer) as (upstream, _),
        recording(tmp_path, upstream) as stub,
        connect(stub) as http,
    ):
        got = http.post(path, json=body, headers=headers)
    return got, b"".join(file.read_bytes() for file in (tmp_path / "tape").iterdir())


@pytest.fixture
def replayed(tmp_path):
    """Ask for what was recorded."""

    def replayed():
        tape = Replay(tmp_path / "tape")
        with StubServer(document=REFERENCE, any_key=True, tape=tape) as stub, connect(stub) as http:
            return http.post("/audio/speech", json=BODY)

    return replayed


def test_a_header_that_holds_what_none_may_spoils_no_replay(tmp_path, replayed):
    got, _ = recorded(tmp_path, reply(x_bell=b"a\x07b", x_kept=b"1"))
    assert got.status_code == 200
    again = replayed()
    assert (again.status_code, again.content) == (200, got.content)
    assert again.headers["X-Kept"] == "1"
    assert "X-Bell" not in again.headers


def test_no_proxy_sees_what_stays_on_this_machine(tmp_path, monkeypatch):
    with answering(reply(b"a proxy")) as (proxy, seen):
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.setenv("no_proxy", "")
        got, _ = recorded(tmp_path, reply(b"an API"))
    assert (got.content, seen) == (b"an API", [])


def test_what_leaves_this_machine_goes_through_the_proxy_of_the_environment(tmp_path, monkeypatch):
    with answering(reply(b"", 403)) as (proxy, seen):
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        with recording(tmp_path, "https://api.example/v1") as stub, connect(stub) as http:
            assert http.post("/audio/speech", json=BODY).status_code == 502
    assert seen[0].startswith(b"CONNECT api.example:443 ")
    assert KEY.encode() not in seen[0]


def error(text):
    return reply(text, 401, content_type=b"application/json")


ESCAPED = json.dumps({"message": f"No {KEY} here"}).replace("/", "\\/").encode()


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (error(ESCAPED), {}),
        (error(quote(KEY, safe="").encode()), {}),
        (reply(b"", 307, location=b"https://x/?k=" + quote(KEY, safe="").encode()), {}),
        (reply(), {"body": BODY | {"named": {f"<{KEY}>": 1}}}),
        (reply(), {"path": f"/audio/speech?a=b&api_key={quote(KEY)}"}),
        (
            error(quote(KEY).encode()),
            {"path": f"/audio/speech?key={quote(KEY)}", "Authorization": ""},
        ),
        (error(KEY.encode()), {"Authorization": "", "X-Api-Key": KEY}),
        (error(KEY.encode()), {"Authorization": "", "Cookie": f"theme=dark; session={KEY}; a=b"}),
    ],
    ids=[
        *("JSON", "a URL", "a header", "a name", "the query", "the query, echoed"),
        *("another header, echoed", "a cookie, echoed"),
    ],
)
def test_a_key_is_never_written_wherever_it_comes_and_however(tmp_path, answer, asked):
    got, written = recorded(tmp_path, answer, **asked)
    plain = written.replace(b"\\/", b"/")
    assert got.content == answer.partition(b"\r\n\r\n")[2]
    assert b"redacted" in written
    assert KEY.encode() not in plain
    assert KEY.encode() not in unquote_to_bytes(plain)


def test_of_two_headers_of_one_name_neither_key_is_written(tmp_path):
    keys = [b"sk-first-0123456789", b"sk-second-0123456789"]
    answer = error(b" and ".join(keys))
    with answering(answer) as (upstream, _), recording(tmp_path, upstream) as stub:
        twice = [("Authorization", b"Bearer " + key) for key in keys]
        url = f"{stub.base_url}/audio/speech"
        httpx.post(url, json=BODY, headers=twice, timeout=60, trust_env=False)
    [body] = (tmp_path / "tape").glob("*.body")
    assert body.read_bytes() == b"[redacted] and [redacted]"


def test_a_text_that_comes_compressed_is_not_kept_for_nobody_sees_the_keys_in_it(tmp_path, caplog):
    body = gzip.compress(b"Not " + KEY.encode())
    answer = reply(body, 401, content_type=b"text/plain", content_encoding=b"gzip")
    got, written = recorded(tmp_path, answer)
    assert got.text == f"Not {KEY}"
    assert written == b""
    assert "compressed" in caplog.text


def test_a_header_beyond_latin_1_is_passed_on_and_kept_as_it_is(tmp_path, replayed):
    name = 'attachment; filename="речь.pcm"'.encode()
    got, _ = recorded(tmp_path, reply(content_disposition=name))
    again = replayed()
    for each in (got, again):
        assert (each.status_code, each.content) == (200, b"\0\1" * 50)
        assert dict(each.headers.raw)[b"content-disposition"] == name


def test_two_cookies_stay_two_and_are_not_kept(tmp_path):
    cookies = ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2; HttpOnly"]
    answer = reply(set_cookie="\r\nSet-Cookie: ".join(cookies).encode())
    got, written = recorded(tmp_path, answer)
    assert got.headers.get_list("Set-Cookie") == cookies
    assert b"HttpOnly" not in written


def test_of_errors_the_latest_is_kept(tmp_path, replayed):
    answers = [reply(b"first", 401), reply(b"second", 402)]
    with (
        answering(*answers) as (upstream, _),
        recording(tmp_path, upstream) as stub,
        connect(stub) as http,
    ):
        for _ in answers:
            http.post("/audio/speech", json=BODY)
    assert (replayed().status_code, replayed().content) == (402, b"second")


def asking(stub):
    """A connection that has sent a request."""
    with connect(stub) as http:
        asked = http.build_request("POST", "/audio/speech", json=BODY)
    head = b"".join(b"%b: %b\r\n" % pair for pair in asked.headers.raw)
    port = httpx.URL(stub.url).port
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"POST %b HTTP/1.1\r\n%b\r\n%b" % (asked.url.raw_path, head, asked.read()))
    return client


@pytest.fixture
def api():
    """An API that answers when the test does: the socket that it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield listener


def url_of(api):
    return f"http://127.0.0.1:{api.getsockname()[1]}"


def test_an_answer_is_not_kept_whose_client_is_gone_before_it_begins(tmp_path, api):
    with recording(tmp_path, url_of(api)) as stub:
        ended = queue.SimpleQueue()
        stub.on_answer = ended.put
        client = asking(stub)
        passed_on, _ = api.accept()
        with passed_on:
            client.close()
            stub.reset()  # It has read by then that the client is gone.
            passed_on.recv(1)
            passed_on.sendall(reply())
            ended.get(timeout=60)
    assert list((tmp_path / "tape").iterdir()) == []


def test_the_api_is_let_go_of_when_the_client_leaves_during_the_latency(tmp_path, api):
    with recording(tmp_path, url_of(api), profile=Profile(latency=600)) as stub:
        client = asking(stub)
        passed_on, _ = api.accept()
        with passed_on, passed_on.makefile("rb") as asked:
            passed_on.settimeout(60)
            passed_on.sendall(reply())
            client.close()
            assert json.loads(asked.read().partition(b"\r\n\r\n")[2]) == BODY
    assert list((tmp_path / "tape").iterdir()) == []


def test_a_recording_that_ends_lets_go_of_an_api_that_is_silent(tmp_path, api):
    with recording(tmp_path, f"{url_of(api)}/v1") as stub:
        client = asking(stub)
        passed_on, _ = api.accept()
        # Not before something was passed on, however slow the machine is.
        passed_on.recv(1, socket.MSG_PEEK)
    with client, passed_on, passed_on.makefile("rb") as asked:
        passed_on.settimeout(60)
        assert asked.read().startswith(b"POST /v1/audio/speech")
