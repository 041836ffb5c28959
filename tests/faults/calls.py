"""One way to make any call with either client, so that a test is written once for all of them."""

import asyncio
from dataclasses import dataclass

from modelgates_speech import AsyncModelGates, ModelGates, ModelGatesError
from modelgates_speech._binding import ARGUMENTS, DEFAULT_RESPONSE_FORMAT
from tests.edition import EDITION, HELLO, SAVED

KEY = "mg-canary-7c1e5b0d9a"
CLIENTS = ("sync", "async")
CALLS = ("create", "stream", "save", "save over")
# What is asked for is PCM, as which any bytes pass: by its name where it does not come unasked.
UNASKED = DEFAULT_RESPONSE_FORMAT == "pcm" and "response_format" not in HELLO
HAS_PCM = UNASKED or EDITION.takes_format("pcm")
# The suffix of a file says which format it is for.
INTO_A_FILE = SAVED | {"input": "Hello world"}
SPEECH = INTO_A_FILE | ({} if UNASKED else {"response_format": "pcm"})
# What a row of a batch says beside its text.
ROW = {name: value for name, value in SPEECH.items() if name in ARGUMENTS and name != "input"}
OLD = b"what was there before"


@dataclass(frozen=True)
class Outcome:
    """How a call ended: with audio handed out, an error, or first one and then the other."""

    heard: bytes
    error: ModelGatesError | None


class SyncCaller:
    """Makes calls with `ModelGates`."""

    def __init__(self, **options):
        self.client = ModelGates(**options)

    def make(self, call, folder, **arguments):
        heard = bytearray()
        try:
            if call == "create":
                heard += self.client.audio.speech.create(**SPEECH | arguments).content
            elif call == "stream":
                with self.client.audio.speech.stream(**SPEECH | arguments) as stream:
                    for piece in stream:
                        heard += piece
            else:
                path = self.client.audio.speech.save(folder / "a.pcm", **INTO_A_FILE | arguments)
                heard += path.read_bytes()
        except ModelGatesError as error:
            return Outcome(bytes(heard), error)
        return Outcome(bytes(heard), None)

    def create(self, **arguments):
        return self.client.audio.speech.create(**SPEECH | arguments)

    def save(self, path, **arguments):
        return self.client.audio.speech.save(path, **INTO_A_FILE | arguments)

    def holding(self, **arguments):
        """A stream that was entered and keeps its connection, until it is closed."""
        stream = self.client.audio.speech.stream(**SPEECH | arguments)
        stream.__enter__()
        return stream.close

    def close(self):
        self.client.close()


class AsyncCaller:
    """Makes calls with `AsyncModelGates`, all in one event loop."""

    def __init__(self, **options):
        self.runner = asyncio.Runner()
        self.client = AsyncModelGates(**options)

    def make(self, call, folder, **arguments):
        return self.runner.run(self._make(call, folder, **arguments))

    async def _make(self, call, folder, **arguments):
        heard = bytearray()
        try:
            if call == "create":
                audio = await self.client.audio.speech.create(**SPEECH | arguments)
                heard += audio.content
            elif call == "stream":
                async with self.client.audio.speech.stream(**SPEECH | arguments) as stream:
                    async for piece in stream:
                        heard += piece
            else:
                path = await self.client.audio.speech.save(
                    folder / "a.pcm", **INTO_A_FILE | arguments
                )
                heard += path.read_bytes()
        except ModelGatesError as error:
            return Outcome(bytes(heard), error)
        return Outcome(bytes(heard), None)

    def create(self, **arguments):
        return self.runner.run(self.client.audio.speech.create(**SPEECH | arguments))

    def save(self, path, **arguments):
        return self.runner.run(self.client.audio.speech.save(path, **INTO_A_FILE | arguments))

    def holding(self, **arguments):
        """A stream that was entered and keeps its connection, until it is closed."""
        stream = self.client.audio.speech.stream(**SPEECH | arguments)
        self.runner.run(stream.__aenter__())
        return lambda: self.runner.run(stream.aclose())

    def close(self):
        self.runner.run(self.client.aclose())
        self.runner.close()


CALLERS = {"sync": SyncCaller, "async": AsyncCaller}
