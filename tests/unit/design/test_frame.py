"""Labels of a factor as a list, whatever holds them."""

from __future__ import annotations

import pandas as pd
import pytest

from lmmtools.design.frame import list_labels


@pytest.mark.parametrize(
    "labels", [["b", "a"], [2, 1], [0.5, 1.0], ["a", 1], [True, False], pd.to_datetime(["2020-01-01", "2021-01-01"])]
)
def test_labels_are_listed_as_pandas_lists_them(labels) -> None:
    for index in (pd.Index(labels), pd.Categorical(labels, categories=list(labels)).categories, list(labels)):
        assert list_labels(index) == list(index)
