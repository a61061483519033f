"""Numbers changed one at a time are noticed, and honest pairs are not accused."""

from __future__ import annotations

import copy
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools import core
from lmmtools.report.reach import reach_of

REFERENCE = Path(__file__).parents[2] / "reference"
ACCUSED = ("disagrees", "another model", "cannot be compared")
# Five kinds of model: correlated slopes, crossed, nested, singular, weighted by maximum likelihood.
MODELS = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", "sleepstudy", True, None),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", True, None),
    "nested": ("strength ~ 1 + (1 | batch/cask)", "Pastes", True, None),
    "singular": ("Yield ~ 1 + (1 | Batch)", "Dyestuff2", True, None),
    "weighted": ("Reaction ~ Days + (1 | Subject)", "sleepstudy", False, "w"),
}
CHANGES_PER_MODEL = 10
# What a fit says of itself, and no number of the model.
NOT_OF_THE_MODEL = {"optimum", "dropped", "provenance", "format"}


@pytest.fixture(scope="module")
def fits():
    found = {}
    for name, (formula, dataset, reml, weights) in MODELS.items():
        data = lmt.datasets.load(dataset)
        data["w"] = 0.5 * (1 + np.arange(len(data)) % 5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[name] = lmt.lmm(formula, data, weights=weights).fit(engine="pls", reml=reml)
    return found


def places(value, path=()):
    """Every number of a document that is not zero."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if path or key not in NOT_OF_THE_MODEL:
                yield from places(entry, (*path, key))
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            yield from places(entry, (*path, i))
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and value != 0:
        yield path


def changed(record, path, factor):
    new = copy.deepcopy(record)
    where = new
    for step in path[:-1]:
        where = where[step]
    old = where[path[-1]]
    where[path[-1]] = round(old * factor) + (round(old * factor) == old) if isinstance(old, int) else old * factor
    return new


@pytest.mark.parametrize("name", MODELS)
def test_each_changed_number_of_a_record_is_noticed(fits, name):
    fit, rng = fits[name], np.random.default_rng(20)
    record = json.loads(fit.to_json(random_effects=True))
    every = list(places(record))
    unchanged = lmt.read_json(json.dumps(record))
    for i in rng.permutation(len(every))[:CHANGES_PER_MODEL]:
        factor = 1.0 + rng.uniform(0.02, 0.3) * rng.choice([-1, 1])
        try:
            other = lmt.read_json(json.dumps(changed(record, every[i], factor)))
        except lmt.LmmError:
            continue
        for first in (fit, unchanged):
            assert lmt.compare(first, other).verdict in ACCUSED, (every[i], factor)


@pytest.mark.parametrize("name", MODELS)
def test_an_unchanged_record_is_the_same(fits, name):
    for modes in (True, False):
        record = lmt.read_json(fits[name].to_json(random_effects=modes))
        assert lmt.compare(fits[name], record).verdict == "same to the digits shown"


@pytest.mark.parametrize("name", ["slopes", "crossed", "nested", "weighted"])
def test_each_changed_mode_is_noticed_by_a_fit_and_by_another_record(fits, name):
    fit, rng = fits[name], np.random.default_rng(21)
    record = json.loads(fit.to_json(random_effects=True))
    every = list(places(record["random_effects"], ("random_effects",)))
    for i in rng.permutation(len(every))[:5]:
        other = lmt.read_json(json.dumps(changed(record, every[i], 1.03)))
        for first in (fit, lmt.read_json(json.dumps(record))):
            found = lmt.compare(first, other)
            worst = [row for row in found.rows if row.verdict in ACCUSED]
            assert [row.part for row in worst] == ["mode"], found.sentences
            assert every[i][1] in worst[0].label, i


def test_modes_are_compared_by_the_names_of_levels_not_by_their_order(fits):
    record = json.loads(fits["slopes"].to_json(random_effects=True))
    modes = record["random_effects"]["Subject"]
    modes["levels"].reverse(), modes["values"].reverse()
    assert lmt.compare(fits["slopes"], lmt.read_json(json.dumps(record))).verdict == "same to the digits shown"
    modes["levels"].reverse()
    assert lmt.compare(fits["slopes"], lmt.read_json(json.dumps(record))).verdict == "disagrees"
    modes["levels"][0] = "nobody"
    assert lmt.compare(fits["slopes"], lmt.read_json(json.dumps(record))).verdict == "cannot be compared"


def recorded():
    models = json.loads((REFERENCE / "lme4.json").read_text(encoding="utf-8"))["models"]
    for name in (
        "dyestuff",
        "penicillin",
        "pastes_nested",
        "sleepstudy_slope",
        "sleepstudy_uncorrelated",
        "oats_nested",
    ):
        for kind in ("REML", "ML"):
            yield pytest.param(models[name], kind, id=f"{name}-{kind}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("model", "kind"), recorded())
def test_recorded_and_printed_fits_of_lme4_are_not_accused(model, kind):
    entry = model["fits"][kind]
    fit = lmt.lmm(model["python_formula"], lmt.datasets.load(model["dataset"])).fit(engine="pls", reml=kind == "REML")
    assert lmt.compare(fit, entry).verdict not in ACCUSED
    for file in set(entry["summary_files"].values()):
        text = (REFERENCE / file).read_text(encoding="utf-8")
        found = lmt.compare(fit, lmt.read_lme4_summary(text))
        assert found.verdict not in ACCUSED, (file, found.sentences)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", ["two_digits", "seven_digits", "lmertest_satterthwaite", "print_reml"])
def test_printouts_of_two_to_seven_digits_are_not_accused(file):
    printed = lmt.read_lme4_summary((REFERENCE / "printed" / f"{file}.txt").read_text(encoding="utf-8"))
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy"))
    found = lmt.compare(fit.fit(engine="pls", reml=printed.reml), printed)
    assert found.verdict not in ACCUSED, found.sentences


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "cg", "powell"])
def test_optimisers_of_mixedlm_are_not_accused(method):
    data = lmt.datasets.load("sleepstudy")
    result = smf.mixedlm("Reaction ~ Days", data, groups="Subject", re_formula="~Days").fit(method=method)
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit(engine="pls")
    for pair in ((fit, result), (result, fit)):
        found = lmt.compare(*pair)
        assert found.verdict not in ACCUSED, found.sentences


def test_another_response_is_another_model():
    data = lmt.datasets.load("sleepstudy").assign(
        L=lambda d: np.log(d.Reaction), S=lambda d: d.Reaction + 7.0 * d.Days**2
    )
    base = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit(engine="pls")
    for response in ("L", "S"):
        found = lmt.compare(base, lmt.lmm(f"{response} ~ Days + (1 | Subject)", data).fit(engine="pls"))
        assert found.verdict == "another model", response
        assert "do not have the same values" in found.sentences[0], response
    assert lmt.compare(base, smf.ols("L ~ Days", data).fit()).verdict == "another model"


def test_what_only_looks_like_least_squares_is_refused():
    data = lmt.datasets.load("sleepstudy")
    base = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit(engine="pls")
    for result in (smf.quantreg("Reaction ~ Days", data).fit(), smf.gls("Reaction ~ Days", data).fit()):
        with pytest.raises(lmt.LmmError, match=re.escape(type(result.model).__name__)):
            lmt.compare(base, result)


def test_robust_errors_are_shown_as_asked_for():
    data = lmt.datasets.load("Dyestuff2")
    result = smf.ols("Yield ~ 1", data).fit(cov_type="HC3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", data).fit(engine="pls")
    found = lmt.compare(fit, result)
    (row,) = (r for r in found.rows if r.part == "std. error")
    assert row.values[1] == pytest.approx(result.bse["Intercept"], rel=1e-12)
    assert row.verdict == "cannot be compared"
    assert any("robust (HC3)" in s for s in found.sentences), found.sentences


def coded():
    """A fit, and a record of it with another level of reference: one model in other coordinates."""
    data = lmt.datasets.load("sleepstudy")
    data["f"] = np.array(["a", "b", "c"])[np.arange(len(data)) % 3]
    fits = [
        lmt.lmm(f"Reaction ~ Days + {f} + (Days | Subject)", data).fit(engine="pls")
        for f in ("f", "C(f, contr.treatment(base='b'))")
    ]
    return fits[0], json.loads(fits[1].to_json(random_effects=True))


def test_another_coding_hides_no_changed_number():
    fit, record = coded()
    assert lmt.compare(fit, lmt.read_json(json.dumps(record))).verdict == "same to the digits shown"
    paths = [("fixed_effects", "estimates", i) for i in range(4)]
    paths += [("random_effects", "Subject", "values", 3, 1), ("criterion", "value")]
    for path in paths:
        for first in (fit, lmt.read_json(fit.to_json(random_effects=True))):
            other = lmt.read_json(json.dumps(changed(record, path, 1.03)))
            assert lmt.compare(first, other).verdict in ACCUSED, path


def test_units_that_the_criterion_of_reml_does_not_know_are_noticed(fits):
    """Twice a covariate is half its effect, and lowers the REML criterion by log 4; here it stays."""
    record = json.loads(fits["slopes"].to_json())
    fixed, factor = record["fixed_effects"], np.array([1.0, 2.0])
    fixed["estimates"] = (factor * fixed["estimates"]).tolist()
    fixed["std_errors"] = (factor * fixed["std_errors"]).tolist()
    fixed["cov_params"] = (np.outer(factor, factor) * fixed["cov_params"]).tolist()
    del record["inputs"]
    assert lmt.compare(fits["slopes"], lmt.read_json(json.dumps(record))).verdict == "disagrees"


def test_numbers_that_a_fit_no_longer_says_are_no_agreement(fits):
    record = json.loads(fits["slopes"].to_json(random_effects=True))
    for path in (("scaled_residuals", 0), ("random_effects", "Subject", "values", 0, 0)):
        other = lmt.read_json(
            json.dumps(changed(record, path, float("inf"))).replace("-Infinity", '"NaN"').replace(" Infinity", ' "NaN"')
        )
        assert lmt.compare(fits["slopes"], other).verdict in ACCUSED, path


def test_a_flag_that_theta_contradicts_is_noticed(fits):
    record = json.loads(fits["slopes"].to_json())
    record["optimum"]["singular"] = True
    assert lmt.compare(fits["slopes"], lmt.read_json(json.dumps(record))).verdict == "disagrees"


def test_a_fit_that_stopped_short_of_the_optimum_disagrees():
    """The criterion of a search that was cut is higher by more than a tenth, and by less it is looser convergence."""
    data = lmt.datasets.load("sleepstudy")
    model = lmt.lmm("Reaction ~ Days + (1 | Subject)", data)
    fit = model.fit(engine="pls")
    for factor, verdict in ((1.02, "looser convergence"), (1.3, "disagrees")):
        at = core.recover(fit.problem, factor * fit.theta, True)
        estimate = replace(
            fit.estimate,
            theta=at.theta,
            objective=at.objective,
            beta=at.beta,
            beta_cov=at.beta_cov,
            sigma=at.sigma,
            modes=at.modes,
        )
        assert (at.objective - fit.objective > 0.1) == (verdict == "disagrees"), (factor, verdict)
        found = lmt.compare(fit, fit.with_estimate(estimate))
        assert found.verdict == verdict, found.sentences
    assert any("stopped short of the optimum" in s for s in found.sentences), found.sentences


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["bfgs", "powell"])
def test_records_of_curvature_bound_as_a_fit_does(method):
    """Without a fit, what optimisers leave open is no disagreement, and a change of two per cent is one."""
    data = lmt.datasets.load("sleepstudy")
    result = smf.mixedlm("Reaction ~ Days", data, groups="Subject", re_formula="~Days").fit(method=method)
    fit, other = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit(engine="pls"), lmt.from_mixedlm(result)
    one, two = (lmt.read_json(f.to_json(curvature=True)) for f in (fit, other))
    found = lmt.compare(one, two)
    assert found.verdict not in ACCUSED, found.sentences
    record = json.loads(two.to_json())
    record["fixed_effects"]["estimates"][1] *= 1.02
    assert lmt.compare(one, lmt.read_json(json.dumps(record))).verdict == "disagrees"


def test_reach_of_a_record_is_that_of_the_fit_and_rises(fits):
    reach = lmt.read_json(fits["slopes"].to_json(curvature=True)).reach
    table = reach_of(fits["slopes"])
    assert reach == table
    key = ("fixed effect", "Days")
    # To second order a reach rises as the root of the gap.
    assert reach.at(1e-4)[key] == pytest.approx(10 * reach.at(1e-6)[key], rel=0.2)
    assert reach.at(3e-5)[key] <= reach.at(1e-4)[key]
    assert reach.at(1.0) == {}


def test_a_damaged_reach_is_refused(fits):
    record = json.loads(fits["singular"].to_json(curvature=True))
    for damage in ({"gaps": [1.0, 0.1]}, {"numbers": [["theta", "1"]]}, {"numbers": [["theta", "1", [1.0]]]}):
        with pytest.raises(lmt.LmmError):
            lmt.read_json(json.dumps({**record, "reach": {**record["reach"], **damage}}))
    assert lmt.read_json(json.dumps({**record, "reach": {"version": 2}})).reach is None
