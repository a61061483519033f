"""The PyPI package mixedlm."""

from __future__ import annotations

REQUIREMENTS = ("mixedlm",)
REML = True


def version() -> str:
    """Return the package's version."""
    from importlib.metadata import version

    return version("mixedlm")


def fit(case, data):
    """From formula and DataFrame to fixed effects, their errors, variances and modes."""
    from mixedlm import lmer

    def run() -> float:
        result = lmer(case["formula"], data)
        _ = result.fixef(), result.vcov(), result.VarCorr(), result.ranef()
        return float(result.REMLcrit())

    return run


def refit(case, data):
    """Another response on the fitted model: the fitted values with the residuals in reverse."""
    import numpy as np
    from mixedlm import lmer

    result = lmer(case["formula"], data)
    y = np.asarray(result.fitted()) + np.asarray(result.residuals())[::-1]

    def run() -> float:
        return float(result.refit(y).REMLcrit())

    return run


def bootstrap(case, data):
    """1,000 parametric refits."""
    from mixedlm import bootMer, lmer

    result = lmer(case["formula"], data)

    def run() -> None:
        bootMer(result, nsim=1000)

    return run


TASKS = {"fit": fit, "refit": refit, "bootstrap": bootstrap}
