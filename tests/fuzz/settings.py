"""How often each claim is tried: a hundred times, the same ones, or as often as ``LMMTOOLS_FUZZ`` says, others."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

NUMBER = int(os.environ.get("LMMTOOLS_FUZZ", "0"))
often = settings(
    max_examples=NUMBER or 100,
    derandomize=not NUMBER,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
