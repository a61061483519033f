"""Designs made by hand, so that these tests stand on the records alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lmmtools.design.blocks import Block
from lmmtools.design.dropped import Dropped
from lmmtools.design.matrices import Design
from lmmtools.formula.terms import ModelFormula, RandomTerm

Term = tuple[str, np.ndarray, np.ndarray | None]


def make_design(
    y: np.ndarray,
    X: np.ndarray,
    terms: Sequence[Term],
    weights: np.ndarray | None = None,
    offset: np.ndarray | None = None,
) -> Design:
    """A Design of (name, codes, basis) terms; basis None is the constant."""
    blocks = []
    for name, codes, basis in terms:
        levels, index = np.unique(np.asarray(codes), return_inverse=True)
        B = np.ones((len(index), 1)) if basis is None else np.asarray(basis, dtype=float)
        term = RandomTerm(basis is None, tuple(f"b{i}" for i in range(B.shape[1] if basis is not None else 0)), (name,))
        names = tuple(f"e{i}" for i in range(B.shape[1]))
        blocks.append(Block(term, pd.Index(levels), index.astype(np.intp), B, names))
    blocks.sort(key=lambda b: -b.m)
    y = np.asarray(y, dtype=float)
    X = np.asarray(X, dtype=float).reshape(len(y), -1)
    return Design(
        ModelFormula("y", "1", tuple(b.term for b in blocks)),
        y,
        X,
        tuple(f"x{i}" for i in range(X.shape[1])),
        tuple(blocks),
        weights,
        offset,
        np.arange(len(y)),
        pd.DataFrame(index=range(len(y))),
        Dropped(len(y)),
    )


def random_design(seed: int, *, n_max: int = 90) -> Design:
    """Unbalanced crossed and nested factors, scalar and vector terms, weights, offset, p = 0: all by the seed."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, n_max))
    fine = np.r_[0:8, rng.integers(0, rng.integers(8, 16), n - 8)]
    middle, coarse = fine // 3, fine // 6
    crossed = np.minimum(rng.geometric(0.3, n), 7)
    other = rng.integers(0, 4, n)
    x, z = rng.standard_normal(n), rng.uniform(-2, 3, n)
    one = np.ones(n)
    bases: list[np.ndarray | None] = [
        None,
        np.column_stack([one, x]),
        x[:, None],
        np.column_stack([one, x, z]),
        np.eye(3)[rng.integers(0, 3, n)],
    ]
    factors = {"fine": fine, "middle": middle, "coarse": coarse, "crossed": crossed, "other": other}
    names = rng.choice(list(factors), size=rng.integers(1, 5), replace=True)
    terms: list[Term] = []
    for name in names:
        basis = bases[rng.choice(5, p=[0.5, 0.2, 0.15, 0.1, 0.05])]
        if not any(t[0] == name and (t[2] is None) == (basis is None) for t in terms):
            terms.append((str(name), factors[str(name)], basis))
    X = [np.zeros((n, 0)), one[:, None], np.column_stack([one, x]), np.column_stack([one, x, z, x * z])][
        rng.choice(4, p=[0.1, 0.3, 0.3, 0.3])
    ]
    y = rng.normal(0, 3) + x + rng.standard_normal(n) * rng.choice([0.3, 1, 5])
    for _, codes, basis in terms:
        B = one[:, None] if basis is None else basis
        spread = rng.choice([0.0, 0.3, 1.5]) * rng.standard_normal((int(np.max(codes)) + 1, B.shape[1]))
        y += (B * spread[codes]).sum(axis=1)
    weights = rng.uniform(0.2, 4, n) if rng.random() < 0.4 else None
    offset = rng.standard_normal(n) if rng.random() < 0.2 else None
    return make_design(y, X, terms, weights, offset)


def random_theta(design: Design, seed: int) -> np.ndarray:
    """A theta with some zero elements and, now and then, a term at zero altogether."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(0, 1, design.k)
    theta[rng.random(design.k) < 0.15] = 0.0
    at = 0
    for block in design.blocks:
        if rng.random() < 0.15:
            theta[at : at + block.k] = 0.0
        at += block.k
    return theta


def balanced(effects: int, reps: int, between: float, within: float, seed: int, levels: int = 6) -> Design:
    """One-way layout with exact mean squares: y has the given variances between and within groups, to rounding."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(levels), reps)
    e = rng.standard_normal((levels, reps))
    e -= e.mean(axis=1, keepdims=True)
    e *= np.sqrt(within * levels * (reps - 1) / (e**2).sum())
    a = rng.standard_normal(levels)
    a -= a.mean()
    a *= np.sqrt(between * (levels - 1) / (a**2).sum())
    return make_design(effects + (a[:, None] + e).ravel(), np.ones((levels * reps, 1)), [("g", codes, None)])
