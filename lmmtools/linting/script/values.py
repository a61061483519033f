"""What the text of a script tells of a value: constants, things seen from outside, and one of several by branch."""

from __future__ import annotations

import ast
from collections import ChainMap
from dataclasses import dataclass, field
from itertools import islice
from types import EllipsisType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

__all__ = [
    "MAX_SIZE",
    "REST",
    "Bound",
    "Choice",
    "Dotted",
    "Estimate",
    "Fact",
    "Function",
    "Instance",
    "ModelRef",
    "Params",
    "Parents",
    "ResultRef",
    "Scope",
    "Text",
    "Thing",
    "Work",
    "choose",
    "count_size",
    "is_constant",
    "is_scalar",
    "leaves",
    "lift",
    "merge",
    "pick",
    "shorten",
    "sites",
    "write_key",
]

# Nothing that a model call needs is larger; a script that builds more is not followed.
MAX_SIZE = 10_000
# A value that is one of more than this, by branch, is taken for unknown.
MOST_LEAVES = 16
# Nor is a value followed in which so many are nested.
MOST_PLACES = 100
# Of a class, so many ancestors are looked at.
MOST_BASES = 20
MAX_TEXT = 60
# An expression of more nodes is not shown.
MAX_NODES = 200
# The key of a dict that may have further entries, of which nothing is known.
REST: EllipsisType = ...


@dataclass(frozen=True, slots=True)
class Fact:
    """What a script tells of a column.

    Attributes
    ----------
    kind : {"constant", "text", "category", "number", "made"}
    sources : frozenset of str
        Columns whose labels it joins, so that its value tells theirs.
    """

    kind: str
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of which the text does not show the value: a frame, a column, an array, anything.

    Attributes
    ----------
    key : hashable
        Equal for the same object.
    rows : hashable
        Equal for frames and columns with the same rows in the same order.
    node : ast.expr or None
        The expression that made it.
    origin : str
        Where it comes from, ``"parameters of `run()`"``; empty where nothing better than the expression is known.
    column : str or None
        The name of the column that it is.
    is_sure : bool
        Whether it is that column: ``df.g`` may be another attribute.
    is_frame : bool
        Whether it is a data frame.
    selected : tuple of str
        The columns chosen by ``df[["a", "b"]]``.
    columns : mapping of str to Fact
        What the script assigns in the frame.
    kind : str
        The kind of its values, as in ``Fact``; empty if unknown.
    sources : frozenset of str
        Columns whose labels it joins.
    is_dropped : bool
        Whether rows with missing values were dropped.
    holds : frozenset of int
        Variances read from ``params`` that went into it.
    figures : frozenset of (ResultRef, str)
        Figures of results that went into it, by their names: ``(result, "scale")``.
    """

    key: Hashable
    rows: Hashable = None
    node: ast.expr | None = None
    origin: str = ""
    column: str | None = None
    is_sure: bool = True
    is_frame: bool = False
    selected: tuple[str, ...] = ()
    columns: Mapping[str, Fact] = field(default_factory=dict)
    kind: str = ""
    sources: frozenset[str] = frozenset()
    is_dropped: bool = False
    holds: frozenset[int] = frozenset()
    figures: frozenset[tuple[ResultRef, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Text:
    """A text of which parts are known; None stands for the others."""

    parts: tuple[str | None, ...]

    def show(self, mark: str = "?") -> str:
        """Return the text with a mark for each unknown part."""
        return "".join(mark if p is None else p for p in self.parts)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values, by the way that a script takes at a place.

    Attributes
    ----------
    site : hashable
        The place; values with the same place are chosen together.
    values : tuple
        One for each way.
    """

    site: Hashable
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Dotted:
    """An imported module or function, by its full name."""

    path: str


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The model of a call found.

    Attributes
    ----------
    number : int
        Of the call, in the order in which calls are reached.
    ways : tuple of int
        Which of the calls that it may be, by their places in the record of the call.
    """

    number: int
    ways: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultRef:
    """The result of a fit.

    Attributes
    ----------
    model : ModelRef
    is_reml : bool or None
        None if not shown by the text.
    """

    model: ModelRef
    is_reml: bool | None = True


@dataclass(frozen=True, slots=True)
class Params:
    """The ``params`` of a result, or what has the same entries: ``name`` is ``"bse"``, ``"pvalues"``, ..."""

    result: ResultRef
    name: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """Variances or covariances read from ``params``, by the numbers of the places where they are read."""

    uses: frozenset[int]
    result: ResultRef


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of the script, the scope that it was defined in, and what is bound to its first parameters."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    first: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """An object of a class of the script, or the class; all objects of a class share what is known."""

    node: ast.ClassDef
    scope: Scope
    bases: tuple[Instance, ...] = ()

    def path(self, name: str) -> str:
        """Return the name under which a scope keeps an attribute."""
        return f"{id(self.node)}.{name}"

    def find(self, name: str, scope: Scope) -> str | None:
        """Return the name under which a scope keeps an attribute, of the class or of one that it inherits from."""
        waiting: list[Instance] = [self]
        for _ in range(MOST_BASES):
            if not waiting:
                break
            own = waiting.pop(0)
            if own.path(name) in scope.values:
                return own.path(name)
            waiting += own.bases
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Parents:
    """What ``super()`` is: the object, and the classes where its members are looked for."""

    owner: Instance
    bases: tuple[Instance, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A callable with arguments given in advance, as ``functools.partial`` makes it."""

    function: Any
    positional: tuple[Any, ...]
    named: Mapping[str, Any]


@dataclass(slots=True)
class Work:
    """Steps that are left for reading parts of a script again: further passes of loops, functions at each call.

    The first reading takes time in proportion to the script; repetitions take these steps at most.
    """

    left: int = 60_000
    is_cut: bool = False

    @property
    def is_spent(self) -> bool:
        """Whether no steps are left."""
        return self.left <= 0

    def take(self, steps: int = 1) -> None:
        """Record steps that were taken."""
        self.left -= steps


@dataclass(slots=True)
class Scope:
    """Names and their values at one place of a script.

    Attributes
    ----------
    values : ChainMap of str to value
        The first map has the names assigned in this scope. Attributes of objects stand under ``Instance.path``.
    arms : mapping of hashable to int
        The way taken at places of choice, where the statement at hand is reached on that way alone.
    """

    values: ChainMap[str, Any] = field(default_factory=ChainMap)
    arms: Mapping[Hashable, int] = field(default_factory=dict)

    def branch(self, site: Hashable = None, arm: int = 0) -> Scope:
        """Return a child scope, whose assignments leave this one as it is."""
        arms = self.arms if site is None else {**self.arms, site: arm}
        return Scope(self.values.new_child(), arms)

    def get(self, name: str) -> Any:
        """Return the value of a name on the way taken; None if it has none."""
        value = self.values.get(name)
        if isinstance(value, Choice) and self.arms:
            for site, arm in self.arms.items():
                value = pick(value, site, arm)
        return value


def merge(scope: Scope, site: Hashable, ways: Sequence[Scope]) -> None:
    """Assign what the branches of a scope assigned: one of several values where they differ.

    A name that one branch leaves without a value has that of the others: a reader assumes a script that runs.
    """
    for name in dict.fromkeys(n for way in ways for n in way.values.maps[0]):
        found = [way.values.get(name) if name in way.values else None for way in ways]
        there = [name in way.values for way in ways]
        default = next(v for v, is_there in zip(found, there, strict=True) if is_there)
        scope.values[name] = choose(site, [v if t else default for v, t in zip(found, there, strict=True)])


def is_scalar(value: Any) -> bool:
    """Whether a value is a text or a number."""
    return isinstance(value, str | int | float)


def is_constant(value: Any) -> bool:
    """Whether a value is wholly known."""
    if isinstance(value, tuple):
        return all(map(is_constant, value))
    if isinstance(value, dict):
        return REST not in value and all(map(is_constant, value.values()))
    return value is None or is_scalar(value)


def choose(site: Hashable, values: Sequence[Any]) -> Any:
    """Return the one of several values, by the way taken at a place; a Thing if there are too many."""
    first = values[0]
    if all(type(v) is type(first) and v == first for v in values[1:]):
        return first
    if sum(1 for v in values for _ in leaves(v)) > MOST_LEAVES or _is_tangled(values):
        return Thing(("many", site))
    return Choice(site, tuple(pick(v, site, i) for i, v in enumerate(values)))


def _is_tangled(values: Sequence[Any]) -> bool:
    """Whether values hold so many choices within each other, in dicts and lists too, that they are not followed."""
    return sum(1 for _ in islice((place for v in values for place in sites(v)), MOST_PLACES + 1)) > MOST_PLACES


def leaves(value: Any) -> Iterator[Any]:
    """Yield the values that a value may be."""
    if isinstance(value, Choice):
        for v in value.values:
            yield from leaves(v)
    else:
        yield value


def pick(value: Any, site: Hashable, arm: int) -> Any:
    """Return a value where the way taken at a place is known."""
    if isinstance(value, Choice):
        if value.site == site:
            return value.values[min(arm, len(value.values) - 1)]
        return choose(value.site, [pick(v, site, arm) for v in value.values])
    if isinstance(value, tuple) and any(True for _ in sites(value)):
        return tuple(pick(v, site, arm) for v in value)
    if isinstance(value, dict) and any(True for _ in sites(value)):
        return {k: pick(v, site, arm) for k, v in value.items()}
    return value


def sites(value: Any) -> Iterator[tuple[Hashable, int]]:
    """Yield the places of choice in a value with the number of ways."""
    if isinstance(value, Choice):
        yield value.site, len(value.values)
        for v in value.values:
            yield from sites(v)
    elif isinstance(value, tuple):
        for v in value:
            yield from sites(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from sites(v)


def lift(function: Callable[..., Any], *operands: Any) -> Any:
    """Return the function of values, way by way where they are choices."""
    for operand in operands:
        if isinstance(operand, Choice):
            ways = range(len(operand.values))
            return choose(operand.site, [lift(function, *(pick(o, operand.site, i) for o in operands)) for i in ways])
    return function(*operands)


def count_size(value: Any) -> int:
    """Return the number of characters and items in a value, counted up to MAX_SIZE."""
    total, waiting = 0, [value]
    while waiting and total <= MAX_SIZE:
        item = waiting.pop()
        if isinstance(item, Text):
            item = item.show()
        total += len(item) if isinstance(item, str) else 1
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, tuple):
            waiting += item
        elif isinstance(item, Choice):
            waiting += item.values
    return total


def write_key(*nodes: ast.AST) -> Hashable:
    """Return a key that expressions share which read the same; long ones share it with nothing."""
    if all(sum(1 for _ in islice(ast.walk(n), MAX_NODES + 1)) <= MAX_NODES for n in nodes):
        return tuple(ast.dump(n) for n in nodes)
    return tuple(map(id, nodes))


def shorten(node: ast.AST | None) -> str:
    """Return an expression as text, cut where it is long."""
    if node is None:
        return "..."
    is_short = sum(1 for _ in islice(ast.walk(node), MAX_NODES + 1)) <= MAX_NODES
    text = ast.unparse(node) if is_short else "..."
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."
