"""Design -> files for fit.R: every number as the eight bytes that it is, every name a generated one.

R sees y, the columns of X as coded here, factors as integer codes in their order of levels, and the basis of each term
as columns. What the user wrote, names and labels included, stays in Python; :func:`restore_names` puts it back into
what R says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.engines.lme4.options import Control

__all__ = ["Job", "restore_names", "write_jobs"]

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
        records.append(_record(job, numbers[id(design)]))
    (folder / "jobs.dcf").write_text("\n".join(records), encoding="ascii")


def _record(job: Job, data: int) -> str:
    design, control = job.design, job.control
    names = list(design.factors)
    fields = {
        "data": str(data),
        "rows": str(design.n),
        "columns": str(design.p),
        "weights": _yes(design.weights is not None),
        "offset": _yes(design.offset is not None),
        "factors": _words(design.blocks[blocks[0]].m for blocks in design.factors.values()),
        "widths": _words(0 if _is_constant(b) else b.l for b in design.blocks),
        "groups": _words(names.index(b.group) + 1 for b in design.blocks),
        "reml": _yes(job.reml),
        "start": _words(map(repr, job.start or ())),
        "optimizer": control.optimizer,
        "algorithm": control.algorithm,
        "tuning": _words(map("=".join, control.tuning)),
        "tolerances": _words(map("=".join, control.tolerances)),
        "flags": _words(map("=".join, control.flags)),
        "checks": _words(map("=".join, control.checks)),
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


def _words(values: Iterable[object]) -> str:
    return " ".join(map(str, values))


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def restore_names(text: str, design: Design) -> str:
    """Return what R said with the model's own names for the generated ones."""
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
