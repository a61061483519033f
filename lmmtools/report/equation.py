r"""A mixed model as an equation in LaTeX (``amsmath``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.report.formats.latex import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Effects", "write_equation"]

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


def write_equation(
    response: str,
    fixed: Sequence[str | None],
    effects: Sequence[Effects],
    *,
    has_offset: bool = False,
    has_weights: bool = False,
) -> str:
    """Return the model as an ``aligned`` block: the linear predictor, then one line per distribution.

    Parameters
    ----------
    response : str
    fixed : sequence of str or None
        Columns of X, None for the constant.
    effects : sequence of Effects
    has_offset, has_weights : bool
    """
    parts = [_fixed(fixed), *(part for k, e in enumerate(effects, 1) for part in _effects(k, e))]
    if has_offset:
        parts.insert(1, r"o_{i}")
    lines = [rf"{_text(response)}_{{i}} &= {' + '.join(p for p in parts if p)} + \varepsilon_{{i}}"]
    lines += [_distribution(k, e) for k, e in enumerate(effects, 1)]
    lines.append(rf"\varepsilon_{{i}} &\sim \mathcal{{N}}(0,\; \sigma^2{' / w_{i}' if has_weights else ''})")
    body = " \\\\\n".join(lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _text(name: str) -> str:
    return rf"\text{{{escape(name)}}}"


def _fixed(names: Sequence[str | None]) -> str:
    if len(names) > MAX_SHOWN:
        return r"x_{i}^\top \beta"
    first = 0 if None in names else 1
    numbered = enumerate(sorted(names, key=lambda name: name is not None), first)
    return " + ".join(rf"\beta_{{{j}}}" + (rf"\,{_text(name)}_{{i}}" if name else "") for j, name in numbered)


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
