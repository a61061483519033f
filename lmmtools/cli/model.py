"""Options of the subcommands that read data or fit a model, and the fit that they ask for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from lmmtools.cli.completion import complete_columns, complete_data, complete_engines, complete_methods, set_completer
from lmmtools.cli.files import is_source, load_pandas, mark_factors, read_data
from lmmtools.cli.terminal import waiting
from lmmtools.errors import DataError

if TYPE_CHECKING:
    import argparse

    import pandas as pd

    from lmmtools.results.lmm_results import LMMResults

__all__ = ["DATA", "add_data", "add_model", "add_reading", "fit_model", "open_chosen_data", "read_chosen_data"]

DATA = "CSV, TSV or Parquet file; - reads a table from standard input; or the name of a data set of the package"


def add_data(parser: argparse.ArgumentParser, text: str = DATA) -> None:
    """Add the argument DATA."""
    set_completer(parser.add_argument("data", metavar="DATA", help=text), complete_data)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how data are read: ``--factor``, ``--na``, ``--encoding``."""
    action = parser.add_argument(
        "--factor",
        action="append",
        default=[],
        metavar="COLUMN",
        help="take this column for labels, whatever it looks like; may be repeated",
    )
    set_completer(action, complete_columns)
    parser.add_argument(
        "--na",
        action="append",
        default=[],
        metavar="TOKEN",
        help="stands for a missing value, beside NA and empty cells of columns of numbers; may be repeated",
    )
    parser.add_argument("--encoding", metavar="NAME", help="of the data where it is not UTF-8: cp1252, utf-16, ...")


def read_chosen_data(path: str, options: argparse.Namespace) -> pd.DataFrame:
    """Return the table in a file or in several, read as the options say.

    Raises
    ------
    DataError
        Memory does not hold it.
    """
    import pandas as pd

    from lmmtools.sources import read_small

    data = open_chosen_data(path, options)
    if isinstance(data, pd.DataFrame):
        return data
    found = read_small(data, data.columns)
    if found is None:
        raise DataError(
            f"{path} is larger than memory, and this needs all rows at once: lmmtools fit reads them in batches"
        )
    found.attrs["name"] = path
    return found


def open_chosen_data(path: str, options: argparse.Namespace) -> Any:
    """Return the table in a file, or the source of several or of one that is too large for memory.

    Raises
    ------
    DataError
        An option does not go with data that are read in batches.
    """
    if not is_source(path):
        return read_data(path, options.factor, missing=options.na, encoding=options.encoding)
    from lmmtools.sources import open_files, read_small

    source = open_files(path, options.na, options.encoding)
    if options.factor:
        frame = read_small(source, source.columns)
        if frame is not None:
            mark_factors(frame, options.factor, path)
            frame.attrs["name"] = path
            return frame
        raise DataError(
            f"--factor {options.factor[0]} goes with data that memory holds, and {path} is read in batches. Write "
            f"C({options.factor[0]}) in the formula; what stands behind | is a factor anyhow"
        )
    return source


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add DATA, FORMULA and the options that say how it is fitted."""
    add_data(parser, f"{DATA}; or a folder, or a quoted pattern of files; what memory does not hold is read in batches")
    parser.add_argument("formula", metavar="FORMULA", help='as lme4 writes it: "strength ~ 1 + (1|batch/cask)"')
    criterion = parser.add_mutually_exclusive_group()
    criterion.add_argument(
        "--reml", dest="reml", action="store_true", default=True, help="restricted likelihood (default)"
    )
    criterion.add_argument("--ml", dest="reml", action="store_false", help="maximum likelihood")
    action = parser.add_argument(
        "--engine", default="auto", metavar="NAME", help="auto (default), pls, mixedlm, lme4 (needs R)"
    )
    set_completer(action, complete_engines)
    action = parser.add_argument(
        "--ddf",
        metavar="METHOD",
        help="show degrees of freedom and p-values: satterthwaite, kenward-roger, residual or z",
    )
    set_completer(action, complete_methods)
    parser.add_argument(
        "--no-check",
        dest="check",
        action="store_false",
        help="fit even where the data cannot tell a variance from the residual variance",
    )
    add_reading(parser)
    for name, text in (("--weights", "prior weights"), ("--offset", "known part of the mean")):
        set_completer(parser.add_argument(name, metavar="COLUMN", help=text), complete_columns)


def fit_model(options: argparse.Namespace, engine: Any) -> LMMResults:
    """Return the fit that the options ask for, by one engine."""
    load_pandas(options.data)
    from lmmtools.api import lmm
    from lmmtools.errors import LmmWarning
    from lmmtools.inference.degrees import check_ddf

    if options.ddf is not None:
        check_ddf(options.ddf)
    with warnings.catch_warnings(), waiting("fitting") as show:
        data = open_chosen_data(options.data, options)
        # The report has the same notes.
        warnings.simplefilter("ignore", LmmWarning)
        model = lmm(options.formula, data, weights=options.weights, offset=options.offset)
        if model.design.is_streamed and getattr(options, "confirm", False):
            raise DataError(
                f"--confirm goes with data that memory holds, and {options.data} is read in batches, which statsmodels "
                "cannot. Leave it out"
            )
        # R does not report its evaluations.
        callback: dict[str, Any] = {} if show is None or engine == "lme4" else {"callback": show}
        return model.fit(reml=options.reml, engine=engine, check=options.check, **callback)
