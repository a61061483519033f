"""Tests of the fixed effects and of contrasts of them: t tests, F tests, the coefficient table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.satterthwaite import satterthwaite
from lmmtools.report.printable import Printable
from lmmtools.report.rformat import significance_stars
from lmmtools.report.table import Column, Document, NumberFormat, Prose, Table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.report.table import Cell
    from lmmtools.results.lmm_results import LMMResults

    Floats = NDArray[np.float64]

__all__ = ["DDF", "ContrastTests", "FTest", "check_ddf", "f_test", "method_name", "t_tests"]

DDF = Literal["satterthwaite", "residual", "z"]
_METHODS = {
    "satterthwaite": "t-tests use Satterthwaite's method",
    "residual": "t-tests use the residual degrees of freedom, n - p",
    "z": "z-tests: the statistics are taken for standard normal",
}
DIGITS = 4


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ContrastTests(Printable):
    """t tests, one row each.

    Attributes
    ----------
    names : tuple of str
        What is tested.
    estimate, std_error : ndarray, shape (rows,)
        The contrast less its hypothesised value, and its standard error, in units of the effects.
    df : ndarray, shape (rows,)
        Degrees of freedom, infinite for z tests.
    t, p : ndarray, shape (rows,)
        Statistic and two-sided p-value.
    ddf : str
        The method of the degrees of freedom.
    notes : tuple of str
        What is taken for known.
    """

    names: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    df: Floats
    t: Floats
    p: Floats
    ddf: DDF
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``estimate std_error df t p``, a row per test."""
        import pandas as pd

        columns = {"estimate": self.estimate, "std_error": self.std_error, "df": self.df, "t": self.t, "p": self.p}
        return pd.DataFrame(columns, index=list(self.names))

    @property
    def document(self) -> Document:
        """The table, unrounded."""
        both = NumberFormat("coefficient", DIGITS, share="coefficients")
        statistic = "z" if self.ddf == "z" else "t"
        columns = [Column("", is_label=True), Column("Estimate", both, "right"), Column("Std. Error", both, "right")]
        cells: list[list[Cell]] = [list(self.names), list(map(float, self.estimate)), list(map(float, self.std_error))]
        if self.ddf != "z":
            columns.append(Column("df", NumberFormat("significant", DIGITS), "right"))
            cells.append(list(map(float, self.df)))
        p = list(map(float, self.p))
        columns += [
            Column(f"{statistic} value", NumberFormat("statistic", DIGITS), "right"),
            Column(f"Pr(>|{statistic}|)", NumberFormat("pvalue", DIGITS - 1), "right"),
            Column(""),
        ]
        cells += [list(map(float, self.t)), list(p), list(significance_stars(p))]
        table = Table("tests", "", tuple(columns), tuple(zip(*cells, strict=True)))
        return Document("", (table, Prose("notes", (method_name(self.ddf), *self.notes))))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FTest(Printable):
    """An F test that several contrasts are zero at once.

    Attributes
    ----------
    F : float
    num_df, den_df : float
        Degrees of freedom; ``den_df`` is infinite for ``ddf="z"``.
    p : float
    sum_sq, mean_sq : float
        As lmerTest's anova has them: F times sigma squared, times ``num_df`` for the sum.
    ddf : str
    notes : tuple of str
    """

    F: float
    num_df: float
    den_df: float
    p: float
    sum_sq: float
    mean_sq: float
    ddf: DDF
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row with columns ``sum_sq mean_sq num_df den_df F p``."""
        import pandas as pd

        names = ["sum_sq", "mean_sq", "num_df", "den_df", "F", "p"]
        return pd.DataFrame([[getattr(self, name) for name in names]], columns=names)

    @property
    def document(self) -> Document:
        """The table, unrounded."""
        number = NumberFormat("significant", DIGITS)
        columns = (
            Column("Sum Sq", number, "right"),
            Column("Mean Sq", number, "right"),
            Column("NumDF", number, "right"),
            Column("DenDF", number, "right"),
            Column("F value", NumberFormat("statistic", DIGITS), "right"),
            Column("Pr(>F)", NumberFormat("pvalue", DIGITS - 1), "right"),
        )
        row = (self.sum_sq, self.mean_sq, self.num_df, self.den_df, self.F, self.p)
        return Document(
            "", (Table("f_test", "", columns, (row,)), Prose("notes", (method_name(self.ddf), *self.notes)))
        )


def method_name(ddf: DDF) -> str:
    """Return what is done for the degrees of freedom, as a phrase."""
    return _METHODS[ddf]


def check_ddf(ddf: str) -> DDF:
    """Return the method's name.

    Raises
    ------
    DataError
        If there is no such method.
    """
    if ddf not in get_args(DDF):
        raise DataError(f"ddf={ddf!r} is not known here; use one of {', '.join(map(repr, get_args(DDF)))}")
    return ddf  # type: ignore[return-value]


def t_tests(fit: LMMResults, constraints: Any = None, ddf: str = "satterthwaite") -> ContrastTests:
    """Return a t test of each fixed effect, or of each row of ``constraints``; see :meth:`LMMResults.tests`."""
    method = check_ddf(ddf)
    names = fit.design.x_names
    L, values, labels = (np.eye(len(names)), np.zeros(len(names)), names)
    if constraints is not None:
        L, values, labels = read_constraints(constraints, names)
    cov = fit.estimate.beta_cov
    estimate = L @ fit.estimate.beta - values
    error = np.sqrt(np.einsum("ra,ab,rb->r", L, cov, L))
    df, notes = _degrees(fit, L, method)
    t = estimate / error
    return ContrastTests(tuple(labels), estimate, error, df, t, _two_sided(t, df), method, notes)


def f_test(fit: LMMResults, constraints: Any, ddf: str = "satterthwaite") -> FTest:
    """Return the F test that all constraints hold at once; see :meth:`LMMResults.f_test`."""
    from scipy import stats

    method = check_ddf(ddf)
    L, values, _ = read_constraints(constraints, fit.design.x_names)
    cov = fit.estimate.beta_cov
    gap = L @ fit.estimate.beta - values
    middle = L @ cov @ L.T
    q = int(np.linalg.matrix_rank(L))
    if q < len(L):
        raise DataError(f"the {len(L)} constraints depend on each other: leave out all but {q}")
    F = float(gap @ np.linalg.solve(middle, gap)) / q
    notes: tuple[str, ...] = ()
    if method == "satterthwaite":
        found = satterthwaite(fit)
        den, notes = found.denominator_df(L), _fixed_note(found.fixed)
    else:
        den = float(fit.nobs - len(fit.design.x_names)) if method == "residual" else np.inf
    p = float(stats.f.sf(F, q, den)) if np.isfinite(den) else float(stats.chi2.sf(F * q, q))
    mean_sq = F * fit.scale
    return FTest(F, float(q), den, p, mean_sq * q, mean_sq, method, notes)


def read_constraints(constraints: Any, names: tuple[str, ...]) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return L (rows, p), the hypothesised values (rows,) and a label per row.

    Parameters
    ----------
    constraints : str, array_like of shape (rows, p) or (p,), or (array_like, array_like)
        As statsmodels takes them: ``"Days = 0"``, ``"a = b, c = 1"``; a matrix L of L beta = 0; or L and its values.
    names : tuple of str, length p

    Raises
    ------
    DataError
        If a coefficient is unknown, or L has another width than the fixed effects.
    """
    if isinstance(constraints, str):
        return _parse(constraints, names)
    values: ArrayLike | None = None
    if isinstance(constraints, tuple) and len(constraints) == 2:
        constraints, values = constraints
    try:
        L = np.atleast_2d(np.asarray(constraints, dtype=float))
    except (TypeError, ValueError) as error:
        raise DataError(f"constraints are neither text nor a matrix of numbers: {error}") from None
    if L.ndim != 2 or L.shape[1] != len(names):
        raise DataError(
            f"the contrast matrix has shape {L.shape}; the model has {len(names)} fixed effects: {', '.join(names)}"
        )
    if not np.isfinite(L).all() or not L.any(axis=1).all():
        raise DataError("a row of the contrast matrix is zero or not finite")
    right = np.zeros(len(L)) if values is None else np.asarray(values, dtype=float).reshape(-1)
    if len(right) != len(L):
        raise DataError(f"there are {len(right)} values for {len(L)} contrasts")
    return L, right, tuple(_label(row, names) for row in L)


def _parse(text: str, names: tuple[str, ...]) -> tuple[Floats, Floats, tuple[str, ...]]:
    from patsy import DesignInfo, PatsyError

    try:
        found = DesignInfo(list(names)).linear_constraint(text)
    except PatsyError as error:
        said = str(error).splitlines()[0]
        raise DataError(f"{text!r} cannot be read: {said}. The fixed effects are {', '.join(names)}.") from None
    L, values = np.asarray(found.coefs, dtype=float), np.asarray(found.constants, dtype=float).reshape(-1)
    return L, values, tuple(_label(row, names) for row in L)


def _label(row: Floats, names: tuple[str, ...]) -> str:
    """Return a contrast as text, ``"a - b"``, ``"0.5*a + 0.5*b"``."""
    parts: list[str] = []
    for weight, name in zip(row, names, strict=True):
        if weight:
            size = "" if abs(weight) == 1 else f"{abs(weight):g}*"
            sign = "-" if weight < 0 else "+"
            parts.append(f"{sign} {size}{name}" if parts else f"{'-' if weight < 0 else ''}{size}{name}")
    return " ".join(parts)


def _degrees(fit: LMMResults, L: Floats, method: DDF) -> tuple[Floats, tuple[str, ...]]:
    if method == "satterthwaite":
        found = satterthwaite(fit)
        return np.array([found.df(row) for row in L]), _fixed_note(found.fixed)
    if method == "residual":
        return np.full(len(L), float(fit.nobs - len(fit.design.x_names))), ()
    return np.full(len(L), np.inf), ()


def _fixed_note(fixed: tuple[str, ...]) -> tuple[str, ...]:
    if not fixed:
        return ()
    return (f"on the boundary, and taken as known for the degrees of freedom: {', '.join(fixed)}",)


def _two_sided(t: Floats, df: Floats) -> Floats:
    from scipy import stats

    known = np.where(np.isfinite(df), df, 1.0)
    p = np.where(np.isfinite(df), stats.t.sf(np.abs(t), known), stats.norm.sf(np.abs(t)))
    return np.asarray(2.0 * p)
