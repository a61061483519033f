"""Means, contrasts, slopes and joint tests beside what R's emmeans gives (``tests/reference/make_means.R``)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

RECORDED = json.loads((Path(__file__).parents[2] / "reference" / "means.json").read_text())
MODELS = {model["name"]: model for model in RECORDED["models"]}
CALLS = [(name, i) for name, model in MODELS.items() for i in range(len(model["calls"]))]
NUMBERS = 2e-6
"""Of estimates, standard errors and limits, relative to the largest: lme4's optimum leaves so much."""
DEGREES = 2e-4
"""Of degrees of freedom, relative: lmerTest differentiates numerically."""
P = 2e-5
"""Of p-values, absolute: R's studentised range has an error of some 1e-5."""
JOINT, JOINT_LIMITS = 1e-3, 4e-3
"""Of p-values and limits by the multivariate t, which R integrates by random points: no two runs agree better."""
OPEN = {"lower": ("<", "nonsuperiority"), "upper": (">", "noninferiority")}
TESTS = {"F": 1e-3, "num_df": 0.0, "den_df": 6e-3, "p": P}
"""Of joint tests, absolute: emmeans rounds F to three digits behind the point, and df to two."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedColumnsWarning"),
    pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning"),
]


@cache
def fitted(name):
    return lmt.lmm(MODELS[name]["formula"], pd.DataFrame(MODELS[name]["frame"])).fit(engine="pls")


def identify(call):
    name, i = call
    asked = MODELS[name]["calls"][i]
    words = (f"{key}={value}" for key, value in asked["arguments"].items())
    return f"{name}-{asked['call']}-{'-'.join(words)}".replace(" ", "")


def close(found, want, tolerance, absolute=0.0):
    want = np.atleast_1d(np.asarray(want, dtype=float))
    size = np.nanmax(np.abs(want[np.isfinite(want)]), initial=0.0)
    np.testing.assert_allclose(np.asarray(found, dtype=float), want, rtol=0, atol=tolerance * size + absolute)


@pytest.mark.parametrize("call", CALLS, ids=identify)
def test_numbers_are_those_of_emmeans(call):
    name, i = call
    asked = MODELS[name]["calls"][i]
    given = {key: value for key, value in asked["arguments"].items() if key != "factors"}
    factors = [asked["arguments"]["factors"]] if "factors" in asked["arguments"] else []
    table = getattr(fitted(name), asked["call"])(*factors, **given)
    frame, want = table.to_frame(), asked["numbers"]
    if asked["call"] == "joint_tests":
        compare_joint_tests(frame, want, asked["terms"])
        return
    is_joint = getattr(table, "adjust", "") in ("mvt", "dunnett")
    is_mean = asked["call"] == "marginal_means"
    key = frame.columns[frame.columns.get_loc("se") - 1]
    if is_mean:
        frame = in_order_of(frame, asked["levels"])
    else:
        assert key == asked["column"]
        # Tukey's quantiles take a tenth of a second each: where he is the default, they are the same again.
        if "adjust" in given or table.adjust != "tukey":
            limits = table.conf_int()
            frame = frame.assign(lower=limits.lower, upper=limits.upper)
    close(frame[key], want["estimate"], NUMBERS)
    close(frame.se, want["se"], NUMBERS)
    close(frame.df, want["df"], DEGREES)
    for side in ("lower", "upper"):
        if side not in frame:
            continue
        if given.get("side") in OPEN[side]:
            assert np.isinf(frame[side]).all()
        else:
            close(frame[side], want[side], JOINT_LIMITS if is_joint else 1e-5)
    if not is_mean:
        close(frame.t, want["t"], 1e-5)
        close(frame.p, want["p"], 0.0, JOINT if is_joint else P)


def in_order_of(frame, levels):
    """Rows in the order that emmeans has them, which lists nested factors' levels otherwise."""
    shared = [column for column in levels if column in frame]
    wanted = pd.DataFrame({column: np.atleast_1d(levels[column]) for column in shared}).astype(str)
    own = frame.assign(**{column: frame[column].astype(str) for column in shared})
    found = wanted.merge(own, on=shared, how="left")
    assert len(found) == len(frame)
    return found


def compare_joint_tests(frame, want, terms):
    assert list(dict.fromkeys(frame.term)) == list(dict.fromkeys(np.atleast_1d(terms)))
    for key, tolerance in TESTS.items():
        close(frame[key], want[key], 0.0, tolerance)


def test_the_table_has_more_than_three_hundred_numbers():
    numbers = [np.size(v) for model in MODELS.values() for c in model["calls"] for v in c["numbers"].values()]
    assert sum(numbers) > 1000
    assert set(RECORDED["versions"]) == {"R", "lme4", "lmerTest", "pbkrtest", "emmeans", "mvtnorm"}
