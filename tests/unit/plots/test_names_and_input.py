"""Names stand in plots as they are, whatever is in them; what is no fit, comparison, structure or Axes is named."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.plots.style import MARKERS, apart_from_pyplot, finish, new_axes, put_legend, shorten

LEVELS = ["$\\frac{1}{2$", "a$b$c^{2}", "_hidden", "100% cotton_blend $5", "x<y & z", "\\alpha"]
GROUP, DOSE = "_clinic $x$ %", "dose_mg $"


@pytest.fixture(scope="module")
def odd():
    """A fit whose every name would be mathematics, and in part no valid one, to matplotlib."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(6), 12)
    data = pd.DataFrame({"blood pressure (mmHg)": rng.normal(size=72) + 3.0 * np.sin(g), DOSE: rng.normal(size=72)})
    data[GROUP] = [LEVELS[k] for k in g]
    data["arm"] = rng.choice(["$\\bad{$", "b_0"], 72)
    formula = f"`blood pressure (mmHg)` ~ `{DOSE}` + arm + (1 + `{DOSE}` | `{GROUP}`)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        return lmt.lmm(formula, data).fit(engine="pls")


@pytest.mark.parametrize(
    ("plot", "options"),
    [
        ("caterpillar", {}),
        ("shrinkage", {}),
        ("residuals", {}),
        ("by_group", {}),
        ("variance", {}),
        ("effects", {"variable": DOSE}),
        ("effects", {"variable": "arm"}),
        ("effects", {"variable": DOSE, "by": "arm"}),
        ("interaction", {"x": DOSE, "trace": "arm"}),
        ("means", {"factors": "arm", "comparisons": True, "letters": True}),
        ("coefficients", {}),
        ("scale_location", {}),
        ("mode_qq", {}),
        ("influence", {"level": GROUP}),
        ("collinearity", {}),
        ("predictive", {"n_simulations": 2}),
        ("section", {}),
        ("profile_zeta", {"parameter": f"sd_(Intercept)|{GROUP}"}),
        ("profile_density", {"parameters": [f"sd_(Intercept)|{GROUP}", "sigma"]}),
    ],
)
def test_no_name_is_read_as_mathematics(odd, plot, options, tmp_path):
    ax = getattr(odd.plot, plot)(**options)
    # What is drawn is in the file; mathematics that is none would raise.
    ax.figure.savefig(tmp_path / "plot.png", dpi=40)
    texts = [ax.xaxis.label, ax.yaxis.label, ax.title, *ax.texts]
    if (legend := ax.get_legend()) is not None:
        texts += [*legend.get_texts(), legend.get_title()]
    texts += [t for t in (*ax.get_xticklabels(), *ax.get_yticklabels()) if "$" in t.get_text()]
    assert not any(text.get_parse_math() for text in texts if "$" in text.get_text()), texts


def test_no_name_in_a_panel_is_read_as_mathematics(odd, tmp_path):
    for figure in (odd.plot(n_simulations=2), odd.plot.interaction(x=DOSE, trace="arm", at={DOSE: [0.0, 1.0]})):
        getattr(figure, "figure", figure).savefig(tmp_path / "plot.png", dpi=40)
    lines = odd.plot.interaction(f"`{DOSE}` ~ arm", at={DOSE: [0.0, 1.0]}).get_legend().get_texts()
    assert [text.get_text() for text in lines] == [f"{DOSE} = 0", f"{DOSE} = 1"]


def test_levels_keep_their_names_and_responses_lose_their_quotes(odd):
    ax = odd.plot.caterpillar()
    assert sorted(t.get_text() for t in ax.get_yticklabels()) == sorted(LEVELS)
    assert odd.plot.residuals().get_xlabel() == "fitted blood pressure (mmHg)"


def test_a_legend_has_names_that_begin_with_an_underscore():
    ax = new_axes(None)
    put_legend(ax, [(ax.plot([0, 1], marker=MARKERS[0])[0], "_pls")])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["_pls"]


def test_profiles_are_labelled_in_words(sleep):
    assert sleep.plot.profile_zeta("cor_Days.(Intercept)|Subject").get_xlabel() == (
        "correlation of (Intercept) and Days by Subject"
    )
    assert sleep.plot.profile_density("sigma").get_xlabel() == "residual standard deviation, sigma"


def test_long_names_lose_their_middle_and_long_labels_take_lines():
    name = "a very long name of a hospital in the country, ward 7"
    assert shorten(name) == "a very long name of a…ry, ward 7"
    assert len(shorten(name)) == 32
    ax = new_axes(None)
    ax.set_xlabel("word " * 30)
    lines = finish(ax).get_xlabel().split("\n")
    assert len(lines) == 3
    assert len(set(map(len, lines))) == 1


def test_numbers_within_C_are_levels():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": rng.normal(size=80), "x": np.tile([1, 2, 4, 8], 20), "g": np.repeat(np.arange(8), 10)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        fit = lmt.lmm("y ~ C(x) + (1|g)", data).fit(engine="pls")
    ax = fit.plot.effects("x")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "4", "8"]
    grid = pd.DataFrame({"x": [1, 2, 4, 8]})
    expected = fit.predict(grid, random=False)
    assert_allclose(ax.containers[0].lines[0].get_ydata(), expected, rtol=1e-12)


def test_no_figure_is_kept_apart_from_pyplot(sleep):
    from matplotlib import pyplot

    with apart_from_pyplot():
        figure = sleep.plot.variance().figure
    assert pyplot.get_fignums() == []
    assert figure.axes


@pytest.mark.parametrize("plot", ["caterpillar", "residuals", "qq", "variance", "effects", "section", "shrinkage"])
def test_what_is_no_axes_is_named(sleep, plot):
    from matplotlib.figure import Figure

    with pytest.raises(DataError, match=r"ax is a Figure; it must be one matplotlib Axes"):
        getattr(sleep.plot, plot)(ax=Figure())


def test_what_is_no_fit_is_named_with_its_cure(sleep):
    model = lmt.lmm("Reaction ~ Days + (1|Subject)", lmt.datasets.load("sleepstudy"))
    for plot in (lmt.plots.caterpillar, lmt.plots.residuals, lmt.plots.qq, lmt.plots.variance, lmt.plots.section):
        with pytest.raises(DataError, match=r"this is a Model: call \.fit\(\) first"):
            plot(model)
    with pytest.raises(DataError, match=r"this is a str: fit the model so first: model\.fit\(engine='mixedlm'\)"):
        sleep.plot.section("mixedlm")
    with pytest.raises(DataError, match=r"This is a LMMResults; comparison\(\) draws what"):
        lmt.plots.comparison(sleep)
    with pytest.raises(DataError, match=r"This is a DataFrame; incidence\(\) draws what"):
        lmt.plots.incidence(lmt.datasets.load("sleepstudy"))


def test_fits_with_other_fixed_effects_have_no_common_section(sleep):
    other = lmt.lmm("Reaction ~ 1 + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    with pytest.raises(DataError, match="fits of one model on the same data"):
        sleep.plot.section(other)


def test_a_density_is_shaded_for_intervals_that_there_are(sleep):
    with pytest.raises(DataError, match="between 0 and 1"):
        sleep.plot.profile_density("sigma", alpha=5)
    profile = sleep.profile("sigma", alphamax=0.1)
    with pytest.raises(DataError, match=r"make them with alphamax=0\.0001"):
        lmt.plots.profile_density(profile, "sigma", alpha=0.0001)


def test_names_of_points_do_not_cover_each_other():
    from lmmtools.plots.names import name_points

    ax = new_axes(None)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    x, y = np.array([0.5, 0.51, 0.5, 0.2, np.nan]), np.array([0.5, 0.52, 0.53, 0.2, 0.1])
    lost = name_points(ax, x, y, ["first", "second", "third", "far", "none"], np.column_stack([x, y])[:4])
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) + lost == 4
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]), boxes


def test_an_effect_that_the_data_cannot_tell_apart_is_not_drawn():
    data = lmt.datasets.load("sleepstudy")
    data["twice"] = 2.0 * data["Days"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        fit = lmt.lmm("Reaction ~ Days + twice + (1|Subject)", data).fit(engine="pls")
    with pytest.raises(DataError, match=r"'twice' cannot be drawn.*left out \(twice\)"):
        fit.plot.effects("twice")


@pytest.mark.parametrize("plot", ["shrinkage", "section", "caterpillar", "variance"])
def test_a_printed_column_has_room_for_plot_and_legend(sleep, plot):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.15, 2.6), layout="constrained")
    ax = getattr(sleep.plot, plot)(ax=figure.subplots())
    figure.canvas.draw()
    # A legend wider than the figure would squeeze the plot to a strip.
    assert ax.bbox.width > 0.5 * figure.bbox.width
    legend = ax.get_legend()
    if legend is not None:
        assert legend.get_window_extent().width < figure.bbox.width


def test_names_that_would_overlap_are_counted_instead(penicillin):
    from matplotlib.figure import Figure

    ax = penicillin.plot.caterpillar("plate", ax=Figure(figsize=(3.0, 1.2)).subplots())
    assert list(ax.get_yticklabels()) == []
    assert ax.get_ylabel().replace("\n", " ") == "24 levels of plate, in order"
