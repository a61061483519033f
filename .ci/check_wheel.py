"""Look into the wheel in a folder: pure Python, everything that the package reads, and no more needed than a fit needs.

python .ci/check_wheel.py FOLDER
"""

from __future__ import annotations

import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

NEEDED = {"numpy", "scipy", "pandas", "statsmodels", "formulaic", "tabulate", "narwhals", "threadpoolctl"}
EXTRAS = {"plot", "report", "parallel", "completion", "progress", "parquet", "docs", "test", "lint"}


def check(path: Path) -> list[str]:
    """Return what is wrong with a wheel, a sentence each."""
    wrong = []
    if not path.name.endswith("-py3-none-any.whl"):
        wrong.append(f"{path.name} is not pure Python")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(wheel.read(info))
        tags = wheel.read(info.replace("METADATA", "WHEEL")).decode()
    root = Path(__file__).parents[1]
    source = {
        file.relative_to(root).as_posix()
        for file in (root / "lmmtools").rglob("*")
        if file.is_file() and file.suffix not in (".pyc", ".pyo") and "__pycache__" not in file.parts
    }
    wrong += [f"{name} is missing" for name in sorted(source - names)]
    # Each kind of file that no import would miss.
    for mark in ("py.typed", "data/sleepstudy.csv", "data/recorded_lme4.json", "fit.R", "report.html", "report.css"):
        if not any(name.endswith(mark) for name in names):
            wrong.append(f"there is no {mark}")
    wrong += [f"{name} does not belong" for name in sorted(names - source) if ".dist-info/" not in name]
    if "Root-Is-Purelib: true" not in tags:
        wrong.append("it says that it is not pure")
    if not any("LICENSE" in name for name in names):
        wrong.append("there is no licence")
    required = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    found = {r.split(">")[0].strip() for r in required}
    if found != NEEDED:
        wrong.append(f"it needs {sorted(found)}, not {sorted(NEEDED)}")
    if missing := EXTRAS - set(metadata.get_all("Provides-Extra", [])):
        wrong.append(f"it lacks the extras {sorted(missing)}")
    return wrong


def main() -> int:
    """Check the one wheel in the folder."""
    (path,) = Path(sys.argv[1]).glob("*.whl")
    wrong = check(path)
    print("\n".join(wrong) or f"{path.name}: as it should be")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
