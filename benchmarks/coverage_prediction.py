"""``python -m benchmarks.coverage_prediction``: how often 95% limits hold the true mean, or a new observation."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

import lmmtools as lmt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools import LMMResults

__all__ = ["CASES", "Case", "main", "measure"]

LEVEL = (0.94, 0.96)


@dataclass(frozen=True, slots=True)
class Case:
    """Limits for the rows of a model whose estimates on its data are taken for true.

    Attributes
    ----------
    formula, data : str
    random : bool or str
        The terms that the mean includes.
    interval : {"confidence", "prediction"}
        Whether the true mean or a new observation is to lie inside; the observation has new levels of what is left out.
    is_nominal : bool
        Whether theory promises the level at this size: normal quantiles, and variances taken as known, need many
        groups for what rests on the variance between them.
    """

    formula: str
    data: str
    random: bool | str
    interval: str
    is_nominal: bool = True


_SLEEP = ("Reaction ~ Days + (Days|Subject)", "sleepstudy")
_CAKE = ("angle ~ recipe + temp + (1|recipe:replicate)", "cake")
_PENICILLIN = ("diameter ~ 1 + (1|plate) + (1|sample)", "Penicillin")
_PASTES = ("strength ~ 1 + (1|batch/cask)", "Pastes")

CASES: tuple[Case, ...] = (
    Case(*_SLEEP, True, "confidence", is_nominal=False),
    Case(*_SLEEP, True, "prediction"),
    Case(*_SLEEP, False, "prediction", is_nominal=False),
    Case(*_CAKE, True, "confidence"),
    Case(*_CAKE, True, "prediction"),
    Case(*_CAKE, False, "prediction"),
    Case(*_PENICILLIN, True, "confidence"),
    Case(*_PENICILLIN, True, "prediction"),
    Case(*_PASTES, "batch", "prediction", is_nominal=False),
)


def measure(case: Case, n: int, seed: int) -> float:
    """Return the share of rows in n simulated data sets whose limits hold what they should."""
    fit = lmt.lmm(case.formula, lmt.datasets.load(case.data)).fit(engine="pls")
    included = [_is_included(b.group, case.random) for b in fit.design.blocks]
    rng = np.random.default_rng(seed)
    held = 0.0
    for _ in range(n):
        u = _draw(fit, rng)
        mean = fit.design.X @ fit.estimate.beta
        known = mean + sum(own for own, use in zip(u, included, strict=True) if use)
        own = fit.refit(mean + sum(u) + fit.sigma * rng.standard_normal(fit.nobs))
        limits = own.predict(random=case.random, interval=case.interval)
        if case.interval == "confidence":
            low, high, truth = limits["mean_ci_lower"], limits["mean_ci_upper"], known
        else:
            fresh = sum(own for own, use in zip(_draw(fit, rng), included, strict=True) if not use)
            truth = known + fresh + fit.sigma * rng.standard_normal(fit.nobs)
            low, high = limits["obs_ci_lower"], limits["obs_ci_upper"]
        held += float(((low <= truth) & (truth <= high)).mean())
    return held / n


def _is_included(group: str, random: bool | str) -> bool:
    return random if isinstance(random, bool) else group == random


def _draw(fit: LMMResults, rng: np.random.Generator) -> list[np.ndarray]:
    """Return Z u of each term with effects drawn afresh, each (n,)."""
    out = []
    for block, term in zip(fit.design.blocks, fit.varcorr, strict=True):
        effects = rng.standard_normal((block.m, block.l)) @ (fit.sigma * term.lam).T
        out.append(np.einsum("nl,nl->n", block.basis, effects[block.codes]))
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if limits that should hold their level miss it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage_prediction", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="simulated data sets per row (default 1000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    rows, wrong = [], False
    for case in CASES:
        share = measure(case, options.n, options.seed)
        inside = LEVEL[0] <= share <= LEVEL[1]
        wrong |= case.is_nominal and not inside
        verdict = ("holds" if inside else "MISSES") if case.is_nominal else "only for many groups"
        rows.append([case.data, str(case.random), case.interval, f"{100 * share:.1f}%", options.n, verdict])
    print(tabulate(rows, ["data", "random", "limits", "cover", "of", "95%"], tablefmt="rst"))
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
