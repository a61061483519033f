"""``lmmtools lint SCRIPT``: what the MixedLM calls of a script or notebook really fit; the script is not run."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lmmtools.cli.model import add_reading, read_chosen_data
from lmmtools.cli.terminal import DONE, FOUND, print_report

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
    git show HEAD:analysis.py | lmmtools lint -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools lint``."""
    parser.add_argument(
        "script", metavar="SCRIPT", help="Python file or notebook; - reads a script from standard input"
    )
    parser.add_argument(
        "--data", metavar="FILE", help="the data of its calls (CSV, TSV, Parquet), so that lint can look"
    )
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print the findings; return 1 if there are errors or warnings."""
    from lmmtools.linting.lint import lint_file

    data = read_chosen_data(options.data, options) if options.data else None
    reports, unread = lint_file(options.script, data)
    if options.json:
        print(
            json.dumps({"calls": [r.to_dict() for r in reports], "unread": list(unread)}, indent=2, ensure_ascii=False)
        )
    else:
        print_report("\n\n".join(map(str, reports)) if reports else f"{options.script}: no call of MixedLM found")
        for line in unread:
            print(f"not read: {line}", file=sys.stderr)
    return DONE if all(r.is_clean for r in reports) else FOUND
