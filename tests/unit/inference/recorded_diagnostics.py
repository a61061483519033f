"""What make_diagnostics.R recorded, and the fits that it is of."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np

import lmmtools as lmt
from lmmtools.errors import BoundaryWarning

RECORDED = json.loads((Path(__file__).parents[2] / "reference" / "diagnostics.json").read_text())


def fit_of(entry) -> lmt.LMMResults:
    data = lmt.datasets.load(entry["data"])
    if entry["rows"] == "uneven":
        data = data[np.arange(1, len(data) + 1) * 7 % 11 != 0]
    weights = np.linspace(0.5, 2.0, len(data)) if entry["weighted"] else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        return lmt.lmm(entry["formula"], data, weights=weights).fit(engine="pls")
