"""What the package needs, offers and ships, as setup.cfg declares it; .ci/check_wheel.py looks at the wheel itself."""

from __future__ import annotations

import configparser
import importlib.util
import re
import zipfile
from importlib import metadata, resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = {"numpy", "scipy", "pandas", "statsmodels", "formulaic", "tabulate", "narwhals", "threadpoolctl"}
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg")


def names(text):
    return {re.match(r"[\w.-]+", line)[0] for line in text.splitlines() if line}


def test_a_fit_needs_eight_packages_and_no_more():
    assert names(CONFIG["options"]["install_requires"]) == NEEDED
    try:
        required = metadata.requires("lmmtools") or []
    except metadata.PackageNotFoundError:
        return
    assert {re.match(r"[\w.-]+", r)[0] for r in required if "extra ==" not in r} == NEEDED


def test_every_package_that_a_message_names_comes_with_an_extra():
    extras = CONFIG["options.extras_require"]
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "lmmtools").rglob("*.py"))
    named = set(re.findall(r"how_to_install\('([\w-]+)'\)", source))
    assert {"matplotlib", "argcomplete", "tqdm", "joblib", "pyarrow", "marginaleffects"} <= named
    assert named <= set().union(*(names(extras[extra]) for extra in extras))
    assert "lmmtools[" not in source  # which no index has before there is a release


def test_the_tests_can_use_every_extra():
    extras = CONFIG["options.extras_require"]
    for extra in ("plot", "report", "completion", "progress", "parquet", "scale"):
        assert names(extras[extra]) <= names(extras["test"]), extra


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("lmmtools", "py.typed"),
        ("lmmtools.page", "templates/page.html"),
        ("lmmtools.page", "templates/page.css"),
        ("lmmtools.engines.lme4", "fit.R"),
        ("lmmtools.datasets", "data/sleepstudy.csv"),
    ],
)
def test_what_no_import_would_miss_is_there_and_declared(package, name):
    assert resources.files(package).joinpath(name).is_file()
    patterns = CONFIG["options.package_data"][package].split()
    assert any(Path(name).match(pattern) for pattern in patterns), patterns


def test_a_wheel_that_lacks_something_is_found_out(tmp_path):
    script = importlib.util.spec_from_file_location("check_wheel", ROOT / ".ci" / "check_wheel.py")
    check_wheel = importlib.util.module_from_spec(script)
    script.loader.exec_module(check_wheel)
    path = tmp_path / "lmmtools-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("lmmtools-0.dist-info/METADATA", "Name: lmmtools\nRequires-Dist: numpy>=1.26\n")
        wheel.writestr("tests/test_it.py", "")
        wheel.writestr("lmmtools/core/kernels/_no_such.cpython-311-x86_64-linux-gnu.so", "")
    found = "\n".join(check_wheel.check(path))
    for words in (
        "py.typed is missing",
        "tests/test_it.py does not belong",
        "it needs ['numpy']",
        "no licence",
        "the kernel lmmtools/core/kernels/_blocks is not compiled",
        "the kernel lmmtools/core/kernels/_no_such has no source",
        "extras",
    ):
        assert words in found, words
    assert "is not compiled" not in "\n".join(check_wheel.check(path, with_kernels=False))


def test_the_source_package_has_what_the_kernels_are_compiled_of() -> None:
    rules = [line.split() for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()]
    shipped = {
        file
        for rule, folder, *patterns in (r for r in rules if r and r[0] == "recursive-include")
        for pattern in patterns
        for file in (ROOT / folder).rglob(pattern)
    }
    kernels = ROOT / "lmmtools" / "core" / "kernels"
    needed = {*kernels.glob("*.pyx"), *kernels.glob("*.pxd")}
    for source in kernels.glob("*.pyx"):
        for name in re.findall(r"from lmmtools\.core\.kernels\.(\w+) cimport", source.read_text(encoding="utf-8")):
            assert kernels / f"{name}.pxd" in needed, f"{source.name} takes {name}.pxd, which is not there"
    assert needed <= shipped
