r"""A mixed model as an equation in LaTeX (``amsmath``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.report.formats.latex import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_SHOWN", "Effects", "Equation", "number_fixed", "write_equation"]

# With more fixed effects than this the equation is a vector product.
MAX_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Effects:
    """One random-effects term in an equation.

    Attributes
    ----------
    group : str
        Name of the grouping factor.
    names : tuple of str
        Covariates of its effects, None in place of the constant's.
    m : int or None
        Number of levels, where known.
    variance : int
        Number of its variance or covariance matrix: terms that share one have the same.
    """

    group: str
    names: tuple[str | None, ...]
    m: int | None
    variance: int


@dataclass(frozen=True, slots=True)
class Equation:
    """What an equation of a model says, before it is written in LaTeX or MathML.

    Attributes
    ----------
    response : str
    fixed : tuple of str or None
        Columns of X, None for the constant.
    effects : tuple of Effects
        The random-effects terms, in the order of the formula.
    has_offset, has_weights : bool
    """

    response: str
    fixed: tuple[str | None, ...]
    effects: tuple[Effects, ...]
    has_offset: bool = False
    has_weights: bool = False


def number_fixed(names: Sequence[str | None]) -> list[tuple[int, str | None]]:
    """Return the fixed effects with their numbers, the constant first: it has number 0."""
    return list(enumerate(sorted(names, key=lambda name: name is not None), 0 if None in names else 1))


def write_equation(equation: Equation) -> str:
    """Return the model as an ``aligned`` block: the linear predictor, then one line per distribution."""
    effects = equation.effects
    parts = [_fixed(equation.fixed), *(part for k, e in enumerate(effects, 1) for part in _effects(k, e))]
    if equation.has_offset:
        parts.insert(1, r"o_{i}")
    lines = [rf"{_text(equation.response)}_{{i}} &= {' + '.join(p for p in parts if p)} + \varepsilon_{{i}}"]
    lines += [_distribution(k, e) for k, e in enumerate(effects, 1)]
    lines.append(rf"\varepsilon_{{i}} &\sim \mathcal{{N}}(0,\; \sigma^2{' / w_{i}' if equation.has_weights else ''})")
    body = " \\\\\n".join(lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _text(name: str) -> str:
    return rf"\text{{{escape(name)}}}"


def _fixed(names: Sequence[str | None]) -> str:
    if len(names) > MAX_SHOWN:
        return r"x_{i}^\top \beta"
    return " + ".join(
        rf"\beta_{{{j}}}" + (rf"\,{_text(name)}_{{i}}" if name else "") for j, name in number_fixed(names)
    )


def _effects(k: int, e: Effects) -> list[str]:
    if len(e.names) == 1:
        factor = rf"\,{_text(e.names[0])}_{{i}}" if e.names[0] else ""
        return [rf"b^{{({k})}}_{{{_text(e.group)}[i]}}{factor}"]
    return [
        rf"b^{{({k})}}_{{{j},\,{_text(e.group)}[i]}}" + (rf"\,{_text(name)}_{{i}}" if name else "")
        for j, name in enumerate(e.names)
    ]


def _distribution(k: int, e: Effects) -> str:
    over = "" if e.m is None else r",\quad j = 1" + (rf", \dots, {e.m}" if e.m > 1 else "")
    if len(e.names) == 1:
        return rf"b^{{({k})}}_{{j}} &\sim \mathcal{{N}}(0,\; \sigma_{{{e.variance}}}^2){over}"
    vector = r",\, ".join(rf"b^{{({k})}}_{{{i},\,j}}" for i in range(len(e.names)))
    return rf"({vector})^\top &\sim \mathcal{{N}}(0,\; \Sigma_{{{e.variance}}}){over}"
