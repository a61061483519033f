"""Backward elimination, as lmerTest's ``step``: random effects by likelihood ratios, then fixed terms by F tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmmtools.design.fixed_terms import fixed_terms
from lmmtools.design.redeclare import redeclare
from lmmtools.errors import DataError
from lmmtools.inference.degrees import check_ddf, method_in_title
from lmmtools.inference.drop1 import SingleDeletions, drop_one, droppable_terms, without_term
from lmmtools.inference.likelihood_ratio import ratio_fields
from lmmtools.inference.ranova import RandomAnova, random_anova, reduced_formulas
from lmmtools.inference.wald_tests import FTest, f_fields
from lmmtools.report.result_table import Field, Printable, ResultTable, Tabular, pick, row_labels, stars
from lmmtools.report.table import Document, NumberFormat, Prose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import Method
    from lmmtools.report.table import Part

__all__ = ["FixedSteps", "RandomSteps", "Steps", "step_backward"]

DIGITS = 5


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class RandomSteps(Tabular):
    """The random effects in the order in which they were left out, then those that stay.

    ``to_frame()`` has the columns ``eliminated npar llf aic lrt df p``, a row per effect, the whole model first.

    Attributes
    ----------
    names : tuple of str
        As in :class:`RandomAnova`; ``"<none>"`` first.
    eliminated : tuple of int or None
        Number of the step at which it was left out; 0 where it stays.
    npar, llf, aic, lrt, df : tuple
        Of the model without it, beside the model at that step.
    p : tuple of float or None
        By which it was judged.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("strength ~ 1 + (1 | batch/cask)", lmt.datasets.load("Pastes")).fit(engine="pls")
    >>> fit.step().random.to_frame()[["eliminated", "lrt"]].round(3)
                      eliminated     lrt
    <none>                   NaN     NaN
    (1 | batch)              1.0   0.658
    (1 | cask:batch)         0.0  62.531
    """

    names: tuple[str, ...]
    eliminated: tuple[int | None, ...]
    npar: tuple[int, ...]
    llf: tuple[float, ...]
    aic: tuple[float, ...]
    lrt: tuple[float | None, ...]
    df: tuple[int | None, ...]
    p: tuple[float | None, ...]

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("", self.names),
            Field("eliminated", "Eliminated", self.eliminated, NumberFormat("plain", DIGITS)),
            *ratio_fields(self, "npar", "llf", "aic", "lrt", "df", "p"),
            stars(self.p),
        )
        return ResultTable("random", fields, "Backward reduced random-effect table")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FixedSteps(Tabular):
    """The terms of the fixed part in the order in which they were left out, then those that stay.

    ``to_frame()`` has the columns ``eliminated sum_sq mean_sq num_df den_df F p``, a row per term. A term that another
    contains to the end is not tested and has no row.

    Attributes
    ----------
    terms : tuple of str
    eliminated : tuple of int
        Number of the step at which it was left out; 0 where it stays.
    tests : tuple of FTest
        At the step at which it was left out; of the model found where it stays.
    ddf : str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("angle ~ recipe * temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
    >>> fit.step().fixed.eliminated
    (1, 2, 0)
    """

    terms: tuple[str, ...]
    eliminated: tuple[int, ...]
    tests: tuple[FTest, ...]
    ddf: Method

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("", self.terms),
            Field("eliminated", "Eliminated", self.eliminated, NumberFormat("plain", DIGITS)),
            *f_fields(self.tests, NumberFormat("zapped", DIGITS), DIGITS),
            stars(pick(self.tests, "p")),
        )
        return ResultTable("fixed", fields, "Backward reduced fixed-effect table", (method_in_title(self.ddf),))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Steps(Printable):
    """What backward elimination left out, and the model that it found.

    Attributes
    ----------
    random : RandomSteps
    fixed : FixedSteps
    fit : LMMResults
        The fit of the model found, by the criterion of the fit it began with.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("angle ~ recipe * temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
    >>> fit.step().formula
    'angle ~ temp + (1 | recipe:replicate)'
    """

    random: RandomSteps
    fixed: FixedSteps
    fit: Fit
    notes: tuple[str, ...] = ()

    @property
    def formula(self) -> str:
        """The model found, in lme4's notation."""
        return str(self.fit.design.formula)

    @property
    def document(self) -> Document:
        """Both tables and the model found, unrounded."""
        tables = [part for steps in (self.random._table, self.fixed._table) for part in _parts(steps)]
        found = Prose("model", (f"Model found: {self.formula}",))
        return Document("Backward elimination", (*tables, found, Prose("notes", self.notes)))


def _parts(table: ResultTable) -> tuple[Part, ...]:
    """Return a table under its title, and its notes; nothing of a table without rows."""
    if not len(table.fields[0].values):
        return ()
    return table.to_table(table.title), Prose(f"{table.name}_notes", table.notes)


def step_backward(
    fit: Fit,
    *,
    alpha_random: float = 0.1,
    alpha_fixed: float = 0.05,
    keep: Sequence[str] = (),
    reduce_random: bool = True,
    reduce_fixed: bool = True,
    ddf: str = "satterthwaite",
) -> Steps:
    """Return what backward elimination leaves out; see :meth:`LMMResults.step`."""
    method = check_ddf(ddf)
    for name, alpha in (("alpha_random", alpha_random), ("alpha_fixed", alpha_fixed)):
        if not (isinstance(alpha, (int, float)) and 0 <= alpha <= 1):
            raise DataError(f"{name}={alpha!r} is no level; give a number from 0 to 1")
    kept = [keep] if isinstance(keep, str) else list(keep) if isinstance(keep, Iterable) else [keep]
    _check_kept(fit, kept)
    notes: list[str] = []
    random = RandomSteps((), (), (), (), (), (), (), ())
    if reduce_random:
        fit, random, notes = _reduce_random(fit, alpha_random, kept)
    fixed = FixedSteps((), (), (), method)
    if reduce_fixed:
        fit, fixed = _reduce_fixed(fit, alpha_fixed, kept, method)
    return Steps(random, fixed, fit, tuple(notes))


def _check_kept(fit: Fit, kept: Sequence[str]) -> None:
    """Raise a DataError if what is to be kept is no term of the model."""
    names = [*droppable_terms(fit.design), *map(str, (block.term for block in fit.design.blocks))]
    names += [term.written for term in fixed_terms(fit.design) if term.name and term.written not in names]
    known = {*map(_squeezed, names), *map(_squeezed, reduced_formulas(fit.design))}
    for name in kept:
        if _squeezed(name) not in known:
            raise DataError(f"keep={name!r} is no term of the model; its terms are {', '.join(names)}")


def _squeezed(text: str) -> str:
    return "".join(str(text).split())


def _reduce_random(fit: Fit, alpha: float, kept: Sequence[str]) -> tuple[Fit, RandomSteps, list[str]]:
    """Return the fit without the random effects whose p-values are above alpha, one at a time, and how it went."""
    rows: list[tuple[object, ...]] = []
    notes: list[str] = []
    first = table = random_anova(fit)
    while True:
        formulas = reduced_formulas(fit.design)
        at = _least_needed(table, alpha, kept)
        if at is None:
            break
        smaller = formulas[table.names[at]]
        if not smaller.random:
            notes.append(
                f"{table.names[at]} stays although its p-value is {table.p_chisq[at]:.2g}: without it nothing is "
                "random, and ordinary least squares fits that model"
            )
            break
        rows.append(_random_row(table, at, len(rows) + 1))
        fit = fit.on_design(redeclare(fit.design, smaller))
        table = random_anova(fit)
    whole = ("<none>", None, first.npar[0], first.llf[0], first.aic[0], None, None, None)
    stay = [_random_row(table, at, 0) for at in range(1, len(table.names))]
    columns: list[Any] = list(zip(whole, *rows, *stay, strict=True))
    return fit, RandomSteps(*columns), notes


def _least_needed(table: RandomAnova, alpha: float, kept: Sequence[str]) -> int | None:
    """Return the row with the largest p-value above alpha, of those that need not be kept; None if there is none."""
    fixed = set(map(_squeezed, kept))
    found = [
        (p, at)
        for at, (name, p) in enumerate(zip(table.names, table.p_chisq, strict=True))
        if p is not None and p > alpha and not {_squeezed(name), _squeezed(name.rpartition(" in ")[2])} & fixed
    ]
    return max(found)[1] if found else None


def _random_row(table: RandomAnova, at: int, step: int) -> tuple[object, ...]:
    return (
        table.names[at],
        step,
        table.npar[at],
        table.llf[at],
        table.aic[at],
        table.lrt[at],
        table.df[at],
        table.p_chisq[at],
    )


def _reduce_fixed(fit: Fit, alpha: float, kept: Sequence[str], ddf: Method) -> tuple[Fit, FixedSteps]:
    """Return the fit without the fixed terms whose p-values are above alpha, one at a time, and how it went."""
    stay = set(map(_squeezed, kept))
    out: list[tuple[str, FTest]] = []
    while True:
        table = drop_one(fit, "F", ddf)
        assert isinstance(table, SingleDeletions)
        tests = dict(zip(table.terms, table.tests, strict=True))
        free = [(test.p, name) for name, test in tests.items() if _squeezed(name) not in stay and test.p > alpha]
        if not free:
            break
        name = max(free)[1]
        out.append((name, tests[name]))
        fit = without_term(fit, name)
    steps = [*range(1, len(out) + 1), *(0 for _ in tests)]
    return fit, FixedSteps((*(n for n, _ in out), *tests), tuple(steps), (*(t for _, t in out), *tests.values()), ddf)
