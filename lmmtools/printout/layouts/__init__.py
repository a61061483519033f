"""The layouts that are read: each module finds where it begins, and reads it. A new one is found by its name.

A module has ``begins(lines)``, the place of its first line or None, and ``read(lines, start)``, which returns its
record; ``IS_FIT`` says that it is a whole fit, beside which tables in the same text do not count.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from lmmtools.printout.layout import Line
    from lmmtools.printout.printed_fit import PrintedMixedLM, PrintedSummary
    from lmmtools.printout.printed_table import PrintedTable

__all__ = ["read_layout"]


def _layouts() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.{m.name}") for m in sorted(pkgutil.iter_modules(__path__))]


def read_layout(lines: Sequence[Line], *, is_fit: bool) -> PrintedSummary | PrintedMixedLM | PrintedTable | None:
    """Return the record of the one printed fit, or of the one table, in a text; None if no layout knows it.

    Raises
    ------
    PrintoutError
        If there are several, or it is cut, or its numbers contradict each other.
    """
    modules = [module for module in _layouts() if is_fit == module.IS_FIT]
    found = [(module, start) for module in modules if (start := module.begins(lines)) is not None]
    if len(found) > 1:
        named = join_with_and([f"{m.TITLE} (line {lines[start].number})" for m, start in found])
        raise PrintoutError(f"The text holds what several functions print, {named}: give one at a time.")
    return found[0][0].read(lines, found[0][1]) if found else None
