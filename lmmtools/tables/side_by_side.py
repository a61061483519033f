"""Fits side by side, as journals print them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from lmmtools import memory
from lmmtools.audience import line_width, need_package
from lmmtools.errors import DataError
from lmmtools.inference.degrees import Method, read_method
from lmmtools.inference.tails import check_level
from lmmtools.report.cells import format_cells, is_heading
from lmmtools.report.formats import render
from lmmtools.report.great_tables import plain
from lmmtools.report.result_table import Printable
from lmmtools.report.table import TEXT, Column, Document, NumberFormat, Table
from lmmtools.tables.column import to_unrounded_frame
from lmmtools.tables.layout import BELOW, STATISTICS, Below, Layout, Row, choose_effects, make_rows
from lmmtools.tables.notes import write_notes
from lmmtools.tables.reading import Asked, read_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from lmmtools.inference.robust import Correction
    from lmmtools.tables.column import FitColumn

__all__ = ["SideBySide", "side_by_side"]

STARS = {"*": 0.05, "**": 0.01, "***": 0.001}
HEADINGS = {"sd": "Random effects (standard deviations)", "variance": "Random effects (variances)"}
# Characters beyond which text cuts the table into pieces.
WIDTH = 120


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SideBySide(Printable):
    """A table of fits: prints as text, shows as HTML in notebooks.

    Attributes
    ----------
    columns : tuple of FitColumn
        The fits, unrounded.
    rows : tuple of Row
        The printed rows, unrounded.
    notes : tuple of str
        Lines below the table: numbers in parentheses, stars, tests, criteria that do not compare.
    layout : Layout
        The options of the table.
    caption, label : str
        Title, and label in LaTeX; may be empty.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> len(lmt.tables.side_by_side(fit).columns)
    1
    """

    columns: tuple[FitColumn, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    layout: Layout
    caption: str = ""
    label: str = ""

    @property
    def document(self) -> Document:
        """The table, unrounded."""
        return Document("", (self._table(),))

    def _table(self, is_long: bool | None = None) -> Table:
        """Return the table: headings, rows, rules where a part begins."""
        rows: list[tuple[Any, ...]] = []
        formats: list[NumberFormat] = []
        sections: list[int] = []
        part = ""
        for row in self.rows:
            if row.part != part:
                part = row.part
                heading = {"fixed": "Fixed effects", "random": HEADINGS.get(str(self.layout.random))}.get(part)
                if rows or heading:
                    sections.append(len(rows))
                if heading:
                    rows.append((heading, *(None for _ in self.columns)))
                    formats.append(TEXT)
            rows.append((row.label, *row.cells))
            formats.append(row.numbers)
        by_row = NumberFormat("by row")
        columns = (Column("", is_label=True), *(Column(c.name, by_row, "decimal") for c in self.columns))
        return Table(
            "side_by_side",
            self.caption,
            columns,
            tuple(rows),
            self.notes,
            is_ruled=True,
            width=line_width() or WIDTH,
            row_numbers=tuple(formats),
            sections=tuple(sections),
            label=self.label,
            is_long=is_long,
        )

    def to_text(self, tablefmt: str | None = None) -> str:
        """Return plain text.

        Parameters
        ----------
        tablefmt : str, optional
            A format of the package tabulate, ``"grid"``, ``"rst"``, ``"outline"``; by default rules between the parts.

        Raises
        ------
        DataError
            If tabulate has no such format.
        """
        if tablefmt is None:
            return render(self.document, "text")
        from tabulate import tabulate, tabulate_formats

        if tablefmt not in tabulate_formats:
            raise DataError(f"tabulate has no format {tablefmt!r}; there are {', '.join(tabulate_formats)}")
        table = self._table()
        cells = [[text.strip() for text in row] for row in format_cells(table)]
        align = ["left", *("center" for _ in self.columns)]
        text = tabulate(cells, [c.name for c in table.columns], tablefmt, disable_numparse=True, colalign=align)
        return "\n".join([*([self.caption, ""] if self.caption else []), text, *self.notes])

    def to_latex(self, caption: str | None = None, label: str | None = None, long: bool | None = None) -> str:
        r"""Return one LaTeX table that fits the page, names escaped.

        The preamble needs ``\usepackage{booktabs,dcolumn}``, and ``longtable`` for what runs over pages.

        Parameters
        ----------
        caption, label : str, optional
            Caption and label instead of the table's own.
        long : bool, optional
            Let the table run over pages; by default where it is longer than one.
        """
        table = self._table(long)
        table = replace(
            table,
            title=table.title if caption is None else caption,
            label=table.label if label is None else label,
        )
        return render(table, "latex")

    def to_frame(self, formatted: bool = False) -> pd.DataFrame:
        """Return one column per fit.

        Parameters
        ----------
        formatted : bool
            The rows as they are printed, rounded, as text. Otherwise unrounded numbers in rows ``(part, name,
            statistic)``: of each fixed effect that is shown its estimate, standard error, statistic, p and limits; of
            random effects variances, standard deviations, correlations; rows and levels; criteria, R2, ICC; flags.
        """
        import pandas as pd

        names = [c.name for c in self.columns]
        if not formatted:
            return to_unrounded_frame(self.columns, choose_effects(self.columns, self.layout))
        cells = [[text.strip() for text in row] for row in format_cells(self._table())]
        index = pd.Index([row[0] for row in cells])
        return pd.DataFrame([row[1:] for row in cells], index=index, columns=names)

    def to_great_tables(self) -> Any:
        """Return a ``great_tables.GT``, to be styled further and written by that package.

        Raises
        ------
        EngineError
            If great_tables is not installed.
        """
        need_package("great_tables", "to_great_tables()")
        import pandas as pd
        from great_tables import GT

        table = self._table()
        cells = [[plain(text.strip(), "cell") for text in row] for row in format_cells(table)]
        group = ""
        records = []
        for i, row in enumerate(cells):
            if i in table.sections:
                group = row[0] if is_heading(row) else {"size": "Sample"}.get(self._part_at(i), "Fit")
                if is_heading(row):
                    continue
            records.append([group, *row])
        keys = [f"fit{k}" for k in range(1, len(self.columns) + 1)]
        frame = pd.DataFrame(records, columns=["part", "row", *keys])
        labels: dict[str, Any] = dict(zip(keys, (plain(c.name, "label") for c in self.columns), strict=True))
        made = GT(frame, rowname_col="row", groupname_col="part").cols_label(labels).cols_align("center", keys)
        if self.caption:
            made = made.tab_header(plain(self.caption, "title"))
        for note in self.notes:
            made = made.tab_source_note(plain(note, "note"))
        return made

    def _part_at(self, place: int) -> str:
        """Return the part of the row at a place of the table, where headings count as rows."""
        headings = sum(i < place and is_heading(row) for i, row in enumerate(format_cells(self._table())))
        return self.rows[place - headings].part


@memory.door
def side_by_side(
    *fits: Any,
    names: Sequence[str] | None = None,
    ddf: Literal["satterthwaite", "kenward-roger", "residual", "z"] | Sequence[str | None] | None = "satterthwaite",
    cov: Correction | None = None,
    cluster: Any = None,
    below: Below | None = "std_error",
    level: float = 0.95,
    stars: bool | Mapping[str, float] = True,
    random: Literal["sd", "variance"] | None = "sd",
    statistics: Sequence[str] = ("criterion", "aic", "bic", "r2", "icc"),
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    order: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    digits: int = 4,
    decimals: int | None = None,
    caption: str = "",
    label: str = "",
    notes: Sequence[str] = (),
) -> SideBySide:
    """Return fits side by side, as journals print them: coefficients with errors, random effects, fit, flags.

    Parameters
    ----------
    *fits
        One column each, or a list of them: ``LMMResults`` of any engine, ``MixedLMResults`` and ``OLS``, ``WLS`` or
        ``GLS`` results of statsmodels, fits written by ``to_json`` (the record, its text, or a path), recorded fits,
        and what R printed for ``summary(lmer(...))`` (as ``read_lme4_summary`` returns it, its text, or a path).
    names : sequence of str, optional
        Headers; by default ``(1)``, ``(2)``, ...
    ddf : {"satterthwaite", "kenward-roger", "residual", "z"}, None, or one per fit
        Where p-values and intervals of mixed models come from; None for none. Fits without their data have no degrees
        of freedom: they have p-values under ``"z"`` only, printouts those that R printed. Least-squares fits keep
        statsmodels' own. The notes say which column has which.
    cov, cluster
        A cluster-robust covariance of the fits in memory, as for :meth:`LMMResults.tests`.
    below : {"std_error", "interval", "statistic", "p"} or None
        Number below each coefficient.
    level : float
        Level of the intervals.
    stars : bool or mapping of str to float
        Marks with the limit that p is below; by default ``{"*": 0.05, "**": 0.01, "***": 0.001}``. A p-value that
        is not defined has none.
    random : {"sd", "variance"} or None
        How random effects are shown, beside their correlations; None leaves them out.
    statistics : sequence of str
        Of ``"criterion"``, ``"loglik"``, ``"aic"``, ``"bic"``, ``"r2"``, ``"icc"``. Values of REML fits and
        of maximum-likelihood fits stand in separate rows.
    keep, drop, order : sequence of str
        Fixed effects to show alone, to leave out, to put first; as Python or R spells them, ``*`` for anything.
    labels : mapping of str to str, optional
        Printed names of fixed effects, of random effects and of grouping factors.
    digits : int
        Significant digits that the number with the least room shows.
    decimals : int, optional
        Decimals of the coefficients instead.
    caption, label : str
        Title, and label in LaTeX.
    notes : sequence of str
        Further lines below the table.

    Raises
    ------
    DataError
        If there is no fit, a fit is none of these, or an option or a name is not known; the message says which.

    See Also
    --------
    summary_col : The table of statsmodels.
    stargazer : The table of the package stargazer.
    etable : The table of the package maketables.

    Notes
    -----
    AIC and BIC count every variance parameter and the residual variance, in linear models too, as R does.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> lmt.tables.side_by_side(fit, ddf=None, statistics=["criterion"])
                          (1)
    ------------------  --------
    Fixed effects
    (Intercept)         1527.50
                         (19.38)
    ------------------  --------
    Random effects (standard deviations)
    Batch: (Intercept)    42
    Residual              49.51
    ------------------  --------
    Observations          30
    Levels of Batch        6
    ------------------  --------
    Fitted by             REML
    REML criterion       319.7
    ------------------  --------
    Flags                 none
    Standard errors in parentheses.
    (1): no p-values.
    """
    sources = list(fits[0]) if len(fits) == 1 and isinstance(fits[0], (list, tuple)) else list(fits)
    if not sources:
        raise DataError("side_by_side() needs at least one fit: side_by_side(fit0, fit1)")
    headers = _headers(names, len(sources))
    layout = Layout(
        _one_of("below", below, [*BELOW, None]),
        _sort_marks(stars),
        _one_of("random", random, ["sd", "variance", None]),
        tuple(str(_one_of("statistics", s, list(STATISTICS))) for s in _as_list(statistics)),
        digits,
        decimals,
        tuple(_as_list(keep)),
        tuple(_as_list(drop)),
        tuple(_as_list(order)),
        dict(labels or {}),
    )
    level = check_level(level)
    asked = [Asked(method, level) for method in _methods(ddf, cov, cluster, len(sources))]
    columns = read_columns(sources, headers, asked)
    rows = make_rows(columns, layout)
    found = write_notes(columns, layout, level)
    return SideBySide(tuple(columns), tuple(rows), (*found, *_as_list(notes)), layout, caption, label)


def _as_list(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _headers(names: Sequence[str] | None, size: int) -> list[str]:
    if names is None:
        return [f"({k})" for k in range(1, size + 1)]
    if len(names) != size:
        raise DataError(f"names has {len(names)} headers for {size} fits; give one for each")
    return list(map(str, names))


def _one_of(option: str, given: Any, known: Sequence[Any]) -> Any:
    if given not in known:
        raise DataError(f"{option}={given!r} is not known; use one of {', '.join(map(repr, known))}")
    return given


def _sort_marks(stars: bool | Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return (mark, limit) pairs, the smallest limit first."""
    known = (STARS if stars else {}) if isinstance(stars, bool) else dict(stars)
    for mark, limit in known.items():
        if not isinstance(limit, (int, float)) or not 0.0 < limit <= 1.0:
            raise DataError(f"stars: the mark {mark!r} needs a p-value between 0 and 1, not {limit!r}")
    return tuple(sorted(known.items(), key=lambda item: item[1]))


def _methods(ddf: str | Sequence[str | None] | None, cov: str | None, cluster: Any, size: int) -> list[Method | None]:
    given = [ddf] * size if ddf is None or isinstance(ddf, str) else list(ddf)
    if len(given) != size:
        raise DataError(f"ddf has {len(given)} methods for {size} fits; give one for all, or one for each")
    return [None if method is None else read_method(method, cov, cluster) for method in given]
