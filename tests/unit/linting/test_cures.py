"""Every cure that is code is run, and its criterion compared with that of the model that it cures."""

from __future__ import annotations

import re
import warnings

import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from tests.unit.linting.calls import CALLS, Call, arguments, penicillin, raters

# MixedLM's optimiser stops at about 1e-4 of the optimum; what lint states is the optimum to four digits.
CLOSE = 2e-3

CROSSED = [
    Call("subjects by items, no intercepts", lambda: arguments("rt ~ 1", raters(), "subj", vc_formula=_item())),
    Call("with a slope", lambda: arguments("rt ~ trial", raters(), "subj", re_formula="~trial", vc_formula=_item())),
    Call("groups as values", lambda: arguments("rt ~ 1", raters(), list(raters()["subj"]), vc_formula=_item())),
    Call("one row a cell", lambda: arguments("diameter ~ 1", penicillin(), "plate", vc_formula=_sample())),
]


def _item() -> dict[str, str]:
    return {"item": "0 + C(item)"}


def _sample() -> dict[str, str]:
    return {"sample": "0 + C(sample)"}


def _lowest(model) -> float:
    """Return the criterion of a MixedLM model where its own search ends, run from a good start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return -2.0 * model.fit(method=["powell", "bfgs"], ftol=1e-12, maxiter=1000).llf


def _run(code: str, data, groups) -> float:
    space = {"data": data, "groups": groups}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, space)
    result = space["result"]
    return result.objective if hasattr(result, "objective") else -2.0 * result.llf


@pytest.mark.parametrize("call", [*CALLS, *CROSSED], ids=lambda c: c.name.replace(" ", "-"))
def test_a_cure_that_runs_is_at_least_as_good_as_the_model_it_cures(call: Call) -> None:
    given = call.make()
    report = lmt.lint(given["formula"], **{k: v for k, v in given.items() if k != "formula"})
    cures = [f for f in report.findings if "result = " in f.cure]
    if not cures:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _lowest(smf.mixedlm(**given))
    for finding in cures:
        reached = _run(finding.cure, given["data"], given["groups"])
        assert reached <= found + CLOSE, finding
        stated = re.findall(r"lowest criterion is (\d+\.\d{4})", finding.message)
        assert all(abs(float(s) - reached) < CLOSE for s in stated), finding


def test_subjects_by_items_keep_their_subjects() -> None:
    # 6240.4169: the criterion of (1|subj) + (1|item); dropping the subjects, as lint did, gives 7040.0763.
    data = raters()
    finding = lmt.lint("rt ~ 1", "subj", None, _item(), data).findings[0]
    both = lmt.lmm("rt ~ 1 + (1|subj) + (1|item)", data).fit(engine="pls").objective
    assert f"the lowest criterion is {both:.4f}" in finding.message
    assert "C(subj)" in finding.cure
    assert "C(item)" in finding.cure


def test_an_interaction_stays_where_the_data_ask_for_it() -> None:
    data = raters()
    cell = data.groupby(["subj", "item"]).ngroup().to_numpy()
    import numpy as np

    data["rt"] = data["rt"] + 80 * np.random.default_rng(8).standard_normal(300)[cell]
    finding = lmt.lint("rt ~ 1", "subj", None, _item(), data).findings[0]
    whole = lmt.lmm("rt ~ 1 + (1|subj) + (1|item) + (1|subj:item)", data).fit(engine="pls").objective
    assert f"With the two crossed and their interaction the lowest criterion is {whole:.4f}" in finding.message
    assert _run(finding.cure, data, None) == pytest.approx(whole, abs=CLOSE)
