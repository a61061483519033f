"""Compact letters of means."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError
from lmmtools.inference.marginal.letters import compact_letters


def differences(k, *pairs):
    matrix = np.zeros((k, k), dtype=bool)
    for i, j in pairs:
        matrix[i, j] = matrix[j, i] = True
    return matrix


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], ["a", "a", "a", "a"]),
        ([(0, 3)], ["a", "ab", "ab", "b"]),
        ([(0, 2), (0, 3), (1, 3)], ["a", "ab", "bc", "c"]),
        ([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], ["a", "b", "c", "d"]),
        # Means between which no difference is shown, beside one that differs from neighbours on both sides.
        ([(0, 1), (1, 2)], ["a", "b", "a", "ab"]),
    ],
)
def test_letters_of_known_differences(pairs, expected):
    assert compact_letters(differences(4, *pairs)) == expected


def test_two_means_share_a_letter_unless_they_differ_and_no_letter_could_be_left_out_of_its_set():
    rng = np.random.default_rng(4)
    for _ in range(20):
        pairs = [pair for pair in itertools.combinations(range(8), 2) if rng.random() < 0.5]
        letters = compact_letters(differences(8, *pairs))
        for i, j in itertools.combinations(range(8), 2):
            assert bool(set(letters[i]) & set(letters[j])) == ((i, j) not in pairs)
        sets = {s: {i for i in range(8) if s in letters[i]} for s in set("".join(letters))}
        assert not any(one < other for one in sets.values() for other in sets.values())


def test_sets_of_means_as_many_as_subsets_are_refused():
    pairs = [(2 * i, 2 * i + 1) for i in range(15)]
    with pytest.raises(DataError, match="read their differences from"):
        compact_letters(differences(30, *pairs))


@pytest.fixture(scope="module")
def fit():
    return lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")


def test_letters_follow_the_pairwise_tests(fit):
    """Tukey's p-values of T1-T4 is 0.51, of T2-T3 0.013, of all others below 0.05."""
    found = fit.marginal_means("Type").cld()
    frame = found.to_frame()
    assert list(frame.columns) == ["Type", "emmean", "se", "df", "lower", "upper", "group"]
    assert list(zip(frame.Type, frame.group, strict=True)) == [("T1", "a"), ("T4", "a"), ("T3", "b"), ("T2", "c")]
    assert "means that share a letter were not shown to differ" in " ".join(str(found).split())
    assert list(fit.marginal_means("Type").cld(alpha=0.001).to_frame().group) == ["a", "a", "ab", "b"]


def test_rows_keep_their_order_and_a_stands_at_the_largest_on_request(fit):
    plain = fit.marginal_means("Type").to_frame()
    found = fit.marginal_means("Type").cld(reversed=True, sort=False).to_frame()
    assert list(found.group) == ["c", "a", "b", "c"]
    assert found.drop(columns="group").equals(plain)
    assert list(fit.marginal_means("Type").cld(reversed=True).to_frame().Type) == ["T2", "T3", "T4", "T1"]


def test_letters_are_within_by_and_an_adjustment_is_checked():
    data = lmt.datasets.load("Oats")
    fit = lmt.lmm("yield ~ C(nitro) * Variety + (1 | Block/Variety)", data).fit()
    frame = fit.marginal_means("nitro", by="Variety").cld(adjust="none").to_frame()
    letters = frame.groupby("Variety").group.agg(list)
    pairs = fit.pairwise("nitro", by="Variety", adjust="none").to_frame()
    for variety, own in letters.items():
        p = pairs[pairs.Variety == variety].p.to_numpy()
        for (i, j), value in zip(itertools.combinations(range(4), 2), p, strict=True):
            assert bool(set(own[i]) & set(own[j])) == (value >= 0.05)
    with pytest.raises(DataError, match="adjust='tuky' is not known"):
        fit.marginal_means("nitro").cld(adjust="tuky")


@pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedColumnsWarning")
def test_a_mean_that_is_not_estimable_has_no_letter():
    cake = lmt.datasets.load("cake")
    holes = cake[~((cake.recipe == "B") & (cake.temperature == "225"))]
    fit = lmt.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", holes).fit()
    frame = fit.marginal_means("recipe").cld().to_frame()
    assert list(zip(frame.recipe, frame.group, strict=True))[-1] == ("B", "")
    assert set(frame.group[:-1]) == {"a"}
