"""``fit.update`` and ``model.update``: another formula on the data that the model was declared on."""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError


@pytest.fixture
def data():
    return lmt.datasets.load("sleepstudy")


def test_the_changed_model_is_the_one_declared_anew(data):
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit(reml=False)
    changed = fit.update("log(.) ~ . + I(Days**2) - (Days | Subject) + (1 | Subject)")
    anew = lmt.lmm("log(Reaction) ~ Days + I(Days**2) + (1 | Subject)", data).fit(reml=False)
    assert changed.objective == anew.objective
    assert changed.names.data == "sleepstudy"
    assert fit.update("~ .", reml=True).reml


def test_a_column_made_after_the_fit_is_there(data):
    fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit()
    data["z"] = np.arange(len(data)) % 7
    assert "z" in fit.update("~ . + z").params


def test_rows_that_are_complete_again_come_back(data):
    data["z"] = [np.nan, *range(len(data) - 1)]
    with pytest.warns(lmt.errors.DroppedRowsWarning):
        fit = lmt.lmm("Reaction ~ Days + z + (1 | Subject)", data).fit()
    assert fit.nobs == 179
    assert fit.update("~ . - z").nobs == 180


def test_data_that_were_changed_are_not_used_silently(data):
    model = lmt.lmm("Reaction ~ Days + (1 | Subject)", data)
    data.loc[3, "Reaction"] = 1000.0
    with pytest.raises(DataError, match="changed since"):
        model.update("~ . + I(Days**2)")
    assert model.update("~ . + I(Days**2)", data).design.y[3] == 1000.0


def test_data_that_are_gone_serve_where_the_fit_has_what_is_needed():
    data = lmt.datasets.load("sleepstudy")
    data["z"] = [np.nan, *range(len(data) - 1)]
    with pytest.warns(lmt.errors.DroppedRowsWarning):
        fit = lmt.lmm("Reaction ~ Days + z + (1 | Subject)", data).fit()
    apart = pickle.loads(pickle.dumps(fit))
    with pytest.raises(DataError, match="data="):
        apart.update("~ . - z")
    del data
    gc.collect()
    with pytest.raises(DataError, match="data="):
        fit.update("~ . - z")
    whole = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
    assert pickle.loads(pickle.dumps(whole)).update("~ . - (Days | Subject) + (1 | Subject)").design.k == 1


@pytest.mark.parametrize("by_name", [True, False])
def test_weights_and_offset_go_along(data, by_name):
    data["w"], data["o"] = 1.0 + np.arange(len(data)) % 3, np.arange(len(data)) / 10
    given = {"weights": "w", "offset": "o"} if by_name else {"weights": data.w.to_numpy(), "offset": data.o.to_numpy()}
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", data, **given).fit()
    anew = lmt.lmm("Reaction ~ Days + (1 | Subject)", data, **given).fit()
    assert fit.update("~ . - (Days | Subject) + (1 | Subject)").objective == anew.objective
