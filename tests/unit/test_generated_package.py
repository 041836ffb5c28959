"""What people who import the generated package directly can rely on."""

import json
import ssl
import subprocess
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from importlib.resources import files

import httpx
import pytest

import modelgates_api
from modelgates_api import AuthenticatedClient, Client, models
from modelgates_speech import _binding
from tests.edition import BODY, EDITION, arguments_of

KEY = "sk-never-to-be-seen"
OPERATION, MODEL = _binding.speech_operation, _binding.SpeechRequest
SPEECH = MODEL.from_dict(BODY)
# The generator writes cookies in a way that httpx warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Setting per-request cookies")


def modules_after(statement):
    """The modules that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    return json.loads(done.stdout)


@pytest.fixture
def answering():
    """Start a server on a real socket that gives one answer to everything."""
    servers = []

    def start(status, body, content_type="application/json"):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status, "Whatever")
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


# Read once: each client would read all certificates of the system, which takes longer than a test.
TRUSTED = ssl.create_default_context()


def ask(base_url, **options):
    with Client(base_url=base_url, verify_ssl=TRUSTED, **options) as client:
        return OPERATION.sync_detailed(client=client, body=SPEECH, **arguments_of(OPERATION))


def test_importing_an_operation_imports_only_the_models_that_it_uses():
    loaded = modules_after(f"import {OPERATION.__name__}")
    loaded_models = [name for name in loaded if name.startswith("modelgates_api.models.")]
    assert MODEL.__module__ in loaded_models
    assert len(loaded_models) < len(models.__all__) or "provider" not in EDITION.properties
    assert not [name for name in loaded_models if "provider_options" in name]


def test_reading_the_document_from_the_package_imports_no_http_library():
    loaded = modules_after(
        "from importlib.resources import files; files('modelgates_api').joinpath('openapi.json')"
    )
    assert "modelgates_api" in loaded
    assert "httpx" not in loaded


def test_the_wrappers_constants_import_no_http_library():
    loaded = modules_after("from modelgates_speech._binding import BASE_URL")
    assert "modelgates_speech._binding" in loaded
    assert "httpx" not in loaded


@pytest.mark.parametrize("module", [modelgates_api, models, _binding], ids=lambda m: m.__name__)
def test_names_that_load_when_used_are_all_there(module):
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Unheard'"):
        _ = module.Unheard


def test_names_that_load_when_used_are_listed_before_they_are():
    command = (
        "import modelgates_api, modelgates_api.models as m; print(*dir(modelgates_api), *dir(m))"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True, timeout=60
    )
    assert {"AuthenticatedClient", "Client", *models.__all__} <= set(done.stdout.split())


def test_a_model_is_one_class_whichever_way_it_is_imported():
    direct = getattr(import_module(MODEL.__module__), MODEL.__name__)
    assert getattr(models, MODEL.__name__) is direct is MODEL


@pytest.mark.parametrize("status", [418, 499, 524, 529, 599])
def test_a_status_outside_every_list_is_an_answer_like_any_other(status, answering):
    answer = ask(answering(status, b"busy"))
    assert (answer.status_code, answer.content) == (status, b"busy")
    assert answer.parsed is None or EDITION.answers(status)


def test_a_status_still_compares_with_the_standard_librarys(answering):
    answer = ask(answering(503, b"later"))
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("status", EDITION.errors)
def test_a_documented_error_in_json_is_parsed(status, answering):
    schema = EDITION.error_schema(status)
    if not schema:
        pytest.skip("the OpenAPI document says nothing of JSON for it")
    body = EDITION.sample(schema, {"error": {"code": status, "message": "later"}})
    answer = ask(answering(status, json.dumps(body).encode()))
    parsed = answer.parsed
    assert (parsed.to_dict() if hasattr(parsed, "to_dict") else parsed) == body


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Bad Gateway</html>",
        b"",
        b"[]",
        b"{}",
        b'{"error": null}',
        b'{"error": "text"}',
        b"\xff",
    ],
)
@pytest.mark.parametrize("status", [*EDITION.errors, 418])
def test_an_error_body_of_another_shape_keeps_its_status_and_bytes(status, body, answering):
    answer = ask(answering(status, body))
    assert (answer.status_code, answer.content) == (status, body)
    if EDITION.is_enveloped(status) or not EDITION.answers(status):
        assert answer.parsed is None


@pytest.mark.parametrize("status", [*filter(EDITION.is_enveloped, EDITION.errors)])
def test_an_error_body_of_another_shape_raises_for_those_who_asked(status, answering):
    with pytest.raises(json.JSONDecodeError):
        ask(answering(status, b"<html>"), raise_on_unexpected_status=True)


@pytest.mark.parametrize("content_type", EDITION.audio_types)
def test_audio_arrives_whole(content_type, answering):
    status, _ = EDITION.success
    answer = ask(answering(status, b"\0\1" * 5000, content_type.replace("*", "pcm")))
    assert answer.parsed.payload.read() == b"\0\1" * 5000


def test_no_representation_holds_the_key(answering):
    client = AuthenticatedClient(
        base_url="https://example.test",
        token=KEY,
        headers={"X-Key": KEY},
        cookies={"key": KEY},
        httpx_args={"auth": ("user", KEY)},
    )
    with client as entered:
        assert KEY not in repr(entered)
    assert KEY not in str(client.with_headers({"Authorization": KEY}))
    assert "https://example.test" in repr(client)


def test_waiting_ends_by_default():
    expected = httpx.Timeout(60, connect=5)
    for client in (Client(base_url="x"), AuthenticatedClient(base_url="x", token=KEY)):
        with client:
            assert client.get_httpx_client().timeout == expected


def test_a_changed_copy_leaves_the_original_alone():
    with Client(base_url="https://example.test") as original:
        before = dict(original.get_httpx_client().headers)
        original.with_headers({"X-User": "one"})
        original.with_cookies({"user": "one"})
        original.with_timeout(httpx.Timeout(1))
        pool = original.get_httpx_client()
        assert dict(pool.headers) == before
        assert not pool.cookies
        assert pool.timeout == httpx.Timeout(60, connect=5)


@pytest.mark.parametrize("package", ["modelgates_speech", "modelgates_api"])
def test_type_checkers_are_told_that_the_package_is_typed(package):
    assert files(package).joinpath("py.typed").is_file()
