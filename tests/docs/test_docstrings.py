"""What `help()` shows of a public name: each argument, and an example that runs."""

import ast
import asyncio
import doctest
import inspect
import os
import re
import signal
import subprocess
import sys
import textwrap

import httpx
import miniaudio
import pytest

import modelgates_speech
from modelgates_speech import ModelGates, jobs, stub
from modelgates_speech.speech import AsyncSpeech, Speech
from modelgates_speech.stub import pytest_plugin
from scripts.manual.picture import PACKAGE
from tests.docs.test_examples import ran
from tests.docs.test_reference import REFERENCE
from tests.ears import Ears
from tests.edition import EDITION, needs_nothing_new, needs_pcm

METHODS = ("create", "stream", "save", "narrate")
MODULES = (modelgates_speech, jobs, stub)
PUBLIC = {name: getattr(module, name) for module in MODULES for name in module.__all__}
PUBLIC |= {"Speech": Speech, "AsyncSpeech": AsyncSpeech}
PUBLIC |= {f"Speech.{name}": getattr(Speech, name) for name in METHODS}
FIXTURES = {
    name: getattr(pytest_plugin, name) for name in ("modelgates_stub_server", "modelgates_stub")
}
THINGS = [thing for thing in PUBLIC.values() if callable(thing)]
# It runs until it is stopped, so that it has a process of its own.
EXAMPLES = [thing for thing in THINGS if thing is not stub.serve]
# Whose example begins where that of another ends.
AFTER = {stub.Replay: stub.Recording}


def called(thing):
    return getattr(thing, "__qualname__", thing)


def examples(docstring):
    """Give the code of each example of a docstring."""
    return [example.source for example in doctest.DocTestParser().get_examples(docstring)]


def docstring_of_the_cluster():
    """Read what cannot be imported without its extra."""
    tree = ast.parse((PACKAGE / "jobs" / "cluster.py").read_text("utf-8"))
    [speak] = [each for each in tree.body if getattr(each, "name", "") == "speak"]
    return ast.get_docstring(speak)


def test_every_name_of_the_reference_that_can_be_used_has_an_example():
    pages = "\n".join(page.read_text("utf-8") for page in REFERENCE.glob("*.md"))
    names = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", pages, re.MULTILINE)}
    docstrings = {name: inspect.getdoc(thing) for name, thing in (PUBLIC | FIXTURES).items()}
    docstrings["speak"] = docstring_of_the_cluster()
    constants = {"__version__", "RECORDS"}
    assert constants < names
    assert [name for name in names - constants if not examples(docstrings[name])] == []


@needs_nothing_new
@needs_pcm
@pytest.mark.parametrize("thing", EXAMPLES, ids=called)
def test_the_example_of_a_docstring_runs(thing, modelgates_stub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(miniaudio, "PlaybackDevice", Ears)
    run = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run
    said = []
    with ModelGates() as client:
        known = {"asyncio": asyncio, "httpx": httpx, "pytest": pytest, "client": client}
        known |= {"modelgates_stub": modelgates_stub, **PUBLIC}
        for each in (*filter(None, [AFTER.get(thing)]), thing):
            example = doctest.DocTestParser().get_doctest(
                inspect.getdoc(each), known.copy(), called(each), None, 0
            )
            run(example, out=said.append)
    assert said == []


@needs_nothing_new
def test_the_example_that_serves_does_until_it_is_interrupted(tmp_path):
    [source] = examples(inspect.getdoc(stub.serve))
    program = f"from modelgates_speech.stub import serve\n{source.replace('8080', '0')}"
    server = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        assert b"until Ctrl-C" in server.stdout.readline()
        if os.name == "posix":
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
    finally:
        server.kill()
        server.communicate()


@needs_nothing_new
def test_the_examples_of_the_fixtures_are_tests_that_pass(tmp_path):
    written = ["import pytest\n\nfrom modelgates_speech import ModelGates\n"]
    for fixture in FIXTURES.values():
        written += examples(inspect.getdoc(fixture))
    uses = """
        def test_the_fixture_of_a_program(client, modelgates_stub_server):
            client.audio.speech.create(model="any/model", voice="alloy", input="Hello")
            assert client.base_url == modelgates_stub_server.base_url
    """
    file = tmp_path / "test_program.py"
    file.write_text("\n".join([*written, textwrap.dedent(uses)]), "utf-8")
    plugins = ["--disable-plugin-autoload", "-p", "modelgates_speech.stub.pytest_plugin"]
    assert not ran([sys.executable, "-W", "error", "-m", "pytest", *plugins, file.name], tmp_path)


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
