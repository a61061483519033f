"""A mixed model as an equation in MathML, which browsers show and screen readers read without any script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmmtools.report.equation import MAX_SHOWN, number_fixed, write_equation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.report.equation import Effects, Equation

__all__ = ["write_mathml"]

# A line of the linear predictor holds so many letters before it is broken at a plus: a telephone's width. Those of an
# index count two thirds.
_LINE = 26
_THIN, _QUAD = '<mspace width="0.17em"></mspace>', '<mspace width="1em"></mspace>'
# At the start of a cell an operator would be taken for a sign, and stand close.
_PLUS, _EQUALS, _TILDE = (f'<mo form="infix">{mark}</mo>' for mark in "+=∼")
_COMMA = '<mo separator="true">,</mo>'


def write_mathml(equation: Equation) -> str:
    """Return the model as one ``<math>`` element: the linear predictor, then one line per distribution.

    The lines are those of `write_equation`, whose LaTeX is the element's ``alttext``. Two columns meet at the relation,
    by the class ``equation``: the first wants to be set to the right, the second to the left.
    """
    left, first, *rest = _predictor(equation)
    rows = [(left, f"{_EQUALS}{first}"), *(("", _QUAD + line) for line in rest)]
    rows += [_distribution(k, e) for k, e in enumerate(equation.effects, 1)]
    noise = _power(_i("σ"), _n(2)) + (f"<mo>/</mo>{_sub(_i('w'), _i('i'))}" if equation.has_weights else "")
    rows.append((_sub(_i("ε"), _i("i")), f"{_TILDE}{_normal(noise)}"))
    cells = "".join(f"<mtr><mtd>{_row(a)}</mtd><mtd>{_row(b)}</mtd></mtr>" for a, b in rows)
    alternative = escape(write_equation(equation), quote=True)
    table = f'<mtable class="equation" displaystyle="true" columnalign="right left">{cells}</mtable>'
    return f'<math display="block" alttext="{alternative}">{table}</math>'


def _predictor(equation: Equation) -> list[str]:
    """Return the response, and the lines of what it equals: broken before a plus where they would be long."""
    terms = _fixed(equation.fixed)
    if equation.has_offset:
        terms.append((1, _sub(_i("o"), _i("i"))))
    terms += [term for k, e in enumerate(equation.effects, 1) for term in _effects(k, e)]
    terms.append((1, _sub(_i("ε"), _i("i"))))
    lines, letters = [""], 0
    for width, text in terms:
        if letters and letters + width > _LINE:
            lines.append("")
            letters = 0
        is_first = lines == [""]
        lines[-1] += text if is_first else _PLUS + text
        letters += width + 2
    return [_sub(_text(equation.response), _i("i")), *lines]


def _fixed(names: Sequence[str | None]) -> list[tuple[int, str]]:
    """Return the fixed effects' terms, each with its width in letters; a vector product if they are many."""
    if len(names) > MAX_SHOWN:
        return [(3, f"<msubsup>{_i('x')}{_i('i')}<mo>⊤</mo></msubsup>{_i('β')}")]
    terms = []
    for number, name in number_fixed(names):
        beta = _sub(_i("β"), _n(number))
        terms.append((2 + len(name or ""), beta + (f"{_THIN}{_sub(_text(name), _i('i'))}" if name else "")))
    return terms


def _effects(k: int, e: Effects) -> list[tuple[int, str]]:
    place = f'{_text(e.group)}<mo stretchy="false">[</mo>{_i("i")}<mo stretchy="false">]</mo>'
    terms = []
    for j, name in enumerate(e.names):
        index = place if len(e.names) == 1 else f"{_n(j)}{_COMMA}{place}"
        factor = f"{_THIN}{_sub(_text(name), _i('i'))}" if name else ""
        terms.append((2 + len(e.group) * 2 // 3 + len(name or ""), _mode(k, index) + factor))
    return terms


def _distribution(k: int, e: Effects) -> tuple[str, str]:
    over = ""
    if e.m is not None:
        last = f"{_COMMA}<mo>…</mo>{_COMMA}{_n(e.m)}" if e.m > 1 else ""
        over = f"{_COMMA}{_QUAD}{_i('j')}{_EQUALS}{_n(1)}{last}"
    if len(e.names) == 1:
        variance = f"<msubsup>{_i('σ')}{_n(e.variance)}{_n(2)}</msubsup>"
        return _mode(k, _i("j")), f"{_TILDE}{_normal(variance)}{over}"
    vector = _COMMA.join(_mode(k, f"{_n(i)}{_COMMA}{_i('j')}") for i in range(len(e.names)))
    return _power(_row(_fence(vector)), "<mo>⊤</mo>"), f"{_TILDE}{_normal(_sub(_i('Σ'), _n(e.variance)))}{over}"


def _mode(k: int, index: str) -> str:
    return f"<msubsup>{_i('b')}{_row(index)}{_row(_fence(_n(k)))}</msubsup>"


def _normal(variance: str) -> str:
    return f"<mi>𝒩</mi>{_fence(f'{_n(0)}{_COMMA}{variance}')}"


def _fence(inside: str) -> str:
    return f'<mo stretchy="false">(</mo>{inside}<mo stretchy="false">)</mo>'


def _row(inside: str) -> str:
    return f"<mrow>{inside}</mrow>"


def _sub(base: str, index: str) -> str:
    return f"<msub>{base}{index}</msub>"


def _power(base: str, exponent: str) -> str:
    return f"<msup>{base}{exponent}</msup>"


def _i(letter: str) -> str:
    return f"<mi>{letter}</mi>"


def _n(number: int) -> str:
    return f"<mn>{number}</mn>"


def _text(name: str) -> str:
    return f"<mtext>{escape(name)}</mtext>"
