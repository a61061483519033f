"""``lmmtools fit DATA FORMULA``: fit a model to a file and print the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.cli.model import add_model, fit_model
from lmmtools.cli.terminal import DONE, FOUND, print_report
from lmmtools.errors import EngineError
from lmmtools.report.formats import format_names, render

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

# Engines that --confirm goes with.
CONFIRMED = ("auto", "pls")

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
    parser.add_argument("--format", choices=format_names(), default="text", help="of the report (default: text)")
    parser.add_argument(
        "--confirm",
        action="store_true",
        help="let statsmodels evaluate its likelihood at the optimum, and say to how many digits it agrees",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the whole fit as JSON at full precision, as fit.to_json(); --format json is the report alone",
    )


def run(options: argparse.Namespace) -> int:
    """Fit and print; return 0, or 1 where the optimum is not certified."""
    result = fit_model(options, _choose_engine(options))
    if options.json:
        print(result.to_json())
    else:
        summary = result.summary(ddf=options.ddf)
        text = render(summary, options.format)
        if options.format == "text":
            print_report(text)
        else:
            print(text)
    return DONE if result.converged else FOUND


def _choose_engine(options: argparse.Namespace) -> str:
    """Return the engine that fits: the default asks statsmodels only with ``--confirm``.

    Raises
    ------
    EngineError
        If ``--confirm`` is given with an engine that does not go with it.
    """
    engine: str = options.engine
    if not options.confirm:
        return "pls" if engine == "auto" else engine
    if engine not in CONFIRMED:
        raise EngineError(
            f"--confirm goes with --engine {' or '.join(CONFIRMED)}, not with {engine}; leave one of them out"
        )
    return "auto"
