"""Power by simulation: how often tests of the fixed effects reject, on the fit's design or on a larger one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from lmmtools import core, memory
from lmmtools.design.columns import independent_columns
from lmmtools.design.matrices import Design
from lmmtools.design.stack import extend_design
from lmmtools.errors import DataError, EngineError
from lmmtools.inference.degrees import SPELLINGS
from lmmtools.inference.draws import check_count, keep_draws, run_pieces, spawn_pieces
from lmmtools.inference.power.simulated_tests import (
    TESTS,
    Truth,
    hypotheses_of,
    parameter_values_of,
    simulated_p_values,
    theta_and_sigma,
)
from lmmtools.inference.tails import check_alpha, chi2_quantile
from lmmtools.progress import count
from lmmtools.report.result_table import Field, ResultTable, Tabular, pick, row_labels
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Power", "power"]


@dataclass(frozen=True, slots=True)
class PowerRow:
    """The power of one test on one design.

    Attributes
    ----------
    effect : str
        The fixed effect or the term tested.
    value : float
        True value of the fixed effect; NaN for a term with several.
    size : int or None
        Levels of the factor that the design was extended along.
    n_rows : int
    power : float
        Share of the simulated data sets where the test rejects.
    lower, upper : float
        Wilson's 95% interval for that share.
    n_sim, n_failed : int
        Numbers of data sets with a test, and of those where it failed.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.power(fit, {"Days": 3.0}, n_sim=10, rng=1).rows[0].n_sim
    10
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
class Power(Tabular):
    """Power, a row per design and effect.

    ``to_frame()`` has the columns ``effect value size n_rows power lower upper n_sim n_failed``.

    Attributes
    ----------
    rows : tuple of PowerRow
    along : str or None
        The factor that the design was extended along.
    alpha : float
    test : str
    interrupted : bool

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.power(fit, {"Days": 3.0}, n_sim=10, rng=1).to_frame()[["effect", "power"]]
      effect  power
    0   Days    1.0
    """

    rows: tuple[PowerRow, ...]
    along: str | None
    alpha: float
    test: str
    interrupted: bool = False

    @property
    def _table(self) -> ResultTable:
        share, plain = NumberFormat("correlation", 3), NumberFormat("plain", 5)
        fields = (
            row_labels("", pick(self.rows, "effect"), "effect", is_index=False),
            Field("value", "Value", pick(self.rows, "value"), plain, is_blank_where_nan=True),
            Field("size", self.along, pick(self.rows, "size"), plain),
            Field("n_rows", "Rows", pick(self.rows, "n_rows"), plain),
            Field("power", "Power", pick(self.rows, "power"), share),
            Field("lower", "2.5 %", pick(self.rows, "lower"), share),
            Field("upper", "97.5 %", pick(self.rows, "upper"), share),
            Field("n_sim", None, pick(self.rows, "n_sim")),
            Field("n_failed", None, pick(self.rows, "n_failed")),
        )
        return ResultTable("power", fields, "Power by simulation", self._notes())

    def _notes(self) -> tuple[str, ...]:
        n_sim = max((r.n_sim + r.n_failed for r in self.rows), default=0)
        notes = [f"{n_sim} simulated data sets each; {TESTS[self.test]} at the level {self.alpha:g}"]
        failed = sum(r.n_failed for r in self.rows)
        if failed:
            notes.append(f"{failed} tests failed and are left out")
        if self.interrupted:
            notes.append("interrupted before all data sets were made")
        return tuple(notes)


@memory.door
def power(
    model: Any,
    effects: Mapping[str, float] | None = None,
    *,
    parameters: Mapping[str, float] | None = None,
    tested: str | Sequence[str] | None = None,
    n_sim: int = 500,
    alpha: float = 0.05,
    test: Literal["satterthwaite", "z", "lr"] = "satterthwaite",
    along: Mapping[str, Sequence[int]] | None = None,
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> Power:
    """Return the power of tests of fixed effects by simulation: draw data sets from a model, test each.

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
        Fixed effects to test, or terms of the formula, tested as ``fit.anova(type=3)`` does; those in ``effects`` by
        default, or all fixed effects but the intercept.
    n_sim : int
        Data sets per design.
    alpha : float
        Level of the tests.
    test : {"satterthwaite", "z", "lr"}
        t or F with Satterthwaite's degrees of freedom, Wald's with none, or likelihood ratio against the model without
        the effect.
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
        If an effect, a parameter or a factor is unknown, a value is no number, a parameter of a model is missing,
        correlations are impossible, a size or ``n_sim`` is no positive whole number, or there is no such test.

    See Also
    --------
    LMMResults.simulate : Data simulated from a fit.
    bootstrap_test : The simulated distribution of one likelihood ratio.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> result = lmt.power(fit, {"Days": 3.0}, n_sim=10, rng=1)
    >>> result.to_frame()[["effect", "value", "power"]]
      effect  value  power
    0   Days    3.0    1.0
    """
    test = cast("Any", SPELLINGS).get(str(test).lower(), test)
    if test not in TESTS:
        raise DataError(f"test={test!r} is not known; use one of {', '.join(map(repr, TESTS))}")
    check_alpha(alpha)
    if not isinstance(getattr(model, "design", None), Design):
        raise DataError(f"power() takes a model or a fit, as lmm() and fit() return them, not {type(model).__name__}")
    check_count(n_sim, "n_sim")
    core.refuse_shared(model.design, "power")
    design, reml = model.design, bool(getattr(model, "reml", True))
    values = parameter_values_of(model, effects, parameters)
    hypotheses = hypotheses_of(design, tested, effects)
    names = [(h.name, values.get(h.name, np.nan)) for h in hypotheses]
    factor, sizes = _read_sizes(along)
    theta, sigma = theta_and_sigma(design, values)
    beta = np.array([values[name] for name in design.x_names])
    rows: list[PowerRow] = []
    interrupted = False
    pieces = spawn_pieces(n_sim, rng)
    with count(n_sim * len(sizes), "power", progress=progress) as show:
        for size in sizes:
            extended = design if factor is None or size is None else _extend_along(design, factor, size)
            truth = Truth(extended, theta, sigma, beta, reml)
            work = [(truth, test, hypotheses, n, seed) for n, seed in pieces]
            found: list[Floats] = []
            try:
                for p in run_pieces(simulated_p_values, work, n_jobs):
                    found.append(p)
                    show(len(p))
            except KeyboardInterrupt:
                interrupted = True
            except MemoryError as error:
                keep_draws(error, sum(len(p) for p in found), n_sim)
                interrupted = True
            if found:
                rows += _power_rows(np.concatenate(found), names, size, extended.n, alpha)
            if interrupted:
                break
    return Power(tuple(rows), factor, alpha, test, interrupted)


def _extend_along(design: Design, factor: str, size: int) -> Design:
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


def _read_sizes(along: Mapping[str, Sequence[int]] | None) -> tuple[str | None, list[int | None]]:
    """Return the factor to extend and its numbers of levels, checked; (None, [None]) without ``along``."""
    if along is None:
        return None, [None]
    if not isinstance(along, Mapping) or len(along) != 1:
        raise DataError(f"along={along!r} is not one factor with its sizes; write along={{factor: [10, 20, 40]}}")
    ((factor, given),) = along.items()
    sizes = np.atleast_1d(np.asarray(given))
    if not np.issubdtype(sizes.dtype, np.integer) or not sizes.size:
        raise DataError(f"{factor} cannot have {given!r} levels; give whole numbers, such as [10, 20, 40]")
    return factor, sizes.tolist()


def _power_rows(
    p: Floats, names: Sequence[tuple[str, float]], size: int | None, n_rows: int, alpha: float
) -> list[PowerRow]:
    """Return the power of each test with Wilson's interval, from p-values of shape (data sets, tests)."""
    z2 = chi2_quantile(0.05, 1)
    rows = []
    for j, (name, value) in enumerate(names):
        known = p[np.isfinite(p[:, j]), j]
        n = len(known)
        if not n:
            raise EngineError(f"no simulated data set gave a test of {name}")
        share = float((known <= alpha).mean())
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        low, high = max(0.0, centre - half), min(1.0, centre + half)
        rows.append(PowerRow(name, value, size, n_rows, share, float(low), float(high), n, len(p) - n))
    return rows
