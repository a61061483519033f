"""Columns and tables known again by hashes: of twelve digits, whatever the type, text, order and library."""

import numpy as np
import pandas as pd
import pytest

from lmmtools.report.hashes import data_hash, hash_as_text, hash_rounded, round_to_digits
from lmmtools.report.provenance import Fingerprint, have_same_sums

EXTREMES = [
    1e-320,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    1e22,
    1e23,
    1e-23,
    999999999999.5,
    0.1 + 0.2,
]
EXTREMES += [999999999999.4, 1000.0, 1e-5, 123456789012.5, -123456789013.5, 1 / 3]


def test_numbers_are_rounded_to_twelve_digits_as_text_would_have_them():
    with np.errstate(all="raise"):
        rounded = round_to_digits(np.array(EXTREMES))
    np.testing.assert_allclose(rounded, [float(f"{v:.12g}") for v in EXTREMES], rtol=1e-15, atol=5e-324)
    rng = np.random.default_rng(1)
    values = rng.normal(size=20_000) * np.exp(20.0 * rng.normal(size=20_000))
    text = np.array([float(f"{v:.12g}") for v in values])
    np.testing.assert_allclose(round_to_digits(values), text, rtol=1e-11, atol=0)
    # Numbers just at a rounding edge may go the other way.
    assert np.mean(np.abs(round_to_digits(values) / text - 1.0) > 1e-15) < 1e-3


def test_rounding_twice_changes_nothing_and_neighbours_agree():
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(size=20_000) * np.exp(5.0 * rng.normal(size=20_000)), np.arange(1.0, 1001.0)])
    rounded = round_to_digits(values)
    np.testing.assert_array_equal(round_to_digits(rounded), rounded)
    differ = round_to_digits(np.nextafter(values, np.inf)) != rounded
    assert differ.mean() < 1e-3
    assert not differ[-1000:].any()


def test_zero_has_no_sign_and_what_is_no_number_is_one_thing():
    one = round_to_digits(np.array([0.0, np.nan, np.inf]))
    other = round_to_digits(np.array([-0.0, -np.nan, np.inf]))
    assert hash_rounded(one) == hash_rounded(other) != hash_rounded(-one)


def test_the_hash_of_numbers_is_of_their_bytes_lowest_first():
    """SHA-256 of 000000000000f83f 00000000000000c0 (1.5 and -2, IEEE 754), by the sha256sum of GNU coreutils 9.1."""
    expected = "bd179027e5d89aea8ed4f7d630cbcad3cc35d3fb375cc9ef7aae3675a7b167cc"
    assert hash_rounded(round_to_digits(np.array([1.5, -2.0]))) == expected


def test_the_hash_of_text_is_that_of_format_1():
    """SHA-256 of "1.5", a line end and "-2", by the sha256sum of GNU coreutils 9.1."""
    assert hash_as_text(np.array([1.5, -2.0])) == "0eaf1a5210231deff725ad6861022a833e0552d9b7abeabcb52d6defaa1fe98e"


@pytest.mark.parametrize(
    "column",
    [
        np.array([1, 2, 2], dtype=np.int8),
        np.array([1.0, 2.0, 2.0], dtype=np.float32),
        pd.array([1, 2, 2], dtype="Int64"),
        pd.Categorical([1, 2, 2], categories=[2, 1]),
        pd.Series([1, 2.0, np.int64(2)], dtype=object),
    ],
)
def test_numbers_of_any_type_have_one_hash(column):
    plain = data_hash(pd.DataFrame({"x": [1.0, 2.0, 2.0]}))
    assert data_hash(pd.DataFrame({"x": column})) == plain
    assert data_hash(pd.DataFrame({"x": ["1", "2", "2"]})) != plain


@pytest.mark.parametrize("kind", [object, "category", "string"])
def test_text_of_any_type_has_one_hash(kind):
    text = pd.Series(["b", "a", "b"])
    plain = data_hash(pd.DataFrame({"g": text.astype(object)}))
    assert data_hash(pd.DataFrame({"g": text.astype(kind)}).set_axis([7, 8, 9])) == plain
    assert data_hash(pd.DataFrame({"g": pd.Categorical(text, categories=["z", "b", "a"])})) == plain


def test_labels_that_run_together_are_told_apart():
    frames = [pd.DataFrame({"g": labels}) for labels in (["a", "b\x1fc"], ["a\x1fb", "c"], ["a", "b"], ["b", "a"])]
    frames += [pd.DataFrame({"g": ["a", "a"], "h": ["b", "b"]}), pd.DataFrame({"g": [True, "b"]})]
    assert len({data_hash(frame) for frame in frames}) == len(frames)


def test_a_fingerprint_knows_numbers_order_and_other_numbers():
    rng = np.random.default_rng(3)
    y = rng.normal(size=100)
    whole = Fingerprint.of(y)
    assert whole.compare(Fingerprint.of(y * (1.0 + 1e-15))) == "same"
    assert whole.compare(Fingerprint.of(y[::-1])) == "other order"
    assert whole.compare(Fingerprint.of(y + 1e-6)) == "other values"


def test_fingerprints_of_both_kinds_are_compared_by_what_the_numbers_at_hand_give():
    y = np.random.default_rng(4).normal(size=50)
    old = Fingerprint(50, hash_as_text(y), hash_as_text(np.sort(y)), is_text=True)
    assert old.compare(Fingerprint.of(y)) == Fingerprint.of(y).compare(old) == "same"
    assert old.compare(Fingerprint.of(y[::-1])) == "other order"
    assert old.compare(Fingerprint.of(y + 1e-6)) == "other values"
    # A record of each kind, and the numbers of neither: hashes say nothing, sums do.
    assert old.compare(Fingerprint.of(y).without_values()) == "unknown"


def test_sums_are_to_rounding_and_what_overflows_is_nan():
    y = np.random.default_rng(5).normal(size=10_001) + 1e6
    found = Fingerprint.of(y)
    assert have_same_sums((found.total, found.squares), (sum(y.tolist()), sum((y * y).tolist())), len(y), 1e-12)
    assert np.isnan(Fingerprint.of(np.array([1e200, 1.0])).squares)
