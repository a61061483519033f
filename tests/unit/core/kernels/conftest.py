"""Both routes of each kernel: NumPy's always, the compiled one where it was built."""

from __future__ import annotations

import importlib

import pytest

from lmmtools.core import kernels


@pytest.fixture(params=["numpy", "compiled"])
def route(request):
    """A function that returns the module of a kernel on one route."""

    def module(noun):
        if request.param == "numpy":
            return importlib.import_module(f"lmmtools.core.kernels.numpy_{noun}")
        return pytest.importorskip(f"lmmtools.core.kernels._{noun}", reason="not built: setup.py build_ext --inplace")

    return module


@pytest.fixture(params=kernels.NOUNS)
def noun(request):
    return request.param
