"""The rules: each module has ``check(case)``, which yields findings. A new rule is a new module, found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmmtools.design.findings import Finding
    from lmmtools.linting.case import Case

__all__ = ["SEVERITIES", "run_rules"]

SEVERITIES = ("error", "warning", "info")


def run_rules(case: Case) -> tuple[Finding, ...]:
    """Return the findings of all rules, the most severe first."""
    found: list[Finding] = []
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        found.extend(importlib.import_module(f"{__name__}.{module}").check(case))
    return tuple(sorted(found, key=lambda f: SEVERITIES.index(f.severity)))
