"""Each argument is seen by name, type and description, wherever one looks."""

import inspect
import pydoc
import re
from typing import get_type_hints

import pytest

import modelgates_speech.jobs
from modelgates_speech._binding import ARGUMENTS
from modelgates_speech.speech import AsyncSpeech, Speech

METHODS = ("create", "stream", "save", "narrate")
EVERY = pytest.mark.parametrize("method", METHODS)
BOTH = pytest.mark.parametrize("speech", [Speech, AsyncSpeech])


@BOTH
@EVERY
def test_a_signature_names_each_argument_with_its_type(speech, method):
    parameters = inspect.signature(getattr(speech, method)).parameters
    assert ARGUMENTS
    for name, argument in ARGUMENTS.items():
        if (method, name) in {("save", "response_format"), ("narrate", "input")}:
            continue  # the file's suffix says it; there is nothing to narrate without a text
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].annotation is not inspect.Parameter.empty
        required = parameters[name].default is inspect.Parameter.empty
        assert required == argument.required, name


@BOTH
@EVERY
def test_what_makes_a_tool_of_a_method_can_read_its_annotations(speech, method):
    assert ARGUMENTS.keys() <= get_type_hints(getattr(speech, method)).keys()


@pytest.mark.parametrize("package", [modelgates_speech, modelgates_speech.jobs])
def test_what_reads_annotations_can_read_those_of_all_that_is_public(package):
    public = [getattr(package, name) for name in package.__all__]
    for thing in (thing for thing in public if callable(thing)):
        own = [each for name, each in vars(thing).items() if not name.startswith("_")]
        functions = [each for each in own if inspect.isfunction(each)]
        functions += [each.fget for each in own if isinstance(each, property)]
        known = [get_type_hints(each) for each in (thing, *functions)]
        assert all("return" in each for each in known[1:]), thing
        assert not inspect.isclass(thing) or "return" in get_type_hints(thing.__init__)
    assert {"content", "headers", "sample_rate"} <= get_type_hints(modelgates_speech.Audio).keys()


def letters(text):
    # A long line ends anywhere where a language has no blanks.
    return "".join(re.findall(r"\w+", text))


@BOTH
@EVERY
def test_help_describes_each_argument(speech, method):
    shown = letters(pydoc.render_doc(getattr(speech, method), renderer=pydoc.plaintext))
    for name, argument in ARGUMENTS.items():
        if method == "narrate" and name == "input":
            continue  # of any length there, so its description is our own
        first, _, _ = argument.description.partition("\n\n")
        # What is deprecated says so first.
        beginnings = (f"{start}{letters(first)[:40]}" for start in ("", "Deprecated"))
        assert any(f"{letters(name)}{each}" in shown for each in beginnings), name


@pytest.fixture(scope="module")
def jedi(tmp_path_factory):
    import jedi  # which takes long, in each process that collects these tests

    # Tests at the same time would read each other's half-written cache.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jedi.settings, "cache_directory", tmp_path_factory.mktemp("jedi"))
        yield jedi


@pytest.mark.parametrize("client", ["ModelGates", "AsyncModelGates"])
@EVERY
def test_jedi_completes_each_argument(jedi, client, method):
    code = f"import modelgates_speech\nmodelgates_speech.{client}().audio.speech.{method}("
    [signature, *_] = jedi.Script(code).get_signatures()
    assert ARGUMENTS.keys() <= {parameter.name for parameter in signature.params}


def test_jedi_completes_the_public_names(jedi):
    names = {
        found.name
        for found in jedi.Script("import modelgates_speech\nmodelgates_speech.").complete()
    }
    assert {"ModelGates", "AsyncModelGates", "RateLimitError", "RetryPolicy"} <= names
