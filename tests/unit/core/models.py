"""The public data sets as designs."""

from __future__ import annotations

import functools

import numpy as np

from lmmtools import datasets
from lmmtools.design.matrices import Design
from tests.unit.core.designs import make_design


@functools.cache
def model(name: str) -> Design:
    d = datasets.load(name)
    one = np.ones((len(d), 1))
    if name in ("Dyestuff", "Dyestuff2"):
        return make_design(d["Yield"], one, [("Batch", d["Batch"].astype(str), None)])
    if name == "Penicillin":
        plate, sample = d["plate"].astype(str), d["sample"].astype(str)
        return make_design(d["diameter"], one, [("plate", plate, None), ("sample", sample, None)])
    if name == "Pastes":
        batch, cask = d["batch"].astype(str), d["batch"].astype(str) + d["cask"].astype(str)
        return make_design(d["strength"], one, [("batch", batch, None), ("cask", cask, None)])
    if name == "sleepstudy":
        X = np.column_stack([one, d["Days"]])
        return make_design(d["Reaction"], X, [("Subject", d["Subject"].astype(str), X)])
    raise ValueError(name)


def maximal() -> Design:
    """A 56 x 32 crossed design with four correlated effects each whose optimum is singular."""
    rng = np.random.default_rng(20261123)
    s, i = np.repeat(np.arange(24), 16), np.tile(np.arange(16), 24)
    cond = (s + i) % 8
    X = np.column_stack([np.ones(len(s)), *(np.where(cond & bit, 1, -1.0) for bit in (1, 2, 4))])

    def effects(m: int, sd: list[float]) -> np.ndarray:
        loadings = rng.standard_normal((4, 2))
        loadings *= (np.array(sd) / np.linalg.norm(loadings, axis=1))[:, None]
        return rng.standard_normal((m, 2)) @ loadings.T

    bs, bi = effects(24, [300, 80, 60, 70]), effects(16, [350, 40, 250, 50])
    y = X @ [2180, -67, -333, 78] + (X * bs[s]).sum(1) + (X * bi[i]).sum(1) + 650 * rng.standard_normal(len(s))
    return make_design(y, X, [("subj", s, X), ("item", i, X)])
