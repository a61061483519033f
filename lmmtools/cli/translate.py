"""``lmmtools translate FORMULA DATA``: an lme4 formula as a declaration, a MixedLM call, words and LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.cli.files import read_data
from lmmtools.errors import TranslationError

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]

NAMES = ("lme4", "declaration", "mixedlm", "words", "latex")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools translate``."""
    parser.add_argument("formula", metavar="FORMULA", help='as lme4 writes it: "strength ~ 1 + (1|batch/cask)"')
    parser.add_argument("data", metavar="DATA", help="CSV, TSV or Parquet file; - reads CSV from standard input")
    parser.add_argument(
        "--factor", action="append", default=[], metavar="NAME", help="treat the numbers in this column as codes"
    )

    parser.add_argument("--only", choices=NAMES, metavar="NOTATION", help=f"print one alone: {', '.join(NAMES)}")


def run(options: argparse.Namespace) -> int:
    """Print the model in every notation, or in one."""
    from lmmtools.api import lmm, translate

    out = translate(lmm(options.formula, read_data(options.data, options.factor)))
    if options.only is None:
        print(out)
    elif (text := getattr(out, options.only)) is not None:
        print(text)
    else:
        raise TranslationError("\n".join(out.notes))
    return 0
