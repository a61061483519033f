"""Which route runs, and that both are the same functions."""

from __future__ import annotations

import importlib
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lmmtools.core import kernels

ROOT = Path(__file__).parents[4]


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def functions(module):
    """Return the signatures of a module's functions and of its classes' public methods."""
    found = {}
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value):
            methods = {n: m for n, m in vars(value).items() if callable(m) and (n == "__init__" or n[0] != "_")}
            found |= {f"{name}.{n}": inspect.signature(m) for n, m in methods.items()}
        elif callable(value):
            found[name] = inspect.signature(value)
    return found


def test_both_routes_have_the_same_functions_with_the_same_arguments(noun):
    compiled = pytest.importorskip(f"lmmtools.core.kernels._{noun}", reason="not built")
    plain = functions(importlib.import_module(f"lmmtools.core.kernels.numpy_{noun}"))
    assert compiled.__all__
    for name, signature in functions(compiled).items():
        assert list(signature.parameters) == list(plain[name].parameters), name


def test_every_kernel_that_has_a_source_is_named_and_has_both_routes():
    folder = Path(kernels.__file__).parent
    assert {path.stem[1:] for path in folder.glob("_*.pyx")} == set(kernels.NOUNS)
    assert {path.stem.removeprefix("numpy_") for path in folder.glob("numpy_*.py")} == set(kernels.NOUNS)
    assert set(kernels.routes()) == set(kernels.NOUNS)


def test_the_variable_chooses_numpy():
    done = run("from lmmtools.core import kernels; print(kernels.routes())", LMMTOOLS_KERNELS="numpy")
    assert set(eval(done.stdout).values()) == {"numpy (LMMTOOLS_KERNELS=numpy)"}


def test_a_word_that_the_variable_does_not_know_is_an_error_that_names_the_choices():
    done = run("from lmmtools.core import kernels", LMMTOOLS_KERNELS="fast")
    assert "LMMTOOLS_KERNELS is 'fast'; it can be auto, numpy, compiled." in done.stderr


def test_compiled_kernels_that_are_asked_for_and_missing_are_an_error():
    hidden = "import sys; sys.modules['lmmtools.core.kernels._blocks'] = None; from lmmtools.core import kernels"
    done = run(hidden, LMMTOOLS_KERNELS="compiled")
    assert "there is no compiled kernel 'blocks'" in done.stderr


def test_a_missing_module_leaves_the_work_to_numpy():
    hidden = "import sys; sys.modules['lmmtools.core.kernels._blocks'] = None; from lmmtools.core import kernels"
    done = run(f"{hidden}; print(kernels.routes()['blocks'], kernels.blocks.__name__)", LMMTOOLS_KERNELS="auto")
    assert done.stdout.split() == ["numpy", "(not", "built)", "lmmtools.core.kernels.numpy_blocks"]


@pytest.mark.slow
def test_the_build_succeeds_where_there_is_no_compiler(tmp_path):
    pytest.importorskip("Cython")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "lmmtools", tmp_path / "lmmtools", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "setup.py", "build", "--build-lib", "out"],
        cwd=tmp_path,
        env={**os.environ, "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "lmmtools" / "core" / "kernels" / "numpy_blocks.py").is_file()
    assert not list((tmp_path / "out").rglob("_blocks.*.so"))
