"""A printed number knows its digits."""

import copy
import json
import math
import pickle

import pytest

from lmmtools.printout.number import PrintedNumber, RoundedNumber, is_number_text, rounding_of, shown


@pytest.mark.parametrize(
    ("text", "value", "decimals", "significant"),
    [
        ("0.7169", 0.7169, 4, 4),
        ("612.10", 612.1, 2, 5),
        ("-0.138", -0.138, 3, 3),
        ("\u22120.138", -0.138, 3, 3),
        ("1454", 1454.0, 0, 4),
        ("3.26e-06", 3.26e-6, 8, 3),
        ("1.5e+03", 1500.0, -2, 2),
        ("743,6", 743.6, 1, 4),
        (".5", 0.5, 1, 1),
        ("0.00", 0.0, 2, 0),
    ],
)
def test_digits_are_counted(text, value, decimals, significant):
    number = PrintedNumber(text)
    assert (float(number), number.decimals, number.significant, str(number)) == (value, decimals, significant, text)


@pytest.mark.parametrize(
    ("value", "is_shown"), [(0.16, True), (0.2499, True), (0.15, True), (0.2501, False), (0.1, False)]
)
def test_a_number_shows_what_rounds_to_it(value, is_shown):
    assert PrintedNumber("0.2").shows(value) is is_shown


def test_nan_shows_nan_only():
    assert PrintedNumber("NaN").shows(math.nan)
    assert not PrintedNumber("NaN").shows(1.0)
    assert not PrintedNumber("1.0").shows(math.nan)


def test_a_bound_shows_what_is_below_it():
    bound = PrintedNumber("<2e-16")
    assert bound.is_bound
    assert bound.shows(1e-20)
    assert not bound.shows(1e-10)


@pytest.mark.parametrize("value", [23.7795, 23.7804])
def test_square_and_root_keep_what_is_known(value):
    assert PrintedNumber("23.780").squared().shows(value**2)
    assert PrintedNumber("565.5").root().shows(math.sqrt(565.45001))
    assert not PrintedNumber("23.780").squared().shows(23.7815**2)


def test_rounding_twice_is_allowed_a_little_more():
    # 22.91501 -> 22.915 -> 22.91
    assert not PrintedNumber("22.91").shows(22.91501)
    assert PrintedNumber("22.91").rounded_twice().shows(22.91501)


def test_what_is_shown():
    assert shown(PrintedNumber("612.10")) == "612.10"
    assert shown(RoundedNumber(565.4884, 0.024)) == "565.5"
    assert shown(1.5) == 1.5
    assert rounding_of(1.5) == rounding_of(None) == 0
    assert rounding_of(PrintedNumber("612.10")) == 0.005


def test_copies_and_json():
    number = PrintedNumber("612.10").rounded_twice()
    for other in (copy.deepcopy(number), pickle.loads(pickle.dumps(number))):
        assert (other.text, other.half_unit, other.decimals) == ("612.10", number.half_unit, 2)
    assert json.dumps({"variance": number}) == '{"variance": 612.1}'


def test_words_are_no_numbers():
    with pytest.raises(ValueError, match="is no number"):
        PrintedNumber("Days")


@pytest.mark.parametrize("text", ["1e400", "1e-400", "0e+400", "9" * 400, "1e" + "9" * 5000, "-1e309", "1." + "0" * 99])
def test_what_no_computer_has_is_no_number(text):
    assert not is_number_text(text)
    with pytest.raises(ValueError, match="is no number"):
        PrintedNumber(text)


def test_numbers_that_overflow_still_have_text():
    assert PrintedNumber("1e200").squared().text == "inf"
    assert PrintedNumber("1e300").text == "1e300"
