"""Every documented answer, replayed into the clients, is what the user is told."""

import json

import anyio
import httpx
import hypothesis
import pytest

from modelgates_speech import APIStatusError, AsyncModelGates, ModelGates
from tests.contract.client.strategies import settings, values
from tests.contract.run import edition
from tests.edition import HELLO

# By status, the schema; a document may well have errors that say nothing in JSON.
ERRORS = {
    status: edition().error_schema(status)
    for status in edition().errors
    if edition().error_schema(status) is not None
}
NAMES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    402: "PaymentRequiredError",
    404: "NotFoundError",
    429: "RateLimitError",
    500: "InternalServerError",
    502: "BadGatewayError",
    503: "ServiceUnavailableError",
}


def as_samples(data: bytes) -> bytes:
    """PCM: an even number of bytes, and silence first, or a few of them pass for text."""
    return bytes(512) + data + data


def create(respond) -> object:
    with ModelGates(
        api_key="a-key-that-no-answer-contains",
        base_url="http://localhost",
        retry=None,
        transport=httpx.MockTransport(respond),
    ) as client:
        return client.audio.speech.create(**HELLO)


def create_async(respond) -> object:
    async def call():
        async with AsyncModelGates(
            api_key="a-key-that-no-answer-contains",
            base_url="http://localhost",
            retry=None,
            transport=httpx.MockTransport(respond),
        ) as client:
            return await client.audio.speech.create(**HELLO)

    return anyio.run(call)


# Both are told the same: what is drawn is drawn once.
CLIENTS = [create, create_async]


@pytest.mark.parametrize("status", ERRORS)
def test_a_documented_error_is_raised_with_all_that_it_says(status):
    enveloped = edition().is_enveloped(status)

    @settings
    @hypothesis.given(values(ERRORS[status]))
    def raised(body):
        content = json.dumps(body).encode()

        def respond(request):
            return httpx.Response(
                status,
                headers={"Content-Type": "application/json", "X-Request-Id": "r-1"},
                content=content,
            )

        for call in CLIENTS:
            hypothesis.note(call.__name__)
            with pytest.raises(APIStatusError) as caught:
                call(respond)
            error = caught.value
            assert type(error).__name__ == NAMES.get(status, "APIStatusError")
            assert error.status == status
            if enveloped and "error" in body:
                assert error.code == body["error"]["code"]
                assert error.message == body["error"]["message"]
                assert error.metadata == body["error"].get("metadata")
                assert error.user_id == body.get("user_id")
            assert error.request_id == "r-1"
            assert error.body == content[: 64 * 1024]

    raised()


@pytest.mark.parametrize(
    "content_type",
    [each.replace("*/*", "audio/pcm").replace("*", "pcm") for each in edition().audio_types],
)
def test_a_documented_success_is_audio(content_type):
    # Under a name that is not one of sound, as application/ogg, it is audio if its bytes say so.
    sounds = content_type.startswith("audio/") or content_type == "application/octet-stream"
    begun = b"" if sounds else b"OggS"

    @settings
    @hypothesis.given(hypothesis.strategies.binary(max_size=999).map(as_samples))
    def spoken(content):
        def respond(request):
            status, _ = edition().success
            return httpx.Response(
                status, headers={"Content-Type": content_type}, content=begun + content
            )

        asked = HELLO.get("response_format", edition().default_format)
        for call in CLIENTS:
            hypothesis.note(call.__name__)
            audio = call(respond)
            assert audio.content == begun + content
            if content_type == "application/octet-stream" and asked == "pcm":
                assert audio.format == "pcm"

    spoken()
