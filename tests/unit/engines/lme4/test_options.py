"""Options for lmer(): known names and plain values only."""

from __future__ import annotations

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.engines.lme4.options import read_control, read_start, read_timeout


def test_settings_are_sorted_by_kind():
    control = read_control(
        "nloptwrap",
        {
            "maxeval": 100,
            "ftol_abs": np.float64(1e-10),
            "algorithm": "NLOPT_LN_NELDERMEAD",
            "calc.derivs": False,
            "boundary.tol": 0,
            "check.nobs.vs.nRE": "stop",
        },
    )
    assert control.tuning == (("maxeval", "100.0"), ("ftol_abs", "1e-10"))
    assert control.algorithm == "NLOPT_LN_NELDERMEAD"
    assert control.flags == (("calc.derivs", "no"),)
    assert control.tolerances == (("boundary.tol", "0.0"),)
    # What lme4 refuses by counting is not refused here, unless it is asked for.
    assert dict(control.checks) == {
        "check.nobs.vs.nlev": "ignore",
        "check.nobs.vs.nRE": "stop",
        "check.nobs.vs.rankZ": "ignore",
        "check.nlev.gtr.1": "ignore",
    }


@pytest.mark.parametrize(
    ("optimizer", "control", "said"),
    [
        ("optim", None, "optimizer is 'optim'; lme4's are 'nloptwrap', 'bobyqa'"),
        ("bobyqa", {"maxeval": 9}, "control has 'maxeval'; with the optimizer bobyqa it may have npt, rhobeg"),
        ("bobyqa", {"algorithm": "NLOPT_LN_BOBYQA"}, "control has 'algorithm'"),
        ("bobyqa", {"maxfun": "system('ls')"}, "write a number"),
        ("bobyqa", {"maxfun": True}, "write a number"),
        ("bobyqa", {"maxfun": float("inf")}, "write a number"),
        ("nloptwrap", {"algorithm": "NLOPT_GN_ISRES"}, "write one of 'NLOPT_LN_BOBYQA'"),
        ("nloptwrap", {"calc.derivs": 1}, "write True or False"),
        ("nloptwrap", {"check.scaleX": "no"}, "write one of 'ignore'"),
        ("nloptwrap", {"check.rankX": "ignore"}, "control has 'check.rankX'"),
        ("nloptwrap", ["maxeval"], "control is a list; write a dict"),
    ],
)
def test_what_is_not_known_is_refused(optimizer, control, said):
    with pytest.raises(lmt.EngineError, match=said.replace("(", r"\(").replace(")", r"\)")):
        read_control(optimizer, control)


@pytest.mark.parametrize("timeout", [0, -1, "60", True, float("nan")])
def test_a_time_limit_is_positive_seconds(timeout):
    with pytest.raises(lmt.EngineError, match="write seconds"):
        read_timeout(timeout)


def test_no_time_limit_and_whole_seconds():
    assert read_timeout(None) is None
    assert read_timeout(np.int64(3)) == 3.0


def test_a_start_has_one_finite_number_per_parameter():
    assert read_start([1, 0.5, 2], 3) == (1.0, 0.5, 2.0)
    assert read_start(None, 3) is None
    for bad in ([1, 2], [1, 2, np.nan], "abc", [[1, 2, 3]]):
        with pytest.raises(lmt.EngineError, match=r"start"):
            read_start(bad, 3)


def test_options_reach_the_engine_and_unknown_ones_do_not():
    model = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff"))
    with pytest.raises(lmt.EngineError, match="optimizer is 'newuoa'"):
        model.fit(engine="lme4", optimizer="newuoa")
    with pytest.raises(lmt.EngineError, match="start has shape"):
        model.fit(engine="lme4", start=[1, 1])
