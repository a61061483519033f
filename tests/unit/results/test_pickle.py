"""Fits travel between processes: what is unpickled has the same numbers and methods."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt


def fitted(formula, name, engine="pls"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        return lmt.lmm(formula, lmt.datasets.load(name)).fit(engine=engine)


FITS = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", "sleepstudy", "auto"),
    "transforms": ("Reaction ~ poly(Days, 2) + I(Days**2 > 9) + (1 | Subject)", "sleepstudy", "pls"),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", "mixedlm"),
    "singular": ("Yield ~ 1 + (1 | Batch)", "Dyestuff2", "auto"),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("is_used", [False, True], ids=["fresh", "used"])
def test_an_unpickled_fit_has_the_same_numbers(name, is_used):
    fit = fitted(*FITS[name])
    if is_used:
        # What a fit computes when it is first asked for goes along.
        fit.summary(), fit.random_effects_cov, fit.certificate, fit.mixedlm, fit.hat_values, fit.tests()
    again = pickle.loads(pickle.dumps(fit))
    assert str(again.summary()) == str(fit.summary())
    assert again.objective == fit.objective
    np.testing.assert_array_equal(again.theta, fit.theta)
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_frame_equal(again.cov_params(), fit.cov_params())
    pd.testing.assert_frame_equal(again.varcorr.to_frame(), fit.varcorr.to_frame())
    for factor, modes in fit.random_effects.items():
        pd.testing.assert_frame_equal(again.random_effects[factor], modes)
    pd.testing.assert_series_equal(again.predict(fit.design.frame), fit.predict(fit.design.frame))
    pd.testing.assert_frame_equal(again.tests().to_frame(), fit.tests().to_frame())
    assert again.certificate.holds == fit.certificate.holds


def test_a_fit_unpickles_in_another_process(tmp_path):
    fit = fitted(*FITS["slopes"])
    (tmp_path / "fit.pickle").write_bytes(pickle.dumps(fit))
    code = f"import pickle; f = pickle.load(open({str(tmp_path / 'fit.pickle')!r}, 'rb')); print(repr(f.objective))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(fit.objective)


def test_models_records_and_tables_are_pickled_too(tmp_path):
    fit = fitted(*FITS["crossed"])
    model = lmt.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", lmt.datasets.load("Penicillin"))
    for thing in (
        model,
        fit.summary(),
        fit.tests(),
        lmt.read_json(fit.to_json()),
        lmt.translate(model),
        lmt.structure(lmt.datasets.load("Penicillin"), ["plate", "sample"]),
        lmt.compare(fit, fit),
    ):
        assert str(pickle.loads(pickle.dumps(thing))) == str(thing) or thing is model, type(thing)
    assert pickle.loads(pickle.dumps(model)).fit(engine="pls").objective == pytest.approx(fit.objective, abs=1e-8)
    assert copy.deepcopy(fit).objective == fit.objective


def test_errors_and_warnings_are_pickled():
    with pytest.raises(lmt.FormulaError) as raised:
        lmt.lmm("y ~ (1 |", {})
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
