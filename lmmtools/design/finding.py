"""One thing that somebody should look at: what it is, how bad, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Severity"]

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding about data or a model.

    Attributes
    ----------
    code : str
        Short name, stable between versions (``"labels-reused"``).
    severity : {"error", "warning", "info"}
        Error: a model with this cannot be right; warning: probably another model was meant; info: worth knowing.
    message : str
        What was found, naming the column, level or term.
    cure : str
        What to do or to write instead.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("Penicillin")
    >>> report = lmt.lint("diameter ~ 1", groups="plate", vc_formula={"sample": "0 + C(sample)"}, data=data)
    >>> report.findings[0].code
    'crossed-inside'
    """

    code: str
    severity: Severity
    message: str
    cure: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} {self.cure}".rstrip()
