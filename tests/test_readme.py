"""What README.rst shows is what a run prints."""

from __future__ import annotations

import doctest
import warnings
from pathlib import Path

README = Path(__file__).parents[1] / "README.rst"


def test_examples_print_what_the_readme_shows():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failed, tried = doctest.testfile(
            str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
        )
    assert tried > 10
    assert failed == 0
