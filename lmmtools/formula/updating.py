"""A model's formula changed as R's ``update`` changes it: ``"~ . + x - (1 | g)"``, the dot what was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from lmmtools.errors import FormulaError
from lmmtools.formula.algebra import expand, is_group, split_at, split_sum
from lmmtools.formula.expressions import fold_calls
from lmmtools.formula.parser import parse
from lmmtools.formula.tokens import fail, tokenize

if TYPE_CHECKING:
    from lmmtools.formula.terms import ModelFormula, RandomTerm
    from lmmtools.formula.tokens import Token

__all__ = ["update_formula"]

_BARS = ("|", "||")


def update_formula(formula: ModelFormula, change: str) -> str:
    """Return the formula that a change makes of a model's, in lme4's notation.

    Parameters
    ----------
    formula : ModelFormula
    change : str
        ``"response ~ terms"`` or ``"~ terms"``. A dot on the left is the model's response, and so is nothing; a dot on
        the right is all of the model's right-hand side, ``+`` adds to it and ``-`` takes away: ``"~ . + x"``,
        ``"log(.) ~ ."``, ``"~ . - (1 | g) + (x | g)"``.  A dot inside a product is the fixed part: ``"~ .:f"``.

    Raises
    ------
    FormulaError
        If the change does not read as one, or takes away what the model does not have.
    """
    if not isinstance(change, str):
        raise FormulaError(f"A change of a formula is text such as '~ . + x', not {type(change).__name__}")
    sides = split_at(tokenize(change), "~")
    if len(sides) != 2 or not sides[1][1]:
        raise FormulaError(f"A change of a formula has one ~ and terms behind it, as '~ . + x'; not {change!r:.80}")
    (_, left), (_, right) = sides
    response = _fill_dots(left, change, formula.response) if left else formula.response
    parts = _Parts(formula, change)
    for sign, piece in split_sum(right, change):
        parts.add(sign, piece)
    return f"{response} ~ {parts.written()}"


class _Parts:
    """The right-hand side while it is put together: fixed part, offsets, random-effects terms."""

    def __init__(self, formula: ModelFormula, change: str) -> None:
        self._formula, self._change = formula, change
        self._fixed = ""
        self._offsets: list[str] = []
        self._random: list[RandomTerm] = []

    def add(self, sign: str, piece: list[Token]) -> None:
        """Add one signed part of the change."""
        text = self._change[piece[0].start : piece[-1].stop]
        if len(piece) == 1 and _is_dot(piece[0]):
            if sign == "-":
                _fail_at(piece, self._change, "The whole model cannot be taken away:")
            self._add_fixed("+", self._formula.fixed)
            self._offsets += self._formula.offsets
            self._random += self._formula.random
        elif is_group(piece) and any(token.is_operator(*_BARS) for token in piece):
            self._change_random(sign, piece, text)
        elif piece[0].text == "offset" and len(piece) > 1:
            self._change_offset(sign, piece, text)
        else:
            terms = " + ".join(_terms_of(self._formula.fixed))
            filled = _fill_dots(piece, self._change, f"({terms})" if terms else "1")
            if sign == "-":
                self._check_there(piece, filled)
            self._add_fixed(sign, filled)
            if sign == "-":
                self._fixed = _write_sum(self._fixed)

    def written(self) -> str:
        """Return the right-hand side as text."""
        offsets = (f"offset({offset})" for offset in self._offsets)
        return " + ".join((self._fixed or "1", *offsets, *map(str, self._random)))

    def _add_fixed(self, sign: str, text: str) -> None:
        start = f"{self._fixed} {sign} " if self._fixed else ("-" if sign == "-" else "")
        self._fixed = start + text

    def _change_random(self, sign: str, piece: list[Token], text: str) -> None:
        terms = parse(f"y ~ {text}", trusted=self._formula.trusted).random
        if sign == "+":
            self._random += terms
            return
        for term in terms:
            if term not in self._random:
                there = ", ".join(map(str, self._random)) or "none"
                _fail_at(piece, self._change, f"There is no term {term} to take away; the random terms are {there}:")
            self._random.remove(term)

    def _change_offset(self, sign: str, piece: list[Token], text: str) -> None:
        (offset,) = parse(f"y ~ {text} + (1 | g)", trusted=self._formula.trusted).offsets
        if sign == "+":
            self._offsets.append(offset)
        elif offset in self._offsets:
            self._offsets.remove(offset)
        else:
            _fail_at(piece, self._change, "There is no such offset to take away:")

    def _check_there(self, piece: list[Token], text: str) -> None:
        """Raise a FormulaError if the fixed part so far has none of the terms that a text takes away."""
        have, gone = _terms_of(self._fixed), _terms_of(text)
        if text.strip() in ("0", "1") or any(term in have for term in gone):
            return
        there = ", ".join(have) or "none but the constant"
        _fail_at(piece, self._change, f"There is nothing of {text} to take away; the fixed terms are {there}:")


def _write_sum(text: str) -> str:
    """Return a fixed part multiplied out, without what was taken away."""
    has_constant, terms = expand(fold_calls(tokenize(text), text, trusted=True), text)
    return " + ".join((*terms,) if has_constant and terms else (str(int(has_constant)), *terms))


def _terms_of(text: str) -> tuple[str, ...]:
    """Return the terms of a fixed part, multiplied out, without the constant."""
    return expand(fold_calls(tokenize(text or "1"), text, trusted=True), text)[1]


def _fill_dots(piece: list[Token], source: str, instead: str) -> str:
    """Return the text of some tokens with each dot that stands by itself replaced."""
    text, at = "", piece[0].start
    for token in piece:
        if _is_dot(token):
            text, at = text + source[at : token.start] + instead, token.stop
    return text + source[at : piece[-1].stop]


def _is_dot(token: Token) -> bool:
    return token.kind == "name" and token.text == "." and not token.quoted


def _fail_at(piece: list[Token], source: str, message: str) -> NoReturn:
    fail(message, source, piece[0].start, piece[-1].stop)
