"""Power by simulation: how often tests of the fixed effects reject, for data yet to be collected too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.rank import independent_columns
from lmmtools.design.record import Design
from lmmtools.design.stack import extend_design
from lmmtools.design.theta import pack_lambda
from lmmtools.engines import pls
from lmmtools.errors import DataError, EngineError, LmmError
from lmmtools.inference.bootstrap.pieces import run_pieces, spawn_pieces
from lmmtools.inference.bootstrap.statistics import parameter_names, parameter_values
from lmmtools.inference.simulation import simulate
from lmmtools.inference.tails import check_alpha, chi2_quantile, t_two_sided
from lmmtools.progress import count
from lmmtools.report.printable import Printable
from lmmtools.report.table import Column, Document, NumberFormat, Prose, Table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Power", "power"]

TESTS = {
    "satterthwaite": "t-tests with Satterthwaite's degrees of freedom",
    "z": "z-tests",
    "lr": "likelihood-ratio tests",
}


@dataclass(frozen=True, slots=True)
class PowerRow:
    """The power of one test on one design.

    Attributes
    ----------
    effect : str
        The fixed effect tested, and its value in the simulation.
    value : float
    size : int or None
        Levels of the factor that the design was extended along.
    n_rows : int
    power : float
        Share of the simulated data sets where the test rejects.
    lower, upper : float
        Wilson's 95% interval for that share.
    n_sim, n_failed : int
        Data sets with a test, and those without.
    """

    effect: str
    value: float
    size: int | None
    n_rows: int
    power: float
    lower: float
    upper: float
    n_sim: int
    n_failed: int


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Power(Printable):
    """Power, a row per design and effect.

    Attributes
    ----------
    rows : tuple of PowerRow
    along : str or None
        The factor that the design was extended along.
    alpha : float
    test : str
    interrupted : bool
    """

    rows: tuple[PowerRow, ...]
    along: str | None
    alpha: float
    test: str
    interrupted: bool = False

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``effect value size n_rows power lower upper n_sim n_failed``."""
        import pandas as pd

        names = ["effect", "value", "size", "n_rows", "power", "lower", "upper", "n_sim", "n_failed"]
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

    @property
    def document(self) -> Document:
        """The table, unrounded."""
        share, plain = NumberFormat("correlation", 3), NumberFormat("plain", 5)
        columns = [Column("", is_label=True), Column("Value", plain, "right")]
        columns += [Column(self.along or "", plain, "right")] if self.along else []
        columns += [Column("Rows", plain, "right"), Column("Power", share, "right")]
        columns += [Column("2.5 %", share, "right"), Column("97.5 %", share, "right")]
        rows = []
        for r in self.rows:
            size: tuple[int | None, ...] = (r.size,) if self.along else ()
            rows.append((r.effect, r.value, *size, r.n_rows, r.power, r.lower, r.upper))
        n_sim = max((r.n_sim + r.n_failed for r in self.rows), default=0)
        notes = [f"{n_sim} simulated data sets each; {TESTS[self.test]} at the level {self.alpha:g}"]
        failed = sum(r.n_failed for r in self.rows)
        if failed:
            notes.append(f"{failed} tests failed and are left out")
        if self.interrupted:
            notes.append("interrupted before all data sets were made")
        return Document(
            "Power by simulation", (Table("power", "", tuple(columns), tuple(rows)), Prose("notes", tuple(notes)))
        )


def power(
    model: Any,
    effects: Mapping[str, float] | None = None,
    *,
    parameters: Mapping[str, float] | None = None,
    tested: str | Sequence[str] | None = None,
    n_sim: int = 500,
    alpha: float = 0.05,
    test: str = "satterthwaite",
    along: Mapping[str, Sequence[int]] | None = None,
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> Power:
    """Return the power of tests of fixed effects, by simulating from a model and testing each data set.

    Parameters
    ----------
    model : LMMResults or Model
        A fit, whose estimates are taken for true where nothing else is said; or a model, all of whose parameters are
        given.
    effects : mapping of str to float, optional
        Fixed effects to be taken for true.
    parameters : mapping of str to float, optional
        ``sd_...``, ``cor_...`` and ``sigma`` to be taken for true, named as ``fit.profile()`` names them.
    tested : str or sequence of str, optional
        Fixed effects to test; those in ``effects`` by default, or all but the intercept.
    n_sim : int
        Data sets per design.
    alpha : float
        Level of the tests.
    test : {"satterthwaite", "z", "lr"}
        t with Satterthwaite's degrees of freedom, normal, or likelihood ratio against the model without the effect.
    along : mapping of str to sequence of int, optional
        One grouping factor, and how many levels it is to have: ``{"Subject": [10, 20, 40]}``. New levels repeat the
        rows of those there are; factors within it get new levels too, factors that cross it keep theirs.
    rng : numpy.random.Generator, int or None
    n_jobs : int
        As for :meth:`LMMResults.bootstrap`; the draws are the same whatever it is.
    progress : bool
        Show how far it is (needs tqdm).

    Returns
    -------
    Power
        ``.to_frame()`` has a row per design and effect, with Wilson's interval for the share that rejects.

    Raises
    ------
    DataError
        If an effect, a parameter or a factor is unknown, a parameter of a model is missing, correlations are
        impossible, a size or ``n_sim`` is not positive, or there is no such test.
    """
    if test not in TESTS:
        raise DataError(f"test={test!r} is not known; use one of {', '.join(map(repr, TESTS))}")
    check_alpha(alpha)
    if not isinstance(getattr(model, "design", None), Design):
        raise DataError(f"power() takes a model or a fit, as lmm() and fit() return them, not {type(model).__name__}")
    pls.refuse_shared(model.design, "power")
    design, reml = model.design, bool(getattr(model, "reml", True))
    truth = _truth(model, {**(effects or {}), **(parameters or {})})
    names = _tested(design, tested, effects)
    at = [design.x_names.index(name) for name in names]
    factor, sizes = _sizes(along)
    theta, sigma = _theta(design, truth)
    beta = np.array([truth[name] for name in design.x_names])
    rows: list[PowerRow] = []
    interrupted = False
    pieces = spawn_pieces(n_sim, rng)
    with count(n_sim * len(sizes), "power", progress=progress) as tell:
        for size in sizes:
            extended = design if factor is None or size is None else _extend(design, factor, size)
            work = [((extended, theta, sigma, beta, reml), test, at, n, seed) for n, seed in pieces]
            found: list[Floats] = []
            try:
                for p in run_pieces(_p_values, work, n_jobs):
                    found.append(p)
                    tell(len(p))
            except KeyboardInterrupt:
                interrupted = True
            if found:
                rows += _rows(np.concatenate(found), names, beta[at], size, extended.n, alpha)
            if interrupted:
                break
    return Power(tuple(rows), factor, alpha, test, interrupted)


def _extend(design: Design, factor: str, size: int) -> Design:
    """Return the design with ``size`` levels of a factor.

    Raises
    ------
    DataError
        If so few levels do not determine the fixed effects.
    """
    extended = extend_design(design, factor, size)
    kept = set(independent_columns(extended.X).tolist())
    lost = [name for j, name in enumerate(design.x_names) if j not in kept]
    if lost:
        raise DataError(
            f"the first {size} levels of {factor} do not determine {', '.join(lost)}; ask for more levels, or order "
            "them so that the first ones have all its values"
        )
    return extended


def _truth(model: Any, given: Mapping[str, float]) -> dict[str, float]:
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
    known |= {name: float(value) for name, value in given.items()}
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"what is {', '.join(missing)}? A model that is not fitted has no values of its own; give effects={{...}} "
            "and parameters={...}, or a fit"
        )
    return known


def _tested(design: Design, tested: str | Sequence[str] | None, effects: Mapping[str, float] | None) -> list[str]:
    if tested is None:
        tested = list(effects) if effects else [n for n in design.x_names if n != "Intercept"] or list(design.x_names)
    names = [tested] if isinstance(tested, str) else list(tested)
    unknown = [name for name in names if name not in design.x_names]
    if unknown:
        raise DataError(f"{unknown[0]!r} is no fixed effect of the model; there are {', '.join(design.x_names)}")
    return names


def _sizes(along: Mapping[str, Sequence[int]] | None) -> tuple[str | None, list[int | None]]:
    if along is None:
        return None, [None]
    if len(along) != 1:
        raise DataError(f"along= takes one factor with its sizes, not {len(along)}")
    ((factor, sizes),) = along.items()
    return factor, [int(size) for size in np.atleast_1d(np.asarray(sizes))]


def _theta(design: Design, truth: Mapping[str, float]) -> tuple[Floats, float]:
    sigma = truth["sigma"]
    if not sigma > 0:
        raise DataError(f"sigma is {sigma}; the residual standard deviation must be positive")
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
        half = sd[:, None] / sigma * (vectors * np.sqrt(np.maximum(values, 0.0)))
        r = np.asarray(np.linalg.qr(half.T, mode="r"), dtype=float)
        factors.append((r * np.where(np.diag(r) < 0, -1.0, 1.0)[:, None]).T)
    return pack_lambda(factors), sigma


def _p_values(
    truth: tuple[Design, Floats, float, Floats, bool], test: str, at: list[int], n: int, seed: np.random.SeedSequence
) -> Floats:
    """Return p-values, (n, effects), NaN where a test failed."""
    design, theta, sigma, beta, reml = truth
    Y = simulate(design, beta, theta, sigma, n, np.random.default_rng(seed))
    problem = pls.prepare(design)
    try:
        return _test(design, problem, Y, reml, test, at)
    except LmmError:
        # One data set that cannot be fitted: find it.
        return np.concatenate([_test_one(design, problem, Y[:, [i]], reml, test, at) for i in range(n)])


def _test_one(design: Design, problem: Any, Y: Floats, reml: bool, test: str, at: list[int]) -> Floats:
    try:
        return _test(design, problem, Y, reml, test, at)
    except LmmError:
        return np.full((1, len(at)), np.nan)


def _test(design: Design, problem: Any, Y: Floats, reml: bool, test: str, at: list[int]) -> Floats:
    """Return p-values of the data sets Y, (n, data sets), shape (data sets, effects)."""
    if test == "lr":
        return _likelihood_ratios(design, problem, Y, at)
    refits = pls.refit_many(problem, Y, reml)
    error = np.sqrt(np.einsum("zaa->za", refits.beta_cov))[:, at]
    t = refits.beta[:, at] / error
    if test == "z":
        return t_two_sided(t, np.inf)
    df = np.full(t.shape, np.nan)
    for i in range(Y.shape[1]):
        try:
            found = pls.relative_uncertainty(problem.with_response(Y[:, i]), refits.theta[i], reml)
        except LmmError:
            continue
        variance = np.einsum("aa->a", found.cov)[at]
        slopes = np.einsum("iaa->ia", found.slopes)[:, at]
        df[i] = 2.0 * variance**2 / np.einsum("ia,ij,ja->a", slopes, found.covariance, slopes)
    return np.where(np.isnan(df), np.nan, t_two_sided(t, np.nan_to_num(df, nan=1.0)))


def _likelihood_ratios(design: Design, problem: Any, Y: Floats, at: list[int]) -> Floats:
    from scipy.special import chdtrc

    larger = pls.refit_many(problem, Y, reml=False).objective
    out = np.empty((Y.shape[1], len(at)))
    for column, j in enumerate(at):
        keep = [i for i in range(design.p) if i != j]
        smaller = replace(design, X=design.X[:, keep], x_names=tuple(design.x_names[i] for i in keep))
        ratio = pls.refit_many(pls.prepare(smaller), Y, reml=False).objective - larger
        out[:, column] = chdtrc(1.0, np.maximum(ratio, 0.0))
    return out


def _rows(
    p: Floats, names: Sequence[str], values: Floats, size: int | None, n_rows: int, alpha: float
) -> list[PowerRow]:
    z2 = chi2_quantile(0.05, 1)
    rows = []
    for j, name in enumerate(names):
        known = p[np.isfinite(p[:, j]), j]
        n = len(known)
        if not n:
            raise EngineError(f"no simulated data set gave a test of {name}")
        share = float((known <= alpha).mean())
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        low, high = max(0.0, centre - half), min(1.0, centre + half)
        rows.append(PowerRow(name, float(values[j]), size, n_rows, share, float(low), float(high), n, len(p) - n))
    return rows
