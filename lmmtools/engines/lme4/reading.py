"""results.json -> one checked record per model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.engines.lme4.installation import describe_missing_package
from lmmtools.engines.lme4.writing import Job, restore_names
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.lme4.process import Finished

__all__ = ["LmerFit", "RVersions", "read_results"]


@dataclass(frozen=True, slots=True)
class RVersions:
    """What R it was.

    Attributes
    ----------
    program : str
        The Rscript program.
    r, lme4 : str
        Versions.
    lmerTest, pbkrtest : str
        Versions, empty where they are not installed.
    """

    program: str
    r: str
    lme4: str
    lmerTest: str  # noqa: N815 - the package's name
    pbkrtest: str


@dataclass(frozen=True, slots=True, eq=False)
class LmerFit:
    """What lmer() found; shapes as in Estimate.

    Attributes
    ----------
    objective : float
        -2 logLik: the REML criterion or the deviance.
    theta : ndarray, shape (k,)
    beta : ndarray, shape (p,)
    beta_cov : ndarray, shape (p, p)
    sigma : float
    modes : tuple of ndarray, each (m, l)
    n_evaluations : int
    seconds : float
        Spent in lmer() itself.
    said : tuple of str
        R's warnings and messages, with the model's names.
    """

    objective: float
    theta: NDArray[np.float64]
    beta: NDArray[np.float64]
    beta_cov: NDArray[np.float64]
    sigma: float
    modes: tuple[NDArray[np.float64], ...]
    n_evaluations: int
    seconds: float
    said: tuple[str, ...]


def read_results(
    jobs: Sequence[Job], folder: Path, finished: Finished, program: str
) -> tuple[RVersions, list[LmerFit | EngineError]]:
    """Return which R it was, and what it found, an EngineError where it refused a model.

    Raises
    ------
    EngineError
        If R failed as a whole, lacks lme4, or what came back is not what fit.R writes.
    """
    results = _load(folder / "results.json", finished, program)
    if "missing" in results:
        libraries = tuple(map(str, results.get("libraries", ())))
        raise EngineError(describe_missing_package(str(results["missing"][0]), program, libraries))
    if "broken" in results:
        raise EngineError(f"lme4 is installed in the R of {program}, but does not load: {results['broken']}")
    fits = results.get("fits")
    if not isinstance(fits, list) or len(fits) != len(jobs):
        raise _garbage(finished, program)
    versions = RVersions(program, *(str(results.get(name, "")) for name in ("r", "lme4", "lmerTest", "pbkrtest")))
    try:
        return versions, [_read_fit(fit, job.design) for fit, job in zip(fits, jobs, strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _garbage(finished, program) from error


def _load(path: Path, finished: Finished, program: str) -> dict[str, Any]:
    """Return the results file, or raise what its absence means."""
    if not path.exists():
        if "no package called" in finished.tail and "lme4" in finished.tail:
            raise EngineError(f"{describe_missing_package('lme4', program)} It printed:\n{finished.tail}")
        if finished.code == 0:
            raise _garbage(finished, program)
        how = f"by signal {-finished.code}" if finished.code < 0 else f"with status {finished.code}"
        printed = f". Its last lines:\n{finished.tail}" if finished.tail else ", and printed nothing"
        raise EngineError(f"R ({program}) ended {how} before it had fitted the model{printed}")
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _garbage(finished, program) from error
    if not isinstance(results, dict):
        raise _garbage(finished, program)
    return results


def _garbage(finished: Finished, program: str) -> EngineError:
    printed = f" It printed:\n{finished.tail}" if finished.tail else " It printed nothing."
    return EngineError(f"{program} ended without results that can be read: it is not Rscript, or R is broken.{printed}")


def _read_fit(fit: dict[str, Any], design: Design) -> LmerFit | EngineError:
    said = tuple(restore_names(_in_one_line(text), design) for text in fit["said"])
    if "error" in fit:
        text = restore_names(_in_one_line(fit["error"]), design)
        before = f" Before that it said: {'; '.join(said)}" if said else ""
        return EngineError(f"lme4 refused the model {design.formula}: {text}{before}")
    if fit["levels"] != [b.m for b in design.blocks] or fit["widths"] != [b.l for b in design.blocks]:
        return EngineError(
            f"lme4 made other terms of {design.formula} than declared: levels {fit['levels']}, effects per level "
            f"{fit['widths']}"
        )
    objective, sigma = float(fit["objective"]), float(fit["sigma"])
    theta = _numbers(fit["theta"], design.k)
    beta = _numbers(fit["beta"], design.p)
    beta_cov = _numbers(fit["beta_cov"], design.p**2).reshape(design.p, design.p)
    modes = _numbers(fit["modes"], design.q)
    if not all(np.isfinite(v).all() for v in (objective, sigma, theta, beta, beta_cov, modes)):
        said_too = f": {'; '.join(said)}" if said else ""
        return EngineError(f"lme4's fit of {design.formula} is not finite{said_too}")
    ends = np.cumsum([b.q for b in design.blocks])[:-1]
    by_block = tuple(v.reshape(b.m, b.l) for v, b in zip(np.split(modes, ends), design.blocks, strict=True))
    count, seconds = int(fit["evaluations"]), float(fit["seconds"])
    return LmerFit(objective, theta, beta, beta_cov, sigma, by_block, count, seconds, said)


def _in_one_line(text: Any) -> str:
    return " ".join(str(text).split())


def _numbers(values: Any, count: int) -> NDArray[np.float64]:
    array = np.array(values, dtype=float)
    if array.shape != (count,):
        raise ValueError(f"{array.shape} instead of {count} numbers")
    return array
