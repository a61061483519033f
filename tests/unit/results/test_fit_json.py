"""Fits written as JSON and read back: the same numbers, the same report, for ever."""

import ast
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError, LmmWarning
from lmmtools.results.stored_fit import FORMAT

FORMAT_1 = Path(__file__).parent / "expected" / "fit_format_1.json"
FORMAT_1_INPUTS = FORMAT_1.with_name("fit_format_1_inputs.json")


@pytest.fixture(scope="module")
def sleep():
    data = lmt.datasets.load("sleepstudy")
    data.loc[3, "Reaction"] = np.nan
    data["w"] = 1.0 + np.arange(len(data)) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmmWarning)
        model = lmt.lmm("Reaction ~ Days + I(2 * Days) + (Days | Subject)", data, weights="w")
        return model.fit(engine="pls", reml=False)


@pytest.fixture(scope="module")
def singular():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmmWarning)
        return lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")


@pytest.mark.parametrize("name", ["sleep", "singular"])
def test_every_number_comes_back_bit_by_bit(name, request):
    fit = request.getfixturevalue(name)
    back = lmt.read_json(fit.to_json(random_effects=True))
    for attribute in ("objective", "llf", "aic", "bic", "sigma", "scale", "nobs", "df_resid", "is_singular", "reml"):
        assert getattr(back, attribute) == getattr(fit, attribute), attribute
    pd.testing.assert_series_equal(back.params, fit.params, check_exact=True)
    pd.testing.assert_series_equal(back.bse, fit.bse, check_exact=True)
    pd.testing.assert_frame_equal(back.cov_params(), fit.cov_params(), check_exact=True)
    pd.testing.assert_frame_equal(back.varcorr.to_frame(), fit.varcorr.to_frame(), check_exact=True)
    np.testing.assert_array_equal(back.theta, fit.theta)
    np.testing.assert_array_equal(back.varcorr.terms[0].lam, fit.varcorr.terms[0].lam)
    group = next(iter(fit.random_effects))
    np.testing.assert_array_equal(back.random_effects[group], fit.random_effects[group])
    assert list(back.random_effects[group].index) == list(map(str, fit.random_effects[group].index))
    # Read and written again, nothing changes.
    assert lmt.read_json(back.to_json()).to_json() == back.to_json()


def test_the_report_comes_back_letter_by_letter(sleep, singular):
    for fit in (sleep, singular):
        assert str(lmt.read_json(fit.to_json())) == str(fit)


def test_what_was_lost_and_said_is_recorded(sleep):
    back = lmt.read_json(sleep.to_json())
    assert (back.dropped.n_input, back.dropped.n_rows, back.dropped.rows) == (180, 1, {"Reaction": 1})
    assert back.dropped.columns == ("I(2 * Days)",)
    assert back.warnings == sleep.warnings
    assert (back.is_weighted, back.has_offset, back.names.weights) == (True, False, "w")
    assert back.random_effects is None
    assert back.provenance.call.endswith(", sleepstudy, weights='w').fit(reml=False, engine='pls')")
    assert back.provenance.versions["lmmtools"] == lmt.__version__


@pytest.mark.parametrize(
    ("name", "written"), [("oats", "oats"), ("rt.csv", "data"), ("my study", "data"), ("class", "data")]
)
def test_the_call_is_code_whatever_the_data_are_called(name, written):
    frame = lmt.datasets.load("Dyestuff")
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", frame, data_name=name).fit(engine="pls")
    call = lmt.read_json(fit.to_json()).provenance.call
    assert call.startswith(f"lmt.lmm('Yield ~ 1 + (1 | Batch)', {written})")
    ast.parse(call)


def test_a_file_is_written_and_read(singular, tmp_path):
    path = tmp_path / "fit.json"
    text = singular.to_json(path)
    assert lmt.read_json(path).objective == lmt.read_json(str(path)).objective == lmt.read_json(text).objective


def test_a_file_of_format_1_is_read_for_ever():
    # Written by version 0.1.0; this file must never be renewed. A new format gets a file of its own.
    record = lmt.read_json(FORMAT_1)
    assert record.formula == "Reaction ~ Days + (Days | Subject)"
    assert (record.reml, record.engine, record.nobs) == (True, "pls", 180)
    assert record.scope is None
    assert record.objective == 1743.6282719584906
    assert record.params["Days"] == 10.467285959595964
    assert record.bse["Days"] == pytest.approx(1.545789, abs=1e-6)
    assert record.varcorr["Subject"].loc["Days", "Days"] == pytest.approx(35.07166, abs=1e-5)
    assert record.random_effects["Subject"].shape == (18, 2)
    assert "Number of obs: 180, groups:  Subject, 18" in str(record)
    # Its response is known again by the hash of that format.
    data = lmt.datasets.load("sleepstudy")
    now = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit(engine="pls")
    later = lmt.lmm("Reaction ~ Days + (Days | Subject)", data.assign(Reaction=data["Reaction"] + 1e-6)).fit(
        engine="pls"
    )
    assert "same values" not in str(lmt.compare(now, record))
    assert "do not have the same values: another model" in str(lmt.compare(later, record))
    # Keys of a later version that says it is format 1 still are no fault.
    assert lmt.read_json(json.dumps({**json.loads(FORMAT_1.read_text()), "later": 1})).nobs == 180


def test_fingerprints_of_format_1_are_compared_for_ever():
    # Written by version 0.1.0 in format 1; this file must never be renewed.
    record = lmt.read_json(FORMAT_1_INPUTS)
    data = lmt.datasets.load("sleepstudy")
    data["w"], data["o"] = 1.0 + np.arange(len(data)) % 3, np.arange(len(data)) / 7.0

    def inputs_of(frame):
        model = lmt.lmm("Reaction ~ Days + (Days | Subject)", frame, weights="w", offset="o")
        return lmt.compare(model.fit(engine="pls"), record).columns[0].inputs

    now, moved = inputs_of(data), inputs_of(data.iloc[::-1])
    changed = inputs_of(data.assign(Reaction=data["Reaction"] * 1.001, w=data["w"] + 1e-3, o=data["o"] + 1e-3))
    # Its text, written anew in today's format, keeps hashes of text.
    for old in (record.inputs, lmt.read_json(record.to_json()).inputs):
        for name in ("response", "weights", "offset"):
            mine = getattr(old, name)
            assert mine.is_text
            assert mine.compare(getattr(now, name)) == "same", name
            assert mine.compare(getattr(moved, name)) == "other order", name
            assert mine.compare(getattr(changed, name)) == "other values", name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": FORMAT + 1, "lmmtools_version": "9.0"}, "written by lmmtools 9.0.*install a newer lmmtools"),
        ({"format": "1"}, "must be a whole number"),
        ({"kind": "lme4 fit"}, 'no entry "kind": "lmmtools fit"'),
        ({"sigma": None}, "no record in format 1: sigma is None"),
        ({"theta": [1.0]}, "theta has 1 elements"),
        ({"warnings": "none"}, "a list was expected"),
        ({"optimum": {}}, "no entry 'singular'"),
    ],
)
def test_a_record_that_cannot_be_read_says_why(change, message):
    content = {**json.loads(FORMAT_1.read_text()), **change}
    with pytest.raises(DataError, match=message):
        lmt.read_json(json.dumps(content))


def test_a_file_that_cannot_be_written_is_an_error_with_the_cure(singular, tmp_path):
    with pytest.raises(DataError, match=r"none.fit\.json' cannot be written.*Name a file in a folder that exists"):
        singular.to_json(tmp_path / "none" / "fit.json")


def test_text_that_is_no_record_says_why(tmp_path):
    text = FORMAT_1.read_text()
    for source, message in (
        (text[: len(text) // 2], "is no JSON"),
        ("[1, 2]", "no record of a fit"),
        ("no_such_file.json", "neither JSON text nor a file"),
        ("x" * 100_000, "neither JSON text nor a file"),
    ):
        with pytest.raises(DataError, match=message):
            lmt.read_json(source)


def test_numbers_that_json_has_not_come_back():
    content = json.loads(FORMAT_1.read_text())
    content["optimum"]["seconds"] = "NaN"
    content["optimum"]["expected_decrease"] = "Infinity"
    back = lmt.read_json(lmt.read_json(json.dumps(content)).to_json())
    assert math.isnan(back.fit_seconds)
    assert back.expected_decrease == math.inf


WRONG = [None, True, -1, 1.5, math.inf, "x", "NaN", "Infinity", [], [[]], {}, {"a": 1}, [None], ["a"], [1e308] * 3]
WRONG += [10**29, 10**400, [[1, 2], [3]], "\ud800", {"\ud800": 1}]


def places(value, place=()):
    """Return the places of all entries, of short lists alone."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries)[:4]:
        yield (*place, key)
        yield from places(inner, (*place, key))


def changed(content, place, value):
    """Return the document with one entry replaced."""
    *outer, last = place
    content = json.loads(json.dumps(content))
    at = content
    for key in outer:
        at = at[key]
    at[last] = value
    return json.dumps(content)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: repr(w)[:20])
def test_a_wrong_entry_is_an_error_or_makes_nothing_fail(wrong):
    content = json.loads(FORMAT_1.read_text())
    original = lmt.read_json(FORMAT_1)
    for place in places(content):
        try:
            record = lmt.read_json(changed(content, place, wrong))
            texts = [str(record), record._repr_html_(), record.summary().to_latex(), record.summary().to_markdown()]
            texts += [str(record.bse), str(record.tvalues), record.to_json(), str(lmt.compare(record, original))]
        except DataError as error:
            texts = [str(error)]
        assert all(text.strip() for text in texts), place


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"kind": "lmmtools fit", "format": ' + "9" * 5000 + "}",
        '{"kind": "lmmtools fit", "format": 1, "x": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"kind": "lmmtools fit", "format": 1e999}',
        '{"kind": ["lmmtools fit"]}',
        '{"kind": "lmmtools fit", "format": 2, "lmmtools_version": "' + "9" * 10_000 + '"}',
        "{" * 10,
        "\0",
    ],
    ids=["lists", "objects", "digits", "inner lists", "infinity", "kind", "version", "braces", "null"],
)
def test_hostile_json_is_an_error_of_few_words(text):
    with pytest.raises(DataError) as found:
        lmt.read_json(text)
    assert len(str(found.value)) < 500


def test_the_error_names_entry_and_what_it_holds():
    content = json.loads(FORMAT_1.read_text())
    for place, value, message in (
        (("criterion", "k_params"), math.inf, r"criterion\.k_params is inf; a whole number from 0 was expected"),
        (("fixed_effects", "cov_params", 1), [1.0], r"fixed_effects\.cov_params\[1\] is a list of 1; a list of 2"),
        (("varcorr", 0, "vcov", 0, 0), -1.0, r"varcorr\[0\]\.vcov has a negative"),
        (("sigma",), 8e300, "sigma is 8e\\+300, whose square is not finite"),
        (("scaled_residuals",), [0.0], r"scaled_residuals is a list of 1; a list of 5"),
    ):
        with pytest.raises(DataError, match=message):
            lmt.read_json(changed(content, place, value))


@pytest.mark.parametrize(
    ("formula", "scope"), [("Reaction ~ 1 + (1|Subject)", "global"), ("Reaction ~ 1 + (Days|Subject)", "local")]
)
def test_the_scope_of_the_optimum_is_kept(formula, scope):
    record = lmt.read_json(lmt.lmm(formula, lmt.datasets.load("sleepstudy")).fit(engine="pls").to_json())
    assert record.scope == scope
    assert any(note == f"engine: lmmtools pls; {scope} optimum" for note in record.notes), record.notes


def test_a_scope_that_there_is_not_is_refused():
    content = json.loads(FORMAT_1.read_text())
    content["optimum"]["scope"] = "cosmic"
    with pytest.raises(lmt.LmmError, match=r"optimum\.scope"):
        lmt.read_json(json.dumps(content))


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_record_without_a_formula_is_refused(blank):
    """The summary's head would have nothing in it."""
    content = json.loads(FORMAT_1.read_text())
    with pytest.raises(DataError, match=r"formula is .*text that is not blank was expected"):
        lmt.read_json(json.dumps(content | {"formula": blank}))
