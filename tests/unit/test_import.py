"""What a plain import costs and offers."""

from __future__ import annotations

import subprocess
import sys

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


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lmer'"):
        _ = lmt.lmer
