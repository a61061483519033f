"""Marginal means, slopes and contrasts against R's emmeans, both methods of degrees of freedom."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DroppedColumnsWarning, EngineError

RECORDED = json.loads((Path(__file__).parents[2] / "reference" / "emmeans.json").read_text())
NUMBERS = 1e-6
"""Estimates and standard errors, relative to the largest."""
DEGREES = 1e-4
"""Degrees of freedom, relative: lmerTest and pbkrtest differentiate numerically or invert densely."""
P_VALUES = 1e-5
"""Of p-values, absolute; Tukey's distribution is an integral in both."""
MODELS = {m["name"]: m for m in RECORDED["models"]}
CALLS = [(m["name"], i) for m in RECORDED["models"] for i in range(len(m["calls"]))]
TUKEY = ["oats", "warp", "machines"]
METHODS = ["reference", "sequential", "effects"]


@cache
def fitted(name):
    entry = MODELS[name]
    if entry["data"] is None:
        data = pd.DataFrame(entry["frame"]).astype({"wool": "category", "tension": "category", "loom": "category"})
        data["tension"] = data["tension"].cat.set_categories(["L", "M", "H"])
    else:
        data = lmt.datasets.load(entry["data"])
        if entry["rows"] < len(data):
            data = data[np.arange(1, len(data) + 1) * 7 % 11 != 0]
    assert len(data) == entry["rows"]
    return lmt.lmm(entry["formula"], data).fit(engine="pls")


STATISTICS = ["emmean", "slope", "contrast", "estimate", "se", "df", "t", "p", "lower", "upper"]


@pytest.mark.parametrize("name", STATISTICS)
def test_a_factor_named_like_a_statistic_keeps_its_column_and_the_statistic_gets_an_underscore(name) -> None:
    data = lmt.datasets.load("cake").rename(columns={"recipe": name})
    fit = lmt.lmm(f"angle ~ {name} * temp + (1 | replicate)", data).fit(engine="pls")
    plain = lmt.lmm("angle ~ recipe * temp + (1 | replicate)", lmt.datasets.load("cake")).fit(engine="pls")
    at = {"temp": [175, 225]}
    for found, expected in (
        (fit.marginal_means(name), plain.marginal_means("recipe")),
        (fit.marginal_means(name, slope_of="temp"), plain.marginal_means("recipe", slope_of="temp")),
        (fit.pairwise("temp", by=name, at=at), plain.pairwise("temp", by="recipe", at=at)),
    ):
        frame, want = found.to_frame(), expected.to_frame()
        has_it = name in want
        names = [name if c == "recipe" else f"{name}_" if c == name else c for c in want.columns]
        pd.testing.assert_frame_equal(frame, want.set_axis(names, axis=1))
        assert has_it == (f"the data have a column {name}," in str(found))
    limits = fit.pairwise("temp", by=name, at=at).conf_int()
    want = plain.pairwise("temp", by="recipe", at=at).conf_int()
    np.testing.assert_array_equal(limits.iloc[:, -2:].to_numpy(), want[["lower", "upper"]].to_numpy())
    assert list(limits[name]) == list(want["recipe"])


def arguments(call):
    at = {k: v if isinstance(v, list) else [v] for k, v in (call["at"] or {}).items()}
    return {"by": call["by"], "at": at, "slope_of": call["slope"], "ddf": call["ddf"]}


def name_of(call):
    name, i = call
    c = MODELS[name]["calls"][i]
    return f"{name}:{'+'.join(c['factors'])}|{c['by']}:{c['slope']}:{c['ddf']}"


def rows(values):
    return np.atleast_1d(np.asarray(values, dtype=float))


def close(found, want, tolerance):
    want = rows(want)
    np.testing.assert_allclose(found, want, rtol=0, atol=tolerance * np.abs(want).max())


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_means_and_slopes_are_those_of_emmeans(call):
    name, i = call
    want = MODELS[name]["calls"][i]
    found = fitted(name).marginal_means(want["factors"], **arguments(want))
    frame = found.to_frame()
    assert list(frame.columns[-4:]) == ["se", "df", "lower", "upper"]
    for column, levels in want["levels"].items():
        values = frame[column]
        if pd.api.types.is_numeric_dtype(values):
            np.testing.assert_allclose(values, [float(v) for v in np.atleast_1d(levels)], rtol=1e-9)
        else:
            assert values.astype(str).tolist() == list(np.atleast_1d(levels)), (column, levels)
    close(found.estimate, want["emmean"], NUMBERS)
    close(found.se, want["se"], NUMBERS)
    np.testing.assert_allclose(found.df, rows(want["df"]), rtol=DEGREES)
    close(found.lower, want["lower"], 1e-5)
    close(found.upper, want["upper"], 1e-5)


@pytest.mark.parametrize("call", [c for c in CALLS if MODELS[c[0]]["calls"][c[1]].get("pairs")], ids=name_of)
def test_contrasts_are_those_of_emmeans(call):
    name, i = call
    want = MODELS[name]["calls"][i]
    pairs = want["pairs"]
    fit = fitted(name)
    by_method = {
        adjust: fit.pairwise(want["factors"], adjust=adjust, **arguments(want))
        for adjust in {"none", *pairs["limits"], *pairs["p"]}
    }
    found = by_method["none"]
    close(found.estimate, pairs["estimate"], NUMBERS)
    close(found.se, pairs["se"], NUMBERS)
    np.testing.assert_allclose(found.df, rows(pairs["df"]), rtol=DEGREES)
    np.testing.assert_allclose(found.t, rows(pairs["t"]), rtol=1e-5, atol=1e-6)
    for adjust, limits in pairs["limits"].items():
        if adjust == "tukey" and (name not in TUKEY or want["ddf"] != "satterthwaite"):
            continue  # its quantiles take a tenth of a second each
        own = by_method[adjust].conf_int()
        close(own["lower"], limits["lower"], 1e-5)
        close(own["upper"], limits["upper"], 1e-5)
    for adjust, p in pairs["p"].items():
        np.testing.assert_allclose(by_method[adjust].p, rows(p), rtol=1e-4, atol=P_VALUES)
    for method in METHODS:
        own = fit.contrasts(want["factors"], method=method, **arguments(want))
        close(own.estimate, want["contrasts"][method]["estimate"], NUMBERS)
        close(own.se, want["contrasts"][method]["se"], NUMBERS)
        np.testing.assert_allclose(own.df, rows(want["contrasts"][method]["df"]), rtol=DEGREES)


def test_oats_nitro_means_are_the_published_ones():
    found = fitted("oats").marginal_means("nitro", ddf="kenward-roger").to_frame()
    assert found["emmean"].round(1).tolist() == [79.4, 98.9, 114.2, 123.4]
    assert found["se"].round(2).tolist() == [7.13] * 4
    assert found["df"].round(2).tolist() == [6.64] * 4


def test_tables_say_what_they_average_and_adjust():
    fit = fitted("oats_line")
    text = str(fit.marginal_means("Variety", ddf="kenward-roger"))
    assert "at nitro = " in text
    assert "Kenward-Roger" in text
    text = str(fitted("oats").pairwise("nitro", adjust="holm"))
    assert "nitro0 - nitro0.2" in text
    assert "averaged over the levels of Variety" in text
    assert "p-values adjusted by the holm method for 6 tests" in text
    for made in ("to_html", "to_markdown", "to_latex", "to_json"):
        assert "Golden Rain" in getattr(fit.pairwise("Variety"), made)(), made


def test_one_value_of_a_covariate_needs_no_list() -> None:
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    found = fit.marginal_means("Days", at={"Days": 3}).to_frame()
    assert list(found["emmean"]) == pytest.approx([fit.params["Intercept"] + 3 * fit.params["Days"]], rel=1e-12)


def test_averages_over_an_interaction_are_told():
    told = "the differences depend on Variety"
    assert not any(told in note for note in fitted("oats").marginal_means("nitro").notes)
    assert any(told in note for note in fitted("oats_interaction").marginal_means("nitro").notes)
    assert any(told in note for note in fitted("oats_interaction").pairwise("nitro").notes)
    assert not any(told in note for note in fitted("oats_interaction").pairwise("nitro", by="Variety").notes)
    held = fitted("oats_interaction").marginal_means("nitro", at={"Variety": "Victory"})
    assert held.notes[0] == "at Variety = Victory"


def test_stepwise_adjustments_have_bonferronis_limits():
    fit = fitted("oats")
    own, plain = (fit.pairwise("nitro", adjust=a).conf_int(0.1) for a in ("holm", "bonferroni"))
    pd.testing.assert_frame_equal(own, plain)
    infinite = fit.pairwise("nitro", ddf="z").conf_int()
    assert np.isfinite(infinite[["lower", "upper"]].to_numpy()).all()
    with pytest.raises(lmt.DataError, match="between 0 and 1"):
        fit.pairwise("nitro").conf_int(5)


def test_the_mean_of_all_and_contrasts_by_name():
    fit = fitted("oats")
    overall = fit.marginal_means([]).to_frame()
    assert overall["emmean"].item() == pytest.approx(fit.marginal_means("nitro").estimate.mean())
    found = fit.contrasts("nitro", method={"linear": [-3, -1, 1, 3]})
    assert found.estimate[0] == pytest.approx(np.dot([-3, -1, 1, 3], fit.marginal_means("nitro").estimate))
    assert found.names == ("linear",)


def test_an_offset_moves_means_and_no_contrast():
    data = lmt.datasets.load("Oats")
    plain = lmt.lmm("yield ~ C(nitro) + (1|Block)", data).fit(engine="pls")
    moved = lmt.lmm("yield ~ C(nitro) + (1|Block)", data.assign(**{"yield": data["yield"] + 10.0}), offset=[10.0] * 72)
    moved = moved.fit(engine="pls")
    np.testing.assert_allclose(moved.marginal_means("nitro").estimate, plain.marginal_means("nitro").estimate + 10.0)
    np.testing.assert_allclose(moved.pairwise("nitro").estimate, plain.pairwise("nitro").estimate)


def test_a_mean_over_an_empty_combination_is_undefined_and_named():
    data = lmt.datasets.load("cake")
    data = data[~((data["recipe"] == "B") & (data["temperature"].astype(str) == "215"))]
    with pytest.warns(DroppedColumnsWarning):
        fit = lmt.lmm("angle ~ recipe * temperature + (1|recipe:replicate)", data).fit(engine="pls")
    means = fit.marginal_means("recipe")
    assert np.isnan(means.estimate).tolist() == [False, True, False]
    assert "not estimable" in means.notes[-1]
    assert means.notes[-1].endswith("B")
    pairs = fit.pairwise("recipe")
    assert np.isnan(pairs.p).tolist() == [True, False, True]
    # A family has all its contrasts, those that the data cannot tell included, as its simultaneous limits do.
    (plain,) = fit.pairwise("recipe", adjust="none").p[1:2]
    by_method = {"bonferroni": 3 * plain, "sidak": 1 - (1 - plain) ** 3, "holm": 3 * plain, "fdr": 3 * plain}
    for adjust, expected in by_method.items():
        assert fit.pairwise("recipe", adjust=adjust).p[1] == pytest.approx(min(expected, 1.0), rel=1e-12), adjust
    seen = fit.marginal_means("temperature", by="recipe", at={"recipe": ["A", "C"]})
    assert np.isfinite(seen.estimate).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.marginal_means("Block"), "'Block' is no predictor"),
        (lambda f: f.marginal_means("pairwise ~ nitro"), r'Write several columns as a list, \["a", "b"\]'),
        (lambda f: f.f_test("Variety:nitro"), r"fit.anova\(\) tests terms"),
        (lambda f: f.marginal_means("nitro", at={"Variety": ["Vctory"]}), "Vctory"),
        (lambda f: f.marginal_means("nitro", slope_of="Variety"), "is a factor"),
        (lambda f: f.marginal_means("nitro", slope_of="nitro"), "is a factor"),
        (lambda f: f.marginal_means("nitro", at=[0.2]), "dict of values"),
        (lambda f: f.marginal_means("nitro", at={"nitro": [0.2, None]}), "a missing value for 'nitro'"),
        (lambda f: f.marginal_means("nitro", at={"nitro": []}), "no value for 'nitro'"),
        (lambda f: f.marginal_means(3), "name of a column"),
        (lambda f: f.marginal_means("nitro", ddf="bayes"), "not known here"),
        (lambda f: f.marginal_means("nitro", alpha=0), "between 0 and 1"),
        (lambda f: f.marginal_means("nitro", alpha="5%"), "'5%'; it must lie between 0 and 1"),
        (lambda f: f.contrasts("nitro", method={"a": ["+", "-", 0, 0]}), "'a' has weights that are no numbers"),
        (lambda f: f.pairwise("nitro", adjust="dunn"), "use one of 'none', 'tukey'"),
        (lambda f: f.pairwise("nitro", by="nitro"), "other columns"),
        (lambda f: f.contrasts("nitro", method="poli"), "use one of 'pairwise'"),
        (lambda f: f.contrasts("nitro", method={"a": [1, -1]}), "needs 4 finite weights"),
        (lambda f: f.contrasts("nitro", method="reference", adjust="tukey"), "all pairwise"),
        (lambda f: f.pairwise("nitro", at={"nitro": [0.2]}), "one mean alone"),
        (lambda f: f.contrasts("nitro", method={"nothing": [0, 0, 0, 0]}), "zero whatever the coefficients"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(lmt.DataError, match=message):
        call(fitted("oats"))


def test_slopes_of_a_spline_reach_the_ends_of_the_data():
    data = lmt.datasets.load("sleepstudy")
    spline = lmt.lmm("Reaction ~ bs(Days, df=3) + (1|Subject)", data).fit(engine="pls")
    cubic = lmt.lmm("Reaction ~ Days + I(Days**2) + I(Days**3) + (1|Subject)", data).fit(engine="pls")
    at = {"Days": [0, 4, 9]}
    own, same = (fit.marginal_means("Days", slope_of="Days", at=at) for fit in (spline, cubic))
    np.testing.assert_allclose(own.estimate, same.estimate, rtol=1e-5)
    np.testing.assert_allclose(own.se, same.se, rtol=1e-5)


def test_truth_values_are_levels():
    data = lmt.datasets.load("sleepstudy")
    fit = lmt.lmm("Reaction ~ late + (1|Subject)", data.assign(late=data["Days"] > 4)).fit(engine="pls")
    assert fit.pairwise("late").names == ("lateFalse - lateTrue",)
    nothing = lmt.lmm("Reaction ~ 0 + (1|Subject)", data).fit(engine="pls")
    with pytest.raises(lmt.DataError, match="no fixed effects"):
        nothing.marginal_means([])


def test_slopes_that_cannot_differ_are_not_compared():
    fit = lmt.lmm("distance ~ age + Sex + (1|Subject)", lmt.datasets.load("Orthodont")).fit(engine="pls")
    with pytest.raises(lmt.DataError, match="'Male - Female' is zero whatever the coefficients"):
        fit.pairwise("Sex", slope_of="age")


def test_without_marginaleffects_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "marginaleffects", None)
    with pytest.raises(EngineError, match=r"pip install marginaleffects"):
        fitted("oats").marginal.hypotheses()
