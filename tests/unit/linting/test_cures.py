"""Every cure that is code is run, and its criterion compared with that of the model that it cures."""

from __future__ import annotations

import re
import warnings

import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from tests.unit.linting.calls import CALLS, Call, arguments, one_group, penicillin, raters

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


def _put_in(finding, given):
    """Return a call with the arguments, or after the statement, that a cure is; None where it is no code."""
    cure = finding.cure.removeprefix("Rescale: ").partition("  #")[0]
    given = dict(given)
    if cure.startswith("data"):
        space = {"data": given["data"].copy(), "groups": given["groups"]}
        statement, _, argument = cure.partition(", which pandas aligns by index; then ")
        exec(statement, space)
        given["data"] = space["data"]
        return {**given, **eval(f"dict({argument})")}
    if cure == 'groups="..."':
        return None
    if re.match(r"(vc_formula|re_formula|groups)=", cure):
        return {**given, **eval(f"dict({cure.partition(', or ')[0]})")}
    if found := re.match(r"# Leave (\w+) out", cure):
        if found[1] == "re_formula":
            return {**given, "re_formula": None}
        if found[1] not in (given.get("vc_formula") or {}):
            return None
        return {**given, "vc_formula": {k: v for k, v in given["vc_formula"].items() if k != found[1]} or None}
    if found := re.match(r"# Leave one of the two out: (\w+) adds nothing", cure):
        return {**given, "vc_formula": {k: v for k, v in given["vc_formula"].items() if k != found[1]}}
    if found := re.match(r"Leave (\w+) out of the random effects", cure):
        return {**given, "re_formula": "1"}
    if found := re.match(r"# Add the mean slope to the fixed effects: \.\.\. ~ (.*)", cure):
        return {**given, "formula": f"{given['formula'].partition('~')[0]} ~ {found[1]}"}
    return None


MORE = [
    Call("the groups twice", lambda: arguments("rt ~ 1", raters(), "subj", vc_formula={"s": "1 + C(subj)"})),
    Call("shared", lambda: arguments("rt ~ trial", raters(), "subj", vc_formula={"s": "1 + trial"})),
    Call("shared, one group", lambda: arguments("rt ~ 1", one_group(raters()), "everything", vc_formula=_both())),
    Call("contrasts and more", lambda: arguments("rt ~ 1", one_group(raters()), "everything", vc_formula=_coded())),
    Call("no mean slope", lambda: arguments("rt ~ 1", raters(), "subj", re_formula="~trial")),
    Call("one group alone", lambda: arguments("rt ~ 1", one_group(raters()), "everything", re_formula="1")),
    Call("one group with an intercept", lambda: {**MORE[2].make(), "vc_formula": _subj(), "re_formula": "1"}),
]
# Cures after which the data, the response or the fixed effects are others: their criteria do not compare.
OTHER_DATA = {"groups-misaligned", "duplicate-index", "unused-levels", "badly-scaled-slope", "slope-not-fixed"}
# What is no code: a remark, or a choice that is the author's.
NO_CODE = {"nested-by-labels", "one-row-per-level", "one-level"}


def _both() -> dict[str, str]:
    return {"si": "0 + C(subj) + C(item)"}


def _subj() -> dict[str, str]:
    return {"s": "0 + C(subj)"}


def _coded() -> dict[str, str]:
    return {"s": "C(subj)", "i": "0 + C(item)"}


@pytest.mark.parametrize("call", [*CALLS, *CROSSED, *MORE], ids=lambda c: c.name.replace(" ", "-"))
def test_a_cure_that_is_an_argument_or_a_statement_is_put_into_the_call_and_holds(call: Call) -> None:
    given = call.make()
    lint = lambda k: lmt.lint(k["formula"], **{n: v for n, v in k.items() if n != "formula"})  # noqa: E731
    for finding in lint(given).findings:
        if "result = " in finding.cure:
            continue
        cured = _put_in(finding, given)
        if cured is None:
            assert finding.code in NO_CODE, finding
            continue
        report = lint(cured)
        assert finding.code not in report.codes, (finding, report)
        if finding.code == "groups-misaligned":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reached = smf.mixedlm(**cured).fit(method=["powell", "bfgs"], ftol=1e-12, maxiter=1000)
        kept = set(given.get("vc_formula") or {}) - set(cured.get("vc_formula") or {})
        assert not kept or finding.code in ("same-component", "one-row-per-level", "shared-variance"), finding
        if finding.code not in OTHER_DATA | {"same-component", "slope-constant", "one-row-per-level", "one-level"}:
            assert -2.0 * reached.llf <= lowest_of(given) + CLOSE, finding


def lowest_of(given) -> float:
    """Return the lowest criterion of MixedLM's model of a call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _lowest(smf.mixedlm(**given))


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
