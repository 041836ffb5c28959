"""A mistyped argument is told in the words of the function that was called."""

import asyncio
import inspect
import pickle

import attrs
import pytest

from modelgates_speech import (
    ArgumentError,
    AsyncModelGates,
    ConfigurationError,
    ModelGates,
    RetryPolicy,
    Timeout,
)
from modelgates_speech._binding import ARGUMENTS, speech_operation
from modelgates_speech.arguments import explained_settings
from modelgates_speech.jobs import run_batch, run_batch_async
from modelgates_speech.stub import StubServer
from tests.edition import HELLO as EVERYTHING
from tests.edition import SAVED, needs_pcm, needs_text

CLIENTS = pytest.mark.parametrize("kind", [ModelGates, AsyncModelGates])
HELLO = SAVED
REQUIRED = [name for name, argument in ARGUMENTS.items() if argument.required]


def make(called):
    """Make a call, in an event loop where it asks for one."""
    if inspect.iscoroutine(called):
        asyncio.run(called)


@CLIENTS
@pytest.mark.parametrize(
    ("method", "arguments", "says"),
    [
        ("create", HELLO | {"utterance": "x"}, "unexpected argument 'utterance'"),
        ("create", HELLO | {"modle": "m"}, "unexpected argument 'modle'"),
        ("stream", HELLO | {"extra_boddy": {}}, "did you mean 'extra_body'"),
        ("save", HELLO | {"path": "x.wav", "on_progres": None}, "did you mean 'on_progress'"),
        ("narrate", HELLO | {"concurency": 2}, "did you mean 'concurrency'"),
        ("create", HELLO | {"max_retries": 2}, "did you mean 'retry'"),
        ("narrate", HELLO | {"zzz": 2}, "unexpected argument 'zzz'"),
        ("save", HELLO, "missing argument 'path'"),
        *(
            [("create", {}, "; ".join(f"missing argument '{n}'" for n in REQUIRED))]
            if REQUIRED
            else []
        ),
    ],
)
def test_a_method_names_itself_and_the_nearest_argument(kind, method, arguments, says):
    speech = kind(api_key="key").audio.speech
    with pytest.raises(ConfigurationError, match=f"{says}") as caught:
        make(getattr(speech, method)(**arguments))
    assert isinstance(caught.value, TypeError)
    assert str(caught.value).startswith(f"client.audio.speech.{method}(): ")
    assert caught.value.__context__ is None
    assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)


@CLIENTS
def test_arguments_by_place_are_told_as_well(kind):
    speech = kind(api_key="key").audio.speech
    with pytest.raises(TypeError, match=r"speech\.create\(\): .*pass the arguments by name$"):
        make(speech.create("Hello"))
    with pytest.raises(TypeError, match=r"speech\.save\(\): 'path' is given twice"):
        make(speech.save("a.wav", path="b.wav", **HELLO))


@CLIENTS
@pytest.mark.parametrize(
    ("elsewhere", "here"),
    [("max_retries", "retry"), ("http_client", "transport"), ("proxy", "transport")],
)
def test_a_client_knows_what_other_sdks_call_its_settings(kind, elsewhere, here):
    with pytest.raises(ConfigurationError, match=f"'{elsewhere}': did you mean '{here}'"):
        kind(api_key="key", **{elsewhere: 3})


@CLIENTS
def test_a_client_names_itself_and_keeps_its_key_to_itself(kind):
    with pytest.raises(ConfigurationError) as caught:
        kind(api_kee="mg-canary", base_url="http://localhost")
    assert str(caught.value) == (
        f"{kind.__name__}(): unexpected argument 'api_kee': did you mean 'api_key'?"
    )
    trace = caught.value.__traceback__.tb_next
    while trace:
        assert "mg-canary" not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next
    with pytest.raises(TypeError, match=rf"{kind.__name__}\.with_options\(\): .*'timeout'"):
        kind(api_key="key").with_options(timeuot=3)


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        (Timeout, {"reads": 3}, "unexpected argument 'reads': did you mean 'read'?"),
        (RetryPolicy, {"retries": 3}, "unexpected argument 'retries': did you mean 'max_retries'?"),
    ],
)
def test_settings_name_themselves(kind, arguments, says):
    with pytest.raises(ArgumentError) as caught:
        kind(**arguments)
    assert str(caught.value) == f"{kind.__name__}(): {says}"
    assert pickle.loads(pickle.dumps(kind())) == kind()


def test_a_class_of_settings_is_explained_by_its_own_name():
    @explained_settings
    @attrs.frozen
    class Tempo:
        beats: int

    assert Tempo(3).beats == Tempo(beats=3).beats == 3
    with pytest.raises(ArgumentError, match=r"^Tempo\(\): .*did you mean 'beats'\?$"):
        Tempo(beast=3)


def test_a_batch_names_itself_before_it_makes_a_client(tmp_path):
    with pytest.raises(ConfigurationError, match=r"^run_batch\(\): .*did you mean 'concurrency'"):
        run_batch([], tmp_path / "out", client=pytest.fail, concurency=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "missing argument 'source'; missing argument 'out_dir'"),
        ({"out_dir": "out", "max_errors": 3}, "missing argument 'source'"),
    ],
)
def test_a_batch_says_what_it_was_not_given(arguments, said):
    with pytest.raises(ConfigurationError) as caught:
        run_batch(**arguments)
    assert str(caught.value) == f"run_batch(): {said}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"zzz": [], "out_dir": "out"}, "unexpected argument 'zzz': did you mean 'source'?"),
        (
            {"zzz": []},
            "unexpected argument 'zzz': did you mean 'source'?; missing argument 'out_dir'",
        ),
        ({"source": [], "out_dir": "out", "zzz": 1}, "unexpected argument 'zzz'"),
    ],
)
def test_a_name_like_no_other_is_taken_for_what_is_missing_if_anything_is(arguments, said):
    with pytest.raises(ArgumentError) as caught:
        run_batch_async(client=None, **arguments)
    assert str(caught.value) == f"run_batch_async(): {said}"


def test_an_operation_names_itself():
    with (
        ModelGates(api_key="key") as client,
        pytest.raises(
            ConfigurationError,
            match=rf"{speech_operation.__name__.rpartition('.')[2]} cannot .*'body'",
        ) as caught,
    ):
        client.call(speech_operation, bdy=None)
    assert "_get_kwargs" not in str(caught.value)


def test_a_fault_names_what_injects_it():
    stub = StubServer()
    for typo, near in (("retry_afte", "retry_after"), ("tims", "times")):
        with pytest.raises(ValueError, match=rf"fail_next\(\): .*{typo}.*{near}") as caught:
            stub.fail_next(503, **{typo: 1})
        assert isinstance(caught.value, TypeError)


@needs_pcm
@needs_text
def test_what_goes_wrong_inside_is_not_taken_for_a_mistyped_argument(modelgates_stub):
    def wrong(_):
        raise TypeError("of the caller's own")

    with ModelGates() as client, pytest.raises(TypeError, match=r"^of the caller's own$"):
        client.audio.speech.narrate(**EVERYTHING, on_progress=wrong).read()


def test_a_signature_is_what_it_was():
    assert "sample_rate" in inspect.signature(ModelGates).parameters


@CLIENTS
def test_a_signature_shows_what_is_the_clients_where_nothing_is_given(kind):
    parameters = inspect.signature(kind(api_key="key").audio.speech.create).parameters
    assert f"{parameters['deadline']}".endswith(" = DEFAULT")
