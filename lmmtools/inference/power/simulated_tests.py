"""True parameters of a simulation, and tests of fixed effects on many data sets drawn from them at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import null_space
from scipy.special import chdtrc

from lmmtools import core
from lmmtools.design.theta import lower_root, pack_lambda
from lmmtools.errors import DataError, LmmError
from lmmtools.inference.anova import term_hypotheses
from lmmtools.inference.bootstrap.resampling import parameter_names, parameter_values
from lmmtools.inference.degrees import Satterthwaite
from lmmtools.inference.profile.coordinates import parameters_of
from lmmtools.inference.simulation import simulate
from lmmtools.inference.tails import f_tail
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = [
    "TESTS",
    "Hypothesis",
    "Truth",
    "hypotheses_of",
    "parameter_values_of",
    "simulated_p_values",
    "theta_and_sigma",
]

TESTS = {
    "satterthwaite": "t- and F-tests with Satterthwaite's degrees of freedom",
    "z": "z- and Wald's chi-squared tests",
    "lr": "likelihood-ratio tests",
}


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """The hypothesis that some contrasts of the fixed effects are zero.

    Attributes
    ----------
    name : str
        Of the fixed effect, or of the term.
    contrasts : ndarray, shape (q, p)
        Independent rows.
    """

    name: str
    contrasts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The model and the true parameters that data are drawn from.

    Attributes
    ----------
    design : Design
    theta : ndarray, shape (k,)
    sigma : float
    beta : ndarray, shape (p,)
    reml : bool
        Criterion of the refits.
    """

    design: Design
    theta: Floats
    sigma: float
    beta: Floats
    reml: bool


def hypotheses_of(
    design: Design, tested: str | Sequence[str] | None, effects: Mapping[str, float] | None
) -> list[Hypothesis]:
    """Return the hypotheses tested: of fixed effects, or of terms by type III.

    Raises
    ------
    DataError
        If there is no fixed effect and no term of that name.
    """
    if tested is None:
        tested = list(effects) if effects else [n for n in design.x_names if n != "Intercept"] or list(design.x_names)
    names = [tested] if isinstance(tested, str) else list(tested)
    rows = dict(zip(design.x_names, np.eye(design.p)[:, None], strict=True))
    if not set(names) <= set(rows):
        rows = dict(term_hypotheses(design, 3)) | rows
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise DataError(f"{unknown[0]!r} is no fixed effect and no term of the model; there are {', '.join(rows)}")
    return [Hypothesis(name, rows[name]) for name in names]


@single
def simulated_p_values(
    truth: Truth, test: str, hypotheses: Sequence[Hypothesis], n: int, seed: np.random.SeedSequence
) -> Floats:
    """Return p-values of n simulated data sets, (n, hypotheses), NaN where a test failed."""
    Y = simulate(truth.design, truth.beta, truth.theta, truth.sigma, n, np.random.default_rng(seed))
    problem = core.prepare(truth.design)
    try:
        return _p_values(problem, Y, truth, test, hypotheses)
    except MemoryError:
        raise
    except LmmError:
        # At least one data set cannot be fitted: test them one by one.
        return np.concatenate([_p_values_or_nan(problem, Y[:, [i]], truth, test, hypotheses) for i in range(n)])


def _p_values_or_nan(problem: Any, Y: Floats, truth: Truth, test: str, hypotheses: Sequence[Hypothesis]) -> Floats:
    """Return the p-values of one data set, shape (1, hypotheses); NaN if it cannot be fitted."""
    try:
        return _p_values(problem, Y, truth, test, hypotheses)
    except MemoryError:
        raise
    except LmmError:
        return np.full((1, len(hypotheses)), np.nan)


def _p_values(problem: Any, Y: Floats, truth: Truth, test: str, hypotheses: Sequence[Hypothesis]) -> Floats:
    """Return p-values of the data sets Y, (n, data sets), shape (data sets, hypotheses).

    Where they are fitted one by one, as large models are, the searches start at the true theta.
    """
    if test == "lr":
        return _likelihood_ratios(problem, Y, truth.theta, hypotheses)
    reml = truth.reml
    refits = core.refit_many(problem, Y, reml, truth.theta)
    wald = np.column_stack([_wald_statistics(h.contrasts, refits.beta, refits.beta_cov) for h in hypotheses])
    q = np.array([len(h.contrasts) for h in hypotheses])
    if test == "z":
        return np.asarray(chdtrc(q, wald))
    out = np.full(wald.shape, np.nan)
    for i, row in enumerate(wald / q):
        try:
            found = core.relative_uncertainty(problem.with_response(Y[:, i]), refits.theta[i], reml)
        except LmmError:
            continue
        by = Satterthwaite(found.cov, found.slopes, found.covariance)
        for j, (F, h) in enumerate(zip(row.tolist(), hypotheses, strict=True)):
            out[i, j] = f_tail(F, len(h.contrasts), by.f_reference(h.contrasts)[1])
    return out


def _wald_statistics(contrasts: Floats, beta: Floats, cov: Floats) -> Floats:
    """Return Wald's statistics of B fits, shape (B,)."""
    estimate = beta @ contrasts.T
    spread = contrasts @ cov @ contrasts.T
    return np.asarray(np.einsum("za,za->z", estimate, np.linalg.solve(spread, estimate[..., None])[..., 0]))


def _likelihood_ratios(problem: Any, Y: Floats, theta: Floats, hypotheses: Sequence[Hypothesis]) -> Floats:
    """Return p-values of likelihood-ratio tests, each against the model restricted to its hypothesis."""
    design = problem.design
    larger = core.refit_many(problem, Y, False, theta).objective
    out = np.empty((Y.shape[1], len(hypotheses)))
    for column, h in enumerate(hypotheses):
        X = design.fixed @ null_space(h.contrasts)
        smaller = replace(design, fixed=X, x_names=tuple(f"x{i}" for i in range(X.shape[1])))
        ratio = core.refit_many(core.prepare(smaller), Y, False, theta).objective - larger
        out[:, column] = chdtrc(len(h.contrasts), np.maximum(ratio, 0.0))
    return out


def parameter_values_of(
    model: Any, effects: Mapping[str, float] | None, parameters: Mapping[str, float] | None
) -> dict[str, float]:
    """Return the true value of every parameter by name: the values given, else the fit's estimates.

    Raises
    ------
    DataError
        If a name is unknown, a value is not a finite number, or a parameter has no value.
    """
    given = {**_as_mapping("effects", effects), **_as_mapping("parameters", parameters)}
    design = model.design
    names = parameter_names(design)
    unknown = [name for name in given if name not in names]
    if unknown:
        raise DataError(f"the model has no parameter {unknown[0]!r}; there are {', '.join(names)}")
    known: dict[str, float] = {}
    if hasattr(model, "estimate"):
        e = model.estimate
        values = parameter_values(design, e.theta[None], np.array([e.sigma]), e.beta[None])[0]
        known = dict(zip(names, np.nan_to_num(values).tolist(), strict=True))
    known |= given
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"there is no value for {', '.join(missing)}: a model that is not fitted has no estimates; give "
            "effects={...} and parameters={...}, or a fit"
        )
    return known


def _as_mapping(argument: str, given: Mapping[str, float] | None) -> dict[str, float]:
    """Return the values given as finite numbers by name."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DataError(
            f"{argument}={given!r} gives no values; write {argument}={{name: value}}, and tested=name for a test of "
            "what the fit estimates"
        )
    out = {}
    for name, value in given.items():
        try:
            out[name] = float(value)
        except (TypeError, ValueError):
            out[name] = np.nan
        if not np.isfinite(out[name]):
            raise DataError(f"{argument} has {name!r}: {value!r}; the value taken for true is a finite number")
    return out


def theta_and_sigma(design: Design, truth: Mapping[str, float]) -> tuple[Floats, float]:
    """Return theta, shape (k,), and sigma of standard deviations and correlations.

    Raises
    ------
    DataError
        If a standard deviation is negative, or correlations are impossible together.
    """
    (name,) = (p.name for p in parameters_of(design) if p.kind == "sigma")
    sigma = truth[name]
    if not sigma > 0:
        raise DataError(f"{name} is {sigma}; the residual standard deviation must be positive")
    factors = []
    for block in design.blocks:
        sd = np.array([truth[f"sd_{name}|{block.group}"] for name in block.cnames])
        if (sd < 0).any():
            raise DataError(f"a standard deviation of {block.term} is negative")
        cor = np.eye(block.l)
        for j in range(block.l):
            for i in range(j + 1, block.l):
                cor[i, j] = cor[j, i] = truth[f"cor_{block.cnames[i]}.{block.cnames[j]}|{block.group}"]
        values, vectors = np.linalg.eigh(cor)
        if values[0] < -1e-9:
            raise DataError(
                f"the correlations of {block.term} cannot go together: their matrix has a negative eigenvalue"
            )
        factors.append(lower_root(sd[:, None] / sigma * (vectors * np.sqrt(np.maximum(values, 0.0)))))
    return pack_lambda(factors), sigma
