"""The user's data file as a table; a text is read by the rules of R's ``read.csv``."""

from __future__ import annotations

import io
import re
import sys
import warnings
from dataclasses import dataclass
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmmtools.audience import how_to_install
from lmmtools.errors import DataError
from lmmtools.memory import MATTERS, free_memory
from lmmtools.sources.cells import convert_cells, is_numeral, to_float

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

__all__ = ["as_labels", "fit_into_memory", "is_source", "load_pandas", "mark_factors", "read_data", "read_input"]

# Ending -> the separator of columns that is tried first.
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
_OTHER_SEPARATORS = (",", "\t", ";", "|")
_BLANKS = r"\s+"
PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
# Bytes of memory that a byte of data takes while a model is fitted to all columns; bytes of a packed one.
_GROWTH, _UNPACKED = 8, 4
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
_GZIP_MARK, _PARQUET_MARK = b"\x1f\x8b", b"PAR1"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DECLARED_SEPARATOR = re.compile(r"\ufeff?sep=(.)")


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How missing values and characters are written in a text.

    Attributes
    ----------
    missing : tuple of str
        Cells that stand for a missing value.
    encoding : str or None
        None for UTF-8, which is not declared.
    """

    missing: tuple[str, ...]
    encoding: str | None


@dataclass(frozen=True, slots=True)
class _Source:
    """The source of a table.

    Attributes
    ----------
    path : str
        The file; ``-`` for standard input.
    content : bytes or None
        Content of standard input; None for a file.
    """

    path: str
    content: bytes | None = None

    @property
    def name(self) -> str:
        """Name of the source in messages."""
        return "standard input" if self.content is not None else self.path

    @property
    def head(self) -> bytes:
        """The first bytes, which tell kinds of files apart."""
        if self.content is not None:
            return self.content[:4]
        with Path(self.path).open("rb") as stream:
            return stream.read(4)

    def open(self) -> str | io.BytesIO:
        """Return what pandas reads from: the path, or the content as a new stream."""
        return self.path if self.content is None else io.BytesIO(self.content)


def load_pandas(path: str) -> None:
    """Import pandas, for a file of text without pyarrow: a fifth of pandas' time, for columns that a text has not."""
    is_text = any(suffix.lower() in SEPARATORS for suffix in Path(path).suffixes)
    if "pandas" in sys.modules or "pyarrow" in sys.modules or not is_text:
        return
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    try:
        import pandas  # noqa: F401
    finally:
        del sys.modules["pyarrow"]


def is_source(path: str) -> bool:
    """Whether data are more than one table in a file: a folder, a pattern, an address; an Arrow file; one too large."""
    file = Path(path)
    if path == "-" or (not file.exists() and "://" not in path):
        return has_magic(path)
    if not file.is_file() or file.suffix.lower() in ARROW:
        return True
    return not fit_into_memory(file.stat().st_size * (_UNPACKED if file.suffix.lower() in COMPRESSED else 1))


def fit_into_memory(size: float) -> bool:
    """Whether there is the memory to fit a model to data of so many bytes, copies of all columns included."""
    needed = size * _GROWTH
    free = free_memory() if needed > MATTERS else None
    return free is None or needed <= free


def read_data(
    path: str, factors: Sequence[str] = (), *, missing: Sequence[str] = (), encoding: str | None = None
) -> pd.DataFrame:
    """Return the table in ``path``, a text as R's ``read.csv`` reads it.

    Parameters
    ----------
    path : str
        CSV, TSV or Parquet, by its ending (``.csv.gz`` and the like too); ``-`` is a table on standard input; the
        name of one of the package's own data sets if there is no such file. Of text, the first line tells what
        separates columns.
    factors : sequence of str
        Columns that hold labels, whatever they look like: made categorical, with the labels that a text has.
    missing : sequence of str
        Cells of a text that stand for a missing value, beside ``NA`` (and empty cells of columns of numbers).
    encoding : str, optional
        Of a text; UTF-8 by default.

    Raises
    ------
    DataError
        If the file does not exist or cannot be read, or has no such column.
    """
    _check_encoding(encoding)
    frame = _read(path, tuple(factors), _Dialect(("NA", *missing), encoding))
    called = "standard input" if path == "-" else path
    mark_factors(frame, factors, called)
    frame.attrs["name"] = called if path == "-" else Path(path).name
    return frame


def mark_factors(frame: pd.DataFrame, factors: Sequence[str], called: str) -> None:
    """Make columns of a frame factors, in place; ``called`` is what the table is called.

    Raises
    ------
    DataError
        If there is no such column, or several.
    """
    for name in factors:
        count = list(frame.columns).count(name)
        if count != 1:
            has = "no such column" if not count else f"{count} columns of that name"
            raise DataError(f"--factor {name}: {called} has {has}; it has {', '.join(map(str, frame.columns))}")
        frame[name] = as_labels(frame[name])


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


def _check_encoding(encoding: str | None) -> None:
    if encoding is None:
        return
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError, ValueError):
        raise DataError(
            f"--encoding {encoding}: there is no such encoding of text; write utf-8, cp1252 (Windows, Western Europe), "
            "cp1250 (Windows, Central Europe), latin1, utf-16 or another that Python knows"
        ) from None


def _read(path: str, factors: tuple[str, ...], dialect: _Dialect) -> pd.DataFrame:
    if path == "-":
        source = _Source(path, read_input())
        if source.head == _PARQUET_MARK:
            return _read_parquet(source)
        return _read_text(source, ",", factors, dialect, is_loose=True)
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
    return _read_text(_Source(path), SEPARATORS[kind], factors, dialect, is_loose=kind == ".txt")


def _read_text(
    source: _Source, separator: str, factors: tuple[str, ...], dialect: _Dialect, is_loose: bool
) -> pd.DataFrame:
    """Return the table in a text whose first line names the columns; blanks separate them only if ``is_loose``."""
    import pandas as pd

    if dialect.encoding is None and b"\0" in source.head[:2]:
        raise DataError(_describe_encoding(source, dialect, "a zero byte"))
    read = _reader(source, dialect)
    skip = 0
    header = _first_line(read, source, dialect, separator, skip)
    declared = _DECLARED_SEPARATOR.fullmatch(header[0])
    if declared and len(header) == 1:  # a line that spreadsheets write for each other
        separator, skip = declared[1], 1
        header = _first_line(read, source, dialect, separator, skip)
    if len(header) == 1:
        others = [s for s in _OTHER_SEPARATORS if s in header[0]] or [_BLANKS] * (is_loose and " " in header[0].strip())
        if others:
            separator = max(others, key=header[0].count)
            header = _first_line(read, source, dialect, separator, skip)
    # R keeps the blanks at the beginning of a cell; where each separator has one behind it, they belong to that.
    is_spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    if is_spaced:
        read = partial(read, skipinitialspace=True)
        header = _first_line(read, source, dialect, separator, skip)
    if len(header) == 1 and header[0].startswith("#"):
        raise DataError(
            f"{source.name} begins with a comment, {header[0]!r:.60}: delete such lines, so that the first names the "
            "columns"
        )
    names = [name.strip().removeprefix("\ufeff") or "X" for name in header]  # R's name for a column without one
    as_text = {j + k: str for j, name in enumerate(names) if name in factors for k in (0, 1)}
    body = partial(read, sep=separator, skiprows=skip, header=0, index_col=False, low_memory=False)
    empty_too = partial(body, dtype=as_text, na_values=[*dialect.missing, ""])
    frame = _parse(partial(_read_all_cells, empty_too, len(names)), source, dialect)
    texts = [
        j for j in range(len(names)) if not pd.api.types.is_numeric_dtype(frame[j].dtype) and frame[j].isna().any()
    ]
    if texts:  # There, an empty cell is a text as others are.
        cells = _parse(partial(_read_all_cells, partial(body, dtype=str), len(names)), source, dialect)
        frame[texts] = cells[texts]
    for j, name in enumerate(names):
        if name not in factors:
            frame[j] = convert_cells(frame[j], dialect.missing, separator)
    frame.columns = pd.Index(names)
    return frame


def _reader(source: _Source, dialect: _Dialect) -> Callable[..., Any]:
    """Return ``pandas.read_csv`` with the options that the first line and the whole text share."""
    import pandas as pd

    compression = "gzip" if source.content is not None and source.head[:2] == _GZIP_MARK else "infer"
    return partial(
        pd.read_csv,
        compression=compression,
        encoding=dialect.encoding or "utf-8",
        keep_default_na=False,
        na_values=list(dialect.missing),
    )


def _first_line(read: Callable[..., Any], source: _Source, dialect: _Dialect, separator: str, skip: int) -> list[str]:
    """Return the cells of the line that names the columns."""
    cells = partial(read, header=None, nrows=1, dtype=str, na_values=[], sep=separator, skiprows=skip)
    return [str(cell) for cell in _parse(cells, source, dialect).iloc[0]]


def _read_all_cells(read: Callable[..., Any], count: int, stream: Any) -> pd.DataFrame:
    """Return the ``count`` columns that the first line names, of rows that may have a name in a cell before them.

    So R's ``write.table`` writes row names. Empty cells behind the last column are separators at the ends of rows.
    """
    import pandas as pd

    frame: pd.DataFrame | None

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows have more cells than the first line
        try:
            frame = read(stream, names=range(count))
            return frame
        except pd.errors.ParserWarning:
            rewound = stream if isinstance(stream, str) else io.BytesIO(stream.getvalue())
        try:
            frame = read(rewound, names=range(count + 1))
        except pd.errors.ParserWarning:
            frame = None
    is_empty = None if frame is None else frame[count].isna() | (frame[count].astype(str) == "")
    if frame is not None and is_empty is not None and bool(is_empty.all()):
        return frame.iloc[:, :-1]
    if frame is None or is_empty is None or bool(is_empty.any()):
        raise ValueError(f"rows have more cells than the first line, which has {count} and must name the columns")
    return frame.iloc[:, 1:].set_axis(range(count), axis=1)


def _read_parquet(source: _Source) -> pd.DataFrame:
    import pandas as pd

    try:
        return _parse(pd.read_parquet, source, _Dialect((), None))
    except ImportError as error:
        raise DataError(f"{source.name}: reading Parquet needs pyarrow: {how_to_install('pyarrow')}") from error


def _parse(reader: Callable[[Any], pd.DataFrame], source: _Source, dialect: _Dialect) -> pd.DataFrame:
    """Return the table that a reader makes of a source; its errors are raised as DataError."""
    import pandas as pd

    try:
        return reader(source.open())
    except ImportError:
        raise
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{source.name} is empty; the first line must name the columns") from error
    except UnicodeError as error:
        raise DataError(_describe_encoding(source, dialect, str(getattr(error, "reason", error)))) from error
    except (OSError, EOFError, ValueError) as error:
        said = str(error).removeprefix("Error tokenizing data. ").removeprefix("C error: ").strip()
        raise DataError(f"{source.name} cannot be read as a table: {said}") from error


def _describe_encoding(source: _Source, dialect: _Dialect, reason: str) -> str:
    """Return a message for a text in another encoding than expected, with the option that names the right one."""
    if dialect.encoding is not None:
        return (
            f"{source.name} is no text in {dialect.encoding} ({reason}); --encoding names another: utf-8, utf-16, "
            "cp1252 (Windows, Western Europe), cp1250 (Windows, Central Europe)"
        )
    is_wide = source.head[:2] in _UTF16_MARKS or b"\0" in source.head[:2]
    likely = "utf-16" if is_wide else "cp1252"
    if is_wide and source.head[:2] not in _UTF16_MARKS:
        likely = "utf-16-be" if source.head[:1] == b"\0" else "utf-16-le"
    usual = "" if is_wide else " (what Windows writes in Western Europe; cp1250 in Central Europe, cp1251 for Cyrillic)"
    return (
        f"{source.name} is no UTF-8 text ({reason}). Name its encoding, probably --encoding {likely}{usual}; or save "
        "it again as UTF-8 (in Excel: Save As, CSV UTF-8)"
    )


def as_labels(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as a factor; labels of a text are kept as written, and sorted as numbers if all are numbers."""
    import pandas as pd

    if not pd.api.types.is_string_dtype(column.dtype):
        return column.astype("category")
    labels = column.dropna().unique().tolist()
    present = [label for label in labels if label.strip()]
    if present and all(map(is_numeral, present)):
        ordered = sorted(present, key=lambda label: (to_float(label), label))
    else:
        ordered = sorted(labels)
    cells = column.astype(object).where(column.isin(ordered))
    return pd.Series(pd.Categorical(cells, categories=ordered), index=column.index, name=column.name)
