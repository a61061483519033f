"""The ``lmmtools`` command; one module per subcommand, loaded only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from lmmtools._version import __version__
from lmmtools.errors import LmmError

__all__ = ["main"]

# Subcommand -> what ``lmmtools --help`` says of it; the module of the same name adds the options and runs it.
COMMANDS = {
    "fit": "fit a model to a file of your own",
    "compare": "put engines, recorded fits and R's printouts side by side, and say why they differ",
    "demo": "four classic data sets: declared, translated to MixedLM, fitted, compared with lme4",
    "structure": "say how the factors of a file relate: nested, crossed, islands",
    "lint": "say what the MixedLM calls of a script or notebook really fit; nothing is run",
    "translate": "write an lme4 formula as a declaration, a MixedLM call, in words and in LaTeX",
}

EXAMPLES = """\
examples:
  lmmtools demo
  lmmtools fit pastes.csv "strength ~ 1 + (1|batch/cask)"
  lmmtools fit scores.tsv "y ~ x + (1 + x | school)" --factor school --ml --format markdown
  lmmtools compare pastes.csv "strength ~ 1 + (1|batch/cask)" --engines pls,lme4 --with printout.txt
  lmmtools structure pastes.csv batch cask
  lmmtools lint analysis.py --data penicillin.csv
  lmmtools translate "strength ~ 1 + (1|batch/cask)" pastes.csv

exit status: 0 done; 1 the fit is not certified as an optimum (fit), errors or warnings found (lint), differences found
(compare); 2 wrong input (one line on standard error says what)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (``sys.argv`` if None) and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="lmmtools",
        description="Linear mixed models with crossed and nested random effects: lme4's models on top of statsmodels.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lmmtools {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((a for a in arguments if a in COMMANDS), None)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == asked:
            importlib.import_module(f"lmmtools.cli.{name}").add_arguments(command)
    options = parser.parse_args(arguments)
    try:
        status: int = importlib.import_module(f"lmmtools.cli.{options.command}").run(options)
    except LmmError as error:
        print(f"lmmtools: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("lmmtools: interrupted", file=sys.stderr)
        return 130
    return status
