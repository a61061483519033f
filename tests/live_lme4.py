"""Whether there is a live lme4 to compare with; asked once, and only by tests that need one."""

from __future__ import annotations

import subprocess
from functools import cache

import pytest

from lmmtools.engines import lme4
from lmmtools.errors import EngineError


@cache
def why_not() -> str:
    """Why there is no lme4 here; empty if there is one."""
    try:
        lme4.describe_r(timeout=120)
    except EngineError as error:
        return str(error).splitlines()[0]
    return ""


@cache
def is_installed(package: str) -> bool:
    """Whether R loads a package."""
    call = f"suppressMessages(library({package}))"
    return subprocess.run(["Rscript", "-e", call], capture_output=True, check=False).returncode == 0


def require_lme4(*packages: str) -> None:
    """Skip the test, with the reason, where R, lme4 or one of these other packages of R is not installed."""
    if why_not():
        pytest.skip(f"no live lme4: {why_not()}")
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        pytest.skip(f"R has no {', '.join(missing)}")
