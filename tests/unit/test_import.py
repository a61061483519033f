"""What a plain import costs and offers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lmmtools as lmt


def test_a_plain_import_loads_nothing_heavy():
    heavy = {"statsmodels", "matplotlib", "scipy", "pandas", "formulaic"}
    code = f"import sys, lmmtools; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", lmt.__all__)
def test_every_public_name_is_there(name):
    assert getattr(lmt, name) is not None


def test_a_type_checker_knows_every_public_name():
    # What is not imported there is Any to a user's mypy, whatever its home says.
    tree = ast.parse(Path(lmt.__file__).read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    known = {name.asname or name.name for node in block.body for name in node.names}
    assert known == set(lmt.__all__) - {"__version__"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lmer'"):
        _ = lmt.lmer
