"""The command, as people run it: `nox -s contract -- ...` with its exit codes and reports."""

import http.server
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from xml.etree import ElementTree as ET

import pytest
import yaml

from modelgates_speech.stub import StubServer
from tests.contract.defects import DEFECTS
from tests.contract.document import edition
from tests.contract.settings import DOCUMENT_VARIABLE, KEY_VARIABLE, ROOT, STUB_KEY, VARIABLE
from tests.edition import Edition

FEW = ["--max-requests", "250", "--examples", "10"]


def contract(*arguments, key=STUB_KEY):
    environment = {**os.environ, KEY_VARIABLE: key}
    for variable in (VARIABLE, DOCUMENT_VARIABLE):
        environment.pop(variable, None)
    return subprocess.run(
        [sys.executable, "-m", "scripts.contract", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )


@contextmanager
def defective(name):
    """A server somebody started by hand."""
    server = StubServer(api_key=STUB_KEY)
    server.app = DEFECTS[name].wrap(server.app)
    with server:
        yield server


@contextmanager
def answering(status):
    """A server that knows one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_running_stub_keeps_the_contract():
    with StubServer(api_key="another-secret") as stub:
        done = contract("--base-url", stub.base_url, key="another-secret")
        url = stub.base_url
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The server keeps the contract." in done.stdout
    assert done.stdout.startswith(f"{url} will get at most 500 requests")


def test_a_defective_server_is_told_by_its_violation(tmp_path):
    if not DEFECTS["message-is-null"].breaks_what(edition()):
        pytest.skip("the OpenAPI document has no message that may not be null")
    with defective("message-is-null") as server:
        done = contract("--base-url", server.base_url, *FEW, "--report-dir", tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED: response_schema_conformance" in done.stdout
    assert "curl -sS -i -X POST" in done.stdout
    assert '"$MODELGATES_API_KEY"' in done.stdout
    reports = [*tmp_path.iterdir()]
    assert {path.name for path in reports} == {"junit.xml", "traffic.har", "ledger.json"}
    for text in (done.stdout, done.stderr, *(path.read_text("utf-8") for path in reports)):
        assert STUB_KEY not in text
    failed = ET.parse(tmp_path / "junit.xml").findall(".//testcase[failure]")
    assert "response_schema_conformance" in {case.get("name") for case in failed}
    log = json.loads((tmp_path / "traffic.har").read_text("utf-8"))["log"]
    assert log["version"] == "1.2"
    assert {400, 200} <= {entry["response"]["status"] for entry in log["entries"]}


def test_a_budget_is_announced_and_kept():
    with StubServer(api_key=STUB_KEY) as stub:
        done = contract("--base-url", stub.base_url, "--max-requests", 12, "--max-characters", 999)
        received = len(stub.requests)
    assert "at most 12 requests and be asked to speak at most 999 characters" in done.stdout
    assert "The run ended early: the budget of" in done.stdout
    assert received <= 12
    # Too little was seen to say yes; nothing was seen to say no.
    assert done.returncode == 6, done.stdout


@pytest.mark.parametrize(("status", "code"), [(401, 4), (403, 4), (402, 5)])
def test_a_refusal_is_no_violation(status, code):
    with answering(status) as url:
        done = contract("--base-url", url)
    assert done.returncode == code, done.stdout + done.stderr
    assert str(status) in done.stdout


def test_an_unreachable_server_is_no_violation():
    with StubServer() as stub:
        url = stub.base_url
    done = contract("--base-url", url)
    assert done.returncode == 3
    assert "unreachable" in done.stderr


def test_without_a_key_nothing_is_sent():
    with StubServer() as stub:
        done = contract("--base-url", stub.base_url, key="")
        assert stub.requests == ()
    assert done.returncode == 2
    assert KEY_VARIABLE in done.stderr


def test_another_document_can_be_judged_by(tmp_path):
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text("utf-8"))
    edition = Edition(document)
    request = edition.resolved(edition.schema)
    content = edition.resolved(edition.speech["requestBody"])["content"]
    content[edition.media_type]["schema"] = request | {
        "properties": request.get("properties", {}) | {"tone": {"type": "string"}},
        "required": [*request.get("required", []), "tone"],
    }
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    # A server that has not heard of the change.
    with StubServer(api_key=STUB_KEY) as stub:
        done = contract("--base-url", stub.base_url, *FEW, "--document", path)
    assert done.returncode == 1, done.stdout
    assert "FAILED: negative_data_rejection" in done.stdout


def test_a_defect_of_each_kind_is_caught_by_the_check_meant_to():
    chosen = ["any-key", "accepts-no-voice", "demands-provider", "429-is-503", "audio-half-rate"]
    harmful = [name for name in chosen if DEFECTS[name].breaks_what(edition())]
    done = contract("--prove", *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"100% of {len(harmful)} defects caught" in done.stdout
    assert done.stdout.count("skipped: ") == len(chosen) - len(harmful)


def test_the_catalogue_is_large_and_each_defect_is_meant_for_one_check():
    assert len(DEFECTS) >= 60
    assert all(defect.breaks and defect.caught_by for defect in DEFECTS.values())
