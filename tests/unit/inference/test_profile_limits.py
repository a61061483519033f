"""Each profile limit against the definition: the deviance, minimised over all else, first rises by the cutoff there.

The references are dense: the marginal likelihood by n x n matrices, a scan and a polish where one other variance is
left, many starts where there are several.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import lmmtools as lmt

pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.errors.LmmWarning")

# Of the rise, about 4: a limit is off by less than a thousandth of its distance from the estimate.
RISE = 0.02
# The searches stop at a gradient of 1e-5.
SEARCHED = 1e-3


class OneVariance:
    """The deviance of a model with one variance, in the eigenvectors of ZZ'."""

    THETA = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 70)])

    def __init__(self, y, X, Z, weights) -> None:
        root = np.sqrt(weights)
        values, vectors = np.linalg.eigh((root[:, None] * Z) @ (root[:, None] * Z).T)
        self.values = np.maximum(values, 0.0)
        self.y, self.X = vectors.T @ (root * y), vectors.T @ (root[:, None] * X)
        self.n, self.constant = len(y), -np.log(weights).sum()

    def parts(self, theta, held=None):
        y, X = self.y, self.X
        if held is not None:
            y, X = y - held[1] * X[:, held[0]], np.delete(X, held[0], axis=1)
        d = 1.0 + theta**2 * self.values
        y, X = y / np.sqrt(d), X / np.sqrt(d)[:, None]
        left = y - X @ np.linalg.lstsq(X, y, rcond=None)[0] if X.shape[1] else y
        return np.log(d).sum() + self.constant, left @ left

    def at(self, theta, sigma) -> float:
        logdet, r2 = self.parts(theta)
        return logdet + self.n * np.log(2 * np.pi * sigma**2) + r2 / sigma**2

    def profiled(self, theta, held=None) -> float:
        logdet, r2 = self.parts(theta, held)
        return logdet + self.n * (1.0 + np.log(2 * np.pi * r2 / self.n))

    def lowest(self, name=None, value=None, sigma=1.0) -> float:
        """The smallest deviance, with a parameter held if one is named; 0, 1, ... are the fixed effects."""
        if name is None or isinstance(name, int):
            return scan(lambda t: self.profiled(t, None if name is None else (name, value)), self.THETA)
        if name == "sigma":
            return scan(lambda t: self.at(t, value), self.THETA)
        return scan(lambda s: self.at(value / np.exp(s), np.exp(s)), np.log(sigma) + np.linspace(-4, 2, 70))


def scan(f, grid) -> float:
    values = np.array([f(t) for t in grid])
    best = values.min()
    for i in np.flatnonzero(values < best + 3.0):
        a, b = grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
        if values[i] <= min(values[max(i - 1, 0)], values[min(i + 1, len(grid) - 1)]):
            best = min(best, optimize.minimize_scalar(f, bounds=(a, b), method="bounded").fun)
    return best


def draw_one_way(rng: np.random.Generator):
    m = int(rng.integers(2, 9))
    n = int(rng.integers(max(6, m + 2), 40))
    g = np.concatenate([np.arange(m), rng.integers(0, m, n - m)])
    x, is_slope = rng.standard_normal(n), rng.random() < 0.3
    z = x if is_slope else np.ones(n)
    y = 1.0 + 0.5 * x + rng.choice([0, 0, 0.2, 0.5, 1, 3]) * rng.standard_normal(m)[g] * z + rng.standard_normal(n)
    w = rng.choice([0.5, 1.0, 4.0], n) if rng.random() < 0.2 else np.ones(n)
    Z = np.zeros((n, m))
    Z[np.arange(n), g] = z
    data = pd.DataFrame({"y": y, "x": x, "w": w, "g": g.astype(str)})
    return f"y ~ x + {'(0 + x | g)' if is_slope else '(1 | g)'}", data, Z


@pytest.mark.parametrize("seed", range(4))
def test_limits_of_one_way_designs_hold_their_definition(seed: int) -> None:
    rng = np.random.default_rng([11, seed])
    for _ in range(12):
        formula, data, Z = draw_one_way(rng)
        fit = lmt.lmm(formula, data, weights="w").fit(engine="pls", reml=bool(rng.random() < 0.5))
        alpha = float(rng.choice([0.05, 0.01, 0.32]))
        limits = fit.conf_int(alpha, method="profile")
        X = np.column_stack([np.ones(len(data)), data["x"]])
        model = OneVariance(data["y"].to_numpy(), X, Z, data["w"].to_numpy())
        lowest, cutoff = model.lowest(), stats.chi2.isf(alpha, 1)
        for name, row in zip(["sd", "sigma", 0, 1], limits.to_numpy(), strict=True):
            for value in row:
                rise = model.lowest(name, value, fit.sigma) - lowest
                if name == "sd" and value == 0.0:
                    assert rise <= cutoff + RISE, (name, row, value)
                else:
                    assert rise == pytest.approx(cutoff, abs=RISE), (formula, name, value)


class Dense:
    """The deviance of a model from the covariance matrices of its terms."""

    def __init__(self, y, X, terms) -> None:
        self.y, self.X, self.terms = y, X, terms
        self.same = [codes[:, None] == codes for codes, _ in terms]

    def at(self, phis, sigma, held=None) -> float:
        y, X = self.y, self.X
        if held is not None:
            y, X = y - held[1] * X[:, held[0]], np.delete(X, held[0], axis=1)
        V = sigma**2 * np.eye(len(y))
        for (_, columns), same, phi in zip(self.terms, self.same, phis, strict=True):
            V += same * (columns @ phi @ columns.T)
        L = np.linalg.cholesky(V)
        y, X = np.linalg.solve(L, y), np.linalg.solve(L, X)
        left = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
        return 2.0 * np.log(np.diag(L)).sum() + len(y) * np.log(2 * np.pi) + left @ left


def search(f, d: int, rng, size: float = 1.0, times: int = 8) -> float:
    """The lowest of many searches from random starts."""
    best = np.inf
    for _ in range(times):
        start = size * np.exp(rng.normal(-0.3, 1.2, d)) * rng.choice([-1, 1, 0.01], d)
        with np.errstate(all="ignore"):
            try:
                best = min(best, optimize.minimize(f, start, method="BFGS").fun)
            except np.linalg.LinAlgError:
                continue
    return best


def draw_two_terms(rng: np.random.Generator, kind: str):
    m, k, n = int(rng.integers(3, 7)), int(rng.integers(2, 5)), int(rng.integers(16, 32))
    g, h = np.concatenate([np.arange(m), rng.integers(0, m, n - m)]), rng.integers(0, k, n)
    x, one = rng.standard_normal(n), np.ones((n, 1))
    s, t = rng.choice([0, 0.3, 1, 2], 2)
    y = 1.0 + 0.5 * x + rng.standard_normal(n) + s * rng.standard_normal(m)[g]
    data = pd.DataFrame({"x": x, "g": g.astype(str), "h": h.astype(str)})
    if kind == "crossed":
        terms, y = [(g, one), (h, one)], y + t * rng.standard_normal(k)[h]
        formula = "y ~ x + (1|g) + (1|h)"
    elif kind == "nested":
        terms, y = [(g * k + h, one), (g, one)], y + t * rng.standard_normal(m * k)[g * k + h]
        formula = "y ~ x + (1|g/h)"
    else:
        terms, y = [(g, one), (g, x[:, None])], y + t * x * rng.standard_normal(m)[g]
        formula = "y ~ x + (x||g)"
    return formula, data.assign(y=y), Dense(y, np.column_stack([np.ones(n), x]), terms)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("kind", ["crossed", "nested", "uncorrelated"])
def test_limits_with_two_variances_are_in_the_lowest_valley(kind: str, number: int) -> None:
    rng = np.random.default_rng([5, len(kind), number])
    formula, data, dense = draw_two_terms(rng, kind)
    fit = lmt.lmm(formula, data).fit(engine="pls", reml=False)
    limits = fit.conf_int(method="profile")
    # The order of lmmtools' blocks is that of the terms here; a search confirms the fit first.
    own = [b.m for b in fit.design.blocks]
    assert own == [len(np.unique(codes)) for codes, _ in dense.terms]
    lowest = search(lambda x: dense.at([np.diag(x[:1] ** 2), np.diag(x[1:2] ** 2)], np.exp(x[2])), 3, rng)
    assert fit.objective <= lowest + SEARCHED
    which = int(rng.integers(2))
    value = limits.iloc[which, 1]

    def with_sd(x, value=value, which=which) -> float:
        phis = [np.array([[value**2]]), np.array([[x[0] ** 2]])]
        return dense.at(phis if which == 0 else phis[::-1], np.exp(x[1]))

    assert search(with_sd, 2, rng) - fit.objective == pytest.approx(stats.chi2.isf(0.05, 1), abs=RISE)
    for value in limits.loc["Intercept"]:

        def with_mean(x, value=value) -> float:
            return dense.at([np.diag(x[:1] ** 2), np.diag(x[1:2] ** 2)], np.exp(x[2]), (0, value))

        assert search(with_mean, 3, rng) - fit.objective == pytest.approx(stats.chi2.isf(0.05, 1), abs=RISE), value


@pytest.mark.parametrize("formula", ["y ~ 0 + c + (1|g) + (0 + c|g)", "y ~ c + (c||g)"])
def test_limits_where_only_a_sum_of_variances_is_determined(formula: str) -> None:
    """An intercept beside a matrix of all its levels: the part that it takes from the matrix costs nothing, until that
    is singular."""
    rng = np.random.default_rng(8)
    m, per = 15, 3
    g, c = np.repeat(np.arange(m), 2 * per), np.tile(np.repeat([0, 1], per), m)
    y = 2.0 * rng.standard_normal(m)[g] + 1.5 * c * rng.standard_normal(m)[g] + rng.standard_normal(len(g))
    data = pd.DataFrame({"y": y, "c": np.array(["a", "b"])[c], "g": g.astype(str)})
    fit = lmt.lmm(formula, data).fit(engine="pls", reml=False, check=False)
    limits = fit.conf_int(method="profile")
    columns = np.column_stack([c == 0, c == 1]).astype(float)
    dense = Dense(y, columns, [(g, columns)])

    def at(L, x, extra: float) -> float:
        return dense.at([L @ L.T + extra * np.ones((2, 2))], np.exp(x))

    def any_matrix(x) -> float:
        return at(np.array([[x[0], 0.0], [x[1], x[2]]]), x[3], 0.0)

    lowest, cutoff = search(any_matrix, 4, rng, 2.0), stats.chi2.isf(0.05, 1)
    assert fit.objective == pytest.approx(lowest, abs=SEARCHED)
    low, high = limits.loc["sd_(Intercept)|g"]
    assert low == 0.0

    def with_intercept(x) -> float:
        return at(np.array([[x[0], 0.0], [x[1], x[2]]]), x[3], high**2)

    assert search(with_intercept, 4, rng, 2.0) - lowest == pytest.approx(cutoff, abs=RISE)
    for name, order in (("sd_c[a]|g", [0, 1]), ("sd_c[b]|g", [1, 0])):
        for value in limits.loc[name]:

            def with_effect(x, value=value, order=order) -> float:
                L = np.array([[value, 0.0], [x[0], x[1]]])[order]
                return at(L, x[2], x[3] ** 2)

            rise = search(with_effect, 4, rng, 2.0) - lowest
            assert rise == pytest.approx(cutoff, abs=RISE) if value > 0 else rise <= cutoff + RISE, (name, order, value)


def test_the_first_step_of_a_flat_deviance_is_not_the_last() -> None:
    """A variance of zero where the deviance is flat: its limit was read off a step to 1e5 times its size."""
    y = np.array([0.0, 2.0, 1.0, 1.0, 0.4, 1.6, 0.5, 1.5])
    # Means are equal but for the little that makes the derivative at zero vanish: between = within mean square.
    model = np.repeat(np.arange(4), 2)
    within = ((y - y.reshape(4, 2).mean(axis=1)[model]) ** 2).sum()
    shift = np.sqrt(within / 4 / 4 * 2)
    y = y + shift * np.array([1.0, -1.0, 1.0, -1.0])[model] * np.sqrt(0.5)
    data = pd.DataFrame({"y": y, "g": model.astype(str)})
    fit = lmt.lmm("y ~ 1 + (1|g)", data).fit(engine="pls", reml=False)
    high = fit.conf_int(method="profile").iloc[0, 1]
    Z = np.equal.outer(model, np.arange(4)).astype(float)
    dense = OneVariance(y, np.ones((8, 1)), Z, np.ones(8))
    rise = dense.lowest("sd", high, fit.sigma) - dense.lowest()
    assert rise == pytest.approx(stats.chi2.isf(0.05, 1), abs=RISE)


def test_limits_within_a_wide_profile_equal_those_of_a_narrow_one() -> None:
    fit = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes")).fit(engine="pls")
    profile = fit.profile(alphamax=1e-4)
    for alpha in (0.05, 0.32, 0.002):
        narrow = fit.conf_int(alpha, method="profile")
        np.testing.assert_allclose(profile.conf_int(alpha), narrow, rtol=2e-5, atol=1e-9)


def test_a_limit_that_fails_its_check_is_nan_and_says_why(monkeypatch) -> None:
    from lmmtools.inference.profile.valley import Valley

    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    profile = fit.profile("sigma")
    drops = iter(range(1000))

    def ever_lower(self, v, known):
        from dataclasses import replace

        next(drops)
        return replace(known, point=replace(known.point, deviance=known.deviance - 0.5), left=0.0)

    monkeypatch.setattr(Valley, "search_elsewhere", ever_lower)
    with pytest.warns(lmt.errors.ProfileLimitWarning, match=r"sigma has no .* limit") as caught:
        limits = profile.conf_int(0.32)
    assert limits.isna().all(axis=None)
    assert caught[0].filename == __file__


def test_a_deviance_that_cannot_be_evaluated_around_the_fit_leaves_the_other_limits(monkeypatch) -> None:
    from lmmtools.errors import EngineError
    from lmmtools.inference.profile.coordinates import Coordinates

    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    known, original = fit.conf_int(method="profile"), Coordinates.evaluate

    def evaluate(self, v, x):
        if self.parameter.kind == "beta":
            raise EngineError("theta is too large")
        return original(self, v, x)

    monkeypatch.setattr(Coordinates, "evaluate", evaluate)
    with pytest.warns(lmt.errors.ProfileLimitWarning, match="Intercept has no limits: the deviance cannot") as caught:
        found = fit.conf_int(method="profile")
    assert caught[0].filename == __file__
    assert found.loc["Intercept"].isna().all()
    pd.testing.assert_frame_equal(found.drop("Intercept"), known.drop("Intercept"))


@pytest.mark.parametrize(("v", "log_sigma"), [(1.0, -100.0), (1e40, 0.0), (np.nan, 0.0)])
def test_beyond_all_data_the_deviance_is_not_evaluated(v: float, log_sigma: float) -> None:
    from lmmtools.errors import EngineError
    from lmmtools.inference.profile.coordinates import Coordinates, parameters_of

    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    c = Coordinates(fit.problem, parameters_of(fit.design)[0], fit.sigma, fit.estimate.beta, np.ones(1))
    with pytest.raises(EngineError, match="further and further out"):
        c.evaluate(v, np.array([log_sigma]))
