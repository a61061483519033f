"""Watching long work: a progress line on a terminal or in a notebook, or one printed line per evaluation."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from lmmtools.audience import how_to_install
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Step", "count", "watch"]


class Step(Protocol):
    """What an engine reports after each evaluation of the criterion."""

    @property
    def n_evaluations(self) -> int:
        """Evaluations so far."""

    @property
    def objective(self) -> float:
        """The criterion."""

    @property
    def gradient_norm(self) -> float:
        """Largest absolute derivative over the free parameters."""


@contextmanager
def watch(*, progress: bool, verbose: bool) -> Iterator[Callable[[Step], None] | None]:
    """Give a callback that shows each evaluation: its number, the criterion and the gradient's norm.

    Parameters
    ----------
    progress : bool
        A line that renews itself (tqdm: on a terminal, or in a notebook).
    verbose : bool
        One line per evaluation on standard error.

    Raises
    ------
    EngineError
        If ``progress`` is asked for and tqdm is not installed.
    """
    if progress:
        with _bar()(desc="fit", unit=" evaluations") as bar:

            def show(step: Step) -> None:
                bar.set_postfix_str(f"criterion {step.objective:.4f}, gradient {step.gradient_norm:.2g}", refresh=False)
                bar.update(step.n_evaluations - bar.n)

            yield show
    elif verbose:

        def tell(step: Step) -> None:
            line = f"{step.n_evaluations:4d}  criterion {step.objective:.6f}  gradient {step.gradient_norm:.3g}"
            print(line, file=sys.stderr)

        yield tell
    else:
        yield None


@contextmanager
def count(total: int, what: str, *, progress: bool) -> Iterator[Callable[[int], None]]:
    """Give a callback that counts pieces of work that are done, shown as a line that renews itself if asked for.

    Raises
    ------
    EngineError
        If ``progress`` is asked for and tqdm is not installed.
    """
    if not progress:
        yield lambda done: None
        return
    with _bar()(total=total, desc=what) as bar:
        yield bar.update


def _bar() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise EngineError(f"progress=True needs tqdm: {how_to_install('tqdm')}") from error
    return tqdm
