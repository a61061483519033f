"""The MixedLM calls in the syntax trees of a script, which is not run: its statements, read in order."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script import frames
from lmmtools.linting.script.arguments import read_calls, read_fit
from lmmtools.linting.script.calls import call
from lmmtools.linting.script.expressions import (
    BARE,
    HANDLERS,
    attribute,
    element_of,
    items_of,
    operate,
    other,
    truth,
    unknown,
)
from lmmtools.linting.script.values import (
    MAX_SIZE,
    REST,
    Choice,
    Dotted,
    Estimate,
    Function,
    Instance,
    ModelRef,
    ResultRef,
    Scope,
    Text,
    Thing,
    Work,
    choose,
    count_size,
    is_scalar,
    leaves,
    lift,
    merge,
    write_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lmmtools.linting.call import FitCall, MixedLMCall
    from lmmtools.linting.script.arguments import Arguments

__all__ = ["FoundCall", "read_trees"]

# Loops over at most this many known items are followed pass by pass.
MAX_PASSES = 50
# Functions that call each other are followed this deep.
_MOST_FRAMES = 6
# A call that is reached more often is taken for what it was until then.
_MOST_VISITS = 60


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A MixedLM call and its place in the script.

    Attributes
    ----------
    cell : int or None
        The notebook's cell, from 1; None in a script.
    line, column : int
        From 1, in the script or the cell.
    calls : tuple of MixedLMCall
        What it is, one for each way to it that differs.
    """

    cell: int | None
    line: int
    column: int
    calls: tuple[MixedLMCall, ...]


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
    found = sorted(map(reader.finish, reader.found), key=lambda f: (f.cell or 0, f.line, f.column))
    return found, not reader.work.is_cut


@dataclass(slots=True)
class _Found:
    cell: int | None
    node: ast.Call
    calls: list[MixedLMCall]
    fits: list[FitCall]
    uses: dict[int, str]
    visits: int = 0


class Reader:
    """Reads statements in order and keeps the values of names; ``found`` has the calls."""

    def __init__(self) -> None:
        self.top = Scope()
        self.work = Work()
        self.cell: int | None = None
        self.found: list[_Found] = []
        self.of_node: dict[int, int] = {}
        self.fitted: set[int] = set()
        self.uses: list[tuple[int, str]] = []
        self.cleared: set[int] = set()
        self.waiting: deque[tuple[Function, int | None]] = deque()
        self.skipped: deque[tuple[Any, Scope, int | None]] = deque()
        self.known: dict[int, Function] = {}
        self.followed: set[int] = set()
        self.seen: set[int] = set()
        self.stack: list[ast.AST] = []
        self.returned: list[list[Any]] = []

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
                    self._run_function(function, None)
                continue
            part, scope, self.cell = self.skipped.popleft()
            if isinstance(part, ast.expr):
                if id(part) not in self.seen:
                    self.evaluate(part, scope)
            elif id(part[0]) not in self.seen:
                self.run(part, scope)

    def finish(self, found: _Found) -> FoundCall:
        """Return the record of a call, with its fits and the variances read from its ``params``."""
        uses = tuple(dict.fromkeys(text for use, text in found.uses.items() if use not in self.cleared))
        calls = tuple(replace(c, fits=tuple(found.fits), scaled_uses=uses) for c in found.calls)
        return FoundCall(found.cell, found.node.lineno, found.node.col_offset + 1, calls)

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
            self.bind(target, value, node.value, scope)

    def _annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            self.bind(node.target, self.evaluate(node.value, scope), node.value, scope)

    def _augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        more = self.evaluate(node.value, scope)
        if isinstance(node.target, ast.Name | ast.Attribute | ast.Subscript):
            old = self.evaluate(node.target, scope)
            self.charge(old)
            sum_ = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
            value = lift(lambda a, b: operate(self, sum_, a, b), old, more)
            self.bind(node.target, value, None, scope)

    def _return(self, node: ast.Return, scope: Scope) -> bool:
        value = self.evaluate(node.value, scope) if node.value is not None else None
        if self.returned:
            self.returned[-1].append(value)
        return False

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        for child in (*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.evaluate(child, scope)
        scope.values[node.name] = self.define(node, scope)

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef, scope: Scope) -> None:
        own = Instance(node, scope)
        scope.values[node.name] = own
        inner = scope.branch()
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self.charge_visit(statement)
                is_static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in statement.decorator_list)
                method = self.define(statement, scope, () if is_static else (own,))
                scope.values[own.path(statement.name)] = method
            else:
                self.statement(statement, inner)
        for name, value in inner.values.maps[0].items():
            scope.values[own.path(name)] = value

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
        self.evaluate(node.subject, scope)
        ends = []
        for i, body in enumerate([*(case.body for case in node.cases), []]):
            way = scope.branch(id(node), i)
            ends.append((way, self.run(body, way)))
        return self._join(scope, id(node), ends)

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
                self.bind(node.target, item, None, scope)
                if not self.run(node.body, scope) and _breaks(node.body):
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
                self.bind(element, part if i else replace(part, columns={}), None, scope)
        else:
            self.bind(node.target, item, None, scope)
        inner = scope.branch()
        self.run(node.body, inner)
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
        self.run(node.body, scope)
        self.run(node.orelse, scope)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> bool:
        for item in node.items:
            value = self.evaluate(item.context_expr, scope)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, None, scope)
        return self.run(node.body, scope)

    _asyncwith = _with

    def _delete(self, node: ast.Delete, scope: Scope) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                owner, key = self.evaluate(target.value, scope), self.evaluate(target.slice, scope)
                if isinstance(owner, dict) and is_scalar(key):
                    self.bind(target.value, {k: v for k, v in owner.items() if k != key}, None, scope)

    # -- names --------------------------------------------------------------------------------------------------------

    def bind(self, target: ast.expr, value: Any, node: ast.expr | None, scope: Scope) -> None:
        """Record the value that is assigned to a name, an attribute, a column or an entry of a dict."""
        if isinstance(target, ast.Name):
            scope.values[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            is_even = isinstance(value, tuple) and len(value) == len(target.elts)
            is_starred = any(isinstance(e, ast.Starred) for e in target.elts)
            for i, element in enumerate(target.elts):
                if is_even and not is_starred:
                    self.bind(element, value[i], None, scope)
                else:
                    origin = value.origin if isinstance(value, Thing) else ""
                    key = ("part", id(target), i)
                    self.bind(element, Thing(key, key, node, origin), None, scope)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, value, node, scope)
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value, scope)
            if isinstance(owner, Instance):
                scope.values[owner.path(target.attr)] = value
            elif isinstance(owner, Thing):
                self._rebind(target.value, frames.assign_column(owner, target.attr, value), scope)
        elif isinstance(target, ast.Subscript):
            self._bind_item(target, value, scope)

    def _bind_item(self, target: ast.Subscript, value: Any, scope: Scope) -> None:
        container = target.value
        if isinstance(container, ast.Attribute) and container.attr in ("loc", "iloc", "at"):
            parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else []
            owner = self.evaluate(container.value, scope)
            name = self.evaluate(parts[1], scope) if len(parts) == 2 else None
            if isinstance(owner, Thing) and isinstance(name, str):
                is_all = isinstance(parts[0], ast.Slice) and parts[0].lower is None and parts[0].upper is None
                given = value if is_all else Thing(("part", id(target)))
                self._rebind(container.value, frames.assign_column(owner, name, given), scope)
            return
        owner, key = self.evaluate(container, scope), self.evaluate(target.slice, scope)
        self.charge(owner)
        self._rebind(container, lift(lambda o, k: self._with_item(o, k, value), owner, key), scope)

    def _rebind(self, target: ast.expr, value: Any, scope: Scope) -> None:
        if isinstance(target, ast.Name | ast.Attribute):
            self.bind(target, value, None, scope)

    def _with_item(self, owner: Any, key: Any, value: Any) -> Any:
        if isinstance(owner, dict):
            if len(owner) > MAX_SIZE // 10 or self.work.left < -MAX_SIZE * 10:
                return {REST: None}
            return {**owner, key: value} if is_scalar(key) else {REST: None}
        if isinstance(owner, Thing):
            if isinstance(key, str):
                return frames.assign_column(owner, key, value)
            return owner
        return Thing(("items", id(owner))) if isinstance(owner, tuple) else owner

    # -- functions ----------------------------------------------------------------------------------------------------

    def define(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope, first: tuple[Any, ...] = ()
    ) -> Function:
        """Return a function, which is read at its calls, or at the end if there is none."""
        function = Function(node, scope, first)
        if id(node) not in self.known:
            self.known[id(node)] = function
            self.waiting.append((function, self.cell))
        return function

    def follow(self, function: Function, arguments: Arguments, node: ast.Call) -> Any:
        """Return what a function of the script returns for arguments."""
        is_again = function.node in self.stack or len(self.stack) >= _MOST_FRAMES
        if is_again or self.work.is_spent:
            self.work.is_cut = self.work.is_cut or self.work.is_spent
            return unknown(node, *arguments.positional, *arguments.named.values())
        self.followed.add(id(function.node))
        return self._run_function(function, arguments)

    def _run_function(self, function: Function, arguments: Arguments | None) -> Any:
        node, inner = function.node, function.scope.branch()
        self._bind_parameters(function, arguments, inner)
        self.stack.append(node)
        self.returned.append([])
        if isinstance(node, ast.Lambda):
            self.returned[-1].append(self.evaluate(node.body, inner))
        else:
            self.run(node.body, inner)
        self.stack.pop()
        values = self.returned.pop()
        self._export(function, inner)
        return choose(("return", id(node)), values) if values else None

    def _bind_parameters(self, function: Function, arguments: Arguments | None, inner: Scope) -> None:
        node = function.node
        given = node.args
        names = [*given.posonlyargs, *given.args]
        defaults = dict(zip((a.arg for a in names[len(names) - len(given.defaults) :]), given.defaults, strict=True))
        defaults |= {a.arg: d for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None}
        label = f"`{getattr(node, 'name', 'lambda')}()`"
        for argument in (*names, *given.kwonlyargs, *(a for a in (given.vararg, given.kwarg) if a)):
            key = ("parameter", id(node), argument.arg)
            inner.values[argument.arg] = Thing(key, key, None, f"parameters of {label}")
        for argument, value in zip(names, function.first, strict=False):
            inner.values[argument.arg] = value
        if arguments is None:
            return
        own = names[len(function.first) :]
        is_open = arguments.is_open
        for argument in (*own, *given.kwonlyargs):
            if argument.arg in arguments.named:
                inner.values[argument.arg] = arguments.named[argument.arg]
            elif not is_open and argument.arg in defaults:
                inner.values[argument.arg] = self.evaluate(defaults[argument.arg], function.scope)
        for argument, value in zip(own, arguments.positional, strict=False):
            inner.values[argument.arg] = value
        if given.kwarg is not None and not is_open:
            known = {a.arg for a in (*names, *given.kwonlyargs)}
            inner.values[given.kwarg.arg] = {k: v for k, v in arguments.named.items() if k not in known}
        if given.vararg is not None and not is_open:
            inner.values[given.vararg.arg] = tuple(arguments.positional[len(own) :])

    @staticmethod
    def _export(function: Function, inner: Scope) -> None:
        """Keep attributes that a method assigned, for the methods that are read after it."""
        own = next((f for f in function.first if isinstance(f, Instance)), None)
        if own is None:
            return
        for name, value in inner.values.maps[0].items():
            if name.startswith(f"{id(own.node)}."):
                old = own.scope.values.get(name)
                is_other = name in own.scope.values and old != value
                is_reference = any(isinstance(v, ModelRef | ResultRef) for v in leaves(value))
                own.scope.values[name] = Thing(("attribute", name)) if is_other and not is_reference else value

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

    # -- calls of MixedLM ---------------------------------------------------------------------------------------------

    def record(self, node: ast.Call, api: str, arguments: Arguments) -> ModelRef:
        """Record a call of MixedLM; return its model."""
        number = self.of_node.setdefault(id(node), len(self.found))
        if number == len(self.found):
            self.found.append(_Found(self.cell, node, [], [], {}))
        found = self.found[number]
        found.visits += 1
        if found.visits <= _MOST_VISITS:
            found.calls += [c for c in read_calls(arguments, api) if c not in found.calls]
        return ModelRef(number)

    def record_fit(self, number: int, node: ast.Call, name: str, arguments: Arguments) -> ResultRef:
        """Record a fit of a model; return its result."""
        if id(node) not in self.fitted:
            self.fitted.add(id(node))
            self.found[number].fits.append(read_fit(arguments, name))
        return ResultRef(number)

    def read_variance(self, number: int, item: Any, node: ast.expr) -> Estimate:
        """Record that a variance is read from the ``params`` of a result; return it."""
        use = id(node)
        self.found[number].uses[use] = f"params[{item!r}]"
        return Estimate(frozenset({use}))

    def is_tracked(self, *values: Any) -> bool:
        """Whether a value holds variances read from ``params``."""
        return any(isinstance(v, Thing) and v.holds for v in values)

    def clear_uses(self, *values: Any) -> None:
        """Forget variances that are multiplied by the scale, as they ought to be."""
        for value in values:
            if isinstance(value, Estimate):
                self.cleared |= value.uses
            elif isinstance(value, Thing):
                self.cleared |= value.holds


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
