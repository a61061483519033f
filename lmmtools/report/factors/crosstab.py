"""Cross-tabulation of two factors, as R's ``xtabs``: every cell, or blocks of levels where there are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

from lmmtools.design.incidence import build_incidence
from lmmtools.report.factors.blocks import block_label, describe_blocks, render_table
from lmmtools.report.table import LINE_WIDTH

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.design.incidence import Blocks, Incidence

__all__ = ["CrossTable"]

# Most rows, columns and lines of a table with every cell; most blocks, and least columns, of a larger one.
MAX_ROWS, MAX_COLUMNS, MAX_LINES, BLOCKS, MIN_COLUMNS = 40, 30, 60, 12, 3
# Cells beyond which the frame is sparse.
MAX_DENSE = 5_000_000


@dataclass(frozen=True, slots=True, eq=False)
class CrossTable:
    """Counts of rows for each combination of two factors' levels; prints as a table, shows as HTML in notebooks.

    Attributes
    ----------
    incidence : Incidence
        The table, with its rows and columns ordered.
    """

    incidence: Incidence

    def to_frame(self) -> pd.DataFrame:
        """Return the whole table, ``a``'s levels down and ``b``'s across; columns are sparse if it is large."""
        import pandas as pd

        table = self.incidence
        index, columns = pd.Index(table.a_levels, name=table.a), pd.Index(table.b_levels, name=table.b)
        shape = table.shape
        if shape[0] * shape[1] > MAX_DENSE:
            from scipy import sparse

            matrix = sparse.coo_array((table.counts.astype(np.int64), (table.rows, table.columns)), shape=shape)
            frame: pd.DataFrame = pd.DataFrame.sparse.from_spmatrix(  # type: ignore[attr-defined]
                sparse.csc_matrix(matrix), index=index, columns=columns
            )
            return frame
        dense = np.zeros(shape, dtype=np.int64)
        dense[table.rows, table.columns] = table.counts
        return pd.DataFrame(dense, index=index, columns=columns)

    def blocks(self, max_rows: int = BLOCKS, max_columns: int = BLOCKS) -> Blocks:
        """Return the table in at most ``max_rows`` by ``max_columns`` blocks of neighbouring levels."""
        return self.incidence.blocks(max_rows, max_columns)

    def to_text(self, max_rows: int = MAX_ROWS, max_columns: int = MAX_COLUMNS) -> str:
        """Return the table as text, 80 characters wide; columns that do not fit stand below the others, as in R.

        It shows blocks of levels if it has more rows or columns than given, or more lines than a screen.
        """
        rows, columns = self.incidence.shape
        if rows <= max_rows and columns <= max_columns:
            text = _panels(self.incidence)
            if len(text.split("\n")) <= MAX_LINES:
                return text
        ordered = build_incidence(self.incidence.pair, self.incidence.a)
        for most in range(min(BLOCKS, columns), 0, -1):
            blocks = ordered.blocks(rows if rows <= min(max_rows, BLOCKS) else BLOCKS, most)
            text = _grid(ordered, blocks)
            if _width(text) <= LINE_WIDTH or most <= MIN_COLUMNS:
                break
        return f"{text}\n{describe_blocks(ordered, blocks, 'Rows of data in blocks of levels')}"

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def to_html(self) -> str:
        """Return an HTML table that needs no style sheet, cells shaded by how full they are."""
        rows, columns = self.incidence.shape
        if rows <= MAX_ROWS and columns <= MAX_COLUMNS:
            return render_table(self.incidence, self.incidence.blocks(rows, columns))
        ordered = build_incidence(self.incidence.pair, self.incidence.a)
        return render_table(ordered, ordered.blocks(MAX_ROWS // 2, BLOCKS))

    def _repr_html_(self) -> str:
        return self.to_html()


def _panels(incidence: Incidence) -> str:
    """Return the table with every cell, its columns in panels that fit the width."""
    blocks = incidence.blocks(*incidence.shape)
    start, columns, panels = 0, incidence.shape[1], []
    while start < columns:
        stop = columns
        while _width(panel := _grid(incidence, blocks, range(start, stop))) > LINE_WIDTH and stop > start + 1:
            stop -= 1
        panels.append(panel)
        start = stop
    return "\n\n".join(panels)


def _grid(incidence: Incidence, blocks: Blocks, columns: range | None = None) -> str:
    columns = range(blocks.counts.shape[1]) if columns is None else columns
    header = [
        f"{incidence.a} \\ {incidence.b}",
        *(block_label(incidence.b_levels, blocks.column_edges, j, " ..\n") for j in columns),
    ]
    body = [
        [
            block_label(incidence.a_levels, blocks.row_edges, i),
            *("." if row[j] == 0 else f"{row[j]:,}" for j in columns),
        ]
        for i, row in enumerate(blocks.counts.tolist())
    ]
    align = ("left", *("right" for _ in header[1:]))
    return tabulate(body, header, tablefmt="simple", disable_numparse=True, colalign=align)


def _width(text: str) -> int:
    return max(map(len, text.split("\n")))
