"""`--play`: what is heard, what is written beside it, and what is left when the device fails."""

import ctypes.util
import json
import os
import signal
import subprocess
import time
import wave
from pathlib import Path

import pytest

from tests.edition import needs_format, needs_mp3, needs_pcm, needs_text

ROOT = Path(__file__).parents[2]

# Run when Python starts: the command meets a device that writes what it plays into a file.
DEVICE = f"""
import os, sys
sys.path.append({str(ROOT)!r})
import miniaudio
import tests.ears
from tests.ears import Ears

if "UNHURRIED" in os.environ:
    tests.ears.FASTER = 1

class Device(Ears):
    def take(self, samples):
        with open(os.environ["HEARD"], "ab") as file:
            file.write(samples)

    def start(self, generator):
        if "BROKEN" in os.environ:
            raise miniaudio.MiniaudioError("failed to start audio device", -1)
        super().start(generator)

miniaudio.PlaybackDevice = Device
"""
NO_DEVICE = """
import miniaudio

def refuse(**options):
    os = __import__("os")
    os.write(2, b"ALSA lib pcm.c:2666: Unknown PCM default\\n" * 20)
    raise miniaudio.MiniaudioError("failed to init device", -401)

miniaudio.PlaybackDevice = refuse
"""


@pytest.fixture
def machine(tmp_path, environment):
    """Variables for a machine with such a device."""

    def machine(device, base=environment, **variables):
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(device)
        path = f"{site}{os.pathsep}{environment.get('PYTHONPATH', '')}"
        return base | {"PYTHONPATH": path, "HEARD": str(tmp_path / "heard")} | variables

    return machine


@pytest.fixture
def heard(tmp_path):
    return lambda: (tmp_path / "heard").read_bytes()


def samples_of(path):
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def alone(stub, expected):
    assert len(stub.requests) == expected


@needs_pcm
def test_speech_is_played_and_no_file_is_left(run, with_key, machine, heard, stub, folder):
    done = run("speak", "Hello there.", "--play", env=machine(DEVICE, with_key))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("played: ")
    assert list(folder.iterdir()) == []
    assert run("speak", "Hello there.", "-o", "a.wav", env=with_key).code == 0
    assert heard() == samples_of(folder / "a.wav")
    alone(stub, 2)


@needs_pcm
def test_with_a_file_it_is_written_as_well(run, with_key, machine, heard, stub, folder):
    command = ("speak", "Hello there.", "--play", "-o", "a.wav", "--json")
    done = run(*command, env=machine(DEVICE, with_key))
    assert json.loads(done.out)["path"] == "a.wav"
    assert heard() == samples_of(folder / "a.wav") != b""
    alone(stub, 1)


@needs_mp3
def test_an_mp3_is_heard_and_written(run, with_key, machine, heard, folder):
    done = run("speak", "Hello.", "--play", "-o", "a.mp3", env=machine(DEVICE, with_key))
    assert done.code == 0, done.err
    assert (folder / "a.mp3").read_bytes()[:1] == b"\xff"
    assert len(heard()) > 48_000


@needs_pcm
@needs_text
def test_a_book_is_played_with_its_pauses(run, with_key, machine, heard, stub, folder):
    (folder / "book.txt").write_text("Chapter 1\n\nIt was dark.\n")
    command = ("narrate", "book.txt", "--play", "--heading-pause", "0.5")
    done = run(*command, env=machine(DEVICE, with_key))
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(", 2 pieces\n")
    assert bytes(24_000) in heard()
    assert [path.name for path in folder.iterdir()] == ["book.txt"]

    both = run(*command, "-o", "book.wav", "--json", env=machine(DEVICE, with_key))
    assert json.loads(both.out)["bytes"] == (folder / "book.wav").stat().st_size
    assert heard() == samples_of(folder / "book.wav") * 2


@needs_pcm
def test_through_the_system_it_is_heard_sample_by_sample(run, with_key, folder, tmp_path):
    if ctypes.util.find_library("asound") is None:
        pytest.skip("this system does not play through ALSA")
    settings = tmp_path / "asound.conf"
    settings.write_text(
        'pcm.!default { type file slave.pcm "nothing" file "../heard" format "raw" }\n'
        "pcm.nothing { type null }\n"
    )
    # As seen from the folder: a space would separate two paths.
    env = with_key | {"ALSA_CONFIG_PATH": "../asound.conf"}
    done = run("speak", "Hello there.", "--play", "-o", "a.wav", env=env)
    assert done.code == 0, done.err
    played = (tmp_path / "heard").read_bytes()
    assert played.strip(b"\0") == samples_of(folder / "a.wav").strip(b"\0")


# What goes wrong.


@pytest.mark.parametrize(
    "command", [("speak", "Hello"), ("narrate", "book.txt"), ("narrate", "book.txt", "-o", "a.wav")]
)
def test_without_a_device_it_says_so_in_a_line_and_sends_nothing(
    run, with_key, machine, stub, folder, command
):
    (folder / "book.txt").write_text("It was dark.")
    done = run(*command, "--play", env=machine(NO_DEVICE, with_key))
    assert (done.code, done.err) == (
        3,
        "modelgates-speech: error: there is no audio device to play on (failed to init device)\n",
    )
    stub.assert_not_called()


def test_without_the_extra_it_says_what_to_install(run, with_key, machine, stub):
    hole = "import sys\nsys.modules['miniaudio'] = None\n"
    done = run("speak", "Hello", "--play", env=machine(hole, with_key))
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert 'pip install "modelgates-speech[play]"' in done.err
    stub.assert_not_called()


@needs_pcm
@pytest.mark.parametrize("there", ["", "speech.wav"])
def test_a_device_that_fails_leaves_the_audio_in_a_file_that_the_message_names(
    run, with_key, machine, stub, folder, there
):
    if there:
        (folder / there).write_text("mine")
    broken = machine(DEVICE, with_key, BROKEN="1")
    done = run("speak", "Hello there.", "--play", env=broken)
    assert done.code == 7
    name = "speech-2.wav" if there else "speech.wav"
    assert done.err.endswith(f"; the audio is in {name}\n")
    assert samples_of(folder / name)
    assert not there or (folder / there).read_text() == "mine"
    alone(stub, 1)


@needs_pcm
def test_a_device_that_fails_costs_the_file_nothing(run, with_key, machine, stub, folder):
    broken = machine(DEVICE, with_key, BROKEN="1")
    done = run("speak", "Hello there.", "--play", "-o", "a.wav", env=broken)
    assert done.code == 7
    assert done.err.endswith("failed to start audio device; the audio is in a.wav\n")
    assert run("speak", "Hello there.", "-o", "b.wav", env=with_key).code == 0
    assert (folder / "a.wav").read_bytes() == (folder / "b.wav").read_bytes()


@needs_pcm
@needs_text
def test_a_device_that_fails_in_a_book_leaves_what_was_bought(run, with_key, machine, stub, folder):
    (folder / "book.txt").write_text("It was dark.\n\nThe wind slept.\n")
    broken = machine(DEVICE, with_key, BROKEN="1")
    done = run("narrate", "book.txt", "--play", env=broken)
    assert done.code == 7
    assert "finished pieces are kept in book.txt.pieces" in done.err
    bought = len(stub.requests)
    assert run("narrate", "book.txt", "--play", env=machine(DEVICE, with_key)).code == 0
    assert len(stub.requests) == max(bought, 2)


@needs_pcm
def test_what_came_before_a_cut_is_heard_and_kept(run, with_key, machine, heard, stub, folder):
    stub.fail_next("cut", after=20_000)
    done = run("speak", "Hello there, my friend.", "--play", env=machine(DEVICE, with_key))
    assert done.code == 6
    assert done.err.endswith("; what arrived is in speech.partial.wav\n")
    assert heard() == samples_of(folder / "speech.partial.wav")[: len(heard())] != b""


@needs_pcm
def test_who_has_heard_enough_has_the_file_all_the_same(
    start, with_key, machine, stub, folder, tmp_path
):
    command = ("speak", "Hello there. " * 20, "--play", "-o", "a.wav")
    # Or it could have heard all of it before the file is there, or the signal.
    env = machine(DEVICE, with_key, UNHURRIED="1")
    process = start(*command, env=env, stderr=subprocess.PIPE)
    while not ((tmp_path / "heard").exists() and (folder / "a.wav").exists()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    whole = samples_of(folder / "a.wav")
    assert len((tmp_path / "heard").read_bytes()) < len(whole)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("speak", "Hello", "--play", "-o", "-"), "--play and -o - cannot be used together"),
        pytest.param(
            *(
                ("speak", "Hello", "--play", "--format", "opus"),
                "--play plays pcm, wav, mp3, not opus",
            ),
            marks=needs_format,
        ),
        (("narrate", "-"), "-o FILE, --play, or both"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    run, with_key, machine, stub, arguments, says
):
    done = run(*arguments, env=machine(DEVICE, with_key))
    assert done.code == 2
    assert says in done.err
    stub.assert_not_called()
