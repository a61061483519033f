"""The statsmodels engine: write the MixedLM call, fit, read back."""

from lmmtools.engines.mixedlm.data_scale import on_data_scale
from lmmtools.engines.mixedlm.fit import confirm, fit
from lmmtools.engines.mixedlm.from_text import make_model
from lmmtools.engines.mixedlm.plan import MixedLMPlan, cost, plan
from lmmtools.engines.mixedlm.reading import MixedLMReading, read_model
from lmmtools.engines.mixedlm.spec import MixedLMSpec, write_spec

__all__ = [
    "MixedLMPlan",
    "MixedLMReading",
    "MixedLMSpec",
    "confirm",
    "cost",
    "fit",
    "make_model",
    "on_data_scale",
    "plan",
    "read_model",
    "write_spec",
]
