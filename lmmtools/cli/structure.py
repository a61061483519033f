"""``lmmtools structure DATA FACTOR FACTOR ...``: how the factors of a file relate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lmmtools.cli.files import read_data
from lmmtools.errors import DataError

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools structure``."""
    parser.add_argument("data", metavar="DATA", help="CSV, TSV or Parquet file; - reads CSV from standard input")
    parser.add_argument("factors", metavar="FACTOR", nargs="+", help="columns that classify the rows")
    parser.add_argument("--ascii", action="store_true", help="draw with plain ASCII characters")
    parser.add_argument("--html", metavar="FILE", help="write it as an HTML page instead")


def run(options: argparse.Namespace) -> int:
    """Print what the data show."""
    from lmmtools.design.structure import structure

    found = structure(read_data(options.data, options.factors), options.factors)
    if options.html:
        _write_page(options.html, found.to_html())
    else:
        print(found.to_text("ascii" if options.ascii else "auto"))
    return 0


def _write_page(path: str, fragment: str) -> None:
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Structure of the data</title>'
        f'<meta name="viewport" content="width=device-width"></head>\n<body>\n{fragment}\n</body></html>\n'
    )
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path!r} cannot be written: {error.strerror}. Name a file in a folder that exists.") from None
