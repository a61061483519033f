"""The calls of MixedLM that a script was found to make: their fits, and what it does with figures of the results."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lmmtools.linting.call import Use
from lmmtools.linting.script.arguments import read_calls, read_fit
from lmmtools.linting.script.values import Estimate, ModelRef, ResultRef, Thing, shorten

if TYPE_CHECKING:
    from lmmtools.linting.call import FitCall, MixedLMCall
    from lmmtools.linting.script.arguments import Arguments
    from lmmtools.linting.script.values import Params

__all__ = ["FoundCall", "Register"]

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


@dataclass(slots=True)
class _Found:
    cell: int | None
    node: ast.Call
    calls: list[MixedLMCall]
    fits: list[FitCall]
    scaled: dict[int, str]
    uses: dict[tuple[Any, ...], Use]
    visits: int = 0


class Register:
    """The calls found so far."""

    def __init__(self) -> None:
        self.found: list[_Found] = []
        self.of_node: dict[int, int] = {}
        self.fitted: set[int] = set()
        self.cleared: set[int] = set()

    def finish(self) -> list[FoundCall]:
        """Return the calls in the order of the text."""
        return sorted(map(self._finish, self.found), key=lambda f: (f.cell or 0, f.line, f.column))

    def _finish(self, found: _Found) -> FoundCall:
        """Return the record of a call, with its fits and what the script does with their figures."""
        scaled = [Use("params-scaled", text) for use, text in found.scaled.items() if use not in self.cleared]
        uses = tuple(dict.fromkeys([*scaled, *found.uses.values()]))
        calls = tuple(replace(c, fits=tuple(found.fits), uses=uses) for c in found.calls)
        return FoundCall(found.cell, found.node.lineno, found.node.col_offset + 1, calls)

    def add(self, cell: int | None, node: ast.Call, api: str, arguments: Arguments) -> ModelRef:
        """Record a call of MixedLM; return its model."""
        number = self.of_node.setdefault(id(node), len(self.found))
        if number == len(self.found):
            self.found.append(_Found(cell, node, [], [], {}, {}))
        found = self.found[number]
        found.visits += 1
        if found.visits <= _MOST_VISITS:
            here = read_calls(arguments, api)
            found.calls += [c for c in here if c not in found.calls]
            return ModelRef(number, tuple(found.calls.index(c) for c in here))
        return ModelRef(number)

    def add_fit(self, model: ModelRef, node: ast.Call, name: str, arguments: Arguments) -> ResultRef:
        """Record a fit of a model; return its result."""
        fit = read_fit(arguments, name)
        if id(node) not in self.fitted:
            self.fitted.add(id(node))
            self.found[model.number].fits.append(fit)
        return ResultRef(model, fit.reml)

    def read_variance(self, owner: Params, item: Any, node: ast.expr) -> Estimate:
        """Record that a variance is read from the ``params`` of a result; return it."""
        use = id(node)
        self.found[owner.result.model.number].scaled[use] = f"{owner.name}[{item!r}]"
        return Estimate(frozenset({use}), owner.result)

    def add_use(self, result: ResultRef, code: str, cell: int | None, node: ast.expr, other: str = "") -> None:
        """Record what the script does with a figure of a result."""
        key = (code, cell, node.lineno, node.col_offset)
        self.found[result.model.number].uses.setdefault(key, Use(code, shorten(node), other))

    def calls_of(self, result: ResultRef) -> list[MixedLMCall]:
        """Return the calls that the model of a result may be."""
        calls = self.found[result.model.number].calls
        return [calls[way] for way in result.model.ways]

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
