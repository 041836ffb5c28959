"""What `help()` shows of a public name: each argument, and an example that runs."""

import asyncio
import doctest
import inspect
import re

import pytest

import modelgates_speech
from modelgates_speech import AsyncModelGates, ModelGates
from modelgates_speech.jobs import run_batch
from modelgates_speech.speech import Speech
from modelgates_speech.stub import StubServer
from tests.docs.test_reference import public_names
from tests.edition import EDITION, needs_nothing_new, needs_pcm

METHODS = ("create", "stream", "save", "narrate")
# What a program begins with; each shows how.
MAIN = [ModelGates, AsyncModelGates, modelgates_speech.Audio, run_batch, StubServer]
MAIN += [getattr(Speech, name) for name in METHODS]


def things():
    for name in public_names():
        module, _, name = name.rpartition(".")
        if not module.endswith("distributed"):  # it cannot be imported without its extra
            yield getattr(__import__(module, fromlist=[name]), name)
    yield from (getattr(Speech, name) for name in METHODS)


THINGS = [thing for thing in things() if callable(thing)]


def called(thing):
    return getattr(thing, "__qualname__", thing)


@needs_nothing_new
@needs_pcm
@pytest.mark.parametrize("thing", MAIN, ids=called)
def test_the_example_of_a_docstring_runs(thing, modelgates_stub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ModelGates() as client:
        known = {"asyncio": asyncio, "client": client, "ModelGates": ModelGates}
        known |= {"AsyncModelGates": AsyncModelGates, "StubServer": StubServer}
        known |= {"run_batch": run_batch}
        example = doctest.DocTestParser().get_doctest(
            inspect.getdoc(thing), known, called(thing), None, 0
        )
        assert example.examples
        said = []
        doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert said == []


@pytest.mark.parametrize("thing", THINGS, ids=called)
def test_no_other_docstring_has_an_example_that_nobody_runs(thing):
    assert (">>>" in (inspect.getdoc(thing) or "")) == (thing in MAIN)


@pytest.mark.parametrize("thing", THINGS, ids=called)
def test_a_docstring_says_what_each_argument_is(thing):
    text = inspect.getdoc(thing) or ""
    assert text, f"{thing} has no docstring"
    described = re.search(r"^(Args|Arguments):$", text, re.MULTILINE)
    # One of a pair may send to the other, and a class may describe what it has rather than takes.
    elsewhere = re.search(r"\bsee `\w+`|those of `\w+`", text, re.IGNORECASE)
    if described or not (elsewhere or inspect.isclass(thing)):
        for name in inspect.signature(thing).parameters:
            assert name == "self" or re.search(rf"^ +(\*\*)?{name}: ", text, re.MULTILINE), name


@pytest.mark.parametrize("method", METHODS)
def test_what_speaks_names_its_operation_in_the_openapi_document(method):
    source = re.search(r"Source: operation ``(.+?)``", inspect.getdoc(getattr(Speech, method)))
    assert source[1] == EDITION.speech.get("operationId", source[1])
