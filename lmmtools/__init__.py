"""Linear mixed models with crossed and nested random effects, on top of statsmodels.

Public names are loaded when first used, so that ``import lmmtools`` stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools._version import __version__
from lmmtools.lazy import load_name

if TYPE_CHECKING:
    from lmmtools import datasets, errors, exercises, plots, tables
    from lmmtools.api import Model, compare, from_mixedlm, lmm, patch_summary, translate
    from lmmtools.configuration import show_config
    from lmmtools.errors import DataError, EngineError, FormulaError, LmmError, LmmWarning, TranslationError
    from lmmtools.fit.varcorr import VarCorr
    from lmmtools.formula.declare import crossed, nested, random
    from lmmtools.inference.bootstrap.comparison import bootstrap_test
    from lmmtools.inference.likelihood_ratio import anova
    from lmmtools.inference.lmer_list import lmer_list
    from lmmtools.inference.power.power_analysis import power
    from lmmtools.linting.lint import lint
    from lmmtools.printout.mixedlm import read_mixedlm_summary
    from lmmtools.printout.read import read_lme4_summary, read_printout
    from lmmtools.report.factors.structure import structure
    from lmmtools.results.fit_json import read_json
    from lmmtools.results.lmm_results import LMMResults
    from lmmtools.results.pooling import pool

_HOME = {
    "DataError": "errors",
    "EngineError": "errors",
    "FormulaError": "errors",
    "LMMResults": "results.lmm_results",
    "LmmError": "errors",
    "LmmWarning": "errors",
    "Model": "api",
    "TranslationError": "errors",
    "VarCorr": "fit.varcorr",
    "anova": "inference.likelihood_ratio",
    "bootstrap_test": "inference.bootstrap.comparison",
    "pool": "results.pooling",
    "power": "inference.power.power_analysis",
    "compare": "api",
    "crossed": "formula.declare",
    "from_mixedlm": "api",
    "lint": "linting.lint",
    "lmer_list": "inference.lmer_list",
    "lmm": "api",
    "nested": "formula.declare",
    "patch_summary": "api",
    "random": "formula.declare",
    "read_json": "results.fit_json",
    "read_lme4_summary": "printout.read",
    "read_printout": "printout.read",
    "read_mixedlm_summary": "printout.mixedlm",
    "show_config": "configuration",
    "structure": "report.factors.structure",
    "translate": "api",
}
_MODULES = ("datasets", "errors", "exercises", "plots", "tables")

__all__ = [
    "DataError",
    "EngineError",
    "FormulaError",
    "LMMResults",
    "LmmError",
    "LmmWarning",
    "Model",
    "TranslationError",
    "VarCorr",
    "__version__",
    "anova",
    "bootstrap_test",
    "compare",
    "crossed",
    "datasets",
    "errors",
    "exercises",
    "from_mixedlm",
    "lint",
    "lmer_list",
    "lmm",
    "nested",
    "patch_summary",
    "plots",
    "pool",
    "power",
    "random",
    "read_json",
    "read_lme4_summary",
    "read_mixedlm_summary",
    "read_printout",
    "show_config",
    "structure",
    "tables",
    "translate",
]


if not TYPE_CHECKING:  # a type checker would take every name for known

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _MODULES:
            return import_module(f"lmmtools.{name}")
        if name not in _HOME:
            raise import_module("lmmtools.other_names").missing_function("lmmtools", name, __all__)
        return load_name("lmmtools", _HOME, name, globals())


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
