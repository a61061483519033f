"""``lmmtools completion SHELL``: the script that teaches a shell to complete the command, and the words for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lmmtools.audience import how_to_install
from lmmtools.cli.terminal import DONE
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = [
    "EXAMPLES",
    "add_arguments",
    "answer_completion",
    "complete_columns",
    "complete_data",
    "complete_engines",
    "complete_methods",
    "run",
    "set_completer",
    "words_of_line",
]

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
_VARIABLE = "_ARGCOMPLETE"
# A file of more bytes is not opened to complete a word.
_MAX_BYTES = 50_000_000


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
    return DONE


def set_completer(action: argparse.Action, completer: Callable[..., Any]) -> None:
    """Let the shell ask ``completer`` for the words of an argument."""
    action.completer = completer  # type: ignore[attr-defined]


def words_of_line(arguments: list[str]) -> list[str]:
    """Return the words of the command line; if the shell asks for completions, those of its line."""
    return os.environ.get("COMP_LINE", "").split() if _VARIABLE in os.environ else arguments


def answer_completion(parser: argparse.ArgumentParser) -> None:
    """Print completions and exit if the shell asks for them; otherwise do nothing."""
    if _VARIABLE not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)


def complete_data(prefix: str, **_: Any) -> list[str]:
    """Return the files of data and the data sets of the package that begin with ``prefix``."""
    from argcomplete.completers import FilesCompleter

    from lmmtools import datasets as shipped

    found = list(FilesCompleter(("csv", "tsv", "txt", "parquet", "gz"))(prefix))
    return found + [name for name in shipped.names() if name.startswith(prefix)]


def complete_columns(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Return the columns of the data on the command line that begin with ``prefix``."""
    from lmmtools.cli.files import read_data

    path = getattr(parsed_args, "data", None)
    if not path or path == "-" or (os.path.exists(path) and os.path.getsize(path) > _MAX_BYTES):
        return []
    try:
        return [
            name for name in map(str, read_data(path, encoding=parsed_args.encoding).columns) if name.startswith(prefix)
        ]
    except ValueError:
        return []


def complete_engines(prefix: str, **_: Any) -> list[str]:
    """Return the engines that begin with ``prefix``."""
    from lmmtools.engines import engine_names

    return [name for name in engine_names() if name.startswith(prefix)]


def complete_methods(prefix: str, **_: Any) -> list[str]:
    """Return the methods for degrees of freedom that begin with ``prefix``."""
    from typing import get_args

    from lmmtools.inference.degrees import DDF

    return [name for name in get_args(DDF) if name.startswith(prefix)]
