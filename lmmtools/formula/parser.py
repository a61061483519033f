"""lme4's formula notation read: ``"y ~ x + (1 + x || g/h)"`` -> ModelFormula."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from lmmtools.errors import FormulaError
from lmmtools.formula.algebra import check_sum, expand, is_group, split_at, split_sum, write
from lmmtools.formula.checking import columns_asked
from lmmtools.formula.declare import Declaration, split_correlated
from lmmtools.formula.expressions import fold_calls, quote_argument, read_arithmetic
from lmmtools.formula.foreign import read_structures
from lmmtools.formula.terms import ModelFormula, RandomTerm, nest
from lmmtools.formula.tokens import Token, closing, fail, fail_at_words, quote_name, tokenize

__all__ = ["parse"]

_BARS = ("|", "||")
# Calls take a few milliseconds each, and as much for hundreds of operations or tens of columns.
_MOST_CALLS, _MOST_OPERATIONS, _MOST_ASKED = 250, 6000, 1000


def parse(formula: str, random: Declaration | None = None, *, trusted: bool = False) -> ModelFormula:
    """Return the model that a formula in lme4's notation declares.

    Parameters
    ----------
    formula : str
        ``response ~ fixed + (basis | factor) + ...``.  The fixed part is formulaic's language; R's spellings
        ``log(x)``, ``sqrt(x)``, ``I(x^2)``, ``factor(f)``, ``offset(z)`` have R's meaning.
    random : Declaration, optional
        Random-effects terms declared apart, by `crossed`, `nested` or `random`; they add to the formula's own.
    trusted : bool
        Let the formula call any function.  By default only known functions may be called, so that a formula from
        anywhere can be read without running its code.

    Raises
    ------
    FormulaError
        The text does not read as a mixed-model formula; the message shows where.
    """
    if not isinstance(formula, str):
        raise FormulaError(
            f"A formula is text such as 'y ~ x + (1 | g)', not {type(formula).__name__}: {formula!r:.80}"
        )
    if random is not None and not isinstance(random, Declaration):
        raise FormulaError(
            f"random= takes crossed(...), nested(...), random(...) or their sum, not {type(random).__name__}: "
            f"{random!r:.80}\nTerms in lme4's notation are written into the formula: 'y ~ x + (1 | g)'."
        )
    # Equal declarations may be written in another order, which names of factors and of columns keep.
    return _parse(formula, () if random is None else _WrittenTerms(random.terms), trusted)


class _WrittenTerms(tuple[RandomTerm, ...]):
    """Terms that compare equal only if they are also written alike."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _WrittenTerms) and list(map(repr, self)) == list(map(repr, other))

    def __hash__(self) -> int:
        return hash(tuple(map(repr, self)))


@dataclass(slots=True)
class _RightHandSide:
    """The parts of a right-hand side: fixed terms, offsets and random-effects terms."""

    source: str
    fixed: list[tuple[str, list[Token]]] = field(default_factory=list)
    offsets: list[str] = field(default_factory=list)
    random: list[RandomTerm] = field(default_factory=list)


@lru_cache(maxsize=512)
def _parse(formula: str, declared: tuple[RandomTerm, ...], trusted: bool) -> ModelFormula:
    """Return the model of a formula and declared terms; see `parse`."""
    left, right = _split_sides(read_structures(tokenize(formula), formula), formula)
    tilde = Token("operator", "~", right[0].start, right[0].start)
    response = read_arithmetic(left, formula, trusted=trusted, where=tilde)
    tokens = fold_calls(right, formula, trusted=trusted)
    _check_response(response, tokens, formula)
    if not trusted:
        _check_calls(tokens, len(right))
    parts = _RightHandSide(formula)
    for sign, part in split_sum(tokens, formula):
        _sort_part(parts, sign, part)
    for _, part in parts.fixed:
        check_sum(part, formula)
    for term in declared:
        _add_term(parts, term, None)
    if not parts.random:
        _fail_without_random(formula)
    return ModelFormula(
        response=quote_name(response.text) if response.kind == "name" else response.text,
        fixed=_write_fixed(parts.fixed),
        random=tuple(parts.random),
        offsets=tuple(parts.offsets),
        source=" + ".join((formula.strip(), *map(str, declared))),
        trusted=trusted,
    )


def _split_sides(tokens: list[Token], source: str) -> tuple[list[Token], list[Token]]:
    """Return the tokens left and right of the one ``~``, both sides non-empty."""
    if not tokens:
        raise FormulaError("The formula is empty. Write for example 'y ~ x + (1 | g)'.")
    pieces = split_at(tokens, "~")
    if len(pieces) == 1:
        fail("There is no ~ in the formula:", source, 0, len(source), cure="Write response ~ fixed + (1 | factor).")
    if len(pieces) > 2:
        second = pieces[2][0]
        assert second is not None
        fail("A formula has one ~, this is a second one:", source, second.start, second.stop)
    (_, left), (tilde, right) = pieces
    assert tilde is not None
    if not left:
        fail("There is no response before the ~:", source, tilde.start, tilde.stop, cure="Write response ~ ...")
    if not right:
        fail("There is nothing after the ~:", source, tilde.start, tilde.stop, cure="Write ~ 1 + (1 | factor).")
    return left, right


def _check_calls(tokens: list[Token], words: int) -> None:
    """Refuse what takes long to evaluate: hundreds of calls or of columns that they make, thousands of operations."""
    calls = [token.text for token in tokens if token.kind in ("call", "offset")]
    for count, most, what in (
        (len(calls), _MOST_CALLS, "calls of functions"),
        (words - len(tokens), _MOST_OPERATIONS, "words in its calls of functions"),
        (sum(map(columns_asked, calls)), _MOST_ASKED, "columns of splines and polynomials"),
    ):
        if count > most:
            raise FormulaError(
                f"The formula has {count:,} {what}, where {most:,} can be evaluated: make the columns in the data, and "
                "name them."
            )


def _check_response(response: Token, right: list[Token], source: str) -> None:
    """Refuse a response that explains itself; ``lag(y)`` alone may stand on the right."""
    if len(set(response.columns)) != 1:
        if not response.columns:
            fail("The response has no column in it:", source, response.start, response.stop)
        return
    (column,) = set(response.columns)
    for token in right:
        is_used = token.text == column if token.kind == "name" else column in token.columns
        if is_used and not token.text.startswith("lag("):
            fail(f"The response {column} is also on the right-hand side:", source, token.start, token.stop)


def _sort_part(parts: _RightHandSide, sign: str, part: list[Token]) -> None:
    """Put one part of the right-hand side with its kind."""
    bars = [t for t in part if t.is_operator(*_BARS)]
    if part[0].kind == "offset" and len(part) == 1:
        if sign == "-":
            fail("An offset cannot be subtracted:", parts.source, part[0].start, part[0].stop, cure="Write offset(-z).")
        text = part[0].text
        parts.offsets.append(quote_name(part[0].columns[0]) if (text,) == part[0].columns else text)
    elif not bars:
        parts.fixed.append((sign, part))
    elif len(split_at(part, *_BARS)) > 1:
        _fail_without_parentheses(part, bars[0], parts.source)
    elif not is_group(part):
        _fail_at_product(part, bars[0], parts.source)
    elif len(split_at(part[1:-1], *_BARS)) == 1:
        for inner_sign, inner in split_sum(part[1:-1], parts.source):
            _sort_part(parts, "-" if inner_sign != sign else "+", inner)
    elif sign == "-":
        fail("A random-effects term cannot be subtracted:", parts.source, part[0].start, part[-1].stop)
    else:
        for term in _read_bar(part, parts.source):
            _add_term(parts, term, part)


def _add_term(parts: _RightHandSide, term: RandomTerm, where: list[Token] | None) -> None:
    """Append a random-effects term unless it is there already."""
    for other in parts.random:
        if other == term:
            message = f"The random-effects term {term} is declared twice:"
            if where is None:
                raise FormulaError(f"{message} by the formula {parts.source!r} and by random=. Leave one out.")
            fail(
                message,
                parts.source,
                where[0].start,
                where[-1].stop,
                cure="Leave one out: the data tell the sum of their variances alone.",
            )
    parts.random.append(term)


def _read_bar(group: list[Token], source: str) -> list[RandomTerm]:
    """Return the terms of one ``(basis | factors)``, slashes and double bars written out."""
    (_, left), (bar, right), *more = split_at(group[1:-1], *_BARS)
    assert bar is not None
    nested = more[0][0] if more else next((t for t in (*left, *right) if t.is_operator(*_BARS)), None)
    if nested is not None:
        fail("A random-effects term has one bar:", source, nested.start, nested.stop, cure="Write (1 | a) + (1 | b).")
    if not left:
        fail("There is nothing before the bar:", source, group[0].start, bar.stop, cure="Write (1 | factor).")
    if not right:
        fail(
            "There is no grouping factor after the bar:", source, bar.start, group[-1].stop, cure="Write (1 | factor)."
        )
    intercept, variables = expand(left, source)
    if not intercept and not variables:
        fail("There is no effect before the bar:", source, left[0].start, left[-1].stop, cure="Write (1 | factor).")
    return [
        term
        for basis in split_correlated(intercept, variables, correlated=bar.text == "|")
        for term in nest(basis, _read_factors(right, source))
    ]


def _read_factors(tokens: list[Token], source: str) -> list[tuple[str, ...]]:
    """Return the grouping factors of ``a/b/c``, outermost first: ``[("a",), ("b", "a"), ("c", "b", "a")]``."""
    factors: list[tuple[str, ...]] = []
    for operator, piece in split_at(tokens, "/"):
        _need_factor(piece, operator, tokens, source)
        inner = _read_interaction(piece, source)
        if factors:
            factors += [_join_factors(f, factors[-1], piece, source) for f in inner]
        else:
            factors = inner
    return factors


def _read_interaction(tokens: list[Token], source: str) -> list[tuple[str, ...]]:
    """Return the grouping factors of ``a:b``, one; or of what is in a pair of parentheses."""
    pieces = split_at(tokens, ":")
    if len(pieces) == 1 and is_group(tokens) and len(tokens) > 2:
        return _read_factors(tokens[1:-1], source)
    factor: tuple[str, ...] = ()
    for operator, piece in pieces:
        _need_factor(piece, operator, tokens, source)
        if is_group(piece) and len(piece) > 2:
            inner = _read_factors(piece[1:-1], source)
            if len(inner) > 1:
                fail("A slash inside an interaction is ambiguous:", source, piece[0].start, piece[-1].stop)
            factor = _join_factors(factor, inner[0], piece, source)
        else:
            factor = _join_factors(factor, (_read_factor(piece, source),), piece, source)
    return [factor]


def _join_factors(a: tuple[str, ...], b: tuple[str, ...], piece: list[Token], source: str) -> tuple[str, ...]:
    """Return the interaction of two grouping factors."""
    if set(a) & set(b):
        fail("A factor cannot be crossed with itself:", source, piece[0].start, piece[-1].stop)
    return a + b


def _need_factor(piece: list[Token], operator: Token | None, tokens: list[Token], source: str) -> None:
    """Raise a FormulaError if an operator has no grouping factor beside it."""
    if not piece:
        token = operator or tokens[0]
        fail(f"{token.text} needs a grouping factor on either side:", source, token.start, token.stop)


def _read_factor(piece: list[Token], source: str) -> str:
    """Return the column of one grouping factor, ``g``, ``factor(g)`` or ``C(g)``."""
    first = piece[0]
    if len(piece) == 1 and first.kind == "name" and (first.text != "." or first.quoted):
        return first.text
    if len(piece) == 1 and first.kind == "call" and len(first.columns) == 1:
        (column,) = first.columns
        if first.text in (f"C({quote_argument(column)})", f"I({quote_argument(column)})"):
            return column
    _refuse_factor(piece, source)


def _refuse_factor(piece: list[Token], source: str) -> NoReturn:
    """Raise the error for what is no grouping factor."""
    first, last = piece[0], piece[-1]
    for token in piece:
        if token.is_operator("+", "*", "-"):
            fail(
                f"{token.text} does not join grouping factors:",
                source,
                token.start,
                token.stop,
                cure="Write (1 | a) + (1 | b) for crossed factors, (1 | a:b) for combinations, (1 | a/b) for nesting.",
            )
    if first.kind == "number":
        fail(
            f"The number {first.text} is not a grouping factor:",
            source,
            first.start,
            first.stop,
            cure="The name of a column stands after the bar.",
        )
    if first.kind == "call":
        cure = 'Make the column first: data["g"] = ...; then (1 | g).'
        fail("A grouping factor is a column, not an expression:", source, first.start, last.stop, cure=cure)
    fail_at_words(piece, source)
    fail(
        "This is not a grouping factor:", source, first.start, last.stop, cure="Write (1 | g), (1 | a:b) or (1 | a/b)."
    )


def _fail_without_parentheses(part: list[Token], bar: Token, source: str) -> NoReturn:
    """Raise the error for ``x | g`` outside parentheses."""
    cure = f"Write ({write(part).strip()})." if bar is not part[0] and bar is not part[-1] else "Write (1 | factor)."
    fail("A random-effects term stands in parentheses:", source, part[0].start, part[-1].stop, cure=cure)


def _fail_at_product(part: list[Token], bar: Token, source: str) -> NoReturn:
    """Raise the error for a random-effects term that is multiplied, or stands beside another without a ``+``."""
    fail_at_words(part, source)
    depth_zero = 0
    for i, token in enumerate(part[:-1]):
        depth_zero += (token.kind == "open") - (token.kind == "close")
        if depth_zero == 0 and part[i + 1].kind != "operator" and token.kind != "operator":
            after = part[i + 1]
            end = part[closing(part, i + 1)].stop if after.kind == "open" else after.stop
            fail("There is no operator before this:", source, after.start, end, cure="Put + between two terms.")
    fail(
        "A random-effects term is added, never part of a product:", source, bar.start, bar.stop, cure="Write + (1 | g)."
    )


def _fail_without_random(source: str) -> NoReturn:
    """Raise the error for a formula without random effects."""
    raise FormulaError(
        f"There is no random-effects term in {source!r}.\n"
        "Add one, for example (1 | g), or declare it: random=crossed('g').  "
        "For a model without random effects use ordinary least squares (statsmodels' ols)."
    )


def _write_fixed(parts: list[tuple[str, list[Token]]]) -> str:
    """Return the fixed part as text that formulaic reads."""
    text = ""
    for sign, part in parts:
        if text:
            text += f" {sign} {write(part)}"
        else:
            text = write(part) if sign == "+" else f"-{write(part)}"
    return text or "1"
