"""The printed fixed effects: the table of ``summary()``, the names over numbers of ``print()``, the formula's terms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.layout import read_tail
from lmmtools.printout.number import is_quotient
from lmmtools.printout.printed_fit import PrintedCoefficient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line, Tail
    from lmmtools.printout.number import PrintedNumber

__all__ = ["has_no_fixed_effects", "has_stars", "missing_terms", "read_fixed_correlations", "read_fixed_effects"]

_COLUMN = re.compile(r"Estimate|Std\. ?Error|df|[tz][ -]?value|Pr\([^)]*\)")
_HEADER = re.compile(rf"(?:(?:{_COLUMN.pattern})(?: |$))+")
_NEEDED = {"estimate": "'Estimate'", "std_error": "'Std. Error'", "t": "'t value'"}
# A name in backticks is one word.
_WORD = re.compile(r"(?:[^\s`]|`[^`]*`)+")
_STARS = re.compile(r"\s(?P<stars>[*∗⋆]{1,3})$|\s\.$")
_NAME = re.compile(r"`[^`]+`|(?<![\w.])\.?[^\W\d][\w.]*")
_NO_VARIABLE_AFTER = re.compile(r"\s*(?:\(|::|=(?!=))")
_CONSTANTS = frozenset({"TRUE", "FALSE", "T", "F", "NULL", "NA", "pi", "Inf"})
# Signs that typesetting puts in the place of R's.
_SIGNS = str.maketrans({"∼": "~", "˜": "~", "～": "~", "∣": "|", "│": "|", "−": "-", "–": "-"})


@dataclass(slots=True)
class _Strip:
    """Some columns of the table, with the rows below their heading."""

    columns: tuple[str, ...]
    names: list[str] = field(default_factory=list)
    rows: list[tuple[PrintedNumber, ...]] = field(default_factory=list)


def read_fixed_effects(lines: Sequence[Line]) -> list[PrintedCoefficient]:
    """Return the fixed effects; none where the model has none.

    Parameters
    ----------
    lines : sequence of Line
        What is printed from ``Fixed effects:`` to the next heading.

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
    if _HEADER.fullmatch(filled[0].words):
        return _read_table(lines)
    if len(read_tail(_STARS.sub("", filled[0].text))) > 1:
        raise PrintoutError(
            "The table of fixed effects has no heading 'Estimate Std. Error t value': paste it with its first line."
        )
    return _read_names_over_numbers(lines)


def has_stars(lines: Sequence[Line]) -> bool:
    """Whether a row ends in stars, which R explains below the table."""
    return any(found is not None and found["stars"] for found in (_STARS.search(line.text) for line in lines))


def _column_name(text: str) -> str:
    if text.startswith("Pr"):
        return "p"
    return {"E": "estimate", "S": "std_error", "d": "df", "t": "t", "z": "z"}[text[0]]


def _read_table(lines: Sequence[Line]) -> list[PrintedCoefficient]:
    strips = _read_strips(lines)
    if any(strip.names != strips[0].names for strip in strips):
        raise PrintoutError("The columns of the fixed effects have not the same rows: was the text cut?")
    if not strips[0].names:
        raise PrintoutError("The table of fixed effects has no rows: was the text cut?")
    columns = [c for strip in strips for c in strip.columns]
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


def _read_strips(lines: Sequence[Line]) -> list[_Strip]:
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
        # A blank line ends the table, or separates strips of it.
        if not is_row and (after_blank or not (len(tail) or is_last)):
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


def _is_shorter(row: tuple[PrintedNumber, ...], strip: _Strip) -> bool:
    """Whether the last number has fewer decimals than those above it: a column of R's has as many in each row."""
    return bool(strip.rows) and "p" not in strip.columns and row[-1].decimals < strip.rows[-1][-1].decimals


def _check_quotient(c: PrintedCoefficient) -> None:
    if c.std_error is not None and c.t is not None and not is_quotient(c.t, c.estimate, c.std_error):
        raise PrintoutError(
            f"The t value of {c.name!r}, {c.t}, is not its estimate {c.estimate} over its standard error "
            f"{c.std_error}: a digit was lost or changed."
        )


def _read_names_over_numbers(lines: Sequence[Line]) -> list[PrintedCoefficient]:
    filled = [line for line in lines if not line.is_blank]
    after_blank = {line.number for before, line in pairwise(lines) if before.is_blank}
    found: list[PrintedCoefficient] = []
    for k in range(0, len(filled), 2):
        tail = read_tail(filled[k + 1].text) if k + 1 < len(filled) else None
        if tail is None or not len(tail) or tail.label(len(tail)).strip():
            if found and filled[k].number in after_blank:
                break
            raise PrintoutError(
                f"Line {filled[k].number}, in the fixed effects, has no line of numbers below it: "
                f"{filled[k].words!r}. Was the text cut?"
            )
        names = _split_names(filled[k], tail)
        found.extend(PrintedCoefficient(name, value) for name, value in zip(names, tail.numbers, strict=True))
    if found[-1].estimate.decimals < found[0].estimate.decimals:
        raise PrintoutError(
            f"The last fixed effect, {found[-1].name} {found[-1].estimate}, has fewer decimals than the others: was "
            "the text cut?"
        )
    return found


def _split_names(names: Line, tail: Tail) -> list[str]:
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


def read_fixed_correlations(lines: Sequence[Line], p: int) -> tuple[tuple[PrintedNumber, ...], ...] | None:
    """Return the lower triangle of the correlations of ``p`` fixed effects, row by row, the first row left out.

    None if they are printed as symbols.

    Raises
    ------
    PrintoutError
        If rows are missing.
    """
    filled = [line for line in lines if not line.is_blank]
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
            if _count_correlations(line.text) < due:
                raise PrintoutError(
                    f"Line {line.number}, in the correlations of the fixed effects, lacks numbers: {line.words!r}."
                )
            rows[i].extend(tail.last(due))
        at, done = at + p, done + width
    return tuple(map(tuple, rows))


def _count_correlations(text: str) -> int:
    """Return how many numbers at the end of a row can be correlations, with three decimals."""
    count = 0
    for number in reversed(read_tail(text).numbers):
        if not (number != number or (abs(number) <= 1 and number.decimals == 3)):
            break
        count += 1
    return count


def missing_terms(formula: str, names: Sequence[str]) -> list[str]:
    """Return the intercept, variables and interactions of the formula for which there is no fixed effect.

    Parameters
    ----------
    formula : str
        As printed, ``"Reaction ~ Days + (Days | Subject)"``.
    names : sequence of str
        The fixed effects.

    Returns
    -------
    list of str
        Empty too if the formula does not show its terms: R printed the name of a formula, or the formula has a dot or
        removes terms.
    """
    terms = _fixed_terms(formula)
    if terms is None or "." in terms or any("-" in re.sub(r"- ?1\b|\([^()]*\)", "", term) for term in terms):
        return []
    text = re.sub(r"%[^%]*%", " ", " + ".join(terms))
    found = [
        match[0]
        for match in _NAME.finditer(text)
        if match[0] not in _CONSTANTS and not _NO_VARIABLE_AFTER.match(text, match.end())
    ]
    everything = " ".join(names)
    variables = [name for name in dict.fromkeys(found) if name.strip("`") not in everything]
    has_intercept = not any(re.search(r"^0$|- ?1$", term) for term in terms)
    intercept = ["(Intercept)"] if has_intercept and "(Intercept)" not in everything else []
    return [
        *intercept,
        *variables,
        *(":".join(parts) for parts in _interactions(terms) if not _have_interaction(names, parts)),
    ]


def _interactions(terms: Sequence[str]) -> list[list[str]]:
    """Return the variables of each term that is ``a * b`` or ``a:b`` of plain names."""
    split = ([part.strip() for part in re.split(r"[*:]", term)] for term in terms)
    return [parts for parts in split if len(parts) > 1 and all(_NAME.fullmatch(part) for part in parts)]


def _have_interaction(names: Sequence[str], parts: Sequence[str]) -> bool:
    return any(name.count(":") >= len(parts) - 1 and all(part in name for part in parts) for name in names)


def has_no_fixed_effects(formula: str) -> bool:
    """Whether a printed formula has no fixed effects: ``y ~ 0 + (1 | g)``."""
    terms = _fixed_terms(formula)
    return terms is not None and bool(terms) and all(term.replace(" ", "") in ("0", "-1") for term in terms)


def _fixed_terms(formula: str) -> list[str] | None:
    """Return the terms of the fixed effects, without offsets; None if there is no tilde."""
    _, tilde, right = formula.translate(_SIGNS).partition("~")
    if not tilde:
        return None
    pieces, depth = [""], 0
    for sign in right:
        depth += (sign in "([") - (sign in ")]")
        if sign == "+" and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += sign
    terms = (piece.strip() for piece in pieces)
    return [term for term in terms if term and "|" not in term and not term.startswith("offset(")]
