"""`lightrouter completion`: the script by which a shell completes commands, options and their values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from lightrouter.cli.commands import LIGHTROUTER
from lightrouter.cli.grammar import argument, command

_EXAMPLES = """\
  source <(lightrouter completion bash)
  lightrouter completion zsh > "${fpath[1]}/_lightrouter"
  lightrouter completion fish > ~/.config/fish/completions/lightrouter.fish
"""


@command("completion", _EXAMPLES)
@argument("shell", "bash, zsh or fish", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Prints the script that completes commands, options and their values in a shell."""
    if found := get_completion_class(shell):
        click.echo(found(LIGHTROUTER, {}, "lightrouter", "_LIGHTROUTER_COMPLETE").source())
