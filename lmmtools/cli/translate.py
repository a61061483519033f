"""``lmmtools translate FORMULA DATA``: the MixedLM call that an lme4 formula stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.cli.files import read_data

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools translate``."""
    parser.add_argument("formula", metavar="FORMULA", help='as lme4 writes it: "strength ~ 1 + (1|batch/cask)"')
    parser.add_argument("data", metavar="DATA", help="CSV, TSV or Parquet file; - reads CSV from standard input")
    parser.add_argument(
        "--factor", action="append", default=[], metavar="NAME", help="treat the numbers in this column as codes"
    )


def run(options: argparse.Namespace) -> int:
    """Print runnable statsmodels code."""
    from lmmtools.api import lmm

    print(lmm(options.formula, read_data(options.data, options.factor)).spec)
    return 0
