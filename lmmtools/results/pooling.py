"""Fits of imputed data sets, pooled: ``lmt.pool(fits)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import memory
from lmmtools.inference.degrees import degrees
from lmmtools.inference.pooling.rubin import pool_estimates, pooled_estimates
from lmmtools.inference.tails import check_alpha
from lmmtools.results.lmm_results import LMMResults
from lmmtools.results.pooled_arguments import CompleteData, read_dfcom, read_fits
from lmmtools.results.pooled_fits import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmmtools.inference.robust import Correction

__all__ = ["pool"]


@memory.door
def pool(
    fits: Iterable[LMMResults],
    *,
    dfcom: CompleteData | float = "residual",
    cov: Correction | None = None,
    cluster: Any = None,
    alpha: float = 0.05,
) -> Pool:
    """Return fits of one model on imputed data sets, pooled by Rubin's rules, as mice's ``pool``.

    Parameters
    ----------
    fits : sequence of LMMResults
        One per imputed data set, of the same model on the same rows.
    dfcom : {"residual", "satterthwaite", "kenward-roger", "infinite"} or float
        Degrees of freedom that complete data would have, for Barnard and Rubin's: rows less all parameters, as mice
        takes them for ``lmer`` fits; the mean of the fits' own by a method, coefficient by coefficient, which counts
        groups and not rows and is the better choice for effects between few groups (``"kenward-roger"`` also pools its
        adjusted covariances); infinite, as mitml; or a number.
    cov, cluster
        A cluster-robust covariance within data sets, as for :meth:`LMMResults.tests`; ``dfcom`` is then
        ``"satterthwaite"``.
    alpha : float
        One less the coverage of limits.

    Returns
    -------
    Pool
        It prints the fixed effects; ``.t_test()``, ``.f_test()``, ``.marginal_means()``, ``.contrasts()``,
        ``.variances()`` and ``.test(smaller)`` pool the rest.

    Raises
    ------
    DataError
        If there are fewer than two fits, one is no fit, or they are of different models, rows or criteria.

    Notes
    -----
    Rubin (1987), doi:10.1002/9780470316696; Barnard & Rubin (1999), Biometrika 86(4), doi:10.1093/biomet/86.4.948.
    lmmtools does not impute: any package's completed data sets will do.

    See Also
    --------
    LMMResults.tests : One fit's.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("sleepstudy")
    >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
    >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
    >>> pooled.to_frame()[["estimate", "std_error", "df", "fmi"]].round(3)
               estimate  std_error       df    fmi
    term
    Intercept   254.143      7.619  128.644  0.071
    Days         10.464      1.549  171.020  0.012
    z            -0.910      1.130   22.191  0.330
    """
    found = read_fits(fits)
    check_alpha(alpha)
    whole, method = read_dfcom(dfcom, cov, cluster)
    names = found[0].design.x_names
    own = [degrees(fit, method) for fit in found]
    said = {
        "residual": "complete data: rows less all parameters, as mice",
        "satterthwaite": "complete data: the fits' degrees of freedom by Satterthwaite's method, averaged",
        "kenward-roger": "complete data: the fits' degrees of freedom by Kenward and Roger's method, averaged",
        "inf": "complete data: infinite degrees of freedom",
    }.get(str(whole), f"complete data: {whole} degrees of freedom")
    notes = [f"Barnard and Rubin's degrees of freedom; {said}"]
    if cov is not None:
        notes.append(f"covariances within data sets are cluster-robust, {cov}")
    if len({str(fit.design.formula) for fit in found}) > 1:
        notes.append("formulas of the fits are written in several ways")
    empty = pooled_estimates(("term",), (), pool_estimates(np.empty((2, 0)), np.empty((2, 0)), np.inf), alpha)
    made = Pool(found, empty, whole, method, alpha)
    variances = np.array([np.diag(each.cov) for each in own])
    pooled = pool_estimates(
        np.array([fit.estimate.beta for fit in found]),
        variances,
        made._dfcom_of([each.df(np.eye(len(names))) for each in own]),
    )
    table = pooled_estimates(("term",), [(name,) for name in names], pooled, alpha, notes)
    return Pool(found, table, whole, method, alpha)
