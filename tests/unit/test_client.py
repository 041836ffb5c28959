"""The client against the stub: what is sent, what comes back, sync and async alike."""

import asyncio
import inspect
import json
import logging
import re
import time
import wave
from unittest import mock

import httpx
import pytest

from modelgates_api.types import File
from modelgates_speech import (
    APIStatusError,
    AsyncModelGates,
    BadRequestError,
    ConfigurationError,
    IncompleteAudioError,
    InvalidResponseError,
    ModelGates,
    ModelGatesError,
    RateLimitError,
    RetryPolicy,
    Timeout,
    transport,
)
from modelgates_speech._binding import BASE_URL, SpeechRequest, speech_operation
from modelgates_speech.stub import StubServer
from tests.edition import (
    BODY,
    EDITION,
    HELLO,
    SAVED,
    TEXT,
    arguments_of,
    needs_format,
    needs_mp3,
    needs_pcm,
    needs_provider,
    needs_text,
)

SENTENCES = "One. Two. Three."
OK = EDITION.success[0]
OPERATION = arguments_of(speech_operation)
can_be_called = pytest.mark.skipif(
    EDITION.demands_an_object_in_parts,
    reason="the OpenAPI document demands an object in the query, which only extra_query can say",
)
# What only a document that refuses unknown properties does not take.
NEWER = {"brand_new": 7} if EDITION.is_open else {}


def plainly(arguments):
    """What tells these arguments apart, of characters that pytest has no need to escape."""
    return ascii(arguments).replace("\\", "/")


class Both:
    """The sync and the async client behind one blocking face, so that one test tells for both."""

    def __init__(self, kind, **options):
        self.asynchronous = kind == "async"
        self.client = (AsyncModelGates if self.asynchronous else ModelGates)(**options)
        self._runner = asyncio.Runner() if self.asynchronous else None

    def run(self, function):
        """Call `function` with the client; await what it returns if need be."""
        result = function(self.client)
        return self._runner.run(result) if inspect.isawaitable(result) else result

    def create(self, **arguments):
        return self.run(lambda client: client.audio.speech.create(**HELLO | arguments))

    def save(self, path, **arguments):
        return self.run(lambda client: client.audio.speech.save(path, **SAVED | arguments))

    def stream(self, **arguments):
        """The pieces of a stream, and the stream after its end."""
        stream = self.client.audio.speech.stream(**HELLO | arguments)
        if not self.asynchronous:
            with stream:
                return list(stream), stream

        async def pieces():
            async with stream:
                return [piece async for piece in stream], stream

        return self._runner.run(pieces())

    def close(self):
        if self.asynchronous:
            self._runner.run(self.client.aclose())
            self._runner.close()
        else:
            self.client.close()


@pytest.fixture(params=["sync", "async"])
def api(request, stub):
    both = Both(request.param)
    yield both
    both.close()


def sent(stub):
    return stub.requests[-1].body


@needs_pcm
def test_create_returns_the_whole_audio(api):
    audio = api.create()
    assert (audio.format, audio.sample_rate, audio.channels) == ("pcm", 24_000, 1)
    assert EDITION.is_audio(audio.content_type)
    assert audio.duration == len(audio.content) / 48_000 > 0.2


@needs_pcm
@needs_text
def test_a_stream_hands_out_the_same_bytes_piece_by_piece(api):
    pieces, stream = api.stream(**{TEXT: SENTENCES})
    assert b"".join(pieces) == api.create(**{TEXT: SENTENCES}).content
    assert len(pieces) > 1
    assert stream.bytes_received == sum(map(len, pieces))
    assert stream.time_to_first_byte > 0
    assert stream.duration == stream.bytes_received / 48_000


@needs_mp3
def test_save_asks_for_the_format_of_the_suffix(api, stub, tmp_path):
    assert api.save(tmp_path / "x.wav") == tmp_path / "x.wav"
    assert sent(stub)["response_format"] == "pcm"
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert file.getparams()[:3] == (1, 2, 24_000)
        pcm = api.create(response_format="pcm").content
        assert file.readframes(file.getnframes()) == pcm
    api.save(tmp_path / "x.mp3")
    assert sent(stub)["response_format"] == "mp3"
    assert (tmp_path / "x.mp3").read_bytes() == api.create(response_format="mp3").content


@needs_mp3
def test_save_refuses_a_contradiction_before_anything_is_sent(api, stub, tmp_path):
    with pytest.raises(ConfigurationError, match="contradicts"):
        api.save(tmp_path / "x.mp3", response_format="pcm")
    assert not stub.requests


@needs_mp3
def test_save_reports_progress_in_bytes_received(api, tmp_path):
    seen = []
    api.save(tmp_path / "x.pcm", on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == (tmp_path / "x.pcm").stat().st_size


@needs_pcm
@pytest.mark.parametrize("kind", [LookupError, KeyboardInterrupt])
def test_what_ends_a_save_early_has_what_arrived(api, tmp_path, kind):
    def give_up(received):
        raise kind(received)

    with pytest.raises(kind) as caught:
        api.save(tmp_path / "x.pcm", on_progress=give_up)
    assert len(caught.value.partial.content) == caught.value.args[0]
    assert not [*tmp_path.iterdir()]


def test_only_what_was_given_is_sent(api, stub):
    api.create()
    assert sent(stub) == BODY


@needs_mp3
@needs_provider
def test_every_argument_reaches_the_server_under_the_documents_name(api, stub):
    known = {"options": {"openai": {"instructions": "calm"}}}
    newer = {"options": known["options"] | {"a/new-one": {"x": 1}}}
    provider = newer if EDITION.allows(EDITION.properties["provider"], newer) else known
    api.create(
        response_format="mp3",
        provider=provider,
        extra_body=NEWER,
        extra_headers=EDITION.headers | {"X-Note": "tests"},
        extra_query=EDITION.demanded("query") | {"x-tests": "1"},
    )
    assert sent(stub) == BODY | {
        "response_format": "mp3",
        "provider": provider,
        **NEWER,
    }
    assert stub.requests[-1].headers["x-note"] == "tests"
    assert "x-tests=1" in stub.requests[-1].query


@needs_provider
def test_provider_options_may_be_the_generated_model(api, stub):
    options = {"options": {"openai": {"instructions": "calm"}}}
    api.create(provider=SpeechRequest.from_dict(BODY | {"provider": options}).provider)
    assert sent(stub)["provider"] == {"options": {"openai": {"instructions": "calm"}}}


@needs_format
def test_a_format_that_the_document_does_not_know_is_passed_on(api, stub):
    newer = "newer-than-the-document"
    if EDITION.takes_format(newer):
        api.create(response_format=newer)
    else:
        # Errors of other shapes need not have a text that says so.
        told = newer if EDITION.is_enveloped(400) else None
        with pytest.raises(BadRequestError, match=told):
            api.create(response_format=newer)
    assert sent(stub)["response_format"] == newer


@needs_mp3
def test_extra_body_wins_and_is_heeded_in_reading_the_answer(api, stub):
    assert api.create(extra_body={"response_format": "mp3"}).format == "mp3"


def test_a_documented_error_arrives_with_its_fields(api, stub):
    stub.fail_next(429, retry_after=3600)
    with pytest.raises(RateLimitError) as caught:
        api.create()
    error = caught.value
    assert (error.status, error.retry_after) == (429, 3600)
    assert error.message
    if EDITION.is_enveloped(429):
        assert error.code == 429
        assert error.body
    assert len(stub.requests) == 1


def test_a_call_is_tried_again_by_the_policy_given(api, stub):
    stub.fail_next(503, times=3)
    audio = api.create(retry=RetryPolicy(max_retries=3, initial_delay=0.001))
    assert audio.content
    assert [request.status for request in stub.requests] == [503, 503, 503, OK]


def test_without_a_policy_nothing_is_tried_again(api, stub):
    stub.fail_next(503)
    with pytest.raises(APIStatusError):
        api.create(retry=None)
    assert len(stub.requests) == 1


def test_the_key_and_the_base_url_are_read_when_the_client_is_made(stub, monkeypatch):
    client = ModelGates()
    monkeypatch.setenv("MODELGATES_API_KEY", "another")
    monkeypatch.setenv("MODELGATES_BASE_URL", "https://elsewhere.example")
    with client:
        assert client.audio.speech.create(**HELLO).content
    assert ModelGates().base_url == "https://elsewhere.example"


def test_without_a_base_url_the_documents_server_is_used(monkeypatch):
    monkeypatch.delenv("MODELGATES_BASE_URL", raising=False)
    assert ModelGates(api_key="key").base_url == BASE_URL
    assert BASE_URL.startswith(("https://", "http://"))


def test_without_a_key_the_error_says_how_to_get_going(monkeypatch):
    monkeypatch.delenv("MODELGATES_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"MODELGATES_API_KEY.*--local"):
        ModelGates()


def test_a_key_function_is_asked_before_each_call(stub):
    keys = iter(["wrong", stub.api_key])
    with ModelGates(api_key=lambda: next(keys)) as client:
        with pytest.raises(APIStatusError, match="401"):
            client.audio.speech.create(**HELLO)
        assert client.audio.speech.create(**HELLO).content


def test_a_key_function_that_fails_is_a_configuration_error(stub):
    def fail():
        raise OSError("the vault is closed")

    told = r"api_key\(\) failed with OSError$"
    with (
        ModelGates(api_key=fail) as client,
        pytest.raises(ConfigurationError, match=told) as caught,
    ):
        client.audio.speech.create(**HELLO)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": ""},
        {"api_key": "two words"},
        {"api_key": "ключ"},
        {"api_key": "key\n"},
        {"base_url": "api.example"},
        {"base_url": "ftp://api.example"},
        {"base_url": "https://"},
        {"base_url": "https://user:secret@api.example"},
        {"base_url": "https://api.example/?a=b"},
        {"base_url": "https://api.example/#a"},
        {"base_url": "https://[::1"},
        {"base_url": "https://api.example:port"},
        {"base_url": "http://api.example"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"deadline": -1},
        {"headers": {"Authorization": "Bearer other"}},
        {"headers": {"Accept-Encoding": "gzip"}},
        {"headers": {"X-Title": "a\r\nX-Other: b"}},
        {"headers": {"X Title": "a"}},
        {"headers": {"X-Title": "ü"}},
    ],
    ids=plainly,
)
def test_a_client_that_could_not_work_is_refused_at_once(options):
    with pytest.raises(ConfigurationError):
        ModelGates(**{"api_key": "key"} | options)


@pytest.mark.parametrize("kind", [ModelGates, AsyncModelGates])
def test_a_key_function_that_would_have_to_be_awaited_is_refused_at_once(kind):
    async def ask():
        return "key"

    with pytest.raises(ConfigurationError, match="api_key must be a plain function"):
        kind(api_key=ask)


@pytest.mark.parametrize(
    "base_url",
    ["http://localhost:1", "http://127.8.9.1", "http://[::1]:8080/api", "http://a.localhost"],
)
def test_plain_http_is_for_this_machine(base_url):
    assert ModelGates(api_key="key", base_url=base_url + "/").base_url == base_url


def test_plain_http_elsewhere_is_for_those_who_insist():
    client = ModelGates(api_key="key", base_url="http://api.example", allow_plain_http=True)
    assert client.base_url == "http://api.example"


@pytest.mark.parametrize(
    "arguments",
    [
        {"extra_body": {"x": float("nan")}},
        {"extra_body": {"x": float("inf")}},
        {"extra_body": {"x": "\ud800"}},
        {"extra_body": {"x": object}},
        {"extra_headers": {"Host": "elsewhere"}},
        {"deadline": 0},
        {"timeout": -1},
    ],
    ids=plainly,
)
def test_what_cannot_be_sent_is_refused_before_anything_is(api, stub, arguments):
    with pytest.raises(ConfigurationError):
        api.create(**arguments)
    assert not stub.requests


def test_a_misspelt_argument_is_a_type_error_like_in_any_function(client):
    with pytest.raises(TypeError, match="txt"):
        client.audio.speech.create(txt="Hello")


@can_be_called
def test_call_makes_any_generated_operation(api):
    body = SpeechRequest.from_dict(BODY)
    result = api.run(lambda client: client.call(speech_operation, body=body, **OPERATION))
    assert isinstance(result, File)
    assert result.payload.read() == api.create().content


@can_be_called
def test_call_raises_the_same_errors(api, stub):
    stub.fail_next(402)
    with pytest.raises(ModelGatesError, match="402"):
        body = SpeechRequest.from_dict(BODY)
        api.run(lambda client: client.call(speech_operation, body=body, **OPERATION))


def test_call_refuses_what_is_no_operation_and_arguments_it_does_not_take(client, stub):
    for operation, arguments in ((httpx, {}), (speech_operation, {"nonsense": 1})):
        with pytest.raises(ConfigurationError):
            client.call(operation, **arguments)
    assert not stub.requests


def test_options_change_for_a_copy_alone_which_shares_the_connections(client, stub):
    copy = client.with_options(retry=None, headers={"X-Note": "copy"}, timeout=Timeout(read=9))
    copy.audio.speech.create(**HELLO)
    client.audio.speech.create(**HELLO)
    assert [request.headers.get("x-note") for request in stub.requests] == ["copy", None]
    copy.close()
    assert client.audio.speech.create(**HELLO).content
    with pytest.raises(ConfigurationError, match="closed"):
        copy.audio.speech.create(**HELLO)


def test_closing_a_client_closes_its_copies(stub):
    client = ModelGates()
    copy = client.with_options(deadline=60).with_options(retry=None)
    client.close()
    client.close()
    told = "^this client is closed: make another one$"
    for closed in (client, copy):
        with pytest.raises(ConfigurationError, match=told):
            closed.audio.speech.create(**HELLO)


def test_a_copy_of_a_subclass_has_what_its_slots_hold(stub):
    class Tagged(ModelGates):
        __slots__ = ("tag", "unset")

    with Tagged(api_key=stub.api_key, base_url=stub.base_url) as client:
        client.tag = "mine"
        copy = client.with_options(deadline=60)
        assert copy.tag == "mine"
        assert not hasattr(copy, "unset")


def test_what_a_test_puts_in_the_place_of_a_method_is_what_is_called(client, stub):
    with mock.patch.object(client.audio.speech, "create", return_value="spoken"):
        assert client.audio.speech.create(**HELLO) == "spoken"
        assert client.with_options(deadline=60).audio.speech.create(**HELLO) == "spoken"
    client.audio.speech.save = mock.Mock(return_value="saved")
    assert client.audio.speech.save("x.wav", **HELLO) == "saved"
    with pytest.raises(AttributeError):
        client.audio.speech = mock.Mock()
    assert not stub.requests
    client.audio.speech.create(**HELLO)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("name", ["create", "save"])
def test_frameworks_can_see_what_is_to_be_awaited(name):
    method = getattr(AsyncModelGates(api_key="k").audio.speech, name)
    assert inspect.iscoroutinefunction(method)
    assert asyncio.iscoroutinefunction(method)
    assert not inspect.iscoroutinefunction(getattr(ModelGates(api_key="k").audio.speech, name))


def test_a_stream_that_was_not_entered_says_so_and_sends_nothing(client, stub):
    stream = client.audio.speech.stream(**HELLO)
    with pytest.raises(ConfigurationError, match="with"):
        stream.format  # noqa: B018
    assert "not yet sent" in repr(stream)
    assert not stub.requests


@pytest.mark.parametrize("kind", [ModelGates, AsyncModelGates])
def test_debuggers_and_mocks_can_look_at_a_stream_that_was_not_entered(kind, stub):
    stream = kind(api_key=stub.api_key, base_url=stub.base_url).audio.speech.stream(**HELLO)
    assert not hasattr(stream, "format")
    assert dict(inspect.getmembers(stream))["bytes_received"] == 0
    assert mock.create_autospec(stream).read is not stream.read
    assert not stub.requests


@needs_text
def test_a_stream_can_be_read_in_parts_and_then_to_its_end(api, stub):
    whole = api.create(**{TEXT: SENTENCES}).content

    def parts(client):
        with client.audio.speech.stream(**HELLO | {TEXT: SENTENCES}) as stream:
            return next(stream), stream.read().content

    async def async_parts(client):
        async with client.audio.speech.stream(**HELLO | {TEXT: SENTENCES}) as stream:
            return await anext(stream), (await stream.read()).content

    first, rest = api.run(async_parts if api.asynchronous else parts)
    assert first + rest == whole


def test_the_rest_of_a_stream_may_be_nothing(stub):
    reply = httpx.Response(OK, headers={"content-type": "audio/pcm"}, content=b"\0\1" * 500)
    answers = httpx.MockTransport(lambda _: reply)
    with ModelGates(transport=answers) as client, client.audio.speech.stream(**HELLO) as stream:
        assert next(stream)
        assert stream.read().content == b""


@needs_text
def test_the_time_to_the_first_byte_is_that_of_the_first_alone(client):
    began = time.monotonic()
    with client.audio.speech.stream(**HELLO | {TEXT: SENTENCES}) as stream:
        next(stream)
        first = stream.time_to_first_byte
        assert 0 < first < time.monotonic() - began
        assert list(stream)
    assert stream.time_to_first_byte == first


def test_a_closed_stream_cannot_be_used_again(client):
    with client.audio.speech.stream(**HELLO) as stream:
        next(stream)
        assert repr(stream).startswith("<AudioStream open, ")
    with pytest.raises(ConfigurationError, match=r"^this stream is closed: make another call$"):
        next(stream)
    assert repr(stream) == f"<AudioStream closed, {stream.bytes_received:,} bytes received>"


def test_an_async_stream_that_is_closed_before_it_was_opened_stays_closed(stub):
    async def main():
        async with AsyncModelGates() as client:
            stream = client.audio.speech.stream(**HELLO)
            assert repr(stream) == "<AsyncAudioStream not yet sent, 0 bytes received>"
            await stream.aclose()
            assert repr(stream).startswith("<AsyncAudioStream closed, ")
            with pytest.raises(ConfigurationError, match="closed"):
                await anext(stream)

    asyncio.run(main())
    assert not stub.requests


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_that_breaks_off_says_what_broke_it(stub, kind):
    stub.fail_next("cut", after=100)

    async def read_async():
        async with AsyncModelGates() as client, client.audio.speech.stream(**HELLO) as stream:
            await stream.read()

    def read():
        with ModelGates() as client, client.audio.speech.stream(**HELLO) as stream:
            stream.read()

    with pytest.raises(IncompleteAudioError) as caught:
        read() if kind == "sync" else asyncio.run(read_async())
    assert str(caught.value.__cause__) in str(caught.value)


@needs_pcm
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_is_saved_as_it_arrives(stub, kind, tmp_path):
    path, seen = tmp_path / "x.wav", []

    async def save_async():
        async with AsyncModelGates() as client, client.audio.speech.stream(**HELLO) as stream:
            return await stream.save(path, on_progress=seen.append), stream.bytes_received

    def save():
        with (
            ModelGates() as client,
            client.audio.speech.stream(**HELLO) as stream,
        ):
            return stream.save(path, on_progress=seen.append), stream.bytes_received

    saved, received = save() if kind == "sync" else asyncio.run(save_async())
    assert (saved, seen[-1]) == (path, received)
    assert path.stat().st_size == received + 44


def test_an_exhausted_stream_stays_exhausted(client):
    with client.audio.speech.stream(**HELLO) as stream:
        assert list(stream)
        assert list(stream) == []
    assert list(stream) == []


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_was_handed_out_already_replaces_no_file_and_is_no_audio(stub, kind, tmp_path):
    good = tmp_path / "good"
    good.write_bytes(b"good")

    async def again_async():
        async with AsyncModelGates() as client, client.audio.speech.stream(**HELLO) as stream:
            assert [piece async for piece in stream]
            with pytest.raises(ConfigurationError, match="handed out before"):
                await stream.read()
            await stream.save(good)

    def again():
        with ModelGates() as client, client.audio.speech.stream(**HELLO) as stream:
            assert list(stream)
            with pytest.raises(ConfigurationError, match="handed out before"):
                stream.read()
            stream.save(good)

    with pytest.raises(ConfigurationError, match="handed out before"):
        again() if kind == "sync" else asyncio.run(again_async())
    assert good.read_bytes() == b"good"


@needs_format
@needs_pcm
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("method", ["stream", pytest.param("narrate", marks=needs_text)])
def test_a_file_that_cannot_hold_what_is_asked_for_is_refused_before_it_is(
    stub, kind, method, tmp_path
):
    asked = HELLO | {"response_format": "pcm"}

    async def save_async():
        async with AsyncModelGates() as client:
            await getattr(client.audio.speech, method)(**asked).save(tmp_path / "x.mp3")

    def save():
        with ModelGates() as client:
            getattr(client.audio.speech, method)(**asked).save(tmp_path / "x.mp3")

    with pytest.raises(ConfigurationError, match="contradicts"):
        save() if kind == "sync" else asyncio.run(save_async())
    stub.assert_not_called()


@needs_pcm
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_audio_that_the_file_turns_out_unable_to_hold_is_in_the_error(stub, kind, tmp_path):
    ogg = b"OggS" + bytes(100)
    headers = {"content-type": "audio/ogg"}
    answers = httpx.MockTransport(lambda _: httpx.Response(OK, headers=headers, content=ogg))

    async def save_async():
        async with AsyncModelGates(transport=answers) as client:
            await client.audio.speech.stream(**HELLO).save(tmp_path / "x.wav")

    def save():
        with ModelGates(transport=answers) as client:
            client.audio.speech.stream(**HELLO).save(tmp_path / "x.wav")

    with pytest.raises(InvalidResponseError, match="cannot hold this audio") as failed:
        save() if kind == "sync" else asyncio.run(save_async())
    assert failed.value.audio.content == ogg


def test_the_client_shows_where_it_goes_and_never_the_key():
    assert repr(ModelGates(api_key="key", base_url="https://x.example/v1/")) == (
        "ModelGates(base_url='https://x.example/v1')"
    )
    assert repr(ModelGates.__new__(ModelGates)) == "ModelGates(...)"


def test_the_log_tells_each_try_but_neither_key_nor_text(client, stub, caplog):
    stub.fail_next(503, retry_after=0)
    with caplog.at_level(logging.DEBUG, logger="modelgates_speech"):
        client.audio.speech.create(**HELLO, retry=RetryPolicy(initial_delay=0.001))
    told = [record.getMessage() for record in caplog.records]
    what = re.escape(f"POST {stub.base_url}/audio/speech: ")
    # The second line tells the failure: whoever reads on knows whether there is a next try.
    for line, pattern in zip(
        told,
        (
            r"503, try 1, \d\d?\.\d+ s",
            r"ServiceUnavailableError, try 1, \d\d?\.\d+ s, next try in 0\.0 s",
            rf"{OK}, try 2, \d\d?\.\d+ s",
        ),
        strict=True,
    ):
        assert re.fullmatch(what + pattern, line)
    assert str(BODY.get(EDITION.text, "Hello.")) not in caplog.text
    assert stub.api_key not in caplog.text


def test_the_log_tells_when_no_try_follows(client, stub, caplog):
    stub.fail_next(503)
    with (
        caplog.at_level(logging.DEBUG, logger="modelgates_speech"),
        pytest.raises(APIStatusError),
    ):
        client.audio.speech.create(**HELLO, retry=None)
    assert caplog.records[-1].getMessage().endswith(" s, giving up")


def test_proxies_come_from_the_environment_but_never_for_this_machine(stub, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with ModelGates() as client:
        assert client.audio.speech.create(**HELLO).content
    with (
        ModelGates(base_url="https://api.example", retry=None) as client,
        pytest.raises(ModelGatesError, match="refused"),
    ):
        client.audio.speech.create(**HELLO)
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="proxy"):
        ModelGates(base_url="https://api.example")


def test_a_transport_of_the_users_is_told_an_address_of_version_6(stub):
    asked = []

    def answer(request):
        asked.append(request.url)
        return httpx.Response(200, content=b"\0\0", headers={"content-type": "audio/pcm"})

    options = {"api_key": stub.api_key, "base_url": "http://[::1]:8080/v1"}
    with ModelGates(transport=httpx.MockTransport(answer), **options) as client:
        client.audio.speech.create(**HELLO)
    assert (asked[0].host, asked[0].port) == ("::1", 8080)


def test_a_transport_can_be_given(stub):
    def answer(request):
        return httpx.Response(200, content=b"\0\0", headers={"content-type": "audio/pcm"})

    with ModelGates(transport=httpx.MockTransport(answer)) as client:
        assert client.audio.speech.create(**HELLO).content == b"\0\0"
    assert not stub.requests


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("calls", [0, 2])
def test_a_transport_that_was_given_is_closed_with_the_client_and_not_before(stub, kind, calls):
    closed = []

    class Given(httpx.MockTransport):
        def close(self):
            closed.append("closed")

        async def aclose(self):
            closed.append("closed")

    reply = {"content": b"\0\0", "headers": {"content-type": "audio/pcm"}}
    api = Both(kind, transport=Given(lambda _: httpx.Response(OK, **reply)))
    for _ in range(calls):
        api.create()
    assert not closed
    api.close()
    assert closed == ["closed"]


@pytest.mark.parametrize(
    ("timeout", "phases"), [(7, (7, 7, 7, 7)), (Timeout(1, 2, 3, 4), (1, 2, 3, 4))]
)
def test_a_transport_is_told_how_long_each_phase_may_take(stub, timeout, phases):
    told = {}

    def answer(request):
        told.update(request.extensions["timeout"])
        return httpx.Response(200, content=b"\0\0", headers={"content-type": "audio/pcm"})

    with ModelGates(transport=httpx.MockTransport(answer), timeout=timeout) as client:
        client.audio.speech.create(**HELLO)
    assert told == dict(zip(("connect", "read", "write", "pool"), phases, strict=True))


def test_a_transport_may_make_calls_of_its_own_within_a_deadline(stub):
    def answer(request):
        with ModelGates(deadline=60) as inner:
            return httpx.Response(OK, content=inner.audio.speech.create(**HELLO).content)

    with ModelGates(transport=httpx.MockTransport(answer), deadline=60) as client:
        assert client.audio.speech.create(**HELLO).content


def test_whatever_a_transport_raises_belongs_to_the_tree(stub):
    def fail(request):
        raise ZeroDivisionError("a bug in a transport")

    with (
        ModelGates(transport=httpx.MockTransport(fail)) as client,
        pytest.raises(ModelGatesError) as caught,
    ):
        client.audio.speech.create(**HELLO)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    where = stub.base_url.split("/")[2]
    assert str(caught.value).startswith(f"the connection to {where} broke: a bug in a transport;")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_transport_is_told_the_whole_request(stub, kind):
    told = []

    def answer(request):
        told.append(request)
        return httpx.Response(200, content=b"\0\0", headers={"content-type": "audio/pcm"})

    api = Both(kind, transport=httpx.MockTransport(answer))
    api.create(extra_headers={"X-Note": "tests"})
    api.close()
    request = told[0]
    assert json.loads(request.content) == BODY
    assert (request.headers["x-note"], request.method) == ("tests", "POST")
    assert str(request.url).partition("?")[0] == f"{stub.base_url}/audio/speech"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_transport_of_httpxs_own_carries_calls(stub, kind):
    own = httpx.HTTPTransport if kind == "sync" else httpx.AsyncHTTPTransport
    api = Both(kind, transport=own())
    assert api.create().content
    api.close()
    assert len(stub.requests) == 1


def test_a_transport_that_was_given_has_limits_of_its_own(stub, monkeypatch):
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 1)
    audio = {"content": b"\0\0", "headers": {"content-type": "audio/pcm"}}
    given = httpx.MockTransport(lambda _: httpx.Response(200, **audio))
    with ModelGates(transport=given, timeout=Timeout(pool=0.001)) as client:
        streams = [client.audio.speech.stream(**HELLO) for _ in range(2)]
        with streams[0], streams[1]:
            assert [stream.read().content for stream in streams] == [b"\0\0", b"\0\0"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_server_may_have_an_address_of_version_6(kind):
    try:
        stub = StubServer("::1")
    except OSError as error:
        pytest.skip(f"this machine has no such address: {error}")
    with stub:
        api = Both(kind, api_key=stub.api_key, base_url=stub.base_url)
        assert api.create().content
        api.close()
        assert len(stub.requests) == 1


def test_a_transport_of_the_wrong_kind_is_refused(stub):
    with pytest.raises(ConfigurationError, match="transport"):
        ModelGates(transport=httpx.AsyncHTTPTransport())
    with pytest.raises(ConfigurationError, match="transport"):
        AsyncModelGates(transport=httpx.HTTPTransport())
