"""One stub for this folder, called without this project's client: a peer judges it better."""

import copy
import json
import os
import ssl
import threading
from pathlib import Path

import httpx
import pytest

from modelgates_speech.stub import StubServer

# The first document that was published, with two providers: what the stub does is told of it,
# whatever the document of the day.
REFERENCE_FILE = str(Path(__file__).with_name("reference.json"))
REFERENCE = json.loads(Path(REFERENCE_FILE).read_text("utf-8"))
BODY = {"input": "Hello world. How are you?", "model": "a-model", "voice": "alloy"}
# Read once: each client would read all certificates of the system, which takes longer than most
# tests, for servers that have none.
TRUSTED = ssl.create_default_context()


@pytest.fixture(scope="session")
def _server():
    with StubServer(document=REFERENCE) as server:
        yield server


@pytest.fixture
def stub(_server):
    _server.reset()
    yield _server
    _server.reset()


def connect(stub, **options):
    """A plain HTTP client with the stub's key; proxies of the environment stay out of it."""
    headers = {"Authorization": f"Bearer {stub.api_key}"}
    how = {"timeout": 60, "trust_env": False, "verify": TRUSTED}
    return httpx.Client(base_url=stub.base_url, headers=headers, **how)


@pytest.fixture
def no_thread_left():
    """Fail a test that leaves a thread behind; one that is just ending is waited for."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def http(stub):
    with connect(stub) as client:
        yield client


@pytest.fixture
def speak(http):
    """POST a speech request; keyword arguments change its fields, None takes one away."""

    def speak(**fields):
        body = {name: value for name, value in (BODY | fields).items() if value is not None}
        return http.post("/audio/speech", json=body)

    return speak


@pytest.fixture
def send(http):
    """POST raw bytes, with whatever headers."""

    def send(content, content_type="application/json", **headers):
        kind = {} if content_type is None else {"Content-Type": content_type}
        return http.post("/audio/speech", content=content, headers=kind | headers)

    return send


@pytest.fixture(scope="session")
def document():
    """A document, to change and to judge by."""
    return copy.deepcopy(REFERENCE)


@pytest.fixture
def environment():
    """Variables for a process of its own that imports what this one does."""
    import modelgates_api
    import modelgates_speech

    paths = [
        str(Path(module.__file__).parents[1]) for module in (modelgates_speech, modelgates_api)
    ]
    kept = {name: value for name, value in os.environ.items() if "MODELGATES" not in name}
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}
