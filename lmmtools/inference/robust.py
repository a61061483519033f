"""Cluster-robust covariances of the fixed effects, CR0 to CR3, with the degrees of freedom that go with them.

The covariance that the model implies is right if the model's covariance of y is. These are right for any covariance of
the rows within clusters, given many clusters; CR2 is unbiased if the model holds, and with Satterthwaite's degrees of
freedom its tests keep their level for few clusters.

**t.** The variance of a contrast is a sum of squares over clusters of s_j = c'M E_j'e_j. In the model these have the
covariance P, and the sum is matched to a scaled chi-squared variable: df = (tr P)^2 / tr(P^2) (Bell & McCaffrey 2002,
Surv. Methodol. 28; Pustejovsky & Tipton 2018, J. Bus. Econ. Stat. 36, section 3.1).

**F.** Of q contrasts, with D the estimated covariance in units of its expectation, (q, q), the sum over s and t of
Var(D_st) is matched to that of a Wishart variable, nu = q (q + 1) / sum, and

    (nu - q + 1) / (nu q) Q  is referred to F(q, nu - q + 1) ,   Q Wald's statistic

(the "HTZ" of section 3.2 there). ``clubSandwich`` computes the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lmmtools import core
from lmmtools.design.frame import as_frame
from lmmtools.design.redeclare import is_unchanged
from lmmtools.errors import DataError, RowsNeededError
from lmmtools.other_names import ARGUMENTS
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Correction", "Robust", "RobustDegrees", "read_robust", "robust_degrees"]

Correction = Literal["CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"]

LISTED = 5

SINGULAR = 1e-10
"""Smallest eigenvalue of the robust covariance of contrasts, as a share of the largest, that counts as zero."""


class Labels:
    """Labels of rows that are compared by identity, since they are values and have no name.

    Parameters
    ----------
    values : array_like
    """

    __slots__ = ("values",)

    def __init__(self, values: Any) -> None:
        self.values = values


@dataclass(frozen=True, slots=True)
class Robust:
    """A robust method of standard errors and degrees of freedom, as the records of tests name it.

    Attributes
    ----------
    cov : {"CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"}
    cluster : str or None
        The factor or column whose levels are the clusters; None for labels that were given as values.
    ddf : {"satterthwaite", "z"}
    labels : Labels or None
        Labels that were given as values.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> print(fit.tests(cov="CR2").ddf)
    CR2, satterthwaite
    """

    cov: Correction
    cluster: str | None
    ddf: Literal["satterthwaite", "z"]
    labels: Labels | None = None

    def describe(self, test: Literal["t", "F"] = "t") -> str:
        """Return the sentence for the foot of a table."""
        by = "" if self.cluster is None else f" by {self.cluster}"
        own = f"cluster-robust standard errors ({self.cov}{by})"
        if test == "F":
            reference = "the chi-squared distribution" if self.ddf == "z" else "the approximate Hotelling T2 (HTZ)"
            return f"the F test uses a cluster-robust covariance ({self.cov}{by}) and {reference}"
        return f"z-tests use {own}" if self.ddf == "z" else f"t-tests use {own} and Satterthwaite's method"

    def __str__(self) -> str:
        return f"{self.cov}, {self.ddf}"


@dataclass(frozen=True, slots=True, eq=False)
class RobustDegrees:
    """A robust covariance, and the degrees of freedom of any contrast.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        The robust covariance, in squared units of the effects.
    scores : ClusterScores
    method : Robust
    notes : tuple of str
    """

    cov: Floats
    scores: core.ClusterScores
    method: Robust
    notes: tuple[str, ...] = ()

    def df(self, contrasts: Floats) -> Floats:
        """Return the degrees of freedom of each contrast, shape (r,); NaN in a row of ``contrasts`` gives NaN."""
        if self.method.ddf == "z":
            return np.full(len(contrasts), np.inf)
        turned = contrasts @ self.scores.root
        # df has no unit; squares of very large or small contrasts would have none to be computed in.
        with np.errstate(invalid="ignore", divide="ignore"):
            turned = turned / np.sqrt((turned**2).sum(axis=1))[:, None]
        return np.array([_matched_df(self.scores, c) for c in turned])

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return (scale of F, denominator degrees of freedom) for independent contrasts, shape (q, p).

        Both are NaN where the clusters are too few for a test of so many contrasts.
        """
        q = len(contrasts)
        expected = contrasts @ self.scores.root
        expected = expected @ expected.T
        unit = 1.0 / np.sqrt(np.diag(expected))
        found = contrasts @ self.cov @ contrasts.T
        robust = found * unit * unit[:, None] / self.scores.sigma**2
        if np.linalg.eigvalsh(robust)[0] <= SINGULAR * max(1.0, np.linalg.eigvalsh(robust)[-1]):
            return np.nan, np.nan
        if self.method.ddf == "z":
            return 1.0, np.inf
        if q == 1:
            return 1.0, float(self.df(contrasts)[0])
        nu = _matched_wishart(self.scores, contrasts @ self.scores.root)
        return (nu - q + 1.0) / nu, nu - q + 1.0


def _matched_df(scores: core.ClusterScores, c: Floats) -> float:
    """Return (tr P)^2 / tr(P^2) of one contrast, in the coordinates of the scores."""
    k = scores.H @ c
    a = scores.F @ c @ c
    size = (k**2).sum(axis=1)
    squares = float((a**2).sum() - 2.0 * (a @ size) + ((k.T @ k) ** 2).sum())
    return float((a - size).sum() ** 2 / squares)


def _matched_wishart(scores: core.ClusterScores, C: Floats) -> float:
    """Return nu of q contrasts, shape (q, p), in the coordinates of the scores.

    With P_ij, (q, q), the covariance of the vectors s_i and s_j of two clusters, in units in which the sum of all P_jj
    is the identity, the sum of all Var(D_st) is the sum over i and j of (tr P_ij)^2 + tr(P_ij P_ij).
    """
    q = len(C)
    K = C @ scores.H.swapaxes(1, 2)  # P_ij is F_i where i = j, less K_i K_j'
    A = C @ scores.F @ C.T
    values, vectors = np.linalg.eigh((A - K @ K.swapaxes(1, 2)).sum(axis=0))
    unit = (vectors / np.sqrt(values)) @ vectors.T
    K, A = unit @ K, unit @ A @ unit
    own = K @ K.swapaxes(1, 2)
    trace, less = np.einsum("iaa->i", A), np.einsum("iaa->i", own)
    flat = K.reshape(len(K), -1)
    T = flat.T @ flat
    first = (trace**2).sum() - 2.0 * (trace @ less) + (T**2).sum()
    T = T.reshape(q, C.shape[1], q, C.shape[1])
    crossed = np.einsum("sutv,tusv->", T, T)
    second = (A * A).sum() - 2.0 * (A * own).sum() + crossed
    return float(q * (q + 1.0) / (first + second))


def read_robust(ddf: str, cov: Any, cluster: Any) -> Robust:
    """Return the robust method that arguments name.

    Raises
    ------
    DataError
        If there is no such covariance, or its degrees of freedom are not defined.
    """
    if not isinstance(cov, str) or cov not in get_args(Correction):
        known = ", ".join(map(repr, get_args(Correction)))
        of_matrix = (
            "" if cov is None or isinstance(cov, str) else f"; for contrasts L of the effects {ARGUMENTS['r_matrix']}"
        )
        raise DataError(f"cov={cov!r} is no cluster-robust covariance; there are {known}{of_matrix}")
    if ddf not in ("satterthwaite", "z"):
        raise DataError(
            f'ddf={ddf!r} is of the covariance that the model implies; with cov={cov!r} use ddf="satterthwaite" or "z"'
        )
    if cluster is None or isinstance(cluster, str):
        return Robust(cov, cluster, ddf)  # type: ignore[arg-type]
    return Robust(cov, None, ddf, Labels(cluster))  # type: ignore[arg-type]


def robust_degrees(fit: Fit, method: Robust) -> RobustDegrees:
    """Return a fit's robust covariance and its degrees of freedom.

    Raises
    ------
    DataError
        If there is no such cluster, the random effects are not nested in it, or there is only one.
    RowsNeededError
        If the rows are not in memory.
    EngineError
        If there is no memory, or CR3 is not defined.
    """
    if fit.design.streamed is not None:
        raise RowsNeededError(
            f"cov={method.cov!r} needs the rows of each cluster together, and this fit reads its rows in batches: "
            "declare the model with stream=False if memory holds them"
        )
    codes, m, name = _read_clusters(fit, method)
    if m < 2:
        raise DataError(f"there is one cluster ({name}): a robust covariance needs many")
    correction: dict[str, core.Correction] = {"CR2": "square-root", "CR3": "jackknife"}
    scores = core.cluster_scores(fit.problem, fit.theta, fit.reml, codes, m, correction.get(method.cov, "none"))
    n, p = fit.nobs, fit.design.p
    if method.cov == "CR1p" and m <= p:
        raise DataError(f'CR1p divides by clusters less fixed effects, {m} - {p}: use cov="CR2"')
    factor = {
        "CR1": m / (m - 1.0),
        "CR1p": m / (m - p) if m > p else 1.0,
        "CR1S": m * (n - 1.0) / ((m - 1.0) * (n - p)),
    }.get(method.cov, 1.0)
    meat = factor * (scores.u.T @ scores.u)
    few = (f"there are only {m} clusters: limits and p-values are rough",) if m < FEW and method.ddf == "z" else ()
    return RobustDegrees(scores.root @ meat @ scores.root.T, scores, method, (f"{m} clusters ({name})", *few))


FEW = 40
"""Clusters below which the normal distribution is said to be rough (Cameron & Miller 2015, J. Hum. Resour. 50)."""


def _read_clusters(fit: Fit, method: Robust) -> tuple[Codes, int, str]:
    """Return the cluster of each row, the number of clusters, and what they are called."""
    if method.labels is not None:
        codes, m = _code(_values_of_rows(fit, method.labels.values), "cluster=")
        name = "given as values"
    elif method.cluster is None:
        return _outermost(fit)
    else:
        name = method.cluster
        factor = fit.design.find_factor(name)
        if factor is not None:
            block = fit.design.blocks[fit.design.factors[factor][0]]
            codes, m = block.codes, block.m
        else:
            codes, m = _code(_columns(fit, name), name)
    outside = [g for g, b in _factors(fit).items() if _parent(b.codes, b.m, codes) is None]
    if outside:
        raise DataError(
            f"{list_first(outside, LISTED)}: levels have rows in several clusters ({name}), so that clusters are not "
            "independent in this model; cluster= must be a factor in which every grouping factor is nested"
        )
    return codes, m, name


def _factors(fit: Fit) -> dict[str, Any]:
    """Return a block of each grouping factor."""
    return {name: fit.design.blocks[own[0]] for name, own in fit.design.factors.items()}


def _parent(codes: Codes, m: int, clusters: Codes) -> Codes | None:
    """Return the cluster of each level, shape (m,), None where a level has rows in several."""
    found = np.zeros(m, dtype=np.intp)
    found[codes] = clusters
    return found if (found[codes] == clusters).all() else None


def _outermost(fit: Fit) -> tuple[Codes, int, str]:
    """Return the grouping factor in which all others are nested.

    Raises
    ------
    DataError
        If there is none: factors are crossed.
    """
    factors = _factors(fit)
    name, block = min(factors.items(), key=lambda item: int(item[1].m))
    crossed = [g for g, b in factors.items() if _parent(b.codes, b.m, block.codes) is None]
    if crossed:
        raise DataError(
            f"{name} and {list_first(crossed, LISTED)} are crossed: no grouping factor has all others nested in it, so "
            "that the model has no independent clusters, and a cluster-robust covariance is not defined. Give "
            'cluster= a factor that holds them all, if there is one, or use ddf="kenward-roger" without cov='
        )
    return block.codes, block.m, name


def _columns(fit: Fit, name: str) -> Any:
    """Return a column of the data, or the combinations of several that ``"a:b"`` names, at the rows used."""
    import pandas as pd

    names = [name, *([] if ":" not in name else name.split(":"))]
    found: dict[str, Any] = {c: fit.design.frame[c] for c in names if c in fit.design.frame}
    given = fit.names.given.look()
    if given is not None and is_unchanged(fit.design, given):
        table = as_frame(given, [c for c in names if c not in found])
        found |= {c: table[c].iloc[fit.design.rows] for c in names if c not in found and c in table}
    if name in found:
        return found[name]
    parts = name.split(":")
    if len(parts) > 1 and all(part in found for part in parts):
        missing = next((part for part in parts if found[part].isna().any()), None)
        if missing is not None:
            raise DataError(f"{missing} has missing values at rows that the fit uses: every row needs a cluster")
        return pd.MultiIndex.from_arrays([found[part] for part in parts])
    known = dict.fromkeys([*fit.design.factors, *map(str, fit.design.frame.columns)])
    raise DataError(
        f"cluster={name!r} is no grouping factor of this model and no column of its data; there are "
        f"{list_first(list(known), 20)}; or give the labels themselves, one a row"
    )


def _values_of_rows(fit: Fit, values: Any) -> Any:
    """Return labels at the rows used, given one for each of them or for each row of the data."""
    import pandas as pd

    try:
        found = pd.Series(np.asarray(values).reshape(-1) if not isinstance(values, pd.Series) else values.array)
    except (TypeError, ValueError) as error:
        raise DataError(f"cluster= is neither a name nor one label a row: {error}") from None
    if len(found) == fit.nobs:
        return found
    if len(found) == fit.design.dropped.n_input:
        return found.iloc[fit.design.rows]
    raise DataError(f"cluster= has {len(found)} labels; the fit uses {fit.nobs} rows of {fit.design.dropped.n_input}")


def _code(values: Any, name: str) -> tuple[Codes, int]:
    """Return labels as numbers, and how many there are."""
    import pandas as pd

    codes, labels = pd.factorize(values)
    if (codes < 0).any():
        raise DataError(f"{name} has missing values at rows that the fit uses: every row needs a cluster")
    return np.asarray(codes, dtype=np.intp), len(labels)
