"""Likelihood-ratio comparison of fits on the same data, as lme4's ``anova``, and which fits are nested."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import memory
from lmmtools.design.facts import have_same_response
from lmmtools.design.rows_elsewhere import StreamedBasis, StreamedCodes
from lmmtools.design.theta import lambda_factors, pack_lambda, triangular_factor
from lmmtools.engines import pls
from lmmtools.errors import ConvergenceWarning, DataError, warn_caller
from lmmtools.inference.tails import chi2_tail
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat, Prose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate
    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = [
    "WORSE",
    "LikelihoodRatio",
    "anova",
    "check_same_data",
    "fitted_by_ml",
    "lie_outside",
    "lower_estimate",
    "ratio_fields",
    "theta_within",
    "warn_of_negative",
]

DIGITS = 5

WORSE = 1e-4
"""Tolerance on the deviance: a model cannot be above a model nested in it by more than optimisers leave."""

OUTSIDE = 1e-7
"""A column is outside the larger model's X if its residual exceeds this share of it: R's tolerance of rank."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class LikelihoodRatio(Tabular):
    """Fits from the smallest to the largest; each is tested against the one before.

    ``to_frame()`` has the columns ``npar aic bic llf deviance chisq df p``, a row per fit.

    Attributes
    ----------
    names, formulas : tuple of str
    npar : tuple of int
        Parameters, variance parameters and sigma counted.
    aic, bic, llf : tuple of float
    chisq : tuple of float or None
        Twice the difference of the log-likelihoods, at least zero; None in the first row.
    df : tuple of int or None
    p : tuple of float or None
        From the chi-squared distribution; None where the models have as many parameters.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("Dyestuff2")
    >>> small = lmt.lmm("Yield ~ 0 + (1 | Batch)", data).fit(engine="pls")
    >>> large = lmt.lmm("Yield ~ 1 + (1 | Batch)", data).fit(engine="pls")
    >>> lmt.anova(small, large).df
    (None, 1)
    """

    names: tuple[str, ...]
    formulas: tuple[str, ...]
    npar: tuple[int, ...]
    aic: tuple[float, ...]
    bic: tuple[float, ...]
    llf: tuple[float, ...]
    chisq: tuple[float | None, ...]
    df: tuple[int | None, ...]
    p: tuple[float | None, ...]
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        zapped = NumberFormat("zapped", DIGITS)
        fields = (
            row_labels("", self.names),
            *ratio_fields(self, "npar", "aic", "bic", "llf"),
            Field("deviance", "deviance", [-2.0 * v for v in self.llf], zapped),
            *ratio_fields(self, "chisq", "df", "p"),
        )
        models = tuple(f"{n}: {f}" for n, f in zip(self.names, self.formulas, strict=True))
        return ResultTable("anova", fields, notes=self.notes, above=(Prose("models", models),))


@memory.door
def anova(*fits: Fit, names: Sequence[str] | None = None, refit: bool = True) -> LikelihoodRatio:
    """Return likelihood-ratio tests of nested fits, as lme4's ``anova(m0, m1)``.

    Parameters
    ----------
    *fits : LMMResults
        On the same rows; sorted by their number of parameters.
    names : sequence of str, optional
        One per fit; by default m0, m1, ... in the order given.
    refit : bool
        Refit REML fits by maximum likelihood, as lme4 does; without, REML fits must have the same fixed effects.

    Raises
    ------
    DataError
        If there are fewer than two fits, they are on other rows or responses, some are by REML and others not
        (with ``refit=False``), or REML criteria of different fixed effects would be compared.

    See Also
    --------
    bootstrap_test : The same with a simulated distribution.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("sleepstudy")
    >>> smaller = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit(engine="pls")
    >>> larger = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit(engine="pls")
    >>> lmt.anova(smaller, larger).to_frame()[["npar", "chisq", "df", "p"]].round(4)
        npar    chisq   df    p
    m0     4      NaN  NaN  NaN
    m1     6  42.1393  2.0  0.0
    """
    if len(fits) < 2 or not all(hasattr(f, "problem") for f in fits):
        raise DataError(
            "anova() compares two or more fits of lmmtools: anova(m0, m1). F tests of the terms of one: fit.anova()"
        )
    labels = tuple(names) if names is not None else tuple(f"m{i}" for i in range(len(fits)))
    if len(labels) != len(fits):
        raise DataError(f"names has {len(labels)} headings for {len(fits)} fits; give one for each")
    check_same_data(fits, labels)
    notes: list[str] = []
    if refit and any(f.reml for f in fits):
        again = [n for n, f in zip(labels, fits, strict=True) if f.reml]
        notes.append(f"refitted by maximum likelihood instead of REML: {', '.join(again)}")
        fits = tuple(fitted_by_ml(f) for f in fits)
    elif len({f.reml for f in fits}) > 1:
        raise DataError("some fits are by REML and others by ML; fit all by ML, or leave refit=True")
    elif fits[0].reml and not all(_have_same_columns(f, fits[0]) for f in fits[1:]):
        raise DataError("REML criteria of models with different fixed effects do not compare; leave refit=True")
    order = sorted(range(len(fits)), key=lambda i: fits[i].k_params)
    fits = _refit_above_submodels(fits, labels, order, notes)
    ranked = [fits[i] for i in order]
    chisq: list[float | None] = [None]
    df: list[int | None] = [None]
    p: list[float | None] = [None]
    for i, j in pairwise(order):
        smaller, larger = fits[i], fits[j]
        gain, extra = 2.0 * (larger.llf - smaller.llf), larger.k_params - smaller.k_params
        chisq.append(max(gain, 0.0))
        df.append(extra)
        p.append(chi2_tail(max(gain, 0.0), extra) if extra else None)
        if not extra:
            notes.append(f"{labels[j]} has as many parameters as {labels[i]}: neither is within the other, and no test")
        elif gain < -WORSE:
            notes.append(f"{labels[j]} fits worse than {labels[i]}, which is then not within it: the test says nothing")
    if any(len(a.theta) != len(b.theta) for a, b in pairwise(ranked)):
        notes.append("where a variance is tested at zero, its boundary, the p-values are conservative (too large)")
    return LikelihoodRatio(
        tuple(labels[i] for i in order),
        tuple(f.design.formula.source or str(f.design.formula) for f in ranked),
        tuple(f.k_params for f in ranked),
        tuple(f.aic for f in ranked),
        tuple(f.bic for f in ranked),
        tuple(f.llf for f in ranked),
        tuple(chisq),
        tuple(df),
        tuple(p),
        tuple(notes),
    )


def _refit_above_submodels(
    fits: tuple[Fit, ...], labels: tuple[str, ...], order: list[int], notes: list[str]
) -> tuple[Fit, ...]:
    """Return the fits; one whose deviance exceeds a nested model's is searched again from that model's optimum."""
    out = list(fits)
    for i, j in pairwise(order):
        smaller, larger = out[i], out[j]
        gap = larger.objective - smaller.objective
        within = _has_columns_of(larger.design, smaller.design)
        start = theta_within(larger.design, smaller.design, smaller.theta) if gap > WORSE and within else None
        if start is None:
            continue
        estimate = lower_estimate(larger, start)
        if estimate.objective < larger.objective:
            out[j] = larger.with_estimate(estimate)
            notes.append(
                f"{labels[j]} was above {labels[i]}, which is within it, by {gap:.2g}, and was searched again from "
                f"{labels[i]}'s optimum"
            )
        left = out[j].objective - smaller.objective
        if left > WORSE:
            warn_of_negative(f"{labels[j]} is above {labels[i]}, which is within it", left)
    return tuple(out)


def lower_estimate(fit: Fit, theta: Floats) -> Estimate:
    """Return the lower of two optima: searched from a nested model's theta, and from the engine's own starts."""
    found = [pls.fit_problem(fit.problem, reml=fit.reml, start=start) for start in (theta, None)]
    return min(found, key=lambda estimate: estimate.objective)


def warn_of_negative(what: str, by: float) -> None:
    """Warn that a likelihood ratio of nested models is negative, so that the larger fit is no optimum."""
    text = f"{what}, by {by:.2g} on the criterion: it is no optimum, and their likelihood ratio no test"
    warn_caller(ConvergenceWarning, text)


def check_same_data(fits: Sequence[Fit], labels: Sequence[str]) -> None:
    """Check that all fits are on the same rows and responses.

    Raises
    ------
    DataError
        If they are not.
    """
    first = fits[0]
    for fit, label in zip(fits[1:], labels[1:], strict=True):
        if fit.nobs != first.nobs:
            raise DataError(
                f"{labels[0]} used {first.nobs} rows and {label} {fit.nobs}: fits compare on the same rows only. Drop "
                "the rows with missing values first."
            )
        if not have_same_response(fit.design, first.design):
            raise DataError(
                f"{labels[0]} and {label} have different responses, or rows in another order: their likelihoods do not "
                "compare"
            )


_COLUMNS = {
    "npar": ("npar", NumberFormat("plain", DIGITS)),
    "aic": ("AIC", NumberFormat("zapped", DIGITS)),
    "bic": ("BIC", NumberFormat("zapped", DIGITS)),
    "llf": ("logLik", NumberFormat("zapped", DIGITS)),
    "lrt": ("LRT", NumberFormat("statistic", DIGITS)),
    "chisq": ("Chisq", NumberFormat("statistic", DIGITS)),
    "df": ("Df", NumberFormat("plain", DIGITS)),
    "p": ("Pr(>Chisq)", NumberFormat("pvalue", DIGITS - 1)),
    "p_chisq": ("Pr(>Chisq)", NumberFormat("pvalue", DIGITS - 1)),
}


def ratio_fields(table: object, *names: str) -> tuple[Field, ...]:
    """Return columns of a table of likelihood ratios, as R prints them: attributes of the record, by their names."""
    return tuple(Field(name, _COLUMNS[name][0], getattr(table, name), _COLUMNS[name][1]) for name in names)


def fitted_by_ml(fit: Fit) -> Fit:
    """Return the maximum-likelihood fit of the same model; ``fit`` itself if it is one."""
    if not fit.reml:
        return fit
    return fit.with_estimate(pls.fit_problem(fit.problem, reml=False))


def _have_same_columns(fit: Fit, other: Fit) -> bool:
    """Return whether X is the same up to the order of columns; the REML criterion depends on their units, too."""
    a, b = fit.design, other.design
    if sorted(a.x_names) != sorted(b.x_names):
        return False
    return np.array_equal(a.X[:, np.argsort(a.x_names)], b.X[:, np.argsort(b.x_names)])


def theta_within(larger: Design, smaller: Design, theta: Floats) -> Floats | None:
    """Return a smaller model's theta as theta of the larger, shape (k,); None if its random terms are not nested.

    Parameters
    ----------
    larger, smaller : Design
        On the same rows.
    theta : ndarray, shape (k of the smaller,)
    """
    sigmas = [np.zeros((b.l, b.l)) for b in larger.blocks]
    for block, lam in zip(smaller.blocks, lambda_factors(theta, smaller.blocks), strict=True):
        found = _find_term_within(block, larger.blocks)
        if found is None:
            return None
        k, at = found
        sigmas[k][np.ix_(at, at)] += lam @ lam.T
    return pack_lambda([triangular_factor(S) for S in sigmas])


def _find_term_within(block: Block, blocks: tuple[Block, ...]) -> tuple[int, list[int]] | None:
    """Return (index, places of the effects) of the block that has all effects of ``block``; None if there is none."""
    for k, other in enumerate(blocks):
        if other.m != block.m or not _are_same_levels(other.codes, block.codes):
            continue
        if isinstance(block.basis, StreamedBasis):
            # Of the same rows, columns of one name are the same.
            if set(block.cnames) <= set(other.cnames):
                return k, [other.cnames.index(name) for name in block.cnames]
            continue
        at = [_find_column(other.basis, column) for column in block.basis.T]
        if None not in at:
            return k, [j for j in at if j is not None]
    return None


def _are_same_levels(codes: NDArray[np.intp], others: NDArray[np.intp]) -> bool:
    """Return whether two factors with equally many levels group the rows alike."""
    if isinstance(codes, StreamedCodes) or isinstance(others, StreamedCodes):
        # Of the same rows, those of one factor do.
        return getattr(codes, "what", None) == getattr(others, "what", None)
    return np.array_equal(codes, others) or len(np.unique(np.column_stack([codes, others]), axis=0)) == codes.max() + 1


def _find_column(basis: Floats, column: Floats) -> int | None:
    """Return the index of a column in a basis, None if it is not there."""
    return next((j for j in range(basis.shape[1]) if np.array_equal(basis[:, j], column)), None)


def _has_columns_of(larger: Design, smaller: Design) -> bool:
    """Return whether the fixed effects of the larger model span those of the smaller."""
    if larger.streamed is None and smaller.streamed is None:
        return not lie_outside(smaller.X, larger).any()
    # Of rows that are not in memory, columns of the same names are known to be the same.
    return set(smaller.x_names) <= set(larger.x_names)


def lie_outside(X: Floats, larger: Design) -> NDArray[np.bool_]:
    """Return which columns of X, shape (n, c), are outside the span of a model's fixed effects, shape (c,)."""
    X, whole = _scale_columns(X), _scale_columns(larger.X)
    left = X - whole @ np.linalg.lstsq(whole, X, rcond=None)[0] if larger.p else X
    return np.asarray(np.linalg.norm(left, axis=0) > OUTSIDE * np.linalg.norm(X, axis=0))


def _scale_columns(X: Floats) -> Floats:
    """Return the columns divided by their largest absolute value; a column of zeros stays."""
    size = np.abs(X).max(axis=0, initial=0.0)
    return np.asarray(X / np.where(size > 0, size, 1.0))
