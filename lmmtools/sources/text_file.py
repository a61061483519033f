"""Texts of columns, CSV and the like, read by the rules of R's ``read.csv`` as the command line reads them whole.

Which columns are numbers is found in a pass over all cells of all files, so that a label in the last row counts.
"""

from __future__ import annotations

import csv
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.sources.cell_kinds import Tally, arrow_type, convert_chunk
from lmmtools.sources.source import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa

    from lmmtools.sources.cell_kinds import CellKind
    from lmmtools.sources.listing import FileList, ListedFile

__all__ = ["TextPart", "TextRules", "open_parts"]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
_OTHER_SEPARATORS = (",", "\t", ";", "|")
_DECLARED_SEPARATOR = re.compile(r"sep=(.)")
_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class TextRules:
    """How missing values and characters are written.

    Attributes
    ----------
    missing : tuple of str
        Cells that stand for a missing value; an empty cell does so in columns of numbers.
    encoding : str
    """

    missing: tuple[str, ...] = ("NA",)
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a text is laid out, as its first lines tell.

    Attributes
    ----------
    separator : str
    skip : int
        Lines before the one that names the columns.
    names : tuple of str
    before, behind : int
        Cells of a row before and behind those that have a name: names of rows, a separator at the end.
    """

    separator: str
    skip: int
    names: tuple[str, ...]
    before: int = 0
    behind: int = 0
    is_spaced: bool = False


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text of columns.

    Attributes
    ----------
    name : str
        Path of the file.
    schema : pyarrow.Schema
    rows : int
    kinds : mapping of str to CellKind
    """

    name: str
    schema: pa.Schema
    rows: int
    files: FileList
    layout: _Layout
    rules: TextRules
    kinds: Mapping[str, CellKind] = field(default_factory=dict)

    def read(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the columns of ``schema`` in batches, texts as dictionaries."""
        import pyarrow as pa

        places = {name: self.layout.names.index(name) + self.layout.before for name in schema.names}
        natives = ("int64", "uint64", "float64")
        dtypes = {places[n]: self.kinds[n] if self.kinds[n] in natives else str for n in places}
        texts = list(self.rules.missing)
        missing = {places[n]: texts if self.kinds[n] == "text" else [*texts, ""] for n in places}
        with _naming(self.name, self.rules):
            for chunk in _read_chunks(self.files, self.name, self.layout, self.rules, dtypes, missing):
                arrays = [convert_chunk(chunk[places[n]], self.kinds[n], texts) for n in schema.names]
                yield pa.RecordBatch.from_arrays(arrays, names=schema.names)

    def split(self, rows: int) -> Sequence[TextPart]:
        """Return the file itself: where a row begins is not known without reading those before it."""
        return [self]


def open_parts(files: FileList, rules: TextRules) -> list[TextPart]:
    """Return the texts, all of whose cells were read once.

    Raises
    ------
    DataError
        One is no text of columns; the message names the line.
    """
    import pyarrow as pa

    tallies: dict[str, Tally] = {}
    layouts: list[_Layout] = []
    counts: list[int] = []
    for file in files.files:
        with _naming(file.path, rules):
            layouts.append(_find_layout(files, file, rules))
            counts.append(_tally(files, file, layouts[-1], rules, tallies))
    kinds = {name: tally.decide(layouts[0].separator) for name, tally in tallies.items()}
    return [
        TextPart(
            file.path,
            pa.schema([pa.field(name, arrow_type(kinds[name])) for name in layout.names]),
            count,
            files,
            layout,
            rules,
            kinds,
        )
        for file, layout, count in zip(files.files, layouts, counts, strict=True)
    ]


def _tally(files: FileList, file: ListedFile, layout: _Layout, rules: TextRules, tallies: dict[str, Tally]) -> int:
    """Return the number of rows of a text; its cells are taken up in the tallies."""
    rows = 0
    missing = {j: [*rules.missing, ""] for j in range(layout.before + len(layout.names))}
    for chunk in _read_chunks(files, file.path, layout, rules, None, missing):
        rows += len(chunk)
        for j, name in enumerate(layout.names):
            tallies.setdefault(name, Tally()).add(chunk[j + layout.before], rules.missing)
        if layout.behind:
            last = chunk[layout.before + len(layout.names)]
            if not bool((last.isna() | (last.astype(str) == "")).all()):
                raise ValueError(f"rows have more cells than the first line, which has {len(layout.names)}")
    for name in layout.names:
        tallies.setdefault(name, Tally())
    return rows


def _read_chunks(
    files: FileList,
    path: str,
    layout: _Layout,
    rules: TextRules,
    dtypes: Mapping[int, Any] | None,
    missing: Any,
) -> Iterator[pd.DataFrame]:
    """Return the rows in frames with numbered columns: those of ``dtypes``, or all with types that pandas finds."""
    import pandas as pd

    with _open(files, path) as stream:
        reader = pd.read_csv(
            stream,
            sep=layout.separator,
            skiprows=layout.skip,
            header=0,
            names=range(layout.before + len(layout.names) + layout.behind),
            index_col=False,
            usecols=None if dtypes is None else sorted(dtypes),
            dtype=dtypes,
            keep_default_na=False,
            na_values=missing,
            encoding=rules.encoding,
            skipinitialspace=layout.is_spaced,
            low_memory=False,
            chunksize=BATCH_ROWS,
        )
        with reader:
            yield from reader


def _find_layout(files: FileList, file: ListedFile, rules: TextRules) -> _Layout:
    """Return the layout that the first lines of a text have."""
    with _open(files, file.path) as stream:
        head = stream.read(_HEAD)
    if not head:
        raise ValueError("it is empty; the first line must name the columns")
    text = head.decode(rules.encoding, errors="replace").removeprefix("\ufeff")
    suffixes = [s for s in map(str.lower, PurePosixPath(file.path).suffixes) if s in SEPARATORS]
    separator = SEPARATORS[suffixes[-1]]
    header, first = _first_rows(text, separator)
    skip = 0
    declared = _DECLARED_SEPARATOR.fullmatch(header[0]) if len(header) == 1 else None
    if declared:  # a line that spreadsheets write for each other
        separator, skip = declared[1], 1
        text = text.partition("\n")[2]
        header, first = _first_rows(text, separator)
    if len(header) == 1:
        others = [s for s in _OTHER_SEPARATORS if s in header[0]]
        if others:
            separator = max(others, key=header[0].count)
            header, first = _first_rows(text, separator)
        elif len(header[0].split()) > 1 and suffixes[-1] == ".txt":
            raise ValueError("blanks separate its columns; of so large a text, they must be commas, tabs or semicolons")
    if len(header) == 1 and header[0].startswith("#"):
        raise ValueError(f"it begins with a comment, {header[0]!r:.60}; the first line must name the columns")
    names = tuple(name.strip() or "X" for name in header)  # R's name for a column without one
    is_spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    has_one_more = len(first) == len(names) + 1
    behind = int(has_one_more and not first[-1].strip())
    return _Layout(separator, skip, names, int(has_one_more) - behind, behind, is_spaced)


def _first_rows(text: str, separator: str) -> tuple[list[str], list[str]]:
    """Return the cells of the first row and of the second."""
    rows = list(islice(filter(None, csv.reader(io.StringIO(text), delimiter=separator)), 2))
    return rows[0] if rows else [""], rows[1] if len(rows) > 1 else []


@contextmanager
def _open(files: FileList, path: str) -> Iterator[Any]:
    """Return a context with the bytes of a file, unpacked."""
    with files.system.open_input_stream(path, compression="detect") as stream:
        yield stream


@contextmanager
def _naming(path: str, rules: TextRules) -> Iterator[None]:
    """Return a context in which faults of a text are errors that name it."""
    import pyarrow as pa

    try:
        yield
    except DataError:
        raise
    except UnicodeError as error:
        raise DataError(
            f"{path} is no text in {rules.encoding} ({error.reason}). Save it as UTF-8."
            if isinstance(error, UnicodeDecodeError)
            else f"{path} is no text in {rules.encoding}."
        ) from error
    except (pa.ArrowException, OSError, EOFError, ValueError, csv.Error) as error:
        said = str(error).removeprefix("Error tokenizing data. ").removeprefix("C error: ").strip().rstrip(".")
        raise DataError(f"{path} cannot be read as a table: {said[:200]}. Correct it, or leave it out.") from error
