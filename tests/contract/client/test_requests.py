"""Every request that the clients send is one that the document allows."""

import json
from urllib.parse import urlsplit

import anyio
import httpx
import hypothesis
import pytest
from hypothesis import strategies as st

from modelgates_speech import AsyncModelGates, ModelGates, _binding
from tests.contract.client.strategies import is_header_safe, settings, values
from tests.contract.run import SPEECH, edition
from tests.edition import EXTRAS

SERVER = urlsplit(_binding.BASE_URL)
NAMES = {argument.name: name for name, argument in _binding.ARGUMENTS.items()}
ALLOWED = edition().validator(edition().schema)
# Arguments say an object, whatever else a body may be.
BODIES = values(edition().schema, breadth=20).filter(
    lambda body: isinstance(body, dict) and not _halves(body)
)


def _halves(body):
    return any(
        "\ud800" <= character <= "\udfff" for character in json.dumps(body, ensure_ascii=False)
    )


def arguments(body):
    """The arguments that say what a body does; None stands for one that is not given."""
    known = {NAMES[name]: value for name, value in body.items() if name in NAMES}
    others = {name: value for name, value in body.items() if name not in NAMES}
    return EXTRAS | known | ({"extra_body": others} if others else {})


KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8).filter(
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


def test_what_is_sent_is_valid_and_says_what_was_asked(monkeypatch):
    monkeypatch.delenv("MODELGATES_BASE_URL", raising=False)
    seen = []

    def respond(request):
        seen.append(request)
        return httpx.Response(
            edition().success[0], headers={"Content-Type": "audio/pcm"}, content=bytes(2)
        )

    def is_sent(way, key, asked):
        seen.clear()
        way(key, arguments(asked), httpx.MockTransport(respond))
        [request] = seen
        assert (request.method, request.url.path) == ("POST", SERVER.path + SPEECH)
        assert request.url.host == SERVER.hostname
        assert dict(request.url.params) == edition().demanded("query")
        assert request.headers["Authorization"] == f"Bearer {key}"
        assert request.headers["Content-Type"].partition(";")[0] in edition().media_types
        body = json.loads(request.content, parse_constant=pytest.fail)
        # A null says nothing that leaving it out does not, where that is allowed.
        given = {
            name: value for name, value in asked.items() if value is not None or name not in NAMES
        }
        assert body == given
        assert ALLOWED.is_valid(body) == ALLOWED.is_valid(given)

    @settings
    @hypothesis.given(KEYS, BODIES)
    def sent(key, asked):
        for way in (send, send_streamed, send_async):
            hypothesis.note(way.__name__)
            is_sent(way, key, asked)

    sent()
