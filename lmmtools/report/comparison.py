"""Comparison of fits: a row per quantity, a column per fit, verdicts on differences and sentences that explain them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lmmtools.audience import line_width
from lmmtools.printout.number import rounding_of, shown
from lmmtools.report.comparison_column import ComparisonColumn
from lmmtools.report.comparison_rows import CRITERION_DECIMALS, DIGITS, ComparisonRow, Part, rows_of, worst
from lmmtools.report.effect_labels import match_key
from lmmtools.report.fit_readings import MODEL_BASED
from lmmtools.report.judging import (
    CANNOT,
    CRITERION_NOISE,
    DISAGREES,
    LOOSER,
    OTHER_MODEL,
    SAME,
    Verdict,
    judge_columns,
)
from lmmtools.report.model_difference import CRITERION_TOL, judge_gap, rename_like, same_values
from lmmtools.report.result_table import Printable
from lmmtools.report.table import Column, Document, NumberFormat, Prose, Table
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from lmmtools.report.judging import Judgement

__all__ = ["Comparison", "ComparisonColumn", "ComparisonRow", "compare_columns", "explain"]

_TONES: dict[Verdict, str] = {SAME: "good", LOOSER: "caution", CANNOT: "caution", DISAGREES: "bad", OTHER_MODEL: "bad"}

_QUIET: tuple[Part, ...] = (
    "t value",
    "df",
    "p value",
    "fixed correlation",
    "scaled residual",
    "mode",
    "groups",
    "log-likelihood",
    "AIC",
    "BIC",
)

# Faults and rows that a sentence names one by one.
MOST_NAMED = 4


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Printable):
    """Fits side by side; prints as text, shows as HTML in notebooks.

    Attributes
    ----------
    columns : tuple of ComparisonColumn
        The fits; differences are from the first.
    rows : tuple of ComparisonRow
        One per quantity.
    sentences : tuple of str
        Explanations of the differences, or the statement that the fits agree.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> lmt.compare(model, "pls", "mixedlm").verdict
    'same to the digits shown'
    """

    columns: tuple[ComparisonColumn, ...]
    rows: tuple[ComparisonRow, ...]
    sentences: tuple[str, ...]

    @property
    def verdict(self) -> Verdict | Literal[""]:
        """The worst verdict of any row."""
        return worst([row.verdict for row in self.rows])

    @property
    def shown_rows(self) -> tuple[ComparisonRow, ...]:
        """The rows that are printed: all but those that follow from others and agree."""
        return tuple(r for r in self.rows if r.part not in _QUIET or r.verdict not in ("", SAME))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per quantity: the fits' values, ``difference``, ``relative``, ``bound`` per fit, ``verdict``.

        The index has the quantities' names. Differences are from the first fit, unrounded.
        """
        import pandas as pd

        others = [c.name for c in self.columns[1:]]
        records = [
            [*row.values, *row.differences[1:], *row.relative[1:], *row.bounds[1:], row.verdict] for row in self.rows
        ]
        headers = [c.name for c in self.columns]
        headers += [f"difference {name}" for name in others] + [f"relative {name}" for name in others]
        headers += [f"bound {name}" for name in others] + ["verdict"]
        return pd.DataFrame(records, columns=headers, index=pd.Index([row.name for row in self.rows], name="quantity"))

    @property
    def document(self) -> Document:
        """Table and sentences, unrounded."""
        return Document("", (_build_table(self), Prose("sentences", self.sentences)))


def compare_columns(columns: Sequence[ComparisonColumn]) -> Comparison:
    """Return the comparison of two or more fits; differences are from the first.

    Columns with the same name are numbered.

    Raises
    ------
    ValueError
        If there are fewer than two columns.
    """
    if len(columns) < 2:
        raise ValueError(f"a comparison needs at least two fits, not {len(columns)}")
    first, *others = _distinct(columns)
    renamed = [rename_like(column, first) for column in others]
    named = (first, *(column for column, _ in renamed))
    judgements = judge_columns(named)
    rows = tuple(rows_of(named, judgements))
    disagreeing = [[row.name for row in rows if row.verdicts[k] == DISAGREES] for k in range(1, len(named))]
    verdicts = [worst([row.verdicts[k] for row in rows]) for k in range(1, len(named))]
    names = tuple(
        f"{old} in {column.name} is {new} in {first.name}: the same numbers under another name."
        for column, changed in renamed
        for old, new in changed.items()
    )
    return Comparison(named, rows, (*explain(named, judgements, verdicts, disagreeing), *names))


def _distinct(columns: Sequence[ComparisonColumn]) -> tuple[ComparisonColumn, ...]:
    seen: dict[str, int] = {}
    named = []
    for column in columns:
        seen[column.name] = seen.get(column.name, 0) + 1
        count = seen[column.name]
        named.append(column if count == 1 else replace(column, name=f"{column.name} ({count})"))
    return tuple(named)


def _build_table(comparison: Comparison) -> Table:
    """Return the printed table; with more than two fits it shows the largest difference of any of them."""
    by_row = NumberFormat("by row")
    is_long = len(comparison.columns) > 2
    small = NumberFormat("scientific", digits=2)
    said = [(row, _verdict_text(row)) for row in comparison.shown_rows]
    columns = (
        Column("", is_label=True),
        *(Column(c.name, by_row, "right") for c in comparison.columns),
        Column("largest difference" if is_long else "difference", small, "right"),
        Column("relative", small, "right"),
        Column("verdict", tones=tuple((text, _TONES[row.verdict]) for row, text in said if row.verdict)),
    )
    rows = tuple(
        (
            row.name,
            *map(shown, row.values),
            _largest(row.differences[1:]),
            _largest(row.relative[1:]),
            text or None,
        )
        for row, text in said
    )
    formats = tuple(_number_format(row) for row in comparison.shown_rows)
    return Table("comparison", "", columns, rows, row_numbers=formats, width=line_width(), is_ruled=True)


def _verdict_text(row: ComparisonRow) -> str:
    """Return a row's verdict, with the largest bound where the verdict is looser convergence."""
    bounds = [b for b in row.bounds if b is not None]
    return f"{row.verdict} (within {max(bounds):.2g})" if row.verdict == LOOSER and bounds else row.verdict


def _largest(values: Sequence[float | None]) -> float | None:
    present = [v for v in values if v is not None]
    return max(present, key=abs) if present else None


def _number_format(row: ComparisonRow) -> NumberFormat:
    if row.part == "criterion":
        return NumberFormat("correlation", CRITERION_DECIMALS)
    return NumberFormat("significant", 3 if row.part == "seconds" else DIGITS)


def explain(
    columns: Sequence[ComparisonColumn],
    judgements: Sequence[Judgement],
    verdicts: Sequence[Verdict | Literal[""]],
    disagreeing: Sequence[Sequence[str]],
) -> tuple[str, ...]:
    """Return sentences on why columns differ from the first, or one sentence that they agree.

    Parameters
    ----------
    columns : sequence of ComparisonColumn
    judgements, verdicts, disagreeing
        One for each column but the first: its judgement, its worst verdict, the names of its rows that disagree.
    """
    sentences: list[str] = []
    for judgement, verdict, names in zip(judgements, verdicts, disagreeing, strict=True):
        sentences.extend(_explain_pair(judgement, verdict, names))
    sentences.extend(_boundary_sentences(columns))
    sentences.extend(
        f"{c.name} does not claim to be an optimum: it did not converge." for c in columns if c.converged is False
    )
    if not sentences or all(v == SAME for v in verdicts):
        sentences.insert(0, f"{join_with_and([c.name for c in columns])} agree to the digits shown.")
    return tuple(dict.fromkeys(sentences))


def _explain_pair(j: Judgement, verdict: Verdict | Literal[""], names: Sequence[str]) -> Iterator[str]:
    column, reference = j.column, j.reference
    if j.is_coded:
        yield _recoded_sentence(column, reference)
    yield from j.reasons
    if not j.reasons and not j.is_coded:
        yield from _scale_sentence(column, reference)
    if column.error_kind != reference.error_kind:
        yield (
            f"The standard errors of {column.name} are {column.error_kind}, those of {reference.name} "
            f"{reference.error_kind}: these and what follows from them cannot be compared."
        )
    if column.is_ols != reference.is_ols and not j.reasons:
        ols, mixed = (column, reference) if column.is_ols else (reference, column)
        yield f"With its variances at zero, {mixed.name} is the linear model: {ols.name} has the same criterion."
    yield from _fault_sentences(j)
    if not j.reasons and not j.is_coded:
        yield from _convergence_sentences(j, verdict, names)


def _fault_sentences(j: Judgement) -> Iterator[str]:
    for (part, label), text in list(j.faults.items())[:MOST_NAMED]:
        whose = j.column.name if (part, label) in j.own else j.reference.name
        yield f"{part}{', ' if label else ''}{label} of {whose} contradicts its other numbers: {text}."


def _convergence_sentences(j: Judgement, verdict: Verdict | Literal[""], names: Sequence[str]) -> Iterator[str]:
    a, b = j.reference.name, j.column.name
    gap = j.column.criterion - j.reference.criterion
    worse, better = (b, a) if gap > 0 else (a, b)
    rounding = rounding_of(j.column.criterion) + rounding_of(j.reference.criterion)
    if not j.is_near:
        yield (
            f"The criterion of {worse} is higher than that of {better} by {abs(gap):.4g}, and lower is better: "
            f"{worse} stopped short of the optimum, or is not the model that its labels say."
        )
        return
    if verdict == DISAGREES and not j.faults:
        named = join_with_and(names, MOST_NAMED)
        yield (
            f"{named} of {b}: further from {a} than the criteria allow, which lie within {j.gap:.2g} of the optimum. "
            "No optimiser that stopped early explains that."
        )
    elif verdict == LOOSER:
        kind = (
            "each bound follows from the curvature of the criterion"
            if j.reach is not None
            else "the bounds are rough, from standard errors and numbers of groups: no fit here can be asked"
        )
        if abs(gap) <= rounding:
            yield (
                f"{b} and {a} have the same criterion as far as it is printed; numbers that differ by more than their "
                f"last digit lie within what that leaves open ({kind})."
            )
        elif abs(gap) <= CRITERION_NOISE * max(1.0, abs(j.reference.criterion)):
            yield f"{b} and {a} have the same criterion, which is too flat here to fix the other numbers further."
        else:
            yield (
                f"{b} and {a} found the same optimum, but the optimiser of {worse} stopped early: its criterion is "
                f"higher by {abs(gap):.2g}, which lets each number lie within its bound ({kind})."
            )
    elif verdict == CANNOT and j.column.error_kind == j.reference.error_kind == MODEL_BASED:
        yield f"What is known of {b} and {a} does not tell how far some of their numbers may lie apart."


def _recoded_sentence(column: ComparisonColumn, reference: ComparisonColumn) -> str:
    gap = judge_gap(column, reference)
    criteria = (
        f" Under REML the criterion depends on the coding of X (by log|X'X|), hence the difference of {gap:.4g} in it."
        if column.reml and gap > CRITERION_TOL
        else ""
    )
    return (
        f"{column.name} codes the fixed effects otherwise than {reference.name}: other contrasts, another reference "
        "level, or other units of a column. Variances and residual are the same, so it is one model in other "
        f"coordinates.{criteria}"
    )


def _scale_sentence(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    """Yield a sentence if the estimates agree and all standard errors differ by the same factor."""
    mine = {match_key(k): v for k, v in column.std_errors.items()}
    theirs = {match_key(k): v for k, v in reference.std_errors.items()}
    common = [k for k in mine if theirs.get(k, 0.0) > 0 and mine[k] > 0]
    if not common or not same_values(column.fixef, reference.fixef, 1e-4, match_key):
        return
    ratios = [mine[k] / theirs[k] for k in common]
    slack = max((rounding_of(mine[k]) / mine[k] + rounding_of(theirs[k]) / theirs[k]) for k in common)
    middle = math.exp(sum(map(math.log, ratios)) / len(ratios))
    if abs(middle - 1.0) <= 1e-3 + slack or any(abs(r / middle - 1.0) > 1e-3 + slack for r in ratios):
        return
    is_sigma = abs(middle * reference.sigma - 1.0) < 1e-2 or abs(middle / reference.sigma - 1.0) < 1e-2
    why = f" That is sigma ({reference.sigma:.4g}): one of the two leaves it out." if is_sigma else ""
    yield (
        f"The estimates agree, but all standard errors of {column.name} are {middle:.4g} times those of "
        f"{reference.name}: they are on another scale.{why}"
    )


def _boundary_sentences(columns: Sequence[ComparisonColumn]) -> Iterator[str]:
    at = [c.name for c in columns if c.is_singular]
    inside = [c.name for c in columns if c.is_singular is False]
    if at and inside:
        yield (
            f"{join_with_and(at)} {'is' if len(at) == 1 else 'are'} at the boundary (singular), "
            f"{join_with_and(inside)} not: near a variance of zero or a correlation of one the "
            "criterion is flat, and some optimisers stop short."
        )
    elif at:
        yield f"{join_with_and(at)}: singular, with a variance at zero or effects that determine each other."
