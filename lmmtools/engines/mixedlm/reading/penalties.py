"""Results of MixedLM whose fixed effects were penalised."""

from __future__ import annotations

from typing import Any

__all__ = ["is_penalised"]


def is_penalised(result: Any) -> bool:
    """Whether fixed effects of a result come from ``fit_regularized``, or from ``fit(fe_pen=...)``.

    ``fit()`` records its search as ``hist`` and ``fit_regularized``, which moves the fixed effects after it, does not.
    """
    return not hasattr(result, "hist") or getattr(result.model, "fe_pen", None) is not None
