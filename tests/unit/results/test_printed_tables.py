"""compare() holds each number of a printed table against the fit's own: recorded tables agree, changed ones do not."""

from pathlib import Path

import pytest

import lmmtools as lmt

REFERENCE = Path(__file__).parents[2] / "reference" / "printed_tables"
MODELS = {
    "slope": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "apart": ("sleepstudy", "Reaction ~ Days + (Days || Subject)"),
    "halves": ("sleepstudy", "Reaction ~ half * Days + (1 | Subject)"),
    "worker": ("Machines", "score ~ Machine + (1 | Worker)"),
    "crossed": ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    "baked": ("cake", "angle ~ recipe * temperature + (1 | recipe:replicate)"),
    "nested": ("Pastes", "strength ~ 1 + (1 | batch / cask)"),
}
TABLES = {
    "slope": """anova_slope anova_lme4 ranova_slope varcorr_slope varcorr_both fixef_slope coef_summary ranef_slope
        coef_summary_lme4 confint_wald confint_profile confint_profile_names""",
    "apart": "ranova_apart varcorr_apart",
    "halves": "anova_type_1 anova_type_2 anova_narrow emmeans_satterthwaite pairs_by emtrends_halves",
    "worker": """fixef_worker confint_beta emmeans_worker emmeans_asymptotic pairs_worker pairs_holm pairs_none
        emmeans_and_contrasts""",
    "crossed": "ranova_crossed varcorr_crossed ranef_crossed",
    "baked": "anova_cake anova_kenward_roger fixef_cake emmeans_cake emmeans_by emmeans_two",
    "nested": "varcorr_variance",
}
SAME, LOOSER = "same to the digits shown", "looser convergence"


@pytest.fixture(scope="module")
def fit_of():
    made = {}

    def make(name):
        if name not in made:
            data, formula = MODELS[name]
            frame = lmt.datasets.load(data)
            if data == "sleepstudy":
                frame["half"] = ["even" if (code + 1) % 2 == 0 else "odd" for code in frame["Subject"].cat.codes]
            if data == "cake":
                frame["temperature"] = frame["temperature"].astype(str)
            made[name] = lmt.lmm(formula, frame).fit()
        return made[name]

    return make


def text_of(name):
    return (REFERENCE / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("model", "table"), [(m, t) for m, named in TABLES.items() for t in named.split()])
def test_a_table_of_the_same_fit_agrees(fit_of, model, table):
    """lme4's default optimiser stops within 1e-5 of the optimum, which tables of seven digits show."""
    found = lmt.compare(fit_of(model), text_of(table))
    printed = lmt.read_printout(text_of(table))
    assert len(found.rows) == sum(len(row.numbers) for row in printed.rows)
    assert {row.verdict for row in found.rows} <= {SAME, LOOSER}
    for row in found.rows:
        if row.verdict == LOOSER:
            assert abs(row.differences[1]) <= 1e-4 * max(abs(row.values[0]), 1.0)


@pytest.mark.parametrize(
    ("model", "table", "old", "new", "row"),
    [
        ("slope", "anova_slope", "3.264e-06", "3.624e-06", "anova: Days, Pr(>F)"),
        ("slope", "varcorr_slope", "5.9221", "5.9421", "variances: Subject, Days, Std.Dev."),
        ("slope", "varcorr_slope", "0.066", "0.096", "variances: Subject, Days, Corr with (Intercept)"),
        ("slope", "fixef_slope", "10.46729", "10.64729", "coefficients: Days, Estimate"),
        ("slope", "ranef_slope", " 9.1989758", " 9.9189758", "modes: Subject, Days, 308, mode"),
        ("slope", "confint_wald", "13.49698", "13.94698", "intervals: Days, upper"),
        (
            "worker",
            "pairs_worker",
            "  -7.97 1.05 46  -7.559",
            "  -7.96 1.05 46  -7.559",
            "means: contrast = A - B, estimate",
        ),
        ("crossed", "ranova_crossed", "282.39  1 ", "282.39  1 ", None),
    ],
)
def test_a_changed_number_disagrees(fit_of, model, table, old, new, row):
    text = text_of(table)
    assert old in text
    found = lmt.compare(fit_of(model), text.replace(old, new))
    wrong = [each.name for each in found.rows if each.verdict == "disagrees"]
    assert wrong == ([row] if row else [])


def test_a_table_of_another_model(fit_of):
    found = lmt.compare(fit_of("worker"), text_of("anova_slope"))
    assert found.verdict == "another model"
    assert "the table is of another model" in found.sentences[0]


def test_a_table_stands_beside_other_fits(fit_of):
    fit = fit_of("slope")
    found = lmt.compare(fit, str(fit.summary()), text_of("anova_slope"), names=["here", "printed", "tests"])
    assert [c.name for c in found.columns] == ["here", "printed", "tests"]
    assert found.rows[0].values[2] is None
    assert found.rows[-1].name == "anova: Days, Pr(>F)"
    assert found.rows[-1].values[1] is None
    assert "anova: Days, F value" in str(found)
    assert list(found.to_frame()["tests"].dropna()) == [30031, 30031, 1, 17, 45.853, 3.264e-06]


def test_lines_that_were_not_read_are_named(fit_of):
    text = text_of("emmeans_worker").replace(" B         60.3 2.23 5.83", " B         nonEst NA NA")
    found = lmt.compare(fit_of("worker"), text)
    assert "Not read, and so not compared: line 3" in found.sentences[-1]


def test_a_table_alone_is_not_compared(fit_of):
    with pytest.raises(lmt.LmmError, match="give a fit or a model first"):
        lmt.compare(text_of("anova_slope"), text_of("ranova_slope"))
    with pytest.raises(lmt.LmmError, match="give a fit or a model first"):
        lmt.compare(str(fit_of("slope").summary()), text_of("anova_slope"))
