"""What goes to R: exact bytes, fixed words and generated names, nothing that a user wrote."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.engines.lme4.exchange import Job, restore_names, write_jobs
from lmmtools.engines.lme4.options import Control

ODD = np.array([1 / 3, 1e150, 5e-324, -0.0, np.pi, 1e-17, -2.5, 7.0])


@pytest.fixture
def design():
    data = pd.DataFrame(
        {
            "y": ODD,
            "`x": np.arange(8.0) ** 2,
            "g": pd.Categorical(list("ccaabbca"), categories=list("cba")),
            "h": ["stop()", "b"] * 4,
        }
    )
    formula = "y ~ Q('`x') + (1 + Q('`x') | g) + (1|h) + (0 + Q('`x') | h)"
    return lmt.lmm(formula, data, weights=1 / np.arange(1.0, 9.0), offset=ODD[::-1], trusted=True).design


def test_every_number_crosses_as_its_own_bytes(design, tmp_path):
    write_jobs([Job(design, True, Control())], tmp_path)
    written = (tmp_path / "data1.bin").read_bytes()
    n = design.n
    doubles = [design.y, *design.X.T, design.weights, design.offset]
    expected = np.concatenate(doubles).astype("<f8").tobytes()
    codes = [[0, 0, 2, 2, 1, 1, 0, 2], [1, 0] * 4]
    expected += (np.array(codes) + 1).astype("<i4").tobytes()
    slope, only = design.blocks[0].basis, design.blocks[-1].basis
    assert (slope.shape, only.shape) == ((n, 2), (n, 1))
    own = [b.basis.T.ravel() for b in design.blocks if not (b.basis == 1).all()]
    assert written == expected + np.concatenate(own).astype("<f8").tobytes()


def test_a_job_is_numbers_and_fixed_words(design, tmp_path):
    control = Control("bobyqa", tuning=(("rhoend", "1e-09"),), checks=(("check.scaleX", "ignore"),))
    write_jobs([Job(design, False, control, (1.0, 0.0, 1.0, 0.5, 2.0)), Job(design, True, Control())], tmp_path)
    first, second = (tmp_path / "jobs.dcf").read_text().split("\n\n")
    fields = dict(line.split(": ", 1) for line in first.splitlines())
    assert fields["factors"] == "3 2"
    assert fields["start"] == "1.0 0.0 1.0 0.5 2.0"
    assert (fields["optimizer"], fields["tuning"], fields["checks"]) == (
        "bobyqa",
        "rhoend=1e-09",
        "check.scaleX=ignore",
    )
    # One data file serves both criteria.
    assert [fields["data"], "data: 1" in second] == ["1", True]
    for line in (first + "\n" + second).splitlines():
        assert re.fullmatch(r"[a-z]+: [A-Za-z0-9_.=+ -]*", line)


@pytest.mark.parametrize(
    ("said", "restored"),
    [
        ("(problems: lmm_g1, lmm_g2)", "(problems: g, h)"),
        ("for term (0 + lmm_z1 | lmm_g1); too many", "for term (1 + Q('`x') | g); too many"),
        ("weights in 'lmm_w', lmm_X2 and lmm_y", "weights in 'the weights', `x and y"),
        ("column lmm_z1_1 of lmm_X", "column (Intercept) of the fixed effects"),
        ("lmm_g9 lmm_glmm lmm_", "lmm_g9 lmm_glmm lmm_"),
    ],
)
def test_what_r_says_gets_the_models_names_back(design, said, restored):
    assert restore_names(said, design) == restored
