"""What is recovered from the factor, and the variance parameters' information, against the textbook."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools import core
from lmmtools.core.search import traces
from lmmtools.engines import pls
from tests.unit.core.dense import dense_fit, unprofiled
from tests.unit.core.designs import make_design, random_design, random_theta
from tests.unit.core.models import model
from tests.unit.core.routes import ROUTES, take

CLOSE = 1e-8
"""Relative to the largest element."""


def close(a: np.ndarray, b: np.ndarray, rtol: float = CLOSE) -> None:
    np.testing.assert_allclose(a, b, atol=rtol * max(np.abs(b).max(initial=0.0), 1e-12), rtol=0)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("seed", range(20))
def test_recovered_quantities_equal_the_textbook(seed: int, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take(route, monkeypatch)
    reml = bool(seed % 2)
    design = random_design(seed)
    theta = random_theta(design, seed)
    dense = dense_fit(design, theta, reml)
    problem = core.prepare(design)
    found = core.recover(problem, theta, reml)
    y = design.response
    Vinv = np.linalg.inv(dense.V)
    close(found.beta, dense.beta)
    close(found.beta_cov, dense.beta_cov)
    assert found.sigma**2 == pytest.approx(dense.sigma2, rel=1e-9)
    b = dense.Sigma @ dense.Z.T @ dense.P @ y
    close(np.concatenate([m.ravel() for m in found.modes]), b)
    assert found.logdet == pytest.approx(
        np.linalg.slogdet(dense.V)[1] + (0.0 if design.weights is None else np.log(design.weights).sum()),
        rel=1e-9,
        abs=1e-9,
    )
    assert found.pwrss == pytest.approx(float(y @ dense.P @ y), rel=1e-9)
    if design.p:
        Hxx = design.X.T @ Vinv @ design.X
        assert found.logdet_x == pytest.approx(np.linalg.slogdet(Hxx)[1], rel=1e-9, abs=1e-9)

    # Covariance of the modes given y with beta known: Sigma - Sigma Z'V^-1 Z Sigma.
    posterior = dense.sigma2 * (dense.Sigma - dense.Sigma @ dense.Z.T @ Vinv @ dense.Z @ dense.Sigma)
    at = 0
    for block, own in zip(design.blocks, core.conditional_covariances(problem, theta, reml), strict=True):
        for g in range(block.m):
            s = slice(at, at + block.l)
            np.testing.assert_allclose(own[g], posterior[s, s], atol=1e-7 * (1e-12 + np.abs(posterior).max()))
            at += block.l

    w = np.ones(design.n) if design.weights is None else design.weights
    hat = 1.0 - np.diag(dense.P) / w
    np.testing.assert_allclose(core.hat_values(problem, theta, reml), hat, atol=1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_prediction_variances_at_the_data_and_at_new_levels(seed: int) -> None:
    design = random_design(300 + seed)
    theta = random_theta(design, seed)
    problem = core.prepare(design)
    codes, bases = [b.codes for b in design.blocks], [b.basis for b in design.blocks]
    dense = dense_fit(design, theta, True)
    w = np.ones(design.n) if design.weights is None else design.weights
    hat = 1.0 - np.diag(dense.P) / w
    found = core.prediction_variances(problem, theta, True, design.X, codes, bases)
    np.testing.assert_allclose(found, dense.sigma2 * hat / w, atol=1e-8 * dense.sigma2)
    # A level never seen: the variance of X b and all of the term's own variance.
    new = [np.full(design.n, -1) for _ in codes]
    found = core.prediction_variances(problem, theta, True, design.X, new, bases)
    fixed = np.einsum("np,pq,nq->n", design.X, dense.beta_cov, design.X)
    at, own = 0, np.zeros(design.n)
    for block in design.blocks:
        S = dense.sigma2 * dense.Sigma[at : at + block.l, at : at + block.l]
        own += np.einsum("na,ab,nb->n", block.basis, S, block.basis)
        at += block.q
    np.testing.assert_allclose(found, fixed + own, rtol=1e-7, atol=1e-9 * dense.sigma2)
    np.testing.assert_allclose(
        core.prediction_variances(problem, theta, True, design.X), fixed, rtol=1e-7, atol=1e-10 * dense.sigma2
    )


def half_hessian(design, parameters, reml, steps):
    def f(x):
        return unprofiled(design, x, reml)

    n = len(parameters)
    H = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            a, b = np.eye(n)[i] * steps[i], np.eye(n)[j] * steps[j]
            for c, weight in ((1.0, 4 / 3), (2.0, -1 / 3)):
                d = f(parameters + c * (a + b)) - f(parameters + c * (a - b))
                d += f(parameters - c * (a + b)) - f(parameters - c * (a - b))
                H[i, j] += weight * d / (4 * c * c * steps[i] * steps[j])
            H[j, i] = H[i, j]
    return 0.5 * H


@pytest.mark.parametrize("dense_q", [400, -1], ids=["exact", "by-differences"])
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", ["sleepstudy", "Penicillin", "Pastes", "Dyestuff"])
def test_information_is_half_the_hessian(name: str, reml: bool, dense_q: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "DENSE_Q", dense_q)
    design = model(name)
    fit = pls.fit(design, reml=reml)
    info = core.information(core.prepare(design), fit.theta, reml)
    observed = info.relative_information / info.units / info.units[:, None]
    steps = 5e-3 / np.sqrt(np.diag(observed))
    expected = half_hessian(design, info.vcov, reml, steps)
    scale = 1.0 / np.sqrt(np.diag(expected))
    np.testing.assert_allclose(observed * scale * scale[:, None], expected * scale * scale[:, None], atol=2e-4)
    np.testing.assert_allclose(info.vcov_cov @ observed, np.eye(len(info.vcov)), atol=1e-7)
    assert info.names[-1] == "var(Residual)"


def test_information_on_the_sd_scale_is_the_delta_method() -> None:
    design = model("sleepstudy")
    fit = pls.fit(design)
    info = core.information(core.prepare(design), fit.theta)
    sd = np.sqrt(info.vcov[[0, 2, 3]])
    np.testing.assert_allclose(info.sdcor[[0, 2, 3]], sd)
    np.testing.assert_allclose(info.sdcor_se[[0, 2, 3]], info.vcov_se[[0, 2, 3]] / (2 * sd))
    assert info.sdcor[1] == pytest.approx(info.vcov[1] / (sd[0] * sd[1]))
    assert info.sdcor_names[1].startswith("cor(")
    # A correlation's variance by the delta method, by hand.
    r, a, b = info.sdcor[1], info.vcov[0], info.vcov[2]
    J = np.array([-r / (2 * a), 1 / np.sqrt(a * b), -r / (2 * b)])
    assert info.sdcor_cov[1, 1] == pytest.approx(J @ info.vcov_cov[:3, :3] @ J, rel=1e-9)


def test_information_is_undefined_on_the_boundary_and_says_why() -> None:
    design = model("Dyestuff2")
    fit = pls.fit(design)
    info = core.information(core.prepare(design), fit.theta)
    assert np.isnan(info.vcov_se[0])
    assert "is zero" in info.reasons[0]
    assert info.reasons[1] == ""
    # With the group variance at zero the residual's is a sample variance: se = s2 sqrt(2 / (n - 1)).
    assert info.vcov_se[1] == pytest.approx(info.vcov[1] * np.sqrt(2 / 29), rel=1e-8)


def test_modes_of_a_large_chain_equal_those_of_a_dense_fit() -> None:
    rng = np.random.default_rng(4)
    fine = np.repeat(np.arange(120), 3)
    n = len(fine)
    item = rng.integers(0, 15, n)
    x = rng.standard_normal(n)
    B = np.column_stack([np.ones(n), x])
    y = x + rng.standard_normal(120)[fine] + rng.standard_normal(15)[item] + rng.standard_normal(n)
    design = make_design(y, B, [("fine", fine, B), ("top", fine // 10, None), ("item", item, None)])
    problem = core.prepare(design)
    assert len(problem.structure.chain) == 2
    fit = pls.fit(design)
    dense = dense_fit(design, fit.theta, True)
    close(np.concatenate([m.ravel() for m in fit.modes]), dense.Sigma @ dense.Z.T @ dense.P @ y, 1e-7)
