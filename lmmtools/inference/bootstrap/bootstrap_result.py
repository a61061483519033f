"""Bootstrap of a fit: parametric as lme4's ``bootMer``, from residuals, or of whole groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools import core
from lmmtools.design.theta import are_singular
from lmmtools.errors import DataError, FewDrawsWarning, LmmError, warn_caller
from lmmtools.inference.bootstrap.limits import METHODS, acceleration, describe_too_few, intervals
from lmmtools.inference.bootstrap.resampling import (
    KINDS,
    draw_designs,
    draw_responses,
    independent_groups,
    parameter_names,
    parameter_values,
)
from lmmtools.inference.draws import check_draws, keep_draws, run_pieces, spawn_pieces
from lmmtools.inference.tails import check_alpha
from lmmtools.progress import count
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]
    Statistic = Callable[[Any], Any]

__all__ = ["Bootstrap", "bootstrap_fit"]


COPIES = 4.0
"""Arrays of rows by draws of a piece at the peak: the responses, and what their refits make of them."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Bootstrap(Tabular):
    """Draws of statistics of a fit.

    ``to_frame()`` has the columns ``estimate bias std_error lower upper``, the 95% percentile interval, a row per
    statistic. NaN where there are too few draws; the notes of the printed table say so.

    Attributes
    ----------
    draws : DataFrame, shape (n, statistics)
        A row per draw; NaN throughout where the refit or the statistic failed.
    estimate : Series, length statistics
        The statistics of the fit itself.
    kind : {"parametric", "residual", "cluster"}
    n_asked : int
        Draws asked for; fewer were made if the work was interrupted.
    failures : dict of str to int
        What refits or the statistic raised, and how often.
    n_singular, n_not_converged : int
        Refits at the boundary, which count like the others, and refits without a certified optimum.
    interrupted : bool

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.bootstrap(20, rng=1).std_error.round(2)
    sd_(Intercept)|Batch    14.86
    sigma                    8.57
    Intercept               15.13
    dtype: float64
    """

    draws: pd.DataFrame
    estimate: pd.Series[float]
    kind: str
    n_asked: int
    failures: Mapping[str, int]
    n_singular: int
    n_not_converged: int
    interrupted: bool
    _fit: Any = field(default=None)
    _statistic: Any = field(default=None)

    @property
    def n_failed(self) -> int:
        """Draws without a value."""
        return sum(self.failures.values())

    @property
    def bias(self) -> pd.Series[float]:
        """Mean of the draws less the estimate."""
        return self.draws.mean() - self.estimate

    @property
    def std_error(self) -> pd.Series[float]:
        """Standard deviation of the draws."""
        return self.draws.std(ddof=1)

    def conf_int(
        self, alpha: float = 0.05, method: Literal["percentile", "basic", "normal", "bca"] = "percentile"
    ) -> pd.DataFrame:
        """Return confidence intervals: columns 0 (lower) and 1 (upper), a row per statistic.

        Parameters
        ----------
        alpha : float
        method : {"percentile", "basic", "normal", "bca"}
            Davison & Hinkley (1997), chapter 5. ``"bca"`` takes the bias from the draws and the acceleration from
            leaving out each level of the factor with the fewest: one refit per level.

        Raises
        ------
        DataError
            If there is no such method, ``alpha`` is not between 0 and 1, no statistic has two draws with a value, or
            (BCa) a level cannot be left out.

        Warns
        -----
        FewDrawsWarning
            If there are too few draws for ``alpha``, so that the most extreme one stands for a limit.
        """
        if method not in METHODS:
            raise DataError(f"method={method!r} is not known; use one of {', '.join(map(repr, METHODS))}")
        check_alpha(alpha)
        shift = None
        known = self.draws.notna().sum()
        if (known < 2).all():
            raise DataError(f"there are {known.max()} draws with a value; an interval needs at least two")
        if method == "bca":
            names = tuple(self.estimate.index)
            shift = acceleration(self._fit, lambda fit: _values_by_name(fit, self._statistic, names))
        limits, few = intervals(self.draws, self.estimate, alpha, method, shift)
        if few:
            warn_caller(FewDrawsWarning, _describe_few_draws(few, known[list(few)].min(), alpha))
        return limits

    @property
    def _table(self) -> ResultTable:
        # Limits are NaN where there are too few draws; the notes say so.
        limits, _ = intervals(self.draws, self.estimate, 0.05, "percentile")
        number = NumberFormat("plain", 5)
        fields = (
            row_labels("", list(self.estimate.index)),
            Field("estimate", "Estimate", self.estimate.to_numpy(dtype=float), number),
            Field("bias", "Bias", self.bias.to_numpy(dtype=float), number),
            Field("std_error", "Std. Error", self.std_error.to_numpy(dtype=float), number),
            Field("lower", "2.5 %", limits[0].to_numpy(dtype=float), number),
            Field("upper", "97.5 %", limits[1].to_numpy(dtype=float), number),
        )
        title = f"{self.kind.capitalize()} bootstrap, {len(self.draws)} draws; percentile intervals"
        return ResultTable("bootstrap", fields, title, self._notes())

    def _notes(self) -> tuple[str, ...]:
        n = len(self.draws)
        notes = []
        if self.interrupted:
            notes.append(f"interrupted: {n} of {self.n_asked} draws were made")
        if self.n_singular:
            notes.append(f"{self.n_singular} of {n} refits are singular (a variance of zero, or a correlation of one)")
        if self.n_not_converged:
            notes.append(f"{self.n_not_converged} of {n} refits have no certified optimum")
        notes += [f"{times} draws failed and are left out: {what}" for what, times in self.failures.items()]
        for name, times in self.draws.isna().sum().items():
            # A correlation with a zero standard deviation, or NaN from the user's statistic.
            if times > self.n_failed:
                notes.append(f"{name} has no value in {times - self.n_failed} refitted draws; they are left out")
        known = self.draws.notna().sum()
        _, few = intervals(self.draws, self.estimate, 0.05, "percentile")
        if few:
            notes.append(_describe_few_draws(few, known[list(few)].min(), 0.05))
        if (known < 2).any():
            notes.append("standard errors and limits need two draws with a value")
        return tuple(notes)


def _describe_few_draws(names: Sequence[str], known: int, alpha: float) -> str:
    """Return the warning that some statistics have too few draws for limits at level alpha."""
    return f"{known} draws of {list_first(names, 4)} are {describe_too_few(alpha)}. Draw more, 1000 as a rule"


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """The draws of one piece of the work.

    Attributes
    ----------
    values : ndarray, shape (draws, statistics)
    failures : Counter of str
    singular, not_converged : int
    interrupted : bool
        Whether Ctrl-C ended the piece after these draws.
    """

    values: Floats
    failures: Counter[str]
    singular: int
    not_converged: int
    interrupted: bool = False


def bootstrap_fit(
    fit: Fit,
    n: int,
    statistic: Statistic | None,
    *,
    kind: str,
    n_jobs: int,
    rng: np.random.Generator | int | None,
    progress: bool,
) -> Bootstrap:
    """Return the bootstrap of a fit; see :meth:`LMMResults.bootstrap`."""
    import pandas as pd

    if kind not in KINDS:
        raise DataError(f"kind={kind!r} is not known; use one of {', '.join(map(repr, KINDS))}")
    core.refuse_shared(fit.design, "bootstrap")
    pieces = spawn_pieces(n, rng)
    check_draws(pieces[0][0], fit.design.n, COPIES)
    names, estimate = _check_statistic(fit, statistic)
    groups = independent_groups(fit.design) if kind == "cluster" else None
    # Without cached results, which need not be pickled for other processes.
    bare = fit.without_found()
    work = [(bare, statistic, kind, groups, names, size, seed) for size, seed in pieces]
    found: list[_Piece] = []
    interrupted = False
    with count(n, "bootstrap", progress=progress) as tell:
        try:
            for piece in run_pieces(_run_piece, work, n_jobs):
                found.append(piece)
                tell(len(piece.values))
                if piece.interrupted:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            interrupted = True
        except MemoryError as error:
            keep_draws(error, sum(len(p.values) for p in found), n)
            interrupted = True
    values = np.concatenate([p.values for p in found]) if found else np.empty((0, len(names)))
    failures: Counter[str] = sum((p.failures for p in found), Counter())
    return Bootstrap(
        pd.DataFrame(values, columns=names),
        pd.Series(estimate, index=names, name="estimate"),
        kind,
        n,
        dict(failures),
        sum(p.singular for p in found),
        sum(p.not_converged for p in found),
        interrupted,
        bare,
        statistic,
    )


def _run_piece(
    fit: Fit,
    statistic: Statistic | None,
    kind: str,
    groups: Sequence[NDArray[np.intp]] | None,
    names: tuple[str, ...],
    size: int,
    seed: np.random.SeedSequence,
) -> _Piece:
    """Return one piece of the draws: refits of drawn responses, or of drawn groups, and their statistics."""
    rng = np.random.default_rng(seed)
    if groups is not None:
        return _refit_drawn_designs(fit, statistic, list(groups), names, size, rng)
    Y = draw_responses(fit, kind, size, rng)
    if statistic is not None:
        return _collect_refits([partial(fit.on_response, y) for y in Y.T], statistic, names)
    try:
        refits = core.refit_many(fit.problem, Y, fit.reml, fit.estimate.theta)
    except MemoryError:
        raise
    except LmmError:
        # At least one response cannot be fitted: refit them one by one.
        return _collect_refits([partial(fit.on_response, y) for y in Y.T], statistic, names)
    values = parameter_values(fit.design, refits.theta, refits.sigma, refits.beta)
    singular = int(are_singular(refits.theta, fit.design.blocks, fit.design.weights).sum())
    return _Piece(values, Counter(), singular, int((~refits.converged).sum()))


def _refit_drawn_designs(
    fit: Fit,
    statistic: Statistic | None,
    groups: list[NDArray[np.intp]],
    names: tuple[str, ...],
    size: int,
    rng: np.random.Generator,
) -> _Piece:
    """Return the statistics of refits to designs of drawn groups."""
    return _collect_refits(
        [partial(fit.on_design, d) for d in draw_designs(fit.design, groups, size, rng)], statistic, names
    )


def _collect_refits(makers: Sequence[Callable[[], Fit]], statistic: Statistic | None, names: tuple[str, ...]) -> _Piece:
    """Return the statistics of fits that are made one by one; a fit or statistic that raises counts as a failure."""
    values, failures, singular, not_converged = np.full((len(makers), len(names)), np.nan), Counter[str](), 0, 0
    for i, (row, make) in enumerate(zip(values, makers, strict=True)):
        try:
            fit = make()
            row[:] = _values_by_name(fit, statistic, names)
        except MemoryError:
            raise
        except Exception as error:
            failures[f"{type(error).__name__}: {error}"] += 1
            continue
        except KeyboardInterrupt:
            return _Piece(values[:i], failures, singular, not_converged, interrupted=True)
        singular += fit.is_singular
        not_converged += not fit.converged
    return _Piece(values, failures, singular, not_converged)


def _check_statistic(fit: Fit, statistic: Statistic | None) -> tuple[tuple[str, ...], Floats]:
    """Return names and values of the statistics on the fit itself.

    Raises
    ------
    DataError
        If the statistic raises on the fit itself, or returns no numbers.
    """
    try:
        names, values = _evaluate_statistic(fit, statistic)
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(f"the statistic fails on the fit itself: {type(error).__name__}: {error}") from error
    if not len(values):
        raise DataError(
            "the statistic returns no numbers; it takes a fit and returns a number, an array, a Series or a dict"
        )
    return names, values


def _values_by_name(fit: Fit, statistic: Statistic | None, names: tuple[str, ...]) -> Floats:
    """Return the statistics called ``names``, in that order.

    Raises
    ------
    DataError
        If the statistic returns others.
    """
    found, values = _evaluate_statistic(fit, statistic)
    if found == names:
        return values
    at = {name: i for i, name in enumerate(found)}
    if len(at) != len(found) or set(at) != set(names):
        raise DataError("the statistic returned other names, or another number of values, than on the fit itself")
    return values[[at[name] for name in names]]


def _evaluate_statistic(fit: Fit, statistic: Statistic | None) -> tuple[tuple[str, ...], Floats]:
    """Return names and values of the user's statistic of a fit, or of the fit's parameters if there is none."""
    if statistic is None:
        e = fit.estimate
        values = parameter_values(fit.design, e.theta[None], np.array([e.sigma]), e.beta[None])
        return parameter_names(fit.design), values[0]
    found = statistic(fit)
    if isinstance(found, Mapping):
        return tuple(map(str, found)), np.array([float(value) for value in found.values()])
    values = np.asarray(found if found is not None else [], dtype=float).reshape(-1)
    if getattr(found, "index", None) is not None and np.ndim(found) == 1 and not callable(found.index):
        return tuple(map(str, found.index)), values
    name = getattr(statistic, "__name__", "statistic").replace("<lambda>", "statistic")
    return ((name,) if len(values) == 1 else tuple(f"{name}[{i}]" for i in range(len(values)))), values
