"""Every way through the elimination, as thresholds that force it on designs of any size."""

from __future__ import annotations

import pytest

from lmmtools.core.elimination import coupling, dense_rest, fronts, sparse_rest, structure
from lmmtools.core.kernels import eliminated, numpy_eliminated

_CHAIN = {"SMALL_Q": -1, "MEDIUM_Q": -1}
_SPARSE = {**_CHAIN, "DENSE_SIZE": -1, "DENSE_FILL": 2.0}
_FRONTS = {**_SPARSE, "SPARSE_REST": 1, "DENSE_SHARE": 2.0, "WORTH": 1e12}

ROUTES: dict[str, dict[str, float]] = {
    "as planned": {},
    "chain, dense coupling": _CHAIN,
    "chain, sparse coupling by pairs": {**_SPARSE, "PAIR_COST": 0.0},
    "chain, sparse coupling by rows": {**_SPARSE, "PAIR_COST": 1e9},
    "chain, sparse coupling mixed": {**_SPARSE, "PAIR_COST": 1.0},
    "rest built when needed": {**_CHAIN, "DENSE_A": -1},
    "fronts as found": {**_FRONTS, "WASTE": 0.0, "SMALL_WASTE": 0},
    "fronts merged": _FRONTS,
    "fronts by LAPACK": {**_FRONTS, "WASTE": 1e9, "SINGLE": 1},
    "fronts by all threads": {**_FRONTS, "WASTE": 1e9, "SINGLE": 1, "WIDEST": 0},
}


def take(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Force a route."""
    for name, value in ROUTES[route].items():
        modules = [
            m
            for m in (structure, coupling, dense_rest, sparse_rest, fronts, numpy_eliminated, eliminated)
            if name in vars(m)
        ]
        for module in modules:
            monkeypatch.setattr(module, name, value)
        if name == "WIDEST" and eliminated is numpy_eliminated:
            pytest.skip("without compiled kernels this is the route by LAPACK")
        assert modules, f"no module has {name}"
