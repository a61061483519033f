"""How far columns of the fixed part depend on each other: variance inflation by term, and condition indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.facts import fixed_root, ones_in_fixed
from lmmtools.design.fixed_terms import fixed_terms
from lmmtools.errors import DataError
from lmmtools.inference.anova import NO_TERMS, columns_of_terms
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["Collinearity", "collinearity"]

STRONG = 30.0
"""Condition index from which Belsley, Kuh & Welsch (1980, section 3.2) call dependence moderate to strong."""

PRODUCTS = "the model has interactions: their columns are correlated with those of their parts by construction"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Collinearity(Tabular):
    """Variance inflation of each term of the fixed part.

    ``to_frame()`` has the columns ``gvif df gvif_adjusted tolerance``, a row per term.

    Attributes
    ----------
    terms : tuple of str
    gvif : ndarray, shape (terms,)
        Generalised variance inflation factor: how much larger the squared volume of the confidence region of the term's
        coefficients is than if they were uncorrelated with the others. Of one column it is the VIF.
    df : tuple of int
        Columns of each term.
    gvif_adjusted : ndarray, shape (terms,)
        ``gvif ** (1 / (2 df))``, which compares between terms: the factor of a standard error.
    tolerance : ndarray, shape (terms,)
        One over ``gvif``.
    condition_indices : ndarray, shape (p,)
        Largest singular value of X, its columns scaled to unit length, over each of them.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit()
    >>> fit.collinearity().to_frame().round(3)
            gvif  df  gvif_adjusted  tolerance
    recipe   1.0   2            1.0        1.0
    temp     1.0   1            1.0        1.0
    """

    terms: tuple[str, ...]
    gvif: Floats
    df: tuple[int, ...]
    gvif_adjusted: Floats
    tolerance: Floats
    condition_indices: Floats
    notes: tuple[str, ...] = ()

    @property
    def condition_number(self) -> float:
        """The largest condition index."""
        return float(self.condition_indices[-1])

    @property
    def _table(self) -> ResultTable:
        number = NumberFormat("significant", 4)
        fields = (
            row_labels("", self.terms),
            Field("gvif", "GVIF", self.gvif, number),
            Field("df", "Df", self.df, NumberFormat("plain", 9)),
            Field("gvif_adjusted", "GVIF^(1/(2*Df))", self.gvif_adjusted, number),
            Field("tolerance", "Tolerance", self.tolerance, number),
        )
        condition = f"condition number of X, columns of unit length: {self.condition_number:.4g}"
        if self.condition_number >= STRONG:
            condition += f" (from {STRONG:g} on, dependence is moderate to strong; that with the constant counts too)"
        return ResultTable("collinearity", fields, "Collinearity of the fixed part", (condition, *self.notes))


def collinearity(fit: Fit) -> Collinearity:
    """Return variance inflation by term, and condition indices; see :meth:`LMMResults.collinearity`."""
    design = fit.design
    terms = fixed_terms(design)
    own = [(t.name, columns) for t, columns in zip(terms, columns_of_terms(design, terms), strict=True) if t.name]
    own = [(name, columns) for name, columns in own if columns]
    if not own:
        raise DataError(f"{NO_TERMS}, so that there is nothing that it could depend on")
    kept = [c for _, columns in own for c in columns]
    cov = fit.estimate.beta_cov[np.ix_(kept, kept)]
    scale = 1.0 / np.sqrt(np.diag(cov))
    R = cov * scale * scale[:, None]
    place = {column: i for i, column in enumerate(kept)}
    whole = np.linalg.slogdet(R)[1]
    logs = []
    for _, columns in own:
        at = [place[c] for c in columns]
        others = [i for i in range(len(kept)) if i not in at]
        logs.append(np.linalg.slogdet(R[np.ix_(at, at)])[1] + np.linalg.slogdet(R[np.ix_(others, others)])[1] - whole)
    df = tuple(len(columns) for _, columns in own)
    # Rounding must not give less than one.
    found = np.maximum(np.array(logs), 0.0)
    root = fixed_root(design)
    sizes = np.linalg.svd(root / np.sqrt((root**2).sum(axis=0)), compute_uv=False)
    notes = []
    if not ones_in_fixed(design).any():
        notes.append("the model has no constant: inflation is measured from zero, and not from the means")
    if any(len(t.variables) > 1 for t in terms):
        notes.append(PRODUCTS)
    return Collinearity(
        tuple(name for name, _ in own),
        np.exp(found),
        df,
        np.exp(found / (2.0 * np.array(df))),
        np.exp(-found),
        sizes[0] / sizes,
        tuple(notes),
    )
