"""Models, results and calls -> the case that the rules look at."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from lmmtools.engines.mixedlm import make_model, read_model
from lmmtools.errors import DataError, FormulaError
from lmmtools.linting.call import MixedLMCall
from lmmtools.linting.case import Case
from lmmtools.linting.sides import columns_in, split_formula
from lmmtools.linting.sides import is_formula as reads_as_formula

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["case_of_call", "case_of_model", "case_of_text"]


def case_of_model(target: Any) -> Case:
    """Return the case of a MixedLM model or result.

    Raises
    ------
    DataError
        If it is neither, or its data were removed.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMResults

    inner = getattr(target, "_results", target)
    result = target if isinstance(inner, MixedLMResults) else None
    model = target.model if result is not None else target
    if not isinstance(model, MixedLM):
        raise DataError(
            f"lint takes a MixedLM model, its result, or (formula, groups, re_formula, vc_formula, data), not "
            f"{type(target).__name__}"
        )
    reading = read_model(model)
    return Case(
        call=_call_of(model, reading.group),
        frame=reading.frame,
        model=model,
        reading=reading,
        result=result,
    )


def _call_of(model: Any, group: str) -> MixedLMCall | None:
    """Return the call that made a model, as far as the model remembers."""
    formula = getattr(model, "formula", None)
    if formula is None:
        return None
    vc = getattr(model, "_vc_formula", None)
    return MixedLMCall(
        formula=str(formula),
        groups=group,
        re_formula=getattr(model, "_re_formula", None),
        vc_formula=vc if isinstance(vc, dict) else None,
        given=frozenset({"formula", "groups", "data"}),
        is_one_group=len(model.group_labels) == 1,
    )


def case_of_call(
    formula: str,
    data: pd.DataFrame,
    groups: Any,
    re_formula: str | None = None,
    vc_formula: dict[str, str] | None = None,
    call: MixedLMCall | None = None,
) -> Case:
    """Return the case of a call with its data; the model is made, and not fitted.

    Text that `lmm()` would not evaluate is not handed to statsmodels: the case is then that of the text alone.

    Raises
    ------
    DataError
        If the formula names columns that the data do not have.
    """
    call = call or MixedLMCall.from_arguments(formula, groups, re_formula, vc_formula)
    is_formula = isinstance(groups, str) and reads_as_formula(groups) and groups not in data
    _check_columns(call, data, None if is_formula else groups)
    if is_formula or (call.groups_list and set(call.groups_list) <= set(map(str, data.columns))):
        return Case(call=call, frame=data, groups=groups)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = make_model(formula, data, groups, re_formula, vc_formula)
    except FormulaError as error:
        return Case(call=call, refusal=str(error))
    except Exception as error:  # whatever statsmodels, patsy and NumPy raise: that no model comes of it is the finding
        return Case(call=call, frame=data, groups=groups, failure=error)
    return Case(call=call, frame=data, groups=groups, model=model, reading=read_model(model))


def case_of_text(call: MixedLMCall) -> Case:
    """Return the case of a call of which there is the text alone."""
    return Case(call=call)


def _check_columns(call: MixedLMCall, data: pd.DataFrame, groups: Any) -> None:
    texts = [*(split_formula(call.formula or "") or ()), call.re_formula or "", *(call.vc_formula or {}).values()]
    named = {c for text in texts for c in columns_in(text)}
    if isinstance(groups, str):
        named.add(groups)
    missing = sorted(named - set(map(str, data.columns)))
    if missing:
        raise DataError(f"the data have no column {missing[0]!r}; there are {', '.join(map(str, data.columns))}")
