"""Estimated marginal means, and slopes, over a balanced grid of the other predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.facts import ColumnFacts, largest_fixed
from lmmtools.errors import DataError
from lmmtools.inference.degrees import Degrees, Method, check_ddf, degrees, method_name
from lmmtools.inference.marginal.adjust import Family, adjust_family, adjustment_name, check_adjust
from lmmtools.inference.marginal.grid import Cells, GridOptions, estimable_contrasts, reference_cells
from lmmtools.inference.marginal.letters import WARNING, compact_letters
from lmmtools.inference.marginal.response_scale import ResponseScale, response_scale, transformed_response
from lmmtools.inference.tails import check_alpha, t_quantile, t_two_sided
from lmmtools.inference.wald_tests import t_tests
from lmmtools.report.result_table import Field, ResultTable, Tabular, free_name, row_labels
from lmmtools.report.table import TEXT, NumberFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.robust import Robust

    Floats = NDArray[np.float64]

__all__ = [
    "Estimates",
    "MarginalMeans",
    "back_transformation",
    "cell_label",
    "describe_cells",
    "estimate_rows",
    "fields_beside_levels",
    "marginal_means",
    "name_list",
    "square_root",
]

DIGITS = 4
NOT_ESTIMABLE = "not estimable, because the data do not have all the combinations that it averages"


ROUNDING = 1e-12
"""Share of its column's size below which a weight is zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Linear functions of the fixed effects, estimated.

    Attributes
    ----------
    estimate, se, df, t, p : ndarray, shape (rows,)
        NaN where not estimable.
    notes : tuple of str
        Variance parameters treated as fixed, and rows that are not estimable.
    """

    estimate: Floats
    se: Floats
    df: Floats
    t: Floats
    p: Floats
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LinearMeans:
    """Means before any transformation, with what their differences need.

    Attributes
    ----------
    cells : Cells
    estimate : ndarray, shape (cells,)
        NaN where not estimable.
    beta : ndarray, shape (p,)
        The fixed effects.
    degrees : Degrees
        Covariance of the fixed effects, and degrees of freedom of contrasts of them.
    """

    cells: Cells
    estimate: Floats
    beta: Floats
    degrees: Degrees

    def take(self, order: NDArray[np.intp]) -> LinearMeans:
        """Return some of the means, in this order."""
        return replace(self, cells=self.cells.take(order), estimate=self.estimate[order])


def letters_of_means(
    means: LinearMeans, alpha: float, adjust: str, *, is_reversed: bool
) -> tuple[NDArray[np.intp], tuple[str, ...], tuple[str, ...]]:
    """Return the order of the means within each group, their letters in this order, and notes."""
    order: list[int] = []
    letters: list[str] = []
    said: dict[str, None] = {}
    check_adjust(adjust, True, "two-sided")
    for members in means.cells.groups().values():
        sign = -1.0 if is_reversed else 1.0
        own = members[np.argsort(sign * means.estimate[members], kind="stable")]
        k = int(np.isfinite(means.estimate[own]).sum())
        family = _family_of_differences(means, own)
        is_different = np.zeros((len(own), len(own)), dtype=bool)
        is_different[np.triu_indices(len(own), 1)] = adjust_family(family, adjust) < alpha
        order.extend(own.tolist())
        letters.extend([*compact_letters(is_different[:k, :k]), *[""] * (len(own) - k)])
        if name := adjustment_name(family, adjust):
            said[name] = None
    return np.array(order), tuple(letters), (*said, f"letters at the level {alpha:g}: {WARNING}")


def square_root(cov: Floats) -> Floats:
    """Return B with B B' = cov, which may be singular."""
    values, vectors = np.linalg.eigh(cov)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _family_of_differences(means: LinearMeans, own: NDArray[np.intp]) -> Family:
    """Return the tests of all pairwise differences of some means, NaN for those that are not estimable."""
    first, second = np.triu_indices(len(own), 1)
    eye = np.eye(len(own))
    weights = eye[first] - eye[second]
    L = weights @ means.cells.L[own]
    is_known = estimable_contrasts(weights, means.cells.gap[own])
    t, df = np.full((2, len(L)), np.nan)
    known = L[is_known]
    with np.errstate(divide="ignore", invalid="ignore"):
        t[is_known] = known @ means.beta / np.sqrt(np.einsum("ra,ab,rb->r", known, means.degrees.cov, known))
    df[is_known] = means.degrees.df(known)
    return Family(t, df, t_two_sided(t, df), L @ square_root(means.degrees.cov), len(own))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MarginalMeans(Tabular):
    """Marginal means, one row each.

    ``to_frame()`` has the levels, then the columns ``emmean`` (``slope`` for slopes, ``response`` for means that are
    back-transformed), ``se df lower upper``, and ``group`` after :meth:`cld`; one of these that is called like a column
    of the levels has an underscore behind its name.

    Attributes
    ----------
    names : tuple of str
        Columns whose levels identify the rows.
    values : tuple of tuple
        Their levels, row by row.
    estimate, se : ndarray, shape (rows,)
        Mean, or slope, and its standard error; in units of y, or of y per unit of ``slope_of``. NaN where not
        estimable.
    df : ndarray, shape (rows,)
        Degrees of freedom.
    lower, upper : ndarray, shape (rows,)
        Limits.
    alpha : float
    ddf : str
        The method of the degrees of freedom.
    slope_of : str or None
        The covariate whose slopes these are; None for means.
    notes : tuple of str
        Factors averaged over, values held, variance parameters treated as fixed.
    letters : tuple of str
        Of each mean, from :meth:`cld`; empty before.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
    >>> fit.marginal_means("Type").to_frame()[["Type", "emmean"]].round(3)
      Type  emmean
    0   T1   8.556
    1   T2  12.444
    2   T3  10.778
    3   T4   9.222
    """

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    estimate: Floats
    se: Floats
    df: Floats
    lower: Floats
    upper: Floats
    alpha: float
    ddf: Method
    slope_of: str | None = None
    notes: tuple[str, ...] = ()
    letters: tuple[str, ...] = ()
    _scale: ResponseScale | None = None
    _linear: LinearMeans | None = None

    def cld(
        self, alpha: float | None = None, *, adjust: str = "tukey", reversed: bool = False, sort: bool = True
    ) -> MarginalMeans:
        """Return these means with compact letters, as emmeans' ``cld``: a letter more in ``to_frame()``, ``group``.

        Means within a level of ``by`` that share a letter do not differ by their pairwise tests.

        Parameters
        ----------
        alpha : float, optional
            Level of the tests; by default one less the coverage of the limits.
        adjust : str
            Of the p-values of all differences, as :meth:`LMMResults.pairwise` takes it.
        reversed : bool
            ``a`` stands at the largest mean, not at the smallest.
        sort : bool
            Rows in the order of the means within each level of ``by``, smallest first (largest, if ``reversed``).

        Raises
        ------
        DataError
            If there is no such adjustment.
        ValueError
            If ``alpha`` is not between 0 and 1.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
        >>> fit.marginal_means("Type").cld().to_frame()[["Type", "emmean", "group"]].round(2)
          Type  emmean group
        0   T1    8.56     a
        1   T4    9.22     a
        2   T3   10.78     b
        3   T2   12.44     c
        """
        level = self.alpha if alpha is None else check_alpha(alpha)
        assert self._linear is not None
        order, letters, said = letters_of_means(self._linear, level, adjust, is_reversed=reversed)
        if not sort:
            letters = tuple(letters[at] for at in np.argsort(order))
            order = np.arange(len(order))
        return replace(
            self,
            values=tuple(self.values[i] for i in order),
            **{name: getattr(self, name)[order] for name in ("estimate", "se", "df", "lower", "upper")},
            letters=letters,
            notes=(*self.notes, *said),
            _linear=self._linear.take(order),
        )

    @property
    def _table(self) -> ResultTable:
        both = NumberFormat("coefficient", DIGITS, share="estimates")
        key, heading = ("emmean", "Mean") if self.slope_of is None else ("slope", f"Slope of {self.slope_of}")
        if self._scale is not None:
            key, heading = "response", "Response"
        statistics: tuple[Field, ...] = (
            Field(key, heading, self.estimate, both),
            Field("se", "Std. Error", self.se, both),
            Field("df", "df", self.df, NumberFormat("significant", DIGITS)),
            Field("lower", f"{100 * (1 - self.alpha):g}% lower", self.lower, both),
            Field("upper", "upper", self.upper, both),
        )
        if self.letters:
            statistics = (*statistics, Field("group", "Group", self.letters, TEXT))
        fields, renamed = fields_beside_levels(self.names, self.values, statistics)
        return ResultTable("marginal_means", fields, notes=(method_name(self.ddf), *self.notes, *renamed))


def fields_beside_levels(
    names: Sequence[str], rows: Sequence[tuple[Any, ...]], statistics: Sequence[Field]
) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    """Return a field per column of ``names``, then those of the statistics, and notes on statistics that are renamed.

    The columns are the user's and keep their names: a statistic that is called like one of them gets an underscore
    behind its name in ``to_frame()``.
    """
    levels = (row_labels(name, [row[j] for row in rows], name, is_index=False) for j, name in enumerate(names))
    renamed = [f if f.key is None else replace(f, key=free_name(f.key, names)) for f in statistics]
    notes = tuple(
        f"the data have a column {old.key}, so that to_frame() calls the statistic of that name {new.key}"
        for old, new in zip(statistics, renamed, strict=True)
        if old.key != new.key
    )
    return (*levels, *renamed), notes


def marginal_means(
    fit: Fit,
    factors: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    options: GridOptions | None = None,
    type: str = "link",
    bias_adjust: bool = False,
    sigma: float | None = None,
    ddf: str | Robust = "satterthwaite",
    alpha: float = 0.05,
) -> MarginalMeans:
    """Return marginal means; see :meth:`LMMResults.marginal_means`."""
    method = check_ddf(ddf)
    check_alpha(alpha)
    cells = reference_cells(fit.design, name_list(factors, "factors"), name_list(by, "by"), options)
    slope_of = None if options is None else options.slope_of
    labels = [cell_label(cells.names, row) for row in cells.values]
    found = estimate_rows(fit, cells.L, cells.constant, cells.is_estimable, labels, method, slope_of)
    half = t_quantile(alpha / 2.0, found.df) * found.se
    estimate, se, lower, upper = found.estimate, found.se, found.estimate - half, found.estimate + half
    scale = back_transformation(fit, type) if slope_of is None else None
    spread = _bias_spread(fit, scale, bias_adjust, sigma)
    if scale is not None:
        lower, upper = scale.limits(lower, upper, spread)
        estimate, se = scale.back(estimate, se, spread)
    return MarginalMeans(
        cells.names,
        cells.values,
        estimate,
        se,
        found.df,
        lower,
        upper,
        alpha,
        method,
        slope_of,
        (*describe_cells(cells), *found.notes, *_describe_scale(fit, scale, spread)),
        _scale=scale,
        _linear=LinearMeans(cells, found.estimate, fit.estimate.beta, degrees(fit, method)),
    )


def back_transformation(fit: Fit, type: str) -> ResponseScale | None:
    """Return the response's transformation if estimates are to be on its scale and it has one.

    Raises
    ------
    DataError
        If there is no such type, or the transformation has no inverse.
    """
    if type not in ("link", "response"):
        raise DataError(f'type={type!r} is not known; use "link", the scale of the model, or "response"')
    return response_scale(fit.design) if type == "response" else None


def _bias_spread(fit: Fit, scale: ResponseScale | None, bias_adjust: bool, sigma: float | None) -> float | None:
    """Return the standard deviation for which a back-transformation is adjusted, None for no adjustment.

    Raises
    ------
    DataError
        If there is no back-transformation, or ``sigma`` is no positive number or without ``bias_adjust``.
    """
    if not bias_adjust:
        if sigma is not None:
            raise DataError("sigma= is the standard deviation for bias_adjust=True")
        return None
    if scale is None:
        raise DataError(
            'bias_adjust=True needs means that are back-transformed: type="response" of a transformed response'
        )
    if sigma is None:
        return float(np.sqrt(fit.scale))
    if not isinstance(sigma, (int, float, np.number)) or not 0 < sigma < np.inf:
        raise DataError(f"sigma={sigma!r} must be a standard deviation on the scale of the model")
    return float(sigma)


def _describe_scale(fit: Fit, scale: ResponseScale | None, spread: float | None) -> tuple[str, ...]:
    """Return notes on the scale of estimates, if the response is transformed."""
    if scale is None:
        shown = transformed_response(fit.design)
        return (f"on the scale of {shown}",) if shown else ()
    notes = (f"back-transformed from the scale of {scale.text}, on which means are averaged and limits made",)
    if spread is None:
        return notes
    return (*notes, f"adjusted for the bias of the back-transformation, with a standard deviation of {spread:.5g}")


def estimate_rows(
    fit: Fit,
    L: Floats,
    constant: Floats | float,
    is_estimable: NDArray[np.bool_],
    labels: Sequence[str],
    ddf: Method,
    slope_of: str | None,
) -> Estimates:
    """Return L beta + constant with tests, NaN for rows that are not estimable.

    Raises
    ------
    DataError
        If a row of L is zero: the coefficients do not enter it.
    """
    # Rounding errors of weights scale with the column and, for slopes, with one over the covariate.
    reach = 1.0 if slope_of is None else max(map(abs, ColumnFacts(fit.design).ends(slope_of)))
    size = largest_fixed(fit.design) / reach
    is_zero = (np.abs(L) <= ROUNDING * size).all(axis=1)
    if (is_zero & is_estimable).any():
        label = labels[int(np.flatnonzero(is_zero & is_estimable)[0])]
        raise DataError(
            f"{label!r} is zero whatever the coefficients: the model's fixed part has nothing that moves it"
        )
    notes = degrees(fit, ddf).notes
    estimate, se, df, t, p = np.full((5, len(L)), np.nan)
    if is_estimable.any():
        right = np.broadcast_to(-np.asarray(constant, dtype=float), len(L))[is_estimable]
        found = t_tests(fit, (L[is_estimable], right), ddf)
        estimate[is_estimable], se[is_estimable] = found.estimate, found.std_error
        df[is_estimable], t[is_estimable], p[is_estimable] = found.df, found.t, found.p
    if not is_estimable.all():
        lost = ", ".join(label for label, ok in zip(labels, is_estimable, strict=True) if not ok)
        notes = (*notes, f"{NOT_ESTIMABLE}: {lost}")
    return Estimates(estimate, se, df, t, p, notes)


def name_list(given: str | Sequence[str] | None, argument: str) -> list[str]:
    """Return column names as a list.

    Raises
    ------
    DataError
        If ``given`` is neither a name nor a list of names.
    """
    if given is None:
        return []
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise DataError(f"{argument}={given!r} must be the name of a column, or a list of names")
    return list(given)


def cell_label(names: Sequence[str], row: Sequence[Any]) -> str:
    """Return a cell's label in contrasts: ``"A 175"``, a number after its column's name, ``"nitro0.2"``."""
    if not names:
        return "overall"
    return " ".join(_level_label(name, value) for name, value in zip(names, row, strict=True))


def _level_label(name: str, value: Any) -> str:
    """Return a level's label."""
    if isinstance(value, (bool, np.bool_)):
        return f"{name}{value}"
    if not isinstance(value, (int, float, np.number)):
        return str(value)
    # Whole numbers are labels, years or codes, of which each digit counts.
    return f"{name}{value:.15g}" if float(value).is_integer() else f"{name}{value:g}"


def describe_cells(cells: Cells) -> tuple[str, ...]:
    """Return notes on the factors that the means average over, and on the values at which covariates are held."""
    notes = []
    if cells.averaged:
        notes.append(f"averaged over the levels of {', '.join(cells.averaged)}")
    if cells.interacting:
        notes.append(f"the differences depend on {', '.join(cells.interacting)}: by= shows them level by level")
    if cells.fixed_at:
        values = ((n, f"{v:.6g}" if isinstance(v, (int, float)) else str(v)) for n, v in cells.fixed_at.items())
        notes.append("at " + ", ".join(f"{name} = {value}" for name, value in values))
    if cells.constant:
        notes.append(f"with the mean offset, {cells.constant:.6g}")
    return (*notes, *cells.notes)
