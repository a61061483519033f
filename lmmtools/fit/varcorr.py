"""VarCorr: the estimated variances, standard deviations and correlations in lme4's layout, and their errors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import lambda_factors
from lmmtools.errors import UnknownArgumentError
from lmmtools.formula.terms import factor_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.core import VarianceInformation
    from lmmtools.design.blocks import Block

__all__ = ["VarCorr", "VarCorrTerm", "variance_standard_errors"]


@dataclass(frozen=True, slots=True, eq=False)
class VarCorrTerm:
    """Covariance matrix of the random effects of one term.

    Attributes
    ----------
    name : str
        The grouping factor; the second term on a factor is called ``"Subject.1"``, as in lme4.
    group : str
        The grouping factor.
    cnames : tuple of str, length l
        The effects.
    cov : ndarray, shape (l, l)
        Their covariance, in squared units of y.
    lam : ndarray, shape (l, l)
        lambda_k, the relative covariance factor.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.varcorr.terms[0].sd.round(2).tolist()
    [42.0]
    """

    name: str
    group: str
    cnames: tuple[str, ...]
    cov: NDArray[np.float64]
    lam: NDArray[np.float64]

    @property
    def sd(self) -> NDArray[np.float64]:
        """Standard deviations, shape (l,), in units of y per unit of the effect's column."""
        return np.asarray(np.sqrt(np.diag(self.cov)))

    @property
    def corr(self) -> NDArray[np.float64]:
        """Correlations, shape (l, l); NaN where a variance is zero."""
        sd = self.sd
        scale = np.where(sd > 0, sd, np.nan)
        corr = np.clip(self.cov / scale[:, None] / scale, -1.0, 1.0)
        np.fill_diagonal(corr, 1.0)
        return corr


@dataclass(frozen=True, slots=True, eq=False)
class VarCorr:
    """Variance components of a fit; iterating gives its terms.

    Attributes
    ----------
    terms : tuple of VarCorrTerm
        In lme4's order: by decreasing number of levels.
    sigma : float
        Residual standard deviation, in units of y.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.varcorr.to_frame()
            grp         var1  var2     vcov      sdcor
    0     Batch  (Intercept)  None  1764.05  42.000595
    1  Residual         None  None  2451.25  49.510100
    """

    terms: tuple[VarCorrTerm, ...]
    sigma: float

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Return a new record; R's ``VarCorr(fit)`` is an error that says what to write."""
        if len(given) == 1 and hasattr(given[0], "varcorr"):
            raise UnknownArgumentError("VarCorr() takes no fit: write fit.varcorr, or fit.varcorr.to_frame()")
        return object.__new__(cls)

    @classmethod
    def from_theta(cls, theta: NDArray[np.float64], sigma: float, blocks: Sequence[Block]) -> VarCorr:
        """Return the variance components of theta, shape (k,), and sigma."""
        seen: Counter[str] = Counter()
        terms = []
        for block, lam in zip(blocks, lambda_factors(theta, blocks), strict=True):
            name = block.group if not seen[block.group] else f"{block.group}.{seen[block.group]}"
            seen[block.group] += 1
            terms.append(VarCorrTerm(name, block.group, block.cnames, sigma**2 * lam @ lam.T, lam))
        return cls(tuple(terms), float(sigma))

    def __iter__(self) -> Iterator[VarCorrTerm]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return the covariance matrix of the term called ``name``, labelled, shape (l, l)."""
        import pandas as pd

        for term in self.terms:
            if name == term.name or factor_parts(name) == factor_parts(term.name):
                return pd.DataFrame(term.cov, index=list(term.cnames), columns=list(term.cnames))
        raise KeyError(f"no random-effects term {name!r}; there are {[t.name for t in self.terms]}")

    def rows(self) -> list[tuple[str, str | None, str | None, float, float]]:
        """Return rows (grp, var1, var2, vcov, sdcor): variances, then covariances of each term; the residual last."""
        out: list[tuple[str, str | None, str | None, float, float]] = []
        for t in self.terms:
            corr, l = t.corr, len(t.cnames)
            out += [(t.name, name, None, float(t.cov[i, i]), float(t.sd[i])) for i, name in enumerate(t.cnames)]
            out += [
                (t.name, t.cnames[j], t.cnames[i], float(t.cov[i, j]), float(corr[i, j]))
                for j in range(l)
                for i in range(j + 1, l)
            ]
        out.append(("Residual", None, None, self.sigma**2, self.sigma))
        return out

    def to_frame(self) -> pd.DataFrame:
        """Return lme4's ``as.data.frame(VarCorr(fit))``: columns ``grp var1 var2 vcov sdcor``, the residual last.

        ``vcov`` is the variance or covariance (squared units of y), ``sdcor`` the standard deviation (units of y) or
        correlation.
        """
        import pandas as pd

        columns = ("grp", "var1", "var2", "vcov", "sdcor")
        values = dict(zip(columns, zip(*self.rows(), strict=True), strict=True))
        # Text columns have dtype object: pandas' string type turns None into NaN.
        return pd.DataFrame(
            {c: pd.Series(values[c], dtype=float if c in ("vcov", "sdcor") else object) for c in columns}
        )

    def __str__(self) -> str:
        frame = self.to_frame()
        return frame.to_string(index=False, na_rep="", float_format=lambda v: f"{v:.5g}")

    def _repr_html_(self) -> str:
        html: Any = self.to_frame().to_html(index=False, na_rep="", float_format=lambda v: f"{v:.5g}")
        return str(html)


def variance_standard_errors(varcorr: VarCorr, information: VarianceInformation) -> pd.DataFrame:
    """Return VarCorr's rows with standard errors on both scales, and a note where they are undefined.

    Parameters
    ----------
    varcorr : VarCorr
    information : VarianceInformation
        Of the same fit. Its elements run down lower triangles column by column; VarCorr's rows have variances first.
    """
    import pandas as pd

    place = {key: i for i, key in enumerate(zip(information.blocks, information.entries, strict=True))}
    rows = []
    for block, term in enumerate(varcorr):
        l = len(term.cnames)
        entries = [(i, i) for i in range(l)] + [(i, j) for j in range(l) for i in range(j + 1, l)]
        rows += [place[block, entry] for entry in entries]
    rows.append(len(information.blocks) - 1)
    frame = varcorr.to_frame()
    return pd.DataFrame(
        {
            **{name: frame[name] for name in ("grp", "var1", "var2", "vcov")},
            "se_vcov": information.vcov_se[rows],
            "sdcor": frame["sdcor"],
            "se_sdcor": information.sdcor_se[rows],
            "note": pd.Series([information.reasons[i] for i in rows], dtype=object),
        }
    )
