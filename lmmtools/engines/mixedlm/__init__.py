"""The statsmodels engine: write the MixedLM call, fit, read back."""

from lmmtools.engines.mixedlm.evaluating import agree, evaluate_likelihood, on_data_scale
from lmmtools.engines.mixedlm.fitting import Search, fit, search
from lmmtools.engines.mixedlm.from_text import make_model
from lmmtools.engines.mixedlm.layout import MixedLMPlan, estimate_fit_seconds, estimate_seconds, plan
from lmmtools.engines.mixedlm.reading import MixedLMReading, read_model
from lmmtools.engines.mixedlm.spec import MixedLMSpec, write_spec

__all__ = [
    "MixedLMPlan",
    "MixedLMReading",
    "MixedLMSpec",
    "Search",
    "agree",
    "estimate_fit_seconds",
    "estimate_seconds",
    "evaluate_likelihood",
    "fit",
    "make_model",
    "on_data_scale",
    "plan",
    "read_model",
    "search",
    "write_spec",
]
