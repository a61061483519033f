"""``lmmtools fit DATA FORMULA``: fit a model to a file and print the report."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from lmmtools.cli.files import read_data

if TYPE_CHECKING:
    import argparse

__all__ = ["FORMATS", "add_arguments", "run"]

FORMATS = ("text", "markdown", "html", "latex", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools fit``."""
    parser.add_argument("data", metavar="DATA", help="CSV, TSV or Parquet file; - reads CSV from standard input")
    parser.add_argument("formula", metavar="FORMULA", help='as lme4 writes it: "strength ~ 1 + (1|batch/cask)"')
    parser.add_argument("--format", choices=FORMATS, default="text", help="of the report (default: text)")
    criterion = parser.add_mutually_exclusive_group()
    criterion.add_argument(
        "--reml", dest="reml", action="store_true", default=True, help="restricted likelihood (default)"
    )
    criterion.add_argument("--ml", dest="reml", action="store_false", help="maximum likelihood")
    parser.add_argument("--engine", default="auto", metavar="NAME", help="auto (default), pls, mixedlm, lme4 (needs R)")
    parser.add_argument(
        "--factor",
        action="append",
        default=[],
        metavar="NAME",
        help="treat the numbers in this column as codes; may be repeated",
    )
    parser.add_argument("--weights", metavar="COLUMN", help="prior weights")
    parser.add_argument("--offset", metavar="COLUMN", help="known part of the mean")


def run(options: argparse.Namespace) -> int:
    """Fit and print; return 0, or 1 where the optimum is not certified."""
    from lmmtools.api import lmm
    from lmmtools.errors import LmmWarning

    data = read_data(options.data, options.factor)
    model = lmm(options.formula, data, weights=options.weights, offset=options.offset)
    with warnings.catch_warnings():
        # The report's notes say what the warnings say.
        warnings.simplefilter("ignore", LmmWarning)
        result = model.fit(reml=options.reml, engine=options.engine)
    summary = result.summary()
    print(str(summary) if options.format == "text" else getattr(summary, f"to_{options.format}")())
    return 0 if result.converged else 1
