"""Means, arrows, letters and coefficients are drawn where the tables have them, and arrows say what the tests say."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.plots.comparison_arrows import comparison_arrows

EXACT = 1e-10
# The studentised range's quantile is found to some 1e-6.
QUANTILE = 1e-5


@pytest.fixture(scope="module")
def ergo():
    return lmt.lmm("effort ~ Type + (1|Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")


def bars(ax):
    return np.array([[part[0, 0], part[1, 0]] for part in ax.collections[0].get_segments()])


def arrow_ends(ax):
    """The ends of arrows: by row, the length to the left (negative) and to the right."""
    return {
        (round(text.xyann[1]), np.sign(text.xy[0] - text.xyann[0])): text.xy[0]
        for text in ax.texts
        if not text.get_text()
    }


def test_means_and_intervals_are_those_of_the_table(ergo):
    ax = ergo.plot.means("Type", ddf="kenward-roger")
    found = ergo.marginal_means("Type", ddf="kenward-roger")
    assert_allclose(ax.lines[0].get_xdata(), found.estimate, rtol=EXACT)
    assert_allclose(bars(ax), np.column_stack([found.lower, found.upper]), rtol=EXACT)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["T1", "T2", "T3", "T4"]
    assert "t, Kenward-Roger" in ax.get_legend().get_texts()[1].get_text()


def test_arrows_of_a_balanced_design_are_half_the_margin_as_in_emmeans(ergo):
    """Ends of arrows by emmeans 1.8.4 (lme4 1.1-31): plot(emmeans(m, "Type"), comparisons = TRUE, plotit = FALSE).

    It cuts the arrow of T4 to the left at the smallest mean's arrow; no test needs more of it.
    """
    ends = arrow_ends(ergo.plot.means("Type", comparisons=True))
    expected = {
        (0, 1.0): 9.27097844793,
        (-1, -1.0): 11.72902155207,
        (-2, -1.0): 10.06235488541,
        (-2, 1.0): 11.49320067015,
        (-3, 1.0): 9.93764511459,
    }
    assert {key: ends[key] for key in expected} == pytest.approx(expected, abs=QUANTILE)
    assert set(ends) - set(expected) == {(-3, -1.0)}


def test_blocks_are_compared_within():
    model = lmt.lmm("yield ~ Variety * C(nitro) + (1|Block/Variety)", lmt.datasets.load("Oats"))
    oats, at = model.fit(engine="pls"), {"nitro": [0.0, 0.2, 0.6]}
    ax = oats.plot.means("nitro", by="Variety", at=at, comparisons=True)
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names[:5] == ["Golden Rain", "0", "0.2", "0.6", "Marvellous"]
    bold = [t.get_text() for t in ax.get_yticklabels() if t.get_fontweight() == "bold"]
    assert bold == ["Golden Rain", "Marvellous", "Victory"]
    ends, found = arrow_ends(ax), oats.marginal_means("nitro", by="Variety", at=at)
    p = oats.pairwise("nitro", by="Variety", at=at).p.reshape(3, 3)
    for block in range(3):
        for k, (i, j) in enumerate(combinations(range(3), 2)):
            low, high = -4 * block - 1 - i, -4 * block - 1 - j
            assert (ends[low, 1.0] < ends[high, -1.0]) == (p[block, k] < 0.05)
    assert_allclose(ax.lines[0].get_xdata(), found.estimate, rtol=EXACT)


def test_letters_are_those_of_the_table(ergo):
    ax = ergo.plot.means("Type", letters=True, alpha=0.01, adjust="holm")
    letters = ergo.marginal_means("Type").cld(0.01, adjust="holm", sort=False).letters
    assert tuple(text.get_text() for text in ax.texts) == letters
    assert "(holm, p < 0.01)" in ax.get_legend().get_texts()[2].get_text()


# Means, standard errors and correlation within {0, 1, 2} and {3, 4, 5}, of which emmeans 1.8.4 says that the arrows of
# two pairs are wrong with a correlation of 0.6 (its vignette "xplanations").
MEANS, ERRORS = np.array([6.1, 4.5, 5.4, 6.3, 5.5, 6.7]), np.array([0.3, 0.4, 0.37, 0.41, 0.23, 0.48])
PAIRS = np.array(list(combinations(range(6), 2)))
# qtukey(0.95, 6, Inf) / sqrt(2), R 4.2.
CRITICAL = 2.849846


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_arrows_say_what_tests_say_of_unequal_errors(correlation):
    V = np.outer(ERRORS, ERRORS) * np.kron(np.eye(2), np.full((3, 3), correlation))
    np.fill_diagonal(V, ERRORS**2)
    i, j = PAIRS.T
    margins = CRITICAL * np.sqrt(V[i, i] + V[j, j] - 2.0 * V[i, j])
    different = np.abs(MEANS[i] - MEANS[j]) > margins
    arrows = comparison_arrows(MEANS, PAIRS, margins, different)
    assert arrows.wrong == ()
    for (a, b), is_different in zip(PAIRS, different, strict=True):
        low, high = (a, b) if MEANS[a] < MEANS[b] else (b, a)
        overlap = MEANS[low] + arrows.right[low] >= MEANS[high] - arrows.left[high]
        assert overlap == (not is_different)
    assert min(arrows.left.min(), arrows.right.min()) >= 0.0
    # No mean lies beyond the outermost.
    assert arrows.left[1] == arrows.right[5] == 0.0


def test_pairs_that_no_arrows_can_show_are_named():
    means = np.array([0.0, 0.4, 0.6, 1.0])
    pairs = np.array(list(combinations(range(4), 2)))
    margins = np.array([1.0, 1.0, 1.2, 0.1, 1.0, 1.0])
    different = np.abs(np.diff(means[pairs], axis=1))[:, 0] > margins
    # Of 0 and 2, and of 1 and 3: R_0 + L_2 >= 0.6, R_1 + L_3 >= 0.6. Of 1 and 2, which differ: R_1 + L_2 < 0.2.
    assert comparison_arrows(means, pairs, margins, different).wrong == ()
    # Now 0 and 3 differ too, R_0 + L_3 < 1: the four lengths would add up to 1.2 or more, and to less than 1.2.
    margins[2] = 0.9
    different = np.abs(np.diff(means[pairs], axis=1))[:, 0] > margins
    assert comparison_arrows(means, pairs, margins, different).wrong


def test_coefficients_and_intervals_are_those_of_the_summary(oats):
    other = lmt.lmm("yield ~ Variety + nitro + (1|Block/Variety)", lmt.datasets.load("Oats")).fit(engine="pls")
    ax = oats.plot.coefficients(other, names=["crossed", "added"])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["crossed", "added"]
    assert [t.get_text() for t in ax.get_yticklabels()] == list(oats.params.index[1:])
    for container, fit in zip(ax.containers, (oats, other), strict=True):
        assert_allclose(container.lines[0].get_xdata(), fit.params.iloc[1:], rtol=EXACT)
        drawn = np.array([part[:, 0] for part in container.lines[2][0].get_segments()])
        assert_allclose(drawn, fit.conf_int(ddf="satterthwaite").loc[fit.params.index[1:]], rtol=EXACT)
    assert "t, Satterthwaite" in ax.get_xlabel().replace("\n", " ")


def test_what_cannot_be_drawn_of_coefficients_is_said(ergo, dyestuff2):
    with pytest.raises(DataError, match="write intercept=True"):
        dyestuff2.plot.coefficients()
    assert len(dyestuff2.plot.coefficients(intercept=True).containers) == 1
    with pytest.raises(DataError, match="names has 1 names for 2 fits"):
        ergo.plot.coefficients(ergo, names=["one"])
    with pytest.raises(DataError, match="7 fits in one plot"):
        ergo.plot.coefficients(*[ergo] * 6)
    with pytest.raises(DataError, match="none was given"):
        lmt.plots.coefficients()
