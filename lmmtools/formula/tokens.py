"""A formula's text -> tokens with their places in it."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from lmmtools.errors import FormulaError, caret

__all__ = ["Token", "closing", "fail", "fail_at_words", "quote_name", "tokenize"]

Kind = Literal["name", "number", "string", "operator", "open", "close", "call", "offset"]

_LEXER = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<quoted>`[^`]*`)
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?L?(?![\w.]))
  | (?P<name>[^\W\d][\w.]*|\.(?!\d)[\w.]*)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<operator>%[A-Za-z/*]*%|\|\||&&|\*\*|==|!=|<=|>=|<-|//|[-+*/:^|~=<>,!&%@$?;])
  | (?P<open>[(\[])
  | (?P<close>[)\]])
    """,
    re.VERBOSE,
)
_BARE_NAME = re.compile(r"[^\W\d][\w.]*|\.[^\W\d][\w.]*")
# Readers recurse into parentheses; Python stops at about a thousand calls.
_DEEPEST = 50
# A model with the most columns that a fit can have needs fewer; reading more takes seconds.
_MOST_WORDS, _MOST_CHARACTERS = 20_000, 300_000
_CLOSER = {"(": ")", "[": "]"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a formula.

    Attributes
    ----------
    kind : str
        ``"name"``, ``"number"``, ``"string"``, ``"operator"``, ``"open"`` or ``"close"``;
        ``"call"`` and ``"offset"`` for a function call folded into one token by `expressions.fold_calls`.
    text : str
        The word; a name without its back-ticks or ``Q("...")``, a call in its normal form.
    start, stop : int
        Its place in the formula, end excluded.
    quoted : bool
        Whether a name was back-ticked or inside ``Q("...")``, so that it can only be a column.
    columns : tuple of str
        The columns that a call uses.
    """

    kind: Kind
    text: str
    start: int
    stop: int
    quoted: bool = False
    columns: tuple[str, ...] = ()

    def is_operator(self, *symbols: str) -> bool:
        """Whether the token is one of the operators ``symbols``."""
        return self.kind == "operator" and self.text in symbols


def fail(message: str, source: str, start: int, stop: int, *, cure: str = "") -> NoReturn:
    """Raise a FormulaError that shows the formula with carets under characters ``start`` to ``stop``.

    Raises
    ------
    FormulaError
        Always.
    """
    one_line = re.sub(r"\s", " ", source)
    text = f"{message}\n{caret(one_line, start, stop)}"
    raise FormulaError(f"{text}\n{cure}" if cure else text)


def fail_at_words(tokens: list[Token], source: str) -> None:
    """Raise a FormulaError if names stand side by side, as in a column name with spaces that is not quoted.

    Raises
    ------
    FormulaError
        At the first such names.
    """
    words = [t.kind == "name" and not keyword.iskeyword(t.text) for t in tokens]
    start = next((i for i in range(len(tokens) - 1) if words[i] and words[i + 1]), None)
    if start is None:
        return
    stop = start + next((n for n, is_word in enumerate(words[start:]) if not is_word), len(tokens) - start)
    name = quote_name(" ".join(t.text for t in tokens[start:stop]))
    fail(
        "Names stand side by side:",
        source,
        tokens[start].start,
        tokens[stop - 1].stop,
        cure=f"Write {name} if this is one column, and + between two terms.",
    )


def quote_name(name: str) -> str:
    """Return a column name as a formula writes it: bare where that is unambiguous, else quoted.

    Dots count as letters, as in R; back-ticks serve all other names but those that hold a back-tick themselves.
    """
    if _BARE_NAME.fullmatch(name):
        return name
    return f"Q({name!r})" if "`" in name or "\\" in name else f"`{name}`"


def closing(tokens: list[Token], index: int) -> int:
    """Return the index of the token that closes the parenthesis opened at ``index``."""
    depth = 0
    for i in range(index, len(tokens)):
        if tokens[i].kind == "open":
            depth += 1
        elif tokens[i].kind == "close":
            depth -= 1
            if depth == 0:
                return i
    raise AssertionError("tokenize() hands out balanced parentheses only")


def tokenize(source: str) -> list[Token]:
    """Split a formula into tokens; parentheses in the result are balanced.

    Parameters
    ----------
    source : str
        A formula or a part of one.

    Raises
    ------
    FormulaError
        A character that no formula has, an unclosed quote, unbalanced parentheses, or more words than a model has.
    """
    if len(source) > _MOST_CHARACTERS:
        raise FormulaError(f"The formula has more than {_MOST_CHARACTERS:,} characters.")
    tokens: list[Token] = []
    position = 0
    while position < len(source):
        match = _LEXER.match(source, position)
        if match is None:
            _fail_at_character(source, position)
        kind, text = match.lastgroup, match.group()
        if kind == "quoted":
            if len(text) == 2:
                fail("A pair of back-ticks has no column name in it:", source, position, match.end())
            tokens.append(Token("name", text[1:-1], position, match.end(), quoted=True))
        elif kind == "number":
            tokens.append(Token("number", text.rstrip("L"), position, match.end()))
        elif kind != "space":
            tokens.append(Token(kind, text, position, match.end()))  # type: ignore[arg-type]
        if len(tokens) > _MOST_WORDS:
            raise FormulaError(f"The formula has more than {_MOST_WORDS:,} names, numbers and operators.")
        position = match.end()
    _check_balance(tokens, source)
    return _join_quoted_names(tokens, source)


def _fail_at_character(source: str, position: int) -> NoReturn:
    """Raise the error for a character that starts no token."""
    char = source[position]
    if char in "`\"'":
        fail(f"The quote {char} is opened and never closed:", source, position, len(source))
    if char == "{":
        fail("Braces have no meaning here:", source, position, position + 1, cure="Write I(...) around arithmetic.")
    if char.isdigit() or char == ".":
        fail(
            "A column name that starts with a digit needs back-ticks:",
            source,
            position,
            position + 1,
            cure="Write `2nd` or Q('2nd').",
        )
    fail(
        f"The character {char!r} has no meaning in a formula:",
        source,
        position,
        position + 1,
        cure="Put a column name that holds it in back-ticks, `like this`.",
    )


def _check_balance(tokens: list[Token], source: str) -> None:
    """Raise a FormulaError unless every parenthesis is closed by its like."""
    opened: list[Token] = []
    for token in tokens:
        if token.kind == "open":
            opened.append(token)
            if len(opened) > _DEEPEST:
                fail("Parentheses are nested too deeply:", source, token.start, token.stop)
        elif token.kind == "close":
            if not opened or _CLOSER[opened[-1].text] != token.text:
                fail(f"This {token.text} closes nothing:", source, token.start, token.stop)
            opened.pop()
    if opened:
        fail(f"This {opened[-1].text} is never closed:", source, opened[-1].start, opened[-1].stop)


def _join_quoted_names(tokens: list[Token], source: str) -> list[Token]:
    """Turn each ``Q("name")`` into the name token that it stands for."""
    if not any(t.text == "Q" and not t.quoted for t in tokens):
        return tokens
    joined: list[Token] = []
    i = 0
    while i < len(tokens):
        t = tokens[i]
        ahead = tokens[i + 1 : i + 4]
        if t.text == "Q" and not t.quoted and [a.kind for a in ahead] == ["open", "string", "close"]:
            joined.append(Token("name", _unquote(ahead[1], source), t.start, ahead[2].stop, quoted=True))
            i += 4
        else:
            joined.append(t)
            i += 1
    return joined


def _unquote(literal: Token, source: str) -> str:
    """Return what a Python string literal stands for, without evaluating anything else."""
    import ast

    try:
        return str(ast.literal_eval(literal.text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        fail("This text does not read as a column name:", source, literal.start, literal.stop)
