"""Below a path of another application the stub is what it is at the root."""

import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from modelgates_speech.stub import Recording, Replay, StubServer

from .conftest import BODY, REFERENCE


@pytest.fixture
def mounted():
    """Start a stub below a path; give it, and the URL that it has there."""
    running = []

    def mounted(**options):
        stub = StubServer(document=REFERENCE, **options)
        stub.app = Starlette(routes=[Mount("/tts", stub.app)])
        running.append(stub.start())
        return stub, f"{stub.url}/tts"

    yield mounted
    for stub in running:
        stub.stop()


def speak(url):
    headers = {"Authorization": "Bearer stub-key"}
    return httpx.post(url, json=BODY, headers=headers, trust_env=False, timeout=60)


def test_its_root_says_where_it_is(mounted):
    stub, root = mounted()
    told = set(re.findall(r"http:\S+", httpx.get(f"{root}/?from=here", trust_env=False).text))
    assert len(told) == 1
    url = told.pop()
    assert speak(url).status_code == 200
    # Those who miss it are told the same.
    assert url.removeprefix(stub.url) in speak(f"{root}/elsewhere").text


def test_what_it_passes_on_and_keeps_is_that_of_the_root(mounted, tmp_path):
    with StubServer(document=REFERENCE) as upstream:
        stub, _ = mounted(tape=Recording(tmp_path, upstream=upstream.base_url))
        passed_on = speak(stub.base_url.replace(stub.url, f"{stub.url}/tts") + "/audio/speech")
        assert upstream.last_request.path.startswith("/api/")
    with StubServer(document=REFERENCE, tape=Replay(tmp_path)) as replaying:
        kept = speak(f"{replaying.base_url}/audio/speech")
    assert kept.content == passed_on.content
    assert kept.status_code == 200
