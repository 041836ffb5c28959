"""Threads, event loops, cancellation, copies, forks: every connection is given back."""

import asyncio
import copy
import gc
import json
import os
import pickle
import socket
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, closing
from functools import partial

import anyio
import httpcore2
import pytest

from modelgates_speech import (
    APIConnectionError,
    AsyncModelGates,
    Audio,
    ConfigurationError,
    IncompleteAudioError,
    ModelGates,
    RetryPolicy,
    Timeout,
    transport,
)
from modelgates_speech.files import AtomicFile
from modelgates_speech.transport import trusted
from tests.faults.calls import CALLERS, CALLS, CLIENTS, KEY, OLD, SPEECH
from tests.faults.children import outcome
from tests.faults.secrets import assert_keeps_secret
from tests.faults.server import AWAIT_A_BYTE, CLOSE, HOLD, PAUSE, STALL, Later, Pour
from tests.faults.table import AUDIO, CHUNKED, HEALTHY, chunk, head, reply
from tests.systems import needs_forks

ALONE = "^another thread or task is at this stream: use one at a time$"


@pytest.fixture(params=CLIENTS)
def caller(request, server):
    server.acts = HEALTHY
    with closing(CALLERS[request.param](api_key=KEY, base_url=server.url)) as caller:
        yield caller


def echo(request):
    """Audio that only this request can get."""
    text = json.loads(request.partition(b"\r\n\r\n")[2])["input"]
    return reply(body=text.encode() * 1000)


def test_32_threads_share_a_client_and_each_gets_its_own_audio(server):
    server.acts = (Later(echo),)
    everyone = threading.Barrier(32)

    def speak(client, number):
        everyone.wait()
        texts = [f"{number:03}-{turn:03}." for turn in range(10)]
        return all(
            client.audio.speech.create(**SPEECH | {"input": text}).content == text.encode() * 1000
            for text in texts
        )

    with ModelGates(api_key=KEY, base_url=server.url) as client, ThreadPoolExecutor(32) as pool:
        assert all(pool.map(partial(speak, client), range(32)))
    assert len(server.requests) == 320
    assert server.connections <= 32
    server.until(lambda: server.open == 0)


def test_many_tasks_share_a_client_and_each_gets_its_own_audio(server):
    server.acts = (Later(echo),)

    async def speak(client, number):
        text = f"{number:03}."
        audio = await client.audio.speech.create(**SPEECH | {"input": text})
        return audio.content == text.encode() * 1000

    async def main():
        async with AsyncModelGates(api_key=KEY, base_url=server.url) as client:
            return await asyncio.gather(*(speak(client, number) for number in range(200)))

    assert all(asyncio.run(main()))
    assert len(server.requests) == 200
    server.until(lambda: server.open == 0)


def test_one_async_client_serves_one_event_loop_after_another(server):
    server.acts = HEALTHY
    client = AsyncModelGates(api_key=KEY, base_url=server.url)

    async def twice():
        for _ in range(2):
            assert (await client.audio.speech.create(**SPEECH)).content == AUDIO

    for loops in (1, 2, 3):
        asyncio.run(twice())
        # Nobody closed the client; the loop that ended took its connections with it.
        server.until(lambda: server.open == 0)
        assert server.connections == loops
    asyncio.run(client.aclose())


def test_a_loop_that_is_dropped_before_its_end_is_no_fault_of_the_clients(server, monkeypatch):
    server.acts = HEALTHY
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", lambda each: raised.append(type(each.exc_value)))

    async def once():
        # As under nest_asyncio, whose loops never end in order.
        sys.set_asyncgen_hooks(None, None)
        client = AsyncModelGates(api_key=KEY, base_url=server.url)
        await client.audio.speech.create(**SPEECH)

    asyncio.run(once())
    gc.collect()
    # That it was not closed is told, and nothing else.
    assert set(raised) <= {ResourceWarning}


def test_one_async_client_serves_two_event_loops_at_once(server):
    server.acts = HEALTHY
    client = AsyncModelGates(api_key=KEY, base_url=server.url)

    async def once():
        return (await client.audio.speech.create(**SPEECH)).content == AUDIO

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: asyncio.run(once()), range(20)))
    server.until(lambda: server.open == 0)


@types.coroutine
def _cancelled_at(coroutine, step, cancel, reached):
    """Run `coroutine`, and cancel it while it waits for the `step`-th time."""
    resume = partial(coroutine.send, None)
    for number in range(10_000):
        try:
            awaited = resume()
        except StopIteration as done:
            return done.value
        if number == step:
            reached.append(step)
            # Only once the task really waits.
            asyncio.get_running_loop().call_soon(cancel)
        try:
            yield awaited
        except BaseException as error:
            resume = partial(coroutine.throw, error)
        else:
            resume = partial(coroutine.send, None)
    return None


async def _by_task(coroutine, step, reached):
    async def main():
        await _cancelled_at(coroutine, step, task.cancel, reached)

    task = asyncio.ensure_future(main())
    try:
        await task
    except asyncio.CancelledError as error:
        return error
    return None


async def _by_scope(coroutine, step, reached):
    with anyio.CancelScope() as scope:
        await _cancelled_at(coroutine, step, scope.cancel, reached)
        return None
    return scope.cancelled_caught


HOW = {"task": _by_task, "scope": _by_scope}
SHAPES = {
    "healthy": HEALTHY,
    "in many pieces": (
        CHUNKED,
        *(chunk(AUDIO[at : at + 512]) for at in range(0, 4096, 512)),
        chunk(b""),
    ),
    "retried": (reply(503, b"{}", kind="application/json", Retry_After="0"),),
}


@pytest.mark.usefixtures("one_connection")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("unnamed", [True, False], ids=["unnamed", "named"])
def test_cancelled_at_any_await_point_a_call_leaves_nothing_behind(
    call, shape, how, unnamed, server, tmp_path, monkeypatch
):
    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    policy = RetryPolicy(max_retries=1, initial_delay=0.001)
    path = tmp_path / "a.pcm"

    async def make(client):
        match call:
            case "create":
                await client.audio.speech.create(**SPEECH)
            case "stream":
                async with client.audio.speech.stream(**SPEECH) as stream:
                    async for _ in stream:
                        pass
            case _:
                await client.audio.speech.save(path, **SPEECH)

    async def attempt(step):
        server.acts = SHAPES[shape]
        reached = []
        path.unlink(missing_ok=True)
        if call == "save over":
            path.write_bytes(OLD)
        async with AsyncModelGates(
            api_key=KEY, base_url=server.url, retry=policy, timeout=Timeout(pool=5.0)
        ) as client:
            try:
                error = await HOW[how](make(client), step, reached)
            except Exception as failure:  # the call's own: it was over before the cancellation
                error = failure
            if isinstance(error, BaseException):
                assert_keeps_secret(error)
            left = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
            assert left in ({}, {"a.pcm": OLD}, {"a.pcm": AUDIO}), f"after step {step}"
            assert call == "save over" or left != {"a.pcm": OLD}
            # The only connection of the pool is free again.
            server.acts = HEALTHY
            audio = await client.audio.speech.create(**SPEECH)
            assert audio.content == AUDIO, f"after step {step}"
        return bool(reached)

    async def main():
        step = 0
        while await attempt(step):
            step += 1
        return step

    assert asyncio.run(main()) > 2
    server.until(lambda: server.open == 0)


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_cancelled_during_the_handshake_of_tls_a_call_leaves_no_socket_open(server, library):
    greeted = threading.Event()
    server.on_connect = (AWAIT_A_BYTE, Later(lambda request: greeted.set() or b""), STALL)
    url = f"https://127.0.0.1:{server.port}"

    async def main():
        async with AsyncModelGates(api_key=KEY, base_url=url) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(client.audio.speech.create, **SPEECH))
                assert await anyio.to_thread.run_sync(greeted.wait, 20)
                tasks.cancel_scope.cancel()
            # One that was left open says so when it is collected, which fails a test.
            gc.collect()

    anyio.run(main, backend=library)
    server.until(lambda: server.open == 0)


def test_a_cancelled_save_waits_for_the_disk_before_it_drops_the_file(
    server, tmp_path, monkeypatch
):
    server.acts = HEALTHY
    happened = []
    writing, go = threading.Event(), threading.Event()
    write, discard = AtomicFile.write, AtomicFile.discard

    def slow_write(file, data):
        if not data:
            return write(file, data)
        writing.set()
        assert go.wait(20)
        happened.append("written")
        return None

    def watched_discard(file):
        happened.append("drop")
        discard(file)

    monkeypatch.setattr(AtomicFile, "write", slow_write)
    monkeypatch.setattr(AtomicFile, "discard", watched_discard)

    async def main():
        async with AsyncModelGates(api_key=KEY, base_url=server.url) as client:
            saving = asyncio.ensure_future(client.audio.speech.save(tmp_path / "a.pcm", **SPEECH))
            await asyncio.to_thread(writing.wait, 20)
            saving.cancel()
            # Many times what the call needs to end, if it does not wait.
            for _ in range(1000):
                await asyncio.sleep(0)
            go.set()
            with pytest.raises(asyncio.CancelledError):
                await saving

    asyncio.run(main())
    assert happened == ["written", "drop"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("one_connection")
@pytest.mark.parametrize("taken", [0, 1, 2])
@pytest.mark.parametrize(
    "acts", [(head(), AUDIO, STALL), (CHUNKED, *[chunk(AUDIO)] * 3, chunk(b""))]
)
def test_a_stream_left_early_gives_its_connection_back(caller, server, taken, acts):
    stream = caller.client.audio.speech.stream(**SPEECH)
    server.acts = acts
    # A server that stalls sends no second piece.
    taken = min(taken, 1) if STALL in acts else taken
    if isinstance(caller.client, ModelGates):
        with stream:
            for _ in range(taken):
                assert next(stream)
    else:

        async def leave():
            async with stream:
                for _ in range(taken):
                    assert await anext(stream)

        caller.runner.run(leave())
    server.acts = HEALTHY
    assert caller.make("create", None).heard == AUDIO


@pytest.mark.usefixtures("one_connection")
def test_a_stream_left_by_an_error_of_the_caller_gives_its_connection_back(caller, server):
    server.acts = (head(), AUDIO, STALL)
    stream = caller.client.audio.speech.stream(**SPEECH)

    def sync():
        with stream:
            next(stream)
            raise ZeroDivisionError

    async def asynchronous():
        async with stream:
            await anext(stream)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sync() if hasattr(stream, "__enter__") else caller.runner.run(asynchronous())
    server.acts = HEALTHY
    assert caller.make("create", None).heard == AUDIO


def test_copies_share_the_connection_and_closing_one_leaves_the_others(caller, server):
    original = caller.client
    assert caller.make("create", None).heard == AUDIO
    for number in range(3):
        caller.client = original.with_options(headers={"X-Copy": str(number)})
        assert caller.make("create", None).heard == AUDIO
        close(caller)
        assert "closed" in str(caller.make("create", None).error)
    caller.client = original
    assert caller.make("create", None).heard == AUDIO
    assert server.connections == 1
    assert [b"x-copy: 2" in sent.lower() for sent in server.requests] == [
        False,
        False,
        False,
        True,
        False,
    ]


@pytest.mark.usefixtures("one_connection")
def test_a_thread_waits_until_a_connection_is_free(server):
    server.acts = HEALTHY
    with ModelGates(api_key=KEY, base_url=server.url, timeout=Timeout(pool=HOLD)) as client:
        stream = client.audio.speech.stream(**SPEECH).__enter__()
        other = threading.Timer(0.1, stream.close)
        other.start()
        assert client.audio.speech.create(**SPEECH).content == AUDIO
        other.join()


def make_at_once(caller, count):
    """So many calls, each begun before one has ended."""
    streams = [caller.client.audio.speech.stream(**SPEECH) for _ in range(count)]

    def sync():
        with ExitStack() as stack:
            for stream in streams:
                stack.enter_context(stream)
            for stream in streams:
                stream.read()

    async def asynchronous():
        async with AsyncExitStack() as stack:
            for stream in streams:
                await stack.enter_async_context(stream)
            for stream in streams:
                await stream.read()

    sync() if isinstance(caller.client, ModelGates) else caller.runner.run(asynchronous())


def test_connections_are_used_again_after_a_busy_hour(caller, server):
    make_at_once(caller, 5)
    make_at_once(caller, 5)
    assert server.connections == server.open == 5


@pytest.fixture
def no_patience(monkeypatch):
    """Any connection has been idle for too long."""
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 0.0)


@pytest.mark.usefixtures("no_patience")
def test_connections_that_are_idle_for_long_are_closed_after_a_busy_hour(caller, server):
    make_at_once(caller, 5)
    server.until(lambda: server.open <= 1)
    assert caller.make("create", None).heard == AUDIO
    assert server.connections == 6
    server.until(lambda: server.open == 1)


def test_a_connection_that_the_server_has_closed_is_not_used_again(caller, server):
    server.acts = (reply(), CLOSE)
    assert caller.make("create", None).heard == AUDIO
    server.until(lambda: server.open == 0)
    server.acts = HEALTHY
    assert caller.make("create", None).heard == AUDIO
    assert len(server.requests) == server.connections == 2


def test_to_close_a_client_closes_the_connection_of_a_stream_that_is_held(caller, server):
    server.acts = (head(), AUDIO[:512], STALL)
    let_go = caller.holding()
    close(caller)
    server.until(lambda: server.open == 0)
    let_go()


def test_a_stream_that_two_threads_enter_is_paid_for_once(server):
    server.acts = (STALL,)
    client = ModelGates(api_key=KEY, base_url=server.url, timeout=HOLD)
    stream = client.audio.speech.stream(**SPEECH)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(stream.__enter__)
        server.until(lambda: server.requests)
        with pytest.raises(ConfigurationError, match=ALONE):
            stream.read()
        client.close()
        with pytest.raises(APIConnectionError, match="this program closed its client"):
            first.result()
    assert len(server.requests) == 1


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_stream_that_two_tasks_read_goes_to_one_of_them_whole(server, library):
    server.acts = (CHUNKED, chunk(AUDIO[:512]), PAUSE, chunk(AUDIO[512:522]) + b"0\r\n\r\n")

    async def main():
        read = []

        async def read_all():
            read.append(await stream.read())

        async with (
            AsyncModelGates(api_key=KEY, base_url=server.url) as client,
            client.audio.speech.stream(**SPEECH) as stream,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(read_all)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(ConfigurationError, match=ALONE):
                await anext(stream)
            server.let_go()
        return read[0].content

    assert anyio.run(main, backend=library) == AUDIO[:522]


@pytest.mark.parametrize("acts", [(head(),), (head(Content_Length="4096"),), (CHUNKED,)])
def test_a_stream_whose_client_is_closed_while_it_is_read_says_so(server, acts):
    body = chunk(AUDIO[:512]) if acts == (CHUNKED,) else AUDIO[:512]
    server.acts = (*acts, body, STALL)
    client = ModelGates(api_key=KEY, base_url=server.url, timeout=HOLD)
    with client.audio.speech.stream(**SPEECH) as stream:
        other = threading.Timer(0.1, client.close)
        other.start()
        with pytest.raises(IncompleteAudioError, match="this program closed its client") as caught:
            stream.read()
        other.join()
    assert caught.value.partial.content == AUDIO[:512]


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_stream_whose_client_is_closed_by_another_task_says_so(server, library):
    server.acts = (head(), AUDIO[:512], STALL)

    async def main():
        client = AsyncModelGates(api_key=KEY, base_url=server.url)
        stream = client.audio.speech.stream(**SPEECH)
        async with anyio.create_task_group() as tasks, stream:
            tasks.start_soon(client.aclose)
            with pytest.raises(IncompleteAudioError, match="this program closed") as caught:
                await stream.read()
        return caught.value.partial.content

    assert anyio.run(main, backend=library) == AUDIO[:512]


def test_a_connection_made_while_its_client_is_closed_ends_with_its_call(server, monkeypatch):
    server.acts = HEALTHY
    client = ModelGates(api_key=KEY, base_url=server.url)
    resolve = socket.getaddrinfo

    def close_first(*arguments, **more):
        client.close()
        return resolve(*arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", close_first)
    assert client.audio.speech.create(**SPEECH).content == AUDIO
    server.until(lambda: server.open == 0)


def test_a_call_that_the_end_of_its_client_overtakes_keeps_no_connection(server):
    server.acts = HEALTHY
    client = ModelGates(api_key=lambda: client.close() or KEY, base_url=server.url)
    assert client.audio.speech.create(**SPEECH).content == AUDIO
    server.until(lambda: server.open == 0)


def test_a_connection_that_is_looked_at_while_its_client_is_closed_is_closed(server, monkeypatch):
    server.acts = HEALTHY
    client = ModelGates(api_key=KEY, base_url=server.url)
    has_expired = httpcore2.HTTPConnection.has_expired

    def close_first(connection):
        client.close()
        return has_expired(connection)

    with ExitStack() as left:
        streams = [left.enter_context(client.audio.speech.stream(**SPEECH)) for _ in range(2)]
        monkeypatch.setattr(httpcore2.HTTPConnection, "has_expired", close_first)
        for stream in streams:
            assert stream.read().content == AUDIO
    server.until(lambda: server.open == 0)


def close(caller):
    if isinstance(caller.client, ModelGates):
        caller.client.close()
    else:
        caller.runner.run(caller.client.aclose())


@pytest.mark.parametrize("call", CALLS[:3])
def test_a_client_used_after_close_says_so(caller, server, call, tmp_path):
    clients = [caller.client, caller.client.with_options(retry=None)]
    close(caller)
    close(caller)
    server.until(lambda: server.open == 0)
    for closed in clients:
        caller.client = closed
        result = caller.make(call, tmp_path)
        assert type(result.error) is ConfigurationError
        assert "closed" in str(result.error)
    assert server.connections == 0
    assert list(tmp_path.iterdir()) == []


def test_a_stream_used_after_close_says_so(server):
    server.acts = HEALTHY
    with ModelGates(api_key=KEY, base_url=server.url) as client:
        stream = client.audio.speech.stream(**SPEECH)
        stream.close()
        with pytest.raises(ConfigurationError, match="closed"):
            next(stream)
    assert server.connections == 0


@needs_forks
def test_a_forked_child_and_its_parent_go_on_with_connections_of_their_own(server):
    server.acts = HEALTHY
    script = """
with ModelGates(timeout=20.0) as c:
    speak = lambda: len(c.audio.speech.create(**SPEECH).content)
    before = speak()
    pid = os.fork()
    if not pid:
        # To the parent by the exit status: whole, or not.
        os._exit(0 if speak() == speak() == before else 1)
    during = speak()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tell(sizes=[before, during, speak()], status=status)
"""
    seen = outcome(script, "sync", "-", server=server)
    assert seen == {"sizes": [4096, 4096, 4096], "status": 0}
    assert server.connections == 2


@needs_forks
def test_a_stream_that_a_forked_child_leaves_goes_on_in_its_parent(server):
    size = 2048 * len(AUDIO)
    server.acts = (head(Content_Length=str(size)), Pour(AUDIO, 2048))
    script = """
with ModelGates(timeout=20.0) as c, c.audio.speech.stream(**SPEECH) as stream:
    pid = os.fork()
    if not pid:
        stream.close()
        os._exit(0)
    os.waitpid(pid, 0)
    tell(size=len(stream.read().content))
"""
    assert outcome(script, "sync", "-", server=server) == {"size": size}


@needs_forks
def test_a_forked_child_makes_a_connection_of_its_own(server):
    server.acts = HEALTHY
    script = """
with ModelGates(timeout=20.0) as c:
    speak = lambda: len(c.audio.speech.create(**SPEECH).content)
    before = speak()
    pid = os.fork()
    if not pid:
        os._exit(0 if speak() == before else 1)
    # One after the other: two at once on one connection might part by themselves.
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tell(after=speak(), status=status)
"""
    assert outcome(script, "sync", "-", server=server) == {"after": 4096, "status": 0}
    assert server.connections == 2


@needs_forks
def test_a_forked_child_closes_nothing_of_its_parents(server):
    server.acts = HEALTHY
    script = """
from modelgates_speech.transport import Transport
closed, aclose = [], Transport.aclose
Transport.aclose = lambda self: closed.append(self) or aclose(self)
c = ModelGates(timeout=20.0)
c.audio.speech.create(**SPEECH)
if not (pid := os.fork()):
    # A lock of the connections may be held by a thread that this process does not have.
    c.close()
    os._exit(len(closed))
tell(status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
c.close()
"""
    assert outcome(script, "sync", "-", server=server) == {"status": 0}


@needs_forks
def test_a_child_forked_while_a_thread_counts_the_cache_speaks_from_it(server, tmp_path):
    server.acts = HEALTHY
    script = """
import signal, threading, warnings
from modelgates_speech.jobs import AudioCache
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of just what this is about
cache = AudioCache(path, max_bytes=5000)
counting, counted = threading.Event(), threading.Event()

def shrink(target):
    counting.set()
    counted.wait()
    return 0

cache._shrink = shrink
with ModelGates(timeout=20.0) as c:
    speak = lambda text: c.audio.speech.create(**SPEECH | {"input": text}, cache_dir=cache)
    threading.Thread(target=speak, args=["One"]).start()
    counting.wait()
    if not (pid := os.fork()):
        signal.alarm(20)
        counted.set()
        os._exit(0 if speak("Two").content == speak("Two").content else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    counted.set()
tell(status=status)
"""
    assert outcome(script, "sync", tmp_path / "cache", server=server) == {"status": 0}


@needs_forks
def test_a_child_that_outlives_a_batch_does_not_keep_its_folder(server, tmp_path):
    server.acts = HEALTHY
    script = """
import warnings
from modelgates_speech.jobs import run_batch
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of just what this is about
children = []

def fork(report):
    if children:
        return
    reads, writes = os.pipe()
    if not (pid := os.fork()):
        os.close(writes)
        os.read(reads, 1)
        os._exit(0)
    children.append((pid, writes))

rows = [{"id": "a", "input": "Hello"}]
run_batch(rows, path, defaults=ROW, on_progress=fork)
again = run_batch(rows, path, defaults=ROW)
for pid, writes in children:
    os.close(writes)
    os.waitpid(pid, 0)
tell(skipped=again.skipped, children=bool(children))
"""
    seen = outcome(script, "sync", tmp_path / "out", server=server)
    assert seen == {"skipped": 1, "children": True}


def test_results_and_settings_survive_pickling(caller):
    for thing in (
        Timeout(read=1.0),
        RetryPolicy(max_retries=7),
        Audio(content=AUDIO, format="pcm"),
    ):
        assert pickle.loads(pickle.dumps(thing)) == thing


def test_neither_client_nor_stream_can_be_pickled_into_somebody_elses_hands(caller):
    for thing in (caller.client, caller.client._settings, caller.client.audio.speech):
        with pytest.raises((TypeError, AttributeError), match="pickle"):
            pickle.dumps(thing)
    stream = caller.client.audio.speech.stream(**SPEECH)
    for clone in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(
            TypeError, match=r"^a stream cannot be copied or pickled: read\(\) it, "
        ):
            clone(stream)


def test_event_loops_do_not_wait_for_certificates(monkeypatch):
    read = []
    monkeypatch.setattr(transport, "trusted", lambda: read.append("once") or trusted())
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{nobody.getsockname()[1]}"
        client = AsyncModelGates(api_key="key", base_url=url, retry=None)
        assert read == ["once"]
        for _ in range(2):
            with pytest.raises(APIConnectionError):
                asyncio.run(client.audio.speech.create(**SPEECH))
    assert read == ["once"]


@pytest.mark.parametrize("kind", [ModelGates, AsyncModelGates])
def test_what_would_fail_in_every_call_is_told_when_the_client_is_made(kind, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "gopher://proxy.example")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        kind(api_key="key", base_url="https://speech.example")
