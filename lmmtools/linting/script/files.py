"""Python files and notebooks: what is read of them, without running them."""

from __future__ import annotations

import ast
import codecs
import io
import json
import re
import sys
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, caret
from lmmtools.linting.script.reader import FoundCall, read_trees

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Source", "read_file"]

# What IPython accepts beside Python: magics, shell commands, help.
_HELP = re.compile(r"[\w.]+\?{1,2}")
_TARGETS = re.compile(r"[\w., \t]+")
# Encodings that Python accepts for a script, although they do not encode text, take very long or always fail.
_NO_ENCODINGS = frozenset({"undefined", "idna", "punycode", "unicode_escape", "raw_unicode_escape"})
# Scripts of analyses are smaller; a notebook may hold pictures.
_MOST_CODE, _MOST_BYTES = 1_000_000, 100_000_000
_DEEP = "its expressions are nested too deeply to be read"
_HARMLESS_CELL_MAGICS = frozenset({"time", "timeit", "capture", "prun", "memit"})


@dataclass(frozen=True, slots=True)
class Source:
    """The MixedLM calls of a file.

    Attributes
    ----------
    path : str
    calls : tuple of FoundCall
        In order.
    unread : tuple of str
        Why cells of a notebook could not be read, one sentence each; a script is read whole or not at all.
    """

    path: str
    calls: tuple[FoundCall, ...]
    unread: tuple[str, ...] = ()


def read_file(path: str) -> Source:
    """Return the MixedLM calls in a Python file or notebook, which is not run.

    Parameters
    ----------
    path : str
        Ending in ``.py`` or ``.ipynb``; ``-`` is a script on standard input.

    Raises
    ------
    DataError
        If it cannot be read: no such file, another ending, no Python, no notebook.
    """
    suffix = Path(path).suffix.lower()
    if path != "-" and suffix not in (".py", ".pyw", ".ipynb"):
        raise DataError(f"{path}: lint reads Python files (.py) and notebooks (.ipynb), not {suffix or 'this'}")
    raw = _read_bytes(path)
    if len(raw) > _MOST_BYTES:
        raise DataError(f"{path} has more than {_MOST_BYTES:,} bytes; lint reads scripts")
    try:
        return _read_notebook(raw, path) if suffix == ".ipynb" else _read_script(raw, path)
    except (RecursionError, MemoryError):
        raise DataError(f"{path}: {_DEEP}") from None


def _read_bytes(path: str) -> bytes:
    if path == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed; name a script, or pipe one into the command")
        return sys.stdin.buffer.read(_MOST_BYTES + 1)
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path!r} cannot be read: {error}") from error


def _read_script(raw: bytes, path: str) -> Source:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        if codecs.lookup(encoding).name.replace("-", "_") in _NO_ENCODINGS:
            raise DataError(f"{path} is no text: {encoding!r} is no encoding of scripts")
        text = raw.decode(encoding)
    except DataError:
        raise
    except (SyntaxError, ValueError, LookupError) as error:
        raise DataError(f"{path} is no text that Python reads: {error}") from error
    if len(text) > _MOST_CODE:
        raise DataError(f"{path} has {len(text):,} characters; lint reads scripts of up to {_MOST_CODE:,}")
    return _source(path, {None: _parse(text, path)}, ())


def _source(path: str, trees: Mapping[int | None, ast.Module], unread: tuple[str, ...]) -> Source:
    calls, is_whole = read_trees(trees)
    if not is_whole:
        unread = (*unread, f"{path}: its loops are longer than lint follows; what they make is taken for unknown")
    return Source(path, tuple(calls), unread)


def _parse(text: str, where: str) -> ast.Module:
    """Return the syntax tree.

    Raises
    ------
    DataError
        With the line and a caret under what Python does not read.
    """
    try:
        with warnings.catch_warnings():
            # Warnings of invalid escapes are for the author of the script.
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (RecursionError, MemoryError):
        raise DataError(f"{where}: {_DEEP}") from None
    except SyntaxError as error:
        shown = (error.text or "").rstrip("\n")
        start = max(0, (error.offset or 1) - 1)
        place = f"\n{caret(shown, start, start + 1)}" if shown.strip() else ""
        raise DataError(f"{where}, line {error.lineno}: this is not Python: {error.msg}{place}") from None
    except ValueError as error:
        raise DataError(f"{where}: this is not Python: {error}") from None


def _read_notebook(raw: bytes, path: str) -> Source:
    cells = _code_cells(raw, path)
    size = sum(map(len, cells.values()))
    if size > _MOST_CODE:
        raise DataError(f"{path} has {size:,} characters of code; lint reads up to {_MOST_CODE:,}")
    trees: dict[int | None, ast.Module] = {}
    unread = []
    for number, text in cells.items():
        code = _strip_magics(text)
        if code is None:
            continue
        try:
            trees[number] = _parse(code, f"{path}, cell {number}")
        except DataError as error:
            unread.append(str(error))
    return _source(path, trees, tuple(unread))


def _code_cells(raw: bytes, path: str) -> dict[int, str]:
    """Return the code of a notebook by cell, numbered from 1 over all its cells."""
    try:
        notebook = json.loads(raw.decode("utf-8-sig"))
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        language = _language(notebook)
        code = {
            i: "".join(cell.get("source", cell.get("input", "")))
            for i, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        }
    except ValueError as error:
        raise DataError(f"{path} is no notebook: it is no JSON ({error})") from error
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{path} is no notebook: it has no list of cells as Jupyter writes them") from error
    if language is not None and language.lower() not in ("python", "ipython"):
        raise DataError(f"{path} is a notebook in {language}; lint reads Python")
    return code


def _language(notebook: dict[str, Any]) -> str | None:
    metadata = notebook.get("metadata", {})
    found = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name")
    return found if isinstance(found, str) else None


def _strip_magics(text: str) -> str | None:
    """Return a cell as Python with the same lines, None if it is in another language (``%%R``)."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines and lines[first].startswith("%%"):
        magic = lines[first][2:].split()
        if not magic or magic[0] not in _HARMLESS_CELL_MAGICS:
            return None
        lines[first] = ""
    return "\n".join(map(_strip_magic, lines))


def _strip_magic(line: str) -> str:
    """Return a line as Python: ``pass`` for a magic, a shell command or a question, None for what they give."""
    words = line.strip()
    if words.startswith(("%", "!", "?")) or (words.endswith("?") and _HELP.fullmatch(words)):
        return f"{line[: len(line) - len(line.lstrip())]}pass"
    target, equals, value = line.partition("=")
    if value.lstrip().startswith(("%", "!")) and _TARGETS.fullmatch(target):
        return f"{target}{equals}None"
    return line
