"""``lmmtools structure DATA FACTOR FACTOR ...``: how the factors of a file relate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.cli.files import read_data

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools structure``."""
    parser.add_argument("data", metavar="DATA", help="CSV, TSV or Parquet file; - reads CSV from standard input")
    parser.add_argument("factors", metavar="FACTOR", nargs="+", help="columns that classify the rows")


def run(options: argparse.Namespace) -> int:
    """Print what the data show."""
    from lmmtools.design.structure import structure

    print(structure(read_data(options.data, options.factors), options.factors))
    return 0
