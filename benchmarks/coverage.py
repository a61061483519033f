"""``python -m benchmarks.coverage``: how often 95% intervals hold the truth, by simulation."""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate

import lmmtools as lmt
from lmmtools.engines import pls
from lmmtools.inference.bootstrap.resampling import parameter_names, parameter_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools import LMMResults

__all__ = ["CASES", "Case", "main", "measure"]

LEVEL = (0.94, 0.96)
HEADINGS = ("data", "parameter", "interval", "covers", "s.e.", "of", "95%")


@dataclass(frozen=True, slots=True)
class Case:
    """Intervals of one parameter in one model, whose estimates on its data are taken for true.

    Attributes
    ----------
    formula, data : str
    parameter : str
    method : str
        ``"z"``, ``"satterthwaite"``, ``"kenward-roger"``, ``"profile"`` or ``"percentile"``.
    share : float
        Of the simulated data sets, how many this method is tried on: bootstraps take their time.
    is_nominal : bool
        Whether theory promises the level at this size: t with the degrees of freedom of a balanced layout does, what
        rests on many groups (z, profiles, percentiles) does not with eighteen.
    """

    formula: str
    data: str
    parameter: str
    method: str
    share: float = 1.0
    is_nominal: bool = True


_SLEEP = ("Reaction ~ Days + (Days|Subject)", "sleepstudy")
_CAKE = ("angle ~ recipe + temp + (1|recipe:replicate)", "cake")
_PENICILLIN = ("diameter ~ 1 + (1|plate) + (1|sample)", "Penicillin")

CASES: tuple[Case, ...] = (
    Case(*_SLEEP, "Days", "satterthwaite"),
    Case(*_SLEEP, "Days", "kenward-roger"),
    Case(*_SLEEP, "Days", "z", is_nominal=False),
    Case(*_SLEEP, "Days", "profile", is_nominal=False),
    Case(*_SLEEP, "Days", "percentile", 0.25, is_nominal=False),
    Case(*_SLEEP, "sigma", "profile", is_nominal=False),
    Case(*_SLEEP, "sd_Days|Subject", "profile", is_nominal=False),
    Case(*_CAKE, "recipe[T.B]", "satterthwaite"),
    Case(*_CAKE, "temp", "z"),
    Case(*_CAKE, "temp", "profile"),
    Case(*_CAKE, "sd_(Intercept)|recipe:replicate", "profile", is_nominal=False),
    Case(*_CAKE, "sigma", "profile"),
    Case(*_CAKE, "temp", "percentile", 0.25),
    Case(*_PENICILLIN, "Intercept", "satterthwaite"),
    Case(*_PENICILLIN, "sigma", "profile"),
)


def measure(case: Case, n: int, seed: int) -> tuple[float, int]:
    """Return the share of n simulated data sets whose interval holds the truth, and how many were tried."""
    fit = lmt.lmm(case.formula, lmt.datasets.load(case.data)).fit(engine="pls")
    e = fit.estimate
    truth = parameter_values(fit.design, e.theta[None], np.array([e.sigma]), e.beta[None])[0]
    value = dict(zip(parameter_names(fit.design), truth.tolist(), strict=True))[case.parameter]
    tried = max(1, round(n * case.share))
    held = 0
    for y in fit.simulate(tried, rng=seed).to_numpy().T:
        low, high = _interval(fit.refit(y), case, seed)
        held += low <= value <= high
    return held / tried, tried


def _interval(fit: LMMResults, case: Case, seed: int) -> tuple[float, float]:
    options: dict[str, Any] = {"parameters": case.parameter}
    if case.method == "percentile":
        options |= {"method": "boot", "n": 999, "rng": seed}
    elif case.method == "profile":
        options["method"] = "profile"
        # Profiles are those of the likelihood: fit by it from the start.
        fit = fit.with_estimate(pls.fit_problem(fit.problem, reml=False))
    else:
        options["ddf"] = case.method
    low, high = fit.conf_int(**options).loc[case.parameter]
    return float(low), float(high)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if an interval that should hold its level misses it by more than chance."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="simulated data sets per row (default 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--csv", type=Path, help="write the table there too (docs/tables/coverage.csv)")
    options = parser.parse_args(arguments)
    rows, wrong = [], False
    for case in CASES:
        share, tried = measure(case, options.n, options.seed)
        error = np.sqrt(0.95 * 0.05 / tried)
        inside = LEVEL[0] - 2 * error <= share <= LEVEL[1] + 2 * error
        wrong |= case.is_nominal and not inside
        verdict = ("holds" if inside else "MISSES") if case.is_nominal else "only for many groups"
        rows.append(
            [case.data, case.parameter, case.method, f"{100 * share:.1f}%", f"{100 * error:.1f}", tried, verdict]
        )
        print(*rows[-1], file=sys.stderr, flush=True)
    print(tabulate(rows, HEADINGS, tablefmt="rst"))
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([HEADINGS, *rows])
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
