"""Fits side by side: the fits' own numbers, stars by known p-values, criteria in rows where they compare."""

from __future__ import annotations

import builtins
import html.parser
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools.errors import DataError, LmmError

PRINTED = Path(__file__).parents[2] / "reference" / "printed"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return lmt.datasets.load("sleepstudy")


@pytest.fixture(scope="module")
def fit(data):
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", data).fit(engine="pls")


@pytest.fixture(scope="module")
def ml(data):
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", data).fit(reml=False, engine="pls")


@pytest.fixture(scope="module")
def null(data):
    return lmt.lmm("Reaction ~ 1 + (1|Subject)", data).fit(engine="pls")


@pytest.fixture(scope="module")
def ols(data):
    return smf.ols("Reaction ~ Days", data).fit()


@pytest.fixture(scope="module")
def printed():
    return lmt.read_lme4_summary((PRINTED / "lmertest_satterthwaite.txt").read_text())


def rows(table) -> dict[str, list[str]]:
    """Labelled rows as they are printed."""
    frame = table.to_frame(formatted=True)
    return {label: list(values) for label, values in zip(frame.index, frame.to_numpy(), strict=True) if label}


def test_the_frame_has_the_fits_own_numbers_unrounded(fit, ml, ols) -> None:
    frame = lmt.tables.side_by_side(fit, ml, ols).to_frame()
    for name, result in (("(1)", fit), ("(2)", ml), ("(3)", ols)):
        assert frame.loc[("fixed", "Days", "estimate"), name] == result.params["Days"], name
        assert frame.loc[("fixed", "Days", "std_error"), name] == pytest.approx(result.bse["Days"], rel=1e-12), name
    tests = fit.tests().to_frame()
    limits = fit.conf_int(ddf="satterthwaite")
    assert frame.loc[("fixed", "Days", "p"), "(1)"] == tests["p"]["Days"]
    assert frame.loc[("fixed", "Days", "upper"), "(1)"] == pytest.approx(limits.loc["Days", 1], rel=1e-12)
    assert frame.loc[("fixed", "Days", "p"), "(3)"] == ols.pvalues["Days"]
    varcorr = fit.varcorr.to_frame()
    assert frame.loc[("random", "Subject: Days", "variance"), "(1)"] == varcorr["vcov"][1]
    assert frame.loc[("random", "Subject: (Intercept), Days", "correlation"), "(1)"] == varcorr["sdcor"][2]
    assert frame.loc[("random", "Residual", "sd"), "(1)"] == fit.sigma
    assert frame.loc[("random", "Residual", "variance"), "(3)"] == pytest.approx(ols.scale, rel=1e-12)
    assert [frame.loc[("fit", k, ""), "(1)"] for k in ("criterion", "aic", "bic")] == [fit.objective, fit.aic, fit.bic]
    assert frame.loc[("fit", "r2_conditional", ""), "(1)"] == fit.r2().conditional
    assert frame.loc[("fit", "icc", ""), "(1)"] == fit.icc().adjusted


def test_every_source_of_one_fit_prints_the_same_column(fit, data, printed, tmp_path) -> None:
    file = tmp_path / "fit.json"
    fit.to_json(file)
    raw = smf.mixedlm("Reaction ~ Days", data, groups="Subject", re_formula="~Days").fit()
    text = (PRINTED / "lmertest_satterthwaite.txt").read_text()
    sources = [fit, raw, lmt.patch_summary(raw), fit.to_json(), file, str(file), lmt.read_json(file), printed, text]
    table = rows(lmt.tables.side_by_side(*sources, stars=False))
    for label in ("Days", "Residual", "Subject: Days", "Subject: corr. (Intercept), Days", "Levels of Subject"):
        assert len(set(table[label])) == 1, (label, table[label])
    assert table["Days"][0] == "10.467"
    assert table["Software"] == ["lmmtools", "statsmodels", "statsmodels", *["lmmtools"] * 4, "lme4", "lme4"]


def test_a_recorded_fit_of_lme4_stands_beside_lmmtools() -> None:
    recorded, _ = lmt.datasets.recorded("pastes_nested")
    fit = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes")).fit()
    table = rows(lmt.tables.side_by_side(fit, recorded))
    assert table["batch: (Intercept)"][0] == table["batch: (Intercept)"][1]
    assert table["REML criterion"] == ["247.0", "247.0"]
    assert table["(Intercept)"] == ["60.0533***", "60.0533"]


def test_names_of_r_and_python_are_one_row(data) -> None:
    cake = lmt.datasets.load("cake")
    fit = lmt.lmm("angle ~ recipe + (1|recipe:replicate)", cake).fit()
    recorded = {
        "criterion": fit.objective, "reml": True, "sigma": fit.sigma, "nobs": 270, "ngrps": {"replicate:recipe": 45},
        "varcorr": {"grp": ["replicate:recipe", "Residual"], "var1": ["(Intercept)", None], "var2": [None, None],
                    "vcov": [1.0, 2.0], "sdcor": [1.0, 2.0**0.5]},
        "fixef_names": ["(Intercept)", "recipeB", "recipeC"], "fixef": [33.0, -1.0, -2.0],
        "std_errors": [1.0, 1.0, 1.0],
    }  # fmt: skip
    table = lmt.tables.side_by_side(fit, recorded)
    fixed = [row.label for row in table.rows if row.part == "fixed" and row.label]
    assert fixed == ["(Intercept)", "recipe[T.B]", "recipe[T.C]"]
    assert [row.label for row in table.rows if row.label.startswith("Levels")] == ["Levels of recipe:replicate"]
    kept = lmt.tables.side_by_side(fit, recorded, keep="recipeC", labels={"recipe[T.C]": "Recipe C"})
    assert [row.label for row in kept.rows if row.part == "fixed"] == ["Recipe C", ""]


def test_keep_drop_and_order_take_patterns_and_refuse_what_is_nowhere(fit, null) -> None:
    def fixed(**options):
        table = lmt.tables.side_by_side(null, fit, below=None, **options)
        return [row.label for row in table.rows if row.part == "fixed"]

    assert fixed() == ["(Intercept)", "Days"]
    assert fixed(order="Days") == ["Days", "(Intercept)"]
    assert fixed(drop="Intercept") == ["Days"]
    assert fixed(keep="D*s") == ["Days"]
    for option in ("keep", "drop", "order"):
        with pytest.raises(DataError, match=rf"{option}: no fit has a fixed effect 'Dose'; there are Intercept, Days"):
            fixed(**{option: "Dose"})
    with pytest.raises(DataError, match="labels: no fit has an effect or factor 'Dose'"):
        fixed(labels={"Dose": "dose"})


@pytest.fixture(scope="module")
def few():
    """Six groups and an effect between them: p is 0.0603 by Satterthwaite and 0.0094 by the normal distribution."""
    rng = np.random.default_rng(15)
    g = np.repeat(np.arange(6), 8)
    t = (g % 2) * 1.0
    data = pd.DataFrame({"g": g, "t": t, "y": 1.9 * t + rng.standard_normal(6)[g] + rng.standard_normal(48) * 0.5})
    return lmt.lmm("y ~ t + (1|g)", data).fit(engine="pls")


def test_stars_follow_the_test_and_the_legend_names_it(few) -> None:
    table = lmt.tables.side_by_side(few, few, few, ddf=["satterthwaite", "z", None])
    assert [text.lstrip("-0123456789.") for text in rows(table)["t"]] == ["", "**", ""]
    assert "* p < 0.05, ** p < 0.01, *** p < 0.001." in table.notes
    assert "(1): t tests with Satterthwaite's degrees of freedom." in table.notes
    assert "(2): z tests (Wald)." in table.notes
    assert "(3): no p-values." in table.notes
    own = lmt.tables.side_by_side(few, stars={"+": 0.1})
    assert rows(own)["t"][0].endswith("+")
    assert "+ p < 0.1." in own.notes


def test_kenward_and_rogers_errors_are_said_to_be_theirs(few) -> None:
    table = lmt.tables.side_by_side(few, ddf="kenward-roger")
    assert table.to_frame().loc[("fixed", "t", "std_error"), "(1)"] == few.tests("kenward-roger").std_error[1]
    assert "Standard errors of (1): Kenward and Roger's." in table.notes


def test_a_p_value_that_is_not_defined_has_no_star(data) -> None:
    saturated = smf.ols("Reaction ~ Days", data.iloc[:2]).fit()
    assert np.isnan(saturated.pvalues).all()
    assert "*" not in "".join(rows(lmt.tables.side_by_side(saturated))["Days"])


def test_a_printout_without_p_values_and_a_record_have_none(fit) -> None:
    text = (PRINTED / "nested.txt").read_text()
    table = lmt.tables.side_by_side(fit.to_json(), text)
    assert "(1) and (2): no p-values." in table.notes
    assert not any("*" in cell for row in rows(table).values() for cell in row), rows(table).values()
    by_z = lmt.tables.side_by_side(fit.to_json(), fit, ddf="z")
    p = by_z.to_frame().loc[("fixed", "Days", "p")]
    assert p["(1)"] == pytest.approx(fit.pvalues["Days"], rel=1e-9)
    assert p["(2)"] == pytest.approx(p["(1)"], rel=1e-9)


def test_robust_errors_are_shown_as_they_were_asked_for(data) -> None:
    robust = smf.ols("Reaction ~ Days", data).fit(cov_type="cluster", cov_kwds={"groups": data["Subject"].cat.codes})
    table = lmt.tables.side_by_side(robust)
    assert table.to_frame().loc[("fixed", "Days", "std_error"), "(1)"] == robust.bse["Days"]
    assert "Standard errors of (1): robust (cluster)." in table.notes


def test_reml_never_shares_a_row_with_ml_or_ols(fit, ml, ols) -> None:
    table = rows(lmt.tables.side_by_side(fit, ml, ols, statistics=["criterion", "loglik", "aic", "bic"]))
    for label, values in table.items():
        if any(word in label for word in ("REML criterion", "(REML)")):
            assert values[0], label
            assert values[1:] == ["", ""], label
        if "-2 log" in label or "(ML)" in label:
            assert values[0] == "", label
            assert all(values[1:]), label
    assert table["AIC (ML)"][2] == f"{-2 * ols.llf + 2 * 3:.1f}"
    assert not [label for label in table if label in ("AIC", "BIC", "Log-likelihood")]


def test_what_does_not_compare_is_said(fit, null, data) -> None:
    said = lmt.tables.side_by_side(fit, fit, null).notes
    assert any(n.startswith("Other fixed effects in (1) and (2) than in (3): REML criteria") for n in said), said
    assert [n for n in lmt.tables.side_by_side(fit, fit).notes if n.startswith("Other")] == []
    logs = lmt.lmm("np.log(Reaction) ~ Days + (Days|Subject)", data).fit(engine="pls")
    table = lmt.tables.side_by_side(fit, logs)
    assert any(n.startswith("Other responses or rows in (1) than in (2)") for n in table.notes), table.notes
    assert rows(table)["Response"] == ["Reaction", "log(Reaction)"]
    half = lmt.lmm("Reaction ~ Days + (Days|Subject)", data.iloc[:90]).fit(engine="pls")
    said = lmt.tables.side_by_side(fit, half).notes
    assert any(n.startswith("Other responses or rows") for n in said), said
    # The same names in another unit: log|X'X| is another, and so is the REML criterion.
    weeks = lmt.lmm("Reaction ~ Days + (Days|Subject)", data.assign(Days=data["Days"] / 7)).fit(engine="pls")
    said = lmt.tables.side_by_side(fit, weeks).notes
    assert any(n.startswith("Other fixed effects") for n in said), said


def test_r2_of_ols_has_a_row_of_its_own(fit, ols) -> None:
    table = rows(lmt.tables.side_by_side(fit, ols))
    assert table["R² marginal"][1] == table["R² conditional"][1] == table["ICC"][1] == ""
    assert table["R²"] == ["", f"{ols.rsquared:.3f}"]


FORMATS = ["text", "markdown", "html", "latex"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_flags_are_in_every_format(fit, name) -> None:
    zero = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff2")).fit()
    assert zero.is_singular
    failed = (PRINTED / "not_converged.txt").read_text()
    table = lmt.tables.side_by_side(fit, zero, failed)
    assert rows(table)["Flags"] == ["none", "singular", "not converged"]
    text = getattr(table, f"to_{name}")()
    assert "singular" in text
    assert "not converged" in text


@pytest.mark.filterwarnings("ignore")
def test_flags_of_what_was_stopped_early(data) -> None:
    raw = smf.mixedlm("Reaction ~ Days", data, groups="Subject", re_formula="~Days").fit(method="bfgs", maxiter=1)
    assert not raw.converged
    fit = lmt.from_mixedlm(raw)
    assert not fit.converged
    flags = rows(lmt.tables.side_by_side(raw, fit, fit.to_json()))["Flags"]
    assert flags == ["not converged, not certified", "not certified", "not certified"]


@pytest.mark.parametrize("name", FORMATS)
def test_names_that_are_mark_up_are_escaped(data, name) -> None:
    odd = data.rename(columns={"Days": "x_<script>|&$#%", "Subject": "who_<b>"})
    fit = lmt.lmm("Reaction ~ `x_<script>|&$#%` + (1|`who_<b>`)", odd).fit(engine="pls")
    text = getattr(lmt.tables.side_by_side(fit, names=["<i>a</i>_1"], caption="<u>"), f"to_{name}")()
    if name in ("markdown", "html"):
        assert not any(tag in text for tag in ("<script", "<b>", "<i>", "<u>"))
    if name == "latex":
        assert r"x\_\textless{}script\textgreater{}\textbar{}\&\$\#\%" in text.replace(r"\allowbreak{}", "")


def test_html_is_well_formed_and_points_line_up(fit, null) -> None:
    text = lmt.tables.side_by_side(fit, null, caption="Reaction").to_html()

    class Reader(html.parser.HTMLParser):
        open_now: list[str]

        def handle_starttag(self, tag, attrs):
            self.open_now.append(tag)

        def handle_endtag(self, tag):
            assert self.open_now.pop() == tag

    reader = Reader()
    reader.open_now = []
    reader.feed(text)
    assert reader.open_now == []
    assert text.count("<tbody") == 5
    assert '<th scope="rowgroup" colspan="3"' in text


def test_points_stand_below_each_other_in_text(fit, null) -> None:
    lines = str(lmt.tables.side_by_side(fit, null)).splitlines()
    places = {line.index(".", 34) for line in lines if line.startswith(("Days", "Residual", "REML"))}
    assert len(places) == 1


def test_rounded_numbers_show_no_digit_that_was_not_printed(printed) -> None:
    table = rows(lmt.tables.side_by_side(printed, digits=9))
    assert table["Days"] == ["10.467***"]
    assert table["Subject: corr. (Intercept), Days"] == ["0.07"]
    assert table["REML criterion"] == ["1743.6"]


def test_what_stands_below(fit) -> None:
    def below(**options) -> str:
        frame = lmt.tables.side_by_side(fit, **options).to_frame(formatted=True)
        return str(frame.iloc[list(frame.index).index("Days") + 1, 0])

    assert below() == "(1.546)"
    assert below(below="interval", decimals=2) == "[7.21, 13.73]"
    assert below(below="statistic") == "(6.77)"
    assert below(below="p") == "(<0.001)"
    assert below(below=None) == ""
    narrow = lmt.tables.side_by_side(fit, below="interval", level=0.9)
    assert "90% intervals in brackets." in narrow.notes
    upper = narrow.to_frame().loc[("fixed", "Days", "upper"), "(1)"]
    assert upper == pytest.approx(fit.conf_int(0.1, ddf="satterthwaite").loc["Days", 1], rel=1e-12)


def test_variances_on_request(fit) -> None:
    table = rows(lmt.tables.side_by_side(fit, random="variance"))
    assert table["Subject: (Intercept)"] == ["612.1"]
    assert "Random effects (variances)" in table
    assert "Residual" not in rows(lmt.tables.side_by_side(fit, random=None))


def test_latex_is_one_float_or_runs_over_pages(fit, ml) -> None:
    table = lmt.tables.side_by_side(fit, ml, caption="Reaction", label="tab:r")
    text = table.to_latex()
    assert text.count(r"\begin{table}") == text.count(r"\begin{tabular}") == 1
    assert r"\caption{Reaction}\label{tab:r}" in text
    assert r"10.467^{***}" in text
    assert r"\caption{Other}\label{x}" in table.to_latex(caption="Other", label="x")
    long = table.to_latex(long=True)
    assert r"\begin{longtable}" in long
    assert r"\begin{table}" not in long


def test_tabulates_formats(fit) -> None:
    table = lmt.tables.side_by_side(fit)
    assert table.to_text("grid").startswith("+---")
    with pytest.raises(DataError, match="tabulate has no format 'gird'"):
        table.to_text("gird")


def test_json_has_every_digit(fit) -> None:
    content = json.loads(lmt.tables.side_by_side(fit).to_json())
    values = [row[1] for row in content["side_by_side"]["rows"] if row[0] == "Days"]
    assert values == [fit.params["Days"]]


def test_great_tables(fit, null, monkeypatch) -> None:
    pytest.importorskip("great_tables")
    table = lmt.tables.side_by_side(fit, null, names=["<script>", "b"], caption="<u>a</u>")
    text = table.to_great_tables().as_raw_html()
    assert "10.467***" in text
    assert "Random effects (standard deviations)" in text
    assert "<script>" not in text.partition("</style>")[2]
    assert "<u>" not in text
    assert "&amp;" not in text  # nothing is escaped twice
    real = builtins.__import__

    def refuse(module, *rest):
        if module.split(".")[0] == "great_tables":
            raise ImportError(module)
        return real(module, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(LmmError, match="pip install great_tables"):
        table.to_great_tables()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a"]}, "names has 1 headers for 2 fits"),
        ({"ddf": "sattertwaite"}, "ddf='sattertwaite' is not known"),
        ({"ddf": ["z"]}, "ddf has 1 methods for 2 fits"),
        ({"below": "se"}, "below='se' is not known"),
        ({"random": "var"}, "random='var' is not known"),
        ({"statistics": ["AIC"]}, "statistics='AIC' is not known"),
        ({"level": 95}, "level is 95; it must lie between 0 and 1"),
        ({"stars": {"*": 5}}, r"the mark '\*' needs a p-value"),
    ],
)
def test_wrong_options_are_named(fit, options, message) -> None:
    with pytest.raises(DataError, match=message):
        lmt.tables.side_by_side(fit, fit, **options)


def test_what_is_no_fit_is_refused(data) -> None:
    with pytest.raises(DataError, match="at least one fit"):
        lmt.tables.side_by_side()
    with pytest.raises(DataError, match="no column for QuantReg"):
        lmt.tables.side_by_side(smf.quantreg("Reaction ~ Days", data).fit())
    with pytest.raises(DataError, match="no column for int"):
        lmt.tables.side_by_side(3)
    with pytest.raises(DataError, match=r"'nowhere\.json' is neither a file"):
        lmt.tables.side_by_side("nowhere.json")
