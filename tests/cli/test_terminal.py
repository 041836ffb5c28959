"""On a terminal, and only there: a progress bar; never audio."""

import os
import re
import select
import signal
import subprocess
import time

import pytest

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
termios = pytest.importorskip("termios", reason="needs pseudo-terminals")


@pytest.fixture
def terminal():
    """The two ends of a pseudo-terminal: the user's and the program's."""
    user, program = pty.openpty()
    termios.tcsetwinsize(program, (24, 100))
    yield user, program
    os.close(user)
    os.close(program)


def read_until(user, pattern):
    """Read what the terminal shows until `pattern` is there."""
    shown = ""
    end = time.monotonic() + 60
    while not re.search(pattern, shown):
        ready, _, _ = select.select([user], [], [], max(0, end - time.monotonic()))
        assert ready, f"{pattern!r} never came: {shown!r}"
        shown += os.read(user, 65536).decode()
    return shown


def what_is_left(user):
    shown = ""
    while select.select([user], [], [], 0)[0]:
        shown += os.read(user, 65536).decode()
    return shown


def test_the_bar_shows_bytes_seconds_of_audio_and_rate(start, with_key, stub, folder, terminal):
    user, program = terminal
    stub.fail_next("drip", interval=0.001)
    process = start("speak", "Hello", "-o", "a.wav", env=with_key, stderr=program)

    shown = read_until(user, r"speaking: [\d.]+k?B \[\d\d:\d\d, +[\d.]+k?B/s, [\d.]+ s of audio\]")
    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    assert "speaking" in shown
    assert list(folder.iterdir()) == []


def test_the_bar_is_wiped_away_at_the_end(speak, terminal, folder):
    user, program = terminal

    ended = speak("Hello", "-o", "a.wav", stderr=program)

    assert ended.code == 0
    assert ended.out.startswith("a.wav: ")
    # What a program wrote may reach the terminal's other end only after the program has ended.
    read_until(user, r"(?s)speaking.*\r *\r$")


def test_the_bar_works_while_the_audio_goes_to_a_pipe(speak, terminal):
    user, program = terminal

    ended = speak("Hello", "-o", "-", stderr=program)

    assert ended.code == 0
    read_until(user, "speaking")


@pytest.mark.parametrize("arguments", [("--quiet",), ("--json",)])
def test_no_bar_where_none_is_wanted(speak, terminal, arguments):
    user, program = terminal

    assert speak("Hello", *arguments, stderr=program).code == 0

    assert what_is_left(user) == ""


def test_a_player_at_the_other_end_hears_the_first_bytes_before_the_last(start, with_key, stub):
    stub.fail_next("stall-midway", after=1000)
    process = start("speak", "Hello", "-o", "-", env=with_key, stdout=subprocess.PIPE)

    ready, _, _ = select.select([process.stdout], [], [], 50)

    assert ready, "the first bytes are held back"
    assert len(os.read(process.stdout.fileno(), 1000)) > 0
    assert process.poll() is None


def test_audio_is_not_poured_into_a_terminal(speak, stub, terminal):
    _, program = terminal

    ended = speak("Hello", "-o", "-", stdout=program)

    assert ended.code == 2
    assert "does not write audio to a terminal" in ended.err
    stub.assert_not_called()
