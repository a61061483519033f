"""The statsmodels engine: write the MixedLM call, fit, read back."""

from lmmtools.engines.mixedlm.evaluating import agree, evaluate_likelihood, on_data_scale
from lmmtools.engines.mixedlm.fitting import Search, fit, search
from lmmtools.engines.mixedlm.from_text import make_model
from lmmtools.engines.mixedlm.layout import MixedLMLayout, estimate_fit_seconds, estimate_seconds, lay_out
from lmmtools.engines.mixedlm.reading import MixedLMReading, read_model
from lmmtools.engines.mixedlm.spec import MixedLMSpec, write_spec

__all__ = [
    "MixedLMLayout",
    "MixedLMReading",
    "MixedLMSpec",
    "Search",
    "agree",
    "estimate_fit_seconds",
    "estimate_seconds",
    "evaluate_likelihood",
    "fit",
    "lay_out",
    "make_model",
    "on_data_scale",
    "read_model",
    "search",
    "write_spec",
]
