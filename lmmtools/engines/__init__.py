"""Engines: each fits a Design and returns an Estimate; looked up by module name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from lmmtools.audience import advice
from lmmtools.errors import EngineError, RowsNeededError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmmtools.design.matrices import Design

__all__ = ["check_options", "choose_engine", "engine_names", "load_engine"]


@cache
def engine_names() -> tuple[str, ...]:
    """Return the names of all engines: the modules of this package, but for the record that they hand on."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "estimate"))


@cache
def load_engine(name: str) -> ModuleType:
    """Return the engine called ``name``, a module with ``fit(design, *, reml, ...) -> Estimate``.

    Raises
    ------
    EngineError
        If there is none of that name.
    """
    if name not in engine_names():
        raise EngineError(f"there is no engine {name!r}; write one of {', '.join(map(repr, engine_names()))}")
    return importlib.import_module(f"lmmtools.engines.{name}")


def choose_engine(name: str, design: Design) -> ModuleType:
    """Return the engine called ``name`` that fits a design: of rows that are not in memory pls alone, ``"auto"`` too.

    Raises
    ------
    EngineError
        If there is none of that name.
    RowsNeededError
        If the rows are not in memory, and the engine needs them there.
    """
    module = load_engine(name)
    if design.streamed is None:
        return module
    if name not in ("auto", "pls"):
        cure = advice(
            'fit by "pls", or declare the model with stream=False if memory holds the rows',
            "leave it out; --with takes a fit to compare with",
        )
        raise RowsNeededError(
            f"engine {name!r} takes all rows in memory, and these are read from {design.streamed.name} when they are "
            f"needed: {cure}."
        )
    return load_engine("pls")


def check_options(name: str, options: Iterable[str]) -> None:
    """Raise an error if an engine does not take one of some arguments.

    Raises
    ------
    EngineError
        If it does not; the message says which it takes.
    """
    takes = [n for n in inspect.signature(load_engine(name).fit).parameters if n not in ("design", "reml", "problem")]
    for option in options:
        if option not in takes:
            raise EngineError(f"the engine {name!r} takes no {option}=; it takes {', '.join(f'{n}=' for n in takes)}")
