"""lint on MixedLM calls as people write them: what it must say, and no false alarm."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools.linting.lint import lint_file
from tests.unit.linting.calls import CALLS, Call, one_group, pastes, penicillin, sleep


@pytest.mark.parametrize("call", CALLS, ids=[c.name.replace(" ", "-") for c in CALLS])
def test_lint_says_what_is_wrong_and_nothing_else(call: Call) -> None:
    found = lmt.lint(call.make()["formula"], **{k: v for k, v in call.make().items() if k != "formula"})
    wrong = {f.code for f in found.findings if f.severity in ("error", "warning")}
    assert wrong == set(call.codes)
    assert call.notes <= set(found.codes)


@pytest.mark.parametrize("call", [c for c in CALLS if not c.codes], ids=lambda c: c.name.replace(" ", "-"))
def test_a_right_model_made_by_statsmodels_raises_no_alarm_either(call: Call) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = lmt.lint(smf.mixedlm(**call.make()))
    assert found.is_clean, found


def _run(code: str, data) -> float:
    """-2 log L of the result that code makes of data."""
    space = {"data": data}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, space)
    return -2.0 * space["result"].llf


def _cure(found, code: str) -> str:
    return next(f.cure for f in found.findings if f.code == code)


def test_the_seed_is_named_and_its_cure_runs() -> None:
    data = penicillin()
    model = smf.mixedlm(
        "diameter ~ 1", data, groups="plate", vc_formula={"plate": "1 + C(plate)", "sample": "0 + C(sample)"}
    )
    found = lmt.lint(model)
    first = found.findings[0]
    assert first.code == "crossed-inside"
    assert "sample is crossed with plate, declared inside it" in first.message
    assert "(1|plate:sample)" in first.message
    assert "330.8606" in first.message
    assert "one-row-per-level" in found.codes
    assert _run(_cure(found, "crossed-inside"), data) == pytest.approx(330.8606, abs=1e-4)


def test_pastes_by_batch_is_right_by_luck_and_said_so() -> None:
    model = smf.mixedlm("strength ~ 1", pastes(), groups="batch", re_formula="1", vc_formula={"cask": "0 + C(cask)"})
    found = lmt.lint(model)
    assert found.is_clean
    assert "right by luck" in next(f.message for f in found.findings if f.code == "nested-by-labels")


def test_pastes_declared_crossed_names_both_criteria_and_its_cure_runs() -> None:
    data = one_group(pastes())
    parts = {"batch": "0 + C(batch)", "cask": "0 + C(cask)"}
    found = lmt.lint(smf.mixedlm("strength ~ 1", data, groups="everything", vc_formula=parts))
    message = next(f.message for f in found.findings if f.code == "nested-crossed")
    assert "301.47" in message
    assert "246.99" in message
    assert _run(_cure(found, "nested-crossed"), data) == pytest.approx(246.9907, abs=1e-4)


def test_reused_labels_beside_their_interaction_are_what_was_meant() -> None:
    parts = {"batch": "0 + C(batch)", "cask": "0 + C(cask)", "both": "0 + C(batch):C(cask)"}
    found = lmt.lint("strength ~ 1", "everything", None, parts, one_group(pastes()))
    assert found.codes == ()
    assert found.lme4 == "strength ~ 1 + (1|batch) + (1|batch:cask) + (1|cask)"


def _fit(**options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smf.mixedlm("Reaction ~ Days", sleep(), groups="Subject", re_formula="1 + Days").fit(**options)


def test_a_result_at_the_optimum_is_left_alone() -> None:
    assert lmt.lint(_fit(method=["powell", "bfgs"], ftol=1e-12)).is_clean


def test_a_result_short_of_the_optimum_is_told_by_how_much() -> None:
    found = lmt.lint(_fit(method="bfgs", maxiter=1))
    finding = next(f for f in found.findings if f.code == "stopped-short")
    assert "1743.6283" in finding.message
    assert 'engine="pls"' in finding.cure


def test_boundaries_missed_and_false() -> None:
    zero = lmt.datasets.load("Dyestuff2").astype({"Batch": str})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # In units of a thousandth, what is no boundary looks like one to MixedLM.
        small = sleep().assign(Reaction=lambda d: d["Reaction"] / 1000)
        false = smf.mixedlm("Reaction ~ Days", small, groups="Subject").fit(method=["powell", "bfgs"], ftol=1e-14)
        # In units of 1e-4, MixedLM's zero is above its own threshold.
        large = zero.assign(Yield=lambda d: d["Yield"] * 1e4)
        missed = smf.mixedlm("Yield ~ 1", large, groups="Batch").fit(method="powell", ftol=1e-14)
    assert "boundary-false" in lmt.lint(false).codes
    assert "boundary-missed" in lmt.lint(missed).codes


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((3,), {}, "not int"),
        (("y ~ x",), {}, "data= and groups="),
        (("y ~ x",), {"data": sleep(), "groups": "Subject"}, "no column 'x'"),
        (("Reaction ~ days",), {"data": sleep(), "groups": "Subject"}, "no column 'days', .*Did you mean 'Days'"),
        ((("y ~ 1", "g"),), {}, "has 2 items"),
    ],
)
def test_bad_input_is_named(arguments, options, words) -> None:
    with pytest.raises(lmt.DataError, match=words):
        lmt.lint(*arguments, **options)


def test_the_report_is_data_first() -> None:
    found = lmt.lint("diameter ~ 1", "plate", None, {"sample": "0 + C(sample)"}, penicillin())
    frame = found.to_frame()
    assert list(frame.columns) == ["code", "severity", "message", "cure"]
    assert len(frame) == len(found) > 0
    assert set(found.to_dict()) == {"place", "lme4", "unread", "findings"}
    assert "<li>" in found._repr_html_()


def test_a_nested_factor_without_the_groups_intercept_is_not_called_right_in_silence() -> None:
    found = lmt.lint("strength ~ 1", "batch", None, {"cask": "0 + C(cask)"}, pastes())
    assert "no-group-intercept" in found.codes
    assert (
        "batch itself has no intercept here" in next(f for f in found.findings if f.code == "nested-by-labels").message
    )


def test_what_statsmodels_cannot_make_is_a_finding() -> None:
    data = sleep().assign(Days=np.nan)
    assert "no-model" in lmt.lint("Reaction ~ Days", "Subject", None, None, data).codes


def test_columns_of_x_on_far_scales() -> None:
    data = sleep().assign(z=lambda d: 1e7 * np.sin(np.arange(len(d))))
    found = lmt.lint("Reaction ~ Days + z", "Subject", None, None, data)
    assert "badly-scaled" in found.codes
    assert "z has standard deviation" in found.findings[0].message


@pytest.mark.parametrize("size", [1e-7, 1e7])
@pytest.mark.parametrize("code", ["badly-scaled", "badly-scaled-slope"])
def test_the_cure_of_a_scale_leaves_values_near_one(code, size) -> None:
    data = sleep().assign(z=lambda d: size * np.sin(np.arange(len(d))))
    re_formula = "0 + z" if code == "badly-scaled-slope" else None
    found = lmt.lint("Reaction ~ Days + z", "Subject", re_formula, None, data)
    space = {"data": data}
    exec(_cure(found, code).removeprefix("Rescale: "), space)
    assert 0.3 < space["data"]["z"].std() < 3.0


@pytest.mark.parametrize(("seed", "gain"), [(9, 1.577), (23, 2.199)])
def test_a_main_effect_within_chance_leaves_labels_reused(seed, gain) -> None:
    # A variance for k alone lowers the criterion, though by less than half a chi-square does once in twenty (2.71).
    rng = np.random.default_rng(seed)
    g, k = np.repeat(np.arange(8), 12), np.tile(np.repeat(np.arange(4), 3), 8)
    y = rng.normal(size=8)[g] + rng.normal(size=32)[g * 4 + k] + rng.normal(size=96)
    data = pd.DataFrame({"y": y, "g": [f"g{i}" for i in g], "k": [f"k{i}" for i in k]})
    inside = lmt.lmm("y ~ 1 + (1|g) + (1|g:k)", data).fit(engine="pls").objective
    with_main = lmt.lmm("y ~ 1 + (1|g) + (1|g:k) + (1|k)", data).fit(engine="pls").objective
    assert inside - with_main == pytest.approx(gain, abs=1e-3)
    assert lmt.lint("y ~ 1", "g", "1", {"k": "0 + C(k)"}, data).codes == ("nested-by-labels",)


def test_an_empty_vc_formula_is_an_intercept_of_the_groups() -> None:
    assert lmt.lint("Reaction ~ Days", "Subject", None, {}, sleep()).lme4 == "Reaction ~ Days + (1|Subject)"


def test_effects_of_one_variance_depend_on_units() -> None:
    data = sleep().assign(hours=lambda d: d["Days"] * 24)
    found = [lmt.lint(f"Reaction ~ {x}", "Subject", None, {"s": f"1 + {x}"}, data) for x in ("Days", "hours")]
    assert [r.codes for r in found] == [("shared-variance",)] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [
            smf.mixedlm(f"Reaction ~ {x}", data, groups="Subject", vc_formula={"s": f"1 + {x}"})
            for x in ("Days", "hours")
        ]
        fits = [-2 * m.fit(reml=False, method=["powell", "bfgs"], ftol=1e-12).llf for m in models]
        apart = smf.mixedlm(
            "Reaction ~ Days",
            data,
            groups="Subject",
            vc_formula=eval(f"dict({_cure(found[0], 'shared-variance')})")["vc_formula"],
        ).fit(reml=False, method=["powell", "bfgs"], ftol=1e-12)
    # Variances of their own, in any units: lme4's (Days || Subject), 1752.00.
    assert fits[1] > fits[0] + 5 > -2 * apart.llf + 5
    assert -2 * apart.llf == pytest.approx(1752.0, abs=0.01)


def test_a_variance_of_one_level_is_anything() -> None:
    data = one_group(sleep())
    model = smf.mixedlm(
        "Reaction ~ Days", data, groups="everything", re_formula="1", vc_formula={"s": "0 + C(Subject)"}
    )
    model.cov_pen = model.fe_pen = None
    at = lambda v: model.loglike(np.sqrt([v, 1.4]), profile_fe=True)  # noqa: E731
    assert at(0.5) == pytest.approx(at(50.0), abs=1e-6)
    assert lmt.lint(model).codes == ("one-level",)


def test_as_many_levels_as_rows_with_a_covariate() -> None:
    data = sleep().assign(row=np.arange(180), everything=1, day=lambda d: d["Days"] + 1)
    found = lmt.lint("Reaction ~ day", "everything", None, {"r": "0 + C(row):day"}, data)
    assert "levels-not-below-rows" in found.codes


def test_groups_of_another_frame_are_seen_in_the_text(tmp_path) -> None:
    from lmmtools.linting.lint import lint_file

    script = tmp_path / "s.py"
    script.write_text('import statsmodels.formula.api as smf\nsmf.mixedlm("y ~ x", df, groups=other["g"]).fit()\n')
    assert lint_file(str(script))[0][0].codes == ("groups-elsewhere",)


@pytest.mark.parametrize(
    ("fit", "is_penalised"),
    [
        ("fit_regularized(alpha=0.2)", True),
        ("fit_regularized(None, 'l1', 0.2)", True),
        ("fit_regularized(alpha=weights)", True),
        ("fit(fe_pen=pen)", True),
        ("fit_regularized()", False),
        ("fit_regularized(alpha=0)", False),
        ("fit(fe_pen=None)", False),
        ("fit(method='lbfgs')", False),
    ],
)
def test_a_script_that_penalises_its_fixed_effects_is_told(fit: str, is_penalised: bool, tmp_path) -> None:
    call = "smf.mixedlm('Reaction ~ Days', d, groups='Subject', re_formula='~Days')"
    for script in (f"{call}.{fit}", f"model = {call}\nresult = model.{fit}"):
        file = tmp_path / "script.py"
        file.write_text(f"import statsmodels.formula.api as smf\n{script}\n")
        (report,), _ = lint_file(str(file))
        codes = [f.code for f in report.findings]
        assert codes.count("penalised") == is_penalised, (script, codes)
