"""Contrasts of marginal means, or of slopes: their weights, estimates and adjusted p-values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.degrees import Method, check_ddf, degrees, is_normal, method_name
from lmmtools.inference.marginal.adjust import (
    Family,
    Side,
    adjust_family,
    adjustment_name,
    check_adjust,
    family_quantiles,
)
from lmmtools.inference.marginal.contrast_methods import MINUS, OVER
from lmmtools.inference.marginal.contrast_sets import ContrastSet, contrasts_within, put_beside
from lmmtools.inference.marginal.grid import Cells, GridOptions, reference_cells
from lmmtools.inference.marginal.means import (
    back_transformation,
    describe_cells,
    estimate_rows,
    fields_beside_levels,
    name_list,
    square_root,
)
from lmmtools.inference.marginal.response_scale import ResponseScale, transformed_response
from lmmtools.inference.tails import check_alpha, t_below, t_two_sided
from lmmtools.report.result_table import ResultTable, Tabular, coefficient_fields, free_name, row_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.robust import Robust

    Floats = NDArray[np.float64]

__all__ = ["MarginalContrasts", "marginal_contrasts"]

DIGITS = 4


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MarginalContrasts(Tabular):
    """Contrasts of marginal means, one row each.

    ``to_frame()`` has the levels of ``by``, then the columns ``contrast estimate se df t p`` (``ratio`` or
    ``odds_ratio`` in place of ``estimate`` where they are back-transformed); one of these that is called like a column
    of ``by`` has an underscore behind its name.

    Attributes
    ----------
    by : tuple of str
        Columns within whose levels the means are compared.
    groups : tuple of tuple
        Their levels, row by row.
    names : tuple of str
        The contrasts, ``"A - B"``.
    estimate, se : ndarray, shape (rows,)
        NaN where not estimable.
    df, t, p : ndarray, shape (rows,)
        Degrees of freedom, statistic, and adjusted p-value.
    adjust : str
        Method by which p-values are adjusted for the number of contrasts within each group.
    ddf : str
        The method of the degrees of freedom.
    slope_of : str or None
        The covariate whose slopes are compared; None for means.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
    >>> fit.pairwise("Type").to_frame()[["contrast", "estimate"]].head(2).round(3)
      contrast  estimate
    0  T1 - T2    -3.889
    1  T1 - T3    -2.222
    """

    by: tuple[str, ...]
    groups: tuple[tuple[Any, ...], ...]
    names: tuple[str, ...]
    estimate: Floats
    se: Floats
    df: Floats
    t: Floats
    p: Floats
    adjust: str
    ddf: Method
    slope_of: str | None = None
    notes: tuple[str, ...] = ()
    _scale: ResponseScale | None = None
    _families: tuple[Family, ...] = ()
    _linear: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return simultaneous limits: the rows of ``to_frame()`` with columns ``contrast lower upper``.

        Parameters
        ----------
        alpha : float
            One less the coverage of all intervals within a level of ``by`` at once, as ``adjust`` has it (for stepwise
            methods Bonferroni's); of each interval for ``adjust="none"``. One-sided tests have limits on one side.

        Raises
        ------
        DataError
            If ``alpha`` is not between 0 and 1.
        """
        check_alpha(alpha)
        estimate, se = self._linear
        half = np.concatenate([family_quantiles(family, self.adjust, alpha) for family in self._families]) * se
        side = self._families[0].side
        frame = self.to_frame().iloc[:, : len(self.by) + 1]
        lower, upper = free_name("lower", self.by), free_name("upper", self.by)
        low = np.full(len(half), -np.inf) if side == "<" else estimate - half
        high = np.full(len(half), np.inf) if side == ">" else estimate + half
        if self._scale is not None:
            ends = np.exp(self._scale.rate * np.array([low, high]))
            low, high = ends.min(axis=0), ends.max(axis=0)
        return frame.assign(**{lower: low, upper: high})

    @property
    def _table(self) -> ResultTable:
        heading = "Contrast" if self.slope_of is None else f"Slope of {self.slope_of}"
        key = "estimate" if self._scale is None else self._scale.ratio
        numbers = {key: self.estimate, "se": self.se, "df": self.df, "t": self.t, "p": self.p}
        statistics = (
            row_labels(heading, self.names, "contrast", is_index=False),
            *coefficient_fields(numbers, DIGITS, statistic="z" if is_normal(self.ddf) else "t", heading=_HEADINGS[key]),
        )
        fields, renamed = fields_beside_levels(self.by, self.groups, statistics)
        return ResultTable("contrasts", fields, notes=(method_name(self.ddf), *self.notes, *renamed))


def marginal_contrasts(
    fit: Fit,
    factors: str | Sequence[str],
    *,
    method: str | Mapping[str, Any] = "pairwise",
    interaction: str | Sequence[str] | None = None,
    ref: Any = None,
    by: str | Sequence[str] | None = None,
    simple: str | Sequence[str] | None = None,
    options: GridOptions | None = None,
    adjust: str | None = None,
    null: float = 0.0,
    delta: float = 0.0,
    side: str = "two-sided",
    type: str = "link",
    ddf: str | Robust = "satterthwaite",
) -> MarginalContrasts:
    """Return contrasts of marginal means; see :meth:`LMMResults.contrasts`."""
    check = check_ddf(ddf)
    tail = _read_side(side, delta)
    if not isinstance(null, (int, float, np.number)) or not np.isfinite(null):
        raise DataError(f"null={null!r} must be a number, in units of the response")
    compared, within = (list(dict.fromkeys(n)) for n in (name_list(factors, "factors"), name_list(by, "by")))
    if not compared or set(compared) & set(within):
        raise DataError(f"factors={factors!r} must name what to compare, and other columns than by={by!r}")
    slope_of = None if options is None else options.slope_of
    scale = back_transformation(fit, type) if slope_of is None else None
    sign = MINUS if scale is None or not scale.ratio else OVER
    sets, columns, about = _find_sets(fit, compared, within, options, (method, interaction, ref), simple, sign)
    adjust = _choose_adjust(adjust, sets[0], tail)
    L, sums, is_estimable = (
        np.concatenate([getattr(own, key) for own in sets]) for key in ("L", "sums", "is_estimable")
    )
    if scale is not None and not _are_ratios(scale, sums):
        if sign == OVER:
            sets, columns, about = _find_sets(fit, compared, within, options, (method, interaction, ref), simple, MINUS)
        scale = None
    names = tuple(name for own in sets for name in own.names)
    found = estimate_rows(fit, L, sums * about[0].constant, is_estimable, names, check, slope_of)
    t, p = _test(found.estimate - float(null), found.se, found.df, float(delta), tail)
    families = _split_families(sets, t, found.df, p, L @ square_root(np.asarray(degrees(fit, check).cov)), tail)
    said = dict.fromkeys(filter(None, (adjustment_name(family, adjust) for family in families)))
    estimate, se = found.estimate, found.se
    if scale is not None:
        estimate = np.exp(scale.rate * found.estimate)
        se = abs(scale.rate) * estimate * found.se
    return MarginalContrasts(
        columns,
        tuple(own.group for own in sets for _ in own.names),
        names,
        estimate,
        se,
        found.df,
        t,
        np.concatenate([adjust_family(family, adjust) for family in families]),
        adjust,
        check,
        slope_of,
        (
            *describe_cells(about[0]),
            *found.notes,
            *_describe_side(tail, null, delta),
            *about[1],
            *said,
            *_describe_scale(fit, scale),
        ),
        scale,
        families,
        (found.estimate, found.se),
    )


def _choose_adjust(adjust: str | None, first: ContrastSet, tail: Side) -> str:
    """Return the adjustment of p-values asked for, or the usual one of these contrasts and this side.

    Raises
    ------
    DataError
        If there is no such adjustment of them.
    """
    if adjust is None:
        is_usual = tail == "two-sided" or first.usual not in ("tukey", "dunnett")
        adjust = first.usual if is_usual else "sidak"
    check_adjust(adjust, first.is_pairwise, tail)
    return adjust


def _split_families(
    sets: Sequence[ContrastSet], t: Floats, df: Floats, p: Floats, root: Floats, tail: Side
) -> tuple[Family, ...]:
    """Return the tests of each set, which are adjusted together."""
    ends = np.cumsum([len(own.names) for own in sets])
    return tuple(
        Family(t[rows], df[rows], p[rows], root[rows], own.n_means, tail)
        for own, rows in zip(sets, np.split(np.arange(len(t)), ends[:-1]), strict=True)
    )


def _are_ratios(scale: ResponseScale, sums: Floats) -> bool:
    """Whether contrasts are ratios on the response's scale: after a logarithm, of weights that sum to zero."""
    return bool(scale.ratio) and bool((np.abs(sums) <= ROUNDING).all())


def _describe_scale(fit: Fit, scale: ResponseScale | None) -> tuple[str, ...]:
    """Return a note on the scale of contrasts, if the response is transformed."""
    if scale is not None:
        what = f"{_HEADINGS[scale.ratio].lower()}s"
        return (f"{what}, back-transformed from differences on the scale of {scale.text}, on which the tests are",)
    shown = transformed_response(fit.design)
    return (f"on the scale of {shown}",) if shown else ()


def _find_sets(
    fit: Fit,
    compared: list[str],
    within: list[str],
    options: GridOptions | None,
    kind: tuple[Any, str | Sequence[str] | None, Any],
    simple: str | Sequence[str] | None,
    sign: str,
) -> tuple[list[ContrastSet], tuple[str, ...], tuple[Cells, tuple[str, ...]]]:
    """Return the contrasts of each group, the columns that name the groups, and cells and notes to describe them.

    Raises
    ------
    DataError
        As :func:`contrasts_within`; if ``simple`` names no column compared, or all contrasts are of single means.
    """
    asked = _simple_sets(simple, compared)
    found: list[tuple[list[ContrastSet], Cells]] = []
    notes: list[str] = []
    columns: tuple[str, ...] = ()
    for own in asked:
        others = [name for name in compared if name not in own]
        cells = reference_cells(fit.design, own, [*others, *within], options)
        sets, left_out = contrasts_within(cells, *kind, sign)
        columns = cells.within if len(asked) == 1 else tuple(dict.fromkeys([*columns, *compared, *cells.within]))
        found.append((sets, cells))
        notes.extend(left_out)
    last = found[-1][1]
    if len(asked) == 1:
        return found[0][0], columns, (last, tuple(notes))
    beside = [own for sets, cells in found for own in put_beside(sets, cells.within, columns)]
    return beside, columns, (last, tuple(dict.fromkeys(notes)))


def _simple_sets(simple: str | Sequence[str] | None, compared: list[str]) -> list[list[str]]:
    """Return which of the columns are compared at a time: all, those that ``simple`` names, or each by itself.

    Raises
    ------
    DataError
        If ``simple`` names none of them.
    """
    if simple is None:
        return [compared]
    if simple == "each":
        return [[name] for name in compared]
    own = name_list(simple, "simple")
    if not own or not set(own) <= set(compared):
        raise DataError(f"simple={simple!r} must be 'each', or name some of {', '.join(compared)}")
    return [own]


def _read_side(side: str, delta: float) -> Side:
    """Return the tail of the tests.

    Raises
    ------
    DataError
        If there is no such side, or ``delta`` is no threshold or does not go with it.
    """
    if not isinstance(side, str) or side not in _SIDES:
        raise DataError(f"side={side!r} is not known; use one of {', '.join(map(repr, _SIDES))}")
    if not isinstance(delta, (int, float, np.number)) or not 0 <= delta < np.inf:
        raise DataError(f"delta={delta!r} must be a threshold in units of the response, zero or more")
    if side in _NEED_DELTA and not delta:
        raise DataError(f"side={side!r} needs delta=, the difference that does not matter, in units of the response")
    tail = _SIDES[side]
    return "equivalence" if tail == "two-sided" and delta else tail


def _test(gap: Floats, se: Floats, df: Floats, delta: float, side: Side) -> tuple[Floats, Floats]:
    """Return statistics and unadjusted p-values of estimates less their null value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if side == "two-sided":
            t = gap / se
            return t, t_two_sided(t, df)
        if side == "equivalence":
            t = (np.abs(gap) - delta) / se
            return t, t_below(t, df)
        if side == ">":
            t = (gap + delta) / se
            return t, t_below(-t, df)
        t = (gap - delta) / se
        return t, t_below(t, df)


def _describe_side(side: Side, null: float, delta: float) -> tuple[str, ...]:
    """Return notes on what is tested, where it is not that contrasts are zero."""
    about = "" if not null else f"{null:g}"
    if side == "two-sided":
        return (f"tests that contrasts are {about}",) if about else ()
    if side == "equivalence":
        return (f"tests that contrasts lie within {delta:g} of {about or 'zero'} (equivalence)",)
    words = {">": ("above", "noninferiority"), "<": ("below", "nonsuperiority")}[side]
    limit = null - delta if side == ">" else null + delta
    return (f"one-sided tests that contrasts are {words[0]} {limit:g}" + (f" ({words[1]})" if delta else ""),)


ROUNDING = 1e-9
"""Sum of a contrast's weights that is zero but for rounding."""
_HEADINGS = {"estimate": "Estimate", "ratio": "Ratio", "odds_ratio": "Odds ratio"}
_SIDES: dict[str, Side] = {
    "two-sided": "two-sided",
    "equivalence": "equivalence",
    ">": ">",
    "greater": ">",
    "noninferiority": ">",
    "<": "<",
    "less": "<",
    "nonsuperiority": "<",
}
_NEED_DELTA = ("equivalence", "noninferiority", "nonsuperiority")
