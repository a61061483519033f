"""Finding R: the Rscript program, and what to say if it, or a package, is missing."""

from __future__ import annotations

import os
import shutil

from lmmtools.audience import option
from lmmtools.errors import EngineError

__all__ = ["VARIABLE", "describe_missing_package", "find_rscript"]

VARIABLE = "LMMTOOLS_RSCRIPT"
"""Environment variable that names the Rscript program, where it is not the one on PATH."""


def find_rscript() -> str:
    """Return the path of the Rscript program: what ``LMMTOOLS_RSCRIPT`` names, else the one on PATH.

    Raises
    ------
    EngineError
        If there is none; the message says how to install R or where to name it.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        found = shutil.which(os.path.expanduser(named))
        if found is None:
            raise EngineError(
                f"{VARIABLE} is {named!r}, which is no program that can be run. Let it name the Rscript program of "
                "your R, or unset it to use the one on PATH."
            )
        return os.path.abspath(found)
    found = shutil.which("Rscript")
    if found is None:
        raise EngineError(
            f"{option('engine', 'lme4')} needs R, and there is no Rscript on PATH. Install R and, in R, run "
            'install.packages("lme4") (Debian, Ubuntu: apt-get install r-cran-lme4; conda: conda install -c '
            f"conda-forge r-lme4); if R is elsewhere, set {VARIABLE} to its Rscript program. Without R, use "
            f"{option('engine', 'pls')}."
        )
    return os.path.abspath(found)


def describe_missing_package(package: str, program: str, libraries: tuple[str, ...] = ()) -> str:
    """Return the sentence for an R without ``package``: how to install it, and where R looked."""
    where = f" R looked in {', '.join(libraries)}; set R_LIBS if it is installed elsewhere." if libraries else ""
    return (
        f'{program} runs, but its R has no package {package}. In R, run install.packages("{package}") (Debian, Ubuntu: '
        f"apt-get install r-cran-{package.lower()}; conda: conda install -c conda-forge r-{package.lower()}).{where}"
    )
