"""Tables as ``great_tables.GT``: cells, headings and notes as they are printed, whatever characters they hold."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from lmmtools.audience import need_package
from lmmtools.report.cells import format_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmmtools.report.table import Table

__all__ = ["plain", "to_great_table"]


def to_great_table(table: Table, title: str, notes: Iterable[str]) -> Any:
    """Return a ``GT`` of a table.

    Raises
    ------
    EngineError
        If great_tables is not installed.
    """
    need_package("great_tables", "to_great_tables()")
    import pandas as pd
    from great_tables import GT

    keys = [f"column{k}" for k in range(len(table.columns))]
    cells = [[plain(text.strip(), "cell") for text in row] for row in format_cells(table)]
    labels = {key: plain(column.name, "label") for key, column in zip(keys, table.columns, strict=True)}
    names = [key for key, column in zip(keys, table.columns, strict=True) if column.is_label]
    made = GT(pd.DataFrame(cells, columns=keys), rowname_col=names[0] if len(names) == 1 else None)
    made = made.cols_label(labels).cols_align("right", [k for k in keys if k not in names])
    if title:
        made = made.tab_header(plain(title, "title"))
    for note in (*table.notes, *notes):
        made = made.tab_source_note(plain(note, "note"))
    return made


def plain(text: str, part: str) -> str:
    """Return text that great_tables shows as it is, in a ``"cell"``, ``"label"``, ``"title"`` or ``"note"``."""
    return text if part in _escaped_parts() else escape(text)


@cache
def _escaped_parts() -> frozenset[str]:
    """Return the parts of a table that the installed great_tables escapes by itself; versions differ."""
    import pandas as pd
    from great_tables import GT

    made = GT(pd.DataFrame({"a": ["<cell>"]})).cols_label({"a": "<label>"})
    html = made.tab_header("<title>").tab_source_note("<note>").as_raw_html()
    return frozenset(part for part in ("cell", "label", "title", "note") if f"&lt;{part}&gt;" in html)
