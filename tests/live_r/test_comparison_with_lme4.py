"""Honest pairs with a live lme4: its optimisers and printouts of three to seven digits are not accused."""

from __future__ import annotations

import json
import subprocess
import warnings

import pytest

import lmmtools as lmt
from tests.live_lme4 import require_lme4

pytestmark = pytest.mark.live_r

ACCUSED = ("disagrees", "another model", "cannot be compared")
MODELS = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    "uncorrelated": ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin"),
    "nested": ("strength ~ 1 + (1 | batch/cask)", "Pastes"),
    "singular": ("Yield ~ 1 + (1 | Batch)", "Dyestuff2"),
}
OPTIMISERS = ("nloptwrap", "bobyqa", "Nelder_Mead", "nlminbwrap")
DIGITS = (3, 4, 5, 6, 7)

# Every optimiser's summary to so many digits; all in one process of R.
SCRIPT = """
suppressMessages({library(lme4); library(jsonlite)})
jobs <- fromJSON(file("stdin"))
out <- lapply(seq_len(nrow(jobs)), function(i) {
  d <- read.csv(text = jobs$data[i], stringsAsFactors = TRUE)
  fit <- suppressWarnings(suppressMessages(
    lmer(as.formula(jobs$formula[i]), d, REML = jobs$reml[i], control = lmerControl(jobs$optimiser[i]))))
  lapply(DIGITS, function(k) paste(capture.output(print(summary(fit), digits = k)), collapse = "\\n"))
})
writeLines(toJSON(out, auto_unbox = TRUE))
""".replace("DIGITS", f"c{DIGITS}")


@pytest.fixture(scope="module")
def printed():
    """Printouts by model, criterion and optimiser, one for each number of digits."""
    require_lme4("jsonlite")
    keys = [(name, reml, optimiser) for name in MODELS for reml in (True, False) for optimiser in OPTIMISERS]
    jobs = [
        {
            "formula": MODELS[name][0],
            "data": lmt.datasets.load(MODELS[name][1]).to_csv(index=False),
            "reml": reml,
            "optimiser": optimiser,
        }
        for name, reml, optimiser in keys
    ]
    done = subprocess.run(
        ["Rscript", "-e", SCRIPT], input=json.dumps(jobs), capture_output=True, text=True, check=True, timeout=600
    )
    return dict(zip(keys, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("name", MODELS)
def test_printouts_of_every_optimiser_are_not_accused(printed, name, reml):
    formula, dataset = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lmt.lmm(formula, lmt.datasets.load(dataset)).fit(engine="pls", reml=reml)
        record = lmt.read_json(fit.to_json())
        for optimiser in OPTIMISERS:
            for digits, text in zip(DIGITS, printed[name, reml, optimiser], strict=True):
                summary = lmt.read_lme4_summary(text)
                for pair in ((fit, summary), (summary, fit), (record, summary)):
                    found = lmt.compare(*pair)
                    assert found.verdict not in ACCUSED, (optimiser, digits, found.sentences)


@pytest.mark.parametrize("optimizer", ["nloptwrap", "bobyqa", "Nelder_Mead"])
@pytest.mark.parametrize("name", MODELS)
def test_fits_of_every_optimiser_are_not_accused_nor_their_modes(name, optimizer):
    require_lme4()
    formula, dataset = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lmt.lmm(formula, lmt.datasets.load(dataset))
        fit, other = model.fit(engine="pls"), model.fit(engine="lme4", optimizer=optimizer)
        records = [lmt.read_json(f.to_json(random_effects=True)) for f in (fit, other)]
        for pair in ((fit, other), (other, fit), (fit, records[1]), tuple(records)):
            found = lmt.compare(*pair)
            assert found.verdict not in ACCUSED, found.sentences
            assert any(row.part == "mode" for row in found.rows), pair
