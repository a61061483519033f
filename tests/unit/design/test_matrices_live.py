"""X, Z, y and the offset of many spellings, beside those that lme4 makes of the very same text."""

from __future__ import annotations

import subprocess

import numpy as np
import pandas as pd
import pytest

from lmmtools.design.build import build_design
from lmmtools.formula.parser import parse
from tests.live_lme4 import require_lme4

pytestmark = pytest.mark.live_r

# R prints 15 digits; poly() and bs() are computed by other recurrences there.
TOL = 1e-10

FORMULAS = [
    "y ~ x + (1|g)",
    "y~-1+x+(x|g)",
    "log(y) ~ log(z) + (1|g)",
    "y/2 ~ sqrt(z) + exp(x) + abs(x) + (1|g)",
    "y ~ I(x^2) + I(x*z/2^2) + I(-x^2) + (I(x^2)|g)",
    "y ~ log2(z) + log10(z) + log1p(z) + (log(z)|g)",
    "y ~ poly(z, 2) + (1|g)",
    "y ~ poly(z, 2) + (poly(z, 2)|h)",
    "y ~ poly(z, 2, raw=TRUE) + (1|g)",
    "y ~ scale(z) + (scale(z)|h)",
    "y ~ scale(x, scale=FALSE) + (1|g)",
    "y ~ bs(z, df=4) + (1|g)",
    "y ~ factor(h) + (1|g)",
    "y ~ factor(i)*f + (factor(i)|h)",
    "y ~ I(x > 0) + (1|g)",
    "y ~ x + offset(z) + offset(log(w)) + (1|g)",
    "y ~ x*f*w + (1|g)",
    "y ~ f*k + (1|k/g)",
    "y ~ f/x + (1|g)",
    "y ~ (f + k + x)^2 - f:k + (1|g)",
    "y ~ 0 + f + x + (1|g)",
    "y ~ 0 + f*k + (1|g)",
    "y ~ -1 + x:f + (1|g)",
    "y ~ C(f, contr.sum)*x + (1|g)",
    "y ~ C(f, contr.helmert) + (1|g)",
    "y ~ x + I(2*x) + z + (1|g)",
    "y ~ f + (f|h)",
    "y ~ f + (0+f|h)",
    "y ~ f + (f||h)",
    "y ~ x + (x||g)",
    "y ~ x*z + (x*z|h)",
    "y ~ x*z + (x:z|g)",
    "y ~ k:x + (k:x - 1|h)",
    "y ~ x + (1|g:h)",
    "y ~ x + (x|g) + (1|g:k)",
    "y ~ f + (1 + k | f:h)",
    "y ~ (1|k:f:h)",
    "y ~ (1|k/f/g)",
    "y ~ (x||k/h)",
    "y ~ (1|f) + (1|k) + (1|h)",
    "y ~ f + (1 | h/k) + (0 + x | h)",
]

SCRIPT = """
suppressMessages({library(lme4); library(splines)})
args <- commandArgs(TRUE)
data <- read.csv(args[1], na.strings = "")
data$f <- factor(data$f); data$k <- factor(data$k)
for (text in readLines(args[2])) {
  made <- suppressWarnings(suppressMessages(lFormula(as.formula(text), data)))
  X <- made$X; Z <- t(as.matrix(made$reTrms$Zt)); offset <- model.offset(made$fr)
  if (is.null(offset)) offset <- rep(0, nrow(X))
  cat(nrow(X), ncol(X), ncol(Z), length(attr(X, "col.dropped")), "\\n")
  cat(format(c(model.response(made$fr), offset, X, Z), digits = 15), "\\n")
}
"""


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    n = 240
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=n) + 6,
            "x": rng.normal(size=n),
            "z": rng.uniform(1, 3, n),
            "w": rng.uniform(1, 3, n),
            "f": rng.choice(list("abc"), n),
            "k": rng.choice(["p", "q"], n),
            "g": rng.choice([f"g{i}" for i in range(12)], n),
            "h": rng.integers(1, 8, n),
            "i": rng.integers(0, 4, n),
        }
    )
    frame.loc[3, "x"] = np.nan
    frame.loc[10, "g"] = None
    return frame


@pytest.fixture(scope="module")
def lme4s(data, tmp_path_factory):
    """{formula: (y, offset, X, Z, number of columns dropped)} as lme4's lFormula makes them."""
    require_lme4()
    folder = tmp_path_factory.mktemp("matrices")
    (folder / "make.R").write_text(SCRIPT)
    (folder / "formulas.txt").write_text("\n".join(FORMULAS) + "\n")
    data.to_csv(folder / "data.csv", index=False)
    command = ["Rscript", str(folder / "make.R"), str(folder / "data.csv"), str(folder / "formulas.txt")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    made = {}
    for text, sizes, numbers in zip(FORMULAS, lines[0::2], lines[1::2], strict=True):
        n, p, q, dropped = map(int, sizes.split())
        y, offset, X, Z = np.split(np.array(numbers.split(), dtype=float), np.cumsum([n, n, n * p]))
        made[text] = (y, offset, X.reshape(p, n).T, Z.reshape(q, n).T, dropped)
    return made


@pytest.mark.parametrize("text", FORMULAS)
def test_matrices_are_lme4s(text, data, lme4s):
    y, offset, X, Z, dropped = lme4s[text]
    design = build_design(parse(text), data)
    np.testing.assert_allclose(design.y, y, rtol=TOL)
    np.testing.assert_allclose(np.zeros(design.n) if design.offset is None else design.offset, offset, atol=TOL)
    np.testing.assert_allclose(design.X, X, atol=TOL)
    np.testing.assert_allclose(design.Z.toarray(), Z, atol=TOL)
    assert len(design.dropped.columns) == dropped
