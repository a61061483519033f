"""``lmmtools translate DATA FORMULA``: an lme4 formula as a declaration, a MixedLM call, words and LaTeX."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lmmtools.cli.model import add_data, add_reading, read_chosen_data
from lmmtools.cli.terminal import DONE, print_report
from lmmtools.errors import TranslationError

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

NAMES = ("lme4", "declaration", "mixedlm", "words", "latex")

EXAMPLES = """\
examples:
  A model in every notation, as its data make it:
    lmmtools translate pastes.csv "strength ~ 1 + (1|batch/cask)"
  The statsmodels code alone; the equation for a paper; all of it for a program:
    lmmtools translate Pastes "strength ~ 1 + (1|batch/cask)" --only mixedlm
    lmmtools translate Pastes "strength ~ 1 + (1|batch/cask)" --only latex
    lmmtools translate Pastes "strength ~ 1 + (1|batch/cask)" --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools translate``."""
    add_data(parser)
    parser.add_argument("formula", metavar="FORMULA", help='as lme4 writes it: "strength ~ 1 + (1|batch/cask)"')
    add_reading(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--only", choices=NAMES, metavar="NOTATION", help=f"print one alone: {', '.join(NAMES)}")
    how.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print the model in every notation, or in one."""
    from lmmtools.api import lmm, translate

    formula, data = options.formula, options.data
    if "~" in data and "~" not in formula:
        print("lmmtools: translate takes DATA before FORMULA, as all commands do; read in that order", file=sys.stderr)
        formula, data = data, formula
    out = translate(lmm(formula, read_chosen_data(data, options)))
    if options.json:
        content = {name: getattr(out, name) for name in (*NAMES, "notes")}
        print(json.dumps(content, indent=2, ensure_ascii=False))
    elif options.only is None:
        print_report(str(out))
    elif (text := getattr(out, options.only)) is not None:
        print(text)
    else:
        raise TranslationError("\n".join(out.notes))
    return DONE
