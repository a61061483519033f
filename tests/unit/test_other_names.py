"""Names and arguments of other packages end in an error that says what to write, and what it says exists here."""

from __future__ import annotations

import inspect
import re

import pytest

import lmmtools as lmt
from lmmtools import memory, other_names
from lmmtools.errors import DataError, UnknownArgumentError, UnknownNameError
from lmmtools.inference.degrees import check_ddf
from lmmtools.other_names import ARGUMENTS, OF_CLASS, OF_FUNCTION, SAYS


@pytest.fixture(scope="module")
def model() -> lmt.Model:
    return lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool"))


@pytest.fixture(scope="module")
def fit(model) -> lmt.LMMResults:
    return model.fit()


# What people type who come from lme4, lmerTest, emmeans, nlme, performance, statsmodels, pymer4 or marginaleffects, and
# a word that the answer must have.
OF_A_FIT = {
    "ranef": "random_effects",
    "fixef": "params",
    "VarCorr": "varcorr",
    "cov_re": "varcorr",
    "vcov": "cov_params",
    "confint": "conf_int",
    "isSingular": "is_singular",
    "getME": "design",
    "logLik": "llf",
    "loglike": "llf",
    "AIC": "aic",
    "BIC": "bic",
    "deviance": "objective",
    "ngrps": "ngroups",
    "fitted": "fittedvalues",
    "hatvalues": "hat_values",
    "emmeans": "marginal_means",
    "emtrends": "slope_of",
    "pairs": "pairwise",
    "contrast": "contrasts",
    "t_test_pairwise": "pairwise",
    "wald_test": "f_test",
    "get_prediction": "predict",
    "performance": "glance",
    "check_model": "plot",
    "avg_predictions": "marginal.avg_predictions",
    "bootMer": "bootstrap",
    "refitML": "reml=False",
    "rand": "ranova",
    "std_errors": "bse",
    "post_hoc": "pairwise",
    "summary_frame": "predict",
}
OF_THE_MODULE = {
    "lmer": "lmt.lmm(formula, data).fit()",
    "mixedlm": "lmt.lmm",
    "glmer": "normal errors",
    "ranef": "fit.random_effects",
    "fixef": "fit.params",
    "isSingular": "fit.is_singular",
    "emmeans": "fit.marginal_means",
    "anova_lm": "fit.anova",
    "load_dataset": "lmt.datasets.load",
}


@pytest.mark.parametrize(("name", "here"), OF_A_FIT.items())
def test_a_name_of_another_package_says_what_a_fit_has(fit, name, here) -> None:
    with pytest.raises(AttributeError, match=f"^LMMResults has no {name}: ") as caught:
        getattr(fit, name)
    assert here in str(caught.value)
    assert not hasattr(fit, name)
    assert name not in dir(fit)


@pytest.mark.parametrize(("name", "here"), OF_THE_MODULE.items())
def test_a_function_of_another_package_says_what_is_here(name, here) -> None:
    with pytest.raises(UnknownNameError, match=f"^lmmtools has no {name}: ") as caught:
        getattr(lmt, name)
    assert here in str(caught.value)


OF_MEANS = {"pairs": "fit.pairwise", "contrast": "fit.contrasts", "regrid": 'type="response"', "plot": "fit.plot.means"}


@pytest.mark.parametrize(("name", "here"), OF_MEANS.items())
def test_a_name_of_emmeans_says_what_marginal_means_have(fit, name, here) -> None:
    with pytest.raises(UnknownNameError, match=f"^MarginalMeans has no {name}: ") as caught:
        getattr(fit.marginal_means("Type"), name)
    assert here in str(caught.value)


def test_a_record_says_that_what_needs_data_is_of_a_fit(fit) -> None:
    with pytest.raises(UnknownNameError, match=r"^FitRecord has no report: .*pickle"):
        lmt.read_json(fit.to_json()).report()


def test_one_fit_given_to_anova_is_told_the_test_of_its_terms(fit) -> None:
    with pytest.raises(DataError, match=r"fit\.anova\(\)$"):
        lmt.anova(fit)


def test_what_the_answers_name_exists(fit, model) -> None:
    said = 0
    for text in [*SAYS.values(), *(t for names in OF_CLASS.values() for t in names.values())]:
        for path in re.findall(r"\bfit((?:\.[a-z_0-9]+)+)\b(?!=)", text, flags=re.IGNORECASE):
            found = fit
            for part in path[1:].split("."):
                if part in ("model",) and found is not fit:
                    break
                if found is getattr(fit, "mixedlm", None) or part in ("cov_pen",):
                    break
                # Methods and records of tables end the path; attributes of a method are its result's.
                if inspect.ismethod(found):
                    break
                found = getattr(found, part)
                said += 1
        for path in re.findall(r"\blmt((?:\.[a-z_0-9]+)+)\b", text):
            found = lmt
            for part in path[1:].split("."):
                found = getattr(found, part)
                said += 1
    assert said > 100


CALLS = {
    "REML=": (lambda m, f: m.fit(REML=False), "reml="),
    "method= of fit": (lambda m, f: m.fit(method="powell"), "engine="),
    "re_form=": (lambda m, f: f.predict(re_form=None), "random=False"),
    "exog=": (lambda m, f: f.predict(exog=[1]), "random=False"),
    "seed=": (lambda m, f: f.simulate(seed=1), "rng="),
    "seed= of the bootstrap": (lambda m, f: f.bootstrap(seed=1), "rng="),
    "nsim=": (lambda m, f: f.simulate(nsim=3), "n="),
    "level=": (lambda m, f: f.conf_int(level=0.9), "alpha="),
    "parm=": (lambda m, f: f.conf_int(parm="sigma"), "parameters="),
    "typ=": (lambda m, f: f.anova(typ=2), "type="),
    "newdata=": (lambda m, f: f.predict(newdata=None), "data="),
    "allow_new_levels=": (lambda m, f: f.predict(allow_new_levels=True), "unseen="),
    "specs=": (lambda m, f: f.marginal_means(specs="Type"), "first argument"),
    "contrasts=": (lambda m, f: lmt.lmm("y ~ 1", {}, contrasts={}), r"contr\.sum"),
    "groups=": (lambda m, f: lmt.lmm("y ~ 1", {}, groups="g"), r"\(1 \| g\)"),
    "REML= of lmm": (lambda m, f: lmt.lmm("y ~ 1", {}, REML=False), r"fit\(reml=False\)"),
    "family=": (lambda m, f: lmt.lmm("y ~ 1", {}, family="binomial"), "normal errors"),
    "title=": (lambda m, f: f.summary(title="T"), "patch_summary"),
    "a typing error": (lambda m, f: f.tests(dff="z"), "Did you mean 'ddf'"),
    "a word of nobody": (lambda m, f: f.tests(zzz=1), "It takes ddf"),
    "too many": (lambda m, f: f.predict(None, False), "random="),
    "too few": (lambda m, f: lmt.lmm("y ~ 1"), "'data'"),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_argument_of_another_package_says_what_to_write(fit, model, call) -> None:
    run, says = CALLS[call]
    with pytest.raises(UnknownArgumentError, match=says) as caught:
        run(model, fit)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, lmt.DataError)


def test_a_type_error_within_a_call_is_not_taken_for_one_of_its_arguments() -> None:
    @memory.door
    def fails(x: int) -> None:
        raise TypeError(f"of {x} itself")

    with pytest.raises(TypeError, match="of 1 itself") as caught:
        fails(1)
    assert not isinstance(caught.value, lmt.LmmError)
    with pytest.raises(UnknownArgumentError, match="it takes x"):
        fails()


def test_an_argument_that_an_engine_does_not_take_says_which_it_takes(model) -> None:
    with pytest.raises(lmt.EngineError, match="'pls' takes no optimizer=; it takes start=, max_iter=, tol=, callback="):
        model.fit(engine="pls", optimizer="bobyqa")
    with pytest.raises(lmt.EngineError, match="'lme4' takes no max_iter="):
        model.fit(engine="lme4", max_iter=3)


def test_no_table_has_an_argument_that_the_function_takes(fit, model) -> None:
    for name, advice in OF_FUNCTION.items():
        holders = [h for h in (lmt, model, fit) if callable(getattr(h, name, None))]
        assert holders, name
        for holder in holders[:1]:
            taken = set(inspect.signature(getattr(holder, name)).parameters)
            assert not taken & set(advice), name
    assert "reml" not in ARGUMENTS
    assert "ddf" not in ARGUMENTS


@pytest.mark.parametrize(
    ("spelling", "method"),
    [
        ("Satterthwaite", "satterthwaite"),
        ("Kenward-Roger", "kenward-roger"),
        ("kenward_roger", "kenward-roger"),
        ("KR", "kenward-roger"),
        ("kr", "kenward-roger"),
        ("asymptotic", "z"),
        ("Residual", "residual"),
    ],
)
def test_methods_have_the_spellings_of_other_packages(fit, spelling, method) -> None:
    assert check_ddf(spelling) == method
    assert fit.tests(ddf=spelling).ddf == method
    data = fit.design.frame.head(2)
    limits = [fit.predict(data, random=False, interval="confidence", ddf=d) for d in (spelling, method)]
    assert limits[0].equals(limits[1])


def test_an_unknown_method_is_refused(fit) -> None:
    with pytest.raises(lmt.DataError, match="use one of 'satterthwaite'"):
        fit.tests(ddf="welch")


def test_data_sets_are_suggested() -> None:
    with pytest.raises(UnknownNameError, match=r"write lmt\.datasets\.load\('sleepstudy'\)"):
        _ = lmt.datasets.sleepstudy
    with pytest.raises(lmt.DataError, match="Did you mean 'penicillin'"):
        lmt.datasets.recorded("penicilin")
    with pytest.raises(lmt.DataError, match="Did you mean 'sleepstudy'"):
        lmt.datasets.load("sleep")


def test_a_fit_has_the_names_of_its_model(fit, model) -> None:
    assert fit.formula is model.formula
    assert str(fit.spec) == str(model.spec)
    assert fit.model.design is fit.design
    assert fit.model.formula == "effort ~ Type + (1 | Subject)"


def test_tables_answer_names_of_other_tables(fit) -> None:
    for table in (fit.tests(), fit.anova(), fit.ranova(), fit.marginal_means("Type")):
        with pytest.raises(AttributeError, match=r"has no summary_frame: write to_frame\(\)"):
            _ = table.summary_frame
    with pytest.raises(UnknownArgumentError, match=r"write fit\.varcorr"):
        lmt.VarCorr(fit)


def test_anova_lm_of_statsmodels_says_that_it_is_for_least_squares(fit) -> None:
    anova = pytest.importorskip("statsmodels.stats.anova")
    with pytest.raises(AttributeError, match=r"write fit\.anova\(\)"):
        anova.anova_lm(fit)
    with pytest.raises(AttributeError, match=r"lmt\.anova\(m0, m1\)"):
        anova.anova_lm(fit, fit)


def test_the_mechanism_is_one(fit) -> None:
    assert isinstance(fit, other_names.AnswersOtherNames)
    assert isinstance(fit.anova(), other_names.AnswersOtherNames)


def test_a_fit_read_from_a_record_answers_too(fit) -> None:
    restored = lmt.read_json(fit.to_json(predict=True)).restored
    with pytest.raises(UnknownNameError, match=r"^RestoredFit has no emmeans: write marginal_means\(factors\)"):
        _ = restored.emmeans


def test_the_data_sets_module_lists_its_functions_alone() -> None:
    assert [n for n in dir(lmt.datasets) if not n.startswith("__")] == sorted(lmt.datasets.__all__)
