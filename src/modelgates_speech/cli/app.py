"""The group of commands, each imported only when it is called, and the one place they all end."""

import importlib
import logging
import os
import signal
import sys

import click

from modelgates_speech._version import __version__
from modelgates_speech.cli.exits import (
    COMPLETE_VARIABLE,
    POLITE,
    CommandError,
    Exit,
    complain,
    exit_codes_help,
    exit_for,
    in_words,
    tell,
)
from modelgates_speech.cli.output import Command
from modelgates_speech.errors import ModelGatesError

COMMANDS = ("speak", "narrate", "batch", "stub", "completion")


class _LazyGroup(Command, click.Group):
    """Commands live in the module of their name, as `command`: one not called costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            from difflib import get_close_matches

            if near := get_close_matches(cmd_name, COMMANDS, 1):
                ctx.fail(f"No such command {cmd_name!r}. Did you mean {near[0]!r}?")
            return None
        command: click.Command = importlib.import_module(
            f"modelgates_speech.cli.{cmd_name}"
        ).command
        return command


@click.command(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=exit_codes_help(),
)
@click.version_option(__version__, "-V", "--version", message="modelgates-speech %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Text to speech with the ModelGates API, or offline with the bundled stub.

    The API key is read from MODELGATES_API_KEY. There is no option for it on purpose:
    command lines are visible to every user of a machine.
    """
    if context.invoked_subcommand is None:
        tell(context.get_help())
        context.exit(Exit.USAGE)


def run() -> int:
    """Run the command that `sys.argv` names and return its exit code."""
    _end_tidily_on_signals()
    if COMPLETE_VARIABLE in os.environ:
        from modelgates_speech.cli.completion import register

        register()
        # Asked by hand: of no words at all.
        os.environ.setdefault("COMP_WORDS", "")
        os.environ.setdefault("COMP_CWORD", "0")
    try:
        code = app.main(
            prog_name="modelgates-speech", complete_var=COMPLETE_VARIABLE, standalone_mode=False
        )
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "modelgates-speech"
        told = error.format_message()
        speaks = error.ctx and any(each.name == "text" for each in error.ctx.command.params)
        if speaks and isinstance(error, click.NoSuchOption) and not error.possibilities:
            told = f"{told.removesuffix('.')}; a text that begins with a dash goes after --"
        complain(f"{told} (see '{path} --help')", Exit.USAGE)
        return Exit.USAGE
    except CommandError as error:
        complain(error.message, error.code)
        return error.code
    except click.Abort:
        return Exit.INTERRUPTED
    except ModelGatesError as error:
        complain(
            in_words(error),
            exit_for(error),
            debug=logging.getLogger("modelgates_speech").isEnabledFor(logging.DEBUG),
        )
        return exit_for(error)
    return code if isinstance(code, int) else Exit.OK


def _end_tidily_on_signals() -> None:
    # By default these end the process where it stands, and a half-written temporary file stays.
    for number in POLITE:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _frame: sys.exit(128 + number))
