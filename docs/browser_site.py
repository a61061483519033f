"""Build a site on which the first notebooks run in the browser, by JupyterLite: python docs/browser_site.py FOLDER.

Needs ``pip install jupyterlite-core jupyterlite-pyodide-kernel jupyter-server wheel``. The site is static files: a
wheel of lmmtools in pure Python, the notebooks, and JupyterLite. The reader's browser fetches Python, NumPy, SciPy,
pandas and statsmodels from where Pyodide is distributed, and formulaic from the package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
NOTEBOOKS = (
    "01_fixed_random_crossed_nested.ipynb",
    "02_from_effects_to_covariance.ipynb",
    "03_penicillin_trap_and_cure.ipynb",
    "04_when_a_variance_is_zero.ipynb",
    "05_nesting_and_labels_that_lie.ipynb",
    "06_slopes_correlation_shrinkage.ipynb",
)
INSTALL = "%pip install -q lmmtools matplotlib"


def build_wheel(folder: Path) -> Path:
    """Return a wheel without compiled kernels, built from a copy of the checkout: NumPy computes in the browser."""
    source = folder / "source"
    leave_out = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "_build", ".*", "build", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=leave_out)
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)], CC="false")
    (built,) = folder.glob("lmmtools-*.whl")
    tags = ["--python-tag", "py3", "--abi-tag", "none", "--platform-tag", "any", "--remove"]
    run([sys.executable, "-m", "wheel", "tags", *tags, str(built)])
    (pure,) = folder.glob("lmmtools-*-none-any.whl")
    return pure


def copy_notebooks(folder: Path) -> None:
    """Write the notebooks into a folder, each with a first cell that installs lmmtools into the page."""
    for name in NOTEBOOKS:
        notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(INSTALL, id="install"))
        nbformat.write(notebook, folder / name)


def build_site(target: Path) -> None:
    """Write the site into a folder."""
    with tempfile.TemporaryDirectory() as work:
        contents = Path(work) / "contents"
        contents.mkdir()
        copy_notebooks(contents)
        wheel = build_wheel(Path(work))
        lite = [sys.executable, "-m", "jupyterlite_core", "build", "--contents", str(contents)]
        run([*lite, "--piplite-wheels", str(wheel), "--output-dir", str(target.resolve())], cwd=contents)


def run(command: list[str], cwd: Path | None = None, **environment: str) -> None:
    """Run a command; what it says is shown, and its failure ends the build."""
    subprocess.run(command, check=True, cwd=cwd, env={**os.environ, **environment})


if __name__ == "__main__":
    build_site(Path(sys.argv[1]))
