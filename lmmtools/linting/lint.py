"""``lint``: a report of findings on a MixedLM model, a result, a call with its data, or a script that is not run."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

from lmmtools import memory
from lmmtools.audience import line_width
from lmmtools.design.findings import Finding
from lmmtools.errors import DataError
from lmmtools.linting.call import columns_in, split_formula
from lmmtools.linting.case import Case, case_of_call, case_of_model
from lmmtools.linting.readings import name_model, read_as, unread_arguments
from lmmtools.linting.rules import SEVERITIES, run_rules
from lmmtools.linting.script import read_file
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from lmmtools.linting.call import MixedLMCall
    from lmmtools.linting.script import FoundCall, Source

__all__ = ["LintReport", "lint", "lint_file", "lint_source"]

# A model is made for each call that is linted with its data; no analysis has so many.
MOST_MODELS, MOST_CALLS = 100, 1000
WIDTH = 88


@memory.door
def lint(
    model: Any,
    groups: Any = None,
    re_formula: str | None = None,
    vc_formula: Mapping[str, str] | None = None,
    data: Any = None,
) -> LintReport:
    """Return what a MixedLM model really is, and findings where its author probably meant another.

    Parameters
    ----------
    model : MixedLM, MixedLMResults, str or tuple
        A model or a result of statsmodels; or the arguments of ``smf.mixedlm``: a formula, with the others as keywords,
        or all as one tuple (formula, groups, re_formula, vc_formula, data). A model is made of them, and not fitted.
    groups : str or array_like, shape (n,), optional
    re_formula : str, optional
    vc_formula : mapping of str to str, optional
    data : DataFrame, optional

    Returns
    -------
    LintReport
        ``.findings`` (each with ``code``, ``severity``, ``message`` and ``cure``), empty when nothing is wrong.

    Raises
    ------
    DataError
        If ``model`` is none of these, or names columns that the data do not have.

    See Also
    --------
    from_mixedlm : The fit of a MixedLM model as LMMResults.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("Penicillin")
    >>> components = {"plate": "1 + C(plate)", "sample": "0 + C(sample)"}
    >>> lmt.lint("diameter ~ 1", groups="plate", vc_formula=components, data=data).codes
    ('reference-coded', 'crossed-inside', 'one-row-per-level')
    """
    if isinstance(model, tuple):
        if len(model) != 5:
            raise DataError(
                f"a tuple must be (formula, groups, re_formula, vc_formula, data); this has {len(model)} items"
            )
        return lint(*model)
    if not isinstance(model, str):
        if groups is not None or re_formula is not None or vc_formula is not None or data is not None:
            raise DataError("a model knows its groups, formulas and data: give lint the model alone")
        return _make_report(case_of_model(model))
    if data is None or groups is None:
        raise DataError("with a formula, lint needs data= and groups= as well")
    components = dict(vc_formula) if vc_formula is not None else None
    return _make_report(case_of_call(model, data, groups, re_formula, components))


def lint_file(path: str, data: Any = None) -> tuple[list[LintReport], tuple[str, ...]]:
    """Lint the MixedLM calls of a Python file or notebook, which is not run.

    Parameters
    ----------
    path : str
        Ending in ``.py`` or ``.ipynb``; ``-`` is a script on standard input.
    data : DataFrame, optional
        The data of the calls; without them the text of each call is linted alone.

    Returns
    -------
    reports : list of LintReport
        One for each call, in order.
    unread : tuple of str
        What could not be read.

    Raises
    ------
    DataError
        If the file cannot be read, or is no Python.
    """
    return lint_source(read_file(path), data)


def lint_source(source: Source, data: Any = None) -> tuple[list[LintReport], tuple[str, ...]]:
    """Lint the MixedLM calls that were read of a file, as `lint_file` does."""
    reports = [
        _lint_found(source.path, found, data if number < MOST_MODELS else None)
        for number, found in enumerate(source.calls[:MOST_CALLS])
    ]
    unread = source.unread
    if len(source.calls) > MOST_CALLS:
        unread = (
            *unread,
            f"{source.path}: of {len(source.calls):,} calls of MixedLM the first {MOST_CALLS:,} are linted",
        )
    if data is not None and len(source.calls) > MOST_MODELS:
        unread = (*unread, f"{source.path}: the first {MOST_MODELS} calls are linted with the data, the others without")
    return reports, unread


def _lint_found(path: str, found: FoundCall, data: Any) -> LintReport:
    where = f"{path}, line {found.line}" if found.cell is None else f"{path}, cell {found.cell}, line {found.line}"
    reports = [_lint_call(call, data, where) for call in found.calls]
    findings = dict.fromkeys(f for report in reports for f in report.findings)
    readings = dict.fromkeys(m for report in reports for m in report.lme4.split(" or ") if m)
    unread = dict.fromkeys(pair for call in found.calls for pair in unread_arguments(call))
    return LintReport(
        tuple(sorted(findings, key=lambda f: SEVERITIES.index(f.severity))),
        " or ".join(readings),
        where,
        tuple(name for name, _ in unread),
        tuple(origin for _, origin in unread),
        all(report.is_text_only for report in reports),
    )


def _lint_call(call: MixedLMCall, data: Any, where: str) -> LintReport:
    """Return the report on one of the calls that a place in a script may be."""
    if data is not None and call.is_readable and call.formula is not None:
        frame = _drop_missing(data, call) if call.is_dropped else data
        groups: Any = [1] * len(frame) if call.is_one_group else call.groups
        case = case_of_call(
            call.formula, frame, groups, call.re_formula, dict(call.vc_formula) if call.vc_formula else None, call
        )
    else:
        case = Case(call=call)
    report = _make_report(case, where)
    if case.reading is not None:
        return report
    return replace(report, lme4=" or ".join(read_as(call)), is_text_only=True)


def _drop_missing(data: Any, call: MixedLMCall) -> Any:
    """Return the rows without missing values in the columns that a call names, as its script drops them."""
    texts = [*(split_formula(call.formula or "") or ()), call.re_formula or "", *(call.vc_formula or {}).values()]
    named = {c for text in texts for c in columns_in(text)} | ({call.groups} if call.groups else set())
    return data.dropna(subset=[c for c in data.columns if str(c) in named])


def _make_report(case: Case, place: str = "") -> LintReport:
    findings = run_rules(case)
    if case.failure is not None:
        said = " ".join(str(case.failure).split())
        failure = Finding(
            "no-model", "error", f"MixedLM cannot make this model: {type(case.failure).__name__}: {said}", ""
        )
        findings = (failure, *findings)
    if case.refusal:
        findings = (*findings, _describe_refusal(case.refusal))
    named, differs = name_model(case) if case.reading is not None else ("", "")
    return LintReport(findings, named, place, differs=differs)


def _describe_refusal(refusal: str) -> Finding:
    return Finding(
        "not-run",
        "info",
        "This call is linted from its text alone, without the data. Of a formula lint evaluates arithmetic and known "
        f"functions of columns, nothing else: {refusal.partition(chr(10))[0].rstrip(':.')}.",
        "Make the column in the data first, and name it in the formula.",
    )


@dataclass(frozen=True, slots=True)
class LintReport:
    """The findings on one model.

    Attributes
    ----------
    findings : tuple of Finding
        The most severe first; empty when nothing is wrong.
    lme4 : str
        The model that is really fitted, in lme4's notation. Of the text of a call alone: what it reads as, several
        readings joined by " or "; empty where the text, or lme4's notation, has nothing to tell.
    place : str
        Place of the call in a script, ``"fit.py, line 12"``; empty otherwise.
    unread : tuple of str
        Names of the arguments that decide the model and that the text of the call does not show.
    origins : tuple of str
        Where each of these comes from, ``"parameters of `run()`"``; empty where nothing better than the call is known.
    is_text_only : bool
        Whether the text of a call was read, without its data.
    differs : str
        Why lme4's notation has no such model, in a sentence; empty where it has.

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
    unread: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    is_text_only: bool = False
    differs: str = ""

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
        """Return one row per finding, with the columns ``code``, ``severity``, ``message`` and ``cure``."""
        import pandas as pd

        columns = ["code", "severity", "message", "cure"]
        return pd.DataFrame([[getattr(f, c) for c in columns] for f in self.findings], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary of texts, for JSON."""
        return {
            "place": self.place,
            "lme4": self.lme4,
            "unread": list(self.unread),
            "findings": [asdict(f) for f in self.findings],
        }

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def _verdict(self) -> list[str]:
        """Return the lines that say which model it is."""
        if not self.is_text_only:
            return [f"This model is {self.lme4}"] if self.lme4 else [self.differs] if self.differs else []
        lines = [f"reads as {' or '.join(f'`{m}`' for m in self.lme4.split(' or '))}"] if self.lme4 else []
        if not self.lme4 and not self.unread:
            lines = ["reads as a model that lme4's notation cannot write"]
        by_origin: dict[str, list[str]] = {}
        for name, origin in zip(self.unread, self.origins, strict=True):
            by_origin.setdefault(origin, []).append(f"`{name}`")
        for origin, names in by_origin.items():
            is_one = len(names) == 1
            come = "comes" if is_one else "come"
            verb = f"{come} from {origin}" if origin else f"{'is' if is_one else 'are'} not shown by the text"
            lines.append(f"cannot tell: {join_with_and(names)} {verb}")
        return lines

    def to_text(self) -> str:
        """Return the report for a terminal."""
        parts = [self.place] if self.place else []
        parts += self._verdict()
        if not self.findings:
            parts.append(
                "Nothing to report, as far as the text of the call tells."
                if self.is_text_only
                else "Nothing to report."
            )
        for finding in self.findings:
            head = textwrap.fill(
                f"{finding.severity} {finding.code}: {finding.message}",
                min(WIDTH, line_width() or WIDTH),
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
        head = "".join(f"<p>{escape(line)}</p>" for line in self._verdict())
        if not self.findings:
            return f"{head}<p>Nothing to report.</p>"
        items = "".join(
            f"<li><b>{escape(f.severity)}</b> <code>{escape(f.code)}</code>: {escape(f.message)}"
            f"<pre>{escape(f.cure)}</pre></li>"
            for f in self.findings
        )
        return f"{head}<ul>{items}</ul>"
