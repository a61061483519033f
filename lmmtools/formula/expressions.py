"""Function calls inside a formula: which are allowed, how R's spellings are read, and which columns they use.

The text of a formula never runs code.  A call may only name a function of the list below; everything around it is
checked on Python's own syntax tree, and attributes, subscripts, lambdas and the like are refused.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import count

from lmmtools.audience import advice
from lmmtools.errors import FormulaError
from lmmtools.formula.checking import check_tree, hide_quoted, read_python
from lmmtools.formula.foreign import spline_cure
from lmmtools.formula.functions import (
    CONSTANTS,
    CONTRASTS,
    CURES,
    CURES_IN_FILES,
    FUNCTIONS,
    NUMERICAL,
    OPERATOR_CURES,
    R_CONTRASTS,
    SAME_CONTRASTS,
)
from lmmtools.formula.tokens import Token, closing, fail, fail_at_words, tokenize

__all__ = [
    "check_calls",
    "columns_of",
    "computed_in",
    "fold_calls",
    "is_condition",
    "lagged_columns",
    "lags_in",
    "quote_argument",
    "read_arithmetic",
    "respell",
    "without_contrasts",
]

Spell = Callable[[str], str]
_CODINGS = f"There are {', '.join(R_CONTRASTS)}, and contr.sdif, which is contr.diff."
_LAG = re.compile(r"lag\(")
_LAGGED = re.compile(r"(?<![\w.])lag\(\s*(`[^`]+`|[^\W\d][\w.]*)\s*(?:,\s*(?:k\s*=\s*)?(\d+)\s*)?\)")


def quote_argument(name: str) -> str:
    """Return a column name as it is written inside a function call: bare only if Python reads it as that one name."""
    is_plain = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)
    if is_plain and name not in CONSTANTS and name not in CONTRASTS:
        return name
    return f"Q({name!r})" if "`" in name or "\\" in name else f"`{name}`"


def fold_calls(
    tokens: list[Token], source: str, *, trusted: bool = False, spell: Spell = quote_argument
) -> list[Token]:
    """Return the tokens with every function call folded into one token of kind ``"call"`` (or ``"offset"``).

    Parameters
    ----------
    tokens : list of Token
        From `tokenize`.
    source : str
        The text that the tokens are of, for messages.
    trusted : bool
        Let any function be called.
    spell : callable
        How a column is written inside a call.

    Raises
    ------
    FormulaError
        A function that is not on the list, or syntax that a formula may not have.
    """
    folded: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if not _is_call(tokens, i):
            folded.append(token)
            i += 1
            continue
        end = closing(tokens, i + 1)
        if token.text == "offset":
            inner = read_arithmetic(tokens[i + 2 : end], source, trusted=trusted, spell=spell, where=token)
            folded.append(Token("offset", inner.text, token.start, tokens[end].stop, columns=inner.columns))
        else:
            folded.append(_read_call(tokens[i : end + 1], source, trusted, spell))
        i = end + 1
    return folded


def read_arithmetic(
    tokens: list[Token], source: str, *, trusted: bool = False, spell: Spell = quote_argument, where: Token
) -> Token:
    """Return an arithmetic expression, a response or an offset, as one token.

    A name or one call stays as it is, anything else is put into ``I(...)``.

    Raises
    ------
    FormulaError
        As `fold_calls`; also where there are no tokens.
    """
    if not tokens:
        fail("There is no column in it:", source, where.start, where.stop)
    first, last = tokens[0], tokens[-1]
    if len(tokens) == 1 and first.kind == "name":
        return Token("name", first.text, first.start, first.stop, quoted=first.quoted, columns=(first.text,))
    if _is_call(tokens, 0) and closing(tokens, 1) == len(tokens) - 1:
        return _read_call(tokens, source, trusted, spell)
    wrapped = [
        Token("name", "I", first.start, first.start),
        Token("open", "(", first.start, first.start),
        *tokens,
        Token("close", ")", last.stop, last.stop),
    ]
    return _read_call(wrapped, source, trusted, spell)


@lru_cache(maxsize=512)
def check_calls(text: str) -> None:
    """Raise a FormulaError unless a part of a formula calls known functions alone: before it is evaluated."""
    fold_calls(tokenize(text), text)


@lru_cache(maxsize=4096)
def columns_of(text: str) -> tuple[str, ...]:
    """Return the columns that a part of a formula uses, each once, in order of appearance.

    ``text`` is taken as already checked: any function may be called in it.
    """
    found: dict[str, None] = {}
    for token in fold_calls(tokenize(text), text, trusted=True):
        if token.kind == "name":
            found[token.text] = None
        elif token.kind in ("call", "offset"):
            found.update(dict.fromkeys(token.columns))
    return tuple(found)


def plain_name(text: str) -> str:
    """Return the plain name of a part of a formula: a column without its quotes, anything else as it stands."""
    tokens = fold_calls(tokenize(text), text, trusted=True)
    return tokens[0].text if len(tokens) == 1 and tokens[0].kind == "name" else text


def lags_in(text: str) -> bool:
    """Whether an expression calls ``lag()``, the one function that takes values of earlier rows."""
    return "lag(" in text and any(m.start() == 0 or not text[m.start() - 1].isalnum() for m in _LAG.finditer(text))


def lagged_columns(text: str) -> tuple[tuple[str, int], ...]:
    """Return the columns that stand by themselves in a ``lag()``, each with how many rows it looks back."""
    found = ((plain_name(m.group(1)), int(m.group(2) or 1)) for m in _LAGGED.finditer(text))
    return tuple(dict.fromkeys(found))


def is_condition(call: str) -> bool:
    """Whether a call in normal form gives True and False: ``I(x > 0)``."""
    tree = _parse_call(hide_quoted(call)).body
    return isinstance(tree, ast.Call) and ast.unparse(tree.func) == "I" and _is_logical(tree.args[0])


def computed_in(call: str) -> frozenset[str]:
    """Return the names that a call in normal form computes with: an operand of arithmetic, what a function takes."""
    tree = _parse_call(hide_quoted(call))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and not isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            found += [node.left, node.right]
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Invert):
            found.append(node.operand)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in NUMERICAL:
            found += node.args
    return frozenset(node.id for node in found if isinstance(node, ast.Name))


def _parse_call(code: str) -> ast.Expression:
    """Return the syntax tree of a call in normal form."""
    tree = read_python(code)
    if tree is None:
        raise FormulaError(f"{code[:60]!r} does not read as an expression, or is nested too deeply.")
    return tree


def _is_logical(node: ast.expr) -> bool:
    """Whether an expression is a comparison, or comparisons joined by and, or and not."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        return _is_logical(node.left) and _is_logical(node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        return _is_logical(node.operand)
    return isinstance(node, ast.Compare)


def without_contrasts(call: str) -> str:
    """Return a call, its columns under names that Python reads: ``C(f)`` for ``C(f, contr.sum)``, others as given."""
    if not call.startswith("C("):
        return call
    tree = _parse_call(call).body
    assert isinstance(tree, ast.Call)
    first, *others = tree.args
    kept = [k for k in tree.keywords if k.arg == "levels"]
    if not others and len(kept) == len(tree.keywords):
        return call
    return ast.unparse(ast.Call(tree.func, [first], kept))


def respell(text: str, spell: Spell) -> str:
    """Return a part of a formula with each column written as ``spell(column)``, in calls and outside them."""
    words = []
    for token in fold_calls(tokenize(text), text, trusted=True, spell=spell):
        words.append(spell(token.text) if token.kind == "name" else token.text)
    return " ".join(words)


def _is_call(tokens: list[Token], i: int) -> bool:
    """Whether a function call starts at token i."""
    return (
        tokens[i].kind == "name"
        and not tokens[i].quoted
        and i + 1 < len(tokens)
        and tokens[i + 1].kind == "open"
        and tokens[i + 1].text == "("
    )


def _read_call(tokens: list[Token], source: str, trusted: bool, spell: Spell) -> Token:
    """Return one call, ``name ( ... )``, as a token in normal form: Python's spelling, Python's spacing."""
    start, stop = tokens[0].start, tokens[-1].stop
    alias = _alias(source)
    code, columns = _to_python(tokens, source, trusted, alias)
    tree = read_python(code)
    if tree is None:
        fail_at_words(tokens, source)
        fail(
            "This does not read as an expression, or is nested too deeply:",
            source,
            start,
            stop,
            cure="Make the column first where it takes more than a hundred operations on one another.",
        )
    if any(isinstance(n, ast.Constant) and isinstance(n.value, str) and alias in n.value for n in ast.walk(tree)):
        # Put together from pieces or escapes, so that the source does not show it.
        fail(f"No text may hold {alias}, which stands for a column here:", source, start, stop)
    if not trusted:
        try:
            check_tree(tree)
        except FormulaError as error:
            fail(str(error), source, start, stop)
    text = re.sub(rf"{alias}(\d+)_", lambda match: spell(columns[int(match[1])]), ast.unparse(tree))
    return Token("call", text, start, stop, columns=tuple(dict.fromkeys(columns)))


@lru_cache(maxsize=64)
def _alias(source: str) -> str:
    """Return how columns are called while a call is read: a word that the formula, its texts too, does not hold."""
    taken = set(re.findall(r"lmmcol(\d+)_", source))
    return next(f"lmmcol{i}_" for i in count() if str(i) not in taken)


def _to_python(tokens: list[Token], source: str, trusted: bool, alias: str) -> tuple[str, list[str]]:
    """Return Python code for the tokens of a call, and the columns that ``alias0_``, ``alias1_`` in it stand for."""
    words: list[str] = []
    columns: list[str] = []
    callers: list[str] = []  # the function whose parenthesis is open, innermost last; "" for a plain one
    for i, token in enumerate(tokens):
        if token.kind == "name" and _is_call(tokens, i):
            words.append("" if token.text == "c" else _python_function(tokens, i, source, trusted))
        elif token.kind == "name" and callers and callers[-1] and tokens[i + 1].is_operator("="):
            words.append(token.text)
        elif token.kind == "name":
            constant = _python_constant(token, tokens[i - 1], callers)
            if constant is None and not token.quoted and token.text.startswith("contr.") and _is_in_c(callers):
                fail(f"{token.text} is no coding that is known here:", source, token.start, token.stop, cure=_CODINGS)
            words.append(constant or f"{alias}{len(columns)}_")
            if constant is None:
                columns.append(token.text)
        elif token.kind == "open":
            callers.append(tokens[i - 1].text if i and _is_call(tokens, i - 1) else "")
            words.append("[" if callers[-1] == "c" else token.text)
        elif token.kind == "close":
            words.append("]" if callers.pop() == "c" else token.text)
        elif token.kind == "operator":
            words.append(_python_operator(token, source))
        elif token.kind == "string" and token.text[1:-1] in FUNCTIONS and _is_coding(token, tokens[i - 1], callers):
            words.append(FUNCTIONS[token.text[1:-1]])
        else:
            words.append(token.text)
    return " ".join(words), columns


def _python_function(tokens: list[Token], i: int, source: str, trusted: bool) -> str:
    """Return Python's name of the function that is called at token i."""
    token = tokens[i]
    if token.text in FUNCTIONS:
        return FUNCTIONS[token.text]
    end = closing(tokens, i + 1)
    cure = spline_cure(token.text, source[tokens[i + 1].stop : tokens[end].start]) or CURES.get(token.text)
    if token.text in CURES_IN_FILES:
        cure = advice(CURES[token.text], CURES_IN_FILES[token.text])
    if trusted and cure is None:
        return token.text
    inside = tokens[i + 1 : end]
    if any(t.is_operator("|", "||") for t in inside):
        cure = f"Put + between {token.text} and the random-effects term."
    elif cure is None:
        close = _closest_function(token.text)
        cure = f"Did you mean {close}(...)? " if close else ""
        cure += "Make the column first, or put an operator before the parenthesis."
    fail(f"{token.text}() is not a function that a formula may call:", source, token.start, token.stop, cure=cure)


def _closest_function(name: str) -> str | None:
    """Return the known function with the most similar name, None if there is none."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, FUNCTIONS, 1, 0.75)), None)


def _python_constant(token: Token, before: Token, callers: list[str]) -> str | None:
    """Return Python's spelling of a name that is no column: True, np.pi, a contrast handed to C()."""
    if token.quoted:
        return None
    if token.text in CONSTANTS:
        return CONSTANTS[token.text]
    is_known = token.text in CONTRASTS or token.text in R_CONTRASTS or token.text in SAME_CONTRASTS
    return FUNCTIONS[token.text] if is_known and _is_coding(token, before, callers) else None


def _is_in_c(callers: list[str]) -> bool:
    """Whether the innermost open call is ``C()`` or ``factor()``."""
    return bool(callers) and FUNCTIONS.get(callers[-1]) == "C"


def _is_coding(token: Token, before: Token, callers: list[str]) -> bool:
    """Whether a name or a text stands where ``C()`` takes a coding, after its column: ``C(f, "contr.sum")``."""
    is_text_of_one = token.kind != "string" or token.text[1:-1].startswith("contr.")
    return before.is_operator(",", "=") and _is_in_c(callers) and is_text_of_one


def _python_operator(token: Token, source: str) -> str:
    """Return Python's spelling of an operator inside a call; ``^`` is R's power, never Python's xor."""
    if token.text == "^":
        return "**"
    if token.text in OPERATOR_CURES or (token.text.startswith("%") and token.text != "%"):
        cure = OPERATOR_CURES.get(token.text, "")
        fail(f"{token.text} means nothing in Python:", source, token.start, token.stop, cure=cure)
    return token.text
