"""The printed fixed effects: the table of ``summary()``, the names over numbers of ``print()``, the formula's terms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.number import is_quotient
from lmmtools.printout.printed_fit import PrintedCoefficient
from lmmtools.printout.row import read_tail
from lmmtools.printout.terms import begins_like_effect
from lmmtools.printout.wrapping import is_numbers, join_heading, join_numbers, join_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line
    from lmmtools.printout.number import PrintedNumber
    from lmmtools.printout.row import Tail

__all__ = ["check_end", "has_stars", "read_fixed_correlations", "read_fixed_effects", "split_names"]

_COLUMN = re.compile(r"Estimate|Std\. ?Error|df|[tz][ -]?value|Pr\([^)]*\)")
_HEADER = re.compile(rf"(?:(?:{_COLUMN.pattern})(?: |$))+")
_NEEDED = {"estimate": "'Estimate'", "std_error": "'Std. Error'", "t": "'t value'"}
# A name in backticks is one word.
_WORD = re.compile(r"(?:[^\s`]|`[^`]*`)+")
_ONLY_STARS = re.compile(r"\s*(?:[*∗⋆]{1,3}|\.)")
_STARS = re.compile(r"\s(?P<stars>[*∗⋆]{1,3})$|\s\.$")


@dataclass(slots=True)
class _Strip:
    """Some columns of the table, with the rows below their heading."""

    columns: tuple[str, ...]
    names: list[str] = field(default_factory=list)
    rows: list[tuple[PrintedNumber, ...]] = field(default_factory=list)


def read_fixed_effects(
    lines: Sequence[Line], formula: str | None = None, *, is_z: bool = False
) -> list[PrintedCoefficient]:
    """Return the fixed effects; none where the model has none.

    Parameters
    ----------
    lines : sequence of Line
        What is printed from ``Fixed effects:`` to the next heading.
    formula : str, optional
        As printed: it tells a row that was cut from what is no row.
    is_z : bool
        Whether the table has z values; they are the ``t`` of the record.

    Raises
    ------
    PrintoutError
        If a row lacks numbers, or its t value is not estimate over standard error.
    """
    filled = [line for line in lines if not line.is_blank]
    if not filled:
        raise PrintoutError("Nothing is printed below 'Fixed effects:': was the text cut?")
    if filled[0].words == "No fixed effect coefficients":
        return []
    if _HEADER.fullmatch(filled[0].words) or join_heading(filled, _HEADER):
        return _read_table(lines, formula, is_z)
    if len(read_tail(_STARS.sub("", filled[0].text))) > 1:
        raise PrintoutError(
            "The table of fixed effects has no heading 'Estimate Std. Error t value': paste it with its first line."
        )
    return _read_names_over_numbers(lines, formula)


def has_stars(lines: Sequence[Line]) -> bool:
    """Whether a row ends in stars, which R explains below the table."""
    return any(found is not None and found["stars"] for found in (_STARS.search(line.text) for line in lines))


def check_end(lines: Sequence[Line]) -> None:
    """Raise PrintoutError if the last row of a table ends before its heading: R aligns both, so that it may be cut."""
    filled = [line for line in lines if not line.is_blank]
    last = filled[-1]
    if not _HEADER.fullmatch(filled[0].words) or last.text == last.words:
        return
    if len(_STARS.sub("", last.text).rstrip()) < len(filled[0].text.rstrip()):
        raise PrintoutError(f"Line {last.number} ends before the table does: {last.words!r}. Was the text cut?")


def _column_name(text: str) -> str:
    if text.startswith("Pr"):
        return "p"
    return {"E": "estimate", "S": "std_error", "d": "df", "t": "t", "z": "z"}[text[0]]


def _read_table(lines: Sequence[Line], formula: str | None, is_z: bool) -> list[PrintedCoefficient]:
    strips = _read_strips(_unwrap(lines), formula)
    if any(strip.names != strips[0].names for strip in strips):
        raise PrintoutError("The columns of the fixed effects have not the same rows: was the text cut?")
    if not strips[0].names:
        raise PrintoutError("The table of fixed effects has no rows: was the text cut?")
    columns = [c for strip in strips for c in strip.columns]
    if is_z:
        columns = ["t" if c == "z" else c for c in columns]
    if "z" in columns:
        raise PrintoutError("The fixed effects have z values: this is no linear mixed model of lme4 (glmer? glmmTMB?).")
    missing = [title for column, title in _NEEDED.items() if columns.count(column) != 1]
    if missing:
        raise PrintoutError(f"The table of fixed effects has not one column {', '.join(missing)}: was the text cut?")
    rows = [sum(parts, ()) for parts in zip(*(strip.rows for strip in strips), strict=True)]
    found = [
        PrintedCoefficient(name, **dict(zip(columns, row, strict=True)))
        for name, row in zip(strips[0].names, rows, strict=True)
    ]
    for c in found:
        _check_quotient(c)
    return found


def _unwrap(lines: Sequence[Line]) -> Sequence[Line]:
    """Return the table with heading and rows on one line each, where a narrow page broke them."""
    start = next(k for k, line in enumerate(lines) if not line.is_blank)
    found = join_heading(lines[start:], _HEADER)
    if found is None:
        return lines
    heading, used = found
    count = len(_COLUMN.findall(heading.words))
    whole = [heading]
    rest = [line for line in lines[start + used :] if not _ONLY_STARS.fullmatch(line.text)]
    rest = [replace(line, text=_STARS.sub("", line.text)) for line in rest]
    at = 0
    while at < len(rest) and not rest[at].is_blank:
        pieces = list(takewhile(is_numbers, rest[at + 1 :]))
        if not pieces and not read_tail(rest[at].text):
            break
        row, used = join_row([rest[at], *pieces], count)
        whole.append(row)
        at += used
    return [*whole, *rest[at:]]


def _read_strips(lines: Sequence[Line], formula: str | None) -> list[_Strip]:
    """Return the table strip by strip; it ends where a line is no row."""
    strips: list[_Strip] = []
    after_blank = False
    for k, line in enumerate(lines):
        if line.is_blank:
            after_blank = True
            continue
        if _HEADER.fullmatch(line.words):
            strips.append(_Strip(tuple(_column_name(c) for c in _COLUMN.findall(line.words))))
            continue
        strip = strips[-1]
        text = _STARS.sub("", line.text) if "p" in strip.columns else line.text
        tail = read_tail(text)
        count = len(strip.columns)
        is_last = all(rest.is_blank for rest in lines[k + 1 :])
        is_row = len(tail) >= count and bool(tail.label(count).strip())
        if not is_row and (_ONLY_STARS.fullmatch(text) or text == ""):
            continue
        # A blank line ends the table, or separates strips of it.
        if not is_row and (after_blank or not _is_cut_row(line, tail, formula, is_last=is_last)):
            break
        if not is_row or (is_last and _is_shorter(tail.last(count), strip)):
            raise PrintoutError(
                f"Line {line.number}, in the table of fixed effects, has not {count} numbers after a name: "
                f"{line.words!r}. Was the text cut?"
            )
        strip.names.append(" ".join(tail.label(count).split()))
        # R rounds the numbers of this table, and then lays them out with the digits that the column needs.
        strip.rows.append(tuple(number.rounded_twice() for number in tail.last(count)))
        after_blank = False
    return strips


def _is_cut_row(line: Line, tail: Tail, formula: str | None, *, is_last: bool) -> bool:
    """Whether a line that lacks numbers may be a row of the table, and not what follows it."""
    if not tail.label(len(tail)).strip():
        return True
    begins = begins_like_effect(line.text, formula, is_cut=is_last)
    return is_last or len(tail) > 0 if begins is None else begins


def _is_shorter(row: tuple[PrintedNumber, ...], strip: _Strip) -> bool:
    """Whether the last number has fewer decimals than those above it: a column of R's has as many in each row."""
    return bool(strip.rows) and "p" not in strip.columns and row[-1].decimals < strip.rows[-1][-1].decimals


def _check_quotient(c: PrintedCoefficient) -> None:
    if c.std_error is not None and c.t is not None and not is_quotient(c.t, c.estimate, c.std_error):
        raise PrintoutError(
            f"The t value of {c.name!r}, {c.t}, is not its estimate {c.estimate} over its standard error "
            f"{c.std_error}: a digit was lost or changed."
        )


def _read_names_over_numbers(lines: Sequence[Line], formula: str | None) -> list[PrintedCoefficient]:
    filled = [line for line in lines if not line.is_blank]
    after_blank = {line.number for before, line in pairwise(lines) if before.is_blank}
    found: list[PrintedCoefficient] = []
    for k in range(0, len(filled), 2):
        tail = read_tail(filled[k + 1].text) if k + 1 < len(filled) else None
        if tail is None or not len(tail) or tail.label(len(tail)).strip():
            is_last = k + 1 >= len(filled)
            begins = begins_like_effect(filled[k].text, formula, is_cut=is_last)
            if found and (filled[k].number in after_blank or begins is False):
                break
            raise PrintoutError(
                f"Line {filled[k].number}, in the fixed effects, has no line of numbers below it: "
                f"{filled[k].words!r}. Was the text cut?"
            )
        if filled[k + 1].text != filled[k + 1].words and len(filled[k + 1].text) < len(filled[k].text):
            raise PrintoutError(f"Line {filled[k + 1].number} ends before the names above it: was the text cut?")
        names = split_names(filled[k], tail)
        found.extend(PrintedCoefficient(name, value) for name, value in zip(names, tail.numbers, strict=True))
    if found[-1].estimate.decimals < found[0].estimate.decimals:
        raise PrintoutError(
            f"The last fixed effect, {found[-1].name} {found[-1].estimate}, has fewer decimals than the others: was "
            "the text cut?"
        )
    return found


def split_names(names: Line, tail: Tail) -> list[str]:
    """Return the names over numbers: by words, or where they have blanks, by the ends of the numbers."""
    words = _WORD.findall(names.text)
    if len(words) == len(tail):
        return words
    ends = [0, *(len(tail.text[:start].rstrip()) for start in tail.starts[1:]), len(tail.text)]
    pieces = [names.text[a:b].strip() for a, b in pairwise(ends)]
    is_apart = all(names.text[end : end + 1].strip() == "" for end in ends[1:])
    if not is_apart or len(names.text) > ends[-1] or not all(pieces):
        raise PrintoutError(
            f"Line {names.number} does not name {len(tail)} fixed effects, one over each number: {names.words!r}. Was "
            "the text cut, or its blanks lost?"
        )
    return [" ".join(piece.split()) for piece in pieces]


def read_fixed_correlations(
    lines: Sequence[Line], names: Sequence[str]
) -> tuple[tuple[PrintedNumber, ...], ...] | None:
    """Return the lower triangle of the correlations of the fixed effects, row by row, the first row left out.

    None if they are printed as symbols.

    Raises
    ------
    PrintoutError
        If rows are missing, or are not those of the effects.
    """
    p = len(names)
    filled = [line for line in lines if not line.is_blank]
    if any(map(is_numbers, filled)):
        filled = _unwrap_correlations(filled, p)
    rows: list[list[PrintedNumber]] = [[] for _ in range(p - 1)]
    at, done = 0, 0
    while done < p - 1:
        block = filled[at + 1 : at + p]
        width = _count_correlations(block[-1].text) if len(block) == p - 1 else 0
        if not width and done == 0 and len(block) == p - 1 and len(filled) > p:
            return None
        if not 0 < width <= p - 1 - done:
            raise PrintoutError(
                f"The correlations of the {p} fixed effects are not complete: {len(block)} of {p - 1} rows, "
                f"{done} of {p - 1} columns before them. Was the text cut?"
            )
        for i, line in enumerate(block):
            due = min(max(i + 1 - done, 0), width)
            tail = read_tail(line.text)
            if _count_correlations(line.text) < due or not _abbreviates(tail.label(due), names[i + 1]):
                raise PrintoutError(
                    f"Line {line.number}, in the correlations of the fixed effects, lacks numbers or is not the row of "
                    f"{names[i + 1]}: {line.words!r}. Was a line lost?"
                )
            rows[i].extend(tail.last(due))
        at, done = at + p, done + width
    return tuple(map(tuple, rows))


def _abbreviates(label: str, name: str) -> bool:
    """Whether a label has characters of the name alone, in their order, as R abbreviates names."""
    rest = iter(name)
    return all(sign in rest for sign in label if not sign.isspace())


def _unwrap_correlations(filled: Sequence[Line], p: int) -> list[Line]:
    """Return the matrix with heading and rows on one line each, where a narrow page broke them."""
    joined = join_numbers(filled)
    start = next((k for k, line in enumerate(joined) if _count_correlations(line.text)), 0)
    if start < 2 or len(joined) < start + p - 1:
        return joined
    # What stands above the first row is the heading.
    return [replace(joined[0], text=" ".join(line.words for line in joined[:start])), *joined[start:]]


def _count_correlations(text: str) -> int:
    """Return how many numbers at the end of a row can be correlations, with three decimals."""
    count = 0
    for number in reversed(read_tail(text).numbers):
        if not (number != number or (abs(number) <= 1 and number.decimals == 3)):
            break
        count += 1
    return count
