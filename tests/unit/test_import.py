"""What a plain import costs and offers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools import core


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
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_the_kind'"):
        _ = lmt.nothing_of_the_kind


def test_a_listing_has_the_public_names_alone():
    assert [name for name in dir(lmt) if not name.startswith("__")] == sorted(n for n in lmt.__all__ if n[0] != "_")


def test_a_fit_loads_of_the_core_what_it_needs():
    later = {f"lmmtools.core.after.{name}" for name in ("deletion", "refits", "fixed", "relative", "unprofiled")}
    code = (
        "import sys, lmmtools as lmt; lmt.lmm('Yield ~ 1 + (1 | Batch)', lmt.datasets.load('Dyestuff')).fit();"
        f"print(sorted({later} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_core_has_what_it_names_and_nothing_else():
    assert all(getattr(core, name) is not None for name in core.__all__)
    assert set(core.__all__) == set(core._HOME)
    assert set(core.__all__) <= set(dir(core))
    with pytest.raises(AttributeError, match="no attribute 'lmer'"):
        _ = core.lmer
