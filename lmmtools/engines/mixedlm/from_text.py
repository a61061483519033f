"""Text of a MixedLM call -> model: the one door through which text of a formula reaches statsmodels.

patsy evaluates what a formula calls as Python code. Here a formula passes only if `lmm()` would evaluate it too, and if
what patsy makes of it, piece by piece, passes as well: the two read quotes and names in ways of their own.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from lmmtools.errors import FormulaError
from lmmtools.formula.algebra import expand_terms
from lmmtools.formula.checking import check_tree
from lmmtools.formula.expressions import fold_calls
from lmmtools.formula.functions import CONTRASTS, FUNCTIONS
from lmmtools.formula.python import read_python
from lmmtools.formula.tokens import tokenize

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["make_model"]

# patsy and MixedLM take seconds for more, and no model of so many terms is fitted by MixedLM.
_MOST_WORDS = 2000
_COLUMN = "_column"


def make_model(
    formula: str,
    data: Any,
    groups: Any,
    re_formula: str | None = None,
    vc_formula: Mapping[str, str] | None = None,
) -> Any:
    """Return the MixedLM model of a call, not fitted.

    Parameters
    ----------
    formula, re_formula : str
    data : DataFrame
    groups : str or array_like, shape (n,)
    vc_formula : mapping of str to str, optional

    Raises
    ------
    FormulaError
        A text that does more than arithmetic and calls of known functions on columns of the data.

    Notes
    -----
    What statsmodels raises on harmless text, and patsy on text that it cannot read, passes through.
    """
    columns = frozenset(map(str, data.columns))
    for text in (formula, re_formula, *(vc_formula or {}).values()):
        if text is not None:
            _check_text(text, columns)
    # patsy looks for names in the frame that calls: there scripts have numpy under this name.
    import numpy as np  # noqa: F401
    from statsmodels.regression.mixed_linear_model import MixedLM

    components = None if vc_formula is None else dict(vc_formula)
    return MixedLM.from_formula(formula, data, re_formula=re_formula, vc_formula=components, groups=groups)


def _check_text(text: str, columns: Collection[str]) -> None:
    """Raise a FormulaError unless a formula, two-sided or one-sided, is harmless however it is read."""
    if not isinstance(text, str):
        raise FormulaError(f"A formula is text, not {type(text).__name__}.")
    from patsy.desc import ModelDesc
    from patsy.parse_formula import parse_formula

    if len(tokenize(text)) > _MOST_WORDS:
        raise FormulaError(f"A formula for MixedLM may have up to {_MOST_WORDS:,} names, numbers and operators.")
    try:
        # A PatsyError of the syntax alone is the same that MixedLM raises, and nothing is multiplied out yet.
        parse_formula(text)
        left, _, right = text.rpartition("~")
        fold_calls(tokenize(left), left)
        expand_terms(fold_calls(tokenize(right), right), right)
        described = ModelDesc.from_formula(text)
    except (RecursionError, MemoryError):
        raise FormulaError("The formula is nested too deeply.") from None
    for term in (*described.lhs_termlist, *described.rhs_termlist):
        for factor in term.factors:
            _check_code(str(factor.code), columns)


def _check_code(code: str, columns: Collection[str]) -> None:
    read = read_python(code.strip())
    if read is None:
        raise FormulaError(f"{_shorten(code)} does not read as an expression, or is nested too deeply.")
    tree = _Plain().visit(read)
    try:
        check_tree(tree)
    except FormulaError as error:
        raise FormulaError(f"{str(error).rstrip(':')}: {_shorten(code)}") from None
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        is_name = isinstance(node, ast.Name) and id(node) not in called
        if is_name and node.id not in (*columns, *CONTRASTS, _COLUMN, "np"):  # type: ignore[attr-defined]
            raise FormulaError(f"{_shorten(code)} names what is no column of the data.")


class _Plain(ast.NodeTransformer):
    """Writes patsy's spellings as those of the whitelist: ``Q("a b")`` is a column, ``abs`` is ``np.abs``."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = ast.unparse(node.func)
        (first, *others) = (*node.args, *node.keywords) or (None,)
        if name == "Q" and not others and isinstance(first, ast.Constant) and isinstance(first.value, str):
            return ast.copy_location(ast.Name(_COLUMN, ast.Load()), node)
        if name in FUNCTIONS:
            node.func = ast.parse(FUNCTIONS[name], mode="eval").body
        return node


def _shorten(code: str) -> str:
    return repr(code if len(code) <= 60 else f"{code[:57]}...")
