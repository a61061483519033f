"""Tables of many fits: what journals print, and the tables of statsmodels, stargazer and maketables."""

from __future__ import annotations

from lmmtools.tables.foreign import etable, stargazer, summary_col
from lmmtools.tables.side_by_side import SideBySide, side_by_side

__all__ = ["SideBySide", "etable", "side_by_side", "stargazer", "summary_col"]
