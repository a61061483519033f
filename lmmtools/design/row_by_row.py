"""Which functions of a formula can be computed row by row: rows that are read in batches have no others."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from lmmtools.errors import DataError, FormulaError
from lmmtools.formula.expressions import check_calls, fold_calls
from lmmtools.formula.tokens import tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.formula.terms import ModelFormula

__all__ = ["check_row_by_row", "may_be_undefined", "texts_of"]

_WHOLE = {
    "poly": "poly(x, 2, raw=True), whose columns are powers of x",
    "bs": "I(x**2), I(x**3) or poly(x, 3, raw=True)",
    "cr": "I(x**2), I(x**3) or poly(x, 3, raw=True)",
    "cc": "I(x**2), I(x**3) or poly(x, 3, raw=True)",
    "cs": "I(x**2), I(x**3) or poly(x, 3, raw=True)",
    "lag": "a column of the data with the values of the rows before",
}
"""Functions of a column as a whole, which no pass in batches computes, and what to write instead."""


def texts_of(formula: ModelFormula) -> list[str]:
    """Return the parts of a formula that are computed: response, fixed part, offsets, what stands before bars."""
    return [formula.response, formula.fixed, *formula.offsets, *(v for t in formula.random for v in t.variables)]


def check_row_by_row(formula: ModelFormula, name: str) -> None:
    """Raise an error for a function that needs a whole column: rows are read in batches."""
    for text in texts_of(formula):
        try:
            check_calls(text)
        except FormulaError as error:
            raise DataError(
                f"{error}\nWhere rows are read in batches from {name}, a formula calls known functions alone, with "
                "trusted=True too: others may look at other rows."
            ) from error
        for call in _calls(text):
            for function, node in _functions(call):
                if function in _WHOLE and not (function == "poly" and _is_raw(node)):
                    raise DataError(
                        f"{call} needs the whole column at once, and the rows of {name} are read in batches. Write "
                        f"{_WHOLE[function]}, or stream=False, which reads all rows into memory."
                    )


def _calls(text: str) -> list[str]:
    """Return the calls in a part of a formula, columns under names that Python reads."""
    tokens = fold_calls(tokenize(text), text, trusted=True, spell=_spell)
    return [t.text for t in tokens if t.kind in ("call", "offset")]


def _spell(name: str) -> str:
    return name if name.isidentifier() else f"column_{abs(hash(name))}"


def _functions(call: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the name of each function in a call, and where it is called."""
    try:
        tree = ast.parse(call, mode="eval")
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def _is_raw(node: ast.Call) -> bool:
    return any(k.arg == "raw" and isinstance(k.value, ast.Constant) and k.value.value is True for k in node.keywords)


def may_be_undefined(formula: ModelFormula) -> bool:
    """Whether an expression of a formula may have no finite value where its columns have one."""
    return any(_may_be_undefined(call) for text in texts_of(formula) for call in _calls(text))


def _may_be_undefined(call: str) -> bool:
    """Whether an expression may have no finite value where its columns have one: all but codings and plain scalings."""
    plain = {"C", "scale", "center", "standardize", "factor", "dummy"}
    return not all(
        function in plain or "contr" in function or function[:1].isupper() for function, _ in _functions(call)
    ) or (any(isinstance(node, ast.BinOp) for node in ast.walk(ast.parse(call, mode="eval"))))
