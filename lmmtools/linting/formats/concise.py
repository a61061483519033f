"""One line for each finding, as editors read them: ``file:line:column: code message``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.linting.checkout import show_path, show_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.linting.checkout import FileReport

__all__ = ["write"]


def write(reports: Sequence[FileReport], is_single: bool) -> str:
    """Return the lines; of a notebook the cell stands before the line, ``file:cell 3:line:column: code message``."""
    lines = []
    for file in reports:
        for call in file.calls:
            cell = "" if call.cell is None else f"cell {call.cell}:"
            where = f"{show_path(file.path)}:{cell}{call.line}:{call.column}"
            lines += [f"{where}: {f.code} {show_text(f.message)}" for f in call.report.findings]
    return "\n".join(lines)
