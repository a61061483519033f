"""Which files a path, a folder or a pattern means, and whether they are still the same."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from glob import has_magic
from os import PathLike, fspath
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, Union
from urllib.parse import unquote

from lmmtools.errors import DataError
from lmmtools.sentences import join_with_and, list_first
from lmmtools.sources.source import load_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyarrow.fs import FileInfo, FileSystem

__all__ = ["FileList", "Kind", "ListedFile", "Paths", "list_files", "naming", "note_file"]

Kind = Literal["parquet", "arrow", "text"]
Paths = Union[str, "PathLike[str]", "Sequence[str | PathLike[str]]"]
"""A path or several."""

ENDINGS: dict[str, Kind] = {
    **dict.fromkeys((".parquet", ".pq", ".parq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "arrow"),
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), "text"),
}
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
_PARTITION = re.compile(r"([^=/]+)=([^/]*)")
_QUERY = re.compile(r"\s*(select|from|with)\s+\S", re.IGNORECASE)
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_MOST_FILES = 5
_LIKE = 0.75  # names of files share their endings


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as it was when the source was opened.

    Attributes
    ----------
    path : str
        In its file system.
    size : int
        Bytes.
    changed : int
        Time of the last change, in nanoseconds.
    partition : tuple of (str, str or None)
        Columns that the names of its folders give, ``g=3/``, with their values as text.
    """

    path: str
    size: int
    changed: int
    partition: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class FileList:
    """The files of a source, all of one kind, in the order of their names.

    Attributes
    ----------
    name : str
        The path as the user wrote it.
    system : pyarrow.fs.FileSystem
    kind : {"parquet", "arrow", "text"}
    files : tuple of ListedFile
    pattern : str or None
        Path in the file system: a file, a folder or a pattern; None where the files were given one by one.
    """

    name: str
    system: FileSystem
    kind: Kind
    files: tuple[ListedFile, ...]
    pattern: str | None

    def check_file(self, file: ListedFile) -> None:
        """Raise a DataError if a file is no longer as it was.

        Raises
        ------
        DataError
            Says what happened to it.
        """
        info = self.system.get_file_info(file.path)
        if not info.is_file:
            raise DataError(f"{file.path} has vanished since {self.name} was opened. {_AGAIN}")
        if info.size != file.size:
            verb = "grown" if info.size > file.size else "shrunk"
            sizes = f"from {file.size:,} to {info.size:,} bytes"
            raise DataError(f"{file.path} has {verb} {sizes} since {self.name} was opened. {_AGAIN}")
        if _changed(info) != file.changed:
            raise DataError(f"{file.path} was written again since {self.name} was opened. {_AGAIN}")

    def check_all(self) -> None:
        """Raise a DataError if files were added, removed or changed."""
        known = {f.path for f in self.files}
        now = known if self.pattern is None else {f.path for f in _list(self.system, self.pattern, self.name)[1]}
        added = sorted(now - known)
        if added:
            raise DataError(
                f"{self.name} has new files since it was opened: {list_first(added, _MOST_FILES)}. {_AGAIN}"
            )
        for file in self.files:
            self.check_file(file)


_AGAIN = "A fit reads its data several times, and they must stay the same: begin again once nobody writes them."


def list_files(path: Paths) -> FileList:
    """Return the files that a path means, or several, in their order.

    Of a folder, these are the files below it whose endings tell a table; names that begin with a dot or an underscore,
    as ``_SUCCESS``, are no data, as for Spark and pyarrow, and neither are ``.txt`` files beside others.

    Raises
    ------
    DataError
        There is none, or they are of several kinds.
    """
    if not isinstance(path, (str, PathLike)):
        return _join_lists([list_files(one) for one in path])
    name = fspath(path)
    if _QUERY.match(name):
        raise DataError(f"{name[:60]!r} is a query and no path. Give what it selects: duckdb.sql({name[:60]!r}).")
    fs = load_package("pyarrow.fs", f"Reading {name!r}")
    if "://" in name:
        try:
            system, pattern = fs.FileSystem.from_uri(name)
        except (ValueError, OSError) as error:
            raise DataError(
                f"{name} cannot be opened: {error}. Files elsewhere: open them with pyarrow.dataset.dataset(..., "
                "filesystem=...) and give the dataset."
            ) from error
    else:
        system, pattern = fs.LocalFileSystem(), Path(name).expanduser().as_posix()
    try:
        kind, files = _list(system, pattern, name)
    except (OSError, ValueError) as error:  # also what a system takes for no name of a file
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} cannot be opened: {str(error).splitlines()[0]:.200}") from error
    return FileList(name, system, kind, files, pattern)


def _join_lists(lists: Sequence[FileList]) -> FileList:
    """Return the files of several paths, each once."""
    first = lists[0]
    for other in lists[1:]:
        if other.kind != first.kind:
            raise DataError(
                f"{other.name} is {other.kind}, and {first.name} is {first.kind}: files of one table are of one kind."
            )
        if not other.system.equals(first.system):
            raise DataError(f"{other.name} and {first.name} are in different places: copy all files to one of them.")
    files = tuple({file.path: file for one in lists for file in one.files}.values())
    name = list_first([one.name for one in lists], _MOST_FILES)
    return FileList(name, first.system, first.kind, files, None) if len(lists) > 1 else first


def _list(system: FileSystem, pattern: str, name: str) -> tuple[Kind, tuple[ListedFile, ...]]:
    """Return the kind of the files and the files."""
    from pyarrow.fs import FileType

    info = system.get_file_info(pattern)
    if info.type == FileType.File:
        return _kind_of_file(pattern, name), (note_file(info),)
    if info.type == FileType.Directory:
        found = _walk(system, pattern)
    elif has_magic(pattern):
        found = _match(system, pattern)
    else:
        raise DataError(f"There is no file {name}.{_name_near(system, pattern)}")
    tables = [i for i in found if _ending_kind(i.path)]
    if any(not i.path.endswith(".txt") for i in tables):
        tables = [i for i in tables if not i.path.endswith(".txt") or has_magic(pattern)]
    kinds = Counter(_ending_kind(i.path) for i in tables)
    if len(kinds) > 1:
        raise DataError(
            f"{name} holds files of several kinds: {join_with_and(f'{n} {k}' for k, n in kinds.items())}. "
            f'Name those of one kind, as in "{name.rstrip("/")}/*.parquet".'
        )
    if not tables:
        what = "matches no file" if has_magic(pattern) else "has no file of a table"
        others = f" There are: {list_first((PurePosixPath(i.path).name for i in found), _MOST_FILES)}." if found else ""
        endings = ", ".join(ENDINGS)
        raise DataError(f"{name} {what} (endings: {endings}).{others or _name_near(system, pattern)}")
    (kind,) = kinds
    assert kind is not None
    return kind, tuple(sorted(map(note_file, tables), key=lambda f: f.path))


def _ending_kind(path: str) -> Kind | None:
    """Return the kind of table that a name's ending tells, None for others."""
    suffixes = [s.lower() for s in PurePosixPath(path).suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return ENDINGS.get(suffixes[-1]) if suffixes else None


def _kind_of_file(path: str, name: str) -> Kind:
    kind = _ending_kind(path)
    if kind is None:
        raise DataError(f"{name}: the ending tells no kind of table that can be read; there are {', '.join(ENDINGS)}.")
    return kind


def _is_hidden(path: str, root: str) -> bool:
    """Whether a name below a folder begins with a dot or an underscore; a partition ``_g=3`` does not count."""
    below = PurePosixPath(path).relative_to(root).parts
    return any(part[0] in "._" and "=" not in part for part in below)


def _walk(system: FileSystem, folder: str) -> list[FileInfo]:
    from pyarrow.fs import FileSelector

    found = system.get_file_info(FileSelector(folder, recursive=True))
    return [i for i in found if i.is_file and not _is_hidden(i.path, folder)]


def _match(system: FileSystem, pattern: str) -> list[FileInfo]:
    """Return the files that match a pattern; a folder that does stands for the files in it."""
    from pyarrow.fs import FileSelector

    parts = PurePosixPath(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if has_magic(part))
    places = [str(PurePosixPath(*parts[:fixed]))]
    for depth in range(fixed, len(parts)):
        part, is_last = parts[depth], depth == len(parts) - 1
        found: list[FileInfo] = []
        for place in places:
            selector = FileSelector(place, allow_not_found=True, recursive=part == "**")
            entries: list[FileInfo] = system.get_file_info(selector)
            if part == "**":
                entries = [e for e in entries if not _is_hidden(e.path, place)]
            else:
                entries = [e for e in entries if _is_match(e.base_name, part)]
            found.extend(entries)
        if is_last:
            files = [i for i in found if i.is_file]
            return files + [f for i in found if not i.is_file and part != "**" for f in _walk(system, i.path)]
        below = [i.path for i in found if not i.is_file]
        places = list(dict.fromkeys([*places, *below] if part == "**" else below))
    return []


def _is_match(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) and (name[0] not in "._" or pattern[0] == name[0])


def _name_near(system: FileSystem, pattern: str) -> str:
    """Return a sentence on what there is in the nearest folder that exists, and what has a like name."""
    from pyarrow.fs import FileSelector, FileType

    missing = PurePosixPath(pattern)
    while missing.parent != missing and system.get_file_info(str(missing.parent)).type != FileType.Directory:
        missing = missing.parent
    folder = missing.parent
    there = sorted(i.base_name for i in system.get_file_info(FileSelector(str(folder))) if i.base_name[0] not in "._")
    where = "The current folder" if str(folder) == "." else str(folder)
    if missing.name != PurePosixPath(pattern).name and not has_magic(missing.name):
        close = get_close_matches(missing.name, there, 1, _LIKE)
        return f" There is no folder {missing}." + (f" Did you mean {folder / close[0]}?" if close else "")
    if not there:
        return f" {where} is empty."
    close = get_close_matches(missing.name, there, 1, _LIKE)
    if close and not has_magic(missing.name):
        return f" Did you mean {folder / close[0]}?"
    return f" {where} has: {list_first(there, _MOST_FILES)}."


def note_file(info: FileInfo) -> ListedFile:
    """Return a file as it is now."""
    return ListedFile(info.path, info.size, _changed(info), _read_partition(info.path))


def _changed(info: FileInfo) -> int:
    return int(info.mtime_ns or 0)


def _read_partition(path: str) -> tuple[tuple[str, str | None], ...]:
    """Return the columns and values that the names of folders give."""
    found = map(_PARTITION.fullmatch, PurePosixPath(path).parts[:-1])
    return tuple((m[1], None if m[2] == _NO_VALUE else unquote(m[2])) for m in found if m)


@contextmanager
def naming(path: str, kind: str) -> Iterator[None]:
    """Return a context in which faults of a file, read ``kind`` ("as Parquet"), are errors that name it."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        said = str(error).split("\n")[0].rstrip(".")[:200]
        raise DataError(f"{path} cannot be read {kind}: {said}. Write it again, or leave it out.") from error
