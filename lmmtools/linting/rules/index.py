"""Groups that are not aligned with the rows of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield findings on the index of data and groups."""
    frame = case.frame
    if frame is not None and isinstance(case.groups, pd.Series):
        groups = case.groups
        if len(groups) != len(frame):
            yield Finding(
                "groups-misaligned",
                "error",
                f"groups has {len(groups)} values for {len(frame)} rows of data; MixedLM takes them by place.",
                "Put the groups into the data as a column, and write groups=its name.",
            )
        elif not groups.index.equals(frame.index):
            yield Finding(
                "groups-misaligned",
                "error",
                "groups is a Series whose index is not that of the data. MixedLM goes by place and not by index: row "
                f"{frame.index[_first_difference(groups, frame)]!r} of the data gets the group of "
                f"{groups.index[_first_difference(groups, frame)]!r}.",
                'data["group"] = groups, which pandas aligns by index; then groups="group"',
            )
    if frame is not None and frame.index.has_duplicates:
        label = frame.index[frame.index.duplicated()][0]
        yield Finding(
            "duplicate-index",
            "warning",
            f"The index of the data has duplicates ({label!r} occurs {int((frame.index == label).sum())} times, as "
            "after concat). MixedLM looks rows up by it when it drops missing values and builds variance components, "
            "and can take the wrong ones.",
            "data = data.reset_index(drop=True)",
        )
    call = case.call
    if frame is None and call is not None and call.groups_frame is not None:
        yield Finding(
            "groups-elsewhere",
            "warning",
            f"The groups come from {call.groups_frame}, the data are {call.data}: MixedLM puts them together by place, "
            "whatever their indices say.",
            f"Put the groups into {call.data} as a column, and write groups={write_text(call.groups or '')}.",
        )


def _first_difference(groups: pd.Series, frame: pd.DataFrame) -> int:
    return next(i for i, (a, b) in enumerate(zip(groups.index, frame.index, strict=True)) if a != b)
