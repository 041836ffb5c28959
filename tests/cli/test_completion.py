"""The shells' completion scripts, run by the shells that are there."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

from modelgates_speech._binding import ARGUMENTS
from modelgates_speech.cli.app import COMMANDS
from tests.edition import needs_format, needs_provider

FORMATS = ARGUMENTS["response_format"].values if "response_format" in ARGUMENTS else ()


@pytest.fixture
def with_command(environment, tmp_path):
    """The variables of a user who has `modelgates-speech` on PATH."""
    command = tmp_path / "bin" / "modelgates-speech"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m modelgates_speech "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return environment | {"PATH": f"{command.parent}{os.pathsep}{environment['PATH']}"}


def shell(name, script, env):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    ended = subprocess.run([found, "-c", script], env=env, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("modelgates-speech ''", set(COMMANDS)),
        ("modelgates-speech sp", {"speak"}),
        pytest.param(
            "modelgates-speech speak --provider", {"--provider-option"}, marks=needs_provider
        ),
        ("modelgates-speech completion ''", {"bash", "zsh", "fish", "powershell"}),
        pytest.param("modelgates-speech speak --format ''", {*FORMATS}, marks=needs_format),
    ],
)
def test_bash_completes_commands_options_and_values(with_command, words, expected):
    # What bash does on Tab: call the function that `complete` has registered.
    script = f"""
    eval "$(modelgates-speech completion bash)"
    complete -p modelgates-speech >/dev/null
    COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _modelgates_speech_completion modelgates-speech
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert set(shell("bash", script, with_command)) == expected


def test_fish_completes_commands(with_command):
    script = "modelgates-speech completion fish | source; complete -C 'modelgates-speech sp'"
    assert shell("fish", script, with_command)[0] == "speak"


def test_zsh_accepts_its_script(with_command):
    script = """
    autoload -U compinit; compinit -u
    eval "$(modelgates-speech completion zsh)"
    echo $_comps[modelgates-speech]
    """
    assert shell("zsh", script, with_command) == ["_modelgates_speech_completion"]


def test_what_is_asked_by_hand_ends_without_a_traceback(run, environment):
    ended = run(env=environment | {"_MODELGATES_SPEECH_COMPLETE": "bash_complete"})
    assert "Traceback" not in ended.err


def test_powershell_is_answered_with_words_and_what_they_mean(run, environment):
    asked = environment | {
        "_MODELGATES_SPEECH_COMPLETE": "powershell_complete",
        "COMP_WORDS": "modelgates-speech sp",
        "COMP_CWORD": "sp",
    }
    ended = run(env=asked)
    word, _, meaning = ended.out.strip().partition("\t")
    assert word == "speak"
    assert meaning


def test_a_description_in_fish_goes_on_after_its_first_comma(run, environment):
    assert 'string split --max 1 ","' in run("completion", "fish", env=environment).out


def test_zsh_loads_what_it_needs_where_the_start_up_file_has_not(with_command):
    script = 'eval "$(modelgates-speech completion zsh)"; echo $_comps[modelgates-speech]'
    assert shell("zsh", script, with_command) == ["_modelgates_speech_completion"]


@pytest.mark.parametrize(
    ("name", "hook", "asks"),
    [
        (
            "bash",
            "complete -o nosort -F _modelgates_speech_completion modelgates-speech",
            "bash_complete",
        ),
        ("zsh", "compdef _modelgates_speech_completion modelgates-speech", "zsh_complete"),
        ("fish", "complete --no-files --command modelgates-speech", "fish_complete"),
        ("powershell", "Register-ArgumentCompleter -Native", '"powershell_complete"'),
    ],
)
def test_each_script_registers_itself_and_asks_this_command(run, environment, name, hook, asks):
    ended = run("completion", name, env=environment)

    assert (ended.code, ended.err) == (0, "")
    assert hook in ended.out
    assert f"_MODELGATES_SPEECH_COMPLETE={asks}" in ended.out.replace(" = ", "=")
