"""Least squares within each level of a factor, as lme4's ``lmList``: ``y ~ x | g``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools import memory
from lmmtools.design.build import build_design
from lmmtools.design.columns import independent_columns
from lmmtools.design.newdata import encode_codes, encode_fixed, encode_offset
from lmmtools.errors import DataError, FormulaError, RowsNeededError
from lmmtools.formula.algebra import split_at
from lmmtools.formula.parser import parse
from lmmtools.formula.tokens import fail, tokenize
from lmmtools.inference.tails import check_alpha, t_quantile, t_two_sided
from lmmtools.report.result_table import Field, ResultTable, Tabular, coefficient_fields, row_labels
from lmmtools.report.table import NumberFormat, Prose
from lmmtools.sentences import list_first
from lmmtools.sources import open_source

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.formula.terms import ModelFormula

    Floats = NDArray[np.float64]

__all__ = ["LevelTests", "LmerList", "lmer_list"]

DIGITS = 5


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LmerList(Tabular):
    """A linear model by least squares for each level of a factor.

    ``to_frame()`` has a row per level: a column per coefficient, then ``sigma df nobs``.

    Attributes
    ----------
    formula : str
    group : str
        The factor.
    levels : tuple of str, length m
    names : tuple of str, length p
        Coefficients, on the same coding for all levels.
    beta : ndarray, shape (m, p)
        Coefficients; NaN where a level's rows do not tell a column from those before it.
    unscaled : ndarray, shape (m, p)
        Variances of the coefficients over the residual variance; NaN where there is no coefficient.
    rss : ndarray, shape (m,)
        Residual sum of squares, weighted where there are weights.
    nobs, df : ndarray of int, shape (m,)
        Rows, and rows less coefficients, of each level.
    log_weights : float
        Sum of the logarithms of the weights.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.lmer_list("Reaction ~ Days | Subject", lmt.datasets.load("sleepstudy"))
    >>> found.coef.head(2).round(3)
         Intercept    Days
    308    244.193  21.765
    309    205.055   2.262
    """

    formula: str
    group: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    beta: Floats
    unscaled: Floats
    rss: Floats
    nobs: NDArray[np.intp]
    df: NDArray[np.intp]
    log_weights: float
    notes: tuple[str, ...]
    _design: Design

    @property
    def coef(self) -> pd.DataFrame:
        """Coefficients, a row per level, as lme4's ``coef()``."""
        import pandas as pd

        return pd.DataFrame(self.beta, index=list(self.levels), columns=list(self.names))

    @property
    def sigma(self) -> pd.Series[float]:
        """Residual standard deviation of each level, NaN where no degree of freedom is left."""
        import pandas as pd

        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(self.df > 0, np.sqrt(self.rss / self.df), np.nan)
        return pd.Series(values, index=list(self.levels), name="sigma")

    @property
    def pooled_df(self) -> int:
        """Residual degrees of freedom of all levels together."""
        return int(self.df.sum())

    @property
    def pooled_sigma(self) -> float:
        """Residual standard deviation of all levels together, as lme4's ``sigma()`` and ``pooledSD()``."""
        return float(np.sqrt(self.rss.sum() / self.pooled_df)) if self.pooled_df else float("nan")

    @property
    def llf(self) -> float:
        """Log-likelihood of all levels together, with one residual variance, as lme4's ``logLik()``."""
        n = int(self.nobs.sum())
        return float(-0.5 * n * (np.log(2.0 * np.pi * self.rss.sum() / n) + 1.0) + 0.5 * self.log_weights)

    @property
    def k_params(self) -> int:
        """Coefficients of all levels, and the residual variance."""
        return int(np.isfinite(self.beta).sum()) + 1

    def summary(self, *, pool: bool = True) -> LevelTests:
        """Return a t test of each coefficient, as lme4's ``summary()``.

        Parameters
        ----------
        pool : bool
            Whether the residual variance is that of all levels together, as by default in lme4, or each level's own.
        """
        error, df = self._errors(pool)
        with np.errstate(invalid="ignore", divide="ignore"):
            t = self.beta / error
        return LevelTests(
            tuple(np.repeat(np.asarray(self.levels, dtype=object), len(self.names)).tolist()),
            self.names * len(self.levels),
            self.beta.ravel(),
            error.ravel(),
            df.ravel(),
            t.ravel(),
            t_two_sided(t, df).ravel(),
            (*self.notes, _state_pool(pool, self.pooled_sigma, self.pooled_df)),
        )

    def conf_int(self, alpha: float = 0.05, *, pool: bool = False) -> pd.DataFrame:
        """Return intervals of all coefficients: columns 0 and 1, a row per level and coefficient.

        Parameters
        ----------
        alpha : float
            One less the level.
        pool : bool
            Whether the residual variance is that of all levels together, as in nlme's ``intervals()``, or each level's
            own, as in lme4's ``confint()``.
        """
        import pandas as pd

        error, df = self._errors(pool)
        half = t_quantile(check_alpha(alpha) / 2.0, df) * error
        index = pd.MultiIndex.from_product([self.levels, self.names], names=[self.group, "term"])
        return pd.DataFrame({0: (self.beta - half).ravel(), 1: (self.beta + half).ravel()}, index=index)

    def predict(self, data: Any = None) -> pd.Series[float]:
        """Return the mean of each row of new data, or of the rows fitted; NaN where a level has no such coefficient.

        Parameters
        ----------
        data : DataFrame, optional
            With the columns of the formula.

        Raises
        ------
        DataError
            If a column is missing, or a level was not there before.
        """
        import pandas as pd

        block, design = self._design.blocks[0], self._design
        if data is None:
            X, codes, index = design.X, block.codes, design.frame.index
            offset: Any = 0.0 if design.offset is None else design.offset
        else:
            frame = pd.DataFrame(data)
            X, codes, index = encode_fixed(design, frame), encode_codes(block, frame), frame.index
            offset = encode_offset(design, frame)
            if (codes < 0).any():
                row = int(np.argmax(codes < 0))
                raise DataError(f"row {row} of the new data has a level of {self.group} that was not there before")
        # A coefficient that a level does not have is not needed where its column is zero.
        product = np.where(X == 0.0, 0.0, X * self.beta[codes])
        return pd.Series(product.sum(axis=1) + offset, index=index, name="predict")

    @property
    def fittedvalues(self) -> pd.Series[float]:
        """Means of the rows fitted."""
        known = np.where(np.isnan(self.beta), 0.0, self.beta)
        design = self._design
        mean = np.einsum("np,np->n", design.X, known[design.blocks[0].codes])
        offset = 0.0 if design.offset is None else design.offset
        return self._by_row(mean + offset, "fittedvalues")

    @property
    def resid(self) -> pd.Series[float]:
        """Response less fitted values."""
        return self._by_row(self._design.y - self.fittedvalues.to_numpy(), "resid")

    def _by_row(self, values: Floats, name: str) -> pd.Series[float]:
        import pandas as pd

        return pd.Series(values, index=self._design.frame.index, name=name)

    def _errors(self, pool: bool) -> tuple[Floats, Floats]:
        """Return the standard errors of the coefficients and their degrees of freedom, each (m, p)."""
        own = np.full(len(self.levels), self.pooled_sigma) if pool else self.sigma.to_numpy(dtype=float)
        df = np.full(len(self.levels), self.pooled_df) if pool else self.df
        usable = np.where(df > 0, df, np.nan)
        return np.asarray(own[:, None] * np.sqrt(self.unscaled)), np.repeat(usable[:, None], len(self.names), axis=1)

    @property
    def _table(self) -> ResultTable:
        number = NumberFormat("zapped", DIGITS)
        fields = (
            row_labels("", self.levels, self.group),
            *(Field(name, name, column, number) for name, column in zip(self.names, self.beta.T, strict=True)),
            Field("sigma", "Resid. SD", self.sigma.to_numpy(), number),
            Field("df", "df", self.df, NumberFormat("plain", 7)),
            Field("nobs", None, self.nobs),
        )
        foot = f"{self.nobs.sum():,} rows; {_state_pool(True, self.pooled_sigma, self.pooled_df)}"
        above = (Prose("model", (f"Model: {self.formula}",)),)
        return ResultTable("lmer_list", fields, "Least squares within each level", (*self.notes, foot), above)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LevelTests(Tabular):
    """t tests of the coefficients of each level.

    ``to_frame()`` has the columns ``level term estimate std_error df t p``, a row per level and coefficient.

    Attributes
    ----------
    levels, terms : tuple of str
    estimate, std_error, df, t, p : ndarray
        NaN where a level has no such coefficient, or no degree of freedom is left.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.lmer_list("Reaction ~ Days | Subject", lmt.datasets.load("sleepstudy"))
    >>> found.summary().to_frame().head(2).round(3)
      level       term  estimate  std_error     df       t    p
    0   308  Intercept   244.193     15.042  144.0  16.234  0.0
    1   308       Days    21.765      2.818  144.0   7.725  0.0
    """

    levels: tuple[str, ...]
    terms: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    df: Floats
    t: Floats
    p: Floats
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        numbers = {"estimate": self.estimate, "std_error": self.std_error, "df": self.df, "t": self.t, "p": self.p}
        labels = row_labels("Level", self.levels, "level", is_index=False)
        terms = Field("term", "Term", self.terms, is_label=True)
        fields = (labels, terms, *coefficient_fields(numbers, DIGITS))
        return ResultTable("level_tests", fields, "Coefficients within each level", self.notes)


def _state_pool(pool: bool, sigma: float, df: int) -> str:
    """Return in a sentence which residual variance is meant."""
    if not pool:
        return "standard errors are of each level's own residual variance"
    return f"pooled residual standard deviation {sigma:.5g} on {df:,} degrees of freedom"


@memory.door
def lmer_list(
    formula: str,
    data: Any,
    *,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    na_action: Literal["drop", "raise"] = "drop",
    trusted: bool = False,
) -> LmerList:
    """Return a linear model by least squares for each level of a factor, as lme4's ``lmList``.

    Factors are coded and functions such as ``scale(x)`` are learned once, from all rows, so that a coefficient means
    the same in every level; lme4 codes each level's rows by themselves.

    Parameters
    ----------
    formula : str
        ``"y ~ x | g"``: a linear model, a bar, and the factor, or the combination of several, ``a:b``.
    data : DataFrame
    weights, offset : str or array-like, shape (rows of data,), optional
        As for :func:`lmm`.
    na_action : {"drop", "raise"}
    trusted : bool
        Whether the formula may call any function, as for :func:`lmm`.

    Raises
    ------
    FormulaError
        If the formula has no bar, several, or none of what stands beside one.
    DataError
        If a column is missing or unusable.

    See Also
    --------
    lmm : One model of all levels; :func:`lmmtools.plots.shrinkage` draws it against these.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.lmer_list("Reaction ~ Days | Subject", lmt.datasets.load("sleepstudy"))
    >>> round(found.pooled_sigma, 3), found.pooled_df
    (25.592, 144)
    """
    parsed = _read_formula(formula, trusted)
    if open_source(data) is not None:
        raise RowsNeededError(
            "lmer_list() needs all rows in memory, and these are read in batches: read the columns that it uses into a "
            "frame"
        )
    design = build_design(parsed, data, weights=weights, offset=offset, na_action=na_action)
    return _fit_levels(design, " ".join(formula.split()))


def _read_formula(text: str, trusted: bool) -> ModelFormula:
    """Return ``y ~ x | g`` as the mixed model ``y ~ x + (1 | g)``."""
    if not isinstance(text, str):
        raise FormulaError(f"A formula is text such as 'y ~ x | g', not {type(text).__name__}")
    sides = split_at(tokenize(text), "~")
    pieces = split_at(sides[1][1], "|", "||") if len(sides) == 2 else []
    if len(pieces) != 2 or not all(piece for _, piece in pieces) or "||" in (pieces[1][0].text if pieces[1][0] else ""):
        fail("A list of models has one bar outside parentheses:", text, 0, len(text), cure="Write y ~ x | g.")
    left = text[: pieces[0][1][-1].stop]
    group = text[pieces[1][1][0].start : pieces[1][1][-1].stop]
    parsed = parse(f"{left} + (1 | {group})", trusted=trusted)
    if len(parsed.random) != 1:
        fail(
            "A list of models has one factor, and no random-effects term:", text, 0, len(text), cure="Write y ~ x | g."
        )
    return parsed


def _fit_levels(design: Design, formula: str) -> LmerList:
    """Return the least-squares fit of each level's rows."""
    block = design.blocks[0]
    m, p = block.m, design.p
    root = np.ones(design.n) if design.weights is None else np.sqrt(design.weights)
    X, y = design.X * root[:, None], design.response * root
    order = np.argsort(block.codes, kind="stable")
    nobs = np.bincount(block.codes, minlength=m)
    beta, unscaled = np.full((m, p), np.nan), np.full((m, p), np.nan)
    rss, rank = np.zeros(m), np.zeros(m, dtype=np.intp)
    for k, rows in enumerate(np.split(order, np.cumsum(nobs)[:-1])):
        kept = independent_columns(X[rows])
        Q, R = np.linalg.qr(X[rows][:, kept])
        beta[k, kept] = np.linalg.solve(R, Q.T @ y[rows])
        unscaled[k, kept] = (np.linalg.inv(R) ** 2).sum(axis=1)
        rss[k], rank[k] = _squared_residuals(X[rows][:, kept], y[rows], beta[k, kept]), len(kept)
    df = nobs - rank
    rss[df == 0] = 0.0
    labels = tuple(map(str, block.levels))
    return LmerList(
        formula,
        block.group,
        labels,
        tuple(design.x_names),
        beta,
        unscaled,
        rss,
        nobs,
        df,
        0.0 if design.weights is None else float(np.log(design.weights).sum()),
        _notes(labels, rank < p, df == 0, design.dropped.n_rows),
        design,
    )


def _squared_residuals(X: Floats, y: Floats, beta: Floats) -> float:
    return float(((y - X @ beta) ** 2).sum())


def _notes(levels: tuple[str, ...], is_short: Any, is_exact: Any, n_dropped: int) -> tuple[str, ...]:
    """Return in sentences which levels lack coefficients or residuals, and how many rows were left out."""
    names = np.asarray(levels, dtype=object)
    found = []
    if n_dropped:
        found.append(f"{n_dropped:,} rows left out for missing values")
    if np.any(is_short):
        found.append(f"rows of these levels do not tell all coefficients: {list_first(names[is_short].tolist(), 5)}")
    if np.any(is_exact):
        found.append(f"no residual degree of freedom in these levels: {list_first(names[is_exact].tolist(), 5)}")
    return tuple(found)
