"""Speech that was bought once is not bought again, and damage is no speech."""

import logging
import multiprocessing
import os
import pathlib

import pytest

from modelgates_speech import (
    APIStatusError,
    ArgumentError,
    ConfigurationError,
    IncompleteAudioError,
    ModelGates,
    ModelGatesError,
)
from modelgates_speech.jobs import AudioCache
from tests.edition import EDITION, SPEAKER, needs_narration, needs_pcm, taken_or_skipped
from tests.jobs.conftest import Both, spelled, story

TEXT = story(100)
SAID = "".join(TEXT.split())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def entries(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_same_request_is_paid_for_once(api, stub, folder):
    first = api.create("Hello.", cache_dir=folder)
    again = api.create("Hello.", cache_dir=folder)
    assert again == first
    assert len(stub.requests) == 1


def test_sync_and_async_clients_share_what_they_bought(stub, folder):
    for kind in ("sync", "async"):
        both = Both(kind)
        both.create("Hello.", cache_dir=folder)
        both.close()
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"voice": "nova"},
        {"model": "other/model"},
        {"speed": 1.5},
        {"response_format": "mp3"},
        {"extra_headers": {"X-Tenant": "b"}},
        {"extra_query": {"language": "de"}},
        {"provider": {"options": {"openai": {"instructions": "calm"}}}},
    ],
)
def test_another_request_is_another_entry(api, stub, folder, other):
    [(name, value)] = other.items()
    if name.startswith("extra_"):
        other = {name: SPEAKER.get(name, {}) | value}
    else:
        taken_or_skipped(**other)
    api.create("Hello.", cache_dir=folder)
    api.create("Hello.", cache_dir=folder, **other)
    assert len(stub.requests) == 2


@needs_narration
def test_a_header_of_the_client_is_one_of_the_call(stub, folder):
    def ask(headers, extra_headers=None):
        with ModelGates(headers=headers) as client:
            asked = {"input": "Hello.", "cache_dir": folder, **SPEAKER}
            asked["extra_headers"] = EDITION.headers | (extra_headers or {})
            client.audio.speech.create(**asked)
            return client.audio.speech.narrate(dry_run=True, **asked).pieces_to_send

    for headers in (None, {"X-Style": "a"}, {"X-Style": "b"}):
        assert ask(headers) == 0
    assert len(stub.requests) == 3
    ask(None, {"x-style": "a"})
    ask({"X-Style": "a"}, {"x-style": "b"})
    assert len(stub.requests) == 3


def test_what_the_body_is_found_by_is_what_is_sent(api, stub, folder):
    if not EDITION.is_open:
        pytest.skip("the OpenAPI document takes no property that it does not know")
    for number in (1, "1"):
        api.create("Hello.", cache_dir=folder, extra_body={number: "a", "b": 2})
    assert len(stub.requests) == 1
    with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
        api.create("Hello.", cache_dir=folder, extra_body={("a", 1): 1})


def test_another_server_is_another_entry(stub, folder):
    for base_url in (stub.base_url, stub.base_url.replace("127.0.0.1", "localhost")):
        with ModelGates(base_url=base_url) as client:
            client.audio.speech.create(input="Hello.", cache_dir=folder, **SPEAKER)
    assert len(stub.requests) == 2


def test_the_key_is_nowhere_in_the_cache(api, stub, folder):
    api.create("Hello.", cache_dir=folder)
    [entry] = entries(folder)
    assert stub.api_key.encode() not in entry.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-3] + b"\0\0\0",
        lambda data: data + b"more",
        lambda data: b"",
        lambda data: b"other" + data[5:],
    ],
)
def test_a_damaged_entry_is_bought_anew_and_mended(api, stub, folder, damage, caplog):
    whole = api.create("Hello.", cache_dir=folder)
    [entry] = entries(folder)
    entry.write_bytes(damage(entry.read_bytes()))
    with caplog.at_level(logging.WARNING, "modelgates_speech"):
        assert api.create("Hello.", cache_dir=folder).content == whole.content
    assert "damaged" in caplog.text
    assert api.create("Hello.", cache_dir=folder).content == whole.content
    assert len(stub.requests) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(api, stub, folder, caplog):
    whole = api.create("Hello.", cache_dir=folder)
    [entry] = entries(folder)
    entry.unlink()
    os.mkfifo(entry)
    with caplog.at_level(logging.WARNING, "modelgates_speech"):
        assert api.create("Hello.", cache_dir=folder).content == whole.content
    assert "is no file" in caplog.text
    assert entry.is_fifo()
    assert len(stub.requests) == 2


def test_speech_that_broke_off_is_not_kept(api, stub, folder):
    stub.fail_next("cut", after=4)
    with pytest.raises(IncompleteAudioError):
        api.create("Hello.", cache_dir=folder)
    assert entries(folder) == []


@needs_pcm
def test_errors_are_not_kept(api, stub, folder):
    stub.fail_next(500)
    with pytest.raises(APIStatusError):
        api.create("Hello.", cache_dir=folder)
    assert entries(folder) == []
    assert spelled(api.create("Hello.", cache_dir=folder).content) == "Hello."


def test_a_stream_that_is_left_early_is_not_kept(stub, folder):
    with (
        ModelGates() as client,
        client.audio.speech.stream(input=TEXT, cache_dir=folder, **SPEAKER) as stream,
    ):
        next(stream)
    assert entries(folder) == []


@needs_pcm
def test_a_cache_that_cannot_be_written_costs_no_speech(api, folder, caplog):
    folder.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING, "modelgates_speech"):
        assert spelled(api.create("Hello.", cache_dir=folder).content) == "Hello."
    assert "not kept" in caplog.text


@needs_narration
def test_a_cache_that_cannot_be_written_is_told_of_once_and_not_of_each_piece(api, folder, caplog):
    folder.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING, "modelgates_speech"):
        assert spelled(api.narrate(TEXT, cache_dir=folder).content) == "".join(TEXT.split())
    assert caplog.text.count("not kept") == 1


@needs_narration
def test_a_narration_that_failed_buys_only_what_is_missing(api, stub, folder):
    stub.fail_next("cut", after=20)
    with pytest.raises(IncompleteAudioError):
        api.narrate(TEXT, cache_dir=folder)
    bought = len(entries(folder))
    # Which piece broke, and how many were under way, is the scheduler's to say: all of those that
    # were asked for beside it were let end, and kept.
    assert bought == len(stub.requests) - 1
    assert api.plan(TEXT, cache_dir=folder).pieces_to_send == 7 - bought
    before = len(stub.requests)
    assert spelled(api.narrate(TEXT, cache_dir=folder).content) == SAID
    assert len(stub.requests) - before == 7 - bought


@needs_narration
@pytest.mark.parametrize("fault", [402, "json"])
def test_a_narration_without_a_cache_gives_what_it_has_bought(api, stub, fault):
    for _ in range(2):
        stub.fail_next("slow", delay=0)
    stub.fail_next(fault)
    with pytest.raises(ModelGatesError) as caught:
        api.narrate(TEXT, concurrency=1)
    assert SAID.startswith(spelled(caught.value.partial.content))
    assert caught.value.partial.content


@needs_narration
def test_a_narration_bought_whole_is_not_bought_again(api, stub, folder):
    api.narrate(TEXT, cache_dir=folder)
    before = len(stub.requests)
    assert spelled(api.narrate(TEXT, cache_dir=folder).content) == SAID
    assert len(stub.requests) == before
    assert api.plan(TEXT, cache_dir=folder).characters_to_send == 0


@needs_narration
def test_a_refrain_is_bought_once_and_planned_so(api, stub, folder):
    refrain = f"{story(3)}\n\n"
    plan = api.plan(refrain * 20, cache_dir=folder)
    assert (plan.pieces, plan.pieces_to_send) == (20, 1)
    assert plan.characters_to_send == len(refrain)
    audio = api.narrate(refrain * 20, cache_dir=folder, paragraph_pause=0.001)
    assert spelled(audio.content).count("number0,") == 20
    assert len(stub.requests) == 1
    # What is not kept is not found.
    assert api.plan(refrain * 20).pieces_to_send == 20
    api.narrate(refrain * 20)
    assert len(stub.requests) == 21


def test_beyond_its_size_what_was_used_longest_ago_goes_first(stub, folder):
    with ModelGates() as client:

        def speak(number):
            text, before = f"{number:04}" * 2000, set(entries(folder))
            client.audio.speech.create(input=text, cache_dir=cache, **SPEAKER)
            return set(entries(folder)) - before

        cache = AudioCache(folder, max_bytes=100_000)  # room for six of 16,000 bytes
        [oldest], [second] = speak(1), speak(2)
        for age, path in ((200, oldest), (100, second)):
            now = path.stat().st_mtime
            os.utime(path, (now - age, now - age))
        speak(1)  # used again, it becomes the newer of the two
        for number in range(3, 7):
            speak(number)
        assert oldest.exists()
        assert not second.exists()
        for number in range(7, 40):
            speak(number)
            assert sum(path.stat().st_size for path in entries(folder)) <= 100_000
        before = len(stub.requests)
        speak(39)
        assert len(stub.requests) == before


def _buy(base_url, folder, offset):
    with ModelGates(base_url=base_url, api_key="stub-key") as client:
        for number in range(12):
            text = f"Sentence {(number + offset) % 12}."
            audio = client.audio.speech.create(input=text, cache_dir=folder, **SPEAKER)
            assert spelled(audio.content) == "".join(text.split())


@needs_pcm
def test_several_processes_may_share_a_cache(stub, folder):
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=_buy, args=(stub.base_url, folder, offset)) for offset in (0, 7)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(entries(folder)) == 12
    assert not list(pathlib.Path(folder).rglob("*.part"))


def test_a_cache_of_no_size_or_origin_is_refused(folder):
    with pytest.raises(ConfigurationError, match="max_bytes"):
        AudioCache(folder, max_bytes=0)
    with pytest.raises(ArgumentError, match="origin"):
        AudioCache(folder, origin=3)
    with pytest.raises(ArgumentError, match="missing argument 'folder'"):
        AudioCache()


@needs_pcm
@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_a_current_folder_that_is_gone_costs_no_speech(api, tmp_path, monkeypatch, caplog):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    # A name of this test's own: of each folder a process is told once.
    assert spelled(api.create("Hello.", cache_dir=tmp_path.name).content) == "Hello."
    assert "not kept" in caplog.text
