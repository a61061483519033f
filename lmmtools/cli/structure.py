"""``lmmtools structure DATA FACTOR FACTOR ...``: how the factors of a file relate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.cli.completion import complete_columns, set_completer
from lmmtools.cli.model import add_data, add_reading, read_chosen_data
from lmmtools.cli.terminal import DONE, print_report
from lmmtools.results.stored_fit import write_file

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  Are casks nested in batches, or crossed with them?
    lmmtools structure pastes.csv batch cask
  Three factors; for a plain terminal; as a page; for a program:
    lmmtools structure InstEval s d dept --ascii
    lmmtools structure InstEval s d dept --html structure.html
    lmmtools structure InstEval s d dept --json
  A factor that is a combination of two columns:
    lmmtools structure pastes.csv batch batch:cask
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools structure``."""
    add_data(parser)
    action = parser.add_argument("factors", metavar="FACTOR", nargs="+", help="columns that classify the rows")
    set_completer(action, complete_columns)
    add_reading(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--ascii", action="store_true", help="draw with plain ASCII characters")
    how.add_argument("--html", metavar="FILE", help="write it as an HTML page instead")
    how.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print how the factors relate."""
    from lmmtools.report.factors.structure import structure

    found = structure(read_chosen_data(options.data, options), options.factors)
    if options.html:
        _write_page(options.html, found.to_html())
    elif options.json:
        print(found.to_json())
    else:
        print_report(found.to_text("ascii" if options.ascii else "auto"))
    return DONE


def _write_page(path: str, fragment: str) -> None:
    """Write a fragment of HTML as a page.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Structure of the data</title>'
        f'<meta name="viewport" content="width=device-width"></head>\n<body>\n{fragment}\n</body></html>\n'
    )
    write_file(path, page)
