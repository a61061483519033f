"""The summary of a fit: lme4's parts, in lme4's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.report.result_table import Printable, ResultTable, coefficient_fields, row_labels
from lmmtools.report.rformat import abbreviate
from lmmtools.report.table import TEXT, Column, Document, Fact, Facts, NumberFormat, Part, Prose, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lmmtools.report.table import Cell

__all__ = ["Summary", "SummaryData", "summarise"]

# As lme4: significant digits of tables, most fixed effects whose correlations are shown, lengths of their names in rows
# and columns.
DIGITS = 4
MAX_CORRELATIONS = 12
ROW_LENGTH, COLUMN_LENGTH = 11, 6


@dataclass(frozen=True, slots=True, eq=False)
class SummaryData:
    """The numbers of a fit that a summary shows, unrounded and in the data's units.

    Attributes
    ----------
    formula : str
        The model as lme4 writes it.
    reml : bool
        Whether the criterion is REML.
    objective : float
        REML criterion, or deviance (-2 log L) under ML.
    llf, aic, bic : float
        As lme4's ``logLik``, ``AIC``, ``BIC``; shown under ML.
    df_resid : int
        Rows less parameters; shown under ML.
    scaled_residuals : ndarray, shape (n,)
        Residuals (times the root of the weights) divided by sigma.
    varcorr : tuple of (grp, var1, var2, vcov, sdcor)
        The rows of ``VarCorr.to_frame()``: per term its variances, then its covariances by column; residual last.
    nobs : int
        Rows used.
    ngroups : mapping of str to int
        Levels per grouping factor, in the order of the random effects.
    names : tuple of str, length p
        Fixed effects; ``"Intercept"`` is shown as ``"(Intercept)"``, the others as they are.
    estimates, std_errors : ndarray, shape (p,)
        Fixed effects and their standard errors, in units of y per unit of x.
    cov : ndarray, shape (p, p)
        Covariance of the fixed effects.
    data_name, weights, offset : str or None
        Names of the data, the weights and the offset, where known.
    df, pvalues : ndarray, shape (p,), or None
        Degrees of freedom and p-values of the t values; None unless a method was chosen.
    method : str
        How they were computed, ``"t-tests use Satterthwaite's method"``.
    notes : tuple of str
        Sentences for the end: boundary, dropped rows and columns, engine.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.summary().data.nobs
    30
    """

    formula: str
    reml: bool
    objective: float
    llf: float
    aic: float
    bic: float
    df_resid: int
    scaled_residuals: NDArray[np.float64]
    varcorr: tuple[tuple[str, str | None, str | None, float, float], ...]
    nobs: int
    ngroups: Mapping[str, int]
    names: tuple[str, ...]
    estimates: NDArray[np.float64]
    std_errors: NDArray[np.float64]
    cov: NDArray[np.float64]
    data_name: str | None = None
    weights: str | None = None
    offset: str | None = None
    df: NDArray[np.float64] | None = None
    pvalues: NDArray[np.float64] | None = None
    method: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Summary(Printable):
    """A fit's summary; prints as text, shows as HTML in notebooks.

    Attributes
    ----------
    data : SummaryData
        The numbers.
    parts : tuple of Part
        Facts and tables, unrounded.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.summary().to_text().splitlines()[0]
    'Linear mixed model fit by REML'
    """

    data: SummaryData
    parts: tuple[Part, ...]

    @property
    def document(self) -> Document:
        """Title, facts and tables, unrounded."""
        return Document(_title(self.data), self.parts, is_one_float=True)


def summarise(data: SummaryData, *, correlation: bool | None = None) -> Summary:
    """Return the summary of a fit.

    Parameters
    ----------
    data : SummaryData
        The fit's numbers.
    correlation : bool, optional
        Whether to show the correlations of the fixed effects; by default up to 12 fixed effects, as lme4 does.
    """
    shown = len(data.names) <= MAX_CORRELATIONS if correlation is None else correlation
    notes = data.notes
    if correlation is None and not shown:
        p = len(data.names)
        hidden = f"The correlations of the {p} fixed effects are not shown, being more than {MAX_CORRELATIONS};"
        notes = (f"{hidden} cov_params() has their covariances.", *notes)
    parts: list[Part | None] = [
        _header(data),
        _criterion(data),
        _residuals(data),
        _random_effects(data),
        _fixed_effects(data) if data.names else Prose("fixed_effects", ("No fixed effect coefficients",)),
        _correlations(data) if shown and len(data.names) > 1 else None,
        Prose("notes", notes) if notes else None,
    ]
    return Summary(data, tuple(part for part in parts if part is not None))


def _title(data: SummaryData) -> str:
    title = f"Linear mixed model fit by {'REML' if data.reml else 'maximum likelihood'}"
    return f"{title}. {data.method}" if data.method else title


def _header(data: SummaryData) -> Facts:
    facts = (
        ("formula", "Formula", data.formula),
        ("data", "Data", data.data_name),
        ("weights", "Weights", data.weights),
        ("offset", "Offset", data.offset),
    )
    return Facts("model", tuple(Fact(name, label, value) for name, label, value in facts if value))


def _criterion(data: SummaryData) -> Part:
    # One decimal and at most seven digits: R's default for a number.
    numbers = NumberFormat("significant", digits=7, decimals=1)
    if data.reml:
        return Facts("criterion", (Fact("reml_criterion", "REML criterion at convergence", data.objective, numbers),))
    names = ("AIC", "BIC", "logLik", "deviance")
    shared = NumberFormat("significant", digits=7, decimals=1, share="criteria")
    columns = (*(Column(name, shared, "right") for name in names), Column("df.resid", TEXT, "right"))
    row: tuple[Cell, ...] = (data.aic, data.bic, data.llf, data.objective, data.df_resid)
    return Table("criterion", "", columns, (row,), is_even=True)


def _residuals(data: SummaryData) -> Table:
    quantiles = np.quantile(data.scaled_residuals, (0.0, 0.25, 0.5, 0.75, 1.0))
    # R's zapsmall first rounds what is negligible beside the largest, at one digit more than is shown.
    largest = float(np.max(np.abs(quantiles)))
    decimals = max(0, int(np.floor(DIGITS + 1 - np.log10(largest) + 0.5))) if largest > 0 else DIGITS + 1
    numbers = NumberFormat("significant", DIGITS, decimals, share="residuals")
    columns = tuple(Column(name, numbers, "right") for name in ("Min", "1Q", "Median", "3Q", "Max"))
    return Table("scaled_residuals", "Scaled residuals", columns, (tuple(map(float, quantiles)),), is_even=True)


def _random_effects(data: SummaryData) -> Table:
    """Return the table of variance components: one row per effect, with its correlations to the effects before it."""
    rows: list[list[Cell]] = []
    place: dict[tuple[str, str | None], int] = {}
    tops: dict[str, int] = {}
    correlations: dict[tuple[int, int], float] = {}
    for grp, var1, var2, vcov, sdcor in data.varcorr:
        if var2 is None:
            is_first = grp not in tops
            place[grp, var1] = len(rows)
            tops.setdefault(grp, len(rows))
            rows.append([grp if is_first else None, var1, vcov, sdcor])
        else:
            first, second = place[grp, var1], place[grp, var2]
            correlations[max(first, second), min(first, second) - tops[grp]] = sdcor
    width = max((j + 1 for _, j in correlations), default=0)
    for i, row in enumerate(rows):
        row.extend(correlations.get((i, j)) for j in range(width))
    corr = NumberFormat("correlation", 2, share="corr")
    columns = (
        Column("Groups"),
        Column("Name"),
        Column("Variance", NumberFormat("significant", DIGITS)),
        Column("Std.Dev.", NumberFormat("significant", DIGITS)),
        *(Column("Corr" if j == 0 else "", corr) for j in range(width)),
    )
    groups = "; ".join(f"{name}, {m}" for name, m in data.ngroups.items())
    size = f"Number of obs: {data.nobs}, groups:  {groups}"
    return Table("random_effects", "Random effects", columns, tuple(map(tuple, rows)), (size,), indent=1)


def _shown_name(name: str) -> str:
    return "(Intercept)" if name == "Intercept" else name


def _fixed_effects(data: SummaryData) -> Table:
    estimates, errors = np.asarray(data.estimates), np.asarray(data.std_errors)
    numbers = {"estimate": estimates, "std_error": errors, "df": data.df, "t": estimates / errors, "p": data.pvalues}
    given = {key: values for key, values in numbers.items() if values is not None}
    is_z = data.df is not None and bool(np.isinf(data.df).all()) and data.method.startswith("z")
    fields = coefficient_fields(given, DIGITS, statistic="z" if is_z else "t", is_df_shown=not is_z)
    names = row_labels("", list(map(_shown_name, data.names)))
    return ResultTable("fixed_effects", (names, *fields)).to_table("Fixed effects")


def _correlations(data: SummaryData) -> Table:
    """Return the table of the fixed effects' correlations: lower triangle, names shortened as R shortens them."""
    cov = np.asarray(data.cov)
    sd = np.sqrt(np.diag(cov))
    corr = cov / sd[:, None] / sd
    names = list(map(_shown_name, data.names))
    rows, headers = abbreviate(names, ROW_LENGTH), abbreviate(names, COLUMN_LENGTH)
    p = len(names)
    numbers = NumberFormat("correlation", 3, share="corr")
    columns = (Column("", is_label=True), *(Column(name, numbers) for name in headers[:-1]))
    cells = tuple((rows[i], *(float(corr[i, j]) if j < i else None for j in range(p - 1))) for i in range(1, p))
    return Table("fixed_correlations", "Correlation of Fixed Effects", columns, cells)
