"""Other packages' tables of fits print the fits' own numbers."""

from __future__ import annotations

import builtins

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.iolib.summary2 import summary_col

import lmmtools as lmt
from lmmtools.errors import BoundaryWarning, LmmError


@pytest.fixture(scope="module")
def data():
    return lmt.datasets.load("sleepstudy")


@pytest.fixture(scope="module")
def fit(data) -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", data).fit(engine="pls")


@pytest.fixture(scope="module")
def null(data) -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ 1 + (1|Subject)", data).fit(engine="pls")


@pytest.fixture(scope="module")
def ols(data):
    return smf.ols("Reaction ~ Days", data).fit()


def test_the_model_has_statsmodels_names(fit, ols) -> None:
    assert fit.model.endog_names == ols.model.endog_names
    assert fit.model.exog_names == ols.model.exog_names
    np.testing.assert_array_equal(fit.model.exog, ols.model.exog)
    assert fit.model.formula == "Reaction ~ Days + (Days|Subject)"


def test_summary_col_prints_fixed_effects_and_standard_deviations(fit, null, ols) -> None:
    table = summary_col([fit, null, ols], model_names=["slopes", "null", "ols"], stars=True).tables[0]
    assert table.loc["Days", "slopes"] == "10.4673***"
    assert table.loc["SD Days by Subject", "slopes"] == "5.9221"
    assert table.loc["SD residual", "null"] == "44.2591"
    assert table.loc["Observations"].tolist() == ["180", "180", ""]
    assert table.iloc[1].tolist() == ["(6.8246)", "(9.0499)", "(6.6102)"]
    rows = summary_col([fit, null, ols], info_dict=fit.default_model_infos).tables[0]
    assert rows.loc["SD Days by Subject"].tolist() == ["5.9221", "", ""]
    assert rows.loc["Observations"].tolist() == ["180", "180", "180"]
    assert rows.loc["Fitted by"].tolist() == ["REML", "REML", ""]


def test_stargazer_prints_the_fits_beside_others(fit, null, ols) -> None:
    pytest.importorskip("stargazer")
    html = lmt.tables.stargazer(fit, null, ols).render_latex()
    lines = [line.strip(" \\") for line in html.splitlines()]
    assert "Days & 10.467$^{***}$ & & 10.467$^{***}$" in lines
    assert "& (1.546) & & (1.238)" in lines
    assert "SD Days by Subject & 5.922 &  &" in lines
    assert "SD residual & 25.592 & 44.259 &" in lines
    assert "Levels of Subject & 18 & 18 &" in lines
    assert f"Log-likelihood & -871.814 & {null.llf:.3f} & {ols.llf:.3f}" in lines
    assert "Fitted by & REML & REML &" in lines
    assert "p-values & Satterthwaite & Satterthwaite &" in lines
    assert lmt.tables.stargazer([fit, null]).render_html() == lmt.tables.stargazer(fit, null).render_html()
    from stargazer.stargazer import Stargazer

    assert "10.467" in Stargazer([fit]).render_html()


def test_stargazer_takes_its_stars_and_limits_from_satterthwaite(data) -> None:
    stargazer = pytest.importorskip("stargazer.stargazer")
    few = data[data["Subject"].isin(["308", "309", "330", "335", "337", "372"])]
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", few).fit(engine="pls")
    lmt.tables.stargazer(fit)
    read = stargazer.Stargazer([fit]).model_data[0]
    tests = fit.tests().to_frame()
    assert read["p_values"]["Days"] == tests["p"]["Days"]
    assert read["p_values"]["Days"] > 1.5 * fit.pvalues["Days"]
    limits = fit.conf_int(ddf="satterthwaite")
    assert read["conf_int_high_values"]["Days"] == limits.loc["Days", 1]


def test_plug_in_attributes_have_the_numbers(fit) -> None:
    table = fit.__maketables_coef_table__
    tests = fit.tests().to_frame()
    assert list(table.columns) == ["b", "se", "t", "p", "df", "ci95l", "ci95u"]
    np.testing.assert_array_equal(table["b"], fit.params)
    np.testing.assert_allclose(table["se"], fit.bse, rtol=1e-12)
    np.testing.assert_array_equal(table["p"], tests["p"])
    assert fit.__maketables_depvar__ == "Reaction"
    stat = fit.__maketables_stat__
    assert [stat("N"), stat("ll"), stat("aic"), stat("sigma")] == [180, fit.llf, fit.aic, fit.sigma]
    assert stat("r2_conditional") == fit.r2().conditional
    assert stat("SD Days by Subject") == pytest.approx(5.922, abs=1e-3)
    assert stat("Levels of Subject") == 18
    assert stat("fvalue") is None
    assert [key for key in fit.__maketables_default_stat_keys__ if stat(key) is None] == []


def test_etable_prints_random_effects_beside_other_models(fit, null, ols) -> None:
    maketables = pytest.importorskip("maketables")
    table = lmt.tables.etable(fit, null, ols)
    assert isinstance(table, maketables.ETable)
    frame = table.df.droplevel(0)
    assert [v.replace(" \n ", " ") for v in frame.loc["Days"]] == ["10.467*** (1.546)", "", "10.467*** (1.238)"]
    assert frame.loc["SD Days by Subject"].tolist() == ["5.922", "-", "-"]
    assert frame.loc["p-values"].tolist() == ["Satterthwaite", "Satterthwaite", "-"]
    assert "p-values" in lmt.tables.etable([ols, fit]).df.droplevel(0).index
    # Handed over as it is, a fit is read as statsmodels' results are.
    assert maketables.ETable([fit]).df.droplevel(0).loc["Intercept"].iloc[0].startswith("251.405***")


@pytest.fixture(scope="module")
def mixedlm(data):
    # Its own params are variances over the residual's: 0.935 would stand beside a standard deviation of 24.74.
    return smf.mixedlm("Reaction ~ Days", data, groups="Subject", re_formula="~Days").fit()


@pytest.mark.parametrize("read", [lambda raw: raw, lmt.patch_summary], ids=["raw", "patched"])
def test_results_of_mixedlm_are_read_first(fit, mixedlm, read) -> None:
    pytest.importorskip("stargazer")
    text = lmt.tables.stargazer(fit, read(mixedlm)).render_latex()
    lines = [line.strip(" \\") for line in text.splitlines()]
    own, other = next(line for line in lines if line.startswith("SD Days by Subject")).split("&")[1:]
    assert float(other) == pytest.approx(float(own), rel=1e-3)
    assert not [line for line in lines if " Var" in line or " Cov" in line]
    rows = lmt.tables.summary_col(fit, read(mixedlm), stars=True).tables[0]
    assert float(rows.loc["SD Days by Subject"].iloc[1]) == pytest.approx(5.922, rel=1e-3)
    assert not [name for name in rows.index if name.endswith((" Var", " Cov"))]


def test_etable_reads_results_of_mixedlm_first(fit, mixedlm) -> None:
    pytest.importorskip("maketables")
    frame = lmt.tables.etable(fit, mixedlm).df.droplevel(0)
    assert not [name for name in frame.index if str(name).endswith((" Var", " Cov"))]


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.ConvergenceWarning")
def test_what_is_said_of_a_result_of_mixedlm_is_said_by_the_table_too() -> None:
    pytest.importorskip("stargazer")
    result = smf.mixedlm("Yield ~ 1", lmt.datasets.load("Dyestuff2"), groups="Batch").fit()
    with pytest.warns(BoundaryWarning):
        lmt.tables.stargazer(result)


def test_a_p_value_that_is_not_defined_has_no_stars(fit, data) -> None:
    pytest.importorskip("stargazer")
    # Two rows for two coefficients: errors are infinite, p-values and F are NaN.
    saturated = smf.ols("Reaction ~ Days", data.iloc[:2]).fit()
    assert np.isnan(saturated.pvalues).all()
    for text in (lmt.tables.stargazer(saturated).render_latex(), lmt.tables.stargazer(saturated).render_html()):
        assert "*" not in text.split("Note:")[0]


def test_names_are_escaped_in_stargazers_latex_and_html(data) -> None:
    pytest.importorskip("stargazer")
    odd = data.rename(columns={"Days": "days_of & 50%", "Reaction": "ms_<b>", "Subject": "who#"})
    fit = lmt.lmm("`ms_<b>` ~ `days_of & 50%` + (1|`who#`)", odd).fit(engine="pls")
    table = lmt.tables.stargazer(fit)
    for text in (table.render_latex(), table.render_latex(escape=True)):
        assert r"days\_of \& 50\% & 10.467" in text
        assert r"ms\_\textless{}b\textgreater{}" in text
        assert r"Levels of who\# & 18" in text
    assert "<b>" not in table.render_html()
    assert "days_of &amp; 50%" in table.render_html()


@pytest.mark.parametrize("name", ["stargazer", "etable"])
def test_what_is_missing_is_named(fit, monkeypatch, name) -> None:
    package = {"stargazer": "stargazer", "etable": "maketables"}[name]
    make = getattr(lmt.tables, name)
    real = builtins.__import__

    def refuse(module, *rest):
        if module.split(".")[0] == package:
            raise ImportError(module)
        return real(module, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(LmmError, match=f"pip install {package}"):
        make(fit)


def test_a_table_of_nothing_is_refused() -> None:
    pytest.importorskip("stargazer")
    with pytest.raises(LmmError, match="at least one result"):
        lmt.tables.stargazer()


def test_a_column_of_no_fit_is_refused(fit) -> None:
    pytest.importorskip("stargazer")
    with pytest.raises(LmmError, match="no column for int: give results of fits"):
        lmt.tables.stargazer(fit, 3)


def test_etable_names_the_model_without_fixed_effects(fit, data) -> None:
    pytest.importorskip("maketables")
    with pytest.raises(LmmError, match=r"Reaction ~ 0 \+ \(1\|Subject\) has none"):
        lmt.tables.etable(fit, lmt.lmm("Reaction ~ 0 + (1|Subject)", data).fit(engine="pls"))


@pytest.fixture(scope="module")
def few():
    """Six groups and an effect between them: the normal distribution and Satterthwaite's t give other stars."""
    rng = np.random.default_rng(15)
    g = np.repeat(np.arange(6), 8)
    t = (g % 2) * 1.0
    data = pd.DataFrame({"g": g, "t": t, "y": 1.9 * t + rng.standard_normal(6)[g] + rng.standard_normal(48) * 0.5})
    return lmt.lmm("y ~ t + (1|g)", data).fit(engine="pls")


def test_every_table_of_lmmtools_has_satterthwaites_stars_and_says_so(few, ols) -> None:
    # p by Satterthwaite 0.0603, one star at statsmodels' limits 0.1, 0.05, 0.01; by z 0.0094, three.
    assert few.tests().to_frame()["p"]["t"] == pytest.approx(0.0603, abs=5e-5)
    table = lmt.tables.summary_col(few, ols, stars=True).tables[0]
    assert table.loc["t"].iloc[0].endswith("*")
    assert not table.loc["t"].iloc[0].endswith("**")
    assert table.loc["p-values"].tolist() == ["Satterthwaite", ""]
    stargazer = pytest.importorskip("stargazer.stargazer")
    lines = lmt.tables.stargazer(few).render_latex()
    assert "^{*}$" in next(line for line in lines.splitlines() if line.strip().startswith("t &"))
    assert "p-values & Satterthwaite" in lines
    assert stargazer is not None


def test_statsmodels_own_table_says_that_its_stars_are_from_z(few) -> None:
    table = summary_col([few], stars=True).tables[0]
    assert table.loc["t"].iloc[0].endswith("***")
    assert table.loc["p-values"].iloc[0] == "z (normal)"


def test_a_row_of_ones_own_reads_the_fit(few) -> None:
    rows = {"levels": lambda r: str(r.ngroups["g"]), "p": lambda r: r.p_value_source}
    table = lmt.tables.summary_col([few], info_dict=rows).tables[0]
    assert table.loc[["levels", "p"]].iloc[:, 0].tolist() == ["6", "Satterthwaite"]


@pytest.mark.filterwarnings("ignore")
def test_a_fit_without_such_degrees_has_z_and_says_so() -> None:
    pastes = lmt.datasets.load("Pastes")
    shared = smf.mixedlm("strength ~ 1", pastes, groups="batch", vc_formula={"cask": "C(cask)"}).fit()
    table = lmt.tables.summary_col(lmt.from_mixedlm(shared)).tables[0]
    assert table.loc["p-values"].iloc[0] == "z (normal)"


@pytest.fixture(scope="module")
def marked(data):
    odd = data.rename(columns={"Days": "x_<script>", "Subject": "who_<b>"})
    return lmt.lmm("Reaction ~ `x_<script>` + (1|`who_<b>`)", odd).fit(engine="pls")


def test_names_are_escaped_in_the_html_of_summary_col(marked) -> None:
    table = lmt.tables.summary_col(marked, model_names=["<i>one</i>"], stars=True)
    for text in (table.as_html(), table._repr_html_()):
        assert not any(tag in text for tag in ("<script", "<b>", "<i>"))
        assert "x_&lt;script&gt;" in text
        assert "p&lt;.05" in text
    # What is not HTML keeps the names.
    assert "x_<script>" in table.as_text()
    assert "x_<script>" in table.tables[0].index


@pytest.mark.parametrize("mapping", [{"x_<script>": "dose_<u> & 5%"}, {"x_<script>": "dose_<u> & 5%"}.get])
def test_renamed_covariates_are_escaped_as_the_others(marked, mapping) -> None:
    pytest.importorskip("stargazer")
    table = lmt.tables.stargazer(marked)
    table.rename_covariates(mapping if isinstance(mapping, dict) else lambda name: mapping(name, name))
    assert r"dose\_\textless{}u\textgreater{} \& 5\% & 10.467" in table.render_latex()
    assert "dose_&lt;u&gt; &amp; 5%" in table.render_html()
    assert "<u>" not in table.render_html()
