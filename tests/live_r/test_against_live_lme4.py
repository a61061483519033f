"""Random designs against a live lme4: never a worse criterion than its default optimiser's."""

from __future__ import annotations

import json
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import LmmError, LmmWarning
from tests.live_lme4 import require_lme4

pytestmark = pytest.mark.live_r

# lme4's criterion less ours, relative, may be negative by rounding only.
CRITERION = 1e-8
N_DESIGNS = 100
FORMULAS = [
    "y ~ x + (1|a)",
    "y ~ x + (1|a) + (1|b)",
    "y ~ x + (x|a)",
    "y ~ x + (x||a)",
    "y ~ x + (x|a) + (1|b)",
    "y ~ x + (1|a/b)",
    "y ~ x * f + (1|a) + (0 + x|b)",
    "y ~ 1 + (f|a)",
    "y ~ x + (x|a) + (x|b)",
    "y ~ 0 + x + (1|a:b)",
]

SCRIPT = """
suppressMessages({library(lme4); library(jsonlite)})
folder <- commandArgs(TRUE)[1]
jobs <- fromJSON(file.path(folder, "jobs.json"))
out <- lapply(seq_len(nrow(jobs)), function(i) {
  d <- read.csv(file.path(folder, jobs$file[i]), stringsAsFactors = TRUE)
  fit <- tryCatch(suppressWarnings(suppressMessages(lmer(as.formula(jobs$formula[i]), d, REML = jobs$reml[i]))),
                  error = function(e) conditionMessage(e))
  if (is.character(fit)) return(list(error = fit))
  list(criterion = if (jobs$reml[i]) REMLcrit(fit) else deviance(fit, REML = FALSE), singular = isSingular(fit))
})
writeLines(toJSON(out, auto_unbox = TRUE, digits = NA), file.path(folder, "out.json"))
"""


def draw(seed: int) -> pd.DataFrame:
    """An unbalanced two-factor data set; the variances may be zero, small or large."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 200))
    a = rng.choice(int(rng.integers(4, 15)), n)
    b = rng.choice(int(rng.integers(3, 10)), n)
    x = rng.normal(size=n)
    sd = rng.choice([0.0, 0.2, 1.0, 3.0], 4)
    effects = rng.normal(size=(20, 4)) * sd
    y = 2 + x + effects[a, 0] + effects[a, 1] * x + effects[b, 2] + effects[b, 3] * x + rng.normal(size=n)
    f = rng.choice(["p", "q", "r"], n)
    return pd.DataFrame({"y": y, "x": x, "f": f, "a": [f"a{i}" for i in a], "b": [f"b{i}" for i in b]})


def test_criterion_is_never_worse_than_lme4s_default(tmp_path):
    require_lme4("jsonlite")
    jobs = []
    for seed in range(N_DESIGNS):
        draw(seed).to_csv(tmp_path / f"{seed}.csv", index=False)
        jobs.append({"file": f"{seed}.csv", "formula": FORMULAS[seed % len(FORMULAS)], "reml": seed % 3 != 0})
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    (tmp_path / "fit.R").write_text(SCRIPT)
    subprocess.run(["Rscript", str(tmp_path / "fit.R"), str(tmp_path)], check=True, timeout=600, capture_output=True)
    theirs = json.loads((tmp_path / "out.json").read_text())
    better = compared = 0
    for job, lme4 in zip(jobs, theirs, strict=True):
        data = pd.read_csv(tmp_path / job["file"])
        if "error" in lme4:
            with pytest.raises(LmmError):
                lmt.lmm(job["formula"], data)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LmmWarning)
            fit = lmt.lmm(job["formula"], data).fit(reml=job["reml"])
        assert fit.converged, job
        assert fit.objective <= lme4["criterion"] + CRITERION * abs(lme4["criterion"]), job
        compared += 1
        better += fit.objective < lme4["criterion"] - 1e-6 * abs(lme4["criterion"])
    assert compared >= 0.8 * N_DESIGNS
    print(f"{compared} designs compared, ours lower by more than 1e-6 relative in {better}")
