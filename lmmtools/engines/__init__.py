"""Engines: each fits a Design and returns an Estimate; looked up by module name."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from lmmtools.errors import EngineError

__all__ = ["engine_names", "load_engine"]


@cache
def engine_names() -> tuple[str, ...]:
    """Return the names of all engines: the modules of this package, but for the record that they hand on."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "estimate"))


@cache
def load_engine(name: str) -> ModuleType:
    """Return the engine called ``name``, a module with ``fit(design, *, reml, **options) -> Estimate``.

    Raises
    ------
    EngineError
        If there is none of that name.
    """
    if name not in engine_names():
        raise EngineError(f"there is no engine {name!r}; write one of {', '.join(map(repr, engine_names()))}")
    return importlib.import_module(f"lmmtools.engines.{name}")
