"""What every report shares: it prints as text, shows as HTML in notebooks, and turns into the other formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from lmmtools.report.formats import render

if TYPE_CHECKING:
    from lmmtools.report.table import Document

__all__ = ["Printable"]


class Printable(ABC):
    """Base of the reports: whoever has a ``document`` has all its formats."""

    __slots__ = ()

    @property
    @abstractmethod
    def document(self) -> Document:
        """Title, facts and tables, unrounded."""

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_text(self) -> str:
        """Return plain text, as R prints it."""
        return render(self.document, "text")

    def to_markdown(self) -> str:
        """Return Markdown with pipe tables."""
        return render(self.document, "markdown")

    def to_html(self) -> str:
        """Return an HTML fragment that needs no style sheet."""
        return render(self.document, "html")

    def to_latex(self) -> str:
        """Return LaTeX tables; the preamble needs ``booktabs``."""
        return render(self.document, "latex")

    def to_json(self) -> str:
        """Return JSON with every number at full precision."""
        return render(self.document, "json")
