"""t and F tests of the fixed effects and of contrasts of them, given as text or as a matrix."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.columns import independent_columns
from lmmtools.errors import DataError
from lmmtools.inference.degrees import Method, check_ddf, degrees, is_normal, method_name
from lmmtools.inference.robust import Robust
from lmmtools.inference.tails import f_tail, t_two_sided
from lmmtools.report.result_table import Field, ResultTable, Tabular, coefficient_fields, pick, row_labels
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from patsy import PatsyError

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["ContrastTests", "FTest", "f_fields", "f_test", "joint_test", "read_constraints", "t_tests"]

DIGITS = 4
UNDEFINED = "a p-value is undefined where the approximation gives a negative statistic, variance or degrees of freedom"

FEW_CLUSTERS = "the clusters are too few for a joint test of as many contrasts"

# Values of constraints, whose differences are exact but for rounding, agree to this part of them.
CONTRADICTION = 1e-8

# Reading takes time with the square of the length; it stays under seconds.
MAX_TEXT = 10_000


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ContrastTests(Tabular):
    """t tests of fixed effects or contrasts, one row each.

    ``to_frame()`` has the columns ``estimate std_error df t p``, a row per test.

    Attributes
    ----------
    names : tuple of str
        Fixed effects, or contrasts in words.
    estimate, std_error : ndarray, shape (rows,)
        The contrast less its hypothesised value, and its standard error, in units of the effects.
    df : ndarray, shape (rows,)
        Degrees of freedom, infinite for z tests.
    t, p : ndarray, shape (rows,)
        Statistic and two-sided p-value.
    ddf : str or Robust
        The method of the degrees of freedom, or the robust covariance with its own.
    notes : tuple of str
        Variance parameters treated as fixed.

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
    ddf: Method
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        numbers = {"estimate": self.estimate, "std_error": self.std_error, "df": self.df, "t": self.t, "p": self.p}
        is_z = is_normal(self.ddf)
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
        As lmerTest's anova has them: F before any scaling times sigma squared, times ``num_df`` for the sum. NaN with a
        robust covariance.
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
    ddf: Method
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = f_fields((self,), NumberFormat("significant", DIGITS), DIGITS)
        return ResultTable("f_test", fields, notes=(method_name(self.ddf, "F"), *self.notes))


def f_fields(tests: Sequence[FTest], numbers: NumberFormat, digits: int) -> tuple[Field, ...]:
    """Return lmerTest's columns of F tests; ``numbers`` shows sums of squares and degrees of freedom."""
    shown = {"sum_sq": "Sum Sq", "mean_sq": "Mean Sq", "num_df": "NumDF", "den_df": "DenDF"}
    return (
        *(
            Field(key, heading if _has_any(tests, key) else None, pick(tests, key), numbers)
            for key, heading in shown.items()
        ),
        Field("F", "F value", pick(tests, "F"), NumberFormat("statistic", digits)),
        Field("p", "Pr(>F)", pick(tests, "p"), NumberFormat("pvalue", digits - 1)),
    )


def _has_any(tests: Sequence[FTest], key: str) -> bool:
    """Return whether a column of tests has a number, or there are no tests."""
    return not tests or not np.isnan(pick(tests, key)).all()


def t_tests(fit: Fit, constraints: Any = None, ddf: str | Robust = "satterthwaite") -> ContrastTests:
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


def f_test(fit: Fit, constraints: Any, ddf: str | Robust = "satterthwaite") -> FTest:
    """Return the F test that all constraints hold at once; see :meth:`LMMResults.f_test`."""
    method = check_ddf(ddf)
    L, values, labels = read_constraints(constraints, fit.design.x_names, may_be_zero=True)
    kept = _independent_rows(fit, L, values, labels)
    test = joint_test(fit, L[kept], values[kept], method)
    left_out = [labels[i] or "0" for i in range(len(L)) if i not in kept]
    if not left_out:
        return test
    said = f"left out, as the other constraints imply {'it' if len(left_out) == 1 else 'them'}: {', '.join(left_out)}"
    return replace(test, notes=(said, *test.notes))


def _independent_rows(fit: Fit, L: Floats, values: Floats, labels: Sequence[str]) -> list[int]:
    """Return the rows of L, by their places, that the rows before do not imply.

    Raises
    ------
    DataError
        If no row is left, or a row that the others imply has another value than they give it.
    """
    # In units of standard errors, so that the units of the covariates do not decide which rows are dependent.
    rows = L * np.sqrt(np.diag(fit.estimate.beta_cov))
    kept = sorted(map(int, independent_columns(rows.T)))
    if not kept:
        raise DataError("every row of the contrast matrix is zero, so that there is nothing to test")
    combined = np.linalg.lstsq(rows[kept].T, rows.T, rcond=None)[0].T
    gaps = np.abs(values - combined @ values[kept])
    bad = gaps > CONTRADICTION * np.maximum(np.abs(combined) @ np.abs(values[kept]), np.abs(values))
    if bad.any():
        i = int(np.argmax(bad))
        raise DataError(
            f"the constraints contradict each other: {labels[i] or '0'} = {values[i]:g} cannot hold where "
            f"{', '.join(f'{labels[j]} = {values[j]:g}' for j in kept)}"
        )
    return kept


def joint_test(fit: Fit, L: Floats, values: Floats | None, ddf: Method) -> FTest:
    """Return the F test of L beta = values (zero if None), L (q, p) of full row rank."""
    found = degrees(fit, ddf)
    q = len(L)
    gap = L @ fit.estimate.beta - (0.0 if values is None else values)
    scale, den = found.f_reference(L)
    if not np.isfinite(scale):
        few = f"{FEW_CLUSTERS}, {q}"
        return FTest(np.nan, float(q), np.nan, np.nan, np.nan, np.nan, ddf, (*found.notes, few))
    unscaled = float(gap @ np.linalg.solve(L @ found.cov @ L.T, gap)) / q
    F = scale * unscaled
    # A sum of squares is one of the model's covariance.
    mean_sq = np.nan if isinstance(ddf, Robust) else unscaled * fit.scale
    p = f_tail(F, q, den) if F >= 0 and den > 0 else np.nan
    notes = found.notes if np.isfinite(p) else (*found.notes, UNDEFINED)
    return FTest(F, float(q), den, p, mean_sq * q, mean_sq, ddf, notes)


def read_constraints(
    constraints: Any, names: tuple[str, ...], *, may_be_zero: bool = False
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return L (rows, p), the hypothesised values (rows,) and a label per row.

    Parameters
    ----------
    constraints : str, array_like of shape (rows, p) or (p,), or (array_like, array_like)
        As statsmodels takes them: ``"Days = 0"``, ``"a = b, c = 1"``; a matrix L of L beta = 0; or L and its values. A
        DataFrame's columns that are named after fixed effects go by these names.
    names : tuple of str, length p
    may_be_zero : bool
        Whether a row may be zero, which tests nothing.

    Raises
    ------
    DataError
        If a coefficient is unknown, or L has another width than the fixed effects.
    """
    if isinstance(constraints, str) and not constraints.strip():
        raise DataError(f"there is no constraint in an empty text; write {names[0] + ' = 0' if names else 'one'!r}")
    if isinstance(constraints, str):
        return _parse(constraints, names, may_be_zero)
    values: ArrayLike | None = None
    if isinstance(constraints, tuple) and len(constraints) == 2:
        constraints, values = constraints
    if names and set(getattr(constraints, "columns", ())) == set(names):
        constraints = constraints[list(names)]
    try:
        L = np.atleast_2d(np.asarray(constraints, dtype=float))
    except (TypeError, ValueError) as error:
        raise DataError(f"constraints are neither text nor a matrix of numbers: {error}") from None
    if L.ndim != 2 or L.shape[1] != len(names):
        raise DataError(
            f"the contrast matrix has shape {L.shape}; the model has {len(names)} fixed effects: {', '.join(names)}"
        )
    if not len(L):
        raise DataError("the contrast matrix has no rows, so that there is nothing to test")
    _check_rows(L, may_be_zero)
    right = np.zeros(len(L)) if values is None else _read_values(values, len(L))
    return L, right, tuple(_label_contrast(row, names) for row in L)


def _check_rows(L: Floats, may_be_zero: bool) -> None:
    """Raise a DataError if a row is not finite, or zero where none may be."""
    if not np.isfinite(L).all() or not (may_be_zero or L.any(axis=1).all()):
        raise DataError("a row of the contrast matrix is zero or not finite")


def _read_values(values: ArrayLike, n: int) -> Floats:
    """Return the hypothesised values of n contrasts, shape (n,)."""
    try:
        right = np.asarray(values, dtype=float).reshape(-1)
    except (TypeError, ValueError) as error:
        raise DataError(f"the values of the contrasts are no numbers: {error}") from None
    if len(right) != n:
        raise DataError(f"the number of values, {len(right)}, is not that of the contrasts, {n}")
    if not np.isfinite(right).all():
        raise DataError("a value of a contrast is not finite")
    return right


def _parse(text: str, names: tuple[str, ...], may_be_zero: bool) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return L, values and labels of constraints given as text."""
    from patsy import DesignInfo, PatsyError

    if len(text) > MAX_TEXT:
        raise DataError(f"the text has {len(text):,} characters; give contrasts of that size as a matrix")
    try:
        with np.errstate(all="ignore"):
            found = DesignInfo(list(names)).linear_constraint(text)
    except PatsyError as error:
        said = f"{text!r} cannot be read: {_describe_patsy_error(error)}. The fixed effects are {', '.join(names)}; "
        said += "fit.anova() tests terms."
        raise DataError(said) from None
    except RecursionError:
        raise DataError("the text is nested too deeply to be read; give the contrasts as a matrix") from None
    L, values = np.asarray(found.coefs, dtype=float), np.asarray(found.constants, dtype=float).reshape(-1)
    _check_rows(L, may_be_zero)
    return L, values, tuple(_label_contrast(row, names) for row in L)


def _describe_patsy_error(error: PatsyError) -> str:
    """Return patsy's complaint, with the whole word that it could not read."""
    where = error.origin
    if where is None:
        return str(error.message)
    word = re.match(r"[^\s=,+*/()<>-]+|.", where.code[where.start :])
    if "unrecognized token" in error.message and word:
        return f"{word[0]!r} is neither a fixed effect, a number nor an operator"
    return f"{error.message}, at {where.code[where.start : where.end]!r}"


def _label_contrast(row: Floats, names: tuple[str, ...]) -> str:
    """Return a contrast as text, ``"a - b"``, ``"0.5*a + 0.5*b"``."""
    parts: list[str] = []
    for weight, name in zip(row, names, strict=True):
        if weight:
            size = "" if abs(weight) == 1 else f"{abs(weight):g}*"
            sign = "-" if weight < 0 else "+"
            parts.append(f"{sign} {size}{name}" if parts else f"{'-' if weight < 0 else ''}{size}{name}")
    return " ".join(parts)
