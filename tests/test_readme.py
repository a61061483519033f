"""What README.rst shows is what a run prints."""

from __future__ import annotations

import doctest
import re
import warnings
from pathlib import Path

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
    assert tried > 20
    assert failed == 0
