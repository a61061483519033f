"""What show_config says of the process."""

from __future__ import annotations

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.core.kernels import routes


def test_the_text_names_versions_route_and_blas(capsys):
    assert lmt.show_config() is None
    lines = {line.rsplit("  ", 1)[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert np.__version__ in lines["numpy"]
    for noun, route in routes().items():
        assert route in lines[f"kernel {noun}"], (noun, route)
    assert any(name.startswith("BLAS") for name in lines), lines


def test_the_dictionary_has_threads_of_each_blas():
    found = lmt.show_config(mode="dict")
    assert found["versions"]["lmmtools"] == lmt.__version__
    assert found["kernels"] == routes()
    assert all(library["threads"] >= 1 for library in found["blas"]), found["blas"]


def test_another_mode_is_an_error_that_names_both():
    with pytest.raises(lmt.LmmError, match=r"mode is 'json'; it can be 'text', which prints, or 'dict'"):
        lmt.show_config(mode="json")
