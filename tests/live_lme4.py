"""Whether there is a live lme4 to compare with; asked once, and only by tests that need one."""

from __future__ import annotations

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


def require_lme4() -> None:
    """Skip the test, with the reason, where R or lme4 is not installed."""
    if why_not():
        pytest.skip(f"no live lme4: {why_not()}")
