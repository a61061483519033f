"""Curves by other variables and interactions have the numbers of marginal means, and the rows that belong to them."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

import lmmtools as lmt
from lmmtools.errors import DataError

EXACT = 1e-10


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def limits(container):
    return np.array([part[:, 1] for part in container.lines[2][0].get_segments()])


def test_curves_have_the_means_and_limits_of_the_table(oats):
    ax = oats.plot.effects("Variety", by="nitro", at={"nitro": [0.2, 0.6]})
    table = oats.marginal_means("Variety", by="nitro", at={"nitro": [0.2, 0.6]}).to_frame()
    assert legend_of(ax) == ["nitro = 0.2", "nitro = 0.6"]
    assert "t, Satterthwaite" in ax.get_legend().get_title().get_text()
    for container, value in zip(ax.containers, (0.2, 0.6), strict=True):
        own = table[table["nitro"] == value]
        assert_allclose(container.lines[0].get_ydata(), own["emmean"], rtol=EXACT)
        assert_allclose(limits(container), own[["lower", "upper"]], rtol=EXACT)


def test_each_curve_has_the_rows_of_its_level(oats):
    ax = oats.plot.effects("nitro", by="Variety")
    frame = oats.design.frame
    for line, level in zip(ax.lines[:3], legend_of(ax), strict=True):
        own = (frame["Variety"] == level).to_numpy()
        assert_allclose(line.get_data(), [frame["nitro"][own], oats.design.y[own]], rtol=EXACT)


def test_rows_of_other_levels_than_at_are_not_drawn(oats):
    ax = oats.plot.effects("nitro", at={"Variety": ["Victory"]})
    own = (oats.design.frame["Variety"] == "Victory").to_numpy()
    assert_allclose(ax.lines[0].get_ydata(), oats.design.y[own], rtol=EXACT)


def test_partial_residuals_are_the_mean_at_the_row_and_its_residual(oats):
    ax = oats.plot.effects("nitro", points="partial")
    frame = oats.design.frame
    means = {x: oats.marginal_means("nitro", at={"nitro": [x]}).estimate[0] for x in frame["nitro"].unique()}
    assert_allclose(ax.lines[0].get_ydata(), frame["nitro"].map(means) + oats.resid, rtol=EXACT)
    assert len(oats.plot.effects("nitro", points="none").lines) == 1


def test_means_and_points_go_back_to_the_scale_of_the_response():
    data = lmt.datasets.load("Oats")
    fit = lmt.lmm("np.log(crop) ~ Variety + nitro + (1|Block)", data.rename(columns={"yield": "crop"})).fit()
    ax = fit.plot.effects("Variety", type="response")
    table = fit.marginal_means("Variety", type="response")
    assert ax.get_ylabel() == "crop"
    assert_allclose(ax.containers[0].lines[0].get_ydata(), table.estimate, rtol=EXACT)
    assert_allclose(limits(ax.containers[0]), np.column_stack([table.lower, table.upper]), rtol=EXACT)
    assert_allclose(ax.lines[0].get_ydata(), data["yield"], rtol=EXACT)
    means = fit.plot.means("Variety", type="response", comparisons=True)
    plain = fit.plot.means("Variety", comparisons=True)
    ends, logs = ([text.xy[0] for text in own.texts] for own in (means, plain))
    assert_allclose(ends, np.exp(logs), rtol=EXACT)


def test_a_covariate_of_many_values_has_curves_at_its_mean_and_one_standard_deviation_beside():
    data = lmt.datasets.load("sleepstudy")
    data["level"] = np.arange(180.0) ** 1.5 % 17
    fit = lmt.lmm("Reaction ~ Days * level + (1|Subject)", data).fit(engine="pls")
    column = fit.design.frame["level"]
    ax = fit.plot.effects("Days", by="level")
    at = [column.mean() + k * column.std() for k in (-1, 0, 1)]
    assert legend_of(ax) == [f"level = {value:.4g}" for value in at]


def test_an_interaction_joins_the_means_of_a_formula_or_of_names(oats):
    at = {"nitro": [0, 0.2, 0.4]}
    table = oats.marginal_means("Variety", by="nitro", at=at).to_frame()
    for ax in (
        oats.plot.interaction("nitro ~ Variety", at=at),
        oats.plot.interaction(x="Variety", trace="nitro", at=at),
        oats.plot.interaction("Variety", trace="nitro", at=at),
    ):
        assert ax.get_xlabel() == "Variety"
        for container, value in zip(ax.containers, at["nitro"], strict=True):
            own = table[table["nitro"] == value]
            assert container.lines[0].get_linestyle() != "None"
            assert_allclose(container.lines[0].get_ydata(), own["emmean"], rtol=EXACT)
            assert_allclose(limits(container), own[["lower", "upper"]], rtol=EXACT)
        # Intervals of one level stand beside each other.
        assert len({c.lines[0].get_xdata()[0] for c in ax.containers}) == 3
    assert not oats.plot.interaction("nitro ~ Variety", is_interval_shown=False, at=at).containers[0].has_yerr


@pytest.fixture(scope="module")
def growth():
    data = lmt.datasets.load("Orthodont")
    data["late"] = np.where(data["age"] > 11, "after 11", "before 11")
    return lmt.lmm("distance ~ age * Sex + late + (1|Subject)", data).fit(engine="pls")


def test_an_interaction_has_a_panel_for_each_level_and_one_legend(growth):
    figure = growth.plot.interaction("Sex ~ age | late")
    assert [ax.get_title() for ax in figure.axes] == ["after 11", "before 11"]
    assert all(ax.get_legend() is None for ax in figure.axes)
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["Male", "Female"]
    table = growth.marginal_means("age", by=["Sex", "late"], at={"age": [8.0, 14.0]}).to_frame()
    for ax in figure.axes:
        own = table[table["late"] == ax.get_title()]
        drawn = [line.get_ydata()[[0, -1]] for line in ax.lines]
        assert_allclose(drawn, [own[own["Sex"] == s]["emmean"] for s in ("Male", "Female")], rtol=EXACT)


def test_panels_use_the_figure_given_one_below_the_other_where_it_is_narrow(growth):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.15, 5.0))
    assert growth.plot.interaction("Sex ~ age | late", fig=figure) is figure
    figure.canvas.draw()
    left = [round(ax.bbox.x0) for ax in figure.axes]
    assert left[0] == left[1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda plot: plot.interaction("Sex"), "needs x= and trace=, or a formula"),
        (lambda plot: plot.interaction("Sex ~ age * late"), "is no formula"),
        (lambda plot: plot.interaction(), "needs x= and trace="),
        (lambda plot: plot.interaction("Sex ~ age", x="age"), "in place of"),
        (lambda plot: plot.interaction("Sex ~ Sex"), "a column stands twice"),
        (lambda plot: plot.interaction("Sex ~ age | late", ax=1), "give fig="),
        (lambda plot: plot.interaction("Sex ~ age", fig=1), "give ax="),
        (lambda plot: plot.interaction("Sex ~ age | late", fig=1), "fig is a int; it must be a matplotlib Figure"),
        (lambda plot: plot.effects("age", by="nothing"), "'nothing' is no predictor"),
        (lambda plot: plot.effects("Sex", by="age", at={"age": range(8, 21)}), "would have 13 curves"),
        (lambda plot: plot.effects("age", points="all"), "use one of 'data', 'partial', 'none'"),
    ],
)
def test_what_cannot_be_drawn_is_said(growth, call, said):
    with pytest.raises(DataError, match=said):
        call(growth.plot)


def test_words_below_columns_go_on_lines_and_many_names_stand_upright():
    from matplotlib.figure import Figure

    from lmmtools.plots.names import name_columns

    ax = Figure(figsize=(3.15, 2.6)).subplots()
    name_columns(ax, ["word pair alone", "non word", "control"])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["word pair\nalone", "non word", "control"]
    assert {t.get_rotation() for t in ax.get_xticklabels()} == {0.0}
    ax.figure.canvas.draw()
    boxes = [t.get_window_extent() for t in ax.get_xticklabels()]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    other = Figure(figsize=(3.15, 2.6)).subplots()
    name_columns(other, [f"hospital number {k}" for k in range(20)])
    assert {t.get_rotation() for t in other.get_xticklabels()} == {90.0}
    other.figure.canvas.draw()
    assert max(t.get_window_extent().height for t in other.get_xticklabels()) < 0.45 * other.bbox.height


def test_rows_that_are_not_in_memory_are_not_drawn_and_that_is_said(tmp_path, oats):
    pytest.importorskip("pyarrow")
    lmt.datasets.load("Oats").to_parquet(tmp_path / "oats.parquet")
    model = lmt.lmm("yield ~ Variety * nitro + (1|Block/Variety)", str(tmp_path / "oats.parquet"), stream=True)
    fit = model.fit()
    ax = fit.plot.effects("Variety")
    assert "not in memory and not drawn" in ax.get_title().replace("\n", " ")
    assert_allclose(ax.containers[0].lines[0].get_ydata(), oats.marginal_means("Variety").estimate, rtol=1e-6)
    with pytest.raises(lmt.errors.RowsNeededError, match="Partial residuals need the rows of 'Variety' in memory"):
        fit.plot.effects("Variety", points="partial")
    with pytest.raises(lmt.errors.RowsNeededError, match="needs all rows in memory, for simulated responses"):
        fit.plot.predictive()
    assert "stream=False" in fit.plot(n_simulations=2).axes[0].texts[0].get_text().replace("\n", " ")
