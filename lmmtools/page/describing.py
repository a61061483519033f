"""What is to be seen in each figure, in words and numbers of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.newdata import encode_fixed, is_categorical
from lmmtools.plots.effects import reference_grid
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

__all__ = ["caterpillar", "effects", "qq", "residuals", "section", "shrinkage", "variance"]

_Z95 = 1.959963984540054
# Of so many levels of a factor each mean is named.
_MAX_NAMED = 8


def effects(fit: Fit, variable: str) -> str:
    """Say how the population's mean goes along a variable."""
    grid, held = reference_grid(fit, variable)
    mean = encode_fixed(fit.design, grid) @ fit.estimate.beta
    others = f", with {join_with_and([f'{k} at {_short(v)}' for k, v in held.items()])}" if held else ""
    values = list(grid[variable])
    if is_categorical(fit.design, variable):
        named = [f"{mean[k]:.4g} at {values[k]}" for k in range(min(len(values), _MAX_NAMED))]
        more = f" and others, {len(values)} levels" if len(values) > _MAX_NAMED else ""
        return f"The population's mean with its 95% interval over the data{others}: {join_with_and(named)}{more}."
    return (
        f"The population's mean with its 95% interval over the data{others}: from {mean[0]:.4g} at {variable} = "
        f"{_short(values[0])} to {mean[-1]:.4g} at {variable} = {_short(values[-1])}."
    )


def variance(parts: Mapping[str, float]) -> str:
    """Say what each term contributes."""
    total = sum(parts.values())
    shares = [f"{name} {value:.4g} ({100 * value / total:.3g}%)" for name, value in parts.items()]
    return f"Bars of the variance that each part contributes to one row on average: {join_with_and(shares)}."


def caterpillar(fit: Fit, factor: str, effect: str) -> str:
    """Say how far the modes of a factor's levels reach, and how many differ from zero."""
    modes = fit.random_effects[factor]
    values, m, l = modes[effect].to_numpy(), len(modes), modes.shape[1]
    if not np.any(values):
        return f"All {m:,} levels of {factor} stand at zero: their variance is zero."
    column = list(modes.columns).index(effect)
    errors = np.sqrt(fit.random_effects_cov[factor].to_numpy().reshape(m, l, l)[:, column, column])
    clear = int((np.abs(values) > _Z95 * errors).sum())
    low, high = int(values.argmin()), int(values.argmax())
    return (
        f"One point with its 95% interval for each of {m:,} levels, in order of size: from {values[low]:.4g} "
        f"({modes.index[low]}) to {values[high]:.4g} ({modes.index[high]}); {clear:,} of the intervals "
        f"{'leaves' if clear == 1 else 'leave'} out zero."
    )


def shrinkage(fit: Fit, factor: str, own: NDArray[np.float64]) -> str:
    """Say how far the modes are drawn in from the levels' own estimates."""
    modes = fit.random_effects[factor].to_numpy()
    there = np.isfinite(own).all(axis=1)
    parts = []
    for name, a, b in zip(fit.random_effects[factor].columns, own[there].T, modes[there].T, strict=True):
        spread = float(np.sqrt(np.mean(a**2)))
        share = float(np.sqrt(np.mean(b**2))) / spread if spread else 1.0
        parts.append(f"{name} to {100 * share:.3g}%")
    return (
        f"Each level's own least-squares estimate against its conditional mode. The modes are drawn in towards the "
        f"population; what is left of the spread (root mean square) over {int(there.sum()):,} levels: "
        f"{join_with_and(parts)}."
    )


def residuals(fit: Fit) -> str:
    """Say how the residuals spread, and where the largest is."""
    scaled = fit.scaled_resid
    k = int(np.abs(scaled).argmax())
    return (
        f"{len(scaled):,} residuals against what the model fits, with the mean of neighbours as a line. Residual "
        f"standard deviation {fit.sigma:.4g}; the largest residual, of row {fit.fittedvalues.index[k]}, is "
        f"{scaled[k]:.3g} times that."
    )


def qq(fit: Fit) -> str:
    """Say how many residuals are further out than a normal distribution has them."""
    scaled = np.abs(fit.scaled_resid)
    found, expected = int((scaled > 2).sum()), 0.0455 * len(scaled)
    return (
        "Ordered standardised residuals against normal quantiles, with a simulated 95% band: points on the line are "
        f"normal. {found:,} of {len(scaled):,} residuals exceed two standard deviations, where a normal "
        f"distribution has about {expected:.3g}."
    )


def section(fit: Fit, label: str, is_certified: bool) -> str:
    """Say that the criterion only rises from zero on, where that is certified."""
    criterion = "REML criterion" if fit.reml else "deviance"
    rises = ": lowest at zero, the boundary, from where it rises" if is_certified else ""
    return f"The {criterion} along the standard deviation of {label}, the other parameters as fitted{rises}."


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
