"""The MixedLM calls in the syntax trees of a script, which is not run: its statements, read in order."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script.assigning import bind
from lmmtools.linting.script.calls import call
from lmmtools.linting.script.expressions import (
    BARE,
    HANDLERS,
    attribute,
    combine,
    other,
)
from lmmtools.linting.script.functions import define, run_function
from lmmtools.linting.script.register import FoundCall, Register
from lmmtools.linting.script.unknowns import element_of, fits_pattern, items_of, truth
from lmmtools.linting.script.values import (
    MAX_SIZE,
    REST,
    Choice,
    Dotted,
    Function,
    Instance,
    ModelRef,
    ResultRef,
    Scope,
    Text,
    Thing,
    Work,
    count_size,
    is_scalar,
    leaves,
    merge,
    write_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


__all__ = ["FoundCall", "read_trees"]

# Loops over at most this many known items are followed pass by pass.
MAX_PASSES = 50


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
        Whether all loops were followed; if not, what some of them make is unknown.
    """
    reader = Reader()
    for cell, tree in trees.items():
        reader.cell = cell
        reader.run(tree.body, reader.top)
    reader.run_waiting()
    return reader.register.finish(), not reader.work.is_cut


class Reader:
    """Reads statements in order and keeps the values of names; ``found`` has the calls."""

    def __init__(self) -> None:
        self.top = Scope()
        self.work = Work()
        self.cell: int | None = None
        self.register = Register()
        self.waiting: deque[tuple[Function, int | None]] = deque()
        self.skipped: deque[tuple[Any, Scope, int | None]] = deque()
        self.known: dict[int, Function] = {}
        self.followed: set[int] = set()
        self.seen: set[int] = set()
        self.stack: list[ast.AST] = []
        self.returned: list[list[Any]] = []
        self.globals: dict[int, set[str]] = {}
        self.left: list[list[Scope]] = []

    # -- the whole script ---------------------------------------------------------------------------------------------

    def run(self, body: Iterable[ast.stmt], scope: Scope) -> bool:
        """Read statements; return whether the end is reached: nothing returns, raises or leaves a loop.

        What stands after such a statement is read all the same: a reader asks for all calls of a script.
        """
        passed = [self.statement(statement, scope) for statement in body]
        return all(passed)

    def run_waiting(self) -> None:
        """Read the bodies of functions that nothing calls, then what was skipped on every way."""
        while self.waiting or self.skipped:
            if self.waiting:
                function, self.cell = self.waiting.popleft()
                if id(function.node) not in self.followed:
                    run_function(self, function, None)
                continue
            part, scope, self.cell = self.skipped.popleft()
            if isinstance(part, ast.expr):
                if id(part) not in self.seen:
                    self.evaluate(part, scope)
            elif id(part[0]) not in self.seen:
                self.run(part, scope)

    # -- statements ---------------------------------------------------------------------------------------------------

    def statement(self, node: ast.stmt, scope: Scope) -> bool:
        """Read a statement; return whether the next one is reached."""
        self.charge_visit(node)
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is not None:
            return handler(node, scope) is not False
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.evaluate(child, scope)
        return not isinstance(node, ast.Raise | ast.Break | ast.Continue)

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            root = alias.name.partition(".")[0]
            scope.values[alias.asname or root] = Dotted(alias.name if alias.asname else root)

    def _importfrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            if alias.name == "*" and (node.module or "").startswith("statsmodels"):
                for name in BARE:
                    scope.values[name] = Dotted(f"{node.module}.{name}")
            elif alias.name != "*":
                scope.values[alias.asname or alias.name] = Dotted(f"{node.module or ''}.{alias.name}")

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self.evaluate(node.value, scope)
        for target in node.targets:
            bind(self, target, value, node.value, scope)

    def _annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            bind(self, node.target, self.evaluate(node.value, scope), node.value, scope)

    def _augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        more = self.evaluate(node.value, scope)
        if isinstance(node.target, ast.Name | ast.Attribute | ast.Subscript):
            old = self.evaluate(node.target, scope)
            self.charge(old)
            sum_ = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
            value = combine(self, sum_, old, more)
            bind(self, node.target, value, None, scope)

    def _return(self, node: ast.Return, scope: Scope) -> bool:
        value = self.evaluate(node.value, scope) if node.value is not None else None
        if self.returned:
            self.returned[-1].append(value)
        return False

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        for child in (*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.evaluate(child, scope)
        scope.values[node.name] = define(self, node, scope)

    _asyncfunctiondef = _functiondef

    def _global(self, node: ast.Global, scope: Scope) -> None:
        if self.stack:
            self.globals.setdefault(id(self.stack[-1]), set()).update(node.names)

    def _classdef(self, node: ast.ClassDef, scope: Scope) -> None:
        given = [self.evaluate(base, scope) for base in node.bases]
        own = Instance(node, scope, tuple(b for b in given if isinstance(b, Instance)))
        scope.values[node.name] = own
        inner = scope.branch()
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self.charge_visit(statement)
                is_static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in statement.decorator_list)
                method = define(self, statement, scope, () if is_static else (own,))
                scope.values[own.path(statement.name)] = method
            else:
                self.statement(statement, inner)
        for name, value in inner.values.maps[0].items():
            scope.values[own.path(name)] = value

    def _break(self, node: ast.Break | ast.Continue, scope: Scope) -> bool:
        if self.left:
            self.left[-1].append(scope)
        return False

    _continue = _break

    def _pass_over(self, body: Sequence[ast.stmt], scope: Scope) -> bool:
        """Read the body of a loop; return whether its end is reached.

        Of what is assigned before ``break`` or ``continue``, models and results are kept.
        """
        self.left.append([])
        is_passed = self.run(body, scope)
        for way in self.left.pop():
            for values in way.values.maps[: len(way.values.maps) - len(scope.values.maps)]:
                for name, value in values.items():
                    if any(isinstance(v, ModelRef | ResultRef) for v in leaves(value)) and name not in scope.values:
                        scope.values[name] = value
        return is_passed

    def _if(self, node: ast.If, scope: Scope) -> bool:
        test = self.evaluate(node.test, scope)
        site, arms = self.arms_of(test, node.test, id(node))
        if len(set(arms)) == 1:
            taken, skipped = (node.body, node.orelse) if arms[0] else (node.orelse, node.body)
            self.scan_later(skipped, scope)
            return self.run(taken, scope)
        ends = []
        for i, is_true in enumerate(arms):
            way = scope.branch(site, i)
            ends.append((way, self.run(node.body if is_true else node.orelse, way)))
        return self._join(scope, site, ends)

    @staticmethod
    def _join(scope: Scope, site: Any, ends: Sequence[tuple[Scope, bool]]) -> bool:
        """Merge the branches whose end is reached; return whether there is one."""
        going = [way for way, is_passed in ends if is_passed]
        if len(going) == len(ends):
            merge(scope, site, going)
        elif going:
            merge(scope, ("rest", site), going)
        return bool(going)

    def arms_of(self, test: Any, node: ast.expr, number: int) -> tuple[Any, list[bool]]:
        """Return the place of choice of a condition, and whether it is true on each of its ways."""
        if isinstance(test, Choice) and not any(isinstance(v, Choice) for v in test.values):
            truths = [truth(v) for v in test.values]
            known = [t for t in truths if t is not None]
            if len(known) == len(truths):
                return test.site, known
        known_truth = None if isinstance(test, Choice) else truth(test)
        if known_truth is not None:
            return number, [known_truth]
        owner = id(self.stack[-1]) if self.stack else 0
        is_negated, inner = _strip_negation(node)
        return ("if", owner, write_key(inner)), [False, True] if is_negated else [True, False]

    def _try(self, node: ast.Try, scope: Scope) -> bool:
        ways = [scope.branch(id(node), 0)]
        ends = [(ways[0], self.run([*node.body, *node.orelse], ways[0]))]
        for i, handler in enumerate(node.handlers, 1):
            way = scope.branch(id(node), i)
            if handler.name:
                way.values[handler.name] = Thing(("error", id(handler)))
            ends.append((way, self.run(handler.body, way)))
        is_passed = self._join(scope, id(node), ends)
        return self.run(node.finalbody, scope) and is_passed

    _trystar = _try

    def _match(self, node: ast.Match, scope: Scope) -> bool:
        subject = self.evaluate(node.subject, scope)
        if is_scalar(subject):
            return self._match_known(node, subject, scope)
        ends = []
        for i, body in enumerate([*(case.body for case in node.cases), []]):
            way = scope.branch(id(node), i)
            ends.append((way, self.run(body, way)))
        return self._join(scope, id(node), ends)

    def _match_known(self, node: ast.Match, subject: Any, scope: Scope) -> bool:
        """Read the case that a known subject takes; the others are read at the end."""
        is_passed, is_taken = True, False
        for case in node.cases:
            fits = None if is_taken else fits_pattern(case.pattern, subject)
            if is_taken or fits is False:
                self.scan_later(case.body, scope)
            elif fits and case.guard is None:
                is_passed, is_taken = self.run(case.body, scope), True
            else:
                way = scope.branch(id(case), 0)
                is_passed = self._join(
                    scope, id(case), [(way, self.run(case.body, way)), (scope.branch(id(case), 1), True)]
                )
        return is_passed

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        source = self.evaluate(node.iter, scope)
        items = items_of(source)
        if isinstance(source, Choice):
            items = items_of(next(leaves(source)))
        if items and len(items) <= MAX_PASSES:
            for i, item in enumerate(items):
                if i and self.work.is_spent:
                    self.work.is_cut = True
                    self._forget(node, scope)
                    break
                bind(self, node.target, item, None, scope)
                if not self._pass_over(node.body, scope) and _breaks(node.body):
                    break
        elif items == ():
            self.scan_later(node.body, scope)
        else:
            self._run_once(node, element_of(source, node.iter), scope)
        self.run(node.orelse, scope)

    _asyncfor = _for

    def _run_once(self, node: ast.For | ast.AsyncFor, item: Any, scope: Scope) -> None:
        """Read the body of a loop whose items are not known; what it adds to is unknown after it."""
        if isinstance(node.target, ast.Tuple | ast.List) and isinstance(item, Thing):
            is_pair = len(node.target.elts) == 2
            for i, element in enumerate(node.target.elts):
                part = replace(item, key=(item.key, i), rows=(item.key, i), is_frame=is_pair and i == 1)
                bind(self, element, part if i else replace(part, columns={}), None, scope)
        else:
            bind(self, node.target, item, None, scope)
        inner = scope.branch()
        self._pass_over(node.body, inner)
        for name, value in inner.values.maps[0].items():
            old = scope.values.get(name)
            is_sum = name in scope.values and isinstance(old, str | tuple | dict | Text) and type(old) is type(value)
            if is_sum and old != value:
                value = {REST: None} if isinstance(value, dict) else Thing(("loop", id(node), name))
            scope.values[name] = value

    @staticmethod
    def _forget(node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        """Make the names that a loop assigns unknown, models and results apart."""
        for part in ast.walk(node):
            name = part.id if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) else None
            if name is not None and not isinstance(scope.values.get(name), ModelRef | ResultRef):
                scope.values[name] = Thing(("loop", id(node), name))

    def _while(self, node: ast.While, scope: Scope) -> None:
        self.evaluate(node.test, scope)
        self._pass_over(node.body, scope)
        self.run(node.orelse, scope)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> bool:
        for item in node.items:
            value = self.evaluate(item.context_expr, scope)
            if item.optional_vars is not None:
                bind(self, item.optional_vars, value, None, scope)
        return self.run(node.body, scope)

    _asyncwith = _with

    def _delete(self, node: ast.Delete, scope: Scope) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                owner, key = self.evaluate(target.value, scope), self.evaluate(target.slice, scope)
                if isinstance(owner, dict) and is_scalar(key):
                    bind(self, target.value, {k: v for k, v in owner.items() if k != key}, None, scope)

    def scan_later(self, part: Any, scope: Scope) -> None:
        """Keep a part that is skipped here, to read it at the end if it is skipped everywhere."""
        nodes = [part] if isinstance(part, ast.expr) else part
        if nodes and id(nodes[0]) not in self.seen:
            self.skipped.append((part, scope.branch(), self.cell))

    # -- expressions --------------------------------------------------------------------------------------------------

    def evaluate(self, node: ast.expr, scope: Scope) -> Any:
        """Return the value of an expression, and record the calls in it."""
        self.charge_visit(node)
        handler = _HANDLERS.get(type(node))
        return handler(self, node, scope) if handler is not None else other(self, node, scope)

    def attribute(self, node: ast.Attribute, owner: Any, scope: Scope) -> Any:
        """Return ``owner.attr``."""
        return attribute(self, node, owner, scope)

    def charge_visit(self, node: ast.AST) -> None:
        """Charge a step for a part that is read again."""
        if id(node) in self.seen:
            self.work.take()
        else:
            self.seen.add(id(node))

    def charge(self, value: Any) -> None:
        """Charge the copy of a collection."""
        if isinstance(value, dict | tuple):
            self.work.take(len(value) // 10)

    def is_small(self, value: Any) -> bool:
        """Whether a collection is small enough to be followed."""
        if not isinstance(value, tuple | dict | Choice):
            return True
        if not isinstance(value, Choice) and len(value) < 8 and all(is_scalar(v) and len(str(v)) < 100 for v in value):
            return True
        size = count_size(value)
        self.work.take(size // 10)
        return size <= MAX_SIZE

    def is_repeat_over(self, node: ast.AST) -> bool:
        """Whether a comprehension is not read further: no steps are left."""
        self.work.is_cut = self.work.is_cut or self.work.is_spent
        return self.work.is_spent


def _strip_negation(node: ast.expr) -> tuple[bool, ast.expr]:
    """Return whether a condition is the negation of another, and that one: ``x is not None``, ``x is None``."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return True, node.operand
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        turned = {ast.IsNot: ast.Is, ast.NotEq: ast.Eq, ast.NotIn: ast.In}.get(type(node.ops[0]))
        if turned is not None:
            return True, ast.Compare(node.left, [turned()], node.comparators)
    return False, node


def _breaks(body: Sequence[ast.stmt]) -> bool:
    """Whether a body ends in ``break``, ``return`` or ``raise``, not in ``continue``."""
    return not any(isinstance(n, ast.Continue) for n in body)


_HANDLERS = {**HANDLERS, ast.Call: call}
