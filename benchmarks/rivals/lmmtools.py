"""lmmtools as a user calls it: default engine, default threads."""

from __future__ import annotations

REQUIREMENTS: tuple[str, ...] = ()
REML = True


def version() -> str:
    """Return the package's version."""
    import lmmtools

    return lmmtools.__version__


def fit(case, data):
    """From formula and DataFrame to the record that a summary prints."""
    import lmmtools

    def run() -> float:
        result = lmmtools.lmm(case["formula"], data).fit()
        _ = result.params, result.bse, result.varcorr, result.random_effects
        return result.objective

    return run


def summary(case, data):
    """From formula and DataFrame to the printed report; statsmodels evaluates its likelihood for it."""
    import lmmtools

    def run() -> float:
        result = lmmtools.lmm(case["formula"], data).fit()
        str(result.summary())
        return result.objective

    return run


def evaluation(case, data):
    """Criterion and exact gradient away from the optimum."""
    import lmmtools
    from lmmtools import core

    model = lmmtools.lmm(case["formula"], data)
    problem = core.prepare(model.design)
    theta = 0.9 * model.fit().theta

    def run() -> None:
        core.evaluate(problem, theta, True)

    return run


def refit(case, data):
    """Another response on the fitted model: the fitted values with the residuals in reverse."""
    import lmmtools

    result = lmmtools.lmm(case["formula"], data).fit()
    y = result.fittedvalues.to_numpy() + result.resid.to_numpy()[::-1]

    def run() -> float:
        return result.refit(y).objective

    return run


def bootstrap(case, data):
    """Simulate 1,000 responses and refit each, as bootMer(fit, fixef, nsim = 1000) does."""
    fitted = _fitted(case, data)

    def run() -> None:
        fitted().bootstrap(1000, rng=1)

    return run


def satterthwaite(case, data):
    """The coefficient table with Satterthwaite's degrees of freedom."""
    return _table(case, data, "satterthwaite")


def kenward_roger(case, data):
    """The coefficient table with Kenward and Roger's covariance and degrees of freedom."""
    return _table(case, data, "kenward-roger")


def profile(case, data):
    """Profile likelihood of every parameter, and intervals."""
    fitted = _fitted(case, data)

    def run() -> None:
        fitted().profile().conf_int()

    return run


def _table(case, data, ddf):
    fitted = _fitted(case, data)

    def run() -> None:
        fitted().tests(ddf=ddf)

    return run


def _fitted(case, data):
    """Return what makes the fitted model, with nothing of it kept from one run to the next."""
    import lmmtools

    result = lmmtools.lmm(case["formula"], data).fit()
    return lambda: result.without_found()


TASKS = {
    "fit": fit,
    "summary": summary,
    "evaluation": evaluation,
    "refit": refit,
    "bootstrap": bootstrap,
    "satterthwaite": satterthwaite,
    "kenward_roger": kenward_roger,
    "profile": profile,
}
