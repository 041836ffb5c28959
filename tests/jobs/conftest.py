"""A stub whose audio spells the text, so that what was said where can be read back."""

import asyncio
import inspect

import pytest

from modelgates_speech import AsyncModelGates, ModelGates
from modelgates_speech.stub import StubServer
from tests.edition import HAS_SAMPLES, SPEAKER


class Speller:
    """An engine whose samples are the letters of the text; `hold` is called before each piece."""

    name = "speller"

    def __init__(self):
        self.hold = lambda text: None

    def say(self, text, *, voice, speed):
        self.hold(text)
        return "".join(text.split()).encode("utf-16-le")


def spelled(content):
    """The text that PCM of the `Speller` spells, without its white space."""
    return content.decode("utf-16-le")


def story(sentences, start=0):
    return "".join(
        f"This is sentence number {number}, and it says little. "
        for number in range(start, start + sentences)
    )


@pytest.fixture(scope="session")
def engine():
    return Speller()


@pytest.fixture(scope="session")
def server(engine):
    if not HAS_SAMPLES:
        pytest.skip("the OpenAPI document has no audio that a text could be spelled in")
    with StubServer(engine=engine) as server:
        yield server


@pytest.fixture
def stub(server, engine, monkeypatch):
    server.reset()
    engine.hold = lambda text: None
    monkeypatch.setenv("MODELGATES_BASE_URL", server.base_url)
    monkeypatch.setenv("MODELGATES_API_KEY", server.api_key)
    yield server
    left = server.pending_faults
    server.reset()
    assert not left, f"no request met {len(left)} faults, the first of which is {left[0]}"


class Both:
    """The sync and the async client behind one blocking face, so that one test tells for both."""

    def __init__(self, kind):
        self.asynchronous = kind == "async"
        self.client = (AsyncModelGates if self.asynchronous else ModelGates)()
        self._runner = asyncio.Runner() if self.asynchronous else None

    def run(self, function):
        """Call `function` with the client's speech; await what it returns if need be."""
        result = function(self.client.audio.speech)
        if not inspect.isawaitable(result):
            return result

        async def awaited():
            return await result

        return self._runner.run(awaited())

    def create(self, text, **options):
        return self.run(lambda speech: speech.create(input=text, **SPEAKER | options))

    def narrate(self, text, **options):
        """All of a narration, read to its end."""
        return self.run(lambda speech: speech.narrate(input=text, **SPEAKER | options).read())

    def plan(self, text, **options):
        return self.client.audio.speech.narrate(input=text, dry_run=True, **SPEAKER | options)

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
