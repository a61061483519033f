"""lmmtools, engine pls."""

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
        result = lmmtools.lmm(case["formula"], data).fit(engine="pls")
        _ = result.params, result.bse, result.varcorr, result.random_effects
        return result.objective

    return run


def evaluation(case, data):
    """Criterion and exact gradient away from the optimum."""
    import lmmtools
    from lmmtools.engines import pls

    model = lmmtools.lmm(case["formula"], data)
    problem = pls.prepare(model.design)
    theta = 0.9 * model.fit(engine="pls").theta

    def run() -> None:
        pls.evaluate(problem, theta, True)

    return run


def refit(case, data):
    """Another response on the fitted model: the fitted values with the residuals in reverse."""
    import lmmtools

    result = lmmtools.lmm(case["formula"], data).fit(engine="pls")
    y = result.fittedvalues.to_numpy() + result.resid.to_numpy()[::-1]

    def run() -> float:
        return result.refit(y).objective

    return run


def bootstrap(case, data):
    """Simulate 1,000 responses and refit each, as bootMer(fit, fixef, nsim = 1000) does."""
    import numpy as np
    from scipy import sparse

    import lmmtools
    from lmmtools.design.theta import lambda_factors

    result = lmmtools.lmm(case["formula"], data).fit(engine="pls")
    design, rng = result.design, np.random.default_rng(1)

    def run() -> None:
        factors = lambda_factors(result.theta, design.blocks)
        Lambda = sparse.block_diag(
            [sparse.kron(sparse.eye(b.m), L) for b, L in zip(design.blocks, factors, strict=True)]
        )
        effects = design.Z @ (Lambda @ rng.standard_normal((design.q, 1000)))
        noise = rng.standard_normal((design.n, 1000))
        mean = design.X @ np.asarray(result.params)
        _ = result.refit_many(mean[:, None] + result.sigma * (effects + noise)).beta

    return run


TASKS = {"fit": fit, "evaluation": evaluation, "refit": refit, "bootstrap": bootstrap}
