"""`modelgates-speech completion`: the script that teaches a shell this command's words."""

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from modelgates_speech.cli.exits import COMPLETE_VARIABLE
from modelgates_speech.cli.output import Command, write_line


class _Zsh(ZshComplete):
    # A start-up file that never ran compinit has no compdef.
    source_template = (
        "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u; }\n"
        + ZshComplete.source_template
    )


class _Fish(FishComplete):
    # A description goes on after its first comma.
    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split --max 1 ","'
    )


class _PowerShell(ShellComplete):
    name = "powershell"
    source_template = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $line, $position)
    $env:%(complete_var)s = "powershell_complete"
    $env:COMP_WORDS = $line.ToString()
    $env:COMP_CWORD = $word
    %(prog_name)s | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new(
            $value, $value, "ParameterValue", $help)
    }
    Remove-Item Env:%(complete_var)s, Env:COMP_WORDS, Env:COMP_CWORD
}
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])[1:]
        typed = os.environ["COMP_CWORD"]
        return words[:-1] if typed and words[-1:] == [typed] else words, typed

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.value}\t{item.help}" if item.help else str(item.value)


_SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "zsh": _Zsh,
    "fish": _Fish,
    "powershell": _PowerShell,
}


def register() -> None:
    """Make the shells known to `click`, which answers what their scripts ask."""
    for name, kind in _SHELLS.items():
        add_completion_class(kind, name)


@click.command(
    cls=Command,
    epilog="\b\nTo set it up, add the line for your shell to its start-up file:\n"
    '  bash        eval "$(modelgates-speech completion bash)"\n'
    '  zsh         eval "$(modelgates-speech completion zsh)"\n'
    "  fish        modelgates-speech completion fish | source\n"
    "  powershell  modelgates-speech completion powershell | Out-String | Invoke-Expression",
)
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL."""
    root = context.find_root().command
    write_line(_SHELLS[shell](root, {}, "modelgates-speech", COMPLETE_VARIABLE).source())
