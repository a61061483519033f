"""Options of lint: codes that are reported, files that are left out; from pyproject.toml and the command line."""

from __future__ import annotations

import fnmatch
import importlib
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lmmtools.audience import how_to_install
from lmmtools.errors import DataError, EngineError
from lmmtools.linting.codes import check_codes

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "read_settings"]

FILE, TABLE = "pyproject.toml", "[tool.lmmtools.lint]"
_MOST_BYTES = 10_000_000
_OPTIONS = ("select", "ignore", "exclude", "per-file-ignores")


@dataclass(frozen=True, slots=True)
class Settings:
    """Which findings are reported, and which files are read.

    Attributes
    ----------
    select : frozenset of str or None
        The codes that are reported; all if None.
    ignore : frozenset of str
        Codes that are not.
    exclude : tuple of str
        Patterns of files and folders that are left out, as the shell writes them: of paths below ``root``, or of names.
    per_file_ignores : mapping of str to frozenset of str
        Pattern of files -> codes that are not reported of them.
    root : str
        The folder to which patterns refer.
    """

    select: frozenset[str] | None = None
    ignore: frozenset[str] = frozenset()
    exclude: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    root: str = "."

    def hidden_codes(self, path: str, codes: frozenset[str]) -> frozenset[str]:
        """Return those of the codes that are not reported of a file."""
        hidden = set(self.ignore if self.select is None else self.ignore | (codes - self.select))
        for pattern, ignored in self.per_file_ignores.items():
            if _matches(path, pattern, self.root):
                hidden |= ignored
        return codes & hidden

    def is_excluded(self, path: str) -> bool:
        """Whether a file or folder is left out."""
        return any(_matches(path, pattern, self.root) for pattern in self.exclude)

    def override(self, select: frozenset[str] | None, ignore: frozenset[str] | None) -> Settings:
        """Return the settings with options of the command line in the place of those of a file."""
        return replace(
            self, select=self.select if select is None else select, ignore=self.ignore if ignore is None else ignore
        )


def _matches(path: str, pattern: str, root: str) -> bool:
    """Whether a pattern fits a path below the root, a folder above it, or the name of one of them."""
    parts = Path(os.path.relpath(os.path.abspath(path), root)).parts
    names = {*parts, *("/".join(parts[: i + 1]) for i in range(len(parts)))}
    return any(fnmatch.fnmatchcase(name, pattern.rstrip("/")) for name in names)


def read_settings(folder: str, known: dict[str, Settings]) -> Settings:
    """Return the settings in the pyproject.toml of a folder, or of the nearest folder above that has such a table.

    Parameters
    ----------
    folder : str
    known : dict of str to Settings
        Of folders that were asked for before; the answer is added.

    Raises
    ------
    DataError
        If the file cannot be read, or has an option or a code that lint does not know.
    """
    place = os.path.abspath(folder)
    passed = []
    found = Settings(root=place)
    while place not in known:
        passed.append(place)
        table = _read_table(os.path.join(place, FILE))
        if table is not None:
            found = _check_table(table, place)
            break
        above = os.path.dirname(place)
        if above == place:
            break
        place = above
    else:
        found = known[place]
    known.update(dict.fromkeys(passed, found))
    return found


def _read_table(path: str) -> dict[str, Any] | None:
    """Return the table of a file; None if there is no such file, or no such table in it."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if b"lmmtools" not in raw:
        return None
    if len(raw) > _MOST_BYTES:
        raise DataError(f"{path} has more than {_MOST_BYTES:,} bytes")
    content: Any
    try:
        content = _toml_reader(path).loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no TOML: {error}") from None
    for key in ("tool", "lmmtools", "lint"):
        content = content.get(key) if isinstance(content, dict) else None
    if content is not None and not isinstance(content, dict):
        raise DataError(f"{path}: tool.lmmtools.lint is no table")
    return content


def _toml_reader(path: str) -> Any:
    """Return the module that reads TOML: of the standard library, or the package that it was made of."""
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EngineError(
            f"{path} has options of lint; Python before 3.11 reads it with {how_to_install(name)}"
        ) from error


def _check_table(table: dict[str, Any], folder: str) -> Settings:
    where = f"{os.path.join(folder, FILE)}, {TABLE}"
    for name in table:
        if name not in _OPTIONS:
            raise DataError(f"{where}: there is no option {name!r}; there are {', '.join(_OPTIONS)}")
    ignores = table.get("per-file-ignores", {})
    if not isinstance(ignores, dict):
        raise DataError(f'{where}: per-file-ignores is a table, {{"old/*" = ["factor-inside"]}}')
    return Settings(
        select=check_codes(_texts(table, "select", where), where) if "select" in table else None,
        ignore=check_codes(_texts(table, "ignore", where), where),
        exclude=tuple(_texts(table, "exclude", where)),
        per_file_ignores={p: check_codes(_texts(ignores, p, where), where) for p in ignores},
        root=folder,
    )


def _texts(table: dict[str, Any], name: str, where: str) -> list[str]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise DataError(f'{where}: {name} is a list of texts, ["factor-inside"]')
    return value
