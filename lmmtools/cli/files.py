"""Reading the user's data file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["read_data"]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": None}
PARQUET = (".parquet", ".pq")
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")


def read_data(path: str, factors: Sequence[str] = ()) -> pd.DataFrame:
    """Return the table in ``path``.

    Parameters
    ----------
    path : str
        CSV, TSV or Parquet, by its ending (``.csv.gz`` and the like too); ``-`` is a table on standard input, CSV or
        TSV as its first line tells; the name of one of the package's own data sets if there is no such file.
    factors : sequence of str
        Columns whose numbers are codes: made categorical.

    Raises
    ------
    DataError
        If the file does not exist or cannot be read, or has no such column.
    """
    frame = _read(path)
    for name in factors:
        if name not in frame.columns:
            raise DataError(
                f"--factor {name}: {_called(path)} has no such column; it has {', '.join(map(str, frame.columns))}"
            )
        frame[name] = frame[name].astype("category")
    frame.attrs["name"] = _called(path) if path == "-" else Path(path).name
    return frame


def _read(path: str) -> pd.DataFrame:
    import pandas as pd

    if path == "-":
        return _read_stream(path)
    file = Path(path)
    if not file.exists():
        from lmmtools import datasets

        if path in datasets.names():
            return datasets.load(path)
        raise DataError(
            f"there is no file {path}; give a CSV, TSV or Parquet file, - for standard input, or the name of a data "
            f"set of the package: {', '.join(datasets.names())}"
        )
    if file.is_dir():
        raise DataError(f"{path} is a folder; give a CSV, TSV or Parquet file")
    suffixes = [s.lower() for s in file.suffixes]
    kind = next((s for s in reversed(suffixes) if s not in COMPRESSED), "")
    if kind in PARQUET:
        return _read_parquet(path)
    if kind not in SEPARATORS:
        raise DataError(
            f"{path}: lmmtools reads .csv, .tsv, .txt and .parquet files, not {kind or 'files without ending'}"
        )
    separator = SEPARATORS[kind]
    if separator is None:
        return _parse(pd.read_csv, file, path, sep=None, engine="python")
    return _parse(pd.read_csv, file, path, sep=separator)


def _read_stream(path: str) -> pd.DataFrame:
    """Read the table on standard input: its first line tells commas from tabs."""
    import pandas as pd

    try:
        text = sys.stdin.read()
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is no UTF-8 text ({error}); write Parquet to a file and name that") from error
    first = text.partition("\n")[0]
    return _parse(pd.read_csv, io.StringIO(text), path, sep="\t" if "\t" in first and "," not in first else ",")


def _read_parquet(path: str) -> pd.DataFrame:
    import pandas as pd

    try:
        return _parse(pd.read_parquet, path, path)
    except ImportError as error:
        raise DataError(f'{path}: reading Parquet needs pyarrow: pip install "lmmtools[parquet]"') from error


def _parse(reader: Any, source: Any, path: str, **options: Any) -> pd.DataFrame:
    import pandas as pd

    try:
        frame: pd.DataFrame = reader(source, **options)
    except ImportError:
        raise
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{_called(path)} is empty; the first line must name the columns") from error
    except (OSError, ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise DataError(f"{_called(path)} cannot be read as a table: {error}") from error
    return frame


def _called(path: str) -> str:
    return "standard input" if path == "-" else path
