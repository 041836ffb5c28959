"""Programs that know nothing of this package get the same speech from the stub.

Where they are used they are imported: each process that collects these tests would take longer for
that than for all others.
"""

import pytest
import requests

from modelgates_speech import ModelGates
from tests.edition import EDITION, needs_nothing_new, needs_pcm, taken

pytestmark = [needs_nothing_new, needs_pcm]

SENTENCE = "Hello world"
MODEL = "elevenlabs/eleven-turbo-v2"
SPEED = taken(speed=1)


@pytest.fixture
def expected(modelgates_stub):
    with ModelGates() as client:
        return client.audio.speech.create(
            input=SENTENCE, model=MODEL, voice="alloy", **SPEED
        ).content


@pytest.fixture
def openai_client(modelgates_stub):
    import openai

    with openai.OpenAI(
        base_url=modelgates_stub.base_url, api_key=modelgates_stub.api_key, max_retries=0
    ) as client:
        yield client


def test_the_example_of_the_published_page_gets_pcm(modelgates_stub, expected):
    payload = {
        "input": SENTENCE,
        "model": MODEL,
        "voice": "alloy",
        "response_format": "pcm",
        **SPEED,
    }
    headers = {
        "Authorization": f"Bearer {modelgates_stub.api_key}",
        "Content-Type": "application/json",
    }
    response = requests.post(
        f"{modelgates_stub.base_url}/audio/speech", json=payload, headers=headers, timeout=60
    )
    assert response.status_code == EDITION.success[0]
    assert response.content == expected


def test_the_openai_package_gets_the_same_bytes_at_once(openai_client, expected):
    response = openai_client.audio.speech.create(
        input=SENTENCE, model=MODEL, voice="alloy", response_format="pcm", **SPEED
    )
    assert response.content == expected


def test_the_openai_package_gets_the_same_bytes_as_a_stream(openai_client, expected):
    with openai_client.audio.speech.with_streaming_response.create(
        input=SENTENCE, model=MODEL, voice="alloy", response_format="pcm", **SPEED
    ) as response:
        assert b"".join(response.iter_bytes()) == expected


def test_the_official_package_gets_the_same_bytes(modelgates_stub, expected):
    from modelgates import ModelGates as OfficialModelGates

    with OfficialModelGates(
        api_key=modelgates_stub.api_key, base_url=modelgates_stub.base_url, max_retries=0
    ) as client:
        # Release 0.1.0 keeps text where the package below it wants a URL, until it is set again.
        client.base_url = modelgates_stub.base_url
        response = client.audio.speech.create(
            input=SENTENCE, model=MODEL, voice="alloy", response_format="pcm", **SPEED
        )
    assert response.content == expected
