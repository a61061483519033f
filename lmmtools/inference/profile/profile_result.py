"""Profile likelihood: zeta, limits and densities of every parameter, as lme4's ``profile`` and ``confint``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError, ProfileLimitWarning, warn_caller
from lmmtools.inference.profile.walk import Side
from lmmtools.inference.tails import check_alpha
from lmmtools.report.result_table import Field, ResultTable, Tabular, free_name, pick, row_labels
from lmmtools.report.table import NumberFormat
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.inference.profile.coordinates import Coordinates, Parameter
    from lmmtools.inference.profile.path import Path

    Floats = NDArray[np.float64]

__all__ = ["Curve", "Limit", "Profile", "curve_of", "select_parameters"]

ROUNDING = 1e-9
"""Relative difference of two computations of one quantile."""

RISE = 0.02
"""A limit is accepted if the deviance, minimised again there, rises by the cutoff to within this."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The profile of one parameter.

    Attributes
    ----------
    parameter : Parameter
    estimate : float
    values, zeta : ndarray, shape (points,)
        The parameter, in its units, and the signed root of the deviance's rise above its minimum.
    others : ndarray, shape (points, parameters)
        All parameters at each point.
    path : Path
        The same points in the profiled coordinate, with exact slopes.
    coordinates : Coordinates
    limits : dict of float to Limit
        Limits solved for so far, by zeta.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> round(fit.profile("sigma").curves["sigma"].limit(0.0), 2)
    49.51
    """

    parameter: Parameter
    estimate: float
    values: Floats
    zeta: Floats
    others: Floats
    path: Path
    coordinates: Coordinates
    limits: dict[float, Limit] = field(default_factory=dict)

    def limit(self, zeta: float) -> float:
        """Return the parameter's value at a zeta; the end of its range (0, -1, 1) if that comes first; NaN beyond."""
        return float(self.coordinates.to_parameter(np.asarray(self.solved(zeta).v)))

    def solved(self, zeta: float) -> Limit:
        """Return where zeta has a given value, in the path's coordinate, or why there is no such place."""
        if zeta not in self.limits:
            self.limits[zeta] = _solve_limit(self.path, zeta)
        return self.limits[zeta]

    def at(self, values: ArrayLike) -> Floats:
        """Return zeta at values of the parameter, NaN beyond the curve."""
        return self.along(self.coordinates.from_parameter(np.asarray(values, dtype=float)))

    def along(self, v: Floats) -> Floats:
        """Return zeta at values of the path's own coordinate, NaN beyond the curve."""
        return np.asarray(self._spline()(v))

    def _spline(self) -> Any:
        """Return the cubic Hermite spline of zeta through the points, with exact slopes."""
        from scipy.interpolate import CubicHermiteSpline

        return CubicHermiteSpline(self.path.v, self.zeta, self.path.slope, extrapolate=False)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Profile(Tabular):
    """Profiles of a fit's parameters.

    Attributes
    ----------
    curves : dict of str to Curve
        By parameter: ``sd_...``, ``cor_...``, ``sigma``, then the fixed effects.
    names : tuple of str
        All parameters of the model, in order.
    cutoff : float
        How far out in zeta the profiles go.
    notes : tuple of str
    undefined : dict of str to str
        Parameters without a profile, and why.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.profile("sigma").conf_int().round(2)
               0      1
    sigma  38.23  67.66
    """

    curves: Mapping[str, Curve]
    names: tuple[str, ...]
    cutoff: float
    notes: tuple[str, ...] = ()
    undefined: Mapping[str, str] | None = None

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return profile likelihood intervals: columns 0 (lower) and 1 (upper), a row per parameter.

        Each limit is solved for: the place nearest to the fit where the deviance, minimised over all other parameters,
        rises by the cutoff. Other local minima are searched there, and the rise is checked. If the parameter's range
        ends before, the limit is its end: 0 for a standard deviation, -1 or 1 for a correlation, as in lme4.

        Raises
        ------
        DataError
            If ``alpha`` is not between 0 and 1, or the profiles do not go out so far.

        Warns
        -----
        ProfileLimitWarning
            If there is no such place, or it could not be found: the limit is NaN.
        """
        limits, missing = self.limits(alpha)
        if missing:
            warn_caller(ProfileLimitWarning, "; ".join(missing))
        return limits

    def limits(self, alpha: float = 0.05) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Return what :meth:`conf_int` does, and the reasons of NaN limits as sentences instead of a warning."""
        import pandas as pd
        from scipy.special import ndtri

        wanted = float(ndtri(1.0 - check_alpha(alpha) / 2.0))
        if wanted > self.cutoff * (1.0 + ROUNDING):
            raise DataError(f"these profiles go out to zeta = {self.cutoff:.3g}; make them with alphamax={alpha:g}")
        undefined = self.undefined or {}
        names = [name for name in self.names if name in self.curves or name in undefined]
        rows, missing = [], []
        for name in names:
            curve = self.curves.get(name)
            rows.append([np.nan, np.nan] if curve is None else [curve.limit(-wanted), curve.limit(wanted)])
            if curve is None:
                missing.append(f"{name} has no limits: {undefined[name]}")
                continue
            for side, zeta in (("lower", -wanted), ("upper", wanted)):
                if why := curve.solved(zeta).why:
                    missing.append(f"{name} has no {side} {100.0 * (1.0 - alpha):.4g}% limit: {why}")
        return pd.DataFrame(rows, index=names, columns=[0, 1]), tuple(missing)

    def zeta(self, name: str, values: ArrayLike) -> Floats:
        """Return zeta of one parameter at given values, NaN beyond its profile."""
        return self._curve(name).at(values)

    def density(self, name: str, n: int = 200) -> pd.DataFrame:
        """Return the density that the profile implies, phi(zeta) ``|d zeta / d value|``: columns ``value density``."""
        import pandas as pd

        curve = self._curve(name)
        v = np.linspace(curve.path.v[0], curve.path.v[-1], n)
        values, zeta = curve.coordinates.to_parameter(v), curve.along(v)
        density = np.exp(-0.5 * zeta**2) / np.sqrt(2.0 * np.pi) * np.abs(np.gradient(zeta, values))
        return pd.DataFrame({"value": values, "density": density})

    def to_frame(self) -> pd.DataFrame:
        """Return all points: columns ``parameter zeta value``, then every parameter there.

        One of the first three that is called like a parameter has an underscore behind its name.
        """
        import pandas as pd

        own = [free_name(name, self.names) for name in ("parameter", "zeta", "value")]
        frames = []
        for name, curve in self.curves.items():
            frame = pd.DataFrame(curve.others, columns=list(self.names))
            frame.insert(0, own[2], curve.values)
            frame.insert(0, own[1], curve.zeta)
            frame.insert(0, own[0], name)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    @property
    def _table(self) -> ResultTable:
        """The 95% intervals."""
        from scipy.special import ndtri

        wanted = float(ndtri(0.975))
        number = NumberFormat("plain", 7)
        curves = self.curves.values()
        fields = (
            row_labels("", list(self.curves)),
            Field("estimate", "Estimate", pick(curves, "estimate"), number),
            Field("lower", "2.5 %", [c.limit(-wanted) for c in curves], number),
            Field("upper", "97.5 %", [c.limit(wanted) for c in curves], number),
        )
        notes = (*self.notes, *self.limits()[1]) if wanted <= self.cutoff else self.notes
        return ResultTable("profile", fields, "Profile likelihood intervals", notes)

    def _curve(self, name: str) -> Curve:
        """Return the curve of a profiled parameter."""
        if name not in self.curves:
            raise DataError(f"{name!r} was not profiled; there are {', '.join(self.curves)}")
        return self.curves[name]


def select_parameters(known: Sequence[Parameter], wanted: str | Sequence[str] | None) -> list[Parameter]:
    """Return the parameters that are named; ``"theta_"`` and ``"beta_"`` name the random and the fixed part's.

    Raises
    ------
    DataError
        If there is no parameter of that name.
    """
    if wanted is None:
        return list(known)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    groups = {
        "theta_": [p.name for p in known if p.kind != "beta"],
        "beta_": [p.name for p in known if p.kind == "beta"],
    }
    chosen = [own for name in names for own in groups.get(name, [name])]
    unknown = [name for name in chosen if name not in {p.name for p in known}]
    if unknown:
        raise DataError(f"no parameter is called {unknown[0]!r}; there are {', '.join(p.name for p in known)}")
    return [p for p in known if p.name in chosen]


def curve_of(
    parameter: Parameter, coordinates: Coordinates, path: Path, estimate: float, known: Sequence[Parameter]
) -> Curve:
    """Return the curve of one parameter from its path."""
    values = coordinates.to_parameter(path.v)
    points = [node.point for node in path.nodes]
    others = np.array([[q.value(p.phi, p.sigma, p.beta) for q in known] for p in points])
    others[:, known.index(parameter)] = values
    return Curve(parameter, estimate, values, path.zeta, others, path, coordinates)


@dataclass(frozen=True, slots=True)
class Limit:
    """The coordinate at which zeta has a given value.

    Attributes
    ----------
    v : float
        In the path's coordinate; NaN if there is none.
    why : str
        Why there is none, or an empty string.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> limit = fit.profile("sigma").curves["sigma"].solved(1.96)
    >>> round(limit.v, 3), limit.why
    (0.312, '')
    """

    v: float
    why: str = ""


@single
def _solve_limit(path: Path, zeta: float) -> Limit:
    """Return the place nearest to the fit at which zeta has the wanted value, or the bound of the coordinate.

    The path's points bracket it. It is solved for between them, with the deviance minimised over the other parameters
    at every trial, and other local minima searched at the last one. If one is lower, the search goes on outwards.
    """
    at, sign, wanted = (0, -1.0, -zeta) if zeta < 0 else (-1, 1.0, zeta)
    nodes = list(path.nodes[path.at_fit :: -1] if at == 0 else path.nodes[path.at_fit :])
    outer = next((i for i, node in enumerate(nodes) if sign * node.zeta >= wanted), None)
    if outer is None:
        return Limit(nodes[-1].v) if path.ends[at] else Limit(np.nan, path.stopped or "the profile ends before")
    if outer == 0 or wanted == sign * nodes[outer].zeta:
        return Limit(nodes[outer].v)
    # Nodes beyond a correlation's corner are at the bound of the deviance, and have no coordinates x.
    inside = [node for node in nodes[: outer + 1] if node.x is not None]
    side = Side(replace(path.valley), inside, path.direction, sign, path.bounds[at])
    found = side.walk(wanted)
    if found is None:
        return Limit(side.nodes[-1].v) if side.ended else Limit(np.nan, side.stopped)
    # The remaining distance is extrapolated along the slope.
    gap = sign * found.zeta - wanted
    if abs(gap * (sign * found.zeta + wanted)) > RISE:
        return Limit(np.nan, f"zeta jumps at {found.v:.4g}, from below {wanted:.4g} to {abs(found.zeta):.4g}")
    return Limit(found.v - sign * gap / found.slope)
