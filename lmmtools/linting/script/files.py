"""Python files and notebooks: what is read of them, without running them."""

from __future__ import annotations

import ast
import codecs
import io
import json
import re
import sys
import tokenize
import unicodedata
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, caret
from lmmtools.linting.script.comments import read_comments
from lmmtools.linting.script.magics import CellText, read_cell
from lmmtools.linting.script.positions import Place, Places
from lmmtools.linting.script.reader import FoundCall, read_trees

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SUFFIXES", "Source", "may_have_calls", "read_bytes", "read_file", "read_raw"]

# A text without these words has no call of MixedLM or of the Bayesian models.
_WORDS = re.compile(r"mixedg?lm", re.IGNORECASE)
SUFFIXES = (".py", ".pyw", ".ipynb")
# Encodings that Python accepts for a script, although they do not encode text, take very long or always fail.
_NO_ENCODINGS = frozenset({"undefined", "idna", "punycode", "unicode_escape", "raw_unicode_escape"})
# Scripts of analyses are smaller; a notebook may hold pictures.
_MOST_CODE, _MOST_BYTES = 1_000_000, 100_000_000
_DEEP = "its expressions are nested too deeply to be read"


@dataclass(frozen=True, slots=True)
class Source:
    """The MixedLM calls of a file.

    Attributes
    ----------
    path : str
    calls : tuple of FoundCall
        In order; columns count characters of the file's lines.
    unread : tuple of str
        Why cells of a notebook could not be read, one sentence each; a script is read whole or not at all.
    ignored : tuple of frozenset of str
        The codes that comments ignore at each call.
    places : tuple of Place
        Where each call stands in the file.
    """

    path: str
    calls: tuple[FoundCall, ...]
    unread: tuple[str, ...] = ()
    ignored: tuple[frozenset[str], ...] = ()
    places: tuple[Place, ...] = ()


def read_file(path: str) -> Source:
    """Return the MixedLM calls in a Python file or notebook, which is not run.

    Parameters
    ----------
    path : str
        Ending in ``.py`` or ``.ipynb``; ``-`` is a script or a notebook on standard input.

    Raises
    ------
    DataError
        If it cannot be read: no such file, another ending, no Python, no notebook.
    """
    return read_raw(read_bytes(path), path)


def read_bytes(path: str) -> bytes:
    """Return what is in a Python file or notebook, or on standard input.

    Raises
    ------
    DataError
        If there is no such file, or it has another ending or too many bytes.
    """
    suffix = Path(path).suffix.lower()
    if path != "-" and suffix not in SUFFIXES:
        raise DataError(f"{path}: lint reads Python files (.py) and notebooks (.ipynb), not {suffix or 'this'}")
    raw = _read_bytes(path)
    if len(raw) > _MOST_BYTES:
        raise DataError(f"{path} has more than {_MOST_BYTES:,} bytes; lint reads scripts")
    return raw


def read_raw(raw: bytes, path: str) -> Source:
    """Return the MixedLM calls in the bytes of a Python file or notebook.

    Raises
    ------
    DataError
        If they are no Python, or no notebook.
    """
    try:
        return _read_notebook(raw, path) if _is_notebook(raw, path) else _read_script(raw, path)
    except (RecursionError, MemoryError):
        raise DataError(f"{path}: {_DEEP}") from None


def may_have_calls(raw: bytes, path: str) -> bool:
    """Whether a file may have a call, by its words; it need not be Python."""
    text = raw.replace(b"\0", b"").decode("utf-8", "replace")
    if _has_words(text):
        return True
    try:
        if _is_notebook(raw, path):
            return any(map(_has_words, _code_cells(raw, path).values()))
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return _has_words(raw.decode(encoding))
    except (RecursionError, MemoryError):
        return True
    except (DataError, SyntaxError, ValueError, LookupError):
        return False


def _has_words(text: str) -> bool:
    # Python takes the compatibility forms of letters in names for the letters.
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _WORDS.search(plain) is not None or ("getattr" in plain and "mixed" in plain.lower())


def _is_notebook(raw: bytes, path: str) -> bool:
    if path != "-":
        return Path(path).suffix.lower() == ".ipynb"
    if not raw.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
        return False
    try:
        content = json.loads(raw.decode("utf-8-sig"))
    except ValueError:
        return False
    return "cells" in content or "worksheets" in content


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
    source = _source(path, {None: (CellText(text), _parse(text, path))}, ())
    return replace(source, places=tuple(Place(call.line, call.column) for call in source.calls))


def _source(path: str, cells: Mapping[int | None, tuple[CellText, ast.Module]], unread: tuple[str, ...]) -> Source:
    calls, is_whole = read_trees({number: tree for number, (_, tree) in cells.items()})
    if not is_whole:
        unread = (*unread, f"{path}: its loops are longer than lint follows; what they make is taken for unknown")
    ignored: dict[int | None, dict[int, frozenset[str]]] = {}
    lines: dict[int | None, list[str]] = {}
    for number in dict.fromkeys(call.cell for call in calls):
        cell, tree = cells[number]
        ignored[number], wrong = read_comments(cell.code, tree)
        place = path if number is None else f"{path}, cell {number}"
        unread = (*unread, *(f"{place}, {sentence}" for sentence in wrong))
        lines[number] = cell.code.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Source(
        path,
        tuple(_with_column(call, lines[call.cell][call.line - 1], cells[call.cell][0]) for call in calls),
        unread,
        tuple(ignored[call.cell].get(call.line, frozenset()) for call in calls),
    )


def _with_column(call: FoundCall, line: str, cell: CellText) -> FoundCall:
    """Return a call whose column counts characters of the original line; the parser counts bytes of UTF-8."""
    before = line.encode("utf-8", "surrogatepass")[: call.column - 1].decode("utf-8", "replace")
    return replace(call, column=len(before) + 1 + cell.shifts.get(call.line, 0))


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
    texts = _code_cells(raw, path)
    size = sum(map(len, texts.values()))
    if size > _MOST_CODE:
        raise DataError(f"{path} has {size:,} characters of code; lint reads up to {_MOST_CODE:,}")
    cells: dict[int | None, tuple[CellText, ast.Module]] = {}
    unread = []
    for number, text in texts.items():
        try:
            found = _parse_cell(text, f"{path}, cell {number}")
        except DataError as error:
            unread.append(str(error))
        else:
            if found is not None:
                cells[number] = found
    source = _source(path, cells, tuple(unread))
    places = Places(raw.decode("utf-8-sig"))
    there = [places.find(call.cell or 0, call.line, call.column) for call in source.calls]
    return replace(source, places=tuple(place or Place(1, 1) for place in there))


def _parse_cell(text: str, where: str) -> tuple[CellText, ast.Module] | None:
    """Return a cell with its syntax tree; None if it is in another language.

    What stands behind ``%time`` need not be Python: such a cell is read without it.
    """
    cell = read_cell(text)
    if cell is None:
        return None
    try:
        return cell, _parse(cell.code, where)
    except DataError:
        plain = read_cell(text, keep_timed=False)
        if plain is None or plain.code == cell.code:
            raise
        return plain, _parse(plain.code, where)


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
