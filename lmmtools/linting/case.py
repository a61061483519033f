"""What a rule looks at: the call, the data, the model, the result; whatever there is of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lmmtools.linting.sides import columns_in, read_side, split_formula

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.engines.mixedlm.reading import MixedLMReading
    from lmmtools.linting.call import MixedLMCall
    from lmmtools.linting.fitted import Fitted
    from lmmtools.linting.sides import Side

__all__ = ["Case"]


@dataclass(frozen=True, eq=False)
class Case:
    """One thing to lint.

    Attributes
    ----------
    call : MixedLMCall or None
        What the text of the call says.
    frame : pandas.DataFrame or None
        The data as they were given to the call, or those that a model keeps.
    groups : object
        The groups as they were given: a name of a column or values.
    model : MixedLM or None
    reading : MixedLMReading or None
        What the model really is.
    result : MixedLMResults or None
    failure : Exception or None
        Why MixedLM could not make a model of call and data.
    refusal : str
        Why the text of the call was not evaluated, so that it is linted without the data.
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
    def is_text_only(self) -> bool:
        """Whether there is a call and nothing that shows more than its text."""
        return self.call is not None and self.reading is None

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
        parts = split_formula(self.call.formula) if self.call is not None and self.call.formula is not None else None
        return parts[1] if parts else None

    @cached_property
    def fixed(self) -> Side | None:
        """The right side of the formula, multiplied out."""
        return read_side(self.fixed_text) if self.fixed_text is not None else None

    @cached_property
    def fixed_columns(self) -> frozenset[str]:
        """Columns in the fixed effects."""
        return columns_in(self.fixed_text) if self.fixed_text is not None else frozenset()

    @property
    def data_name(self) -> str:
        """What the data are called in code."""
        return self.call.data if self.call is not None else "data"

    @property
    def reml(self) -> bool:
        """Whether the fit at hand is (or would be) by REML."""
        if self.result is not None:
            return bool(getattr(self.result, "method", "REML") == "REML")
        fits = self.call.fits if self.call is not None else ()
        return not (fits and fits[0].reml is False)

    @cached_property
    def fitted(self) -> Fitted | None:
        """The result in closed form, None where there is none."""
        if self.result is None or self.reading is None:
            return None
        from lmmtools.linting.fitted import read_fit

        return read_fit(self.result, self.reading)
