"""Every request that the clients send is one that the document allows."""

import json
from urllib.parse import urlsplit

import anyio
import httpx
import hypothesis
import pytest
from hypothesis import strategies as st

from modelgates_speech import AsyncModelGates, ModelGates
from tests.contract.client.strategies import is_header_safe, settings, validator, values
from tests.contract.run import SPEECH, document

SERVER = urlsplit(document()["servers"][0]["url"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
ARGUMENTS = st.fixed_dictionaries(
    {"input": TEXT, "model": TEXT, "voice": TEXT},
    optional={
        "response_format": st.sampled_from(["pcm", "mp3", None]),
        "speed": st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.none(),
        "provider": values("SpeechRequestProvider") | st.none(),
    },
)
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1).filter(
    is_header_safe
)


def send(key, arguments, transport):
    with ModelGates(api_key=key, transport=transport) as client:
        client.audio.speech.create(**arguments)


def send_streamed(key, arguments, transport):
    with (
        ModelGates(api_key=key, transport=transport) as client,
        client.audio.speech.stream(**arguments) as stream,
    ):
        stream.read()


def send_async(key, arguments, transport):
    async def call():
        async with AsyncModelGates(api_key=key, transport=transport) as client:
            await client.audio.speech.create(**arguments)

    anyio.run(call)


@pytest.mark.parametrize("send", [send, send_streamed, send_async])
def test_what_is_sent_is_valid_and_says_what_was_asked(send, monkeypatch):
    monkeypatch.delenv("MODELGATES_BASE_URL", raising=False)
    seen = []

    def respond(request):
        seen.append(request)
        return httpx.Response(
            200, headers={"Content-Type": "application/octet-stream"}, content=bytes(2)
        )

    @settings
    @hypothesis.given(KEYS, ARGUMENTS)
    def sent(key, arguments):
        seen.clear()
        send(key, arguments, httpx.MockTransport(respond))
        [request] = seen
        assert (request.method, request.url.path) == ("POST", SERVER.path + SPEECH)
        assert (request.url.host, request.url.query) == (SERVER.hostname, b"")
        assert request.headers["Authorization"] == f"Bearer {key}"
        assert request.headers["Content-Type"].partition(";")[0] in content_types()
        body = json.loads(request.content, parse_constant=pytest.fail)
        problems = [problem.message for problem in validator("SpeechRequest").iter_errors(body)]
        assert problems == []
        assert body == {name: value for name, value in arguments.items() if value is not None}

    sent()


def content_types():
    return document()["paths"][SPEECH]["post"]["requestBody"]["content"]
