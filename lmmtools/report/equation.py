"""A mixed model as an equation: LaTeX (``amsmath``), and MathML, which browsers and screen readers read."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.report.formats.latex import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_SHOWN", "Effects", "Equation", "number_fixed", "write_equation", "write_mathml"]

# With more fixed effects the equation shows x_i' beta.
MAX_SHOWN = 8
# Characters of a LaTeX line of the linear predictor, subscripts included.
_LATEX_LINE = 70

# Letters of a MathML line before it is broken at a plus: the width of a telephone. Letters of an index count two
# thirds.
_MATHML_LINE = 26
_THIN, _QUAD = '<mspace width="0.17em"></mspace>', '<mspace width="1em"></mspace>'
# form="infix": at the start of a cell browsers would set a plus as a sign, without space.
_PLUS, _EQUALS, _TILDE = (f'<mo form="infix">{mark}</mo>' for mark in "+=∼")
_COMMA = '<mo separator="true">,</mo>'


@dataclass(frozen=True, slots=True)
class Effects:
    """One random-effects term in an equation.

    Attributes
    ----------
    group : str
        Name of the grouping factor.
    names : tuple of str
        Covariates of its effects; None stands for the constant.
    m : int or None
        Number of levels, where known.
    variance : int
        Index of its variance or covariance matrix; terms that share one have the same index.
    """

    group: str
    names: tuple[str | None, ...]
    m: int | None
    variance: int


@dataclass(frozen=True, slots=True)
class Equation:
    """The parts of a model's equation, before it is written in LaTeX or MathML.

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
    """Return (index, name) of the fixed effects; the constant comes first and has index 0."""
    return list(enumerate(sorted(names, key=lambda name: name is not None), 0 if None in names else 1))


def write_equation(equation: Equation) -> str:
    """Return the model as an ``aligned`` block: the linear predictor, then one line per distribution."""
    effects = equation.effects
    fixed = _latex_fixed(equation.fixed)
    parts = [*fixed, *(part for k, e in enumerate(effects, 1) for part in _latex_effects(k, e))]
    if equation.has_offset:
        parts.insert(len(fixed), r"o_{i}")
    terms = [part for part in parts if part] + [r"\varepsilon_{i}"]
    lines = _break_sum(rf"{_latex_text(equation.response)}_{{i}}", terms)
    lines += [_latex_distribution(k, e) for k, e in enumerate(effects, 1)]
    lines.append(rf"\varepsilon_{{i}} &\sim \mathcal{{N}}(0,\; \sigma^2{' / w_{i}' if equation.has_weights else ''})")
    body = " \\\\\n".join(lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _break_sum(left: str, terms: Sequence[str]) -> list[str]:
    """Return ``left = term + term ...`` as lines of an ``aligned`` block, broken at plus signs to fit the page."""
    lines, used = [rf"{left} &= {terms[0]}"], _visible_width(left) + _visible_width(terms[0])
    for term in terms[1:]:
        if used + _visible_width(term) > _LATEX_LINE:
            lines.append(rf"&\quad {{}} + {term}")
            used = _visible_width(left) + _visible_width(term)
        else:
            lines[-1] += f" + {term}"
            used += _visible_width(term)
    return lines


def _visible_width(term: str) -> float:
    """Return about how many characters a term and the sign before it take on the page."""
    characters = re.sub(r"\\[^a-zA-Z,;]|\\text[a-z]+\{\}|\\char\d+", "x", term)
    # A superscript stands above the subscript and takes no width of its own.
    symbols = re.sub(r"\\text(?=\{)|\\[,;]|\^\{\(\d+\)\}", "", characters)
    return 3 + len(re.sub(r"[{}^_]", "", re.sub(r"\\[a-zA-Z]+", "x", symbols)))


def _latex_text(name: str) -> str:
    return rf"\text{{{escape(name)}}}"


def _latex_fixed(names: Sequence[str | None]) -> list[str]:
    if len(names) > MAX_SHOWN:
        return [r"x_{i}^\top \beta"]
    return [rf"\beta_{{{j}}}" + (rf"\,{_latex_text(name)}_{{i}}" if name else "") for j, name in number_fixed(names)]


def _latex_effects(k: int, e: Effects) -> list[str]:
    if len(e.names) == 1:
        factor = rf"\,{_latex_text(e.names[0])}_{{i}}" if e.names[0] else ""
        return [rf"b^{{({k})}}_{{{_latex_text(e.group)}[i]}}{factor}"]
    return [
        rf"b^{{({k})}}_{{{j},\,{_latex_text(e.group)}[i]}}" + (rf"\,{_latex_text(name)}_{{i}}" if name else "")
        for j, name in enumerate(e.names)
    ]


def _latex_distribution(k: int, e: Effects) -> str:
    over = "" if e.m is None else r",\quad j = 1" + (rf", \dots, {e.m}" if e.m > 1 else "")
    if len(e.names) == 1:
        return rf"b^{{({k})}}_{{j}} &\sim \mathcal{{N}}(0,\; \sigma_{{{e.variance}}}^2){over}"
    vector = r",\, ".join(rf"b^{{({k})}}_{{{i},\,j}}" for i in range(len(e.names)))
    return rf"({vector})^\top &\sim \mathcal{{N}}(0,\; \Sigma_{{{e.variance}}}){over}"


def write_mathml(equation: Equation) -> str:
    """Return the model as one ``<math>`` element: the linear predictor, then one line per distribution.

    The lines are those of `write_equation`, whose LaTeX is the element's ``alttext``. The table has the class
    ``equation`` and two columns that meet at the relation sign; a style sheet should align them right and left.
    """
    left, first, *rest = _mathml_predictor(equation)
    rows = [(left, f"{_EQUALS}{first}"), *(("", _QUAD + line) for line in rest)]
    rows += [_mathml_distribution(k, e) for k, e in enumerate(equation.effects, 1)]
    noise = _msup(_mi("σ"), _mn(2)) + (f"<mo>/</mo>{_msub(_mi('w'), _mi('i'))}" if equation.has_weights else "")
    rows.append((_msub(_mi("ε"), _mi("i")), f"{_TILDE}{_normal(noise)}"))
    cells = "".join(f"<mtr><mtd>{_mrow(a)}</mtd><mtd>{_mrow(b)}</mtd></mtr>" for a, b in rows)
    alternative = html.escape(write_equation(equation), quote=True)
    table = f'<mtable class="equation" displaystyle="true" columnalign="right left">{cells}</mtable>'
    return f'<math display="block" alttext="{alternative}">{table}</math>'


def _mathml_predictor(equation: Equation) -> list[str]:
    """Return the response, then the lines of its right-hand side, broken before a plus."""
    terms = _mathml_fixed(equation.fixed)
    if equation.has_offset:
        terms.append((1, _msub(_mi("o"), _mi("i"))))
    terms += [term for k, e in enumerate(equation.effects, 1) for term in _mathml_effects(k, e)]
    terms.append((1, _msub(_mi("ε"), _mi("i"))))
    lines, letters = [""], 0
    for width, text in terms:
        if letters and letters + width > _MATHML_LINE:
            lines.append("")
            letters = 0
        is_first = lines == [""]
        lines[-1] += text if is_first else _PLUS + text
        letters += width + 2
    return [_msub(_mtext(equation.response), _mi("i")), *lines]


def _mathml_fixed(names: Sequence[str | None]) -> list[tuple[int, str]]:
    """Return (width in letters, MathML) of each fixed effect; one vector product if there are many."""
    if len(names) > MAX_SHOWN:
        return [(3, f"<msubsup>{_mi('x')}{_mi('i')}<mo>⊤</mo></msubsup>{_mi('β')}")]
    terms = []
    for number, name in number_fixed(names):
        beta = _msub(_mi("β"), _mn(number))
        terms.append((2 + len(name or ""), beta + (f"{_THIN}{_msub(_mtext(name), _mi('i'))}" if name else "")))
    return terms


def _mathml_effects(k: int, e: Effects) -> list[tuple[int, str]]:
    place = f'{_mtext(e.group)}<mo stretchy="false">[</mo>{_mi("i")}<mo stretchy="false">]</mo>'
    terms = []
    for j, name in enumerate(e.names):
        index = place if len(e.names) == 1 else f"{_mn(j)}{_COMMA}{place}"
        factor = f"{_THIN}{_msub(_mtext(name), _mi('i'))}" if name else ""
        terms.append((2 + len(e.group) * 2 // 3 + len(name or ""), _mathml_mode(k, index) + factor))
    return terms


def _mathml_distribution(k: int, e: Effects) -> tuple[str, str]:
    over = ""
    if e.m is not None:
        last = f"{_COMMA}<mo>…</mo>{_COMMA}{_mn(e.m)}" if e.m > 1 else ""
        over = f"{_COMMA}{_QUAD}{_mi('j')}{_EQUALS}{_mn(1)}{last}"
    if len(e.names) == 1:
        variance = f"<msubsup>{_mi('σ')}{_mn(e.variance)}{_mn(2)}</msubsup>"
        return _mathml_mode(k, _mi("j")), f"{_TILDE}{_normal(variance)}{over}"
    vector = _COMMA.join(_mathml_mode(k, f"{_mn(i)}{_COMMA}{_mi('j')}") for i in range(len(e.names)))
    return _msup(
        _mrow(_parenthesised(vector)), "<mo>⊤</mo>"
    ), f"{_TILDE}{_normal(_msub(_mi('Σ'), _mn(e.variance)))}{over}"


def _mathml_mode(k: int, index: str) -> str:
    return f"<msubsup>{_mi('b')}{_mrow(index)}{_mrow(_parenthesised(_mn(k)))}</msubsup>"


def _normal(variance: str) -> str:
    return f"<mi>𝒩</mi>{_parenthesised(f'{_mn(0)}{_COMMA}{variance}')}"


def _parenthesised(inside: str) -> str:
    return f'<mo stretchy="false">(</mo>{inside}<mo stretchy="false">)</mo>'


def _mrow(inside: str) -> str:
    return f"<mrow>{inside}</mrow>"


def _msub(base: str, index: str) -> str:
    return f"<msub>{base}{index}</msub>"


def _msup(base: str, exponent: str) -> str:
    return f"<msup>{base}{exponent}</msup>"


def _mi(letter: str) -> str:
    return f"<mi>{letter}</mi>"


def _mn(number: int) -> str:
    return f"<mn>{number}</mn>"


def _mtext(name: str) -> str:
    return f"<mtext>{html.escape(name)}</mtext>"
