"""Tables of parameters are read with the numbers behind them, and compare() finds them in the fit of the same model."""

import json
from pathlib import Path

import pytest

import lmmtools as lmt

REFERENCE = Path(__file__).parents[2] / "reference" / "printed_parameters"
RECORDED = json.loads((REFERENCE / "parameters.json").read_text(encoding="utf-8"))["tables"]
MODELS = {
    "slope": ("Reaction ~ Days + (Days | Subject)", "sleepstudy", True),
    "worker": ("score ~ Machine + (1 | Worker)", "Machines", True),
    "singular": ("Yield ~ 1 + (1 | Batch)", "Dyestuff2", True),
    "apart": ("Reaction ~ Days + (1 | Subject)", "sleepstudy", False),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", False),
}
# broom.mixed's kinds of parameters.
KINDS = {"sd": "sd", "var": "variance", "cor": "correlation", "cov": "covariance"}
TIDY = [name for name in RECORDED if name.startswith("tidy")]
# Tables that do not show every row or name whole.
ABBREVIATED = ("tidy_slope", "tidy_slope_narrow", "tidy_modes")
SJPLOT = [name for name in RECORDED if name.startswith("sjplot")]
PARAMETERS = [name for name in RECORDED if name.startswith("parameters")]
# Heading of model_parameters() -> name in its frame.
COLUMNS = {
    "CI low": "CI_low",
    "CI high": "CI_high",
    "df": "df_error",
    "Log-Mean": "Coefficient",
    "Log-Odds": "Coefficient",
}
COLUMNS |= {"Estimates": "Coefficient", "std. Error": "SE", "Statistic": "t"}
FIGURES = {
    "R2 (cond.)": "R2_conditional",
    "R2 (marg.)": "R2_marginal",
    "Conditional R2": "R2_conditional",
    "Marginal R2": "R2_marginal",
    "Adjusted ICC": "ICC_adjusted",
    "Unadjusted ICC": "ICC_unadjusted",
}
GLANCE = [name for name in RECORDED if name.startswith(("glance", "performance", "icc", "r2"))]


def text_of(name):
    return (REFERENCE / f"{name}.txt").read_text(encoding="utf-8")


def fit_of(name):
    formula, data, reml = MODELS[RECORDED[name]["fit"]]
    return lmt.lmm(formula, lmt.datasets.load(data)).fit(reml=reml)


def recorded_rows(name):
    """{labels: numbers} of the frame behind a table of tidy()."""
    found = {}
    for row in RECORDED[name]["frame"]:
        effect, term, group = row["effect"], row["term"], row.get("group")
        part = () if row.get("component", "cond") == "cond" else (row["component"],)
        if effect == "fixed":
            labels = ("fixed", term)
        elif effect == "ran_vals":
            labels = ("mode", group, row["level"], term)
        else:
            kind, _, names = term.partition("__")
            labels = (KINDS[kind], group, "" if names == "Observation" else names)
        found[(*part, *labels)] = row
    return found


def shows(printed, value):
    return printed.shows(value) or abs(printed - value) <= 1.1 * printed.half_unit


@pytest.mark.parametrize("name", TIDY)
def test_the_numbers_are_those_behind_the_text(name):
    table, recorded = lmt.read_printout(text_of(name)), recorded_rows(name)
    assert len(table.rows) + len(table.unread) >= min(len(recorded), 11)
    for row in table.rows:
        numbers = {column: v for column, v in recorded[row.labels].items() if isinstance(v, float | int)}
        assert set(row.numbers) <= set(numbers)
        assert all(shows(found, numbers[column]) for column, found in row.numbers.items()), row


@pytest.mark.parametrize(
    "name", [name for name in TIDY if "narrow" not in name and name not in ("tidy_slope", "tidy_modes")]
)
def test_a_table_is_read_whole(name):
    table, recorded = lmt.read_printout(text_of(name)), recorded_rows(name)
    assert table.unread == ()
    assert [row.labels for row in table.rows] == list(recorded)
    for row in table.rows:
        assert len(row.numbers) == sum(isinstance(v, float | int) for v in recorded[row.labels].values())


@pytest.mark.parametrize("name", PARAMETERS)
def test_rows_of_model_parameters_are_those_behind_the_text(name):
    table, recorded = lmt.read_printout(text_of(name)), RECORDED[name]["frame"]
    # The dispersion has no p value; what it is of is said by the title alone.
    recorded = [row for row in recorded if row.get("Component") != "dispersion"]
    assert len(table.unread) == (name == "parameters_zero_inflated")
    for row, behind in zip(table.rows, recorded, strict=True):
        is_fixed = "fixed" in row.labels
        assert is_fixed == (behind["Effects"] == "fixed")
        printed = {column: COLUMNS.get(column, column) for column in row.numbers}
        assert all(shows(row.numbers[column], behind[key]) for column, key in printed.items()), row
        assert "Coefficient" in printed.values()
        if is_fixed:
            assert len(row.numbers) >= 4


@pytest.mark.parametrize(
    "name", [name for name in TIDY + PARAMETERS + SJPLOT + GLANCE if RECORDED[name]["fit"] in MODELS]
)
def test_compare_finds_the_numbers_in_the_fit(name):
    table = lmt.compare(fit_of(name), text_of(name))
    # performance refits fits by ML for its criteria, by REML.
    allowed = (
        ("cannot be compared",) if name == "performance_apart" else ("same to the digits shown", "looser convergence")
    )
    assert table.verdict in allowed, table.sentences


@pytest.mark.parametrize("name", GLANCE)
def test_figures_are_those_behind_the_text(name):
    (row,) = lmt.read_printout(text_of(name)).rows
    (recorded,) = RECORDED[name]["frame"]
    if name.startswith(("glance", "performance")):
        assert len(row.numbers) == sum(value is not None for value in recorded.values())
    assert all(shows(found, recorded[FIGURES.get(column, column)]) for column, found in row.numbers.items())


@pytest.mark.parametrize("name", SJPLOT)
def test_effects_of_tab_model_are_those_behind_the_text(name):
    table, recorded = lmt.read_printout(text_of(name)), RECORDED[name]["frame"]
    assert [line.partition(": ")[2] for line in table.unread] == (
        ["'Deviance 1751.986'"] if name == "sjplot_digits" else []
    )
    rows = [row for row in table.rows if row.labels[0] == "fixed"]
    for row, behind in zip(rows, recorded, strict=True):
        for column, found in row.numbers.items():
            assert shows(found, behind[COLUMNS.get(column, column)]), row
        assert len(row.numbers) >= 4


def test_variances_and_figures_of_tab_model():
    """lme4 1.1-31: variances 612.10, 35.07, 654.94, correlation 0.066; performance: R2 0.279, 0.799, ICC 0.722."""
    table = lmt.read_printout(text_of("sjplot_slope"))
    found = {row.labels: [str(n) for n in row.numbers.values()] for row in table.rows}
    assert found["variance", "Subject", "(Intercept)"] == ["612.10"]
    assert found["variance", "Subject", "Days"] == ["35.07"]
    assert found["variance", "Residual", ""] == ["654.94"]
    assert found["correlation", "Subject", "(Intercept)", "Days"] == ["0.07"]
    assert found["fit",] == ["0.72", "0.279", "0.799"]
    assert table.facts == {"levels of Subject": "18", "nobs": "180"}
    older = text_of("sjplot_slope").replace("τ00 Subject\t612.10", "τ00\t612.10 Subject")
    assert lmt.read_printout(older).rows == table.rows


def test_several_models_side_by_side_are_refused():
    text = text_of("sjplot_slope").replace(
        "Predictors\tEstimates\tCI\tp", "Predictors\tEstimates\tCI\tp\tEstimates\tCI\tp"
    )
    with pytest.raises(lmt.LmmError, match="several models side by side"):
        lmt.read_printout(text)


def test_what_a_tibble_does_not_show_is_named():
    assert lmt.read_printout(text_of("tidy_modes")).unread == ("line 14: '… with 26 more rows'",)
    narrow = lmt.read_printout(text_of("tidy_slope_narrow"))
    assert [row.labels for row in narrow.rows] == [("fixed", "Days")]
    assert any("2 more variables: conf.low" in line for line in narrow.unread)


def test_abbreviated_columns_without_their_note_are_refused():
    text = text_of("tidy_slope")
    with pytest.raises(lmt.LmmError, match="abbreviates the name of a column, 'estim…¹'"):
        lmt.read_printout(text[: text.index("# …")])


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        ("tidy_slope_frame", "36.838090", "38.638090", "not estimate over std.error"),
        ("tidy_slope_frame", "265.80376", "256.80376", ""),
        ("tidy_slope_kable", "0.0655512", "6.0655512", "no standard deviation or correlation"),
        ("tidy_slope_wide", " 237. ", " 273. ", "not within its limits"),
        ("glance_slope", "1744.", "1774.", "not -2 logLik"),
        ("parameters_slope", "36.84", "38.64", "statistic is not Coefficient over SE"),
        ("parameters_slope", "[237.94, 264.87]", "[257.94, 264.87]", "not within its limits"),
        ("parameters_sexes", "-0.67", "-1.67", "no standard deviation or correlation"),
        ("sjplot_slope", "237.94", "273.94", "not in the middle of its limits"),
        ("sjplot_slope_columns", "36.84", "38.64", "not the estimate over its error"),
        ("r2_slope", "0.799", "0.179", "Marginal R2 0.279 is above"),
        ("performance_slope", "25.592", "25.59", "no number of three decimals"),
    ],
)
def test_changed_numbers_are_seen(name, old, new, named):
    text = text_of(name)
    assert old in text
    if named:
        with pytest.raises(lmt.LmmError, match=named):
            lmt.read_printout(text.replace(old, new))
    else:
        found = lmt.compare(fit_of(name), text.replace(old, new))
        assert found.verdict == "disagrees"


def test_names_of_model_parameters_are_r_s():
    table = lmt.read_printout(text_of("parameters_sexes"))
    assert [row.labels for row in table.rows] == [
        ("fixed", "(Intercept)"),
        ("fixed", "age"),
        ("fixed", "SexFemale"),
        ("fixed", "age:SexFemale"),
        ("sd", "Subject", "(Intercept)"),
        ("sd", "Subject", "age"),
        ("correlation", "Subject", "(Intercept)", "age"),
        ("sd", "Residual", ""),
    ]
    degrees = text_of("parameters_sexes").replace("Sex [Female]", "Sex [1st degree]")
    assert [line[:8] for line in lmt.read_printout(degrees).unread] == ["line 7: ", "line 8: "]


def test_modes_without_their_group_are_not_taken_for_effects():
    text = text_of("parameters_random").replace("SD (age: Subject) ", "age [M01]         ")
    table = lmt.read_printout(text)
    assert all(row.labels[0] in ("sd", "correlation") for row in table.rows)
    assert len(table.unread) == 1


def test_a_zero_inflated_model_is_not_compared():
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit()
    with pytest.raises(lmt.LmmError, match="a parameter of 'zi'"):
        lmt.compare(fit, text_of("tidy_zero_inflated"))


def test_every_text_has_its_record():
    assert {path.stem for path in REFERENCE.glob("*.txt")} == set(RECORDED)
