"""The simulated data of the benchmarks, with a fixed seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

__all__ = ["SEED", "simulate"]

SEED = 20261123
FIRST = {"ratings1m", "ratings200k", "slopes", "nested", "maximal"}


def simulate(names: set[str]) -> dict[str, pd.DataFrame]:
    """Return the simulated data sets of these names.

    One generator makes the first five in this order: the optima in ``cases`` hold for these draws only (NumPy 2).
    """
    found: dict[str, pd.DataFrame] = {}
    if names & FIRST:
        rng = np.random.default_rng(SEED)
        found = {
            "ratings1m": ratings(rng, 6_040, 3_706, 1_000_000),
            "ratings200k": ratings(rng, 3_000, 1_500, 200_000),
            "slopes": slopes(rng, 10_000, 10),
            "nested": nested(rng, (20, 25, 10), 20),
            "maximal": maximal(rng, 56, 32),
        }
    return {name: found[name] if name in FIRST else OTHERS[name]() for name in names}


def ratings(rng: Generator, n_users: int, n_items: int, n_rows: int) -> pd.DataFrame:
    """Users crossed with items of very unequal (Zipf-like) popularity, each pair once at most."""
    activity = rng.gamma(0.8, 1, n_users) + 0.05
    popularity = rng.gamma(0.4, 1, n_items) + 0.01
    draws = int(n_rows * 1.35)
    pairs = pd.DataFrame(
        {
            "g": rng.choice(n_users, draws, p=activity / activity.sum()),
            "h": rng.choice(n_items, draws, p=popularity / popularity.sum()),
        }
    )
    pairs = pairs.drop_duplicates().iloc[:n_rows]
    user, item = rng.standard_normal(n_users), rng.standard_normal(n_items)
    y = 3.5 + 0.45 * user[pairs.g] + 0.6 * item[pairs.h] + 0.9 * rng.standard_normal(len(pairs))
    return pd.DataFrame({"g": "u" + pairs.g.astype(str), "h": "i" + pairs.h.astype(str), "y": np.round(y, 3)})


def slopes(rng: Generator, n_subjects: int, n_times: int) -> pd.DataFrame:
    """Subjects with their own intercepts and slopes, correlated."""
    subject = np.repeat(np.arange(n_subjects), n_times)
    x = np.tile(np.arange(n_times), n_subjects).astype(float)
    b = rng.multivariate_normal([0, 0], [[600, 10], [10, 35]], n_subjects)
    y = 250 + 10 * x + b[subject, 0] + b[subject, 1] * x + 25 * rng.standard_normal(len(x))
    return pd.DataFrame({"subj": [f"S{k:05d}" for k in subject], "x": x, "y": np.round(y, 3)})


def nested(rng: Generator, sizes: tuple[int, int, int], n_pupils: int) -> pd.DataFrame:
    """Pupils in classes in schools in regions; the labels are reused in each region and school."""
    n_regions, n_schools, n_classes = sizes
    region = np.repeat(np.arange(n_regions), n_schools * n_classes * n_pupils)
    school = np.tile(np.repeat(np.arange(n_schools), n_classes * n_pupils), n_regions)
    klass = np.tile(np.repeat(np.arange(n_classes), n_pupils), n_regions * n_schools)
    in_region = region * n_schools + school
    of_region = rng.standard_normal(n_regions)[region]
    of_school = rng.standard_normal(n_regions * n_schools)[in_region]
    of_class = rng.standard_normal(n_regions * n_schools * n_classes)[in_region * n_classes + klass]
    y = 60 + 3 * of_region + 4 * of_school + 2 * of_class + 8 * rng.standard_normal(len(region))
    x = rng.standard_normal(len(region))
    return pd.DataFrame(
        {"region": region, "school": school, "klass": klass, "x": np.round(x, 3), "y": np.round(y + 1.5 * x, 3)}
    )


def maximal(rng: Generator, n_subjects: int, n_items: int) -> pd.DataFrame:
    """Reaction times of subjects to items under three two-level conditions, all effects random for both."""
    subject = np.repeat(np.arange(n_subjects), n_items)
    item = np.tile(np.arange(n_items), n_subjects)
    condition = (subject + item) % 8
    S, P, L = (np.where(condition & bit, 1, -1.0) for bit in (1, 2, 4))
    of_subject = rng.multivariate_normal(np.zeros(4), _covariance(rng, [300, 80, 60, 70]), n_subjects)
    of_item = rng.multivariate_normal(np.zeros(4), _covariance(rng, [350, 40, 250, 50]), n_items)
    X = np.column_stack([np.ones(len(subject)), S, P, L])
    effects = X @ [2180, -67, -333, 78] + (X * of_subject[subject]).sum(1) + (X * of_item[item]).sum(1)
    y = effects + 650 * rng.standard_normal(len(subject))
    labels = {"subj": [f"S{k:02d}" for k in subject], "item": [f"I{k:02d}" for k in item]}
    return pd.DataFrame({**labels, "S": S, "P": P, "L": L, "y": np.round(y, 2)})


def movers(rng: Generator, n_workers: int, n_firms: int, n_years: int) -> pd.DataFrame:
    """Workers with their firms, a fifth of whom move once to a firm nearby: two large factors that hardly cross."""
    worker = np.repeat(np.arange(n_workers), n_years)
    home = rng.integers(0, n_firms, n_workers)
    has_moved = (rng.random(n_workers) < 0.2)[worker] & (np.tile(np.arange(n_years), n_workers) >= n_years // 2)
    firm = np.where(has_moved, (home + rng.integers(1, 20, n_workers))[worker] % n_firms, home[worker])
    y = rng.standard_normal(n_workers)[worker] + 0.5 * rng.standard_normal(n_firms)[firm]
    y += rng.standard_normal(len(worker))
    return pd.DataFrame({"worker": worker, "firm": firm, "y": np.round(y, 3)})


def islands(rng: Generator, n_islands: int) -> pd.DataFrame:
    """Four raters and three targets on each island, fully crossed there, two rows a pair; nobody leaves."""
    shape = (n_islands, 4, 3, 2)
    island, rater, target, _ = (v.ravel() for v in np.meshgrid(*map(np.arange, shape), indexing="ij"))
    rater, target = 4 * island + rater, 3 * island + target
    y = rng.standard_normal(4 * n_islands)[rater] + 0.5 * rng.standard_normal(3 * n_islands)[target]
    y += rng.standard_normal(len(island))
    return pd.DataFrame({"rater": rater, "target": target, "y": np.round(y, 3)})


def _covariance(rng: Generator, sd: list[float]) -> NDArray[np.float64]:
    a = rng.standard_normal((len(sd), len(sd)))
    product = a @ a.T
    root = np.sqrt(np.diag(product))
    return product / root[:, None] / root * np.outer(sd, sd)


def answers(rng: Generator, n_persons: int, n_items: int, n_rows: int) -> pd.DataFrame:
    """Persons who answer some of the items each, a quarter of all pairs."""
    pairs = rng.choice(n_persons * n_items, n_rows, replace=False)
    person, item = np.divmod(np.sort(pairs), n_items)
    x = rng.standard_normal(n_rows)
    y = 0.2 * x + rng.standard_normal(n_persons)[person] + 0.5 * rng.standard_normal(n_items)[item]
    y += 1.5 * rng.standard_normal(n_rows)
    return pd.DataFrame(
        {"person": [f"p{k:03d}" for k in person], "item": [f"i{k:02d}" for k in item], "x": x, "y": np.round(y, 3)}
    )


def covariates(rng: Generator, n_rows: int, n_columns: int, n_groups: int) -> pd.DataFrame:
    """Rows with many numeric covariates, in groups."""
    X = rng.standard_normal((n_rows, n_columns))
    g = rng.integers(0, n_groups, n_rows)
    y = X @ rng.normal(0, 0.1, n_columns) + rng.standard_normal(n_groups)[g] + rng.standard_normal(n_rows)
    columns = {f"x{k}": np.round(x, 4) for k, x in enumerate(X.T, 1)}
    return pd.DataFrame({"g": g, **columns, "y": np.round(y, 3)})


def fixed_levels(rng: Generator, n_rows: int, n_levels: int, n_groups: int) -> pd.DataFrame:
    """Rows with a fixed factor of many levels, in groups that cross it."""
    f, g = rng.integers(0, n_levels, n_rows), rng.integers(0, n_groups, n_rows)
    y = rng.normal(0, 0.5, n_levels)[f] + rng.standard_normal(n_groups)[g] + rng.standard_normal(n_rows)
    return pd.DataFrame({"f": f, "g": g, "y": np.round(y, 3)})


def term_of_many(rng: Generator, n_groups: int, n_rows: int, n_effects: int) -> pd.DataFrame:
    """Groups with an intercept and slopes on numeric covariates, independent of each other."""
    g = np.repeat(np.arange(n_groups), n_rows)
    X = np.column_stack([np.ones(len(g)), rng.standard_normal((len(g), n_effects - 1))])
    y = (X * rng.standard_normal((n_groups, n_effects))[g]).sum(1) + rng.standard_normal(len(g))
    return pd.DataFrame({"g": g, **{f"x{k}": X[:, k] for k in range(1, n_effects)}, "y": y})


OTHERS: dict[str, Callable[[], pd.DataFrame]] = {
    "movers": lambda: movers(np.random.default_rng(SEED + 1), 50_000, 10_000, 6),
    "islands": lambda: islands(np.random.default_rng(SEED + 2), 5_000),
    "answers": lambda: answers(np.random.default_rng(SEED + 3), 500, 40, 5_000),
    "slopes1m": lambda: slopes(np.random.default_rng(SEED + 4), 100_000, 10),
    "covariates": lambda: covariates(np.random.default_rng(SEED + 5), 100_000, 49, 1_000),
    "levels100": lambda: fixed_levels(np.random.default_rng(SEED + 6), 100_000, 100, 1_000),
    "levels1000": lambda: fixed_levels(np.random.default_rng(SEED + 7), 100_000, 1_000, 1_000),
    "crossed": lambda: ratings(np.random.default_rng(SEED + 8), 25_000, 5_000, 2_500_000),
}
"""Makers of the data sets that have a generator of their own, by name."""
