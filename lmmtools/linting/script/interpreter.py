"""What the evaluation of expressions and calls asks of the reader of a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import ast

    from lmmtools.linting.script.arguments import Arguments
    from lmmtools.linting.script.values import Estimate, Function, ModelRef, ResultRef, Scope

__all__ = ["Interpreter"]


class Interpreter(Protocol):
    """Evaluates the parts of an expression, and records the calls of MixedLM in them."""

    def evaluate(self, node: ast.expr, scope: Scope) -> Any:
        """Return the value of an expression, and record the calls in it."""

    def attribute(self, node: ast.Attribute, owner: Any, scope: Scope) -> Any:
        """Return ``owner.attr``."""

    def bind(self, target: ast.expr, value: Any, node: ast.expr | None, scope: Scope) -> None:
        """Record the value that is assigned to a name, an attribute, a column or an entry of a dict."""

    def arms_of(self, test: Any, node: ast.expr, number: int) -> tuple[Any, list[bool]]:
        """Return the place of choice of a condition, and whether it is true on each of its ways."""

    def scan_later(self, part: Any, scope: Scope) -> None:
        """Keep a part that is skipped here, to read it at the end if it is skipped everywhere."""

    def define(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope, first: tuple[Any, ...] = ()
    ) -> Function:
        """Return a function, which is read at its calls, or at the end if there is none."""

    def follow(self, function: Function, arguments: Arguments, node: ast.Call) -> Any:
        """Return what a function of the script returns for arguments."""

    def record(self, node: ast.Call, api: str, arguments: Arguments) -> ModelRef:
        """Record a call of MixedLM; return its model."""

    def record_fit(self, number: int, node: ast.Call, name: str, arguments: Arguments) -> ResultRef:
        """Record a fit of a model; return its result."""

    def read_variance(self, number: int, item: Any, node: ast.expr) -> Estimate:
        """Record that a variance is read from the ``params`` of a result; return it."""

    def is_tracked(self, *values: Any) -> bool:
        """Whether a value holds variances read from ``params``."""

    def clear_uses(self, *values: Any) -> None:
        """Forget variances that are multiplied by the scale, as they ought to be."""

    def is_small(self, value: Any) -> bool:
        """Whether a collection is small enough to be followed."""

    def charge(self, value: Any) -> None:
        """Charge the copy of a collection."""

    def is_repeat_over(self, node: ast.AST) -> bool:
        """Whether a comprehension is not read further: no steps are left."""
