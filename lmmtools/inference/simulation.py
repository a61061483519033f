"""Responses simulated from a model: of the design for bootstraps, of fitted or new rows for users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.newdata import as_frame, label_levels
from lmmtools.design.theta import lambda_factors
from lmmtools.errors import DataError
from lmmtools.inference.draws import as_generator, check_count, check_draws
from lmmtools.inference.linear_predictor import find_included, predicted_means, rows_to_predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit
    from lmmtools.inference.linear_predictor import Included, NewRows

    Floats = NDArray[np.float64]

__all__ = ["simulate", "simulate_frame", "simulate_with_effects"]

COPIES = 3.0
"""Arrays of rows by draws at the peak of a simulation: the draws, what is added to them, and the frame."""

UNSEEN = ("error", "population", "new")


def simulate(design: Design, beta: Floats, theta: Floats, sigma: float, n: int, rng: np.random.Generator) -> Floats:
    """Return draws of the response with new random effects and residuals, shape (nobs, n), offset included.

    Parameters
    ----------
    design : Design
    beta : ndarray, shape (p,)
    theta : ndarray, shape (k,)
    sigma : float
        In units of y.
    n : int
        Number of draws.
    rng : numpy.random.Generator
    """
    return simulate_with_effects(design, beta, theta, sigma, n, rng)[0]


def simulate_with_effects(
    design: Design, beta: Floats, theta: Floats, sigma: float, n: int, rng: np.random.Generator
) -> tuple[Floats, list[Floats]]:
    """Return draws as :func:`simulate` does, shape (nobs, n), and their random effects, (m, n, l) per block."""
    mean = design.fixed @ beta if design.offset is None else design.fixed @ beta + design.offset
    noise = rng.standard_normal((design.n, n)) * sigma
    if design.weights is not None:
        noise /= np.sqrt(design.weights)[:, None]
    out = np.asarray(noise + mean[:, None])
    effects = []
    for block, lam in zip(design.blocks, lambda_factors(theta, design.blocks), strict=True):
        effects.append(rng.standard_normal((block.m, n, block.l)) @ (sigma * lam.T))
        for j in range(block.l):
            out += block.basis[:, j, None] * effects[-1][block.codes, :, j]
    return out, effects


def simulate_frame(
    fit: Fit,
    n: int,
    rng: np.random.Generator | int | None,
    random: str | Sequence[str],
    *,
    data: Any,
    unseen: str,
    offset: ArrayLike | None,
    weights: ArrayLike | str | None,
) -> pd.DataFrame:
    """Return draws as a frame; see :meth:`LMMResults.simulate`."""
    import pandas as pd

    n, generator = check_count(n), as_generator(rng)
    if unseen not in UNSEEN:
        raise DataError(f"unseen={unseen!r} is not an option; use one of {', '.join(map(repr, UNSEEN))}")
    kept = _find_kept(fit.design, random)
    frame = None if data is None else as_frame(data)
    rows = rows_to_predict(
        fit.design,
        frame,
        kept,
        unseen="error" if unseen == "error" else "population",
        offset=offset,
        weights=weights,
        is_observation=True,
    )
    check_draws(n, len(rows.X), COPIES)
    drawn = _draw_rows(fit, rows, kept, frame, n, generator, draw_unseen=unseen == "new")
    return pd.DataFrame(drawn, index=rows.index, columns=[f"sim_{i}" for i in range(1, n + 1)])


def _find_kept(design: Design, random: str | Sequence[str]) -> Included:
    """Return which effects of each block keep their conditional modes, each (l,).

    Raises
    ------
    DataError
        If there is no such option, factor or term, or some effects of a term would be kept and the others drawn.
    """
    if isinstance(random, str) and random in ("new", "fitted"):
        return find_included(design, random == "fitted")
    is_name = not isinstance(random, (bool, np.bool_))
    if isinstance(random, str) and "|" not in random:
        is_name = design.find_factor(random) is not None
    if not is_name:
        names = ", ".join(map(repr, design.factors))
        raise DataError(f'random={random!r} is not an option; write "new", "fitted", or factors to keep, of {names}')
    kept = find_included(design, random)
    for block, use in zip(design.blocks, kept, strict=True):
        if use.any() and not use.all():
            raise DataError(
                f"random={random!r} keeps some effects of {block.term} and not the others; keep all of them"
            )
    return kept


def _draw_rows(
    fit: Fit,
    rows: NewRows,
    kept: Included,
    frame: pd.DataFrame | None,
    n: int,
    rng: np.random.Generator,
    *,
    draw_unseen: bool,
) -> Floats:
    """Return responses of rows, shape (r, n): residuals are drawn first, then effects block by block."""
    noise = rng.standard_normal((len(rows.X), n)) * fit.sigma / np.sqrt(rows.weights)[:, None]
    out = noise + predicted_means(fit, rows, kept)[:, None]
    factors = lambda_factors(fit.estimate.theta, fit.design.blocks)
    for block, lam, basis, code, use in zip(fit.design.blocks, factors, rows.bases, rows.codes, kept, strict=True):
        is_drawn = (code < 0) & draw_unseen if use.any() else np.ones(len(code), dtype=bool)
        if not is_drawn.any():
            continue
        levels = block.codes if frame is None else label_levels(block, frame)
        effects = rng.standard_normal((max(block.m, int(levels.max()) + 1), n, block.l)) @ (fit.sigma * lam.T)
        for j in range(block.l):
            out += np.where(is_drawn, basis[:, j], 0.0)[:, None] * effects[levels, :, j]
    return np.asarray(out)
