"""The PyPI package interlace-lme."""

from __future__ import annotations

REQUIREMENTS = ("interlace-lme",)
REML = True


def version() -> str:
    """Return the package's version."""
    from importlib.metadata import version

    return version("interlace-lme")


def _crossings(term, data):
    """Return the terms of one bar with the interaction factors as columns of the data, which it asks for."""
    effects, bar, group = (part.strip() for part in term.partition("|"))
    names = group.split("/")
    terms = []
    for depth in range(len(names)):
        factors = names[: depth + 1] if "/" in group else group.split(":")
        column = "_".join(factors)
        if len(factors) > 1:
            parts = [data[f].astype(str) for f in factors]
            data[column] = parts[0].str.cat(parts[1:], sep=":")
        terms.append(f"({effects} {bar} {column})")
    return terms


def fit(case, data):
    """From formula and DataFrame to fixed effects, their errors, variances and modes."""
    import math

    import interlace

    plain = data.astype(dict.fromkeys(case["factors"], str))
    random = [term for bar in case["random"] for term in _crossings(bar, plain)]

    def run() -> float:
        result = interlace.fit(case["fixed"], plain, random=random)
        _ = result.fe_params, result.fe_bse, result.variance_components, result.random_effects
        llf = getattr(result, "llf_restricted", None) or result.llf
        return -2.0 * float(llf) if math.isfinite(llf) else math.nan

    return run


TASKS = {"fit": fit}
