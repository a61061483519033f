"""R's coding of factors, rebuilt from its rule, against the model matrices of a live R."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design.r_coding import code_like_r, find_narrower, r_matrix
from lmmtools.errors import CodingWarning

pytestmark = [
    pytest.mark.live_r,
    pytest.mark.skipif(shutil.which("Rscript") is None, reason="there is no R"),
]

N_FORMULAS = int(os.environ.get("LMMTOOLS_CODING", "300"))
# Both are least squares on the same numbers, printed with 12 digits.
REL = 1e-8

SCRIPT = """
folder <- commandArgs(TRUE)[1]
d <- read.csv(file.path(folder, "d.csv"), stringsAsFactors = TRUE)
for (f in readLines(file.path(folder, "formulas.txt"))) {
  fit <- lm.fit(model.matrix(as.formula(paste("~", f)), d), d$y)
  cat(fit$rank, sprintf("%.12g", sum(fit$residuals^2)), "\\n")
}
"""


def draw_data(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 240
    data = {c: rng.standard_normal(n) for c in ("y", "x", "z")}
    levels = {"f": list("pqr"), "g": ["hi", "lo"], "h": list("uvw"), "s": [f"s{i}" for i in range(12)]}
    return pd.DataFrame(data | {name: rng.choice(own, n) for name, own in levels.items()})


def draw_formula(rng: np.random.Generator) -> str:
    """A sum of products of some of two numeric columns and three factors, with or without a constant."""
    codings = {f: rng.choice([f, f, f"C({f}, contr.sum)", f"C({f}, contr.helmert)"]) for f in "fgh"}
    spelled = {"x": "x", "z": rng.choice(["z", "I(z^2)"]), **codings}
    terms = []
    for _ in range(rng.integers(1, 5)):
        names = rng.permutation(list(spelled))[: rng.integers(1, 4)]
        joined = spelled[names[0]]
        for name in names[1:]:
            joined += rng.choice([":", ":", "*"]) + spelled[name]
        terms.append(joined)
    if rng.random() < 0.2:
        terms[0] = f"({terms[0]}):{spelled[rng.choice(list(spelled))]}"
    return rng.choice(["", "0 + ", "1 + "]) + " + ".join(terms)


@pytest.fixture(scope="module")
def in_r(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int, float]]:
    folder = tmp_path_factory.mktemp("coding")
    rng = np.random.default_rng(14)
    formulas = [draw_formula(rng) for _ in range(N_FORMULAS)]
    draw_data(1).to_csv(folder / "d.csv", index=False)
    (folder / "formulas.txt").write_text("\n".join(formulas) + "\n")
    (folder / "script.R").write_text(SCRIPT)
    done = subprocess.run(
        ["Rscript", folder / "script.R", folder], capture_output=True, text=True, check=True, timeout=300
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    return [(f, int(rank), float(rss)) for f, (rank, rss) in zip(formulas, lines, strict=True)]


def test_the_rule_gives_the_space_of_rs_model_matrix(in_r: list[tuple[str, int, float]]) -> None:
    data = draw_data(1)
    flagged = 0
    for formula, rank, rss in in_r:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CodingWarning)
            design = lmt.lmm(f"y ~ {formula} + (1 | s)", data).design
        ours = r_matrix(design.encoder, design.frame, code_like_r(design.encoder.factors_by_term()))
        left = data.y - ours @ np.linalg.lstsq(ours, data.y, rcond=None)[0]
        assert np.linalg.matrix_rank(ours) == rank, formula
        assert float(left @ left) == pytest.approx(rss, rel=REL), formula
        found = find_narrower(design.encoder, design.frame, design.X, design.x_names)
        assert (0 if found is None else found.count) == design.p - rank, formula
        flagged += found is not None
    assert 0.02 * len(in_r) < flagged < 0.6 * len(in_r)


def test_what_is_said_to_add_in_r_gives_the_model_that_is_fitted_here(in_r: list[tuple[str, int, float]]) -> None:
    data = draw_data(1)
    checked = 0
    for formula, _, _ in in_r:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CodingWarning)
            design = lmt.lmm(f"y ~ {formula} + (1 | s)", data).design
            found = find_narrower(design.encoder, design.frame, design.X, design.x_names)
            if found is None or not found.added:
                continue
            wider = lmt.lmm(f"y ~ {formula} + {' + '.join(found.added)} + (1 | s)", data).design
        assert find_narrower(wider.encoder, wider.frame, wider.X, wider.x_names) is None, formula
        assert wider.p == design.p, formula
        assert np.linalg.matrix_rank(np.column_stack([wider.X, design.X])) == design.p, formula
        checked += 1
    assert checked > 0.01 * len(in_r)
