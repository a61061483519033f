"""What the shell offers at a word: files and data sets, columns of the data, methods; needs argcomplete to be asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["answer_the_shell", "asked_of", "columns", "datasets", "engines", "methods", "offer"]

VARIABLE = "_ARGCOMPLETE"
# A file of more bytes is not opened to complete a word.
_MAX_BYTES = 50_000_000


def offer(action: argparse.Action, completer: Callable[..., Any]) -> None:
    """Let the shell ask ``completer`` for the words of an argument."""
    action.completer = completer  # type: ignore[attr-defined]


def asked_of(arguments: list[str]) -> list[str]:
    """Return the words of the command line: those of the shell's, where it asks for completions."""
    return os.environ.get("COMP_LINE", "").split() if VARIABLE in os.environ else arguments


def answer_the_shell(parser: argparse.ArgumentParser) -> None:
    """Print completions and leave, where the shell asks for them; otherwise do nothing."""
    if VARIABLE not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)


def datasets(prefix: str, **_: Any) -> list[str]:
    """Return files that fit, and the package's own data sets."""
    from argcomplete.completers import FilesCompleter

    from lmmtools import datasets as shipped

    found = list(FilesCompleter(("csv", "tsv", "txt", "parquet", "gz"))(prefix))
    return found + [name for name in shipped.names() if name.startswith(prefix)]


def columns(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Return the columns of the data that the line names."""
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


def engines(prefix: str, **_: Any) -> list[str]:
    """Return the engines."""
    from lmmtools.engines import engine_names

    return [name for name in engine_names() if name.startswith(prefix)]


def methods(prefix: str, **_: Any) -> list[str]:
    """Return the methods for degrees of freedom."""
    from typing import get_args

    from lmmtools.inference.degrees import DDF

    return [name for name in get_args(DDF) if name.startswith(prefix)]
