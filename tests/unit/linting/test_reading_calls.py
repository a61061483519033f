"""What a written call shows of itself: its groups, and by which criterion it is fitted."""

from __future__ import annotations

import ast

import pandas as pd
import pytest

from lmmtools.linting.call import MixedLMCall
from lmmtools.linting.rules.coding import _looks_like_labels
from lmmtools.linting.script.reader import read_trees


@pytest.mark.parametrize(
    ("text", "reml"),
    [
        ("m.fit()", True),
        ("m.fit(reml=True)", True),
        ("m.fit(reml=False)", False),
        ("m.fit(None, False)", False),
        ("m.fit(reml=0)", False),
        ("m.fit(reml=choice)", None),
    ],
)
def test_a_fit_is_by_reml_unless_its_text_says_otherwise(text, reml) -> None:
    made = "import statsmodels.formula.api as smf\nm = smf.mixedlm('y ~ x', d, groups='g')\n"
    ((found,), _) = read_trees({None: ast.parse(made + text)})
    assert found.calls[0].fits[0].reml is reml


@pytest.mark.parametrize(("groups", "is_readable"), [("g", True), (None, False), ([1, 2], False)])
def test_a_call_is_readable_where_its_groups_are_named(groups, is_readable) -> None:
    assert MixedLMCall.from_arguments("y ~ x", groups, None, None).is_readable is is_readable


@pytest.mark.parametrize(
    ("column", "are_labels"),
    [
        ([1, 2, 3, 1, 2, 3], True),
        ([1.0, 2.0, 3.0, 3.0, 2.0, 1.0], True),
        ([1, 2, 3, 4, 1, 2, 3], False),
        ([0, 1, 0, 1, 0, 1], False),
        ([1.5, 2.0, 3.0, 1.5, 2.0, 3.0], False),
    ],
)
def test_whole_numbers_that_occur_twice_on_average_look_like_labels(column, are_labels) -> None:
    assert _looks_like_labels(pd.Series(column)) is are_labels
