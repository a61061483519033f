"""The ``lmmtools`` command; one module per subcommand, loaded only when it is asked for."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import textwrap
from collections.abc import Sequence

from lmmtools._version import __version__
from lmmtools.audience import at_command_line
from lmmtools.cli.completion import answer_completion, words_of_line
from lmmtools.cli.terminal import DONE, INTERRUPTED, WRONG, describe_statuses, is_coloured
from lmmtools.errors import LmmError

__all__ = ["COMMANDS", "main"]

# Subcommand -> its line in ``lmmtools --help``; the module of the same name adds the options and runs it.
COMMANDS = {
    "fit": "fit a model to a file of your own",
    "report": "fit a model and write a page about it: words, equation, plots, what the flags mean",
    "compare": "put engines, recorded fits and R's printouts side by side, and say why they differ",
    "demo": "four classic data sets: declared, translated to MixedLM, fitted, compared with lme4",
    "structure": "say how the factors of a file relate: nested, crossed, islands",
    "lint": "say what the MixedLM calls of a script or notebook really fit; nothing is run",
    "translate": "write an lme4 formula as a declaration, a MixedLM call, in words and in LaTeX",
    "completion": "print the script that lets a shell complete the command",
}

EXAMPLES = """\
examples:
  lmmtools demo
  lmmtools fit pastes.csv "strength ~ 1 + (1|batch/cask)"
  lmmtools report pastes.csv "strength ~ 1 + (1|batch/cask)" -o pastes.html
  lmmtools compare pastes.csv "strength ~ 1 + (1|batch/cask)" --engines pls,lme4
  lmmtools structure pastes.csv batch cask
  lmmtools lint analysis.py --data pastes.csv
  lmmtools translate pastes.csv "strength ~ 1 + (1|batch/cask)"

lmmtools COMMAND --help shows more of each. Where a file of data is asked for, -
reads a table from standard input, and the name of a data set of the package
(Pastes, sleepstudy, ...) will do. Output is plain where it is piped or NO_COLOR
is set.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (``sys.argv`` if None) and return the exit status."""
    try:
        try:
            with at_command_line():
                return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            # A failure while the interpreter shuts down would be reported as success.
            if sys.stdout is not None:
                sys.stdout.flush()
    except LmmError as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"this needs more memory than there is{f': {error}' if str(error) else ''}")
    except BrokenPipeError:
        # The reader of a pipe (head, less) has closed it.
        _discard_output()
        return DONE
    except OSError as error:
        _discard_output()
        return _fail(f"{error.filename or 'standard output'}: {error.strerror}")
    except KeyboardInterrupt:
        print("lmmtools: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    parser = _build_parser(words_of_line(arguments))
    answer_completion(parser)
    options = parser.parse_args(arguments)
    found: int = importlib.import_module(f"lmmtools.cli.{options.command}").run(options)
    return found


def _fail(message: str) -> int:
    name = "\x1b[1;31mlmmtools:\x1b[0m" if is_coloured(sys.stderr) else "lmmtools:"
    print(f"{name} {message}", file=sys.stderr)
    return WRONG


def _discard_output() -> None:
    """Redirect standard output to nowhere, so that Python does not flush it again when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser; only the subcommand that is among the words gets its options."""
    parser = argparse.ArgumentParser(
        prog="lmmtools",
        description="Linear mixed models with crossed and nested random effects:\nlme4's models on top of statsmodels.",
        epilog=f"{EXAMPLES}\n{describe_statuses()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lmmtools {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in words if word in COMMANDS), None)
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=textwrap.fill(text[0].upper() + text[1:] + ".", 79),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == asked:
            module = importlib.import_module(f"lmmtools.cli.{name}")
            module.add_arguments(command)
            command.epilog = f"{module.EXAMPLES}\n{describe_statuses(name)}"
    return parser
