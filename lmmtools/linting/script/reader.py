"""The MixedLM calls in the syntax trees of a script, which is not run."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script.arguments import column_kinds, judge_column, read_call, read_fit
from lmmtools.linting.script.values import (
    MAX_SIZE,
    UNKNOWN,
    Dotted,
    ModelRef,
    Opaque,
    Scope,
    dotted,
    evaluate,
    is_known,
    items_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lmmtools.linting.call import MixedLMCall

__all__ = ["FoundCall", "read_trees"]

# Customary names of statsmodels: a part of a notebook may use them without the import.
_CUSTOMARY = {"smf": "statsmodels.formula.api", "sm": "statsmodels.api", "statsmodels": "statsmodels"}
_BARE = {"mixedlm": "statsmodels.formula.api.mixedlm", "MixedLM": "statsmodels.api.MixedLM"}
# Loops over at most this many known items are followed pass by pass.
MAX_PASSES = 50
_DICT_CHANGES = frozenset({"pop", "popitem", "clear", "setdefault"})


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A MixedLM call and its place in the script.

    Attributes
    ----------
    cell : int or None
        The notebook's cell, from 1; None in a script.
    line, column : int
        From 1, in the script or the cell.
    call : MixedLMCall
    """

    cell: int | None
    line: int
    column: int
    call: MixedLMCall


def read_trees(trees: Mapping[int | None, ast.Module]) -> tuple[list[FoundCall], bool]:
    """Return the MixedLM calls in the syntax trees of a script, or of a notebook's cells, in order.

    Parameters
    ----------
    trees : mapping of int or None to ast.Module
        By number of the cell, in the order in which they run; None for a script.

    Returns
    -------
    calls : list of FoundCall
    is_whole : bool
        Whether all loops and expressions were followed; if not, values are unknown from some place on.
    """
    reader = _Reader()
    for cell, tree in trees.items():
        reader.cell = cell
        reader.run(tree.body, reader.top)
    reader.run_functions()
    found = sorted(reader.found, key=lambda f: (f.cell or 0, f.line, f.column))
    return found, not reader.top.work.is_spent


class _Reader:
    """Reads statements in order and keeps the values of names; ``found`` has the calls."""

    def __init__(self) -> None:
        self.top = Scope()
        self.cell: int | None = None
        self.found: list[FoundCall] = []
        self.of_node: dict[int, int] = {}
        self.fitted: set[int] = set()
        self.waiting: deque[tuple[Any, Scope, int | None]] = deque()
        self.queued: set[int] = set()

    def run(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in body:
            self.statement(statement, scope)

    def run_functions(self) -> None:
        """Read the bodies of functions last, with the names that the whole script has assigned."""
        while self.waiting:
            node, scope, self.cell = self.waiting.popleft()
            inner = scope.branch()
            arguments = node.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                inner.values[argument.arg] = UNKNOWN
                inner.columns[argument.arg] = {}
            for other in (arguments.vararg, arguments.kwarg):
                if other is not None:
                    inner.values[other.arg] = UNKNOWN
            if isinstance(node, ast.Lambda):
                self.scan(node.body, inner)
            else:
                self.run(node.body, inner)

    # -- statements ---------------------------------------------------------------------------------------------------

    def statement(self, node: ast.stmt, scope: Scope) -> None:
        scope.work.take()
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is not None:
            handler(node, scope)
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.scan(child, scope)

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            if alias.asname:
                scope.values[alias.asname] = Dotted(alias.name)
            else:
                root = alias.name.partition(".")[0]
                scope.values[root] = Dotted(root)

    def _importfrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            if alias.name == "*" and (node.module or "").startswith("statsmodels"):
                for name in _BARE:
                    scope.values[name] = Dotted(f"{node.module}.{name}")
            elif alias.name != "*":
                scope.values[alias.asname or alias.name] = Dotted(f"{node.module or ''}.{alias.name}")

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        self.scan(node.value, scope)
        for target in node.targets:
            self.bind(target, node.value, scope)

    def _annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            self.scan(node.value, scope)
            self.bind(node.target, node.value, scope)

    def _augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        self.scan(node.value, scope)
        if isinstance(node.target, ast.Name):
            old = ast.Name(node.target.id, ast.Load())
            scope.values[node.target.id] = evaluate(ast.BinOp(old, node.op, node.value), scope)

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        for child in (*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.scan(child, scope)
        scope.values[node.name] = UNKNOWN
        self.postpone(node, scope)

    def postpone(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope) -> None:
        """Queue a function until the script is read; a function in a loop is queued once."""
        if id(node) not in self.queued:
            self.queued.add(id(node))
            self.waiting.append((node, scope, self.cell))

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef, scope: Scope) -> None:
        self.run(node.body, scope.branch())
        scope.values[node.name] = UNKNOWN

    def _if(self, node: ast.If, scope: Scope) -> None:
        self.scan(node.test, scope)
        self.branch([node.body, node.orelse], scope)

    def _try(self, node: ast.Try, scope: Scope) -> None:
        self.branch([[*node.body, *node.orelse], *(h.body for h in node.handlers)], scope)
        self.run(node.finalbody, scope)

    _trystar = _try

    def _match(self, node: ast.Match, scope: Scope) -> None:
        self.scan(node.subject, scope)
        self.branch([*(case.body for case in node.cases), []], scope)

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        self.scan(node.iter, scope)
        items = items_of(node.iter, scope)
        if items is not None and 0 < len(items) <= MAX_PASSES and self._is_followed(node, scope):
            for item in items:
                self.bind_value(node.target, item, scope)
                self.run(node.body, scope)
                if scope.work.is_spent:
                    break
        else:
            inner = scope.branch()
            self.bind_value(node.target, UNKNOWN if not items else items[0], inner)
            self.run(node.body, inner)
            scope.merge(scope.branch(), inner)
        self.run(node.orelse, scope)

    _asyncfor = _for

    @staticmethod
    def _is_followed(node: ast.For | ast.AsyncFor, scope: Scope) -> bool:
        """Whether a loop is followed pass by pass: nothing leaves it early, and steps are left."""
        if scope.work.is_spent:
            return False
        inside = list(ast.walk(node))
        scope.work.take(len(inside))
        return not any(isinstance(n, ast.Break | ast.Continue | ast.Return) for n in inside)

    def _while(self, node: ast.While, scope: Scope) -> None:
        self.scan(node.test, scope)
        self.branch([node.body, []], scope)
        self.run(node.orelse, scope)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        for item in node.items:
            self.scan(item.context_expr, scope)
            if item.optional_vars is not None:
                self.bind_value(item.optional_vars, UNKNOWN, scope)
        self.run(node.body, scope)

    _asyncwith = _with

    def _delete(self, node: ast.Delete, scope: Scope) -> None:
        for target in node.targets:
            self.bind_value(target, UNKNOWN, scope)

    def branch(self, bodies: list[list[ast.stmt]], scope: Scope) -> None:
        ends = []
        for body in bodies:
            ends.append(scope.branch())
            self.run(body, ends[-1])
        scope.merge(*ends)

    # -- names --------------------------------------------------------------------------------------------------------

    def bind(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        """Record the value that is assigned to a name, a column or an entry of a dict."""
        if isinstance(target, ast.Name):
            self._bind_name(target.id, value, scope)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            is_even = len(parts) == len(target.elts) and not any(isinstance(e, ast.Starred) for e in target.elts)
            for i, element in enumerate(target.elts):
                if is_even:
                    self.bind(element, parts[i], scope)
                else:
                    self.bind_value(element, UNKNOWN, scope)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            self._bind_item(target.value.id, evaluate(target.slice, scope), value, scope)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            self._bind_item(target.value.id, target.attr, value, scope)

    def _bind_name(self, name: str, value: ast.expr, scope: Scope) -> None:
        facts = column_kinds(value, scope)
        number = self.model_of(value, scope)
        path = dotted(value, scope) if isinstance(value, ast.Attribute | ast.Name) else None
        constant = evaluate(value, scope)
        if facts or name in scope.columns:
            scope.columns[name] = facts
        if number is not None:
            scope.values[name] = ModelRef(number)
        elif is_known(constant):
            scope.values[name] = constant
        elif path is not None and self.api_of(value, scope) is not None:
            scope.values[name] = Dotted(_full_path(path))
        elif any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(value)):
            # df = df.dropna(): the name on the right is another frame than the one on the left.
            scope.values[name] = UNKNOWN
        else:
            scope.values[name] = Opaque(value)

    def _bind_item(self, owner: str, key: Any, value: ast.expr, scope: Scope) -> None:
        held = scope.values.get(owner)
        if isinstance(held, dict):
            content = evaluate(value, scope)
            is_whole = isinstance(key, str) and is_known(content) and len(held) < MAX_SIZE
            scope.work.take(len(held))
            scope.values[owner] = {**held, key: content} if is_whole else UNKNOWN
        elif isinstance(key, str):
            scope.note_column(owner, key, judge_column(value, scope))

    def bind_value(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Bind names to a value that is known or UNKNOWN."""
        if isinstance(target, ast.Name):
            scope.values[target.id] = value
            if target.id in scope.columns:
                scope.columns[target.id] = {}
        elif isinstance(target, ast.Tuple | ast.List):
            is_even = isinstance(value, tuple) and len(value) == len(target.elts)
            for i, element in enumerate(target.elts):
                self.bind_value(element, value[i] if is_even else UNKNOWN, scope)

    # -- expressions --------------------------------------------------------------------------------------------------

    def scan(self, node: ast.AST, scope: Scope) -> None:
        """Record the calls in an expression, the innermost first."""
        scope.work.take()
        if isinstance(node, ast.Lambda):
            self.postpone(node, scope)
            return
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            inner = scope.branch()
            for generator in node.generators:
                self.scan(generator.iter, inner)
                items = items_of(generator.iter, inner)
                self.bind_value(generator.target, UNKNOWN if not items else items[0], inner)
            parts = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
            for part in parts:
                self.scan(part, inner)
            return
        for child in ast.iter_child_nodes(node):
            self.scan(child, scope)
        if isinstance(node, ast.NamedExpr):
            self.bind(node.target, node.value, scope)
        if isinstance(node, ast.Call):
            self.call(node, scope)

    def call(self, node: ast.Call, scope: Scope) -> None:
        """Record a call of MixedLM, of ``.fit()`` on its model, or of a method that changes a dict."""
        api = self.api_of(node.func, scope)
        if api is not None:
            # A call in a loop is recorded once, from its first pass.
            if id(node) not in self.of_node:
                self.of_node[id(node)] = len(self.found)
                self.found.append(FoundCall(self.cell, node.lineno, node.col_offset + 1, read_call(node, api, scope)))
        elif isinstance(node.func, ast.Attribute):
            name = node.func.attr
            number = self.model_of(node.func.value, scope) if name in ("fit", "fit_regularized") else None
            if number is not None and id(node) not in self.fitted:
                self.fitted.add(id(node))
                old = self.found[number]
                fits = (*old.call.fits, read_fit(node, name, scope))
                self.found[number] = replace(old, call=replace(old.call, fits=fits))
            self._change_dict(node, node.func, scope)

    def _change_dict(self, node: ast.Call, func: ast.Attribute, scope: Scope) -> None:
        if not isinstance(func.value, ast.Name) or not isinstance(held := scope.values.get(func.value.id), dict):
            return
        if func.attr == "update":
            more = evaluate(ast.Call(ast.Name("dict", ast.Load()), node.args, node.keywords), scope)
            is_small = isinstance(more, dict) and len(held) + len(more) <= MAX_SIZE
            scope.work.take(len(held))
            scope.values[func.value.id] = {**held, **more} if is_small else UNKNOWN
        elif func.attr in _DICT_CHANGES:
            scope.values[func.value.id] = UNKNOWN

    def model_of(self, node: ast.expr, scope: Scope) -> int | None:
        """Return the number of the call that made the model in an expression; None for other expressions."""
        if id(node) in self.of_node:
            return self.of_node[id(node)]
        value = scope.values.get(node.id) if isinstance(node, ast.Name) else None
        return value.number if isinstance(value, ModelRef) and value.number < len(self.found) else None

    def api_of(self, func: ast.expr, scope: Scope) -> str | None:
        """Return "formula" or "arrays", the interface of MixedLM that a callable is; None for other callables."""
        path = dotted(func, scope)
        if path is None:
            return None
        path = _full_path(path)
        if not path.startswith("statsmodels."):
            return None
        if path.endswith((".mixedlm", ".MixedLM.from_formula")):
            return "formula"
        return "arrays" if path.endswith(".MixedLM") else None


def _full_path(path: str) -> str:
    """Return a full name with customary short names replaced."""
    root, dot, rest = path.partition(".")
    if root in _CUSTOMARY:
        return f"{_CUSTOMARY[root]}{dot}{rest}"
    return f"{_BARE[root]}{dot}{rest}" if root in _BARE else path
