"""Every printed table is read whole, and its numbers are those behind the text, to the digits printed."""

import json
import math
import re
from itertools import chain
from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools.printout.printed_table import PrintedTable

REFERENCE = Path(__file__).parents[2] / "reference" / "printed_tables"
OTHER = REFERENCE.parent / "printed_other"
RECORDED = json.loads((REFERENCE / "tables.json").read_text(encoding="utf-8"))["tables"]
# Another function prints the same, and nothing in the text tells whose it is.
UNKNOWN = ["ranef_worker", "varcorr_frame"]
TABLES = [name for name, record in RECORDED.items() if "numbers" in record and name not in UNKNOWN]
MODELS = [name for name, record in RECORDED.items() if "parts" in record]


def text_of(name):
    return (REFERENCE / f"{name}.txt").read_text(encoding="utf-8")


def number(value):
    """A recorded number; R's NA and infinities are words."""
    return float("nan") if value in (None, "NA", "NaN") else float(value)


def printed_and_recorded(name):
    """(printed, recorded) for every number of a table, in the order of the frame behind it."""
    table, columns = lmt.read_printout(text_of(name)), RECORDED[name]["numbers"]
    if table.layout == "variances":
        labels = RECORDED[name]["labels"]
        rows = zip(labels["grp"], labels["var1"], labels["var2"], columns["vcov"], columns["sdcor"], strict=True)
        own = {(g, a or "", b or ""): {"Variance": v, "Std.Dev.": s, "Corr": s} for g, a, b, v, s in rows}
        for row in table.rows:
            for column, found in row.numbers.items():
                other = column.removeprefix("Corr with ") if column.startswith("Corr") else ""
                key = (row.labels[0], other, row.labels[1]) if other else (*row.labels, "")
                yield found, own[key]["Corr" if other else column]
        return
    if table.layout == "modes":
        for column in columns if name != "ranef_crossed" else [None]:
            rows = [row for row in table.rows if column in (None, row.labels[1])]
            recorded = columns[column or "both"]
            assert len(rows) == len(recorded)
            yield from ((row.numbers["mode"], value) for row, value in zip(rows, recorded, strict=True))
        return
    rows = [row for row in table.rows if row.labels[0] != "emmeans"]
    for k, row in enumerate(rows):
        for column, found in row.numbers.items():
            named = {"lower": next(iter(columns)), "upper": list(columns)[-1], "Estimate": "value"}
            recorded = columns[column if column in columns else named[column]]
            assert len(recorded) == len(rows)
            yield found, recorded[k]


@pytest.mark.parametrize("name", TABLES)
def test_the_numbers_are_those_behind_the_text(name):
    pairs = list(printed_and_recorded(name))
    assert pairs
    for found, recorded in pairs:
        # JSON has no infinity.
        value = found if math.isinf(found) and recorded is None else number(recorded)
        assert found == value or found.shows(value) or abs(found - value) <= 1.1 * found.half_unit, (found, recorded)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_whole(name):
    table = lmt.read_printout(text_of(name))
    assert table.unread == ()
    record = RECORDED[name]["numbers"]
    cells = sum(value is not None for column in record.values() for value in column)
    if table.layout in ("anova", "ranova"):
        assert sum(len(row.numbers) for row in table.rows) == cells
    if table.layout == "intervals":
        assert len(table.rows) == len(RECORDED[name]["rows"])


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_no_line_names_is_not_read(name):
    with pytest.raises(lmt.LmmError):
        lmt.read_printout(text_of(name))


@pytest.mark.parametrize("name", MODELS)
def test_each_model_of_a_fit_is_read(name):
    table, record = lmt.read_printout(text_of(name)), RECORDED[name]
    assert table.rows[0].numbers["logLik"].shows(-0.5 * record["criterion"])
    assert table.rows[0].numbers["df.resid"] == record["df_resid"]
    sds = [row.numbers["Std.Dev."] for row in table.rows if "Std.Dev." in row.numbers]
    assert [sd.shows(v) for sd, v in zip(sds, chain(*record["sds"].values()), strict=True)] == [True] * len(sds)
    for part, model in record["parts"].items():
        label = {"zi": ("zero-inflation",), "disp": ("dispersion",)}.get(part, ())
        rows = [row for row in table.rows if "Estimate" in row.numbers and row.labels[:-1] == label]
        assert [row.labels[-1] for row in rows] == model["names"]
        keys = {"Estimate": "fixef", "Std. Error": "std_errors", "z value": "z", "Pr(>|z|)": "p"}
        for column, key in keys.items():
            for row, value in zip(rows, model[key], strict=True):
                found = row.numbers[column]
                assert found.shows(value) or abs(found - value) <= 1.1 * found.half_unit


def test_a_declared_model_without_its_table_is_refused():
    text = text_of("tmb_zero_inflated")
    with pytest.raises(lmt.LmmError, match="declares a model whose table is missing"):
        lmt.read_printout(text[: text.index("Zero-inflation model:")])
    with pytest.raises(lmt.LmmError, match="lmmtools fits linear"):
        lmt.compare(lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(), text)


FITS = [name for name, record in RECORDED.items() if "numbers" not in record and "parts" not in record]


@pytest.mark.parametrize("name", FITS)
def test_fits_of_other_functions_are_read(name):
    printed, record = lmt.read_printout(text_of(name)), RECORDED[name]
    if isinstance(printed, PrintedTable):
        criteria = printed.rows[0].numbers
        sds = [row.numbers["Std.Dev."] for row in printed.rows[1:] if "Std.Dev." in row.numbers and row.labels[1]]
        effects = [row for row in printed.rows if "Estimate" in row.numbers]
        names = [row.labels[0] for row in effects]
        columns = {column: [row.numbers[column] for row in effects] for column in effects[0].numbers}
        assert int(printed.facts["nobs"]) == record["nobs"]
    else:
        criteria, sds = printed.criteria, list(printed.std_devs.values())
        names = list(printed.fixef)
        columns = {"Estimate": printed.fixef.values(), "Std. Error": printed.std_errors.values()}
        columns |= {"z value": [c.t for c in printed.fixed], "Pr(>|z|)": [c.p for c in printed.fixed]}
        assert printed.reml == name.endswith("reml")
        assert printed.criterion.shows(record["criterion"])
        assert printed.sigma.shows(record["sigma"])
        assert [r.text for r in printed.correlations.values()] == [f"{r:.2f}" for r in record["correlations"]]
    assert criteria["logLik"].shows(-0.5 * record["criterion"])
    if "AIC" in criteria:
        assert criteria["AIC"].shows(record["AIC"])
        assert criteria["df.resid"].shows(record["df_resid"])
    assert len(sds) == len(record["sds"])
    assert all(abs(sd - value) <= 1.1 * sd.half_unit for sd, value in zip(sds, record["sds"], strict=True))
    assert names == record["fixef_names"]
    pairs = {"Estimate": "fixef", "Std. Error": "std_errors", "z value": "z", "Pr(>|z|)": "p"}
    for column, key in pairs.items():
        for found, value in zip(columns[column], record[key], strict=True):
            assert found.shows(value) or abs(found - value) <= 1.1 * found.half_unit


# What MixedModels.jl 4 prints of sleepstudy; the numbers are lme4's to the digits printed (-2 log L 1751.93934).
JULIA = (OTHER / "julia.txt").read_text(encoding="utf-8")


def test_a_model_of_julia_is_read_and_compared():
    printed = lmt.read_printout(JULIA)
    assert (printed.engine, printed.reml, printed.nobs, printed.ngroups) == (
        "MixedModels.jl",
        False,
        180,
        {"Subject": 18},
    )
    assert printed.criteria == {"logLik": -875.9697, "AIC": 1763.9393, "BIC": 1783.0971}
    assert [str(v) for v in printed.variances.values()] == ["565.5107", "32.6821"]
    assert printed.correlations == {"Subject (Intercept), Days": 0.08}
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(reml=False)
    assert lmt.compare(fit, JULIA).verdict in ("same to the digits shown", "looser convergence")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("1751.9393", "1715.9393", "-2 logLik"),
        ("23.7805", "23.8705", "not square and root"),
        ("1.50224", "1.52024", "z is not Coef. over Std. Error"),
        ("factors: 18", "factors: 18, 6", "2 numbers of levels are printed for 1 grouping"),
        ("Residual              654.9415 25.5918\n", "", "no row Residual"),
        (
            "Days          10.4673     1.50224   6.97    <1e-11\n──────────────────────────────────────────────────\n",
            "",
            "cut",
        ),
    ],
)
def test_a_changed_model_of_julia_is_refused(old, new, named):
    assert old in JULIA
    with pytest.raises(lmt.LmmError, match=named):
        lmt.read_printout(JULIA.replace(old, new))


# What Stata's mixed prints; tests/reference/printed_other/README.rst says where layouts and numbers come from.
STATA, STATA_SD, STATA_T, STATA_CROSSED = (
    (OTHER / f"{name}.txt").read_text(encoding="utf-8") for name in ("stata", "stata_sd", "stata_t", "stata_crossed")
)


def test_a_model_of_stata_is_read_and_compared():
    printed = lmt.read_printout(STATA)
    assert (printed.engine, printed.reml, printed.nobs, printed.ngroups) == ("Stata", False, 180, {"Subject": 18})
    assert {k: str(v) for k, v in printed.variances.items()} == {
        "Subject Days": "32.6822",
        "Subject (Intercept)": "565.5154",
    }
    assert str(printed.scale) == "654.941"
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(reml=False)
    assert lmt.compare(fit, STATA).verdict == "same to the digits shown"


def test_standard_deviations_of_stata_are_read_and_compared():
    printed = lmt.read_printout(STATA_SD)
    assert printed.sigma.shows(25.59182)
    assert {k: v.text for k, v in printed.correlations.items()} == {"Subject (Intercept), Days": ".0813226"}
    assert not printed.covariances
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(reml=False)
    assert lmt.compare(fit, STATA_SD).verdict in ("same to the digits shown", "looser convergence")


def test_t_tests_of_stata_are_read_and_compared():
    printed = lmt.read_printout(STATA_T)
    assert printed.method == "t-tests use Stata's Satterthwaite"
    assert [str(c.t) for c in printed.fixed] == ["6.77", "36.84"]
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
    assert lmt.compare(fit, STATA_T).verdict in ("same to the digits shown", "looser convergence")
    with pytest.raises(lmt.LmmError, match="not in the middle of its limits"):
        lmt.read_printout(STATA_T.replace("13.72863", "13.27863"))


def test_counts_and_decimal_commas_of_stata():
    groups = """\
-------------------------------------------------------------
                |     No. of       Observations per group
 Group variable |     groups    Minimum    Average    Maximum
----------------+--------------------------------------------
           town |      1,009         51       90.7        136
        Subject |     48,000         17       17.0         17
-------------------------------------------------------------
"""
    text = STATA.replace(
        "        180\nGroup variable: Subject                         Number of groups  =         18",
        f"      1,800\n{groups}",
    )
    printed = lmt.read_printout(text)
    assert (printed.nobs, printed.ngroups) == (1800, {"town": 1009, "town:Subject": 48000})
    commas = lmt.read_printout(re.sub(r"(?<=\d)\.(?=\d)", ",", STATA))
    assert commas.log_likelihood.shows(-875.96967)
    assert commas.fixef == lmt.read_printout(STATA).fixef


def test_crossed_effects_of_stata_are_read_and_compared():
    assert list(lmt.read_printout(STATA_CROSSED).variances) == ["sample (Intercept)", "plate (Intercept)"]
    fit = lmt.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", lmt.datasets.load("Penicillin")).fit()
    assert lmt.compare(fit, STATA_CROSSED).verdict in ("same to the digits shown", "looser convergence")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("6.97", "6.79", "z is not the coefficient over its error"),
        ("13.41162", "13.14162", "is not the 95% limit"),
        ("Subject: Unstructured        |\n", "", "belongs to no group"),
        ("                  var(_cons) |   565.5154   264.5891     226.0431    1414.822\n", "", "lacks a variance"),
        ("32.6822   13.62958", "13.62958", "no variance or covariance with its limits"),
        ("Log likelihood", "Iteration", "'Log likelihood' is missing"),
    ],
)
def test_a_changed_model_of_stata_is_refused(old, new, named):
    assert old in STATA
    with pytest.raises(lmt.LmmError, match=named):
        lmt.read_printout(STATA.replace(old, new))


def test_a_generalised_model_is_not_compared():
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit()
    with pytest.raises(lmt.LmmError, match="a fit of the family poisson: lmmtools fits linear"):
        lmt.compare(fit, text_of("tmb_poisson"))


def test_every_text_has_its_record():
    assert {path.stem for path in REFERENCE.glob("*.txt")} == set(RECORDED)


def test_facts_of_tests_and_means():
    assert lmt.read_printout(text_of("anova_type_2")).facts == {"type": "II", "ddf": "satterthwaite"}
    assert lmt.read_printout(text_of("anova_kenward_roger")).facts["ddf"] == "kenward-roger"
    assert lmt.read_printout(text_of("pairs_holm")).facts["adjust"] == "holm"
    assert lmt.read_printout(text_of("emmeans_asymptotic")).facts == {"ddf": "z", "level": "0.95"}
    assert lmt.read_printout(text_of("confint_beta")).facts == {"alpha": "0.1"}


def test_coef_is_not_taken_for_ranef():
    """coef(fit) prints as ranef(fit) does; 308 has 253.7 there and 2.26 here (lme4 1.1-31)."""
    text = text_of("ranef_slope").replace("with conditional variances for “Subject”", "")
    assert lmt.read_printout(text).layout == "modes"
    lines = [line.replace("  2.2585509", "253.6636896") for line in text.splitlines()]
    with pytest.raises(lmt.LmmError, match="may be those of coef"):
        lmt.read_printout("\n".join(lines))
    with pytest.raises(lmt.LmmError, match="may be those of coef"):
        lmt.read_printout(text + 'attr(,"class")\ncoef.mer\n')


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        ("anova_cake", "20.60", "26.00", "Mean Sq is not Sum Sq over NumDF"),
        ("ranova_slope", "42.837", "42.873", "LRT is not twice the difference of logLik"),
        ("ranova_slope", "1794.5", "1749.5", "AIC does not follow"),
        ("coef_summary", "6.771481", "6.717481", "is not its estimate"),
        ("varcorr_both", "35.072", "53.072", "not square and root"),
        ("emmeans_worker", "66.3", "63.6", "not in the middle of its limits"),
        ("pairs_worker", "-7.559", "-7.955", "t.ratio is not estimate over SE"),
        ("confint_wald", "13.49698", " 3.49698", "lower limit is above the upper"),
    ],
)
def test_changed_numbers_are_seen(name, old, new, named):
    text = text_of(name)
    assert old in text
    with pytest.raises(lmt.LmmError, match=named):
        lmt.read_printout(text.replace(old, new))


def test_two_tables_are_refused():
    with pytest.raises(lmt.LmmError, match=r"ranova\(\) of lmerTest \(line \d+\).*give one at a time"):
        lmt.read_printout(text_of("anova_slope") + "\n" + text_of("ranova_slope"))
    with pytest.raises(lmt.LmmError, match="two tables of variances"):
        lmt.read_printout(text_of("varcorr_slope") + "\n" + text_of("varcorr_slope"))


def test_rows_that_are_not_understood_are_named():
    text = text_of("emmeans_worker").replace(" B         60.3 2.23 5.83", " B         nonEst NA NA")
    table = lmt.read_printout(text)
    assert [row.labels for row in table.rows] == [("Machine = A",), ("Machine = C",)]
    assert table.unread[0].startswith("line 3: 'B nonEst NA NA")
    assert "not read: line 3" in str(table)


def test_a_table_within_a_session():
    marked = "".join(f"#> {line}\n" for line in text_of("anova_slope").splitlines())
    table = lmt.read_printout(f"anova(fit)\n{marked}VarCorr(fit)\n")
    assert isinstance(table, PrintedTable)
    assert table.rows == lmt.read_printout(text_of("anova_slope")).rows


def test_a_heading_that_lost_its_mark_is_refused():
    title, heading, *rows = text_of("anova_slope").splitlines()
    marked = "\n".join([f"// {title}", heading, *(f"// {row}" for row in rows)])
    with pytest.raises(lmt.LmmError, match="was its mark lost"):
        lmt.read_printout(marked)


def test_a_summary_goes_before_tables_around_it():
    summary = (REFERENCE.parent / "printed" / "lmertest_satterthwaite.txt").read_text(encoding="utf-8")
    assert lmt.read_printout(summary + "\n" + text_of("anova_slope")).engine == "lme4"


SPSS, SPSS_INTERCEPTS = ((OTHER / f"{name}.txt").read_text(encoding="utf-8") for name in ("spss", "spss_intercepts"))


def test_tables_of_spss_are_read_and_compared():
    table = lmt.read_printout(SPSS)
    assert table.unread == ()
    assert [row.labels for row in table.rows] == [
        ("fit",),
        ("fixed", "(Intercept)"),
        ("fixed", "Days"),
        ("variance", "Residual", ""),
        ("variance", "Subject", "(Intercept)"),
        ("covariance", "Subject", "(Intercept)", "Days"),
        ("variance", "Subject", "Days"),
    ]
    assert str(table.rows[1].numbers["Std. Error"]) == "6.824557"
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
    found = lmt.compare(fit, SPSS)
    assert found.verdict == "same to the digits shown"
    # AIC of SPSS by REML counts the four variance parameters alone.
    assert "fit, AIC of SPSS" in " ".join(row.label for row in found.rows)
    assert lmt.compare(fit, SPSS.replace("1764.355", "1764.553")).verdict == "disagrees"


def test_a_row_of_each_random_intercept_of_spss():
    table = lmt.read_printout(SPSS_INTERCEPTS)
    assert [row.labels[1] for row in table.rows] == ["(Intercept)", "Residual", "batch", "batch:cask"]
    assert table.unread == ()
    fit = lmt.lmm("strength ~ 1 + (1 | batch/cask)", lmt.datasets.load("Pastes")).fit()
    assert lmt.compare(fit, SPSS_INTERCEPTS).verdict == "same to the digits shown"


def test_names_of_levels_and_redundant_rows_of_spss():
    days = next(line for line in SPSS.splitlines() if line.startswith("Days"))
    text = SPSS.replace(days, f"{days.replace('Days', '[group=2] * Days')}\n[group=3] * Days\t0b\t0\t.\t.\t.\t.\t.")
    table = lmt.read_printout(text)
    assert table.rows[2].labels == ("fixed", "group2:Days")
    assert [line.partition(": ")[2] for line in table.unread] == ["'[group=3] * Days 0b 0 . . . . .'"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("36.838", "38.638", "t is not Estimate over Std. Error"),
        ("237.006549", "273.006549", "bounds or Sig. are not those"),
        ("1751.628", "1751.862", "twice a number of parameters"),
        ("2.120", "2.210", "Wald Z is not Estimate over Std. Error"),
        ("Parameter\tEstimate\tStd. Error\tdf\tt\tSig.", "", "has no heading"),
        ("6.824557\t", "6.824557\n", "part of the line above it"),
    ],
)
def test_a_changed_table_of_spss_is_refused(old, new, named):
    assert old in SPSS
    with pytest.raises(lmt.LmmError, match=named):
        lmt.read_printout(SPSS.replace(old, new))


def test_a_text_that_is_no_printout_is_told_what_is_read():
    with pytest.raises(lmt.LmmError, match=r"neither the heading of a fit .*nor that of a table about one"):
        lmt.read_printout("            Chisq Df Pr(>Chisq)\nDays      45.853  1  1.275e-11 ***")
    with pytest.raises(lmt.LmmError, match="SAS PROC MIXED"):
        lmt.read_printout(
            "The Mixed Procedure\n\nCovariance Parameter Estimates\n\nCov Parm  Estimate\nResidual  654.94\n"
        )


JTOOLS = (OTHER / "jtools.txt").read_text(encoding="utf-8")


def test_summ_of_jtools_is_read_and_compared():
    table = lmt.read_printout(JTOOLS)
    assert table.facts == {"nobs": "180", "ddf": "satterthwaite"}
    assert table.unread == ()
    assert {row.labels: [str(n) for n in row.numbers.values()] for row in table.rows} == {
        ("fixed", "(Intercept)"): ["251.41", "6.82", "36.84", "17.00", "0.00"],
        ("fixed", "Days"): ["10.47", "1.55", "6.77", "17.00", "0.00"],
        ("sd", "Subject", "(Intercept)"): ["24.74"],
        ("sd", "Subject", "Days"): ["5.92"],
        ("sd", "Residual", ""): ["25.59"],
        ("fit",): ["1755.63", "1774.79", "0.28", "0.80"],
    }
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
    assert lmt.compare(fit, JTOOLS).verdict == "same to the digits shown"
    assert lmt.compare(fit, JTOOLS.replace("24.74", "24.47")).verdict == "disagrees"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("36.84", "38.64", "t val. is not Est. over S.E."),
        (f"{57 * '-'}\n\np values", "\np values", "not closed by a rule"),
        ("= 0.80", "= 0.8", "not equally many decimals"),
        ("RANDOM", "MODEL INFO:\nRANDOM", "more than one printed fit"),
    ],
)
def test_a_changed_summ_is_refused(old, new, named):
    assert old in JTOOLS
    with pytest.raises(lmt.LmmError, match=named):
        lmt.read_printout(JTOOLS.replace(old, new))
