"""What make_inference.R and make_diagnostics.R recorded, with the rows and fits that they are of."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import lmmtools as lmt
from lmmtools.errors import BoundaryWarning

REFERENCE = Path(__file__).parents[2] / "reference"
RECORDED = json.loads((REFERENCE / "inference.json").read_text())
DIAGNOSTICS = json.loads((REFERENCE / "diagnostics.json").read_text())
DATA = {"sleepstudy": "sleepstudy", "penicillin": "Penicillin", "pastes": "Pastes", "cake": "cake"}


def rows_of(entry) -> pd.DataFrame:
    name = entry["name"].partition("_")[0]
    data = lmt.datasets.load(DATA[name])
    at = np.arange(1, len(data) + 1)
    if name == "sleepstudy" and entry["rows"] == "uneven":
        return data[at * 7 % 11 != 0]
    if entry["rows"] == "few":
        return data[data["Subject"].cat.codes >= 12]
    if name == "penicillin" and entry["rows"] == "uneven":
        return data[at * 5 % 7 != 0]
    if name == "cake" and entry["rows"] != "all":
        lost = (data["recipe"] == "A") & (data["temperature"].astype(str) == "175")
        lost &= data["replicate"].cat.codes < 8
        if entry["rows"] == "empty":
            lost |= (data["recipe"] == "B") & (data["temperature"].astype(str) == "215")
        return data[(at * 7 % 13 != 0) & ~lost]
    return data


def fit_of(entry) -> lmt.LMMResults:
    data = lmt.datasets.load(entry["data"])
    if entry["rows"] == "uneven":
        data = data[np.arange(1, len(data) + 1) * 7 % 11 != 0]
    weights = np.linspace(0.5, 2.0, len(data)) if entry["weighted"] else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        return lmt.lmm(entry["formula"], data, weights=weights).fit(engine="pls")
