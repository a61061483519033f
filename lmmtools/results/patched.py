"""A MixedLM result with every number on the data's scale, for packages that print tables of its attributes.

MixedLM's ``params`` hold variances divided by the residual variance, and ``bse`` has a scale of its own, so that
``summary_col`` prints "Subject Var 1.435" where the variance is 1378.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLMResults, MixedLMResultsWrapper

from lmmtools import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.engines.mixedlm.reading import ReadDesign
    from lmmtools.results.lmm_results import LMMResults

    Floats = NDArray[np.float64]

__all__ = ["PatchedMixedLMResults", "patch"]


class PatchedMixedLMResults(MixedLMResults):  # type: ignore[misc]
    """MixedLM's result with ``params``, ``bse``, ``conf_int``, ``cov_params`` and ``summary`` on the data's scale.

    Attributes
    ----------
    lmm : LMMResults
        The same fit as a result of lmmtools.
    undefined : dict of str to str
        Variance parameter without a standard error -> reason.
    """

    lmm: LMMResults
    undefined: dict[str, str]

    @property
    def pvalues(self) -> Floats:
        """Two-sided p-values of the fixed effects; NaN for variances, since a test of zero lies on the boundary."""
        from scipy.special import ndtr

        p = np.asarray(2.0 * ndtr(-np.abs(self.params / self.bse)))
        p[self.k_fe :] = np.nan
        return p

    @property
    def bse_re(self) -> pd.Series[float]:
        """Standard errors of the variance parameters, in squared units of y."""
        names = self.model.data.param_names[self.k_fe :]
        return pd.Series(np.sqrt(np.diag(self.cov_params())[self.k_fe :]), names)

    def cov_params(self, r_matrix: Any = None, **keywords: Any) -> Any:
        """Return the covariance of the parameters, or of contrasts; arguments as in statsmodels.

        A variance without a standard error (NaN) leaves contrasts finite that do not use it.
        """
        if r_matrix is None or keywords.get("cov_p") is not None:
            return super().cov_params(r_matrix, **keywords)
        contrasts = [np.atleast_2d(m) for m in (r_matrix, keywords.get("other")) if m is not None]
        unused = ~np.any([np.any(m != 0, axis=0) for m in contrasts], axis=0)
        scale = keywords.pop("scale", None)
        cov = self.normalized_cov_params * (self.scale if scale is None else scale)
        cov[unused], cov[:, unused] = 0.0, 0.0
        return super().cov_params(r_matrix, cov_p=cov, **{k: v for k, v in keywords.items() if k != "cov_p"})

    def summary(self, *args: Any, alpha: float = 0.05, **keywords: Any) -> Any:
        """Return MixedLM's summary with the parameters on the data's scale; arguments as in statsmodels."""
        out = super().summary(*args, alpha=alpha, **keywords)
        old = out.tables[1]
        values = np.column_stack(
            [self.params, self.bse, self.params / self.bse, self.pvalues, np.asarray(self.conf_int(alpha))]
        )
        # As MixedLM's own table: no test of a variance against zero, and no symmetric interval.
        values[self.k_fe :, 2:] = np.nan
        cells = [[_show(v, is_small=j < 2) for j, v in enumerate(row)] for row in values]
        out.tables[1] = pd.DataFrame(cells, old.index, old.columns)
        out.add_text(f"In lme4 notation: {self.lmm.design.formula.source}")
        out.add_text("Variances and their standard errors are on the scale of the data.")
        for remark in self.lmm.remarks:
            out.add_text(remark)
        return out


class _Wrapper(MixedLMResultsWrapper):  # type: ignore[misc]
    """MixedLM's labels except for ``bse_re``, whose labels have the wrong length beside variance components."""

    _wrap_attrs = {k: v for k, v in MixedLMResultsWrapper._wrap_attrs.items() if k != "bse_re"}  # noqa: RUF012


def _show(value: float, *, is_small: bool) -> str:
    """Return a number to three decimals, a small one to three digits; "" where it is not finite."""
    if not np.isfinite(value):
        return ""
    return f"{value:.3g}" if is_small and 0 < abs(value) < 0.1 else f"{value:.3f}"


def patch(result: Any, fit: LMMResults, read: ReadDesign) -> Any:
    """Return a copy of a MixedLM result on the data's scale.

    Parameters
    ----------
    result : MixedLMResults
    fit : LMMResults
        The same fit, as it was read.
    read : ReadDesign
        The design that was read, with the place of each of MixedLM's components in it.
    """
    own = copy.copy(getattr(result, "_results", result))
    own.__class__ = PatchedMixedLMResults
    # Cached numbers are on MixedLM's scale.
    own._cache, own._summary_cache = {}, {}
    k_fe, names = int(own.k_fe), [str(name) for name in own.model.data.param_names]
    params, cov = np.zeros(len(names)), np.full((len(names), len(names)), np.nan)
    kept = [i for i, name in enumerate(map(str, own.model.exog_names)) if name not in fit.design.dropped.columns]
    params[:k_fe] = np.nan
    params[kept] = fit.estimate.beta
    cov[np.ix_(kept, kept)] = fit.estimate.beta_cov
    cov[:k_fe, k_fe:] = cov[k_fe:, :k_fe] = 0.0
    own.undefined = _fill_variances(own, fit, read, params, cov)
    own.params, own.fe_params = params, params[:k_fe]
    own.scale = fit.scale
    own.normalized_cov_params = cov / own.scale
    own.lmm = fit
    return _Wrapper(own)


def _fill_variances(own: Any, fit: LMMResults, read: ReadDesign, params: Floats, cov: Floats) -> dict[str, str]:
    """Write variances and their covariance into ``params`` and ``cov``; return reasons for those without an error."""
    info = core.information(fit.problem, fit.estimate.theta, fit.reml)
    element = {key: i for i, key in enumerate(zip(info.blocks, info.entries, strict=True))}
    block_index = {id(block): i for i, block in enumerate(fit.design.blocks)}
    names = [str(name) for name in own.model.data.param_names]
    at: dict[int, int] = {}
    for component, block in read.blocks:
        b = block_index[id(block)]
        if component.source == "vc":
            at[own.k_fe + own.k_re2 + component.index] = element[b, (0, 0)]
            continue
        for i, column in enumerate(component.re_columns):
            for j, other in enumerate(component.re_columns[: i + 1]):
                at[own.k_fe + column * (column + 1) // 2 + other] = element[b, (i, j)]
    places, elements = np.array(list(at), dtype=int), np.array(list(at.values()), dtype=int)
    params[places] = info.vcov[elements]
    cov[np.ix_(places, places)] = info.vcov_cov[np.ix_(elements, elements)]
    reasons = {p: info.reasons[e] for p, e in at.items() if info.reasons[e]}
    if read.confounded:
        beside = f"not defined: of {' and '.join(read.confounded)} only a sum is identified"
        reasons |= dict.fromkeys(at, beside)
    reasons |= {p: "held at zero" for p in range(own.k_fe, len(names)) if p not in at}
    for p in reasons:
        cov[p, :], cov[:, p] = np.nan, np.nan
        cov[: own.k_fe, p] = cov[p, : own.k_fe] = 0.0
    return {names[p]: reason for p, reason in sorted(reasons.items())}
