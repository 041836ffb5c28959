"""`modelgates-speech completion`: the script that teaches a shell this command's words."""

import click
from click.shell_completion import get_completion_class

from modelgates_speech.cli.app import COMPLETE_VARIABLE
from modelgates_speech.cli.output import write_line

__all__ = ["command"]


@click.command(
    epilog="\b\nTo set it up, add the line for your shell to its start-up file:\n"
    '  bash  eval "$(modelgates-speech completion bash)"\n'
    '  zsh   eval "$(modelgates-speech completion zsh)"\n'
    "  fish  modelgates-speech completion fish | source"
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL."""
    completion = get_completion_class(shell)
    assert completion is not None, shell
    script = completion(context.find_root().command, {}, "modelgates-speech", COMPLETE_VARIABLE)
    write_line(script.source())
