"""Reading the user's data file."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

__all__ = ["read_data", "read_input"]

# Ending -> what is tried first between columns.
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
_OTHER_SEPARATORS = (",", "\t", ";", "|")
_BLANKS = r"\s+"
PARQUET = (".parquet", ".pq")
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
_GZIP_MARK, _PARQUET_MARK = b"\x1f\x8b", b"PAR1"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,?\d+(?:[eE][-+]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a table comes from.

    Attributes
    ----------
    path : str
        The file; ``-`` for standard input.
    content : bytes or None
        What standard input held.
    """

    path: str
    content: bytes | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return "standard input" if self.content is not None else self.path

    @property
    def head(self) -> bytes:
        """The first bytes, which tell kinds of files apart."""
        if self.content is not None:
            return self.content[:4]
        with Path(self.path).open("rb") as stream:
            return stream.read(4)

    def open(self) -> str | io.BytesIO:
        """Return what pandas reads from, at its beginning."""
        return self.path if self.content is None else io.BytesIO(self.content)


def read_data(path: str, factors: Sequence[str] = ()) -> pd.DataFrame:
    """Return the table in ``path``.

    Parameters
    ----------
    path : str
        CSV, TSV or Parquet, by its ending (``.csv.gz`` and the like too); ``-`` is a table on standard input; the
        name of one of the package's own data sets if there is no such file. Of text, the first line tells what
        separates columns.
    factors : sequence of str
        Columns whose numbers are codes: made categorical.

    Raises
    ------
    DataError
        If the file does not exist or cannot be read, or has no such column.
    """
    frame = _read(path)
    called = "standard input" if path == "-" else path
    for name in factors:
        count = list(frame.columns).count(name)
        if count != 1:
            has = "no such column" if not count else f"{count} columns of that name"
            raise DataError(f"--factor {name}: {called} has {has}; it has {', '.join(map(str, frame.columns))}")
        frame[name] = frame[name].astype("category")
    frame.attrs["name"] = called if path == "-" else Path(path).name
    return frame


def read_input() -> bytes:
    """Return what standard input holds.

    Raises
    ------
    DataError
        If it is closed.
    """
    if sys.stdin is None:
        raise DataError("standard input is closed; name a file, or pipe something into the command")
    return sys.stdin.buffer.read()


def _read(path: str) -> pd.DataFrame:
    if path == "-":
        source = _Source(path, read_input())
        return _read_parquet(source) if source.head == _PARQUET_MARK else _read_text(source, ",", is_loose=True)
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
        return _read_parquet(_Source(path))
    if kind not in SEPARATORS:
        raise DataError(
            f"{path}: lmmtools reads .csv, .tsv, .txt and .parquet files, not {kind or 'files without ending'}; "
            "write the table as CSV, or give a text of columns another ending or on standard input (-)"
        )
    return _read_text(_Source(path), SEPARATORS[kind], is_loose=kind == ".txt")


def _read_text(source: _Source, separator: str, is_loose: bool) -> pd.DataFrame:
    """Read a text whose first line names the columns; blanks separate them only where the text ``is_loose``."""
    import pandas as pd

    compression = "gzip" if source.content is not None and source.head[:2] == _GZIP_MARK else "infer"
    read: Callable[..., Any] = partial(pd.read_csv, skipinitialspace=True, compression=compression)

    def header(between: str) -> list[str]:
        names = partial(read, header=None, nrows=1, dtype=str, keep_default_na=False, sep=between)
        return [str(name) for name in _parse(names, source).iloc[0]]

    names = header(separator)
    if len(names) == 1:
        others = [s for s in _OTHER_SEPARATORS if s in names[0]] or [_BLANKS] * (is_loose and " " in names[0])
        if others:
            separator = max(others, key=names[0].count)
            names = header(separator)
    frame = _parse(partial(read, sep=separator), source)
    if len(set(names)) < len(names) == len(frame.columns):
        # pandas would call a second column x "x.1", and a model of x would silently take the first.
        frame.columns = pd.Index(names)
    return frame if separator == "," else _with_decimal_commas(frame)


def _with_decimal_commas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns of numbers such as 1,5 as numbers; there, no comma separates columns."""
    columns = [_without_decimal_comma(frame.iloc[:, j]) for j in range(frame.shape[1])]
    return frame if not columns else type(frame)(dict(enumerate(columns))).set_axis(frame.columns, axis=1)


def _without_decimal_comma(column: pd.Series[Any]) -> pd.Series[Any]:
    texts = [value for value in column.dropna().unique().tolist() if isinstance(value, str)]
    if not any("," in text for text in texts) or not all(map(_DECIMAL_COMMA.fullmatch, texts)):
        return column
    return column.str.replace(",", ".").astype(float)


def _read_parquet(source: _Source) -> pd.DataFrame:
    import pandas as pd

    try:
        return _parse(pd.read_parquet, source)
    except ImportError as error:
        raise DataError(f'{source.name}: reading Parquet needs pyarrow: pip install "lmmtools[parquet]"') from error


def _parse(reader: Callable[[Any], pd.DataFrame], source: _Source) -> pd.DataFrame:
    """Return what a reader makes of a source; what it raises becomes a DataError."""
    import pandas as pd

    try:
        return reader(source.open())
    except ImportError:
        raise
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{source.name} is empty; the first line must name the columns") from error
    except UnicodeDecodeError as error:
        code = "utf-16" if source.head[:2] in _UTF16_MARKS else "latin1"
        raise DataError(
            f"{source.name} is no UTF-8 text ({error.reason}); convert it, for example: "
            f"iconv -f {code} -t utf-8 {source.path if source.content is None else 'FILE'} | lmmtools ... -"
        ) from error
    except (OSError, EOFError, ValueError) as error:
        said = str(error).removeprefix("Error tokenizing data. ").removeprefix("C error: ")
        raise DataError(f"{source.name} cannot be read as a table: {said}") from error
