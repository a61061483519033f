"""`Pool`: fits of imputed data sets, with methods that pool what these say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.degrees import degrees
from lmmtools.inference.likelihood_ratio import fitted_by_ml
from lmmtools.inference.marginal.adjust import Family, adjust_family
from lmmtools.inference.marginal.grid import GridOptions, reference_cells
from lmmtools.inference.marginal.means import name_list
from lmmtools.inference.pooling.joint import PooledTest, Pooling, pool_likelihood_ratios, pool_statistics, pool_wald
from lmmtools.inference.pooling.rubin import PooledEstimates, pool_estimates, pooled_estimates
from lmmtools.inference.pooling.variances import PooledVariances, pool_variances
from lmmtools.inference.tails import check_alpha, t_quantile
from lmmtools.inference.wald_tests import read_constraints
from lmmtools.report.result_table import ResultTable, Tabular
from lmmtools.results.lmm_results import LMMResults
from lmmtools.results.pooled_arguments import read_fits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.inference.degrees import Method

    Floats = NDArray[np.float64]

__all__ = ["Pool", "PooledAdjust"]

PooledAdjust = Literal["none", "sidak", "bonferroni", "holm", "holm-sidak", "hochberg", "hommel", "fdr", "fdr_by"]

ADJUSTMENTS = ("none", "sidak", "bonferroni", "holm", "holm-sidak", "hochberg", "hommel", "fdr", "fdr_by")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Pool(Tabular):
    """Fits of one model on imputed data sets; it prints the pooled fixed effects.

    ``to_frame()`` is that of ``coefficients``.

    Attributes
    ----------
    fits : tuple of LMMResults, length m
    coefficients : PooledEstimates
        The fixed effects.
    dfcom : str or float
        Where the degrees of freedom of complete data come from.
    method : str or Robust
        What the covariances of the fits come from.
    alpha : float
        One less the coverage of limits.

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

    fits: tuple[LMMResults, ...]
    coefficients: PooledEstimates
    dfcom: str | float
    method: Method
    alpha: float

    @property
    def m(self) -> int:
        """Number of data sets."""
        return len(self.fits)

    @property
    def _table(self) -> ResultTable:
        return self.coefficients._table

    @property
    def params(self) -> pd.Series[float]:
        """The pooled fixed effects, named.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("sleepstudy")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
        >>> pooled.params.round(2)
        term
        Intercept    254.14
        Days          10.46
        z             -0.91
        Name: params, dtype: float64
        """
        return self.to_frame()["estimate"].rename("params")

    @property
    def bse(self) -> pd.Series[float]:
        """Their standard errors, named.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("sleepstudy")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
        >>> pooled.bse.round(2)
        term
        Intercept    7.62
        Days         1.55
        z            1.13
        Name: bse, dtype: float64
        """
        return self.to_frame()["std_error"].rename("bse")

    @property
    def pvalues(self) -> pd.Series[float]:
        """Their p-values, named.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("sleepstudy")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
        >>> pooled.pvalues.round(3)
        term
        Intercept    0.000
        Days         0.000
        z            0.429
        Name: pvalues, dtype: float64
        """
        return self.to_frame()["p"].rename("pvalues")

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return limits of the fixed effects: columns 0 (lower) and 1 (upper), as :meth:`LMMResults.conf_int`.

        Parameters
        ----------
        alpha : float
            One less the coverage.

        Raises
        ------
        DataError
            If ``alpha`` is not between 0 and 1.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("sleepstudy")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
        >>> pooled.conf_int().round(2)
                        0       1
        Intercept  239.07  269.22
        Days         7.41   13.52
        z           -3.25    1.43
        """
        import pandas as pd

        found = self.coefficients
        half = t_quantile(check_alpha(alpha) / 2.0, found.df) * found.std_error
        names = [name for (name,) in found.values]
        return pd.DataFrame({0: found.estimate - half, 1: found.estimate + half}, index=names)

    def t_test(self, constraints: Any) -> PooledEstimates:
        """Return the pooled estimate and t test of each constraint on the fixed effects.

        Parameters
        ----------
        constraints : str, array_like of shape (rows, p) or (p,), or (array_like, array_like)
            As :meth:`LMMResults.t_test` takes them.

        Raises
        ------
        DataError
            If a coefficient is unknown, or the matrix has another width than the fixed effects.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("sleepstudy")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
        >>> pooled.t_test("Days = 10").to_frame()[["estimate", "p"]].round(3)
              estimate      p
        term
        Days     0.464  0.765
        """
        L, values, labels = read_constraints(constraints, self.fits[0].design.x_names)
        found = [degrees(fit, self.method) for fit in self.fits]
        estimates = np.array([L @ fit.estimate.beta - values for fit in self.fits])
        variances = np.array([np.einsum("ra,ab,rb->r", L, each.cov, L) for each in found])
        whole = self._dfcom_of([each.df(L) for each in found])
        pooled = pool_estimates(estimates, variances, whole)
        return pooled_estimates(("term",), [(label,) for label in labels], pooled, self.alpha, self.coefficients.notes)

    def f_test(self, constraints: Any, method: Literal["D1", "D2"] = "D1") -> PooledTest:
        """Return the pooled Wald test that all constraints on the fixed effects hold together, as mice's and mitml's.

        Parameters
        ----------
        constraints : str, array_like of shape (rows, p) or (p,), or (array_like, array_like)
        method : {"D1", "D2"}
            D1 pools estimates and covariances (Li, Raghunathan & Rubin 1991), D2 the Wald statistics (Li, Meng,
            Raghunathan & Rubin 1991), which is less exact.

        Raises
        ------
        DataError
            If a coefficient is unknown, or there is no such method.

        See Also
        --------
        test : Likelihood ratios, also of random effects.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("sleepstudy")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
        >>> round(pooled.f_test("Days = 0, z = 0").F, 2)
        19.6
        """
        if method not in ("D1", "D2"):
            raise DataError(f'method={method!r} is not known here; use "D1" or "D2"; test(smaller) has "D3"')
        L, values, _ = read_constraints(constraints, self.fits[0].design.x_names)
        if np.linalg.matrix_rank(L) < len(L):
            raise DataError(f"the {len(L)} constraints depend on each other: leave out those that others imply")
        found = [degrees(fit, self.method) for fit in self.fits]
        gaps = np.array([L @ fit.estimate.beta - values for fit in self.fits])
        covariances = np.array([L @ each.cov @ L.T for each in found])
        if method == "D2":
            statistics = [g @ np.linalg.solve(C, g) for g, C in zip(gaps, covariances, strict=True)]
            return pool_statistics(np.array(statistics), len(L))
        whole = self._dfcom_of([np.array([each.f_reference(L)[1]]) for each in found])
        return pool_wald(gaps, covariances, float(whole[0]))

    def test(self, smaller: Pool | Iterable[LMMResults], method: Pooling = "D3") -> PooledTest:
        """Return the pooled test of these fits against those of a smaller model on the same data sets.

        Parameters
        ----------
        smaller : Pool or sequence of LMMResults
            In the order of the data sets here.
        method : {"D3", "D2", "D1"}
            D3 and D2 pool likelihood ratios by maximum likelihood: D3 (Meng & Rubin 1992) through the likelihoods at
            the pooled parameters, D2 (Li, Meng, Raghunathan & Rubin 1991) through the m ratios alone. D1 is Wald's
            test of the fixed effects that the smaller model has not, as :meth:`f_test`.

        Raises
        ------
        DataError
            If there are not as many fits, their rows are others, or the model is not smaller.

        Notes
        -----
        mitml's ``testModels``. D1 and D3 need no large samples of imputations; D2 with few may be far off either way.
        A variance that is tested at zero lies on its boundary: p-values are then too large.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("sleepstudy")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
        >>> without = lmt.pool([lmt.lmm("Reaction ~ Days + (Days | Subject)", d).fit() for d in sets])
        >>> round(pooled.test(without).F, 2)
        0.64
        """
        if method not in ("D1", "D2", "D3"):
            raise DataError(f'method={method!r} is not known; use "D1", "D2" or "D3"')
        others = smaller.fits if isinstance(smaller, Pool) else read_fits(smaller)
        self._check_smaller(others)
        if method == "D1":
            names, kept = self.fits[0].design.x_names, others[0].design.x_names
            own = [i for i, name in enumerate(names) if name not in kept]
            if not set(kept) < set(names) or others[0].design.k != self.fits[0].design.k:
                raise DataError("D1 tests fixed effects of one random part: the smaller model has to lack some, alone")
            return self.f_test(np.eye(len(names))[own])
        notes = ["refitted by maximum likelihood instead of REML"] if any(f.reml for f in (*self.fits, *others)) else []
        larger, less = [fitted_by_ml(f) for f in self.fits], [fitted_by_ml(f) for f in others]
        if self.fits[0].design.k != others[0].design.k:
            notes.append("where a variance is tested at zero, its boundary, the p-value is conservative (too large)")
        k = self.fits[0].k_params - others[0].k_params
        if method == "D3":
            return pool_likelihood_ratios(larger, less, k, notes)
        ratios = np.array([2.0 * (a.llf - b.llf) for a, b in zip(larger, less, strict=True)])
        return pool_statistics(ratios, k, notes)

    def variances(self) -> PooledVariances:
        """Return standard deviations and correlations of the random effects, pooled on the log scale and by Fisher's z.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("sleepstudy")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
        >>> pooled.variances().to_frame()[["grp", "var1", "sdcor", "lower", "upper"]].round(2)
                grp         var1  sdcor  lower  upper
        0   Subject  (Intercept)  24.69  15.54  39.22
        1   Subject         Days   5.94   3.93   8.97
        2   Subject  (Intercept)   0.06  -0.52   0.61
        3  Residual          NaN  25.58  22.78  28.74
        """
        return pool_variances(self.fits, self.alpha)

    def marginal_means(
        self,
        factors: str | Sequence[str],
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        slope_of: str | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
    ) -> PooledEstimates:
        """Return pooled marginal means, or slopes; covariates are held at their means over all data sets.

        Parameters
        ----------
        factors, by, at, slope_of, weights
            As :meth:`LMMResults.marginal_means` takes them.

        Raises
        ------
        DataError
            As there; and if the data sets have other levels.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("ergoStool")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("effort ~ Type + z + (1 | Subject)", d).fit() for d in sets])
        >>> pooled.marginal_means("Type").to_frame()[["Type", "estimate", "std_error"]].round(3)
          Type  estimate  std_error
        0   T1     8.558      0.581
        1   T2    12.449      0.581
        2   T3    10.773      0.581
        3   T4     9.220      0.580
        """
        held = self._hold_covariates(factors, by, at, slope_of, weights)
        found = [
            fit.marginal_means(factors, by=by, at=held, slope_of=slope_of, weights=weights, **self._asked())
            for fit in self.fits
        ]
        _check_rows([each.values for each in found])
        pooled = self._pool_rows(found)
        return pooled_estimates(
            found[0].names, found[0].values, pooled, self.alpha, (*found[0].notes, *self.coefficients.notes)
        )

    def contrasts(
        self,
        factors: str | Sequence[str],
        *,
        method: str | Mapping[str, Any] = "pairwise",
        ref: Any = None,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        slope_of: str | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        adjust: PooledAdjust = "none",
    ) -> PooledEstimates:
        """Return pooled contrasts of marginal means.

        Parameters
        ----------
        factors, method, ref, by, at, slope_of, weights
            As :meth:`LMMResults.contrasts` takes them.
        adjust : {"none", "sidak", "bonferroni", "holm", "holm-sidak", "hochberg", "hommel", "fdr", "fdr_by"}
            Of p-values, within each level of ``by``: methods that need p-values alone.

        Raises
        ------
        DataError
            As there; and if the data sets have other levels.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> data = lmt.datasets.load("ergoStool")
        >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
        >>> pooled = lmt.pool([lmt.lmm("effort ~ Type + z + (1 | Subject)", d).fit() for d in sets])
        >>> pooled.contrasts("Type", adjust="holm").to_frame()[["contrast", "estimate", "p"]].head(2).round(3)
          contrast  estimate      p
        0  T1 - T2    -3.890  0.000
        1  T1 - T3    -2.215  0.001
        """
        if adjust not in ADJUSTMENTS:
            raise DataError(f"adjust={adjust!r} is not known for pooled contrasts; use one of {', '.join(ADJUSTMENTS)}")
        held = self._hold_covariates(factors, by, at, slope_of, weights)
        arguments = {"method": method, "ref": ref, "by": by, "at": held, "slope_of": slope_of, "weights": weights}
        found = [fit.contrasts(factors, adjust="none", **arguments, **self._asked()) for fit in self.fits]
        rows = [(*group, name) for group, name in zip(found[0].groups, found[0].names, strict=True)]
        _check_rows([tuple(zip(each.groups, each.names, strict=True)) for each in found])
        note = "p-values are not adjusted for their number" if adjust == "none" else f"p-values are adjusted ({adjust})"
        table = pooled_estimates(
            (*found[0].by, "contrast"),
            rows,
            self._pool_rows(found),
            self.alpha,
            (*found[0].notes, note, *self.coefficients.notes),
        )
        return _adjust(table, found[0].groups, adjust)

    def _asked(self) -> dict[str, Any]:
        """Return the arguments of a fit's method for its means that ask for the covariance of this pool."""
        if isinstance(self.method, str):
            return {"ddf": self.method}
        labels = self.method.labels
        cluster = self.method.cluster if labels is None else labels.values
        return {"ddf": self.method.ddf, "cov": self.method.cov, "cluster": cluster}

    def _pool_rows(self, found: Sequence[Any]) -> Any:
        """Return estimates of each fit's table, pooled."""
        errors = np.array([each.se for each in found])
        return pool_estimates(
            np.array([each.estimate for each in found]), errors**2, self._dfcom_of([f.df for f in found])
        )

    def _dfcom_of(self, own: Sequence[Floats]) -> Floats:
        """Return the degrees of freedom of complete data, from those of each fit, shape (rows,)."""
        if self.dfcom == "residual":
            return np.full(len(own[0]), float(np.mean([fit.df_resid for fit in self.fits])))
        if isinstance(self.dfcom, str):
            return np.asarray(np.mean(own, axis=0), dtype=float)
        return np.full(len(own[0]), self.dfcom)

    def _hold_covariates(
        self, factors: Any, by: Any, at: Mapping[str, Any] | None, slope_of: str | None, weights: Any
    ) -> dict[str, Any]:
        """Return ``at`` with covariates that the grid holds at a mean held at the mean over all data sets."""
        given = dict(at or {})
        options = GridOptions(at=given, slope_of=slope_of, weights=weights)
        names = name_list(factors, "factors"), name_list(by, "by")
        cells = [reference_cells(fit.design, *names, options) for fit in self.fits]
        for name, value in cells[0].fixed_at.items():
            if name not in given and name != slope_of and isinstance(value, (int, float, np.number)):
                given[name] = [float(np.mean([each.fixed_at[name] for each in cells]))]
        return given

    def _check_smaller(self, others: Sequence[LMMResults]) -> None:
        """Raise a DataError if fits are not those of a smaller model on the same data sets."""
        if len(others) != self.m:
            raise DataError(f"there are {self.m} fits here and {len(others)} of the smaller model: one per data set")
        for i, (a, b) in enumerate(zip(self.fits, others, strict=True), 1):
            if a.nobs != b.nobs or not np.array_equal(a.design.response, b.design.response):
                raise DataError(f"data set {i}: the two models are fitted to other rows or responses")
        if self.fits[0].k_params <= others[0].k_params:
            raise DataError(
                f"the other model has {others[0].k_params} parameters and this one {self.fits[0].k_params}: write "
                "larger.test(smaller)"
            )


def _adjust(table: PooledEstimates, groups: Sequence[tuple[Any, ...]], adjust: str) -> PooledEstimates:
    """Return a table with p-values adjusted within each group."""
    p = np.array(table.p)
    for group in dict.fromkeys(groups):
        own = np.array([g == group for g in groups])
        family = Family(table.statistic[own], table.df[own], table.p[own], np.eye(int(own.sum())), int(own.sum()))
        p[own] = adjust_family(family, adjust)
    return replace(table, p=p)


def _check_rows(rows: Sequence[Any]) -> None:
    """Raise a DataError if tables of the fits have other rows."""
    for i, own in enumerate(rows[1:], 2):
        if own != rows[0]:
            raise DataError(f"data set {i} has other levels than data set 1: its factors need the same categories")
