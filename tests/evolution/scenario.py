"""The wrapper as people use it, against the stub, whatever the document of the day says.

It takes every name from where the wrapper takes it and every fact from the document that ships
with the package, so it must pass for each document that `nox -s update_spec` can take.
"""

import asyncio
import importlib
import inspect
import pkgutil

import pytest

import modelgates_api.api
from modelgates_speech import (
    APIStatusError,
    AsyncModelGates,
    BadRequestError,
    ModelGates,
    RateLimitError,
    _binding,
)
from modelgates_speech.audio import FORMAT_BY_SUFFIX
from modelgates_speech.stub import StubServer
from modelgates_speech.stub.engine import Tones
from tests.edition import (
    BODY,
    DOCUMENT,
    EDITION,
    HELLO,
    SAVED,
    arguments_of,
    needs_format,
    needs_mp3,
    needs_provider,
)

# The status of a documented error and how a request of this client may come by it.
STATUSES = [*EDITION.errors]


@pytest.fixture(scope="module")
def stub():
    # Tones are as good as speech here, and begin at once.
    with StubServer(document=DOCUMENT, engine=Tones()) as server:
        yield server


@pytest.fixture
def options(stub):
    return {
        "base_url": stub.base_url,
        "api_key": stub.api_key,
        "retry": None,
    }


@pytest.fixture
def client(options):
    with ModelGates(**options) as client:
        yield client


@needs_format
@pytest.mark.parametrize("response_format", EDITION.formats)
def test_speech_in_every_format_that_the_document_has(client, stub, response_format):
    audio = client.audio.speech.create(**HELLO | {"response_format": response_format})
    assert len(audio.content) > 1000
    assert stub.requests[-1].body["response_format"] == response_format


def test_the_format_may_be_left_to_the_document(client):
    assert client.audio.speech.create(**HELLO).content


def test_a_stream_gives_the_same_bytes(client):
    with client.audio.speech.stream(**HELLO) as stream:
        streamed = b"".join(stream)
    assert streamed == client.audio.speech.create(**HELLO).content


def test_the_asynchronous_client_gives_the_same_bytes(client, options):
    async def speak():
        async with AsyncModelGates(**options) as twin:
            return await twin.audio.speech.create(**HELLO)

    assert asyncio.run(speak()).content == client.audio.speech.create(**HELLO).content


@needs_mp3
@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".pcm"])
def test_saving(client, tmp_path, suffix):
    saved = client.audio.speech.save(tmp_path / f"x{suffix}", **SAVED)
    assert saved.stat().st_size > 1000


def test_saving_what_comes_unasked_where_no_format_can_be_asked_for(client, tmp_path):
    if "response_format" in EDITION.properties:
        pytest.skip("the OpenAPI document has formats to ask for")
    audio = client.audio.speech.create(**HELLO)
    suffix = ".wav" if audio.format == "pcm" else f".{audio.format}"
    if suffix not in FORMAT_BY_SUFFIX:
        pytest.skip(f"a file of {audio.format} has no suffix that this client knows")
    path = tmp_path / f"x{suffix}"
    assert client.audio.speech.save(path, **HELLO) == path
    assert audio.content in path.read_bytes()


def test_a_property_newer_than_this_release_is_sent_and_judged_by_the_server(client, stub):
    newer = {"extra_body": {"brand_new": 7}}
    if EDITION.is_open:
        client.audio.speech.create(**HELLO | newer)
        assert stub.requests[-1].body["brand_new"] == 7
    else:
        with pytest.raises(BadRequestError) as refused:
            client.audio.speech.create(**HELLO | newer)
        if EDITION.is_enveloped(400):
            # Other errors need not have a text that says so.
            assert "brand_new" in str(refused.value)


@needs_provider
def test_provider_options_are_sent_by_their_slugs(client, stub):
    options = provider_options()
    client.audio.speech.create(**HELLO, provider={"options": options})
    assert stub.requests[-1].body["provider"] == {"options": options}


def provider_options():
    provider, _ = EDITION.merged(EDITION.properties["provider"])
    options, _ = EDITION.merged(provider["options"])
    return {
        slug: EDITION.sample(schema, {"n": index})
        for index, (slug, schema) in enumerate(options.items())
    }


def test_the_generated_model_keeps_every_property_under_its_name():
    whole = {
        name: EDITION.sample(schema, BODY.get(name))
        for name, schema in EDITION.properties.items()
        if not EDITION.is_impossible(name)
    }
    assert _binding.SpeechRequest.from_dict(whole).to_dict() == whole


@needs_provider
def test_the_generated_models_keep_the_names_of_the_document(client, stub):
    whole = BODY | {"provider": {"options": provider_options()}}
    model = _binding.SpeechRequest.from_dict(whole)
    assert model.to_dict() == whole
    client.audio.speech.create(**HELLO, provider=model.provider)
    assert stub.requests[-1].body["provider"] == whole["provider"]


def test_the_key_is_sent_as_a_bearer_whatever_the_document_calls_it(client, stub, options):
    client.audio.speech.create(**HELLO)
    with (
        ModelGates(**options | {"api_key": "wrong"}) as stranger,
        pytest.raises(APIStatusError) as refused,
    ):
        stranger.audio.speech.create(**HELLO)
    assert refused.value.status == 401


@pytest.mark.parametrize("name", EDITION.required)
def test_what_the_document_requires_and_nobody_gave_is_named(client, name):
    python = next(own for own, each in _binding.ARGUMENTS.items() if each.name == name)
    rest = {key: value for key, value in HELLO.items() if key != python}
    with pytest.raises(TypeError, match=f"create.*{python}"):
        client.audio.speech.create(**rest)


@pytest.mark.parametrize("extra", {"extra_headers", "extra_query"} & HELLO.keys())
def test_what_only_the_caller_can_know_is_refused_by_the_server(client, extra):
    with pytest.raises(BadRequestError):
        client.audio.speech.create(**{key: v for key, v in HELLO.items() if key != extra})


@pytest.mark.parametrize("status", STATUSES)
def test_every_documented_error_is_raised_with_what_it_says(client, stub, status):
    stub.fail_next(status)
    with pytest.raises(APIStatusError) as error:
        client.audio.speech.create(**HELLO)
    assert error.value.status == status
    assert error.value.message
    if EDITION.is_enveloped(status):
        assert error.value.code == status
        assert b"{" in error.value.body


def test_an_undocumented_status_is_an_error_all_the_same(client, stub):
    stub.fail_next(418)
    with pytest.raises(APIStatusError) as error:
        client.audio.speech.create(**HELLO)
    assert error.value.status == 418


def test_retry_after_is_read(client, stub):
    stub.fail_next(429, retry_after=7)
    with pytest.raises(RateLimitError) as error:
        client.audio.speech.create(**HELLO)
    assert error.value.retry_after == 7


def operations():
    """Each generated operation but ours that can be called without arguments."""
    prefix = f"{modelgates_api.api.__name__}."
    for module in pkgutil.walk_packages(modelgates_api.api.__path__, prefix):
        operation = importlib.import_module(module.name)
        if hasattr(operation, "_get_kwargs") and operation is not _binding.speech_operation:
            body = inspect.signature(operation._get_kwargs).parameters.get("body")
            if not arguments_of(operation) and (body is None or body.default is not body.empty):
                yield pytest.param(operation, id=operation.__name__.removeprefix(prefix))


@pytest.mark.parametrize("operation", list(operations()))
def test_any_other_operation_is_usable_at_once(client, stub, operation):
    asked = operation._get_kwargs()
    if EDITION.is_elsewhere(asked["url"], asked["method"]):
        pytest.skip("it is at another server, or speaks another protocol")
    if EDITION.wants_body(asked["url"], asked["method"]):
        pytest.skip("it must be told something in its body, in one of several ways")
    client.call(operation)
    assert stub.requests[-1].path.endswith(asked["url"])
