"""Mistakes of a program are told in our words, and before anything is sent."""

import asyncio
import copy
import enum
import errno
import functools
import gc
import os
import pickle
import re
import traceback
from fractions import Fraction
from numbers import Integral

import pytest

from modelgates_speech import (
    AsyncAudioStream,
    AsyncModelGates,
    Audio,
    AudioStream,
    ConfigurationError,
    ModelGates,
    RetryPolicy,
    SaveError,
    Timeout,
)
from modelgates_speech.call import encode_json, prepare
from modelgates_speech.config import Secret
from modelgates_speech.files import AtomicFile
from modelgates_speech.jobs import AudioCache, run_batch
from modelgates_speech.jobs.aimd import Aimd
from modelgates_speech.jobs.narration import settings_of
from modelgates_speech.stub import StubServer
from tests.edition import HELLO, SAVED, SPEAKER, needs_pcm, needs_text

URL = "http://127.0.0.1:9"


class Foreign:
    """A number such as NumPy has, which is none of Python's own."""

    def __int__(self):
        return 2


Integral.register(Foreign)


def client(**options):
    return ModelGates(**{"api_key": "key", "base_url": URL} | options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retry": 3}, r"retry must be a RetryPolicy, such as .* not 3"),
        ({"retry": RetryPolicy}, "retry must be a RetryPolicy"),
        ({"timeout": (5, 10)}, r"timeout must be .* a Timeout such as .* not \(5, 10\)"),
        ({"timeout": "x" * 5000}, r"not 'x{199}\.\.\.$"),
        ({"headers": "X-A: b"}, "headers must be a mapping, not str"),
        ({"headers": [("X-A", "b")]}, "headers must be a mapping, not list"),
        ({"headers": {1: "b"}}, "1 is not a valid header name"),
        ({"headers": {"X-A": 1}}, "X-A must be a string"),
        ({"headers": {"HOST": "a"}}, "^the header HOST cannot be set: pass base_url instead$"),
        ({"sample_rate": 0}, "^sample_rate must be a whole number from 1 to 1,000,000, not 0$"),
        ({"channels": 1001}, "^channels must be a whole number from 1 to 1,000, not 1001$"),
        ({"api_key": b"key"}, "api_key must be a string, not bytes"),
        ({"api_key": 7}, "api_key must be a string, not int"),
        ({"api_key": ""}, r"^no API key: .*, start the local stub with .* speak --local`$"),
        (
            {"api_key": "key\n"},
            r"^the API key holds .* outside ASCII \(the key is not .* with its line end\?$",
        ),
        ({"base_url": 7}, "base_url must be a string, not int"),
        ({"base_url": b"https://a"}, "base_url must be a string, not bytes"),
        (
            {"base_url": "localhost:8080"},
            r"must begin with https:// \(or http://, for this machine\) and name a host$",
        ),
        (
            {"base_url": "http://a.example"},
            "or pass allow_plain_http=True if you trust the .* between$",
        ),
        ({"base_url": "https://a/v1?"}, "must not have a query or fragment"),
        ({"base_url": "https://a/v1#"}, "must not have a query or fragment"),
        ({"base_url": "https://a/v1?b=c"}, r"leave out what follows \? or #"),
        ({"base_url": f"https://{'ü' * 70}.de"}, r"has a host name outside ASCII$"),
    ],
)
def test_a_client_is_not_made_of_what_it_cannot_use(options, told):
    with pytest.raises(ConfigurationError, match=told):
        client(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retry": 3}, "retry must be a RetryPolicy"),
        ({"extra_body": [1]}, "extra_body must be a mapping, not list"),
        ({"extra_headers": [1]}, "headers must be a mapping, not list"),
        ({"extra_query": "a=b"}, "extra_query must be a mapping, not str"),
        ({"cache_dir": ""}, "cache_dir is empty"),
        ({"sample_rate": 0}, "^sample_rate must be a whole number"),
        ({"channels": 0}, "^channels must be a whole number"),
        ({"deadline": 0}, "^deadline must be a number of seconds above 0 and at most .*, not 0$"),
        (
            {"timeout": 0},
            r"^timeout \(connect\) must be a number of seconds above 0 and .*, not 0$",
        ),
        (
            {"extra_body": {"x": "a\ud800"}},
            "a lone surrogate .*ud800.*: read the text with the right encoding$",
        ),
        ({"timeout": None}, "timeout must be a number of seconds"),
        ({"timeout": 10**12}, "timeout .* must be a number of seconds"),
        ({"deadline": 10**400}, "deadline must be a number of seconds"),
        ({"extra_body": {"mine": {1}}}, "mine cannot be written as JSON"),
    ],
)
def test_a_call_is_not_made_of_them_either(options, told):
    with client() as speaker, pytest.raises(ConfigurationError, match=told):
        speaker.audio.speech.create(**HELLO | options)


@needs_pcm
def test_a_format_may_be_a_member_of_an_enum(tmp_path):
    class Format(str, enum.Enum):  # noqa: UP042 - unlike that of StrEnum, its str() is its name
        PCM = "pcm"

    asked = HELLO | {"response_format": Format.PCM}
    with StubServer() as stub, client(base_url=stub.base_url, api_key=stub.api_key) as speaker:
        assert speaker.audio.speech.create(**asked).format == "pcm"
        assert speaker.audio.speech.save(tmp_path / "a.wav", **asked).exists()


@pytest.mark.parametrize("seconds", [Fraction(3, 2), type("Own", (float,), {})(1.5)])
def test_a_number_of_any_library_is_one_wherever_it_goes(seconds):
    settings = client(timeout=Timeout(read=seconds), deadline=seconds)._settings
    for found in (settings.timeout.read, settings.deadline):
        assert (type(found), found) == (float, 1.5)
    assert encode_json({"a": [seconds]}) == b'{"a":[1.5]}'


@needs_pcm
@needs_text
@pytest.mark.parametrize("two", [enum.IntEnum("Own", {"TWO": 2}).TWO, Foreign()])
def test_a_whole_number_of_any_library_is_one_wherever_it_goes(tmp_path, two):
    layout = {"sample_rate": two, "channels": two}
    settings, options = client(**layout)._settings, prepare(**HELLO, **layout).options
    narration = settings_of(input="Hello", concurrency=two, max_chars=two, **SPEAKER)
    assert [piece.text for piece in narration.pieces] == ["He", "ll", "o"]
    for found in (
        *(settings.sample_rate, settings.channels, options["sample_rate"], options["channels"]),
        *(narration.concurrency, AudioCache(tmp_path, max_bytes=two).max_bytes, Aimd(two).ceiling),
    ):
        assert (type(found), found) == (int, 2)
    limits = {"concurrency": two, "max_errors": two, "max_characters": two}
    client_of_batch = functools.partial(AsyncModelGates, api_key="key", base_url=URL)
    assert run_batch([], tmp_path, client=client_of_batch, **limits).stopped is None


@pytest.mark.parametrize("options", [{"timeout": True}, {"deadline": True}])
def test_yes_is_no_number_of_seconds(options):
    with pytest.raises(ConfigurationError, match=r"a number of seconds.* not True"):
        client(**options)


@needs_pcm
@needs_text
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"input": 7}, "input must be text or an iterable of texts, not <class 'int'>"),
        ({"input": None}, "input must be text or an iterable of texts"),
        ({"input": b"text"}, "not <class 'bytes'>"),
        ({"sample_rate": 0}, "^sample_rate must be a whole number"),
        ({"channels": 0}, "^channels must be a whole number"),
        ({"concurrency": "3"}, "concurrency must be 1 or more, not '3'"),
        ({"concurrency": 2.5}, "concurrency must be 1 or more"),
        ({"max_chars": "3"}, "max_chars must be 1 or more"),
        ({"paragraph_pause": None}, "paragraph_pause must be 0 to .* seconds, not None"),
        ({"heading_pause": "1"}, "heading_pause must be 0 to .* seconds, not '1'"),
        ({"on_progress": 5}, "on_progress must be a function, not 5"),
        ({"concurrency": -(10**5000)}, "concurrency must be 1 or more, not something of type int"),
    ],
)
def test_nor_is_a_narration(options, told):
    with client() as speaker, pytest.raises(ConfigurationError, match=told):
        speaker.audio.speech.narrate(**SPEAKER | {"input": "Hello."} | options)


def test_what_was_refused_halfway_can_be_shown_with_locals():
    for refused in (
        lambda: client().audio.speech.create(**HELLO | {"extra_headers": {"X-A": "a\nb"}}),
        lambda: RetryPolicy(statuses=5),
        lambda: RetryPolicy(max_delay=-1),
        lambda: Timeout(read="soon"),
        lambda: AudioCache("spoken", max_bytes=0),
        lambda: AudioCache(""),
    ):
        with pytest.raises(ConfigurationError) as caught:
            refused()
        assert traceback.TracebackException.from_exception(caught.value, capture_locals=True)


@pytest.mark.parametrize("kind", [AudioStream, AsyncAudioStream])
def test_a_stream_that_a_ctrl_c_left_half_made_can_be_shown(kind):
    assert repr(kind.__new__(kind)) == f"<{kind.__name__} not yet sent, 0 bytes received>"


@pytest.mark.parametrize("wrong", [None, 3, b"speech.wav", ["speech.wav"]], ids=repr)
def test_what_is_no_path_is_told_by_the_name_of_its_argument(wrong):
    speech, audio = client().audio.speech, Audio(format="pcm", content=b"")
    for name, call in [
        ("path", lambda: speech.save(wrong, **HELLO)),
        ("path", lambda: speech.stream(**HELLO).save(wrong)),
        ("path", lambda: audio.save(wrong)),
        ("folder", lambda: AudioCache(wrong)),
        ("out_dir", lambda: run_batch([], wrong, client=lambda: AsyncModelGates(api_key="key"))),
    ]:
        with pytest.raises(ConfigurationError, match=f"^{name} must be a path, not"):
            call()


@pytest.mark.parametrize("wrong", ["a\0b", "a\ud8ff"], ids=repr)
def test_nor_is_what_no_folder_can_be_called(wrong):
    for name, call in [
        ("cache_dir", lambda: client().audio.speech.create(**HELLO, cache_dir=wrong)),
        ("out_dir", lambda: run_batch([], wrong, client=lambda: AsyncModelGates(api_key="key"))),
    ]:
        told = f"^{name} must be a path: no folder can be called {re.escape(repr(wrong))}$"
        with pytest.raises(ConfigurationError, match=told):
            call()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"defaults": 5}, "defaults must be a mapping, not int"),
        ({"defaults": {5: 1, "no-such": 1}}, "unknown defaults: 5, no-such"),
        ({"on_progress": 5}, "on_progress must be a function, not 5"),
        ({"out_dir": ""}, "out_dir is empty"),
    ],
)
def test_nor_is_a_batch(options, told, tmp_path):
    options = {"out_dir": tmp_path, "client": lambda: AsyncModelGates(api_key="key")} | options
    with pytest.raises(ConfigurationError, match=told):
        run_batch([], **options)


async def wait(*_):
    raise AssertionError("nobody awaits it")


class Waiter:
    async def __call__(self, _):
        raise AssertionError("nobody awaits it")


def test_who_is_to_be_told_of_progress_is_known_before_anything_is_sent(tmp_path):
    with StubServer() as stub, client(base_url=stub.base_url, api_key=stub.api_key) as speaker:
        path = tmp_path / "speech"
        for save in (
            lambda: speaker.audio.speech.save(path, **HELLO, on_progress="print"),
            lambda: speaker.audio.speech.stream(**HELLO).save(path, on_progress="print"),
        ):
            with pytest.raises(ConfigurationError, match=r"^on_progress must be a function"):
                save()
        for nobody_awaits in (wait, functools.partial(wait, 1), Waiter()):
            with pytest.raises(ConfigurationError, match=r"^on_progress must be a plain function"):
                speaker.audio.speech.save(path, **HELLO, on_progress=nobody_awaits)
        stub.assert_not_called()


def test_who_is_to_be_told_of_progress_in_an_event_loop_is_known_likewise(tmp_path):
    async def save_both_ways():
        async with AsyncModelGates(api_key=stub.api_key, base_url=stub.base_url) as speaker:
            for save in (
                functools.partial(speaker.audio.speech.save, **HELLO),
                speaker.audio.speech.stream(**HELLO).save,
            ):
                with pytest.raises(ConfigurationError, match=r"^on_progress must be a function"):
                    await save(path=tmp_path / "speech", on_progress="print")

    with StubServer() as stub:
        asyncio.run(save_both_ways())
        stub.assert_not_called()


def test_a_cache_that_is_no_path_is_told_likewise():
    with pytest.raises(ConfigurationError, match=r"^cache_dir must be a path, not 3"):
        client().audio.speech.create(**HELLO, cache_dir=3)


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        (lambda: client(), "a function that returns a client"),
        (lambda: lambda: client(), "an AsyncModelGates"),
        (lambda: lambda: AsyncModelGates, "an AsyncModelGates"),
        (lambda: lambda: None, "an AsyncModelGates"),
    ],
)
def test_a_batch_says_which_client_it_takes(wrong, wanted, tmp_path):
    with pytest.raises(ConfigurationError, match=f"^client must be {wanted}, not"):
        run_batch([], tmp_path, client=wrong())
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_retries": 1.5}, "max_retries must be a whole number, not 1.5"),
        ({"max_retries": True}, "max_retries must be a whole number, not True"),
        ({"max_retries": -1}, "max_retries must be 0 or more"),
        ({"max_delay": "8"}, "max_delay must be 0 or more, not '8'"),
        ({"statuses": 429}, "statuses must be statuses such as .* not 429"),
        ({"statuses": "429"}, "statuses must be statuses such as .* not '429'"),
        ({"statuses": [[429]]}, "^RetryPolicy.statuses must be statuses such as .* not"),
    ],
)
def test_nor_is_a_policy(options, told):
    with pytest.raises(ConfigurationError, match=told):
        RetryPolicy(**options)


def test_a_base_url_that_ends_with_the_path_of_the_call_is_not_asked_twice_for_it():
    with ModelGates(api_key="key") as known:
        url = prepare(**HELLO).request(known.base_url, {}).url
        path = url.removeprefix(known.base_url).partition("?")[0]
    if path.count("/") < 2:
        pytest.skip("a path of one part may well be that of a gateway")
    with (
        client(base_url=URL + path) as speaker,
        pytest.raises(ConfigurationError, match=f"base_url .* ends with {path}"),
    ):
        speaker.audio.speech.create(**HELLO)


def test_what_is_no_operation_is_not_called():
    with (
        client() as speaker,
        pytest.raises(ConfigurationError, match=r"^'create_audio_speech' is not an operation"),
    ):
        speaker.call("create_audio_speech")


def test_a_key_of_the_wrong_type_is_in_no_frame():
    with pytest.raises(ConfigurationError) as refused:
        ModelGates(api_key=b"mg-bytes-canary", base_url=URL)
    walked = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    ours = [frame for frame in walked.stack if "modelgates_speech" in frame.filename]
    assert ours
    assert "canary" not in repr([frame.locals for frame in ours])


def test_a_key_under_a_misspelt_name_is_in_no_frame_of_ours():
    one = client()
    with pytest.raises(ConfigurationError, match="did you mean 'api_key'") as refused:
        one.with_options(apikey="mg-canary")
    walked = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    ours = [frame for frame in walked.stack if "modelgates_speech" in frame.filename]
    assert ours
    assert "canary" not in repr([frame.locals for frame in ours])


@pytest.mark.parametrize(
    "url", ["https://me:canary@host:port", "me:canary@host", "https://me:canary@[::1"]
)
def test_a_password_in_a_url_is_in_no_message(url):
    with pytest.raises(ConfigurationError, match="must not hold credentials") as refused:
        client(base_url=url)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("key", [Secret("mg-key"), Secret(lambda: "mg-key")], ids=repr)
def test_a_key_shows_that_there_is_one_and_stays_in_its_process(key):
    assert repr(key) == f"{type(key).__name__}(...)"
    with pytest.raises(TypeError, match=r"^an API key cannot be pickled: pass it .* separately$"):
        pickle.dumps(key)


def test_a_variable_of_white_space_is_one_that_is_not_set(monkeypatch):
    monkeypatch.setenv("MODELGATES_API_KEY", " \n")
    with pytest.raises(ConfigurationError, match="no API key: set MODELGATES_API_KEY"):
        ModelGates(base_url=URL)


@pytest.mark.parametrize("url", ["ftp://a", "https://u:p@a", "https://a?b", "http://example.com"])
def test_a_url_of_the_environment_is_called_by_its_variable(monkeypatch, url):
    monkeypatch.setenv("MODELGATES_BASE_URL", url)
    with pytest.raises(ConfigurationError, match=r"^MODELGATES_BASE_URL "):
        ModelGates(api_key="key")
    with pytest.raises(ConfigurationError, match=r"^base_url "):
        ModelGates(api_key="key", base_url=url)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("HTTPS_PROXY", "http://me:pa#ss@proxy:80", "HTTPS_PROXY names: its port is not a number"),
        ("ALL_PROXY", "gopher://proxy", "ALL_PROXY names: gopher://proxy is not .* socks5"),
        (
            "SSL_CERT_FILE",
            "/nowhere/ca.pem",
            "SSL_CERT_FILE=/nowhere/ca.pem, .* do not work",
        ),
    ],
)
def test_a_setting_of_the_environment_is_named_and_its_password_is_not(
    monkeypatch, variable, value, told
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=told) as refused:
        ModelGates(api_key="key", base_url="https://speech.example")
    assert "'pa'" not in str(refused.value)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_client_leaves_its_connections_open(copied):
    with client() as speaker:
        another = copied(speaker)
        assert another.base_url == speaker.base_url
        del another
        gc.collect()
        assert not speaker._closed
    with pytest.raises(ConfigurationError, match="closed"):
        copied(speaker).audio.speech.create(**HELLO)


def test_audio_goes_into_sets_and_to_other_processes():
    audio = Audio(format="pcm", content=b"\0\0", headers={"a": "b"})
    assert pickle.loads(pickle.dumps(audio)) in {audio, copy.deepcopy(audio)}


@needs_pcm
def test_a_file_that_is_write_protected_is_refused_before_anything_is_paid_for(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.wav"
    path.write_bytes(b"mine")
    # Some who run this may write everything.
    monkeypatch.setattr(os, "access", lambda file, mode: (file, mode) != (path, os.W_OK))
    with pytest.raises(SaveError, match=r"a\.wav: it is write-protected;") as refused:
        AtomicFile(path)
    assert refused.value.errno == errno.EPERM
    with client() as speaker, pytest.raises(SaveError, match="write-protected"):
        speaker.audio.speech.save(path, **SAVED)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("dry_run", [True, False])
def test_where_the_text_has_another_name_a_narration_is_refused(client, dry_run):
    with pytest.raises(ConfigurationError, match="no input to narrate"):
        client.audio.speech._narrate({"dry_run": dry_run, "text": "Hello."})
