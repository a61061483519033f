"""statsmodels MixedLM with the call that lmmtools writes, and MixedLM's own optimiser."""

from __future__ import annotations

REQUIREMENTS: tuple[str, ...] = ()
REML = True

# MixedLM holds dense q x q matrices and visits group after group in Python: beyond these it would take hours.
TOO_LARGE = ("InstEval", "nested", "ratings200k", "ratings1m")


def version() -> str:
    """Return the package's version."""
    import statsmodels

    return statsmodels.__version__


def fit(case, data):
    """From the call to the result; writing the call is not timed."""
    import statsmodels.formula.api as smf

    import lmmtools

    if case["data"] in TOO_LARGE:
        raise NotImplementedError("not tried: one dense group of all rows, or hours")
    call = dict(lmmtools.lmm(case["formula"], data).spec.kwargs)

    def run() -> float:
        result = smf.mixedlm(**call).fit(reml=True)
        _ = result.params, result.bse
        return -2.0 * float(result.llf)

    return run


def summary(case, data):
    """From the call to the printed report; writing the call is not timed."""
    import statsmodels.formula.api as smf

    import lmmtools

    call = dict(lmmtools.lmm(case["formula"], data).spec.kwargs)

    def run() -> float:
        result = smf.mixedlm(**call).fit(reml=True)
        str(result.summary())
        return -2.0 * float(result.llf)

    return run


TASKS = {"fit": fit, "summary": summary}
