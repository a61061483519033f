"""Where the code of a notebook's cells stands in its file, which is JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Place", "Places"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')
# An escape of JSON, or a character; two escapes of a surrogate pair are one character.
_CHARACTER = re.compile(r"\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|\\u\w{4}|\\.|[^\\]", re.DOTALL)
_CODE_KEYS = ('"source"', '"input"')


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; line and column count from 1, columns characters."""

    line: int
    column: int


class Places:
    """The places of the code of a notebook's cells, found when they are first asked for.

    Parameters
    ----------
    text : str
        The notebook's file, which is JSON with the cells as Jupyter writes them.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans: Mapping[int, list[tuple[int, int]]] | None = None

    def find(self, cell: int, line: int, column: int) -> Place | None:
        """Return where a line and column of a cell stand in the file; None if they are not found."""
        if self._spans is None:
            self._spans = _find_sources(self._text)
        at_line, at_column = 1, 1
        for start, end in self._spans.get(cell, ()):
            for found in _CHARACTER.finditer(self._text, start, end):
                if (at_line, at_column) == (line, column):
                    return self._place(found.start())
                is_end = found[0] in ("\\n", "\\u000a", "\\u000A")
                at_line, at_column = (at_line + 1, 1) if is_end else (at_line, at_column + 1)
        return None

    def _place(self, offset: int) -> Place:
        # JSON has no line ends inside strings: a carriage return that ends a line stands before its line feed.
        start = self._text.rfind("\n", 0, offset) + 1
        return Place(self._text.count("\n", 0, offset) + 1, offset - start + 1)


def _find_sources(text: str) -> dict[int, list[tuple[int, int]]]:
    """Return the extents, without quotes, of the strings that are the code of each cell, by its number from 1."""
    found: dict[int, list[tuple[int, int]]] = {}
    for path, start, end in _walk(text):
        # cells[i].source or cells[i].source[j]; in notebooks of format 3, worksheets[0].cells[i].input
        place = next((i for i, key in enumerate(path[:-1]) if key == '"cells"'), None)
        if place in (0, 2) and len(path) in (place + 3, place + 4) and path[place + 2] in _CODE_KEYS:
            number = path[place + 1]
            if isinstance(number, int):
                found.setdefault(number + 1, []).append((start + 1, end - 1))
    return found


def _walk(text: str) -> Iterator[tuple[list[str | int], int, int]]:
    """Yield the path to each string that is a value, keys in their quotes and indices, and the string's extent."""
    path: list[str | int] = []
    kinds: list[str] = []
    tokens = list(_TOKEN.finditer(text))
    for number, token in enumerate(tokens):
        mark = token[0]
        if mark in "{[":
            kinds.append(mark)
            path.append(0 if mark == "[" else "")
        elif mark in "}]":
            if kinds:
                kinds.pop()
                path.pop()
        elif mark == ",":
            if kinds and kinds[-1] == "[":
                index = path[-1]
                path[-1] = index + 1 if isinstance(index, int) else 0
        elif mark != ":":
            is_key = number + 1 < len(tokens) and tokens[number + 1][0] == ":"
            if is_key and path:
                path[-1] = mark
            elif path:
                yield path, token.start(), token.end()
