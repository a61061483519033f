"""Output formats: each module here has ``render(document) -> str``, and its name is the format's name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmmtools.report.table import Document, Table

__all__ = ["format_names", "render"]


def format_names() -> tuple[str, ...]:
    """Return the names of the output formats."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__)))


def render(content: Document | Table | Any, name: str) -> str:
    """Return the content in the format called ``name``.

    Parameters
    ----------
    content : Document, Table, or anything with a ``document`` attribute
        What is rendered; a ``Summary`` and a ``Comparison`` have a document.
    name : str
        One of ``format_names()``.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    from lmmtools.report.table import Document, Table

    if name not in format_names():
        raise ValueError(f"there is no format {name!r}; the formats are {', '.join(format_names())}")
    if isinstance(content, Table):
        content = Document("", (content,))
    document = content if isinstance(content, Document) else content.document
    return str(importlib.import_module(f"{__name__}.{name}").render(document))
