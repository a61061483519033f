"""The PyPI package lme-python."""

from __future__ import annotations

REQUIREMENTS = ("lme-python", "pandas", "pyarrow")
REML = True


def version() -> str:
    """Return the package's version."""
    from importlib.metadata import version

    return version("lme-python")


def _columns(case, data):
    """Return the data with factors as text, which is what the package takes for factors."""
    return data.astype(dict.fromkeys(case["factors"], str))


def fit(case, data):
    """From formula and DataFrame to fixed effects, their errors, variances and modes."""
    from lme_python import lmer

    plain = _columns(case, data)

    def run() -> float:
        result = lmer(case["formula"], plain)
        _ = result.coefficients, result.std_errors, result.var_corr, result.ranef
        return float(result.reml_criterion)

    return run


def bootstrap(case, data):
    """1,000 parametric refits on one core, as the others."""
    from lme_python import boot_lmer, lmer

    plain = _columns(case, data)
    result = lmer(case["formula"], plain)

    def run() -> None:
        boot_lmer(case["formula"], plain, result, nsim=1000, n_jobs=1)

    return run


TASKS = {"fit": fit, "bootstrap": bootstrap}
