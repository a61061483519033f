"""The case that the rules examine: call, data, model and result, made of what was given to ``lint``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lmmtools.design.frame import need_columns
from lmmtools.engines.mixedlm import make_model, read_model
from lmmtools.errors import DataError, FormulaError
from lmmtools.linting.call import MixedLMCall, columns_in, is_formula, read_side, split_formula

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.engines.mixedlm.reading import MixedLMReading
    from lmmtools.linting.call import Side

__all__ = ["Case", "case_of_call", "case_of_model"]


@dataclass(frozen=True, eq=False)
class Case:
    """One MixedLM call, model or result to lint.

    Attributes
    ----------
    call : MixedLMCall or None
        The text of the call.
    frame : pandas.DataFrame or None
        The data given to the call, or those that a model keeps.
    groups : object
        The groups as given: the name of a column, or values.
    model : MixedLM or None
    reading : MixedLMReading or None
        The model as it is read from its arrays.
    result : MixedLMResults or None
    failure : Exception or None
        Why MixedLM could not make a model of call and data.
    refusal : str
        Why the formulas were not evaluated; the call is then linted without the data.
    """

    call: MixedLMCall | None = None
    frame: pd.DataFrame | None = None
    groups: Any = None
    model: Any = None
    reading: MixedLMReading | None = None
    result: Any = None
    failure: Exception | None = None
    refusal: str = ""

    @property
    def response(self) -> str | None:
        """The left side of the formula."""
        if self.reading is not None:
            return self.reading.response
        parts = split_formula(self.call.formula) if self.call is not None and self.call.formula is not None else None
        return parts[0] if parts else None

    @property
    def fixed_text(self) -> str | None:
        """The right side of the formula."""
        if self.reading is not None:
            return self.reading.fixed
        return self.call.fixed_text if self.call is not None else None

    @cached_property
    def fixed(self) -> Side | None:
        """The fixed effects, expanded into terms; None if they cannot be parsed."""
        return read_side(self.fixed_text) if self.fixed_text is not None else None

    @cached_property
    def fixed_columns(self) -> frozenset[str]:
        """Columns that the fixed effects name."""
        return columns_in(self.fixed_text) if self.fixed_text is not None else frozenset()

    @property
    def data_name(self) -> str:
        """Name of the data in the code."""
        return self.call.data if self.call is not None else "data"

    @property
    def reml(self) -> bool:
        """Whether the fit at hand is (or would be) by REML."""
        if self.result is not None:
            return bool(getattr(self.result, "method", "REML") == "REML")
        fits = self.call.fits if self.call is not None else ()
        return not (fits and fits[0].reml is False)


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
        call=_recover_call(model, reading.group),
        frame=reading.frame,
        model=model,
        reading=reading,
        result=result,
    )


def _recover_call(model: Any, group: str) -> MixedLMCall | None:
    """Return the call that made a model, as far as the model keeps it."""
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

    statsmodels gets no formula that ``lmm()`` would refuse to evaluate; the case then has the text of the call alone.

    Raises
    ------
    DataError
        If the formula names columns that the data do not have.
    """
    call = call or MixedLMCall.from_arguments(formula, groups, re_formula, vc_formula)
    reads_as_formula = isinstance(groups, str) and is_formula(groups) and groups not in data
    _check_columns(call, data, None if reads_as_formula else groups)
    if reads_as_formula or (call.groups_list and set(call.groups_list) <= set(map(str, data.columns))):
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


def _check_columns(call: MixedLMCall, data: pd.DataFrame, groups: Any) -> None:
    """Raise DataError if the formulas or the groups name a column that the data do not have."""
    texts = [*(split_formula(call.formula or "") or ()), call.re_formula or "", *(call.vc_formula or {}).values()]
    named = {c for text in texts for c in columns_in(text)}
    if isinstance(groups, str):
        named.add(groups)
    missing = sorted(named - set(map(str, data.columns)))
    need_columns(data, missing, "the call")
