"""Contrasts under R's names: R's coding, or an error with the spelling to write."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import FormulaError

# contr.*(4) of R 4.2.2 and MASS 7.3, to three digits: the rows are the levels.
CODINGS = {
    "contr.treatment": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "contr.SAS": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]],
    "contr.sum": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]],
    "contr.helmert": [[-1, -1, -1], [1, -1, -1], [0, 2, -1], [0, 0, 3]],
    "contr.poly": [[-0.671, 0.5, -0.224], [-0.224, -0.5, 0.671], [0.224, -0.5, -0.671], [0.671, 0.5, 0.224]],
    "contr.sdif": [[-0.75, -0.5, -0.25], [0.25, -0.5, -0.25], [0.25, 0.5, -0.25], [0.25, 0.5, 0.75]],
    "contr.Sum": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]],
    "'contr.sum'": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]],
    "contr.poly(scores=[1, 2, 3, 7])": [
        *([-0.494, 0.629, -0.333], [-0.274, -0.19, 0.799], [-0.055, -0.705, -0.499], [0.823, 0.267, 0.033]),
    ],
}


@pytest.fixture
def data():
    y = np.random.default_rng(0).standard_normal(80)
    return pd.DataFrame(
        {"y": y, "f": np.tile(list("pqrt"), 20), "k": np.tile([0, 1, 2, 3], 20), "g": np.arange(80) // 8}
    )


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("factor", ["f", "k"])
def test_a_coding_is_rs(data, coding, factor):
    X = lmt.lmm(f"y ~ C({factor}, {coding}) + (1 | g)", data).design.X
    assert X[:4, 1:].round(3).tolist() == pytest.approx(np.array(CODINGS[coding], dtype=float))


@pytest.mark.parametrize(
    "coding",
    [
        "contr.treatment(base=2)",
        "contr.treatment(2)",
        "contr.treatment(4, base=2)",
        "contr.treatment, base=2",
        "base=2",
    ],
)
@pytest.mark.parametrize("factor", ["f", "k"])
def test_the_place_of_a_level_is_refused_with_the_spelling_to_write(data, coding, factor):
    # For k, whose levels are 0 to 3, the level 2 is not R's second one.
    with pytest.raises(FormulaError, match=r"Treatment\("):
        lmt.lmm(f"y ~ C({factor}, {coding}) + (1 | g)", data)


@pytest.mark.parametrize("coding", ["contr.sum(4)", "contr.helmert(4)", "contr.poly(4)", "contr.sum(n=4)"])
def test_a_number_of_levels_is_refused(data, coding):
    name = coding.partition("(")[0]
    with pytest.raises(FormulaError, match=rf"write C\(f, {name}\)"):
        lmt.lmm(f"y ~ C(f, {coding}) + (1 | g)", data)


def test_an_unknown_coding_is_no_missing_column(data):
    with pytest.raises(FormulaError, match=r"contr\.equalprior is no coding.*\n.*\n.*\n?.*contr\.treatment"):
        lmt.lmm("y ~ C(f, contr.equalprior) + (1 | g)", data)
