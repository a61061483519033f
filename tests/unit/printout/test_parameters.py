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
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", False),
}
# broom.mixed's kinds of parameters.
KINDS = {"sd": "sd", "var": "variance", "cor": "correlation", "cov": "covariance"}
TIDY = [name for name in RECORDED if name.startswith("tidy")]
# Tables that do not show every row or name whole.
ABBREVIATED = ("tidy_slope", "tidy_slope_narrow", "tidy_modes")
GLANCE = [name for name in RECORDED if name.startswith("glance")]


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


@pytest.mark.parametrize("name", [name for name in TIDY + GLANCE if RECORDED[name]["fit"] in MODELS])
def test_compare_finds_the_numbers_in_the_fit(name):
    table = lmt.compare(fit_of(name), text_of(name))
    assert table.verdict in ("same to the digits shown", "looser convergence"), table.sentences


@pytest.mark.parametrize("name", GLANCE)
def test_figures_are_those_behind_the_text(name):
    (row,) = lmt.read_printout(text_of(name)).rows
    (recorded,) = RECORDED[name]["frame"]
    assert list(row.numbers) == list(recorded)
    assert all(shows(found, recorded[column]) for column, found in row.numbers.items())


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


def test_a_zero_inflated_model_is_not_compared():
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit()
    with pytest.raises(lmt.LmmError, match="a parameter of 'zi'"):
        lmt.compare(fit, text_of("tidy_zero_inflated"))


def test_every_text_has_its_record():
    assert {path.stem for path in REFERENCE.glob("*.txt")} == set(RECORDED)
