"""The watch asks politely, takes what changed, and writes the request's text."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from tests.evolution.derive import evolutions

EVOLUTIONS = {evolution.name: evolution for evolution in evolutions()}


@pytest.fixture
def published():
    """A page on a real socket that publishes a document, with tags as servers give them."""
    page = SimpleNamespace(data=b"", tag='"1"', status=200, answers=[])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = page.tag and self.headers.get("If-None-Match") == page.tag
            status = 304 if known and page.status == 200 else page.status
            page.answers.append(status)
            self.send_response(status)
            if page.tag:
                self.send_header("ETag", page.tag)
            body = page.data if status == 200 else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page.url = f"http://127.0.0.1:{server.server_port}/openapi.yaml"
        yield page
        server.shutdown()
        thread.join()


@pytest.fixture
def watch(tree, published, tmp_path):
    request = tmp_path / "request.md"

    def watch():
        request.unlink(missing_ok=True)
        arguments = [published.url, "--request", request, "--state"]
        code, out, err = tree.run("scripts.watch_spec", *arguments, tmp_path / "state.json")
        said = dict(line.split("=", 1) for line in out.splitlines())
        return code, said, request.read_text("utf-8") if request.exists() else err

    return watch


def test_a_document_that_did_not_change_is_asked_for_with_its_tag(watch, published, tree):
    published.data = (tree.root / "openapi.yaml").read_bytes()
    before = tree.contents()
    for _ in range(2):
        code, said, _ = watch()
        assert (code, said) == (0, {"outcome": "unchanged"})
    assert published.answers == [200, 304]
    assert tree.contents() == before


def test_a_server_without_tags_is_no_reason_to_ask_for_a_change_twice(
    watch, published, document, tree
):
    published.tag = ""
    published.data = json.dumps(EVOLUTIONS["tag-renamed"].apply(document)).encode()
    code, said, text = watch()
    assert (code, said["outcome"], said["rating"]) == (0, "applied", "breaking")
    assert said["title"] == "Update to the published document: breaking"
    assert "version bump: **major**" in text
    assert "`modelgates_api.api.subpackage_tts` is gone or has moved" in text
    assert published.url in text
    assert (tree.root / "openapi.yaml").read_bytes() == published.data
    assert watch()[1] == {"outcome": "unchanged"}
    assert published.answers == [200, 200]


def test_a_document_that_cannot_be_taken_is_reported_and_not_taken(watch, published, tree):
    before = tree.contents()
    original = (tree.root / "openapi.yaml").read_bytes()
    published.data = original.replace(b"in: header", b"in: heder")
    code, said, text = watch()
    assert (code, said["outcome"]) == (0, "invalid document")
    assert said["title"] == "The published document cannot be taken: invalid document"
    assert "Line 17" in text
    assert "heder" in text
    assert tree.contents() == before


def test_a_server_that_fails_is_asked_again_the_next_time(watch, published, tree):
    published.data, published.status = (tree.root / "openapi.yaml").read_bytes(), 503
    code, said, err = watch()
    assert (code, said) == (4, {})
    assert "answered 503" in err
    published.status = 200
    assert watch()[1] == {"outcome": "unchanged"}
    assert published.answers == [503, 200]


def test_a_document_larger_than_any_is_not_read_to_its_end(watch, published):
    published.data = b"#" * (9 * 1024 * 1024)
    code, _, err = watch()
    assert code == 4
    assert "larger than 8 MiB" in err
