"""Tables of cells: frames and tibbles as R prints them, tables with bars or with rules of dashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.number import PrintedNumber, is_number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["Grid", "GridRow", "cells_of_bars", "number_of", "read_bars", "read_grid"]

_RULE = re.compile(r"[-:=+|\s\u2500\u253c]*[-=\u2500]{2}[-:=+|\s\u2500\u253c]*")
_DASHES = re.compile(r"-{3,}(?: +-{3,})+")
_TYPES = re.compile(r"<\w+>(?: <\w+>)+")
_OF_NUMBERS = ("<dbl>", "<int>", "<num>")
# Pillar aligns exponents: 3.26e- 6.
_EXPONENT = re.compile(r"(?<=\de[-+]) (?=\d)")
_NUMBER_AT_END = re.compile(r"(?:(?<=\s)|^)(?:[-\u2212]?[\d.,]+(?:e[-+] ?\d+)?|NA|NaN|-?Inf)$")
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_NOTE = re.compile(rf"([{_RAISED}]+)\s*`?([\w.]+)")
_ABBREVIATED = re.compile(rf"(?P<start>[\w.]*)…?(?P<note>[{_RAISED}]+)")
_MORE = re.compile(r"(?:…|\.\.\.|ℹ|i) (?:with )?\d+ more (?:rows?|variables?)")


@dataclass(frozen=True, slots=True)
class GridRow:
    """A row: the text of each cell, by column, and its line."""

    cells: dict[str, str]
    line: Line


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of cells.

    Attributes
    ----------
    columns : tuple of str
        The names of the columns.
    rows : tuple of GridRow
    unread : tuple of Line
        Rows whose cells do not stand under the columns, and lines that say what is not shown.
    used : int
        How many lines the table takes.
    """

    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    unread: tuple[Line, ...]
    used: int


def number_of(cell: str) -> PrintedNumber | None:
    """Return the number that a cell holds; None if it is none."""
    text = _EXPONENT.sub("", cell.strip())
    return PrintedNumber(text) if is_number_text(text) else None


def read_grid(lines: Sequence[Line]) -> Grid:
    """Return the table whose heading is the first line, by what stands around its cells.

    Raises
    ------
    PrintoutError
        If columns have no name of their own, or strips of a table not the same rows.
    """
    second = lines[1] if len(lines) > 1 else lines[0]
    if "|" in lines[0].text:
        return read_bars(lines)
    if _TYPES.fullmatch(second.words):
        return _read_tibble(lines)
    grid = _read_ruled(lines) if _DASHES.fullmatch(second.text.strip()) else _read_frame(lines)
    _check_end(lines[: grid.used], lines)
    return grid


def _check_end(table: Sequence[Line], lines: Sequence[Line]) -> None:
    """Raise PrintoutError if the text ends with the table, and its last number has fewer decimals than those above.

    Parameters
    ----------
    table : sequence of Line
        The lines of the table, the last lines of which have one column at their end.
    lines : sequence of Line
        All lines of the text.
    """
    last = next(line for line in reversed(lines) if not line.is_blank)
    if table[-1].number < last.number:
        return
    ends = [line.words.split()[-1] for line in table if not line.is_blank]
    decimals = [len(word.rpartition(".")[2]) if "." in word else 0 for word in ends if word[-1:].isdigit()]
    if ends[-1][-1:].isdigit() and decimals[-1] < max(decimals):
        raise PrintoutError(f"Line {last.number} ends before the table does: {last.words!r:.120}. Was the text cut?")


# -- bars ----------------------------------------------------------------------------------------------------------


def cells_of_bars(text: str, *, is_closed: bool = True) -> list[str]:
    """Return the cells between bars; one bar at each end may be there or not.

    Parameters
    ----------
    text : str
        The row.
    is_closed : bool
        Whether a bar at the end closes the last cell; else an empty cell follows it.
    """
    text = text.strip().replace("\u2502", "|").removeprefix("|")
    text = text.removesuffix("|") if is_closed else text
    return [" ".join(cell.split()) for cell in text.split("|")]


def read_bars(lines: Sequence[Line]) -> Grid:
    """Return the table whose heading is the first line; rules between rows are passed over."""
    columns = cells_of_bars(lines[0].text)
    is_closed = lines[0].text.endswith("|")
    if len(set(columns)) < len(columns):
        raise PrintoutError(f"Line {lines[0].number} names two columns alike: {lines[0].words!r:.120}.")
    rows: list[GridRow] = []
    unread: list[Line] = []
    used = 1
    for line in lines[1:]:
        is_rule = _RULE.fullmatch(line.text) is not None
        if line.is_blank or line.is_break or not (is_rule or "|" in line.text):
            break
        used += 1
        cells = cells_of_bars(line.text, is_closed=is_closed)
        if is_rule:
            continue
        if len(cells) == len(columns) and (line.text.endswith("|") or not is_closed):
            rows.append(GridRow(dict(zip(columns, cells, strict=True)), line))
        else:
            unread.append(line)
    return Grid(tuple(columns), tuple(rows), tuple(unread), used)


# -- rules ---------------------------------------------------------------------------------------------------------


def _read_ruled(lines: Sequence[Line]) -> Grid:
    """Return the table whose heading is the first line, with a dash for each place of a column in the second."""
    spans = [(m.start(), m.end()) for m in re.finditer(r"-+", lines[1].text)]
    columns = [lines[0].text[a:b].strip() for a, b in spans]
    rows: list[GridRow] = []
    unread: list[Line] = []
    used = 2
    for line in lines[2:]:
        if line.is_blank or line.is_break or _RULE.fullmatch(line.text):
            break
        used += 1
        text = line.text
        gaps = [text[b:a] for (_, b), (a, _) in pairwise(spans)]
        if any(gap.strip() for gap in gaps) or text[: spans[0][0]].strip() or text[spans[-1][1] :].strip():
            unread.append(line)
        else:
            rows.append(GridRow({c: text[a:b].strip() for c, (a, b) in zip(columns, spans, strict=True)}, line))
    return Grid(tuple(columns), tuple(rows), tuple(unread), used)


# -- frames --------------------------------------------------------------------------------------------------------


def _read_frame(lines: Sequence[Line]) -> Grid:
    """Return the data frame whose first strip has the first line as heading: names and cells end at one place.

    Raises
    ------
    PrintoutError
        If strips have not the same rows.
    """
    strips: list[tuple[Line, list[Line]]] = []
    used = 0
    for line in lines:
        if line.is_blank or line.is_break:
            break
        is_row = re.match(r"\s*\d+\s", line.text) is not None
        if not is_row and strips and not strips[-1][1]:
            break
        if is_row:
            strips[-1][1].append(line)
        elif not strips or all(re.fullmatch(r"[a-z][\w.]*", word) for word in line.words.split()):
            strips.append((line, []))
        else:
            break
        used += 1
    every = [line for heading, rows in strips for line in (heading, *rows)]
    is_collapsed = all(line.text == line.words for line in every)
    columns: list[str] = []
    whole: dict[str, GridRow] = {}
    unread: dict[str, Line] = {}
    for k, (heading, rows) in enumerate(strips):
        names = heading.words.split()
        if set(names) & set(columns) or len(set(names)) < len(names):
            raise PrintoutError(f"Line {heading.number} names a column twice: {heading.words!r:.120}.")
        numbers = [line.words.split()[0] for line in rows]
        if len(set(numbers)) < len(numbers) or (k and set(numbers) != {*whole, *unread}):
            raise PrintoutError(f"The strip below line {heading.number} has not the rows above it: was the text cut?")
        columns += names
        for number, line in zip(numbers, rows, strict=True):
            cells = line.words.split()[1:] if is_collapsed else _cells_at_ends(heading, line)
            if cells is None or len(cells) != len(names):
                unread.setdefault(number, line)
                continue
            found = dict(zip(names, cells, strict=True))
            before = whole.get(number)
            whole[number] = GridRow({**before.cells, **found}, before.line) if before else GridRow(found, line)
    rows_read = [row for number, row in whole.items() if number not in unread]
    return Grid(tuple(columns), tuple(rows_read), tuple(unread.values()), used)


def _cells_at_ends(heading: Line, line: Line) -> list[str] | None:
    """Return the cells of a row that end where the names of the columns end; None where one does not."""
    ends = [m.end() for m in re.finditer(r"\S+", heading.text)]
    label = re.match(r"\s*\d+", line.text)
    assert label is not None
    starts = [label.end(), *ends[:-1]]
    text = line.text
    if len(text) != ends[-1] or any(text[a : a + 1].strip() for a in starts):
        return None
    cells = [text[a:b] for a, b in zip(starts, ends, strict=True)]
    return [cell.strip() for cell in cells] if all(cell and cell[-1].strip() for cell in cells) else None


# -- tibbles -------------------------------------------------------------------------------------------------------


def _read_tibble(lines: Sequence[Line]) -> Grid:
    """Return the tibble whose heading is the first line, and the types of whose columns are the second.

    Raises
    ------
    PrintoutError
        If a name is abbreviated and no note below the table gives it.
    """
    heading, types = lines[0], lines[1]
    body: list[Line] = []
    for line in lines[2:]:
        if line.is_blank or line.is_break or not re.match(r"\s*\d+\s", line.text):
            break
        body.append(line)
    notes = lines[2 + len(body) :]
    notes = notes[: next((k for k, line in enumerate(notes) if line.is_blank or line.is_break), len(notes))]
    names = _full_names(heading, notes)
    kinds = types.words.split()
    if len(kinds) != len(names):
        raise PrintoutError(f"Line {types.number} has {len(kinds)} types for {len(names)} columns: was the text cut?")
    is_collapsed = all(line.text == line.words for line in (heading, types, *body))
    rows: list[GridRow] = []
    unread: list[Line] = []
    for line in body:
        cells = _EXPONENT.sub("", line.words).split()[1:] if is_collapsed else _cells_of_tibble(types, kinds, line)
        if cells is None or len(cells) != len(names):
            unread.append(line)
        else:
            rows.append(GridRow(dict(zip(names, cells, strict=True)), line))
    # Pillar writes powers in a whole column, or nowhere in it.
    powers = [
        name for name in names if any(number_of(r.cells[name]) is not None and "e" in r.cells[name] for r in rows)
    ]
    odd = [r for r in rows if any(_has_no_power(r.cells[name]) for name in powers)]
    rows = [row for row in rows if row not in odd]
    unread = sorted([*unread, *(row.line for row in odd)], key=lambda line: line.number)
    if body and not any(not line.is_blank for line in lines[2 + len(body) :]):
        _check_last_of_tibble(types, kinds[-1], body[-1])
    unread += [line for line in notes if _MORE.match(line.words)]
    return Grid(tuple(names), tuple(rows), tuple(unread), 2 + len(body))


def _has_no_power(cell: str) -> bool:
    return cell not in ("0", "NA", "NaN", "Inf", "-Inf") and "e" not in cell


def _check_last_of_tibble(types: Line, kind: str, line: Line) -> None:
    """Raise PrintoutError if the last number of a text may be cut.

    Powers and counts end at one place; other numbers have three digits at least, or as many as there are.
    """
    word = line.words.split()[-1]
    is_short = len(line.text) < len(types.text) and (
        kind == "<int>" or "e" in word or word[-1:].isdigit() > ("." in word)
    )
    digits = re.sub(r"e.*|\D", "", word).lstrip("0")
    if is_short or (line.text == line.words and "e" in word) or (kind == "<dbl>" and 0 < len(digits) < 3):
        raise PrintoutError(f"Line {line.number} may end before the table does: {line.words!r:.120}. Was the text cut?")


def _full_names(heading: Line, notes: Sequence[Line]) -> list[str]:
    """Return the names of the columns; an abbreviated one has a raised number, which a note explains."""
    explained = dict(_NOTE.findall(" ".join(line.words for line in notes)))
    names: list[str] = []
    for word in heading.words.split():
        found = _ABBREVIATED.fullmatch(word)
        name = word.strip("`") if found is None else explained.get(found["note"], "")
        if "…" in name or not name or (found is not None and not name.startswith(found["start"])):
            raise PrintoutError(
                f"Line {heading.number} abbreviates the name of a column, {word!r}, and no note below the table gives "
                "it whole: paste the lines below the table too, or print it wider (options(width = 120) in R)."
            )
        names.append(name)
    if len(set(names)) < len(names):
        raise PrintoutError(f"Line {heading.number} names two columns alike: {heading.words!r:.120}.")
    return names


def _cells_of_tibble(types: Line, kinds: Sequence[str], line: Line) -> list[str] | None:
    """Return the cells of a row: numbers end under their type, texts begin under it; None where one does not."""
    places = [(m.start(), m.end()) for m in re.finditer(r"\S+", types.text)]
    ends = [end if kind in _OF_NUMBERS else start for kind, (start, end) in zip(kinds, places, strict=True)]
    rest = line.text
    if len(rest) > max(end for _, end in places) and kinds[-1] in _OF_NUMBERS:
        return None
    cells: list[str] = []
    for k in reversed(range(len(kinds))):
        if kinds[k] in _OF_NUMBERS:
            found = _NUMBER_AT_END.search(rest.rstrip())
            before = ends[k - 1] if k else 0
            if found is None or found.end() > ends[k] or found.end() <= before or found.start() < before:
                return None
            cells.append(_EXPONENT.sub("", found[0]))
            rest = rest[: found.start()]
            continue
        start = ends[k]
        cell = rest[start:].strip()
        if not cell or rest[start - 1 : start].strip() or not rest[start : start + 1].strip():
            return None
        cells.append(cell)
        rest = rest[:start]
    return cells[::-1] if re.fullmatch(r"\s*\d+\s*", rest) else None
