"""Files for fit.R, and its results read back.

Every number is written as the eight bytes that it is, every name is a generated one. R sees y, the columns of X as
coded here, factors as integer codes in their order of levels, and the basis of each term as columns. What the user
wrote, names and labels included, stays in Python; :func:`restore_names` puts it back into what R says. What comes back
is JSON, checked as it is read: one record per model.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.engines.lme4.process import describe_missing_package
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.engines.lme4.options import Control
    from lmmtools.engines.lme4.process import Finished


__all__ = ["Job", "LmerFit", "RVersions", "read_results", "restore_names", "write_jobs"]

# A factor's number, a term's, or a column's: lmm_g1, lmm_z2, lmm_z2_1, lmm_X3, and the columns of which there is one;
# the zero that goes before them in formulas is a generated one too.
_GENERATED = re.compile(
    r"(?:\b0 \+ )?\blmm_(?:(?P<kind>[gzX])(?P<number>\d+)(?:_(?P<column>\d+))?|(?P<single>[ywoX])\b)"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One model to fit.

    Attributes
    ----------
    design : Design
    reml : bool
    control : Control
    start : tuple of float or None
        theta to start from.
    """

    design: Design
    reml: bool
    control: Control
    start: tuple[float, ...] | None = None


def write_jobs(jobs: Sequence[Job], folder: Path) -> None:
    """Write jobs.dcf, one record per model, and one data file per design."""
    numbers: dict[int, int] = {}
    records = []
    for job in jobs:
        design = job.design
        if id(design) not in numbers:
            numbers[id(design)] = len(numbers) + 1
            _write_data(design, folder / f"data{numbers[id(design)]}.bin")
        records.append(_write_record(job, numbers[id(design)]))
    (folder / "jobs.dcf").write_text("\n".join(records), encoding="ascii")


def _write_record(job: Job, data: int) -> str:
    design, control = job.design, job.control
    names = list(design.factors)
    fields = {
        "data": str(data),
        "rows": str(design.n),
        "columns": str(design.p),
        "weights": _yes_or_no(design.weights is not None),
        "offset": _yes_or_no(design.offset is not None),
        "factors": _join_words(design.blocks[blocks[0]].m for blocks in design.factors.values()),
        "widths": _join_words(0 if _is_constant(b) else b.l for b in design.blocks),
        "groups": _join_words(names.index(b.group) + 1 for b in design.blocks),
        "reml": _yes_or_no(job.reml),
        "start": _join_words(map(repr, job.start or ())),
        "optimizer": control.optimizer,
        "algorithm": control.algorithm,
        "tuning": _join_words(map("=".join, control.tuning)),
        "tolerances": _join_words(map("=".join, control.tolerances)),
        "flags": _join_words(map("=".join, control.flags)),
        "checks": _join_words(map("=".join, control.checks)),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _write_data(design: Design, path: Path) -> None:
    """Write y, X, weights, offset, factors and bases in the order in which fit.R reads them, little-endian."""
    with open(path, "wb") as file:
        for values in (design.y, design.X, design.weights, design.offset):
            if values is not None:
                file.write(values.astype("<f8").tobytes(order="F"))
        for blocks in design.factors.values():
            file.write((design.blocks[blocks[0]].codes + 1).astype("<i4").tobytes())
        for block in design.blocks:
            if not _is_constant(block):
                file.write(block.basis.astype("<f8").tobytes(order="F"))


def _is_constant(block: Block) -> bool:
    """Whether the term is ``(1 | g)``, which R can write for itself."""
    return block.l == 1 and bool(np.all(block.basis == 1.0))


def _join_words(values: Iterable[object]) -> str:
    return " ".join(map(str, values))


def _yes_or_no(flag: bool) -> str:
    return "yes" if flag else "no"


def restore_names(text: str, design: Design) -> str:
    """Return a message of R with the model's own names in place of the generated ones."""
    factors = list(design.factors)

    def own(found: re.Match[str]) -> str:
        if found["single"]:
            names = {"y": design.formula.response, "w": "the weights", "o": "the offset", "X": "the fixed effects"}
            return names[found["single"]]
        number = int(found["number"]) - 1
        try:
            if found["kind"] == "g":
                return factors[number]
            if found["kind"] == "X":
                return design.x_names[number]
            block = design.blocks[number]
            return block.term.basis if found["column"] is None else block.cnames[int(found["column"]) - 1]
        except IndexError:
            return found[0]

    return _GENERATED.sub(own, text)


@dataclass(frozen=True, slots=True)
class RVersions:
    """The versions of R and of its packages.

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
    """A fit of lmer(); shapes as in Estimate.

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
    """Return the versions of R, and for each job its fit, or an EngineError where lmer() refused the model.

    Raises
    ------
    EngineError
        If R failed as a whole, lacks lme4, or the results are not what fit.R writes.
    """
    results = _load_results(folder / "results.json", finished, program)
    if "missing" in results:
        libraries = tuple(map(str, results.get("libraries", ())))
        raise EngineError(describe_missing_package(str(results["missing"][0]), program, libraries))
    if "broken" in results:
        raise EngineError(f"lme4 is installed in the R of {program}, but does not load: {results['broken']}")
    fits = results.get("fits")
    if not isinstance(fits, list) or len(fits) != len(jobs):
        raise _unreadable(finished, program)
    versions = RVersions(program, *(str(results.get(name, "")) for name in ("r", "lme4", "lmerTest", "pbkrtest")))
    try:
        return versions, [_read_fit(fit, job.design) for fit, job in zip(fits, jobs, strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(finished, program) from error


def _load_results(path: Path, finished: Finished, program: str) -> dict[str, Any]:
    """Return the contents of the results file; raise an EngineError that says why it is missing."""
    if not path.exists():
        if "no package called" in finished.tail and "lme4" in finished.tail:
            raise EngineError(f"{describe_missing_package('lme4', program)} It printed:\n{finished.tail}")
        if finished.code == 0:
            raise _unreadable(finished, program)
        how = f"by signal {-finished.code}" if finished.code < 0 else f"with status {finished.code}"
        printed = f". Its last lines:\n{finished.tail}" if finished.tail else ", and printed nothing"
        raise EngineError(f"R ({program}) ended {how} before it had fitted the model{printed}")
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(finished, program) from error
    if not isinstance(results, dict):
        raise _unreadable(finished, program)
    return results


def _unreadable(finished: Finished, program: str) -> EngineError:
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
    """Return ``count`` numbers as an array; raise a ValueError for another shape."""
    array = np.array(values, dtype=float)
    if array.shape != (count,):
        raise ValueError(f"{array.shape} instead of {count} numbers")
    return array
