"""Responses drawn at new rows: moments of the model, and levels kept, drawn or left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError

DRAWS = 8000


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


@pytest.fixture(scope="module")
def crossed() -> lmt.LMMResults:
    data = lmt.datasets.load("Penicillin").assign(w=np.tile([1.0, 2.0, 4.0], 48), o=np.arange(144) / 10)
    return lmt.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", data, weights="w", offset="o").fit(engine="pls")


def cov_of(fit: lmt.LMMResults, name: str) -> np.ndarray:
    return fit.varcorr[name].to_numpy(float)


@pytest.mark.parametrize("random", ["new", "fitted", ["plate"], ["(1 | sample)"]])
def test_the_fits_own_rows_given_as_data_have_the_fits_draws(crossed: lmt.LMMResults, random: object) -> None:
    own = crossed.simulate(3, rng=1, random=random)  # type: ignore[arg-type]
    given = crossed.simulate(3, rng=1, random=random, data=crossed.design.frame)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(own, given)


def test_new_levels_have_the_covariance_of_the_model(sleep: lmt.LMMResults) -> None:
    rows = pd.DataFrame({"Days": [0.0, 9, 0, 9], "Subject": ["308", "308", "new", "new"]}, index=list("abcd"))
    drawn = sleep.simulate(DRAWS, rng=2, data=rows)
    assert list(drawn.index) == list("abcd")
    Z = np.array([[1.0, 0], [1, 9]])
    own = Z @ cov_of(sleep, "Subject") @ Z.T + sleep.scale * np.eye(2)
    expected = np.kron(np.eye(2), own)
    # Standard error of a covariance of n draws: about the root of (v_i v_j + v_ij^2) / n.
    error = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / DRAWS)
    np.testing.assert_array_less(np.abs(np.cov(drawn.to_numpy()) - expected), 4.5 * error)
    mean = sleep.predict(rows, random=False)
    np.testing.assert_array_less(np.abs(drawn.mean(axis=1) - mean), 4.5 * np.sqrt(np.diag(expected) / DRAWS))


@pytest.mark.parametrize("unseen", ["population", "new"])
def test_kept_modes_and_levels_that_have_none(sleep: lmt.LMMResults, unseen: str) -> None:
    rows = pd.DataFrame({"Days": [3.0, 3.0, 3.0], "Subject": ["309", "new", "new"]})
    drawn = sleep.simulate(DRAWS, rng=3, data=rows, random="fitted", unseen=unseen).to_numpy()
    means = sleep.predict(rows, unseen="population")
    z = np.array([1.0, 3.0])
    spread = float(z @ cov_of(sleep, "Subject") @ z) if unseen == "new" else 0.0
    V = np.diag([sleep.scale] * 3) + spread * np.array([[0, 0, 0], [0, 1, 1], [0, 1, 1]])
    np.testing.assert_allclose(drawn.mean(axis=1), means, atol=4.5 * np.sqrt(V.max() / DRAWS))
    np.testing.assert_allclose(np.cov(drawn), V, atol=4.5 * np.sqrt(2 / DRAWS) * V.max())


def test_a_kept_factor_leaves_the_others_to_be_drawn(crossed: lmt.LMMResults) -> None:
    rows = crossed.design.frame.iloc[[0, 1, 6]].assign(w=1.0)
    drawn = crossed.simulate(DRAWS, rng=4, data=rows, random=["sample"]).to_numpy()
    plate = float(cov_of(crossed, "plate")[0, 0])
    # Rows 0 and 1 are of one plate, row 6 of another; samples are kept.
    V = crossed.scale * np.eye(3) + plate * np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(np.cov(drawn), V, atol=4.5 * np.sqrt(2 / DRAWS) * V.max())
    kept = crossed.predict(rows, random="sample")
    np.testing.assert_allclose(drawn.mean(axis=1), kept, atol=4.5 * np.sqrt(V.max() / DRAWS))


def test_levels_of_a_nested_factor_are_told_by_all_their_columns() -> None:
    fit = lmt.lmm("strength ~ 1 + (1 | batch/cask)", lmt.datasets.load("Pastes")).fit(engine="pls")
    rows = pd.DataFrame({"batch": ["X", "X", "Y", "X"], "cask": ["a", "b", "a", "a"]})
    drawn = np.cov(fit.simulate(DRAWS, rng=5, data=rows).to_numpy())
    batch, cask = float(cov_of(fit, "batch")[0, 0]), float(cov_of(fit, "cask:batch")[0, 0])
    expected = np.array([batch, 0.0, batch + cask])
    np.testing.assert_allclose(drawn[0, 1:], expected, atol=4.5 * (batch + cask + fit.scale) / np.sqrt(DRAWS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": pd.DataFrame({"Days": [1.0], "Subject": ["x"]}), "random": "fitted"}, "has not seen .*'x'"),
        ({"data": pd.DataFrame({"Days": [1.0]})}, "Subject"),
        ({"data": pd.DataFrame({"Days": [1.0], "Subject": [None]})}, "has no value in 'Subject'"),
        ({"random": ["plate"]}, "no such grouping factor"),
        ({"random": ["(1 | Subject)"]}, "keep all of them"),
        ({"random": True}, "not an option"),
        ({"random": "other"}, "not an option.*'Subject'"),
        ({"unseen": "zero"}, "not an option"),
        ({"offset": 1.0}, "go with new data"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(
    sleep: lmt.LMMResults, options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        sleep.simulate(1, rng=1, **options)  # type: ignore[arg-type]


def test_rows_without_a_covariate_have_no_draw(sleep: lmt.LMMResults) -> None:
    rows = pd.DataFrame({"Days": [1.0, np.nan], "Subject": ["308", "308"]})
    assert sleep.simulate(2, rng=1, data=rows).isna().all(axis=1).tolist() == [False, True]
