"""What README.rst shows is what a run prints."""

from __future__ import annotations

import doctest
import re
import warnings
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.rst"


def examples(text: str) -> str:
    """The indented sessions of the README as doctest reads them: its blank lines in output written <BLANKLINE>."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, flags=re.MULTILINE)
    sessions = [block for block in blocks if ">>> " in block]
    # A blank line stands for itself before a prompt, and is part of the output elsewhere.
    return "\n".join(
        re.sub(r"^\n(?!    >>> )", "    <BLANKLINE>\n", s.strip("\n") + "\n", flags=re.M) for s in sessions
    )


def test_examples_print_what_the_readme_shows():
    session = examples(README.read_text(encoding="utf-8"))
    test = doctest.DocTestParser().get_doctest(session, {}, "README.rst", str(README), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failed, tried = runner.run(test)
    assert tried > 15
    assert failed == 0


def test_readme_is_three_screens_and_has_no_marks_of_doctest():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 165
    assert "BLANKLINE" not in text


def test_readme_is_plain_enough_for_a_package_index():
    """Package indexes render it by docutils without Sphinx, files or raw HTML, and show nothing where that fails."""
    core = pytest.importorskip("docutils.core")
    strict = {"halt_level": 2, "report_level": 2, "raw_enabled": False, "file_insertion_enabled": False}
    page = core.publish_string(README.read_text(encoding="utf-8"), writer="html5", settings_overrides=strict).decode()
    assert page.count("<table") == 1
    assert 'alt="Standard deviations' in page


@pytest.mark.parametrize("name", ["CONTRIBUTING.rst", "CHANGELOG.rst"])
def test_texts_of_the_checkout_are_well_formed(name):
    """A table whose columns do not fit is an error of the documentation's build, which takes minutes to say so."""
    core = pytest.importorskip("docutils.core")
    strict = {"halt_level": 5, "report_level": 3, "warning_stream": False}
    page = core.publish_doctree((README.parent / name).read_text(encoding="utf-8"), settings_overrides=strict)
    assert [str(fault) for fault in page.findall() if fault.tagname == "system_message" and fault["level"] >= 3] == []


def test_readme_links_to_files_that_exist():
    text = README.read_text(encoding="utf-8")
    linked = re.findall(r"`[^`]*<([^>]+)>`_", text) + re.findall(r"^\.\. image:: (.+)$", text, flags=re.M)
    assert len(linked) > 8
    assert [file for file in linked if not (README.parent / file).exists()] == []
