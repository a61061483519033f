"""Many files to lint: found in folders and by patterns, each with its report; none stops the others."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.linting.lint import lint_source
from lmmtools.linting.script import SUFFIXES, may_have_calls, read_bytes, read_raw
from lmmtools.linting.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lmmtools.linting.lint import LintReport
    from lmmtools.linting.script import FoundCall, Place

__all__ = ["CallReport", "FileReport", "Linter", "is_single", "show_text"]

# Folders in which nobody keeps scripts of their own; those that begin with a dot, and virtual environments, too.
_PASSED_BY = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, slots=True)
class CallReport:
    """The findings on a call in a file.

    Attributes
    ----------
    report : LintReport
    cell : int or None
        The notebook's cell, from 1; None in a script.
    line, column : int
        From 1, in the script or the cell.
    ignored : tuple of str
        Codes of findings that comments or options leave out.
    file_line, file_column : int
        The same place in the file: of a notebook, in its JSON.
    """

    report: LintReport
    cell: int | None
    line: int
    column: int
    ignored: tuple[str, ...] = ()
    file_line: int = 1
    file_column: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary, for JSON."""
        place = {"cell": self.cell, "line": self.line, "column": self.column}
        return {**self.report.to_dict(), **place, "ignored": list(self.ignored)}


@dataclass(frozen=True, slots=True)
class FileReport:
    """The reports on the calls of a file.

    Attributes
    ----------
    path : str
    calls : tuple of CallReport
        In order.
    unread : tuple of str
        What could not be read, and why.
    error : str
        Why the file as a whole could not be read; empty otherwise.
    """

    path: str
    calls: tuple[CallReport, ...] = ()
    unread: tuple[str, ...] = ()
    error: str = ""

    @property
    def status(self) -> int:
        """The exit status: 2 if the file could not be read, 1 if there are errors or warnings, otherwise 0."""
        if self.error:
            return 2
        return 0 if all(call.report.is_clean for call in self.calls) else 1

    def to_dict(self) -> dict[str, Any]:
        """Return the reports as a dictionary, for JSON."""
        return {"calls": [call.to_dict() for call in self.calls], "unread": list(self.unread)}


def is_single(paths: Iterable[str]) -> bool:
    """Whether the arguments name one file, whose report stands alone; a folder or a pattern is several."""
    first, *others = paths
    return not others and (first == "-" or not (os.path.isdir(first) or _is_pattern(first)))


def show_text(text: str) -> str:
    """Return text of others on one line, what moves the cursor or cannot be printed written as an escape."""
    text = " ".join(text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(slots=True)
class Linter:
    """Lints files with the options of a command line.

    Attributes
    ----------
    data : DataFrame or None
        The data of the calls.
    select, ignore : frozenset of str or None
        In the place of those of a pyproject.toml, if given.
    exclude : tuple of str
        Patterns beside those of a pyproject.toml, of paths below the current folder.
    stdin_name : str
        The name of the file that comes on standard input, by which it is read and its settings are found.
    """

    data: Any = None
    select: frozenset[str] | None = None
    ignore: frozenset[str] | None = None
    exclude: tuple[str, ...] = ()
    stdin_name: str = ""
    known: dict[str, Settings] = field(default_factory=dict)

    def lint_file(self, path: str, is_alone: bool = True) -> FileReport:
        """Return the report on a file.

        Parameters
        ----------
        path : str
            ``-`` is a script or a notebook on standard input.
        is_alone : bool
            Whether the file is read whatever its words are; of several, one without the words of MixedLM has no calls.

        Raises
        ------
        DataError
            If it cannot be read, or its pyproject.toml.
        """
        name = self.stdin_name if path == "-" and self.stdin_name else path
        settings = self._settings_of(os.path.dirname(name) if name != "-" else "").override(self.select, self.ignore)
        raw = read_bytes(path)
        if not is_alone and not may_have_calls(raw, name):
            return FileReport(name)
        source = read_raw(raw, name if name == "-" else show_path(name))
        reports, unread = lint_source(source, self.data)
        calls = [
            self._choose(report, settings.hidden_codes(name, frozenset(report.codes)) | ignored, found, place)
            for report, found, ignored, place in zip(reports, source.calls, source.ignored, source.places, strict=False)
        ]
        return FileReport(name, tuple(calls), unread)

    @staticmethod
    def _choose(report: LintReport, hidden: frozenset[str], found: FoundCall, place: Place) -> CallReport:
        kept = tuple(f for f in report.findings if f.code not in hidden)
        ignored = tuple(dict.fromkeys(f.code for f in report.findings if f.code in hidden))
        shown = replace(report, findings=kept)
        return CallReport(shown, found.cell, found.line, found.column, ignored, place.line, place.column)

    def lint_paths(self, paths: Iterable[str]) -> Iterator[FileReport]:
        """Yield the report on each file; what cannot be read is a report that says so.

        Raises
        ------
        DataError
            If a pyproject.toml cannot be read.
        """
        seen: set[str] = set()
        for path in paths:
            for file, failure in self._find_files(path):
                real = os.path.realpath(file)
                if real in seen:
                    continue
                seen.add(real)
                self._settings_of(os.path.dirname(file))
                try:
                    yield FileReport(file, error=failure) if failure else self.lint_file(file, is_alone=False)
                except DataError as error:
                    yield FileReport(file, error=str(error))

    def _settings_of(self, folder: str) -> Settings:
        return read_settings(folder or ".", self.known)

    def _find_files(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield the files that an argument stands for, each with the reason if it cannot be read."""
        if path == "-" or os.path.isfile(path):
            yield path, ""
        elif os.path.isdir(path):
            yield from self._walk(path)
        elif _is_pattern(path):
            there = False
            for match in sorted(glob.glob(path, recursive=True)):
                is_script = os.path.isfile(match) and match.lower().endswith(SUFFIXES)
                if (is_script or os.path.isdir(match)) and not self._is_left_out(match):
                    there = True
                    yield from self._walk(match) if os.path.isdir(match) else [(match, "")]
            if not there:
                yield path, f"{show_path(path)}: no Python file or notebook has such a name"
        else:
            yield path, f"{show_path(path)} cannot be read: no such file or folder"

    def _walk(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield the scripts and notebooks in a folder and below it, in the order of their names."""
        failures: list[OSError] = []
        for place, folders, files in os.walk(folder, onerror=failures.append):
            folders[:] = sorted(f for f in folders if not self._is_passed_by(os.path.join(place, f)))
            for name in sorted(files):
                path = os.path.join(place, name)
                # A pipe would never end.
                if name.lower().endswith(SUFFIXES) and os.path.isfile(path) and not self._is_left_out(path):
                    yield path, ""
        for failure in failures:
            where = str(failure.filename)
            yield where, f"{show_path(where)} cannot be read: {failure.strerror}"

    def _is_passed_by(self, folder: str) -> bool:
        name = os.path.basename(folder)
        is_environment = os.path.isfile(os.path.join(folder, "pyvenv.cfg"))
        return name.startswith(".") or name in _PASSED_BY or is_environment or self._is_left_out(folder)

    def _is_left_out(self, path: str) -> bool:
        own = Settings(exclude=self.exclude, root=os.getcwd())
        return own.is_excluded(path) or self._settings_of(os.path.dirname(path)).is_excluded(path)


def show_path(path: str) -> str:
    """Return a path as it is printed."""
    return show_text(path) if not path.isprintable() else path


def _is_pattern(path: str) -> bool:
    return glob.has_magic(path) and not os.path.exists(path)
