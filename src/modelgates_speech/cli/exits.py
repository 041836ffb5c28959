"""How a command ends: the exit codes, and the one line that says why."""

import json
import os
import re
import signal
import sys
import traceback
from enum import IntEnum

import click

from modelgates_speech.errors import (
    APIConnectionError,
    APIStatusError,
    ConfigurationError,
    IncompleteAudioError,
    InvalidResponseError,
    ModelGatesError,
    PlaybackError,
    SaveError,
)

# Through it a shell's completion script asks for words.
COMPLETE_VARIABLE = "_MODELGATES_SPEECH_COMPLETE"

# Signals that ask a process to end; Windows has no SIGHUP.
POLITE = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Exit(IntEnum):
    """The exit codes of every command, each with its `meaning`."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "Exit":
        """Give the number its meaning, so that help and documentation cannot disagree with it."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "done"
    UNEXPECTED = 1, "an unexpected failure: please report it"
    USAGE = 2, "the command was not understood"
    CONFIGURATION = 3, "something is not set up: no key, a bad base URL, an extra not installed"
    REFUSED = 4, "the API answered with an error"
    NETWORK = 5, "the API could not be reached, or not in time"
    INCOMPLETE = 6, "the answer was cut short, or was not audio"
    NOT_WRITTEN = 7, "the file could not be written, or the audio not played"
    SOME_FAILED = 8, "some rows of a batch failed"
    STOPPED = 9, "a batch stopped before its last row"
    INTERRUPTED = 130, "interrupted with Ctrl-C"
    CLOSED_OUTPUT = 141, "the reader of standard output went away"


_EXITS: tuple[tuple[type[ModelGatesError], Exit], ...] = (
    (ConfigurationError, Exit.CONFIGURATION),
    (APIStatusError, Exit.REFUSED),
    (APIConnectionError, Exit.NETWORK),
    (InvalidResponseError, Exit.INCOMPLETE),
    (IncompleteAudioError, Exit.INCOMPLETE),
    (SaveError, Exit.NOT_WRITTEN),
    (PlaybackError, Exit.NOT_WRITTEN),
)


def exit_for(error: ModelGatesError) -> Exit:
    """Return the exit code that stands for `error`."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.UNEXPECTED)


def exit_codes_help() -> str:
    """Return the exit codes as a block for the end of a help page."""
    lines = (f"  {code:>3}  {code.meaning}" for code in Exit)
    return "\n".join(["\b", "Exit codes:", *lines])


# What Python calls it, and what the command line does; the first that fits.
_WORDS = (
    (r" or pass api_key\b|, or the one passed as api_key", ""),
    (r"\bpass (the key as )?api_key", "set MODELGATES_API_KEY"),
    (r"\bapi_key(\(\))?", "MODELGATES_API_KEY"),
    (r"\ballow_plain_http=True", "--allow-plain-http"),
    (r"\ba longer timeout \(\w+\)", "a longer --timeout"),
    (r"\ba longer deadline\b", "a longer --deadline"),
    (r"\bresponse_format='([^']*)'", r"--format \1"),
    (r"\bresponse_format\b", "--format"),
    (r"\bcreate\(\)|\bcreate\b(?= )", "speak"),
    (
        r"(?<!-)\b(base_url|cache_dir|concurrency|deadline|heading_pause|language|max_characters"
        r"|max_chars|max_errors|paragraph_pause|sample_rate|timeout)(?=[ =(,:]|$)",
        "--\\1",
    ),
    (r"; (it|the audio|what arrived) is in \.(audio|partial)", ""),
)


def in_words(error: ModelGatesError) -> str:
    """Return what an error says, with options and variables in the place of Python's names.

    What the API says stays as it is.
    """
    said, advice = str(error), getattr(error, "advice", None)
    if not isinstance(error, APIStatusError):
        return _translated(said)
    return said.removesuffix(advice) + _translated(advice) if advice else said


def stopped_in_words(reason: str) -> str:
    """Return why a batch stopped, likewise; what the API says stands before the advice."""
    what, semicolon, advice = reason.partition("; ")
    return what + semicolon + _translated(advice)


def _translated(said: str) -> str:
    for pattern, words in _WORDS:
        said = re.sub(pattern, words, said)
    return re.sub(r"--\w+", lambda option: option[0].replace("_", "-"), said)


class CommandError(click.ClickException):
    """A failure that the command line itself noticed: `message`, and the `code` to end with."""

    def __init__(self, message: str, code: Exit | int) -> None:
        super().__init__(message)
        self.code = code


def complain(message: str, code: Exit | int, *, debug: bool = False) -> None:
    """Write `message` to standard error as one line, after the traceback if `debug`.

    Under ``--json`` the line is an object with the message and the exit code.

    Messages can quote what a server sent: control characters are taken out, so that no answer
    can break the line or drive the terminal.
    """
    if debug:
        tell(traceback.format_exc())
    printable = "".join(char if char.isprintable() else " " for char in message)
    line = " ".join(printable.split())
    if "--json" in sys.argv:
        line = json.dumps({"error": {"message": line, "exit_code": int(code)}}, ensure_ascii=False)
    else:
        line = f"modelgates-speech: error: {line}"
    tell(line)


def remark(message: str) -> None:
    """Write what helps, and is no error, to standard error: an object under ``--json``."""
    as_json = "--json" in sys.argv
    tell(json.dumps({"note": message}) if as_json else f"modelgates-speech: {message}")


def tell(text: str) -> None:
    """Write to standard error; where nobody reads it, the exit code still says how it ended."""
    try:
        click.echo(text, err=True)
    except OSError:
        # The interpreter flushes it once more on its way out, and would end with another.
        to_nowhere(2)


def to_nowhere(descriptor: int) -> None:
    """Have what is written there vanish."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
