r"""A mixed model as an equation in LaTeX (``amsmath``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.report.formats.latex import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_SHOWN", "Effects", "Equation", "number_fixed", "write_equation"]

# With more fixed effects than this the equation is a vector product.
MAX_SHOWN = 8
# Characters of a line of the linear predictor; those of subscripts are smaller.
_LINE = 70


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
    fixed = _fixed(equation.fixed)
    parts = [*fixed, *(part for k, e in enumerate(effects, 1) for part in _effects(k, e))]
    if equation.has_offset:
        parts.insert(len(fixed), r"o_{i}")
    terms = [part for part in parts if part] + [r"\varepsilon_{i}"]
    lines = _broken_sum(rf"{_text(equation.response)}_{{i}}", terms)
    lines += [_distribution(k, e) for k, e in enumerate(effects, 1)]
    lines.append(rf"\varepsilon_{{i}} &\sim \mathcal{{N}}(0,\; \sigma^2{' / w_{i}' if equation.has_weights else ''})")
    body = " \\\\\n".join(lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _broken_sum(left: str, terms: Sequence[str]) -> list[str]:
    """Return ``left = term + term ...`` as lines of an ``aligned`` block that the page has room for."""
    lines, used = [rf"{left} &= {terms[0]}"], _visible(left) + _visible(terms[0])
    for term in terms[1:]:
        if used + _visible(term) > _LINE:
            lines.append(rf"&\quad {{}} + {term}")
            used = _visible(left) + _visible(term)
        else:
            lines[-1] += f" + {term}"
            used += _visible(term)
    return lines


def _visible(term: str) -> float:
    """Return about how many characters a term takes on the page, the sign before it counted."""
    characters = re.sub(r"\\[^a-zA-Z,;]|\\text[a-z]+\{\}|\\char\d+", "x", term)
    # A number above stands over what is below, and takes no room of its own.
    symbols = re.sub(r"\\text(?=\{)|\\[,;]|\^\{\(\d+\)\}", "", characters)
    return 3 + len(re.sub(r"[{}^_]", "", re.sub(r"\\[a-zA-Z]+", "x", symbols)))


def _text(name: str) -> str:
    return rf"\text{{{escape(name)}}}"


def _fixed(names: Sequence[str | None]) -> list[str]:
    if len(names) > MAX_SHOWN:
        return [r"x_{i}^\top \beta"]
    return [rf"\beta_{{{j}}}" + (rf"\,{_text(name)}_{{i}}" if name else "") for j, name in number_fixed(names)]


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
