"""The reference of the command line, as click knows it."""

from __future__ import annotations

import inspect
import re

import click

from modelgates_speech.cli.app import app


def command_reference() -> str:
    """Give a section for each command, with its usage, its options and its example."""
    with click.Context(app, info_name="modelgates-speech", **app.context_settings) as context:
        names = app.list_commands(context)
        commands = [(name, app.get_command(context, name)) for name in names]
        sections = [_section(command, context, name) for name, command in commands if command]
    return "\n\n".join(sections)


def _section(command: click.Command, parent: click.Context, name: str) -> str:
    with click.Context(command, info_name=name, parent=parent) as context:
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        params = [each for each in command.get_params(context) if isinstance(each, click.Option)]
        records = filter(None, (each.get_help_record(context) for each in params))
        options = [f"- `{flags}`: {_plain(text)}" for flags, text in records]
        parts = [f"## {name}", _fenced(usage), _plain(inspect.cleandoc(command.help or ""))]
        parts.append("\n".join(options))
        # Set by hand: as it stands in the terminal.
        epilog = inspect.cleandoc((command.epilog or "").replace("\b", ""))
        parts += [_fenced(part) for part in [epilog.rpartition("Exit codes:")[0] or epilog] if part]
    return "\n\n".join(parts)


def _plain(text: str) -> str:
    """Give text of a terminal as Markdown: nothing in it is markup, and options are code."""
    text = text.replace("\b", "").replace("  [", " [")
    text = re.sub(r"([\\*`\[]|<(?=[\w/]))", r"\\\1", text)
    return re.sub(r"(?<![\w-])(--?[a-z][\w-]*)", r"`\1`", text)


def _fenced(text: str) -> str:
    return f"```text\n{text.strip()}\n```"
