"""The recorded lme4 fits, as (model, criterion) pairs with the data that made them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lmmtools as lmt

FILE = Path(__file__).parent / "reference" / "lme4.json"


@dataclass(frozen=True)
class Recorded:
    """One recorded fit: the model's entry in lme4.json and the fit's."""

    name: str
    model: dict[str, Any]
    criterion: str

    @property
    def fit(self) -> dict[str, Any]:
        return self.model["fits"][self.criterion]

    @property
    def reml(self) -> bool:
        return self.criterion == "REML"

    def __str__(self) -> str:
        return f"{self.name}-{self.criterion}"

    def declare(self) -> lmt.Model:
        """The model as lmmtools declares it, on the recorded data."""
        arguments = {key: self.model[key] for key in ("weights", "offset") if self.model[key]}
        return lmt.lmm(self.model["python_formula"], edited_data(self.name), **arguments)


@cache
def models() -> dict[str, dict[str, Any]]:
    return json.loads(FILE.read_text())["models"]


@cache
def edited_data(name: str) -> pd.DataFrame:
    """The data set with the recorded edit (missing values, weights, ...) applied to a copy."""
    entry = models()[name]
    data = lmt.datasets.load(entry["dataset"])
    edit = entry["data_edit"]
    if edit and isinstance(edit, dict):
        names = {"data": data, "np": np}
        exec(edit["python"], names)
        data = names["data"]
    return data


def all_fits(*, large: bool = False) -> list[Recorded]:
    """Every recorded fit; those on InstEval only if ``large``."""
    return [
        Recorded(name, entry, criterion)
        for name, entry in models().items()
        for criterion in entry["fits"]
        if large or entry["dataset"] != "InstEval"
    ]
