"""Parametric-bootstrap comparison of two nested fits, as pbkrtest's ``PBmodcomp``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core, memory
from lmmtools.errors import DataError, LmmError
from lmmtools.inference.draws import keep_draws, run_pieces, spawn_pieces
from lmmtools.inference.likelihood_ratio import check_same_data, fitted_by_ml, lie_outside
from lmmtools.inference.simulation import simulate
from lmmtools.inference.tails import chi2_tail
from lmmtools.progress import count
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat, Prose
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["BootstrapTest", "bootstrap_test"]

DIGITS = 5
SAME = 1e-9


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class BootstrapTest(Tabular):
    """A likelihood ratio and its draws under the smaller model.

    ``to_frame()`` has the columns ``statistic df p``, rows ``LRT`` and ``PBtest``.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods.
    df : int
        Parameters that the larger model has more.
    p_chisq : float
        From the chi-squared distribution.
    p : float
        (1 + draws as large) / (1 + draws).
    draws : ndarray, shape (draws,)
        Statistics under the smaller model, those that failed left out.
    n_failed : int
    n_not_converged : int
        Draws where either refit has no certified optimum; they count like the others.
    formulas : (str, str)
        Of the smaller and the larger model.
    interrupted : bool
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("Dyestuff")
    >>> smaller = lmt.lmm("Yield ~ 0 + (1 | Batch)", data).fit(engine="pls")
    >>> larger = lmt.lmm("Yield ~ 1 + (1 | Batch)", data).fit(engine="pls")
    >>> lmt.bootstrap_test(smaller, larger, n=19, rng=1).df
    1
    """

    statistic: float
    df: int
    p_chisq: float
    p: float
    draws: Floats
    n_failed: int
    n_not_converged: int
    formulas: tuple[str, str]
    interrupted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("", ("LRT", "PBtest")),
            Field("statistic", "stat", (self.statistic, self.statistic), NumberFormat("statistic", DIGITS)),
            Field("df", "df", (self.df, None), NumberFormat("plain", DIGITS)),
            Field("p", "p.value", (self.p_chisq, self.p), NumberFormat("pvalue", DIGITS - 1)),
        )
        models = Prose("models", (f"large : {self.formulas[1]}", f"small : {self.formulas[0]}"))
        said = [f"{len(self.draws)} draws under the smaller model, REML fits taken by maximum likelihood", *self.notes]
        if self.n_failed:
            said.append(f"{self.n_failed} draws failed and are left out")
        if self.n_not_converged:
            said.append(f"{self.n_not_converged} draws have a refit without a certified optimum")
        if self.interrupted:
            said.append("interrupted before all draws were made")
        return ResultTable("bootstrap_test", fields, "Bootstrap test", tuple(said), (models,))


@memory.door
def bootstrap_test(
    smaller: Fit,
    larger: Fit,
    n: int = 1000,
    *,
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> BootstrapTest:
    """Return the likelihood-ratio test of two nested fits, its distribution simulated under the smaller one.

    Parameters
    ----------
    smaller, larger : LMMResults
        On the same rows. Both are taken by maximum likelihood, as pbkrtest's ``PBmodcomp`` does.
    n : int
        Number of draws.
    rng : numpy.random.Generator, int or None
    n_jobs : int
        As for :meth:`LMMResults.bootstrap`; the draws are the same whatever it is.
    progress : bool
        Show how far it is (needs tqdm).

    Raises
    ------
    DataError
        If the fits are on other rows, responses or weights, the fixed effects of the first are not among those of the
        second, the first has not fewer parameters than the second, or ``n`` is not positive.

    See Also
    --------
    anova : The test by the chi-squared distribution.

    Notes
    -----
    Halekoh & Hojsgaard (2014), J. Stat. Softw. 59(9), section 4.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("Dyestuff")
    >>> smaller = lmt.lmm("Yield ~ 0 + (1 | Batch)", data).fit(engine="pls")
    >>> larger = lmt.lmm("Yield ~ 1 + (1 | Batch)", data).fit(engine="pls")
    >>> lmt.bootstrap_test(smaller, larger, n=19, rng=1).to_frame().round(3)
            statistic   df     p
    LRT        42.752  1.0  0.00
    PBtest     42.752  NaN  0.05
    """
    if not all(hasattr(fit, "problem") for fit in (smaller, larger)):
        raise DataError("bootstrap_test() compares two fits of lmmtools: bootstrap_test(smaller, larger)")
    for fit in (smaller, larger):
        core.refuse_shared(fit.design, "bootstrap")
    check_same_data((smaller, larger), ("smaller", "larger"))
    _check_nested(smaller.design, larger.design)
    small, large = fitted_by_ml(smaller), fitted_by_ml(larger)
    df = large.k_params - small.k_params
    if df <= 0:
        raise DataError(
            f"the first fit has {small.k_params} parameters, the second {large.k_params}: give the smaller model first"
        )
    statistic = 2.0 * (large.llf - small.llf)
    notes = ["the smaller model fits better: the two are not nested"] if statistic < -1e-6 else []
    pieces = [(small, large, size, seed) for size, seed in spawn_pieces(n, rng)]
    draws: list[Floats] = []
    interrupted = False
    with count(n, "bootstrap", progress=progress) as tell:
        try:
            for found in run_pieces(_draw_ratios, pieces, n_jobs):
                draws.append(found)
                tell(len(found))
        except KeyboardInterrupt:
            interrupted = True
        except MemoryError as error:
            keep_draws(error, sum(len(d) for d in draws), n)
            interrupted = True
    every = np.concatenate(draws) if draws else np.empty((0, 2))
    known, not_converged = every[np.isfinite(every[:, 0])].T
    p = (1.0 + float((known >= statistic - SAME).sum())) / (1.0 + len(known))
    names = [f.design.formula.source or str(f.design.formula) for f in (small, large)]
    p_chisq = chi2_tail(max(statistic, 0.0), df)
    failed = len(every) - len(known)
    return BootstrapTest(
        statistic,
        df,
        p_chisq,
        p,
        known,
        failed,
        int(not_converged.sum()),
        (names[0], names[1]),
        interrupted,
        tuple(notes),
    )


def _check_nested(small: Design, large: Design) -> None:
    """Check that the models have the same weights, and that the larger spans the smaller's fixed effects and offset.

    Raises
    ------
    DataError
        If they do not: data drawn from the smaller model would not follow the larger one.
    """
    ones = np.ones(large.n)
    first, second = (ones if d.weights is None else d.weights for d in (small, large))
    if not np.array_equal(first, second):
        raise DataError("the fits have different weights: data drawn with the ones do not follow the others' model")
    for d, X, names in ((small, small.X, small.x_names), (small, _offset_difference(small, large), ("the offset",))):
        outside = lie_outside(X, large)
        if outside.any():
            raise DataError(
                f"{names[int(np.argmax(outside))]} of {d.formula} is outside the fixed effects of {large.formula}: "
                "the models are not nested. Give the larger model every fixed effect of the smaller"
            )


def _offset_difference(small: Design, large: Design) -> Floats:
    """Return the difference of the two offsets, shape (n, 1)."""
    zero = np.zeros(large.n)
    first, second = (zero if d.offset is None else d.offset for d in (small, large))
    return np.asarray(first - second)[:, None]


@single
def _draw_ratios(small: Fit, large: Fit, size: int, seed: np.random.SeedSequence) -> Floats:
    """Return likelihood ratios (NaN where a refit failed) and whether a refit is not certified, shape (size, 2)."""
    e = small.estimate
    Y = simulate(small.design, e.beta, e.theta, e.sigma, size, np.random.default_rng(seed))
    try:
        return _likelihood_ratios(small, large, Y)
    except MemoryError:
        raise
    except LmmError:
        return np.concatenate([_ratio_or_nan(small, large, Y[:, [i]]) for i in range(size)])


def _likelihood_ratios(small: Fit, large: Fit, Y: Floats) -> Floats:
    """Return likelihood ratios of the data sets Y, (n, B), and whether a refit is not certified, shape (B, 2).

    A variance that only the larger model has is near zero in data drawn from the smaller one: no start for a search.
    """
    is_start = small.design.k == large.design.k
    first, second = (core.refit_many(fit.problem, Y, False, fit.theta if is_start else None) for fit in (small, large))
    ratio = np.maximum(first.objective - second.objective, 0.0)
    return np.column_stack([ratio, ~(first.converged & second.converged)])


def _ratio_or_nan(small: Fit, large: Fit, Y: Floats) -> Floats:
    """Return the same for one data set; NaN if it cannot be fitted."""
    try:
        return _likelihood_ratios(small, large, Y)
    except MemoryError:
        raise
    except LmmError:
        return np.array([[np.nan, 0.0]])
