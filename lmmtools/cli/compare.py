"""``lmmtools compare``: engines, recorded fits and R's printouts side by side."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmmtools.cli.completion import complete_data, set_completer
from lmmtools.cli.files import read_input
from lmmtools.cli.model import DATA, add_reading, open_chosen_data
from lmmtools.cli.terminal import DONE, FOUND, print_report, waiting
from lmmtools.errors import DataError, LmmError, LmmWarning
from lmmtools.report.formats import format_names, render

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "read_other", "run"]

_PYTHON = (
    "a pickle may run code when it is loaded. Load it in Python where you trust it, and write the fit: "
    'lmmtools.from_mixedlm(result).to_json("fit.json"); or give what print(result.summary()) writes as a text file'
)
_R = (
    "it is an R object. In R write its summary as text: writeLines(capture.output(summary(fit)), "
    '"summary.txt"), and give that file'
)
_TABLE = "it is a spreadsheet. Give a fit: JSON of fit.to_json(), or a printed summary as a text file"
_DOCUMENT = "it is a typeset document. Copy the printed summary out of it into a text file"
# Endings of files after --with that are not text -> what to give instead.
_CURES = {
    **dict.fromkeys((".pickle", ".pkl", ".pck", ".p", ".joblib", ".jl", ".dill"), _PYTHON),
    **dict.fromkeys((".rds", ".rdata", ".rda"), _R),
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), _TABLE),
    **dict.fromkeys((".pdf", ".docx", ".doc", ".odt"), _DOCUMENT),
}

EXAMPLES = """\
examples:
  Two engines on one model; differences, a verdict per number, and why:
    lmmtools compare pastes.csv "strength ~ 1 + (1|batch/cask)"
  With R's lme4, and with what somebody's R printed:
    lmmtools compare pastes.csv "strength ~ 1 + (1|batch/cask)" \\
      --engines pls,lme4 --with printout.txt
  Fits saved by lmmtools fit --json; one of them on its way:
    lmmtools compare --with monday.json tuesday.json
    lmmtools fit pastes.csv "strength ~ 1 + (1|batch)" --json |
      lmmtools compare --with monday.json -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools compare``."""
    set_completer(parser.add_argument("data", metavar="DATA", nargs="?", help=DATA), complete_data)
    parser.add_argument("formula", metavar="FORMULA", nargs="?", help="as lme4 writes it")
    parser.add_argument("--engines", default="pls,mixedlm", help="comma-separated: pls, mixedlm, lme4, auto")
    parser.add_argument(
        "--with",
        dest="others",
        metavar="FILE",
        nargs="+",
        default=[],
        help="fits written by fit.to_json(), or text files with what R printed for summary(lmer(...)) or statsmodels "
        "for MixedLM; - reads one from standard input",
    )
    add_reading(parser)
    parser.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    parser.add_argument("--format", choices=format_names(), default="text", help="default: text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")


def run(options: argparse.Namespace) -> int:
    """Print the table and the sentences; return 0 if convergence explains all differences, else 1."""
    from lmmtools.api import compare, lmm
    from lmmtools.report.judging import LOOSER, SAME

    items: list[Any] = []
    names: list[str] = []
    if options.data is not None:
        if options.formula is None:
            raise DataError('compare needs a formula beside the data: lmmtools compare DATA "y ~ x + (1 | g)"')
        engines = [e.strip() for e in options.engines.split(",") if e.strip()]
        model = lmm(options.formula, open_chosen_data(options.data, options), data_name=Path(options.data).stem)
        items += [model, *engines]
        names += engines
    for path in options.others:
        items.append(read_other(path))
        names.append("standard input" if path == "-" else Path(path).stem)
    if len(names) < 2:
        raise DataError(
            "compare needs two fits at least: two of --engines with DATA and FORMULA, or fits in files after --with"
        )
    with warnings.catch_warnings(), waiting("fitting"):
        # The table has sentences that say the same.
        warnings.simplefilter("ignore", LmmWarning)
        found = compare(*items, names=names, reml=not options.ml)
    text = render(found, options.format)
    if options.format == "text":
        print_report(text)
    else:
        print(text)
    return DONE if found.verdict in (SAME, LOOSER) else FOUND


def read_other(path: str) -> Any:
    """Return the fit in a file of JSON or of R's printed text; ``-`` is standard input."""
    from lmmtools.printout.read import read_printout
    from lmmtools.results.fit_json import read_json

    called = "standard input" if path == "-" else path
    cure = _CURES.get(Path(path).suffix.lower())
    if cure:
        raise DataError(f"{path} is not read: {cure}")
    try:
        text = (read_input() if path == "-" else Path(path).read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{called} is no UTF-8 text ({error.reason})") from None
    try:
        return read_json(text) if text.lstrip().startswith("{") else read_printout(text)
    except LmmError as error:
        raise DataError(f"{called}: {error}") from error
