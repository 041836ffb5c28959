"""An async narration keeps nothing open across a return to the caller, wherever it is read."""

import asyncio
import gc
import os
import signal
from contextvars import ContextVar

import anyio
import pytest
import trio

from modelgates_speech import AsyncModelGates, ConfigurationError, IncompleteAudioError, ModelGates
from tests.edition import HELLO, needs_narration, needs_pcm
from tests.faults.server import STALL, FaultServer
from tests.faults.table import reply
from tests.systems import needs_forks

pytestmark = needs_narration

TEXT = "It was dark. Nobody had gone out. The wind slept. " * 40
REQUEST = HELLO | {"input": TEXT}
LOOPS = pytest.mark.parametrize("loop", ["asyncio", "trio"])
TENANT = ContextVar("TENANT", default="nobody")


@pytest.fixture(autouse=True)
def _stub(modelgates_stub):
    return modelgates_stub


def run(loop, function):
    return asyncio.run(function()) if loop == "asyncio" else trio.run(function)


@LOOPS
def test_it_can_be_read_under_a_timeout_that_began_after_it(loop):
    async def main():
        async with AsyncModelGates() as client, client.audio.speech.narrate(**REQUEST) as stream:
            with anyio.fail_after(60):
                return await stream.read()

    assert run(loop, main).content


@LOOPS
def test_a_timeout_around_a_read_cancels_the_read_and_nobody_else(loop):
    async def main():
        async with AsyncModelGates() as client, client.audio.speech.narrate(**REQUEST) as stream:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await stream.read()
            assert scope.cancelled_caught
        await anyio.lowlevel.checkpoint()
        return "alive"

    assert run(loop, main) == "alive"


@LOOPS
@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_a_text_that_ends_the_program_does_so_where_it_is_read(loop, raised):
    def parts():
        yield TEXT
        raise raised

    async def main():
        request = HELLO | {"input": parts()}
        async with AsyncModelGates() as client, client.audio.speech.narrate(**request) as stream:
            await stream.read()

    with pytest.raises(raised):
        run(loop, main)


@LOOPS
def test_another_task_may_read_it(loop):
    heard = []

    async def main():
        async with AsyncModelGates() as client, client.audio.speech.narrate(**REQUEST) as stream:

            async def read():
                heard.append(await stream.read())

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)

    run(loop, main)
    assert heard[0].content


@LOOPS
# Trio has a word of its own for the generator of this test.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
def test_a_generator_around_it_that_is_left_early_cancels_nobody(loop):
    async def pieces(client):
        async with client.audio.speech.narrate(**REQUEST) as stream:
            async for piece in stream:
                yield piece

    async def main():
        async with AsyncModelGates() as client:
            async for _ in pieces(client):
                break
            gc.collect()
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
        return "alive"

    assert run(loop, main) == "alive"


def test_after_the_end_no_task_is_left():
    async def main():
        before = asyncio.all_tasks()
        async with AsyncModelGates() as client:
            async with client.audio.speech.narrate(**REQUEST) as stream:
                await anext(stream)
            return asyncio.all_tasks() - before

    assert not asyncio.run(main())


@LOOPS
def test_a_piece_that_breaks_off_under_a_timeout_keeps_its_class(loop, modelgates_stub):
    modelgates_stub.fail_next("cut")

    async def main():
        async with AsyncModelGates() as client, client.audio.speech.narrate(**REQUEST) as stream:
            with anyio.fail_after(60):
                await stream.read()

    with pytest.raises(IncompleteAudioError) as failed:
        run(loop, main)
    assert failed.value.characters is not None


@needs_pcm
@needs_forks
# Python warns of just what this is about.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_one_that_a_child_inherits_says_so_instead_of_waiting_for_ever():
    with (
        FaultServer((reply()[:-1000], STALL)) as server,
        ModelGates(api_key="key", base_url=server.url) as client,
        client.audio.speech.narrate(**REQUEST) as stream,
    ):
        if not (pid := os.fork()):
            signal.alarm(20)
            try:
                stream.read()
            except ConfigurationError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_one_that_is_dropped_gives_back_what_it_holds_and_says_so():
    def drop_one(client):
        for _ in client.audio.speech.narrate(**REQUEST):
            break

    with ModelGates() as client, pytest.warns(ResourceWarning, match="`with` statement"):
        drop_one(client)


def test_an_async_one_that_is_dropped_gives_back_what_it_holds_and_says_so():
    async def main():
        before = asyncio.all_tasks()
        async with AsyncModelGates() as client:
            async for _ in client.audio.speech.narrate(**REQUEST):
                break
            gc.collect()
            with anyio.fail_after(60):
                while asyncio.all_tasks() - before:
                    await anyio.lowlevel.checkpoint()

    with pytest.warns(ResourceWarning, match="`with` statement"):
        asyncio.run(main())


@pytest.mark.parametrize("loop", [None, "asyncio", "trio"])
def test_the_key_of_each_piece_is_asked_for_in_the_context_of_the_caller(loop, modelgates_stub):
    asked_for = []

    def key():
        asked_for.append(TENANT.get())
        return modelgates_stub.api_key

    async def main():
        TENANT.set("mine")
        client = AsyncModelGates(api_key=key)
        async with client, client.audio.speech.narrate(**REQUEST, max_chars=300) as stream:
            return await stream.read()

    if loop:
        run(loop, main)
    else:
        token = TENANT.set("mine")
        client = ModelGates(api_key=key)
        with client, client.audio.speech.narrate(**REQUEST, max_chars=300) as stream:
            stream.read()
        TENANT.reset(token)
    assert set(asked_for) == {"mine"}
