"""Sums of terms, multiplied out as R and formulaic do: ``a * b`` -> ``a + b + a:b``."""

from __future__ import annotations

from itertools import product
from typing import NoReturn

from lmmtools.formula.tokens import Token, closing, fail, fail_at_words, quote_name

__all__ = ["check_sum", "expand", "expand_terms", "is_group", "split_at", "split_sum", "write"]

# A term is the tuple of its factors' spellings; the constant is ().
Term = tuple[str, ...]

_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=", "&", "&&", "!", "%", "//", "=", "<-", "%%", "%/%")
# A sum to a power above its number of terms has no further interactions; larger exponents only cost time.
_LARGEST_POWER = 9
_POWERS = tuple(map(str, range(1, _LARGEST_POWER + 1)))
_MOST_TERMS = 1000
# No data have rows enough to tell the parts of a larger interaction apart.
_MOST_FACTORS = 50
# Pairs of terms that one product may form.
_MOST_PAIRS = 100_000


def split_at(tokens: list[Token], *symbols: str) -> list[tuple[Token | None, list[Token]]]:
    """Split tokens at the given operators outside parentheses.

    Returns
    -------
    list of (Token or None, list of Token)
        Each piece with the operator before it, None for the first.
    """
    pieces: list[tuple[Token | None, list[Token]]] = [(None, [])]
    depth = 0
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.is_operator(*symbols):
            pieces.append((token, []))
        else:
            pieces[-1][1].append(token)
    return pieces


def split_sum(tokens: list[Token], source: str) -> list[tuple[str, list[Token]]]:
    """Split a sum into its signed parts, ``[("+", ...), ("-", ...)]``; runs of signs are multiplied out.

    Raises
    ------
    FormulaError
        A sign with nothing after it.
    """
    parts: list[tuple[str, list[Token]]] = []
    sign, last = "+", None
    for operator, piece in split_at(tokens, "+", "-"):
        if operator is not None:
            sign = "-" if (operator.text == "-") != (sign == "-") else "+"
            last = operator
        if piece:
            parts.append((sign, piece))
            sign, last = "+", None
    if last is not None:
        fail("There is nothing after this sign:", source, last.start, last.stop)
    return parts


def is_group(tokens: list[Token]) -> bool:
    """Whether the tokens are one pair of parentheses and what is inside."""
    return tokens[0].text == "(" and tokens[0].kind == "open" and closing(tokens, 0) == len(tokens) - 1


def write(tokens: list[Token]) -> str:
    """Return tokens as formula text with regular spacing."""
    words = []
    for token in tokens:
        if token.kind == "name":
            words.append(quote_name(token.text))
        elif token.is_operator("+", "-", "*", "/"):
            words.append(f" {token.text} ")
        else:
            words.append("**" if token.text == "^" else token.text)
    return "".join(words)


def check_sum(tokens: list[Token], source: str) -> None:
    """Check that tokens read as a sum of terms: operands and operators in turn, nothing that is no term.

    Raises
    ------
    FormulaError
        With the first token that does not fit.
    """
    expand(tokens, source)


def expand(tokens: list[Token], source: str) -> tuple[bool, tuple[str, ...]]:
    """Multiply out a sum of terms.

    Parameters
    ----------
    tokens : list of Token
        Calls folded.
    source : str
        The formula, for messages.

    Returns
    -------
    intercept : bool
        Whether the constant is in it; it is unless taken out by ``0`` or ``- 1``.
    variables : tuple of str
        The other terms, each factor in normal form, lower orders first, as R and formulaic order them.

    Raises
    ------
    FormulaError
        With the first token that does not fit.
    """
    terms = expand_terms(tokens, source)
    return () in terms, tuple(":".join(term) for term in terms if term)


def expand_terms(tokens: list[Token], source: str) -> list[Term]:
    """Multiply out a sum of terms, each returned as the tuple of its factors, the constant as ``()``; see `expand`."""
    return sorted(_sum(tokens, source, start=[()]), key=len)


def _sum(tokens: list[Token], source: str, start: list[Term]) -> list[Term]:
    """Return the terms of a sum; ``start`` holds the implied constant where there is one."""
    terms = {frozenset(term): term for term in start}
    for sign, part in split_sum(tokens, source):
        is_zero = len(part) == 1 and part[0].kind == "number" and part[0].text == "0"
        new: list[Term] = [()] if is_zero else _product(part, source)
        for term in new:
            if (sign == "-") != is_zero:
                terms.pop(frozenset(term), None)
            else:
                terms.setdefault(frozenset(term), term)
    return list(terms.values())


def _product(tokens: list[Token], source: str) -> list[Term]:
    """Return the terms of ``a * b / c``, from left to right."""
    terms: list[Term] = []
    for operator, piece in split_at(tokens, "*", "/"):
        _need_operand(piece, operator, tokens, source)
        new = _interaction(piece, source)
        if operator is None:
            terms = new
        elif operator.text == "*":
            terms = [*terms, *new, *_cross_all(terms, new, tokens, source)]
        else:
            everything = _cross(*terms)
            if len(everything) > _MOST_FACTORS:
                _fail_at_factors(tokens, source)
            terms = [*terms, *(_cross(everything, b) for b in new)]
        terms = _unique(terms)
        if len(terms) > _MOST_TERMS:
            _fail_at_size(tokens, source)
    return terms


def _interaction(tokens: list[Token], source: str) -> list[Term]:
    """Return the terms of ``a:b``."""
    terms: list[Term] = [()]
    for operator, piece in split_at(tokens, ":"):
        _need_operand(piece, operator, tokens, source)
        terms = _cross_all(terms, _power(piece, source), tokens, source)
    return terms


def _power(tokens: list[Token], source: str) -> list[Term]:
    """Return the terms of ``(a + b)**2``."""
    (_, base), *exponents = split_at(tokens, "**", "^")
    _need_operand(base, exponents[0][0] if exponents else None, tokens, source)
    terms = _operand(base, source)
    for operator, piece in exponents:
        assert operator is not None
        is_number = len(piece) == 1 and piece[0].kind == "number" and piece[0].text in _POWERS
        if not is_number:
            fail(
                f"A power of terms is a whole number from 1 to {_LARGEST_POWER}:",
                source,
                operator.start,
                operator.stop,
                cure="Write I(x**2) for the square of a column.",
            )
        base_terms = terms
        for _ in range(int(piece[0].text) - 1):
            terms = _cross_all(terms, base_terms, tokens, source)
    return terms


def _operand(tokens: list[Token], source: str) -> list[Term]:
    """Return the terms of a name, a call, the constant, or a sum in parentheses."""
    first = tokens[0]
    if is_group(tokens):
        if len(tokens) == 2:
            fail("There is nothing in these parentheses:", source, first.start, tokens[1].stop)
        return _sum(tokens[1:-1], source, start=[])
    if len(tokens) > 1:
        _refuse_run(tokens, source)
    if first.kind == "name" and (first.text != "." or first.quoted):
        return [(quote_name(first.text),)]
    if first.kind == "call":
        return [(first.text,)]
    if first.kind == "number" and first.text == "1":
        return [()]
    _refuse(first, source)


def _need_operand(piece: list[Token], operator: Token | None, tokens: list[Token], source: str) -> None:
    """Raise a FormulaError if an operator has nothing beside it."""
    if not piece:
        token = operator or tokens[0]
        fail(f"{token.text} has nothing beside it:", source, token.start, token.stop)


def _refuse_run(tokens: list[Token], source: str) -> NoReturn:
    """Raise the error for operands that stand side by side, or an operator that terms do not have."""
    for token in tokens:
        if token.text == "[" and token.kind == "open":
            fail("Brackets have no meaning between terms:", source, token.start, token.stop, cure="Write parentheses.")
        if token.kind == "operator":
            _refuse(token, source)
    fail_at_words(tokens, source)
    second = tokens[closing(tokens, 0) + 1] if tokens[0].kind == "open" else tokens[1]
    fail("There is no operator before this:", source, second.start, second.stop, cure="Put + between two terms.")


def _refuse(token: Token, source: str) -> NoReturn:
    """Raise the error for a token that is no term."""
    cure = ""
    if token.kind == "number":
        message = f"The number {token.text} is not a term:"
        cure = f"Write I({token.text} * x) to scale a column; 0 and 1 take the intercept out and in."
    elif token.kind == "offset":
        message = "An offset is added to the whole model, not part of another term:"
    elif token.kind == "string":
        message = "Text is not a term:"
        cure = f"Write Q({token.text}) for the column of that name."
    elif token.text == ".":
        message = "The wildcard . is not supported:"
        cure = "Name the columns."
    elif token.text == "%in%":
        message = "%in% has no Python spelling:"
        cure = "Write a/b for b within a, or a:b for their combinations."
    elif token.is_operator(*_COMPARISONS):
        message = f"{token.text} is no operator between terms:"
        cure = "Put arithmetic and comparisons into I(...), for example I(x > 3)."
    else:
        message = f"{token.text} does not fit here:"
    fail(message, source, token.start, token.stop, cure=cure)


def _cross(*terms: Term) -> Term:
    """Return the interaction of terms, each factor once."""
    return tuple(dict.fromkeys(factor for term in terms for factor in term))


def _cross_all(left: list[Term], right: list[Term], tokens: list[Token], source: str) -> list[Term]:
    """Return the interactions of each term with each, without repeats."""
    if len(left) * len(right) > _MOST_PAIRS:
        _fail_at_size(tokens, source)
    terms = _unique([_cross(a, b) for a, b in product(left, right)])
    if len(terms) > _MOST_TERMS:
        _fail_at_size(tokens, source)
    if any(len(term) > _MOST_FACTORS for term in terms):
        _fail_at_factors(tokens, source)
    return terms


def _fail_at_size(tokens: list[Token], source: str) -> NoReturn:
    """Raise the error for a product of too many terms."""
    message = f"This multiplies out to more than {_MOST_TERMS} terms:"
    fail(message, source, tokens[0].start, tokens[-1].stop, cure="Write the interactions that you mean.")


def _fail_at_factors(tokens: list[Token], source: str) -> NoReturn:
    """Raise the error for an interaction of too many columns."""
    message = f"This is an interaction of more than {_MOST_FACTORS} columns:"
    fail(message, source, tokens[0].start, tokens[-1].stop, cure="Write the interactions that you mean.")


def _unique(terms: list[Term]) -> list[Term]:
    """Return terms without repeats, the first spelling kept; ``a:b`` and ``b:a`` are the same."""
    first: dict[frozenset[str], Term] = {}
    for term in terms:
        first.setdefault(frozenset(term), term)
    return list(first.values())
