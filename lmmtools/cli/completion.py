"""``lmmtools completion SHELL``: the script that teaches a shell to complete the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.audience import how_to_install
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

SHELLS = ("bash", "zsh", "fish", "powershell")

EXAMPLES = """\
examples:
  eval "$(lmmtools completion bash)"        in ~/.bashrc
  eval "$(lmmtools completion zsh)"         in ~/.zshrc
  lmmtools completion fish | source         in ~/.config/fish/config.fish

Commands, options, files, data sets, columns after --factor, engines and methods
are completed.
Needs argcomplete: pip install argcomplete
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools completion``."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that will read it")


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError as error:
        raise EngineError(f"completion needs argcomplete: {how_to_install('argcomplete')}") from error
    print(shellcode(["lmmtools"], shell=options.shell))
    return 0
