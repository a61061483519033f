"""What evaluating an expression, an assignment or a call asks of the reader of a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import ast
    from collections import deque
    from collections.abc import Iterable

    from lmmtools.linting.script.register import Register
    from lmmtools.linting.script.values import Function, Scope, Work

__all__ = ["Interpreter"]


class Interpreter(Protocol):
    """The reader of a script, as the modules that evaluate its parts see it.

    Attributes
    ----------
    register : Register
        The calls of MixedLM found so far.
    work : Work
    cell : int or None
        The notebook's cell that is read.
    stack : list of ast.AST
        The functions that are followed, the innermost last.
    returned : list of list
        What each of them has returned.
    known : dict of int to Function
        The functions defined so far, by their node.
    waiting : deque
        Functions to read at the end if nothing calls them, with their cells.
    followed : set of int
        The nodes of functions that were called.
    globals : dict of int to set of str
        The names that functions declare as global, by their nodes.
    """

    register: Register
    work: Work
    cell: int | None
    stack: list[ast.AST]
    returned: list[list[Any]]
    known: dict[int, Function]
    waiting: deque[tuple[Function, int | None]]
    followed: set[int]
    globals: dict[int, set[str]]

    def run(self, body: Iterable[ast.stmt], scope: Scope) -> bool:
        """Read statements; return whether the end is reached."""

    def evaluate(self, node: ast.expr, scope: Scope) -> Any:
        """Return the value of an expression, and record the calls in it."""

    def attribute(self, node: ast.Attribute, owner: Any, scope: Scope) -> Any:
        """Return ``owner.attr``."""

    def arms_of(self, test: Any, node: ast.expr, number: int) -> tuple[Any, list[bool]]:
        """Return the place of choice of a condition, and whether it is true on each of its ways."""

    def scan_later(self, part: Any, scope: Scope) -> None:
        """Keep a part that is skipped here, to read it at the end if it is skipped everywhere."""

    def charge(self, value: Any) -> None:
        """Charge the copy of a collection."""

    def is_small(self, value: Any) -> bool:
        """Whether a collection is small enough to be followed."""

    def is_repeat_over(self, node: ast.AST) -> bool:
        """Whether a comprehension is not read further: no steps are left."""
