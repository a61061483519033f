"""Cluster-robust covariances, their degrees of freedom and joint tests.

Values: clubSandwich 0.5.8 on lme4 1.1-31 (tests/reference/make_robust.R), and an n x n computation here from the
equations of Pustejovsky & Tipton (2018), for models that clubSandwich does not take (prior weights).
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError, LmmError, RowsNeededError

from .recorded import REFERENCE

RECORDED = json.loads((REFERENCE / "robust.json").read_text())["models"]
KINDS = ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")

# lme4 stops where the criterion is flat to 1e-10 or so: theta then agrees to 1e-5, and what depends on it no better.
CLOSE = 2e-5
# Both sides here are of one theta.
EXACT = 1e-8


def data_of(entry) -> pd.DataFrame:
    data = lmt.datasets.load(entry["data"])
    if entry["name"] == "single":
        data = data.assign(first=(data["Subject"].astype(str) == "M01").astype(float))
    if entry["name"] == "sites":
        data = data.assign(site=(data["Subject"].cat.codes // 3))
    if entry["name"] == "cake":
        data = data.assign(temp=data["temp"].astype(float))
    return data[np.arange(1, len(data) + 1) * 7 % 11 != 0]


@pytest.fixture(scope="module", params=RECORDED, ids=lambda entry: entry["name"])
def recorded(request):
    entry = request.param
    data = data_of(entry)
    return entry, lmt.lmm(entry["formula"], data).fit(), data


def test_covariances_degrees_and_tests_are_clubsandwichs(recorded):
    entry, fit, _ = recorded
    for found in entry["found"]:
        kind, cluster = found["kind"], entry["cluster"]
        cov = fit.cov_params(kind, cluster=cluster).to_numpy()
        expected = np.array(found["cov"])
        size = np.sqrt(np.diag(expected))
        assert np.abs(cov - expected).max() <= CLOSE * (size[:, None] * size).max(), kind
        tests = fit.tests(cov=kind, cluster=cluster)
        np.testing.assert_allclose(tests.std_error, found["se"], rtol=CLOSE)
        np.testing.assert_allclose(tests.df, found["df"], rtol=10 * CLOSE)
        np.testing.assert_allclose(tests.p, found["p"], rtol=2e-3, atol=1e-12)
        limits = fit.conf_int(cov=kind, cluster=cluster).to_numpy()
        np.testing.assert_allclose(limits, np.column_stack([found["lower"], found["upper"]]), rtol=1e-3, atol=1e-3)
        joint, p = found["joint"], len(size)
        test = fit.f_test(np.eye(p)[joint["from"] :], cov=kind, cluster=cluster)
        np.testing.assert_allclose(test.F, joint["F"], rtol=10 * CLOSE)
        assert test.num_df == joint["num_df"]
        assert test.den_df == pytest.approx(joint["den_df"], rel=10 * CLOSE), kind
        assert test.p == pytest.approx(joint["p"], rel=1e-2, abs=1e-12)


def dense(fit, clusters, kind):
    """Return the covariance, and functions for df of a contrast and nu of several, from n x n matrices."""
    X, y = fit.design.X, fit.design.response
    V = fit.design.V(fit).toarray()
    W = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ W @ X)
    hat = X @ M @ X.T @ W
    left = np.eye(len(y)) - hat
    e = left @ y
    rows = [np.flatnonzero(clusters == c) for c in pd.unique(clusters)]
    E = []
    for I in rows:
        if kind == "CR2":
            D = np.linalg.cholesky(V[np.ix_(I, I)]).T
            B = D @ (left @ V @ left.T)[np.ix_(I, I)] @ D.T
            values, vectors = np.linalg.eigh(B)
            keep = values > 1e-9 * values[-1]
            A = D.T @ (vectors[:, keep] / np.sqrt(values[keep])) @ vectors[:, keep].T @ D
        elif kind == "CR3":
            A = np.linalg.inv(left[np.ix_(I, I)])
        else:
            A = np.eye(len(I))
        E.append(A.T @ W[np.ix_(I, I)] @ X[I] @ M)
    scores = np.array([own.T @ e[I] for own, I in zip(E, rows, strict=True)])
    spread = left @ V @ left.T
    P = np.array(
        [[a.T @ spread[np.ix_(I, J)] @ b for b, J in zip(E, rows, strict=True)] for a, I in zip(E, rows, strict=True)]
    )
    return scores.T @ scores, P


def dense_df(P, c):
    p = np.einsum("a,ijab,b->ij", c, P, c)
    return np.trace(p) ** 2 / (p**2).sum()


def dense_nu(P, C):
    q = len(C)
    P = np.einsum("sa,ijab,tb->ijst", C, P, C)
    values, vectors = np.linalg.eigh(np.einsum("iist->st", P))
    root = vectors / np.sqrt(values) @ vectors.T
    P = np.einsum("su,ijuv,vt->ijst", root, P, root)
    total = sum(
        (P[:, :, s, s] * P[:, :, t, t]).sum() + (P[:, :, s, t] * P[:, :, t, s]).sum()
        for s in range(q)
        for t in range(q)
    )
    return q * (q + 1) / total


@pytest.mark.parametrize("weights", ["none", "by cluster", "by row"])
@pytest.mark.parametrize("kind", ["CR0", "CR2", "CR3"])
def test_blocks_give_what_whole_matrices_give(kind, weights):
    data = lmt.datasets.load("sleepstudy")
    data = data[np.arange(1, len(data) + 1) * 7 % 11 != 0]
    w = {
        "none": None,
        "by cluster": 0.5 + data["Subject"].cat.codes.to_numpy() / 10.0,
        "by row": np.linspace(0.5, 3.0, len(data)),
    }[weights]
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", data, weights=w).fit()
    cov, P = dense(fit, data["Subject"].to_numpy(), kind)
    factor = fit.design.p
    np.testing.assert_allclose(fit.cov_params(kind).to_numpy(), cov, rtol=EXACT)
    L = np.array([[1.0, 3.0], [0.0, 1.0]])
    tests = fit.t_test(L, cov=kind)
    np.testing.assert_allclose(tests.df, [dense_df(P, c) for c in L], rtol=EXACT)
    assert fit.f_test(L, cov=kind).den_df == pytest.approx(dense_nu(P, L) - factor + 1, rel=EXACT)


def test_cr2_is_the_models_covariance_on_balanced_data():
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
    np.testing.assert_allclose(fit.cov_params("CR2"), fit.cov_params(), rtol=1e-6)
    np.testing.assert_allclose(fit.tests(cov="CR2").df, 17.0, rtol=1e-9)


def test_units_and_order_of_rows_do_not_matter():
    data = lmt.datasets.load("sleepstudy").iloc[:-7]
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit()
    other = data.assign(Reaction=data["Reaction"] * 1e6, Days=data["Days"] * 1e-5 + 3.0).sample(
        frac=1.0, random_state=1
    )
    far = lmt.lmm("Reaction ~ Days + (Days | Subject)", other).fit()
    one, two = fit.tests(cov="CR2"), far.tests(cov="CR2")
    assert two.df[1] == pytest.approx(one.df[1], rel=1e-5)
    assert two.t[1] == pytest.approx(one.t[1], rel=1e-5)


def test_clusters_are_factors_columns_or_labels():
    data = lmt.datasets.load("sleepstudy").assign(site=lambda d: d["Subject"].cat.codes // 3, noise=1)
    data.loc[4, "Reaction"] = np.nan
    with pytest.warns(lmt.LmmWarning, match="left out"):
        fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit()
    by_name = fit.cov_params("CR1", cluster="site").to_numpy()
    assert not np.allclose(by_name, fit.cov_params("CR1").to_numpy(), rtol=1e-3)
    for labels in (data["site"], data["site"].to_numpy()[data["Reaction"].notna()], data["site"].astype(str).tolist()):
        np.testing.assert_allclose(fit.cov_params("CR1", cluster=labels).to_numpy(), by_name)
    np.testing.assert_allclose(fit.cov_params("CR1", cluster="site:noise").to_numpy(), by_name)


def test_tables_say_what_they_are():
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit()
    assert "t-tests use cluster-robust standard errors (CR2) and Satterthwaite's method\n9 clusters" in str(
        fit.tests(cov="CR2")
    )
    table = fit.anova(cov="CR2")
    assert "CR2 covariance and HTZ tests" in str(table)
    assert "Sum Sq" not in str(table)
    assert np.isnan(table.to_frame()["sum_sq"]).all()
    assert "cluster-robust standard errors (CR2)" in str(fit.summary(cov="CR2"))
    z = fit.tests("z", cov="CR1", cluster="Subject")
    assert "(CR1 by Subject)" in str(z)
    assert "z value" in str(z)
    assert np.isinf(z.df).all()


def test_means_and_contrasts_take_the_robust_covariance():
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool").iloc[:-3]).fit()
    tests = fit.tests(cov="CR2")
    means = fit.marginal_means("Type", cov="CR2").to_frame()
    assert means["se"][0] == pytest.approx(tests.std_error[0], rel=1e-10)
    assert means["df"][0] == pytest.approx(tests.df[0], rel=1e-10)
    contrasts = fit.contrasts("Type", method="reference", cov="CR2", adjust="none").to_frame()
    np.testing.assert_allclose(contrasts["se"], tests.std_error[1:], rtol=1e-10)
    np.testing.assert_allclose(contrasts["df"], tests.df[1:], rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fit: fit.tests(cov="CR9"), "'CR2'"),
        (lambda fit: fit.tests(cluster="Subject"), 'write cov="CR2"'),
        (lambda fit: fit.tests("kenward-roger", cov="CR2"), 'use ddf="satterthwaite" or "z"'),
        (lambda fit: fit.tests(cov="CR2", cluster="Days"), "Subject: levels have rows in several clusters"),
        (lambda fit: fit.tests(cov="CR2", cluster="nothing"), "no grouping factor of this model and no column"),
        (lambda fit: fit.tests(cov="CR2", cluster=["a", "b"]), "has 2 labels; the fit uses 180 rows"),
        (lambda fit: fit.tests(cov="CR2", cluster=["a"] * 180), "there is one cluster"),
        (lambda fit: fit.tests(cov="CR2", cluster=[None] + ["a"] * 179), "every row needs a cluster"),
        (lambda fit: fit.conf_int(method="profile", cov="CR2"), "Wald intervals"),
    ],
)
def test_errors_name_what_is_wrong_and_what_to_write(call, said):
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
    with pytest.raises(DataError, match=said):
        call(fit)


def test_crossed_factors_have_no_clusters():
    fit = lmt.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", lmt.datasets.load("Penicillin")).fit()
    with pytest.raises(DataError, match="sample and plate are crossed"):
        fit.tests(cov="CR2")
    with pytest.raises(DataError, match="several clusters"):
        fit.tests(cov="CR2", cluster="plate")


def test_cr3_is_refused_where_a_cluster_determines_an_effect():
    data = lmt.datasets.load("sleepstudy")
    data = data.assign(first=(data["Subject"] == data["Subject"].iloc[0]).astype(float))
    fit = lmt.lmm("Reaction ~ Days + first + (1 | Subject)", data).fit()
    with pytest.raises(LmmError, match="CR3 is not defined"):
        fit.tests(cov="CR3")
    assert np.isfinite(fit.tests(cov="CR2").std_error).all()


def test_too_few_clusters_for_a_joint_test_are_said():
    data = lmt.datasets.load("ergoStool")
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", data).fit()
    test = fit.anova(cov="CR2", cluster=np.where(data["Subject"].cat.codes < 4, "a", "b")).tests[0]
    assert np.isnan(test.p)
    assert "too few" in test.notes[-1]


def test_rows_read_in_batches_are_refused(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "rows.parquet"
    lmt.datasets.load("sleepstudy").to_parquet(path)
    fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", str(path), stream=True).fit()
    with pytest.raises(RowsNeededError, match="reads its rows in batches"):
        fit.tests(cov="CR2")


def test_tidy_takes_the_robust_covariance():
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool").iloc[:-3]).fit()
    frame, tests = fit.tidy("fixed", conf_int=True, cov="CR2"), fit.tests(cov="CR2")
    np.testing.assert_allclose(frame["std_error"], tests.std_error)
    np.testing.assert_allclose(frame["conf_low"], fit.conf_int(cov="CR2")[0])


def test_tables_of_several_fits_say_which_errors_are_robust():
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool").iloc[:-3]).fit()
    table = lmt.tables.side_by_side(fit, cov="CR2", digits=6)
    assert "cluster-robust (CR2)" in str(table)
    assert f"{fit.tests(cov='CR2').std_error[1]:.4f}"[:6] in str(table)
