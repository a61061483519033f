"""Parts of sentences."""

import pytest

from lmmtools.sentences import join_with_and


@pytest.mark.parametrize(
    ("names", "listed"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_with_and_before_the_last(names, listed):
    assert join_with_and(names) == listed
