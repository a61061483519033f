"""lmmtools with engine="pls" by name: shown beside the default where the two differ."""

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


TASKS = {"fit": fit}
