"""``to_json(predict=True)``: a fit without its data predicts, and has means, contrasts and tests: the same numbers."""

from __future__ import annotations

import copy
import json
import pickle
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError, LmmError, RowsNeededError
from lmmtools.formula.expressions import columns_of
from lmmtools.results import fit_json, stored_fit
from lmmtools.results.stored_prediction import checksum

pytestmark = pytest.mark.filterwarnings("ignore")

# The products are summed in another order than those of a small fit.
CLOSE = 1e-9

MODELS = {
    "y ~ x + (x | g)": {},
    "y ~ f * k + x + (1 | g) + (1 | h)": {"weights": "w"},
    "y ~ poly(x, 2) + C(f, contr.sum) + (1 | g/k)": {},
    "y ~ bs(x, df=4) + k + (0 + k | h)": {},
    "y ~ scale(log(w)) * C(k, Treatment('v')) + offset(x) + (1 | g)": {},
    "y ~ dummy(f, 'b') + I(x > 0) + C(number) + (x || g)": {},
    "y ~ f + twice + x + (1 | number)": {},
    "y ~ 0 + f + `odd name` + (1 | g:h)": {},
    "y ~ f/inner + (1 | h)": {},
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 160
    g, h = rng.integers(0, 12, n), rng.integers(0, 9, n)
    f, k, x = rng.choice(list("abc"), n), rng.choice(["u", "v"], n), rng.normal(size=n)
    d = pd.DataFrame({"x": x, "f": f, "k": k, "w": rng.uniform(0.5, 2, n), "number": rng.integers(1, 5, n)})
    d["g"], d["h"] = (
        [f"g{i:02d}" for i in g],
        pd.Categorical([f"h{i}" for i in h], categories=[f"h{i}" for i in range(9)][::-1]),
    )
    d["twice"], d["odd name"], d["inner"] = 2 * x, rng.normal(size=n), [a + b for a, b in zip(f, k, strict=True)]
    effect = rng.normal(size=(12, 2))
    d["y"] = x + (f == "b") + effect[g, 0] + effect[g, 1] * x + rng.normal(size=9)[h] + rng.normal(size=n)
    return d.mask(pd.DataFrame({c: np.arange(n) == 7 for c in d}) & (d.columns == "x"))


@pytest.fixture(scope="module")
def fits(data) -> dict[str, lmt.LMMResults]:
    return {formula: lmt.lmm(formula, data, **options).fit(check=False) for formula, options in MODELS.items()}


def numbers(found) -> np.ndarray:
    frame = found if isinstance(found, (pd.DataFrame, pd.Series)) else found.to_frame()
    return np.asarray(frame.select_dtypes("number") if isinstance(frame, pd.DataFrame) else frame, dtype=float)


@pytest.mark.parametrize("formula", MODELS)
def test_predictions_means_and_tests_are_those_of_the_fit(fits, data, formula) -> None:
    fit = fits[formula]
    record = lmt.read_json(fit.to_json(predict=True))
    new = data.drop(columns="y").iloc[[0, 20, 90, 7]].assign(g=["g01", "nobody", "g03", "g04"])
    for options in (
        {"unseen": "population"},
        {"random": False},
        {"unseen": "missing", "interval": "prediction"},
        {"unseen": "population", "interval": "confidence", "ddf": "satterthwaite"},
        {"random": False, "interval": "confidence", "ddf": "kenward-roger"},
    ):
        expected = numbers(fit.predict(new, **options))
        np.testing.assert_allclose(numbers(record.predict(new, **options)), expected, rtol=CLOSE, atol=CLOSE)
    np.testing.assert_allclose(numbers(record.tests()), numbers(fit.tests()), rtol=1e-7, atol=1e-9)
    factors = [name for name in ("f", "k") if name in columns_of(fit.design.formula.fixed)]
    for weights in ("equal", "cells"):
        ours, theirs = (r.marginal_means(factors, weights=weights) for r in (record, fit))
        assert ours.notes == theirs.notes
        assert ours.values == theirs.values
        np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=1e-7, atol=1e-9)
    if factors and "dummy" not in formula:
        ours, theirs = (r.contrasts(factors[0], method="effects") for r in (record, fit))
        np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(
            numbers(record.pairwise(factors)), numbers(fit.pairwise(factors)), rtol=1e-7, atol=1e-9
        )
        assert record.joint_tests().terms == fit.joint_tests().terms
        np.testing.assert_allclose(numbers(record.joint_tests()), numbers(fit.joint_tests()), rtol=1e-7, atol=1e-9)
    assert str(record.summary("satterthwaite")) == str(fit.summary("satterthwaite"))
    again = lmt.read_json(record.to_json())
    np.testing.assert_array_equal(again.predict(new, random=False), record.predict(new, random=False))


def test_rows_read_in_batches_are_stored_alike(fits, data, tmp_path) -> None:
    data.to_csv(tmp_path / "d.csv", index=False)
    fit = lmt.lmm("y ~ x + (x | g)", str(tmp_path / "d.csv"), stream=True).fit()
    record = lmt.read_json(fit.to_json(predict=True))
    other = lmt.read_json(fits["y ~ x + (x | g)"].to_json(predict=True))
    new = data.iloc[:5]
    for options in ({}, {"interval": "prediction"}):
        np.testing.assert_allclose(record.predict(new, **options), other.predict(new, **options), rtol=1e-6)


def test_the_file_is_smaller_than_the_pickle(fits) -> None:
    fit = fits["y ~ f * k + x + (1 | g) + (1 | h)"]
    assert 3 * len(fit.to_json(predict=True)) < len(pickle.dumps(fit))


def test_no_value_of_a_row_is_in_the_file(data) -> None:
    marked = data.assign(x=data.x.where(data.index != 3, 0.123456789), y=data.y.where(data.index != 3, 1.987654321))
    text = lmt.lmm("y ~ x + (1 | h)", marked).fit().to_json(predict=True)
    assert "0.12345678" not in text
    assert "1.98765432" not in text


def test_the_schema_holds_for_what_is_written(fits) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path(fit_json.__file__).with_name("fit.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for fit in list(fits.values())[1:4]:
        jsonschema.validate(json.loads(fit.to_json(predict=True, random_effects=True)), schema)
    without = json.loads(next(iter(fits.values())).to_json(predict=True))
    del without["prediction"]["products"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(without, schema)


def test_what_a_file_cannot_hold_is_said(data) -> None:
    dated = data.assign(h=pd.Timestamp("2020-01-01") + pd.to_timedelta(data.number, unit="D"))
    with pytest.raises(DataError, match=r"levels of 'h' are neither text, numbers nor truth values.*astype\(str\)"):
        lmt.lmm("y ~ x + (1 | h)", dated).fit().to_json(predict=True)
    with pytest.raises(DataError, match="looks at the row before"):
        lmt.lmm("y ~ lag(w) + (1 | h)", data).fit().to_json(predict=True)
    trusted = lmt.lmm("y ~ np.sinc(w) + (1 | h)", data, trusted=True).fit()
    with pytest.raises(DataError, match="known functions alone"):
        trusted.to_json(predict=True)


def test_a_record_that_could_not_be_read_is_not_written(fits, monkeypatch) -> None:
    monkeypatch.setattr(stored_fit, "MOST_CHARACTERS", 3000)
    fit = fits["y ~ x + (x | g)"]
    assert len(fit.to_json()) < 3000
    with pytest.raises(DataError, match="no more than 3,000 are read"):
        fit.to_json(predict=True)


def test_what_needs_rows_is_said(fits, data) -> None:
    record = lmt.read_json(fits["y ~ f * k + x + (1 | g) + (1 | h)"].to_json(predict=True))
    with pytest.raises(DataError, match="holds no rows"):
        record.predict(None)
    with pytest.raises(LmmError):
        record.marginal_means("f", cov_reduce=np.median)
    with pytest.raises(RowsNeededError, match="file that holds none"):
        record.predict(data.head(2), interval="confidence", method="boot", n=5)
    with pytest.raises(RowsNeededError, match="file that holds none"):
        record.marginal_means("f", cov="CR2")
    old = lmt.read_json(fits["y ~ x + (x | g)"].to_json())
    with pytest.raises(DataError, match=r"to_json\(predict=True\)"):
        old.marginal_means([])


def test_a_newer_version_is_skipped(fits) -> None:
    content = json.loads(fits["y ~ x + (x | g)"].to_json(predict=True))
    content["prediction"] = {"version": 2}
    record = lmt.read_json(json.dumps(content))
    assert record.nobs == 159
    with pytest.raises(DataError, match="no older"):
        record.predict(pd.DataFrame({"x": [1.0], "g": ["g01"]}))


def test_a_file_that_was_changed_is_noticed(fits) -> None:
    content = json.loads(fits["y ~ x + (x | g)"].to_json(predict=True))
    content["prediction"]["columns"]["x"]["mean"] += 1.0
    with pytest.raises(DataError, match="changed since it was written"):
        lmt.read_json(json.dumps(content))
    # Keys in another order, and 2 for 2.0, are the same file.
    content = json.loads(fits["y ~ x + (x | g)"].to_json(predict=True))
    content["prediction"] = dict(reversed(content["prediction"].items()))
    content["prediction"]["products"]["log_weights"] = 0
    assert lmt.read_json(json.dumps(content)).restored is not None


def places(value, path=()):
    """Yield the path to each value within a document."""
    if path:
        yield path
    for key, own in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(own, (*path, key))


def test_no_fault_of_a_file_is_more_than_an_error(fits, data) -> None:
    """Whatever stands in one place, under a checksum that fits: reading and using it ends in an LmmError at most."""
    rng = random.Random(11)
    bad = [None, True, -1, 10**30, "NaN", "", "x", "`", "__import__('os')", "x) + os.system('a'", [], {}, [[]], -0.5]
    bad.append({"type": "number", "shape": [10**12], "data": "eJw="})
    n_refused = 0
    for formula in ("y ~ x + (x | g)", "y ~ poly(x, 2) + C(f, contr.sum) + (1 | g/k)"):
        content = json.loads(fits[formula].to_json(predict=True))
        everywhere = list(places(content["prediction"]))
        for path in rng.sample(everywhere, 40):
            changed = copy.deepcopy(content)
            at = changed["prediction"]
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = rng.choice(bad)
            changed["prediction"]["sha256"] = checksum(changed["prediction"])
            try:
                record = lmt.read_json(json.dumps(changed))
                record.predict(data.head(2), unseen="population", interval="prediction")
            except LmmError:
                n_refused += 1
    assert n_refused > 50
