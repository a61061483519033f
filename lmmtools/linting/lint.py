"""``lint``: findings on a MixedLM model, a result, a call with its data, or a script that is not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.design.findings import Finding
from lmmtools.errors import DataError
from lmmtools.linting.make_case import case_of_call, case_of_model, case_of_text
from lmmtools.linting.report import LintReport
from lmmtools.linting.rules import run_rules
from lmmtools.linting.script import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmmtools.linting.case import Case
    from lmmtools.linting.script import FoundCall

__all__ = ["lint", "lint_file"]

# A model is made for each call that is linted with its data; no analysis has so many.
MOST_MODELS, MOST_CALLS = 100, 1000


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
        return _report(case_of_model(model))
    if data is None or groups is None:
        raise DataError("with a formula, lint needs data= and groups= as well")
    components = dict(vc_formula) if vc_formula is not None else None
    return _report(case_of_call(model, data, groups, re_formula, components))


def lint_file(path: str, data: Any = None) -> tuple[list[LintReport], tuple[str, ...]]:
    """Lint the MixedLM calls of a Python file or notebook, which is not run.

    Parameters
    ----------
    path : str
        Ending in ``.py`` or ``.ipynb``; ``-`` is a script on standard input.
    data : DataFrame, optional
        The data of the calls. Without, lint says what the text alone tells.

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
    source = read_file(path)
    reports = [
        _lint_found(source.path, found, data if number < MOST_MODELS else None)
        for number, found in enumerate(source.calls[:MOST_CALLS])
    ]
    unread = source.unread
    if len(source.calls) > MOST_CALLS:
        unread = (*unread, f"{path}: of {len(source.calls):,} calls of MixedLM the first {MOST_CALLS:,} are linted")
    if data is not None and len(source.calls) > MOST_MODELS:
        unread = (*unread, f"{path}: the first {MOST_MODELS} calls are linted with the data, the others without")
    return reports, unread


def _lint_found(path: str, found: FoundCall, data: Any) -> LintReport:
    where = f"{path}, line {found.line}" if found.cell is None else f"{path}, cell {found.cell}, line {found.line}"
    call = found.call
    if data is not None and call.is_readable and call.formula is not None:
        frame = data
        groups: Any = call.groups
        if call.is_one_group:
            groups = [1] * len(frame)
        case = case_of_call(
            call.formula, frame, groups, call.re_formula, dict(call.vc_formula) if call.vc_formula else None, call
        )
    else:
        case = case_of_text(call)
    return _report(case, where)


def _report(case: Case, place: str = "") -> LintReport:
    findings = run_rules(case)
    if case.failure is not None:
        said = " ".join(str(case.failure).split())
        failure = Finding(
            "no-model", "error", f"MixedLM cannot make this model: {type(case.failure).__name__}: {said}", ""
        )
        findings = (failure, *findings)
    if case.refusal:
        findings = (*findings, _not_run(case.refusal))
    return LintReport(findings, case.reading.formula if case.reading is not None else "", place)


def _not_run(refusal: str) -> Finding:
    return Finding(
        "not-run",
        "info",
        "This call is linted from its text alone, without the data. Of a formula lint evaluates arithmetic and known "
        f"functions of columns, nothing else: {refusal.partition(chr(10))[0].rstrip(':.')}.",
        "Make the column in the data first, and name it in the formula.",
    )
