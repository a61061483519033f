"""``lmmtools lint SCRIPT...``: what the MixedLM calls of scripts and notebooks really fit; nothing is run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lmmtools.cli.model import add_reading, read_chosen_data
from lmmtools.cli.terminal import print_report
from lmmtools.errors import DataError

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  What the MixedLM calls of a script fit, from its text alone (nothing is run):
    lmmtools lint analysis.py
  With the data, so that lint can tell nested from crossed:
    lmmtools lint analysis.ipynb --data pastes.csv
  For a program, or a check before a commit (status 1 if there is something):
    lmmtools lint analysis.py --json
    git show HEAD:analysis.py | lmmtools lint - --stdin-filename analysis.py
  A whole project, for an editor and for a code host:
    lmmtools lint . --format concise
    lmmtools lint . --exclude old --format sarif
  Some codes alone, or all but some:
    lmmtools lint . --select crossed-inside,groups-elsewhere
    lmmtools lint analysis.py "*.ipynb" --ignore factor-inside
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools lint``."""
    from lmmtools.linting.formats import format_names

    parser.add_argument(
        "scripts",
        metavar="SCRIPT",
        nargs="+",
        help="Python file, notebook, folder of them, or pattern; - reads a script or notebook from standard input",
    )
    parser.add_argument(
        "--data", metavar="FILE", help="the data of its calls (CSV, TSV, Parquet), so that lint can look"
    )
    add_reading(parser)
    parser.add_argument(
        "--stdin-filename",
        metavar="FILE",
        help="the name of what comes on standard input, by which its kind and its settings are told",
    )
    parser.add_argument("--select", metavar="CODE[,CODE]", help="report these codes only")
    parser.add_argument("--ignore", metavar="CODE[,CODE]", help="do not report these codes")
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out what a folder or a pattern finds under this name; may be repeated",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--format", choices=format_names(), default="full", help="of the output (default: full)")
    output.add_argument("--json", dest="format", action="store_const", const="json", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print the findings; return 1 if there are errors or warnings, 2 if a file could not be read."""
    from lmmtools.linting.checkout import Linter, is_single
    from lmmtools.linting.formats import write

    data = read_chosen_data(options.data, options) if options.data else None
    if options.stdin_filename is not None and "-" not in options.scripts:
        raise DataError(
            "--stdin-filename names what comes on standard input; write lmmtools lint - --stdin-filename FILE"
        )
    linter = Linter(
        data,
        _codes(options.select, "--select"),
        _codes(options.ignore, "--ignore"),
        tuple(options.exclude),
        options.stdin_filename or "",
    )
    alone = is_single(options.scripts)
    reports = [linter.lint_file(options.scripts[0])] if alone else list(linter.lint_paths(options.scripts))
    text = write(reports, options.format, alone)
    if options.format == "full":
        print_report(text)
    elif text:
        print(text)
    for report in reports:
        for line in (report.error, *report.unread):
            if line:
                print(f"not read: {line}", file=sys.stderr)
    return max((report.status for report in reports), default=0)


def _codes(text: str | None, option: str) -> frozenset[str] | None:
    """Return the codes that an option names; None if it is not given."""
    from lmmtools.linting.codes import check_codes

    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise DataError(f"{option} names no code; write {option} factor-inside,no-group-intercept")
    return check_codes(names, option)
