"""Figures of results that the code takes for what they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.linting.readings import read_as
from lmmtools.sentences import join_with_and, list_first

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.call import MixedLMCall
    from lmmtools.linting.case import Case

__all__ = ["check"]

MAX_NAMED = 3
_ML = "result = model.fit(reml=False)  # by maximum likelihood, for each fit that is compared"


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each figure of a result that the code takes for another."""
    call = case.call
    if call is None:
        return
    for code, describe in _KINDS.items():
        uses = list(dict.fromkeys(use.text for use in call.uses if use.code == code))
        if uses:
            yield from describe(call, list_first(uses, MAX_NAMED))
    yield from _compared(call)


def _scaled(call: MixedLMCall, uses: str) -> Iterator[Finding]:
    yield Finding(
        "params-scaled",
        "error",
        f"The code reads {uses} of the result. There, in params, bse and conf_int(), variances and covariances are "
        "divided by the residual variance (scale): a variance of 900 beside a residual variance of 600 stands as 1.5.",
        "result.cov_re, result.vcomp  # variances in the units of the data; beside result.scale, the residual's",
    )


def _forgotten(call: MixedLMCall, uses: str) -> Iterator[Finding]:
    names = [c.name for c in call.components]
    if not names and "exog_vc" not in call.given:
        return
    which = join_with_and(names) if names else "exog_vc"
    yield Finding(
        "vcomp-forgotten",
        "warning",
        f"{uses} divides by a total of cov_re and scale, and the model has variance components beside them ({which}). "
        "The total is too small by their variances (vcomp), and shares of it, as an ICC, are too large.",
        "total = result.cov_re.iloc[0, 0] + result.vcomp.sum() + result.scale",
    )


def _tested(call: MixedLMCall, uses: str) -> Iterator[Finding]:
    models = read_as(call)
    is_whole = len(models) == 1 and "?" not in models[0]
    cure = f'import lmmtools as lmt\n\nlmt.lmm({models[0]!r}, data).fit(engine="pls").ranova()' if is_whole else ""
    yield Finding(
        "variance-pvalue",
        "warning",
        f"{uses} is a Wald test of a variance: it takes the estimate for normal around zero, which is the end of its "
        "range, and whose error it is far from. What it says of whether there is such a variance does not hold.",
        f"# A likelihood-ratio test of each random effect:\n{cure}"
        if cure
        else "# Fit with and without the random effect: twice the difference of llf against half a chi-square.",
    )


def _fitted(call: MixedLMCall, uses: str) -> Iterator[Finding]:
    yield Finding(
        "fitted-as-fixed",
        "error",
        f"{uses} takes fittedvalues for the fixed effects' part. They contain the predicted random effects too: their "
        "variance counts the random effects a second time, and a marginal R2 made of it is too large.",
        "fixed = result.model.exog @ result.fe_params  # the fixed effects alone, as result.predict() gives them",
    )


def _criterion(call: MixedLMCall, uses: str) -> Iterator[Finding]:
    yield Finding(
        "reml-aic",
        "warning",
        f"{uses} is nan: the fit is by REML, the default, and MixedLM has no AIC and BIC of such fits. Comparisons "
        "with nan are false, so that a search for the lowest keeps whatever comes first.",
        _ML,
    )


_KINDS = {
    "params-scaled": _scaled,
    "vcomp-forgotten": _forgotten,
    "variance-pvalue": _tested,
    "fitted-as-fixed": _fitted,
    "reml-aic": _criterion,
}


def _compared(call: MixedLMCall) -> Iterator[Finding]:
    for use in dict.fromkeys(use for use in call.uses if use.code == "reml-compared"):
        yield Finding(
            "reml-compared",
            "error",
            f"{use.text} compares REML log-likelihoods of fits with different fixed effects (the other: {use.other}). "
            "Each is that of other contrasts of the data, so that the difference tells nothing, and changes with the "
            "units of the covariates.",
            _ML,
        )
