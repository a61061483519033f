"""The calls of MixedLM that a script was found to make: their fits, and the variances read from ``params``."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script.arguments import read_calls, read_fit
from lmmtools.linting.script.values import Estimate, ModelRef, ResultRef, Thing

if TYPE_CHECKING:
    from lmmtools.linting.call import FitCall, MixedLMCall
    from lmmtools.linting.script.arguments import Arguments

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
    uses: dict[int, str]
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
        """Return the record of a call, with its fits and the variances read from its ``params``."""
        uses = tuple(dict.fromkeys(text for use, text in found.uses.items() if use not in self.cleared))
        calls = tuple(replace(c, fits=tuple(found.fits), scaled_uses=uses) for c in found.calls)
        return FoundCall(found.cell, found.node.lineno, found.node.col_offset + 1, calls)

    def add(self, cell: int | None, node: ast.Call, api: str, arguments: Arguments) -> ModelRef:
        """Record a call of MixedLM; return its model."""
        number = self.of_node.setdefault(id(node), len(self.found))
        if number == len(self.found):
            self.found.append(_Found(cell, node, [], [], {}))
        found = self.found[number]
        found.visits += 1
        if found.visits <= _MOST_VISITS:
            found.calls += [c for c in read_calls(arguments, api) if c not in found.calls]
        return ModelRef(number)

    def add_fit(self, number: int, node: ast.Call, name: str, arguments: Arguments) -> ResultRef:
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
