"""A Sphinx extension: docstrings without "See Also" get names of the same theme, and records what returns them.

``relatives()`` makes it from the themes below and from the annotations of what methods return.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lmmtools

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["THEMES", "add_section", "relatives", "setup"]

# Names of fit.…, unless they begin with another owner. A name of several themes has the relatives of all.
THEMES = {
    "criteria": "objective llf aic bic reml df_resid k_params k_fe glance",
    "optimum": "certificate converged is_singular boundary theta confirm second_look agreement",
    "fixed effects": "params bse tvalues pvalues cov_params tests conf_int fe_params bse_fe use_t p_value_source",
    "variances": "varcorr varcorr_bse sigma scale variance_partition icc design_effect repca ranova",
    "random effects": "random_effects random_effects_cov ranef_frame coef mode_normality plot.caterpillar",
    "rows": "fittedvalues resid residuals scaled_resid quantile_residuals residual_quantiles hat_values cooks_distance"
    " augment",
    "sizes": "nobs ngroups label_rows needs_rows Model.size",
    "deletion": "influence on_rows hat_values cooks_distance update",
    "the model": "model formula spec problem mixedlm engine method Model.spec Model.update Model.fit update",
    "other fits": "on_design on_response of with_estimate without_found refit refit_many default_model_infos",
    "plots of effects": "plot.effects plot.interaction plot.means plot.coefficients marginal_means",
    "plots of residuals": "plot.residuals plot.by_group plot.qq plot.scale_location residuals",
    "checks": "plot.mode_qq plot.predictive plot.influence plot.collinearity plots.checks mode_normality",
    "plots of random effects": "plot.caterpillar plot.shrinkage plot.incidence plot.variance random_effects",
    "plots of the criterion": "plot.section plot.profile_zeta plot.profile_density profile",
    "all plots": "plot to_report plots.FitPlots",
    "printed fits": "lmmtools.read_lme4_summary lmmtools.read_mixedlm_summary lmmtools.read_printout lmmtools.compare",
    "levels": "plots.intervals_by_level lmmtools.lmer_list plot.caterpillar",
    "shares": "plots.variance variance_partition",
    "whole": "lmmtools.Model lmmtools.LMMResults lmmtools.lmm",
    "exercises": "lmmtools.exercises.check lmmtools.exercises.Verdict",
    "tables of factors": "lmmtools.structure lmmtools.design.factors.FactorCounts lmmtools.design.factors.Islands"
    " lmmtools.design.structure.Suggestion",
    "what an engine answers": "lmmtools.engines.estimate.Estimate lmmtools.LMMResults lmmtools.Model.fit",
    "stored fits": "lmmtools.results.stored_fit.StoredFit lmmtools.read_json to_json",
    "the paragraph": "report lmmtools.results.paragraph.Paragraph lmmtools.report.apa.Statistic"
    " lmmtools.report.apa.Code",
    "robust": "tests conf_int lmmtools.inference.robust.Robust",
    "data of a model": "lmmtools.design.matrices.Design lmmtools.Model lmmtools.structure",
    "means": "marginal_means pairwise contrasts joint_tests marginal",
}
OWNERS = {"plot": "lmmtools.plots.FitPlots", "plots": "lmmtools.plots", "Model": "lmmtools.Model"}
MOST = 6


def relatives() -> dict[str, list[str]]:
    """Return, for a public name, the names that stand under its "See Also"."""
    found: dict[str, list[str]] = defaultdict(list)
    for members in THEMES.values():
        paths = [place(name) for name in members.split()]
        for path in paths:
            found[path] += [other for other in paths if other != path]
    for path, record in returned():
        found[record].append(path)
    others = {**neighbours(), **kin_of_errors()}
    found |= {name: kin for name, kin in others.items() if name not in found}
    return {path: list(dict.fromkeys(others))[:MOST] for path, others in found.items()}


def place(name: str) -> str:
    """Return the whole path of a name of ``THEMES``."""
    owner, _, last = name.partition(".")
    if owner == "lmmtools":
        return name
    return f"{OWNERS[owner]}.{last}" if last else f"lmmtools.LMMResults.{name}"


def returned() -> Iterator[tuple[str, str]]:
    """Yield what hands out each record of the API reference: a function, a method, or a record with it as a field."""
    records = {path.rpartition(".")[2]: path for path in listed() if inspect.isclass(resolve(path))}
    for path in listed():
        value = resolve(path)
        members = {path: annotation(value)}
        if inspect.isclass(value):
            members = {f"{path}.{name}": annotation(m) for name, m in inspect.getmembers_static(value)}
            members[path] = " ".join(map(str, inspect.get_annotations(value).values()))
        for where, asked in members.items():
            if not where.rpartition(".")[2].startswith("_"):
                yield from ((where, records[n]) for n in re.findall(r"\w+", asked) if records.get(n, path) != path)


def listed() -> list[str]:
    """Return the paths that ``api.rst`` lists."""
    module, paths = "lmmtools", []
    for line in (Path(__file__).parent / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.rpartition(" ")[2]
        elif re.fullmatch(r"   [\w.]+", line):
            paths.append(f"{module}.{line.strip()}")
    return paths


def resolve(path: str) -> Any:
    """Return the object at a path of ``api.rst``."""
    home, _, name = path.rpartition(".")
    return getattr(importlib.import_module(home), name)


def annotation(member: object) -> str:
    """Return what a function, a property or a class method says that it returns."""
    inside = member.func if isinstance(member, cached_property) else getattr(member, "fget", None)
    function = inside or getattr(member, "__func__", member)
    return str(getattr(function, "__annotations__", {}).get("return", ""))


def neighbours() -> dict[str, list[str]]:
    """Return, for each path of ``api.rst``, those beside it, and for the members of its classes the class."""
    paths = listed()
    found = {path: [*paths[max(i - 1, 0) : i], *paths[i + 1 : i + 2]] for i, path in enumerate(paths)}
    for path in paths:
        members = dir(resolve(path)) if inspect.isclass(resolve(path)) else ()
        found |= {f"{path}.{name}": [path] for name in members if not name.startswith("_")}
    return found


def kin_of_errors() -> dict[str, list[str]]:
    """Return the base, and the classes beside it, of each error and warning."""
    kin = {}
    errors = lmmtools.errors
    for name in errors.__all__:
        value = getattr(errors, name)
        if inspect.isclass(value):
            base = value.__bases__[0].__name__
            beside = [n for n in errors.__all__ if n != name and getattr(errors, n).__class__ is type]
            beside = [n for n in beside if getattr(errors, n).__bases__[0] is value.__bases__[0]]
            above = [base] if base in errors.__all__ else ["LmmError", "LmmWarning"]
            kin[f"lmmtools.errors.{name}"] = [f"lmmtools.errors.{n}" for n in [*above, *beside] if n != name]
    return kin


def add_section(name: str, lines: list[str], kin: dict[str, list[str]]) -> None:
    """Add the section to the lines of a docstring that has none."""
    others = kin.get(name) or kin.get(shortest(name), [])
    if others and not any(line.strip() == "See Also" for line in lines):
        at = next((i for i, line in enumerate(lines) if line.strip() == "Examples"), len(lines))
        lines[at:at] = ["See Also", "--------", *others, ""]


def shortest(name: str) -> str:
    """Return the public path of a class that Sphinx names by the module where it is defined."""
    return re.sub(r"^lmmtools(?:\.\w+)*\.(Model|LMMResults|FitPlots|VarCorr)\b", _public, name)


def _public(match: re.Match[str]) -> str:
    return f"lmmtools.plots.{match[1]}" if match[1] == "FitPlots" else f"lmmtools.{match[1]}"


def setup(app: Any) -> dict[str, bool]:
    """Connect the section; numpydoc reads the docstrings at priority 500."""
    kin = relatives()
    app.connect(
        "autodoc-process-docstring",
        lambda app, what, name, obj, options, lines: add_section(name, lines, kin),
        priority=400,
    )
    return {"parallel_read_safe": True}
