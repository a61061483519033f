"""The printed table of random effects, whole or cut in strips by a narrow page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.printed_fit import PrintedEffect
from lmmtools.printout.row import read_tail
from lmmtools.printout.wrapping import join_heading, join_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmmtools.printout.layout import Line
    from lmmtools.printout.number import PrintedNumber
    from lmmtools.printout.row import Tail

__all__ = ["RESIDUAL", "read_random_effects", "read_variances"]

RESIDUAL = "Residual"
_COLUMN = re.compile(r"Groups|Name|Variance|Std\. ?Dev\.?|Corr|Cov")
_HEADER = re.compile(rf"(?:(?:{_COLUMN.pattern})(?: |$))+")
_AMOUNTS = ("Variance", "Std.Dev.")
# A second term on a factor is numbered: Subject.1.
_TERM_NUMBER = re.compile(r"\.\d+$")


@dataclass(frozen=True, slots=True)
class _Strip:
    """Some columns of the table: their names, their heading, and their lines, blank ones too."""

    columns: tuple[str, ...]
    heading: str
    lines: list[Line]

    @property
    def amounts(self) -> int:
        return sum(c in _AMOUNTS for c in self.columns)

    @property
    def filled(self) -> list[Line]:
        return [line for line in self.lines if not line.is_blank]


@dataclass(slots=True)
class _Row:
    """A row while it is read: strip by strip, variance and standard deviation before correlations."""

    group: str
    name: str
    above: int
    amounts: list[PrintedNumber] = field(default_factory=list)
    correlations: list[PrintedNumber] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.group} {self.name}".rstrip()


def read_random_effects(lines: Sequence[Line], groups: Iterable[str]) -> tuple[list[PrintedEffect], PrintedEffect]:
    """Return the random effects, and the residual; parameters and errors as for ``read_variances``.

    Raises
    ------
    PrintoutError
        If there is no residual, as in a generalised model.
    """
    effects = read_variances(lines, groups)
    if len(effects) < 2 or effects[-1].group != RESIDUAL:
        raise PrintoutError(
            "The table of random effects has no row 'Residual': paste it whole; a model without a residual variance "
            "(glmer) is no linear mixed model."
        )
    return effects[:-1], effects[-1]


def read_variances(lines: Sequence[Line], groups: Iterable[str]) -> list[PrintedEffect]:
    """Return the rows of the table, the residual last where there is one.

    Parameters
    ----------
    lines : sequence of Line
        What is printed between ``Random effects:`` and ``Number of obs:``.
    groups : iterable of str
        The grouping factors: they tell a group from an effect where blanks were lost.

    Raises
    ------
    PrintoutError
        If a row or column is missing, or the numbers of a row contradict each other.
    """
    names = tuple(groups)
    strips = _split_strips(lines)
    columns = [c for strip in strips for c in strip.columns]
    amounts = [c for c in columns if c in _AMOUNTS]
    if columns[:2] != ["Groups", "Name"] or not amounts:
        raise PrintoutError(
            "The table of random effects has no heading 'Groups Name Variance Std.Dev.': paste it with its first line."
        )
    if "Cov" in columns:
        raise PrintoutError("The table of random effects shows covariances; print it with correlations.")
    is_narrow = "Name" not in strips[0].columns
    rows = _read_separate_strips(strips[0], strips[1]) if is_narrow else _read_labels(strips[0], set(names))
    for strip in strips[1 + is_narrow :]:
        _fill(rows, strip)
    return _make_effects(rows, amounts, names)


def _split_strips(lines: Sequence[Line]) -> list[_Strip]:
    start = next((k for k, line in enumerate(lines) if not line.is_blank), len(lines))
    found = join_heading(lines[start:], _HEADER)
    if found is not None:
        lines = [found[0], *join_numbers(lines[start + found[1] :])]
    strips = [_Strip((), "", [])]
    for line in lines:
        if _HEADER.fullmatch(line.words):
            names = (c.replace(" ", "") for c in _COLUMN.findall(line.words))
            strips.append(_Strip(tuple("Std.Dev." if c.startswith("Std") else c for c in names), line.text, []))
        else:
            strips[-1].lines.append(line)
    # The lines before the first heading are dropped if they are blank.
    return strips if strips[0].filled or len(strips) == 1 else strips[1:]


def _read_labels(strip: _Strip, groups: set[str]) -> list[_Row]:
    """Return the rows of a strip that has group and effect, with the numbers beside them."""
    rows: list[_Row] = []
    lines = strip.filled
    place = strip.heading.index("Name")
    for i, line in enumerate(lines):
        tail = read_tail(line.text)
        least = min(len(tail), strip.amounts)
        cell, _ = _split_label(tail.label(least), place, groups)
        above = 0 if cell or not rows else rows[-1].above + 1
        count = _count_numbers(tail, strip, above, line)
        cell, name = _split_label(tail.label(count), place, groups)
        group = cell or (rows[-1].group if rows else "")
        if not group or (not name and group != RESIDUAL):
            raise PrintoutError(
                f"Line {line.number}, in the table of random effects, has no group or no effect: {line.words!r}."
            )
        numbers = tail.last(count)
        if strip.amounts == 1 and count < len(tail):
            _check_place(lines, tail, count, line)
        rows.append(_Row(group, name, above, [*numbers[: strip.amounts]], [*numbers[strip.amounts :]]))
        if group == RESIDUAL:
            _fill_correlations(rows, lines[i + 1 :])
            break
    return rows


def _check_place(lines: Sequence[Line], tail: Tail, count: int, line: Line) -> None:
    """Raise PrintoutError if a number may belong to the column and not to the name that it ends.

    Without variance beside the standard deviation only the place tells: numbers of a column end at one place.
    """
    ends = {_end_of_number(read_tail(other.text), 1) for other in lines if len(read_tail(other.text)) == 1}
    if _end_of_number(tail, count) not in ends:
        raise PrintoutError(
            f"Line {line.number}, in the table of random effects, does not tell which of its numbers ends the name: "
            f'{line.words!r}. Print the fit with variances, print(fit, ranef.comp = c("Variance", "Std.Dev.")) in R.'
        )


def _end_of_number(tail: Tail, count: int) -> int:
    """Return where the first of the last ``count`` numbers ends."""
    stop = tail.starts[len(tail) - count + 1] if count > 1 else len(tail.text)
    return len(tail.text[:stop].rstrip())


def _split_label(label: str, place: int, groups: set[str]) -> tuple[str, str]:
    """Return group (empty on the further rows of a term) and effect.

    They are split at the place of the column ``Name`` if blanks were kept, else after the name of a group.
    """
    cell, name = label[:place].strip(), label[place:].strip()
    if label[place - 1 : place].strip() == "" and (not cell or _is_group(cell, groups)):
        return cell, " ".join(name.split())
    words = label.split()
    for k in range(len(words), 0, -1):
        cell = " ".join(words[:k])
        if _is_group(cell, groups) and (k < len(words) or cell == RESIDUAL):
            return cell, " ".join(words[k:])
    return "", " ".join(words)


def _is_group(cell: str, groups: set[str]) -> bool:
    return cell == RESIDUAL or cell in groups or _TERM_NUMBER.sub("", cell) in groups


def _count_numbers(tail: Tail, strip: _Strip, above: int, line: Line) -> int:
    """Return how many numbers at the end of a row are in the table's columns; its label may end in a number too."""
    most = above if "Corr" in strip.columns else 0
    for count in range(min(len(tail), strip.amounts + most), strip.amounts - 1, -1):
        numbers = tail.last(count)
        if _are_root_and_square(numbers[: strip.amounts]) and all(not abs(c) > 1 for c in numbers[strip.amounts :]):
            return count
    if len(tail) < strip.amounts:
        raise PrintoutError(
            f"Line {line.number}, in the table of random effects, has {len(tail)} of {strip.amounts} numbers: "
            f"{line.words!r}. Was the text cut?"
        )
    raise PrintoutError(_contradiction(line.words, f"line {line.number}"))


def _are_root_and_square(amounts: Sequence[PrintedNumber]) -> bool:
    """Whether variance and standard deviation can be rounded from one number; True if there is only one."""
    if any(a < 0 for a in amounts):
        return False
    if len(amounts) < 2:
        return True
    variance, sd = amounts
    square = sd.squared()
    return abs(variance - square) <= (variance.half_unit + square.half_unit) * (1 + 1e-9)


def _contradiction(what: str, where: str) -> str:
    return (
        f"The variance and standard deviation of {what!r} ({where}) are not square and root of one number: "
        "a digit was lost or changed."
    )


def _read_separate_strips(first: _Strip, second: _Strip) -> list[_Row]:
    """Return the rows of a table that has groups and effects in separate strips, matched by their blank lines."""
    cells = [line.words for line in first.lines]
    lines = second.lines[: len(cells)]
    is_named = [bool(tail.label(len(tail)).strip()) for tail in (read_tail(line.text) for line in lines)]
    is_whole = cells[-1:] == [RESIDUAL] and bool(cells[0]) and is_named == [cell != RESIDUAL for cell in cells]
    if second.columns[:1] != ("Name",) or not is_whole:
        raise PrintoutError(
            "The columns Groups and Name of the random effects are printed one below the other, and the blank lines "
            "that tell which effect is whose were lost: paste the text with them, or print it wider (options(width = "
            "120) in R)."
        )
    rows: list[_Row] = []
    for cell, line in zip(cells, lines, strict=True):
        above = 0 if cell else rows[-1].above + 1
        tail = read_tail(line.text)
        count = _count_numbers(tail, second, above, line)
        numbers = tail.last(count)
        name = " ".join(tail.label(count).split())
        group = cell or rows[-1].group
        rows.append(_Row(group, name, above, [*numbers[: second.amounts]], [*numbers[second.amounts :]]))
    _fill_correlations(rows, [line for line in second.lines[len(cells) :] if not line.is_blank])
    return rows


def _fill(rows: Sequence[_Row], strip: _Strip) -> None:
    """Add the numbers of a strip that has numbers only."""
    lines = strip.filled
    if not strip.amounts:
        _fill_correlations(rows, lines)
        return
    if len(lines) < len(rows):
        raise PrintoutError(
            f"The column {strip.columns[0]} of the random effects has {len(lines)} of {len(rows)} rows: "
            "was the text cut?"
        )
    for row, line in zip(rows, lines, strict=False):
        numbers = _numbers_only(line)
        row.amounts.extend(numbers[: strip.amounts])
        row.correlations.extend(numbers[strip.amounts :])
    _fill_correlations(rows, lines[len(rows) :])


def _fill_correlations(rows: Sequence[_Row], lines: Sequence[Line]) -> None:
    """Add correlations that stand below the table, line by line to the rows that still lack some."""
    waiting: list[_Row] = []
    for line in lines:
        waiting = waiting or [row for row in rows if row.above > len(row.correlations)]
        if not waiting:
            raise PrintoutError(f"Line {line.number} belongs to no row of the random effects: {line.words!r}.")
        waiting.pop(0).correlations.extend(_numbers_only(line))


def _numbers_only(line: Line) -> tuple[PrintedNumber, ...]:
    tail = read_tail(line.text)
    if tail.label(len(tail)).strip():
        raise PrintoutError(f"Line {line.number} belongs to no row of the random effects: {line.words!r}.")
    return tail.numbers


def _make_effects(rows: Sequence[_Row], columns: Sequence[str], groups: Sequence[str]) -> list[PrintedEffect]:
    """Return the rows as records; raise PrintoutError if a row lacks numbers."""
    effects: list[PrintedEffect] = []
    for row in rows:
        if len(row.amounts) != len(columns) or len(row.correlations) != row.above:
            found, due = len(row.amounts) + len(row.correlations), len(columns) + row.above
            raise PrintoutError(f"The row {str(row)!r} of the random effects has {found} of {due} numbers.")
        if not _are_root_and_square(row.amounts):
            raise PrintoutError(_contradiction(str(row), "random effects"))
        amounts = dict(zip(columns, row.amounts, strict=True))
        effects.append(
            PrintedEffect(
                row.group, row.name, amounts.get("Variance"), amounts.get("Std.Dev."), tuple(row.correlations)
            )
        )
    there = {name for effect in effects for name in (effect.group, _TERM_NUMBER.sub("", effect.group))}
    missing = [group for group in groups if group not in there]
    if missing:
        raise PrintoutError(
            f"The table of random effects has no row for {', '.join(missing)}, which 'Number of obs' lists: was a line "
            "lost?"
        )
    return effects
