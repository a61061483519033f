"""Formats of what lint found: each module has ``write(reports, is_single)``, and its name is the format's name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.linting.checkout import FileReport

__all__ = ["format_names", "write"]


def format_names() -> tuple[str, ...]:
    """Return the names of the formats."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__)))


def write(reports: Sequence[FileReport], name: str, is_single: bool) -> str:
    """Return the reports on files in the format called ``name``.

    Parameters
    ----------
    reports : sequence of FileReport
    name : str
        One of ``format_names()``.
    is_single : bool
        Whether one file was named, whose report stands alone.
    """
    return str(importlib.import_module(f"{__name__}.{name}").write(reports, is_single))
