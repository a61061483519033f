"""A model formula and a source -> Design: of rows that memory holds, or of rows that are read when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from lmmtools.design.build import build_design, used_columns
from lmmtools.design.frame import need_columns
from lmmtools.design.streamed import build_streamed_design
from lmmtools.sources import read_small, read_whole
from lmmtools.sources.places import reading

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lmmtools.design.matrices import Design
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.sources import Source

__all__ = ["build_source_design"]


def build_source_design(
    formula: ModelFormula,
    source: Source,
    *,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    na_action: Literal["drop", "raise"] = "drop",
    stream: bool | None = None,
) -> Design:
    """Return the Design of a model formula on the rows of a source.

    Parameters
    ----------
    formula : ModelFormula
    source : Source
    weights, offset : str or array of shape (number of rows,), optional
        A column; also a value for each row where the rows are read into memory.
    na_action : {"drop", "raise"}
    stream : bool, optional
        Whether rows are read in batches when they are needed, or all at once into memory; None: as
        `sources.read_small` finds.

    Raises
    ------
    DataError
        As `build_design`, and `build_streamed_design` of rows that are read when they are needed.
    """
    beside: Any = {"weights": weights, "offset": offset, "na_action": na_action}
    named = [name for name in (weights, offset) if isinstance(name, str)]
    names = tuple(dict.fromkeys((*used_columns(formula), *named)))
    need_columns(pd.DataFrame(columns=list(source.columns)), names)
    table = None
    if not stream:
        table = read_small(source, names) if stream is None else read_whole(source, names)
    if table is None:
        return build_streamed_design(formula, source, **beside)
    with reading(source, is_streamed=False):
        return build_design(formula, table, **beside)
