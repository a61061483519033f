"""``lmmtools fit DATA FORMULA``: fit a model to a file and print the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.cli.model import add_model, fit_model
from lmmtools.cli.terminal import DONE, FOUND, print_report

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "FORMATS", "add_arguments", "run"]

FORMATS = ("text", "markdown", "html", "latex", "json")

EXAMPLES = """\
examples:
  A random intercept for each batch, and for each cask within its batch:
    lmmtools fit pastes.csv "strength ~ 1 + (1|batch/cask)"
  Intercept and slope by Subject, correlated, with p-values:
    lmmtools fit sleepstudy "Reaction ~ Days + (Days|Subject)" \\
      --ddf satterthwaite
  Numbers that are codes; maximum likelihood; a table for a paper:
    lmmtools fit scores.tsv "y ~ x + (1 + x | school)" --factor school \\
      --ml --format latex
  A file that a spreadsheet on Windows wrote, with - for missing values:
    lmmtools fit scores.tsv "y ~ x + (1|school)" --encoding cp1252 --na -
  From a pipe, and every number for a program (and for compare --with):
    gzip -dc scores.csv.gz | lmmtools fit - "y ~ x + (1|school)" --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools fit``."""
    add_model(parser)
    parser.add_argument("--format", choices=FORMATS, default="text", help="of the report (default: text)")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the whole fit as JSON at full precision, as fit.to_json(); --format json is the report alone",
    )


def run(options: argparse.Namespace) -> int:
    """Fit and print; return 0, or 1 where the optimum is not certified."""
    result = fit_model(options)
    if options.json:
        print(result.to_json())
    else:
        summary = result.summary(ddf=options.ddf)
        if options.format == "text":
            print_report(str(summary))
        else:
            print(getattr(summary, f"to_{options.format}")())
    return DONE if result.converged else FOUND
