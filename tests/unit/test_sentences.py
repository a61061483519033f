"""Parts of sentences."""

import pytest

from lmmtools.sentences import count_noun, join_with_and, list_first


@pytest.mark.parametrize(
    ("names", "listed"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_with_and_before_the_last(names, listed):
    assert join_with_and(names) == listed


@pytest.mark.parametrize(
    ("names", "listed"), [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more")]
)
def test_what_a_list_leaves_out_is_counted(names, listed):
    assert list_first(names, 2) == listed


def test_a_list_with_and_may_be_cut_too_and_names_need_not_be_text():
    assert join_with_and("abcdefgh", 2) == "a, b and 6 more"
    assert join_with_and([1, 2.5, "c"], 3) == "1, 2.5 and c"
    assert list_first(iter([1, 2.5, "c"]), 2) == "1, 2.5 and 1 more"


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (1200, "1,200 rows")])
def test_a_noun_is_plural_unless_there_is_one(number, text):
    assert count_noun(number, "row") == text
