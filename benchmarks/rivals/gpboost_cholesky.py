"""gpboost with its Cholesky factorisation, where its default for crossed effects is iterative and approximate."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("gpboost_rival", Path(__file__).with_name("gpboost.py"))
_default = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_default)
_default.INVERSION = "cholesky"

REQUIREMENTS = ("gpboost",)
REML = False
TASKS = {"fit": _default.fit}
version = _default.version
