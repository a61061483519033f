"""``lmmtools report DATA FORMULA -o fit.html``: a fit as one web page that stands alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lmmtools.cli.compare import read_other
from lmmtools.cli.model import add_model, fit_model
from lmmtools.cli.terminal import DONE, FOUND, is_terminal, waiting
from lmmtools.errors import DataError

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  The page of a model, to be opened in a browser, sent or printed:
    lmmtools report pastes.csv "strength ~ 1 + (1|batch/cask)" -o pastes.html
  With p-values, and beside what R printed:
    lmmtools report sleepstudy "Reaction ~ Days + (Days|Subject)" \\
      --ddf satterthwaite --with printout.txt -o sleep.html

The page has the model in words and as an equation, the structure of the data,
the summary, what the flags mean for this fit, plots, a comparison and where the
numbers come from. It loads nothing and runs no script.
Needs jinja2 and matplotlib: pip install jinja2 matplotlib
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools report``."""
    add_model(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="file to write; by default standard output, if piped"
    )
    parser.add_argument("--title", metavar="TEXT", help="heading of the page")
    parser.add_argument(
        "--with",
        dest="others",
        metavar="FILE",
        nargs="+",
        default=[],
        help="show beside the fit: fits written by fit.to_json(), or text files with what R printed",
    )


def run(options: argparse.Namespace) -> int:
    """Fit and write the page; return 0, or 1 where the optimum is not certified."""
    is_printed = options.output == "-"
    if is_printed and is_terminal(sys.stdout):
        raise DataError("a page is not for a terminal: name a file for it, -o fit.html")
    from lmmtools.page import check_needs

    check_needs()
    others = [read_other(path) for path in options.others]
    result = fit_model(options, options.engine)
    with waiting("writing the page"):
        text = result.to_report(
            None if is_printed else options.output, compare=others or None, ddf=options.ddf, title=options.title
        )
    print(text if is_printed else f"{options.output} written")
    return DONE if result.converged else FOUND
