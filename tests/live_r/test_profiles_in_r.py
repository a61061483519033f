"""Profile limits of ordinary models against a live lme4's ``confint(method = "profile")``."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from tests.live_lme4 import require_lme4

pytestmark = [pytest.mark.live_r, pytest.mark.filterwarnings("ignore::lmmtools.errors.LmmWarning")]

# Of an interval's width: lme4 reads its limits off a spline through the points of its profile.
OF_WIDTH = 2e-3

MODELS = {
    "slopes": "y ~ x + (x | a)",
    "uncorrelated": "y ~ x + (x || a)",
    "crossed": "y ~ x + (1 | a) + (1 | b)",
    "chain": "y ~ x + (1 | b / a)",
    "one_way": "y ~ x + f + (1 | a)",
}

SCRIPT = """
suppressMessages({library(lme4); library(jsonlite)})
folder <- commandArgs(TRUE)[1]
jobs <- fromJSON(file.path(folder, "jobs.json"))
out <- lapply(seq_len(nrow(jobs)), function(i) {
  d <- read.csv(file.path(folder, paste0(jobs$name[i], ".csv")), stringsAsFactors = TRUE)
  fit <- suppressMessages(lmer(as.formula(jobs$formula[i]), d, REML = jobs$reml[i]))
  limits <- suppressMessages(confint(fit, level = jobs$level[i], oldNames = FALSE, quiet = TRUE))
  list(names = rownames(limits), lower = limits[, 1], upper = limits[, 2])
})
writeLines(toJSON(out, auto_unbox = TRUE, digits = NA, na = "null"), file.path(folder, "out.json"))
"""


def draw(name: str, seed: int) -> pd.DataFrame:
    """Twenty-four levels, clear variances: the search from point to point that lme4 does is at ease there."""
    rng = np.random.default_rng([seed, len(name)])
    a, n = np.repeat(np.arange(24), 8), 192
    b = a // 4 if name == "chain" else rng.integers(0, 10, n)
    x = rng.normal(size=n)
    y = 2 + x + rng.normal(size=24)[a] + 0.8 * rng.normal(size=24)[a] * x + rng.normal(size=24)[b] + rng.normal(size=n)
    if name in ("crossed", "chain", "one_way"):
        y -= 0.5 * x
    # No weights: lme4 1.1-31 profiles the fixed effects of weighted fits as narrower than their deviance is.
    columns = {"y": y, "x": x, "f": rng.choice(list("pqr"), n), "a": [f"a{i}" for i in a], "b": [f"b{i}" for i in b]}
    return pd.DataFrame(columns)


def test_profile_limits_of_ordinary_models_are_lme4s(tmp_path):
    require_lme4("jsonlite")
    jobs = []
    for seed in (0, 1):
        for model, formula in MODELS.items():
            name, level = f"{model}{seed}", 0.99 if seed else 0.95
            draw(model, seed).to_csv(tmp_path / f"{name}.csv", index=False)
            jobs.append({"name": name, "formula": formula, "reml": bool(seed), "level": level})
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    (tmp_path / "confint.R").write_text(SCRIPT)
    subprocess.run(
        ["Rscript", str(tmp_path / "confint.R"), str(tmp_path)], check=True, timeout=600, capture_output=True
    )
    theirs = json.loads((tmp_path / "out.json").read_text())
    for job, known in zip(jobs, theirs, strict=True):
        data = pd.read_csv(tmp_path / f"{job['name']}.csv")
        fit = lmt.lmm(job["formula"], data).fit(reml=job["reml"])
        ours = fit.conf_int(1.0 - job["level"], method="profile").to_numpy()
        expected = np.array([known["lower"], known["upper"]], dtype=float).T
        assert len(ours) == len(expected), job
        width = np.abs(expected[:, 1] - expected[:, 0])[:, None]
        assert (np.abs(ours - expected) <= OF_WIDTH * width).all(), (job, ours, expected)
