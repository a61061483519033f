"""Tests of the random terms by single deletions, as lmerTest's ``ranova``, with the boundary's own distributions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.blocks import take_effects
from lmmtools.design.identification import find_ambiguities
from lmmtools.design.rows_elsewhere import StreamedBasis
from lmmtools.design.theta import lambda_factors, pack_lambda, theta_slices, upper_triangle
from lmmtools.engines import pls
from lmmtools.errors import DataError
from lmmtools.formula.terms import order_written
from lmmtools.inference.boundary_reference import Mixture, exact_draws, mixture
from lmmtools.inference.draws import as_generator, check_count
from lmmtools.inference.likelihood_ratio import WORSE, lower_estimate, ratio_fields, warn_of_negative
from lmmtools.inference.simulation import simulate
from lmmtools.inference.tails import chi2_tail
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels, stars
from lmmtools.report.table import NumberFormat, Prose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core import Problem
    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit
    from lmmtools.formula.terms import ModelFormula, RandomTerm

    Floats = NDArray[np.float64]

__all__ = ["RandomAnova", "random_anova", "reduced_formulas"]

DIGITS = 5

LARGEST = 3000
"""Most levels for which the eigenvalues of the exact distribution are computed."""

SAME = 1e-9
"""A draw this little below the observed ratio counts as equal: both may be zero up to rounding."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class RandomAnova(Tabular):
    """The model, and the model without each of its random effects.

    ``to_frame()`` has the columns ``npar llf aic lrt df p_chisq p p_simulated reference``, a row per model.

    Attributes
    ----------
    names : tuple of str
        The effect that is left out; ``"<none>"`` first.
    npar : tuple of int
    llf, aic : tuple of float
    lrt : tuple of float or None
        Twice the difference of the (restricted) log-likelihoods.
    df : tuple of int or None
    p_chisq : tuple of float or None
        From the chi-squared distribution with ``df`` degrees, as lmerTest: too large, since variances end at zero.
    p : tuple of float or None
        From the mixture of chi-squared distributions that the boundary gives.
    p_simulated : tuple of float or None
        From draws under the smaller model; None where none were asked for.
    references : tuple of str or None
        The mixtures in words.
    formula : str
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> fit.ranova().to_frame()[["lrt", "df"]].round(3)
                                 lrt   df
    <none>                       NaN  NaN
    Days in (Days | Subject)  42.837  2.0
    """

    names: tuple[str, ...]
    npar: tuple[int, ...]
    llf: tuple[float, ...]
    aic: tuple[float, ...]
    lrt: tuple[float | None, ...]
    df: tuple[int | None, ...]
    p_chisq: tuple[float | None, ...]
    p: tuple[float | None, ...]
    p_simulated: tuple[float | None, ...]
    references: tuple[str | None, ...]
    formula: str
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        p_value = NumberFormat("pvalue", DIGITS - 1)
        is_simulated = any(p is not None for p in self.p_simulated)
        fields = (
            row_labels("", self.names),
            *ratio_fields(self, "npar", "llf", "aic", "lrt", "df", "p_chisq"),
            Field("p", "Pr(mixture)", self.p, p_value),
            Field("p_simulated", "Pr(simulated)" if is_simulated else None, self.p_simulated, p_value),
            Field("reference", None, self.references),
            stars(self.p),
        )
        title = "ANOVA-like table for random-effects: Single term deletions"
        return ResultTable("ranova", fields, title, self.notes, (Prose("model", (f"Model: {self.formula}",)),))


def random_anova(
    fit: Fit, *, reduce_terms: bool = True, n_sim: int = 0, rng: np.random.Generator | int | None = None
) -> RandomAnova:
    """Return the tests of a fit's random effects; see :meth:`LMMResults.ranova`."""
    n_sim, generator = check_count(n_sim, "n_sim", least=0), as_generator(rng)
    notes = ["Pr(>Chisq) ignores that variances end at zero and is too large; Pr(mixture) does not"]
    notes += [f"a test of one of two equivalent terms says nothing: {pair}" for pair in find_ambiguities(fit.design)]
    fit = _with_constants_in_terms(fit)
    nulls = [(smaller, _fit_null(fit, smaller)) for smaller in _reductions(fit.design, reduce_terms=reduce_terms)]
    fit = _refit_if_above(fit, nulls, notes)
    rows: list[tuple[object, ...]] = [("<none>", fit.k_params, fit.llf, fit.aic, None, None, None, None, None, None)]
    for smaller, null in nulls:
        df = fit.design.k - sum(b.k for b in smaller.design.blocks)
        npar = fit.k_params - df
        lrt = max(null.objective - fit.objective, 0.0)
        reference = _boundary_mixture(fit, smaller, null, generator)
        if null.at_boundary:
            cure = "" if n_sim else "; n_sim=1000 draws the distribution instead"
            notes.append(f"{smaller.name}: without it {null.at_boundary}, so that the mixture holds only roughly{cure}")
        simulated = None
        if n_sim:
            draws, how = _draw_null_ratios(fit, null, n_sim, generator)
            simulated = float((1 + (draws >= lrt - SAME).sum()) / (1 + len(draws)))
            notes.append(f"{smaller.name}: {how}")
        p_chisq = chi2_tail(lrt, df)
        row = (smaller.name, npar, -0.5 * null.objective, null.objective + 2 * npar, lrt, df)
        rows.append((*row, p_chisq, reference.sf(lrt), simulated, reference.label))
    formula = fit.design.formula.source or str(fit.design.formula)
    columns: list[Any] = [*zip(*rows, strict=True), formula, tuple(notes)]
    return RandomAnova(*columns)


def reduced_formulas(design: Design) -> dict[str, ModelFormula]:
    """Return the model without each of its random effects, by the names that :func:`random_anova` gives them."""
    found = {}
    for smaller in _reductions(_with_constants(design)):
        written = sorted((block.term for block in smaller.design.blocks), key=lambda term: _place(term, design))
        found[smaller.name] = replace(design.formula, random=tuple(written), source="")
    return found


def _place(term: RandomTerm, design: Design) -> int:
    """Return where the first term on a factor stands in the formula."""
    return next(at for at, other in enumerate(design.formula.random) if set(other.factors) == set(term.factors))


def _refit_if_above(fit: Fit, nulls: list[tuple[_Reduction, _NullFit]], notes: list[str]) -> Fit:
    """Return the fit; searched again from the lowest smaller model's optimum if that lies below the fit."""
    if not nulls:
        return fit
    smaller, null = min(nulls, key=lambda one: one[1].objective)
    gap = fit.objective - null.objective
    if gap <= WORSE:
        return fit
    estimate = lower_estimate(fit, null.theta)
    if estimate.objective < fit.objective:
        fit = fit.with_estimate(estimate)
        notes.append(
            f"the fit was above the model without {smaller.name} by {gap:.2g}, and was searched again from its optimum"
        )
    if fit.objective - null.objective > WORSE:
        warn_of_negative(f"the fit is above the model without {smaller.name}", fit.objective - null.objective)
    return fit


def _with_constants_in_terms(fit: Fit) -> Fit:
    """Return the same fit with ``(0 + f | g)``, f a factor, written as ``(1 + f | g)``."""
    design = _with_constants(fit.design)
    if all(a is b for a, b in zip(design.blocks, fit.design.blocks, strict=True)):
        return fit
    return fit.on_design(design)


@dataclass(frozen=True, slots=True, eq=False)
class _NullFit:
    """The smaller model's fit.

    Attributes
    ----------
    problem : Problem or None
        None where nothing random is left.
    objective : float
    beta : ndarray, shape (p,)
    theta : ndarray, shape (k,)
        As theta of the full model, zero for what is left out.
    sigma : float
    at_boundary : str
        Variances that stay in the model and are zero, in words; empty if there are none.
    """

    problem: Problem | None
    objective: float
    beta: Floats
    theta: Floats
    sigma: float
    at_boundary: str


def _fit_null(fit: Fit, smaller: _Reduction) -> _NullFit:
    """Return the fit of a smaller model."""
    if not smaller.design.blocks:
        theta = np.zeros(fit.design.k)
        at = core.recover(fit.problem, theta, fit.reml)
        return _NullFit(
            None, core.evaluate(fit.problem, theta, fit.reml, False).objective, at.beta, theta, at.sigma, ""
        )
    problem = core.prepare(smaller.design)
    found = pls.fit_problem(problem, reml=fit.reml)
    boundary = core.information(problem, found.theta, fit.reml).boundary
    theta = _embed_theta(fit, smaller, found.theta)
    return _NullFit(problem, found.objective, found.beta, theta, found.sigma, " and ".join(boundary))


def _embed_theta(fit: Fit, smaller: _Reduction, theta: Floats) -> Floats:
    """Return the smaller model's theta as theta of the full model, zero for the effects removed."""
    factors = iter(lambda_factors(theta, smaller.design.blocks))
    full = []
    for k, block in enumerate(fit.design.blocks):
        keep = [j for j in range(block.l) if k != smaller.block or j not in smaller.removed]
        lam = np.zeros((block.l, block.l))
        if keep:
            lam[np.ix_(keep, keep)] = next(factors)
        full.append(lam)
    return pack_lambda(full)


def _boundary_mixture(fit: Fit, smaller: _Reduction, null: _NullFit, rng: np.random.Generator) -> Mixture:
    """Return the reference distribution of a deletion."""
    block = fit.design.blocks[smaller.block]
    d = len(smaller.removed)
    free = (block.l - d) * d
    if d == 1:
        return mixture(free, 1, None, rng)
    info = core.expected_information(fit.problem, null.theta, fit.reml)
    first = theta_slices(fit.design.blocks)[smaller.block].start
    columns, rows = (x.tolist() for x in upper_triangle(block.l))
    own = [first + i for i, (a, b) in enumerate(zip(rows, columns, strict=True)) if {a, b} <= set(smaller.removed)]
    rest = [i for i in range(len(info)) if i not in own]
    beside = info[np.ix_(own, rest)]
    profiled = info[np.ix_(own, own)] - beside @ np.linalg.pinv(info[np.ix_(rest, rest)]) @ beside.T
    return mixture(free, d, profiled, rng)


def _draw_null_ratios(fit: Fit, null: _NullFit, n_sim: int, rng: np.random.Generator) -> tuple[Floats, str]:
    """Return draws of the likelihood ratio under the smaller model, shape (n_sim,), and in words how they were made."""
    blocks = fit.design.blocks
    if len(blocks) == 1 and blocks[0].l == 1 and blocks[0].m <= LARGEST:
        A = fit.problem.structure.toarray()
        ZX = fit.problem.ZX
        residual = np.asarray(np.linalg.eigvalsh(A - ZX @ np.linalg.solve(fit.problem.XX, ZX.T)), dtype=float)
        whole = np.asarray(np.linalg.eigvalsh(A), dtype=float)
        draws = exact_draws(residual, whole, fit.reml, fit.nobs, fit.design.p, n_sim, rng)
        return draws, f"{n_sim} draws from the exact distribution at this sample size"
    Y = simulate(fit.design, null.beta, null.theta, null.sigma, n_sim, rng)
    larger = core.refit_many(fit.problem, Y, fit.reml).objective
    if null.problem is None:
        smaller = core.objectives_without_effects(fit.problem, Y, fit.reml)
    else:
        smaller = core.refit_many(null.problem, Y, fit.reml).objective
    return np.maximum(smaller - larger, 0.0), f"{n_sim} parametric bootstrap draws from the smaller model"


@dataclass(frozen=True, slots=True, eq=False)
class _Reduction:
    """The model without one random effect, or without one variable of a term.

    Attributes
    ----------
    name : str
        As lmerTest writes it: ``"Days in (Days | Subject)"``, or the term where all of it goes.
    design : Design
        The smaller model; it may have no blocks.
    block : int
        Index of the block in the full design.
    removed : tuple of int
        Effects of the block that are removed.
    """

    name: str
    design: Design
    block: int
    removed: tuple[int, ...]


def _with_constants(design: Design) -> Design:
    """Return the design with ``(0 + f | g)``, f a factor, written as the same model ``(1 + f | g)``.

    An effect of every level spans a constant: taking f out of the term leaves ``(1 | g)``, and not nothing.
    """
    few = design if design.streamed is None else design.streamed.few(design)
    pairs = zip(design.blocks, few.blocks, strict=True)
    return replace(design, blocks=tuple(_with_constant(b) if _spans_constant(some) else b for b, some in pairs))


def _spans_constant(block: Block) -> bool:
    """Return whether a block's only variable is a factor without a constant beside it."""
    is_one_variable = not block.term.intercept and len(block.term.variables) == 1
    return is_one_variable and block.l > 1 and bool(np.allclose(block.basis.sum(axis=1), 1.0))


def _with_constant(block: Block) -> Block:
    """Return the block ``(0 + f | g)`` in the basis of ``(1 + f | g)``."""
    basis: Any = block.basis
    if isinstance(basis, StreamedBasis):
        basis = basis.with_constant()
    else:
        basis = np.column_stack([np.ones(len(basis)), basis[:, 1:]])
    return replace(block, basis=basis, cnames=("(Intercept)", *block.cnames[1:]), encoder=None)


def _reductions(design: Design, *, reduce_terms: bool = True) -> list[_Reduction]:
    """Return the single deletions from a model's random terms, in lme4's order of terms.

    Parameters
    ----------
    design : Design
        As :func:`_with_constants` writes it.
    reduce_terms : bool
        Take the variables out of ``(x + z | g)`` one at a time, those that stand inside an interaction with another
        excepted; otherwise, and where nothing would be left, the whole term.

    Raises
    ------
    DataError
        If blocks share their variances, as only a MixedLM model that was read can have them.
    """
    if design.shared:
        raise DataError(
            "terms of this model share one variance, so that none can be left out alone; declare it with lmm(...)"
        )
    written = [design.formula.random[i] for i in order_written(design.formula.random)]
    found = []
    for k, block in sorted(enumerate(design.blocks), key=lambda item: written.index(item[1].term)):
        droppable = _droppable(block) if reduce_terms else ()
        for variable in droppable:
            own = _columns_of(block, variable)
            found.append(_Reduction(f"{variable} in {block.term}", _remove_columns(design, k, variable, own), k, own))
        if not droppable:
            rest = tuple(b for i, b in enumerate(design.blocks) if i != k)
            name = _named_whole(block) if reduce_terms else str(block.term)
            found.append(_Reduction(name, replace(design, blocks=rest), k, tuple(range(block.l))))
    return found


def _droppable(block: Block) -> tuple[str, ...]:
    """Return the variables that can be removed while a term remains."""
    variables = block.term.variables
    if _is_rewritten(block):
        return variables
    if len(variables) + block.term.intercept < 2:
        return ()
    parts = [frozenset(v.split(":")) for v in variables]
    return tuple(v for v, own in zip(variables, parts, strict=True) if not any(own < other for other in parts))


def _named_whole(block: Block) -> str:
    """Return the name of the removal of a whole term: ``"x in (0 + x | g)"`` if x is its only variable."""
    is_slope = not block.term.intercept and len(block.term.variables) == 1
    return f"{block.term.variables[0]} in {block.term}" if is_slope else str(block.term)


def _is_rewritten(block: Block) -> bool:
    """Return whether a block was written by :func:`_with_constant`."""
    return not block.term.intercept and block.cnames[0] == "(Intercept)"


def _columns_of(block: Block, variable: str) -> tuple[int, ...]:
    """Return the indices of a variable's columns in a block."""
    return tuple(range(1, block.l)) if _is_rewritten(block) else block.encoder.columns_by_term()[variable]


def _remove_columns(design: Design, k: int, variable: str, columns: tuple[int, ...]) -> Design:
    """Return the design without a variable of block k."""
    block = design.blocks[k]
    keep = [j for j in range(block.l) if j not in columns]
    left = tuple(v for v in block.term.variables if v != variable)
    term = replace(block.term, intercept=block.term.intercept or not left, variables=left)
    smaller = take_effects(block, keep, term=term)
    return replace(design, blocks=tuple(smaller if i == k else b for i, b in enumerate(design.blocks)))
