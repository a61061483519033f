"""What lint found, as data first and sentences second."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from lmmtools.design.findings import Finding

__all__ = ["LintReport"]

WIDTH = 88


@dataclass(frozen=True, slots=True)
class LintReport:
    """The findings on one model.

    Attributes
    ----------
    findings : tuple of Finding
        The most severe first; empty when nothing is wrong.
    lme4 : str
        The model that it really is, in lme4's notation; empty where only the text of a call is known.
    place : str
        Where the call stands in a script, ``"fit.py, line 12"``; else empty.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("Penicillin")
    >>> report = lmt.lint("diameter ~ 1", groups="plate", vc_formula={"sample": "0 + C(sample)"}, data=data)
    >>> report.is_clean
    False
    """

    findings: tuple[Finding, ...]
    lme4: str = ""
    place: str = ""

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """The findings' codes, in order."""
        return tuple(f.code for f in self.findings)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong: no errors and no warnings."""
        return not any(f.severity in ("error", "warning") for f in self.findings)

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``code severity message cure``."""
        import pandas as pd

        columns = ["code", "severity", "message", "cure"]
        return pd.DataFrame([[getattr(f, c) for c in columns] for f in self.findings], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as what JSON holds."""
        return {"place": self.place, "lme4": self.lme4, "findings": [asdict(f) for f in self.findings]}

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def to_text(self) -> str:
        """Return the report for a terminal."""
        parts = [self.place] if self.place else []
        if self.lme4:
            parts.append(f"This model is {self.lme4}")
        if not self.findings:
            parts.append(
                "Nothing to report." if self.lme4 else "Nothing to report, as far as the text of the call tells."
            )
        for finding in self.findings:
            head = textwrap.fill(
                f"{finding.severity} {finding.code}: {finding.message}",
                WIDTH,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            parts.append(f"\n{head}\n{textwrap.indent(finding.cure, '    ')}" if finding.cure else f"\n{head}")
        return "\n".join(parts).lstrip("\n")

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        head = f"<p>This model is <code>{escape(self.lme4)}</code></p>" if self.lme4 else ""
        if not self.findings:
            return f"{head}<p>Nothing to report.</p>"
        items = "".join(
            f"<li><b>{escape(f.severity)}</b> <code>{escape(f.code)}</code>: {escape(f.message)}"
            f"<pre>{escape(f.cure)}</pre></li>"
            for f in self.findings
        )
        return f"{head}<ul>{items}</ul>"
