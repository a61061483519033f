"""Tests of the fixed effects and of contrasts of them: t tests, F tests, the coefficient table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.columns import independent_columns
from lmmtools.errors import DataError
from lmmtools.fit.redirects import Redirect
from lmmtools.inference.constraints import read_constraints
from lmmtools.inference.degrees import DDF, check_ddf, degrees, method_name
from lmmtools.inference.tails import f_tail, t_two_sided
from lmmtools.report.result_table import Field, ResultTable, Tabular, coefficient_fields, pick, row_labels
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["ContrastTests", "FTest", "f_fields", "f_test", "joint_test", "t_tests"]

DIGITS = 4
UNDEFINED = "a p-value is undefined where the approximation gives a negative statistic, variance or degrees of freedom"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ContrastTests(Tabular):
    """t tests, one row each.

    ``to_frame()`` has the columns ``estimate std_error df t p``, a row per test.

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

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> fit.tests().to_frame().round(3)
               estimate  std_error    df       t    p
    Intercept   251.405      6.825  17.0  36.838  0.0
    Days         10.467      1.546  17.0   6.771  0.0
    """

    names: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    df: Floats
    t: Floats
    p: Floats
    ddf: DDF
    notes: tuple[str, ...] = ()

    summary = Redirect("print it, or write to_frame(), to_markdown() or to_latex()")
    summary_frame = Redirect("write to_frame()")
    effect = Redirect("write estimate")
    sd = Redirect("write std_error")
    tvalue = Redirect("write t")
    statistic = Redirect("write t")
    pvalue = Redirect("write p")
    df_denom = Redirect("write df")

    @property
    def _table(self) -> ResultTable:
        numbers = {"estimate": self.estimate, "std_error": self.std_error, "df": self.df, "t": self.t, "p": self.p}
        is_z = self.ddf == "z"
        tests = coefficient_fields(numbers, DIGITS, statistic="z" if is_z else "t", is_df_shown=not is_z)
        return ResultTable("tests", (row_labels("", self.names), *tests), notes=(method_name(self.ddf), *self.notes))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FTest(Tabular):
    """An F test that several contrasts are zero at once.

    ``to_frame()`` has one row with the columns ``sum_sq mean_sq num_df den_df F p``.

    Attributes
    ----------
    F : float
    num_df, den_df : float
        Degrees of freedom; ``den_df`` is infinite for ``ddf="z"``.
    p : float
    sum_sq, mean_sq : float
        As lmerTest's anova has them: F before any scaling times sigma squared, times ``num_df`` for the sum.
    ddf : str
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> fit.f_test("Days = 0").to_frame().round(3)
          sum_sq    mean_sq  num_df  den_df       F    p
    0  30031.015  30031.015     1.0    17.0  45.853  0.0
    """

    F: float
    num_df: float
    den_df: float
    p: float
    sum_sq: float
    mean_sq: float
    ddf: DDF
    notes: tuple[str, ...] = ()

    summary = Redirect("print it, or write to_frame(), to_markdown() or to_latex()")
    summary_frame = Redirect("write to_frame()")
    fvalue = Redirect("write F")
    statistic = Redirect("write F")
    pvalue = Redirect("write p")
    df_num = Redirect("write num_df")
    df_denom = Redirect("write den_df")

    @property
    def _table(self) -> ResultTable:
        fields = f_fields((self,), NumberFormat("significant", DIGITS), DIGITS)
        return ResultTable("f_test", fields, notes=(method_name(self.ddf, "F"), *self.notes))


def f_fields(tests: Sequence[FTest], numbers: NumberFormat, digits: int) -> tuple[Field, ...]:
    """Return lmerTest's columns of F tests; ``numbers`` shows sums of squares and degrees of freedom."""
    shown = {"sum_sq": "Sum Sq", "mean_sq": "Mean Sq", "num_df": "NumDF", "den_df": "DenDF"}
    return (
        *(Field(key, heading, pick(tests, key), numbers) for key, heading in shown.items()),
        Field("F", "F value", pick(tests, "F"), NumberFormat("statistic", digits)),
        Field("p", "Pr(>F)", pick(tests, "p"), NumberFormat("pvalue", digits - 1)),
    )


def t_tests(fit: Fit, constraints: Any = None, ddf: str = "satterthwaite") -> ContrastTests:
    """Return a t test of each fixed effect, or of each row of ``constraints``; see :meth:`LMMResults.tests`."""
    method = check_ddf(ddf)
    names = fit.design.x_names
    L, values, labels = (np.eye(len(names)), np.zeros(len(names)), names)
    if constraints is not None:
        L, values, labels = read_constraints(constraints, names)
    found = degrees(fit, method)
    estimate = L @ fit.estimate.beta - values
    error = np.sqrt(np.einsum("ra,ab,rb->r", L, found.cov, L))
    df = found.df(L)
    t = estimate / error
    p = t_two_sided(t, df)
    notes = found.notes if np.isfinite(p).all() else (*found.notes, UNDEFINED)
    return ContrastTests(tuple(labels), estimate, error, df, t, p, method, notes)


def f_test(fit: Fit, constraints: Any, ddf: str = "satterthwaite") -> FTest:
    """Return the F test that all constraints hold at once; see :meth:`LMMResults.f_test`."""
    method = check_ddf(ddf)
    L, values, _ = read_constraints(constraints, fit.design.x_names)
    # In standard errors, so that units of the columns do not tell what is dependent.
    q = len(independent_columns((L * np.sqrt(np.diag(fit.estimate.beta_cov))).T))
    if q < len(L):
        raise DataError(f"the {len(L)} constraints depend on each other: leave out all but {q}")
    return joint_test(fit, L, values, method)


def joint_test(fit: Fit, L: Floats, values: Floats | None, ddf: DDF) -> FTest:
    """Return the F test of L beta = values (zero if None), L (q, p) of full row rank."""
    found = degrees(fit, ddf)
    q = len(L)
    gap = L @ fit.estimate.beta - (0.0 if values is None else values)
    scale, den = found.f_reference(L)
    unscaled = float(gap @ np.linalg.solve(L @ found.cov @ L.T, gap)) / q
    F = scale * unscaled
    mean_sq = unscaled * fit.scale
    p = f_tail(F, q, den) if F >= 0 and den > 0 else np.nan
    notes = found.notes if np.isfinite(p) else (*found.notes, UNDEFINED)
    return FTest(F, float(q), den, p, mean_sq * q, mean_sq, ddf, notes)
