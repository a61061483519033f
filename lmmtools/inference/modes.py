"""Conditional modes of the random effects as one frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.fit.record import Fit

__all__ = ["ranef_frame"]


def ranef_frame(fit: Fit) -> pd.DataFrame:
    """Return columns ``grpvar term grp condval condsd``, rows by factor, effect and level."""
    import pandas as pd

    parts = []
    for factor, modes in fit.random_effects.items():
        m, l = modes.shape
        covariances = fit.random_effects_cov[factor].to_numpy().reshape(m, l, l)
        parts.append(
            pd.DataFrame(
                {
                    "grpvar": factor,
                    "term": np.repeat(np.asarray(modes.columns, dtype=object), m),
                    "grp": list(modes.index) * l,
                    "condval": modes.to_numpy().T.ravel(),
                    "condsd": np.sqrt(np.einsum("mll->lm", covariances)).ravel(),
                }
            )
        )
    if not parts:
        return pd.DataFrame({"grpvar": [], "term": [], "grp": [], "condval": [], "condsd": []})
    return pd.concat(parts, ignore_index=True)
