"""Look into the wheel in a folder: everything that the package reads, its kernels, and no more needed than a fit needs.

python .ci/check_wheel.py FOLDER [--without-kernels]

``--without-kernels`` is for a wheel that was built without a compiler.
"""

from __future__ import annotations

import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

NEEDED = {"numpy", "scipy", "pandas", "statsmodels", "formulaic", "tabulate", "narwhals", "threadpoolctl"}
EXTRAS = {"plot", "report", "parallel", "completion", "progress", "parquet", "docs", "test", "build", "lint"}
COMPILED = (".so", ".pyd")
# What is made into a kernel, and what a build in place leaves beside it.
SOURCES = (".pyx", ".pxd", ".c", *COMPILED)


def check(path: Path, with_kernels: bool = True) -> list[str]:
    """Return what is wrong with a wheel, a sentence each."""
    wrong = []
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(wheel.read(info))
    root = Path(__file__).parents[1]
    source = {
        file.relative_to(root).as_posix()
        for file in (root / "lmmtools").rglob("*")
        if file.is_file() and file.suffix not in (".pyc", ".pyo", *SOURCES) and "__pycache__" not in file.parts
    }
    wrong += [f"{name} is missing" for name in sorted(source - names)]
    # Each kind of file that no import would miss.
    for mark in ("py.typed", "data/sleepstudy.csv", "data/recorded_lme4.json", "fit.R", "page.html", "page.css"):
        if not any(name.endswith(mark) for name in names):
            wrong.append(f"there is no {mark}")
    compiled = {name for name in names if name.endswith(COMPILED)}
    found = {name.partition(".")[0] for name in compiled}
    kernels = {path.relative_to(root).as_posix()[:-4] for path in (root / "lmmtools").rglob("*.pyx")}
    wrong += [f"the kernel {name} is not compiled" for name in sorted(kernels - found) if with_kernels]
    wrong += [f"the kernel {name} has no source" for name in sorted(found - (kernels if with_kernels else set()))]
    wrong += [f"{name} does not belong" for name in sorted(names - source - compiled) if ".dist-info/" not in name]
    if not any("LICENSE" in name for name in names):
        wrong.append("there is no licence")
    required = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    named = {r.split(">")[0].strip() for r in required}
    if named != NEEDED:
        wrong.append(f"it needs {sorted(named)}, not {sorted(NEEDED)}")
    if missing := EXTRAS - set(metadata.get_all("Provides-Extra", [])):
        wrong.append(f"it lacks the extras {sorted(missing)}")
    return wrong


def main() -> int:
    """Check the one wheel in the folder."""
    (path,) = Path(sys.argv[1]).glob("*.whl")
    wrong = check(path, "--without-kernels" not in sys.argv[2:])
    print("\n".join(wrong) or f"{path.name}: as it should be")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
