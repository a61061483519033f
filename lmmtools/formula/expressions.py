"""Function calls inside a formula: which are allowed, how R's spellings read, which columns they use.

The text of a formula never runs code.  A call may only name a function of the list below; everything around it is
checked on Python's own syntax tree, and attributes, subscripts, lambdas and the like are refused.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NoReturn

from lmmtools.errors import FormulaError
from lmmtools.formula.tokens import Token, closing, fail, tokenize

__all__ = ["columns_of", "fold_calls", "quote_argument", "read_arithmetic", "respell"]

Spell = Callable[[str], str]

_ELEMENTWISE = (
    "log",
    "log2",
    "log10",
    "log1p",
    "exp",
    "exp2",
    "expm1",
    "sqrt",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
)
_TRIGONOMETRIC = ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")
_CONTRASTS = ("Treatment", "Sum", "Helmert", "Poly", "Diff")
_R_CONTRASTS = tuple(f"contr.{name}" for name in ("treatment", "sum", "helmert", "poly", "diff", "sas"))

# What a formula may call -> the name under which formulaic's evaluation finds it.
_FUNCTIONS = {
    **{name: name for name in ("I", "C", "scale", "center", "standardize", "poly", "bs", "cr", "cc", "cs", "lag")},
    **{name: name for name in ("log", "log2", "log10", "exp", "exp2")},
    **{f"np.{name}": f"np.{name}" for name in (*_ELEMENTWISE, *_TRIGONOMETRIC, "square", "cbrt", "maximum", "minimum")},
    **{name: f"np.{name}" for name in (*_ELEMENTWISE, *_TRIGONOMETRIC) if name not in ("log", "log2", "log10", "exp")},
    **{name: name for name in (*_CONTRASTS, *_R_CONTRASTS)},
    "exp2": "exp2",
    "factor": "C",
    "as.factor": "C",
    "ceiling": "np.ceil",
    "contr.SAS": "contr.sas",
    "asin": "np.arcsin",
    "acos": "np.arccos",
    "atan": "np.arctan",
}
_CONSTANTS = {
    "TRUE": "True",
    "FALSE": "False",
    "NULL": "None",
    "True": "True",
    "False": "False",
    "None": "None",
    "np.pi": "np.pi",
    "np.e": "np.e",
    "pi": "np.pi",
}
_CURES = {
    "ns": "Write cr(x, df=3): natural cubic splines.",
    "rcs": "Write cr(x, df=3): natural cubic splines.",
    "s": "Write bs(x, df=5) or cr(x, df=5) for a spline.",
    "relevel": 'Write C(f, Treatment("B")) to make "B" the reference level.',
    "ordered": "Write C(f, Poly) for polynomial contrasts, or make the column an ordered categorical first.",
    "as.ordered": "Write C(f, Poly) for polynomial contrasts, or make the column an ordered categorical first.",
    "cut": 'Make the column first: data["group"] = pd.cut(data["x"], bins).',
    "ifelse": 'Make the column first: data["z"] = np.where(condition, a, b).',
    "as.numeric": 'Convert the column first: data["x"] = pd.to_numeric(data["x"]).',
    "as.integer": 'Convert the column first: data["x"] = data["x"].astype(int).',
    "interaction": "Write a:b for the combinations of two factors.",
    "droplevels": "Leave it out: unused levels are always dropped.",
    "cbind": "A model has one response; fit one model for each.",
    "pmin": "Write np.minimum(a, b).",
    "pmax": "Write np.maximum(a, b).",
    "mean": "Write center(x) for x - mean(x).",
    "sd": "Write scale(x) for (x - mean(x)) / sd(x).",
}
_OPERATOR_CURES = {
    "%in%": "Make the column first, for example with Series.isin.",
    "%%": "Write % for the remainder.",
    "%/%": "Write // for integer division.",
    "&&": "Write (a > 1) & (b > 2), each comparison in parentheses.",
    "||": "Write (a > 1) | (b > 2), each comparison in parentheses.",
    "!": "Write ~ for not, != for not equal.",
    "<-": "Put a space between < and -.",
    "$": "Write the column's name alone.",
}

_NODES = (
    *(ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple, ast.keyword, ast.Attribute),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr),
    *(ast.UnaryOp, ast.USub, ast.UAdd, ast.Invert),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)
# A power of a power of literals can keep a computer busy for ever; no model needs a larger exponent.
_LARGEST_EXPONENT = 64

_ALIAS = re.compile(r"lmmcol_(\d+)_")


def quote_argument(name: str) -> str:
    """Return a column name as it is written inside a function call: bare only if Python reads it as that one name."""
    is_plain = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)
    if is_plain and name not in _CONSTANTS and name not in _CONTRASTS:
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
    """Return what R would compute arithmetically, a response or an offset, as one token.

    A name or one call stays as it is, anything else is put into ``I(...)``.

    Raises
    ------
    FormulaError
        As `fold_calls`; also when there is nothing.
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
    code, columns = _to_python(tokens, source, trusted)
    try:
        tree = ast.parse(code, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        fail("This does not read as an expression:", source, start, stop)
    if not trusted:
        try:
            _check_tree(tree)
        except FormulaError as error:
            fail(str(error), source, start, stop)
    text = _ALIAS.sub(lambda match: spell(columns[int(match[1])]), ast.unparse(tree))
    return Token("call", text, start, stop, columns=tuple(dict.fromkeys(columns)))


def _to_python(tokens: list[Token], source: str, trusted: bool) -> tuple[str, list[str]]:
    """Return Python code for the tokens of a call, and the columns that its aliases ``lmmcol_0_`` ... stand for."""
    words: list[str] = []
    columns: list[str] = []
    callers: list[str] = []  # the function whose parenthesis is open, innermost last; "" for a plain one
    for i, token in enumerate(tokens):
        if token.kind == "name" and _is_call(tokens, i):
            words.append("" if token.text == "c" else _function(tokens, i, source, trusted))
        elif token.kind == "name" and callers and callers[-1] and tokens[i + 1].is_operator("="):
            words.append(token.text)
        elif token.kind == "name":
            words.append(_constant(token, tokens[i - 1], callers) or f"lmmcol_{len(columns)}_")
            if words[-1].startswith("lmmcol_"):
                columns.append(token.text)
        elif token.kind == "open":
            callers.append(tokens[i - 1].text if i and _is_call(tokens, i - 1) else "")
            words.append("[" if callers[-1] == "c" else token.text)
        elif token.kind == "close":
            words.append("]" if callers.pop() == "c" else token.text)
        elif token.kind == "operator":
            words.append(_operator(token, source))
        else:
            words.append(token.text)
    return " ".join(words), columns


def _function(tokens: list[Token], i: int, source: str, trusted: bool) -> str:
    """Return Python's name of the function that is called at token i."""
    token = tokens[i]
    if token.text in _FUNCTIONS:
        return _FUNCTIONS[token.text]
    if trusted and token.text not in _CURES:
        return token.text
    cure = _CURES.get(token.text)
    inside = tokens[i + 1 : closing(tokens, i + 1)]
    if any(t.is_operator("|", "||") for t in inside):
        cure = f"Put + between {token.text} and the random-effects term."
    elif cure is None:
        close = _closest_function(token.text)
        cure = f"Did you mean {close}(...)? " if close else ""
        cure += "Make the column first, or put an operator before the parenthesis."
    fail(f"{token.text}() is not a function that a formula may call:", source, token.start, token.stop, cure=cure)


def _closest_function(name: str) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, _FUNCTIONS, 1, 0.75)), None)


def _constant(token: Token, before: Token, callers: list[str]) -> str | None:
    """Return Python's spelling of a name that is no column: True, np.pi, a contrast handed to C()."""
    if token.quoted:
        return None
    if token.text in _CONSTANTS:
        return _CONSTANTS[token.text]
    is_later_argument = before.is_operator(",", "=")
    is_in_c = bool(callers) and _FUNCTIONS.get(callers[-1]) == "C"
    if is_later_argument and is_in_c and (token.text in _CONTRASTS or token.text in _R_CONTRASTS):
        return token.text
    return None


def _operator(token: Token, source: str) -> str:
    """Return Python's spelling of an operator inside a call; ``^`` is R's power, never Python's xor."""
    if token.text == "^":
        return "**"
    if token.text in _OPERATOR_CURES or (token.text.startswith("%") and token.text != "%"):
        cure = _OPERATOR_CURES.get(token.text, "")
        fail(f"{token.text} means nothing in Python:", source, token.start, token.stop, cure=cure)
    return token.text


def _check_tree(tree: ast.AST) -> None:
    """Raise a FormulaError (message only) unless the tree holds arithmetic and calls by name, nothing else."""
    attributes = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            _refuse(type(node).__name__.lower())
        if isinstance(node, ast.Call):
            _check_call(node)
        elif isinstance(node, ast.Attribute):
            is_known = isinstance(node.value, ast.Name) and node.value.id in ("np", "contr")
            if not is_known or (id(node) not in attributes and not _is_constant_attribute(node)):
                _refuse(f"attribute .{node.attr}")
        elif isinstance(node, ast.Constant):
            if not isinstance(node.value, (bool, int, float, str, type(None))):
                _refuse(f"constant {node.value!r}")
        elif isinstance(node, ast.Compare):
            _check_comparison(node)
        elif isinstance(node, ast.BinOp):
            _check_arithmetic(node)


def _refuse(what: str) -> NoReturn:
    raise FormulaError(f"A formula may hold columns, numbers, arithmetic and calls of known functions, but no {what}:")


def _is_constant_attribute(node: ast.Attribute) -> bool:
    name = ast.unparse(node)
    return name in _CONSTANTS or name in _R_CONTRASTS


def _check_call(node: ast.Call) -> None:
    name = ast.unparse(node.func)
    if not isinstance(node.func, (ast.Name, ast.Attribute)) or name not in _FUNCTIONS.values():
        _refuse("call of what is not the name of a known function")
    if any(k.arg is None for k in node.keywords):
        _refuse("** argument")
    if name in ("log", "np.log") and len(node.args) + len(node.keywords) > 1:
        raise FormulaError("log() takes one column; write log2(x), log10(x) or log(x) / log(3) for another base:")
    if not node.args and name in ("I", "C", "log", "exp", "scale", "center", "poly", "bs", "cr", "cc"):
        raise FormulaError(f"{name}() has no column in it:")


def _check_comparison(node: ast.Compare) -> None:
    operands = (node.left, *node.comparators)
    is_mixed = any(isinstance(o, ast.BinOp) and isinstance(o.op, (ast.BitAnd, ast.BitOr)) for o in operands)
    if len(node.ops) > 1 or is_mixed:
        raise FormulaError(
            "Put each comparison in parentheses, (x > 1) & (x < 3): Python's & and | bind tighter than >:"
        )


def _check_arithmetic(node: ast.BinOp) -> None:
    if isinstance(node.op, ast.Pow):
        powers = [n for n in ast.walk(node.right) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow)]
        numbers = [n.value for n in ast.walk(node.right) if isinstance(n, ast.Constant)]
        if powers or any(isinstance(v, (int, float)) and abs(v) > _LARGEST_EXPONENT for v in numbers):
            raise FormulaError(f"An exponent may be a number up to {_LARGEST_EXPONENT}, not a power itself:")
    if any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right)):
        raise FormulaError("Text takes no part in arithmetic:")
