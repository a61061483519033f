"""Options of the lme4 engine: the optimiser and its settings, each checked against a list."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Control", "read_control", "read_start", "read_timeout"]

TUNING = {
    "nloptwrap": ("maxeval", "xtol_abs", "xtol_rel", "ftol_abs", "ftol_rel"),
    "bobyqa": ("npt", "rhobeg", "rhoend", "maxfun"),
    "Nelder_Mead": ("maxfun", "FtolAbs", "FtolRel", "XtolRel", "MinfMax"),
    "nlminbwrap": ("eval.max", "iter.max", "abs.tol", "rel.tol", "x.tol", "xf.tol", "step.min", "step.max"),
}
"""Settings of each optimiser, plain numbers, as its R documentation names them."""
ALGORITHMS = ("NLOPT_LN_BOBYQA", "NLOPT_LN_NELDERMEAD")
FLAGS = ("calc.derivs", "restart_edge")
TOLERANCES = ("boundary.tol",)
UNCOUNTED = ("check.nobs.vs.nlev", "check.nobs.vs.nRE", "check.nobs.vs.rankZ", "check.nlev.gtr.1")
"""lme4's checks by counts, off unless asked for: identification has been checked exactly before."""
CHECKS = (*UNCOUNTED, "check.scaleX")
CHECK_VALUES = ("ignore", "warning", "message", "stop")


@dataclass(frozen=True, slots=True)
class Control:
    """Checked settings for ``lmerControl``; each pair is a name and its value as fit.R reads it.

    Attributes
    ----------
    optimizer : str
    algorithm : str
        Of nloptwrap; empty for the default.
    tuning, tolerances, flags, checks : tuple of (str, str)
    """

    optimizer: str = "nloptwrap"
    algorithm: str = ""
    tuning: tuple[tuple[str, str], ...] = ()
    tolerances: tuple[tuple[str, str], ...] = ()
    flags: tuple[tuple[str, str], ...] = ()
    checks: tuple[tuple[str, str], ...] = ()


def read_control(optimizer: str = "nloptwrap", control: Mapping[str, Any] | None = None) -> Control:
    """Return the settings, each of a known name and kind.

    Parameters
    ----------
    optimizer : str
        ``"nloptwrap"`` (lme4's default), ``"bobyqa"``, ``"Nelder_Mead"`` or ``"nlminbwrap"``.
    control : mapping, optional
        The optimiser's own settings (numbers; ``algorithm`` of nloptwrap is one of two names), and lmerControl's
        ``calc.derivs``, ``restart_edge`` (True or False), ``boundary.tol`` (a number) and ``check.nobs.vs.nlev``,
        ``check.nobs.vs.nRE``, ``check.nobs.vs.rankZ``, ``check.nlev.gtr.1`` ("ignore" by default) and ``check.scaleX``
        ("ignore", "warning", "message" or "stop").

    Raises
    ------
    EngineError
        If a name or a value is none of these.
    """
    if optimizer not in TUNING:
        raise EngineError(f"optimizer is {optimizer!r}; lme4's are {', '.join(map(repr, TUNING))}")
    if control is not None and not isinstance(control, Mapping):
        raise EngineError(f"control is a {type(control).__name__}; write a dict, such as {{'maxeval': 10000}}")
    algorithm = ""
    found: dict[str, list[tuple[str, str]]] = {"tuning": [], "tolerances": [], "flags": [], "checks": []}
    control = {**dict.fromkeys(UNCOUNTED, "ignore"), **(control or {})}
    for name, value in control.items():
        if name == "algorithm" and optimizer == "nloptwrap":
            algorithm = _one_of(name, value, ALGORITHMS)
        elif name in TUNING[optimizer]:
            found["tuning"].append((name, _number(name, value)))
        elif name in TOLERANCES:
            found["tolerances"].append((name, _number(name, value)))
        elif name in FLAGS:
            found["flags"].append((name, _flag(name, value)))
        elif name in CHECKS:
            found["checks"].append((name, _one_of(name, value, CHECK_VALUES)))
        else:
            raise EngineError(f"control has {name!r}; with the optimizer {optimizer} it may have {_known(optimizer)}")
    return Control(optimizer, algorithm, **{kind: tuple(pairs) for kind, pairs in found.items()})


def read_timeout(timeout: float | None) -> float | None:
    """Return the time limit in seconds, None for none.

    Raises
    ------
    EngineError
        If it is not a positive number.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float | np.number) or not timeout > 0:
        raise EngineError(f"timeout is {timeout!r}; write seconds, a positive number, or None for no limit")
    return float(timeout)


def read_start(start: ArrayLike | None, k: int) -> tuple[float, ...] | None:
    """Return the theta to start from, k numbers, or None for lme4's own.

    Raises
    ------
    EngineError
        If there are not k finite numbers.
    """
    if start is None:
        return None
    try:
        theta = np.asarray(start, dtype=float)
    except (TypeError, ValueError) as error:
        raise EngineError(f"start is {start!r}; write theta, {k} numbers") from error
    if theta.shape != (k,) or not np.isfinite(theta).all():
        raise EngineError(f"start has shape {theta.shape}; this model's theta has {k} finite numbers")
    return tuple(map(float, theta))


def _known(optimizer: str) -> str:
    """Return the names of all settings that an optimiser may have."""
    extra = ("algorithm",) if optimizer == "nloptwrap" else ()
    return ", ".join((*TUNING[optimizer], *extra, *FLAGS, *TOLERANCES, *CHECKS))


def _number(name: str, value: Any) -> str:
    """Return a finite number as fit.R reads it; raise an EngineError for anything else."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise EngineError(f"control[{name!r}] is {value!r}; write a number")
    return repr(float(value))


def _flag(name: str, value: Any) -> str:
    """Return True or False as fit.R reads it; raise an EngineError for anything else."""
    if not isinstance(value, bool | np.bool_):
        raise EngineError(f"control[{name!r}] is {value!r}; write True or False")
    return "yes" if value else "no"


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed words; raise an EngineError for anything else."""
    if value not in allowed:
        raise EngineError(f"control[{name!r}] is {value!r}; write one of {', '.join(map(repr, allowed))}")
    return str(value)
