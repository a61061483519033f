"""Progress of long work: a bar on a terminal or in a notebook, or one printed line per evaluation."""

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
    """What an engine reports to a callback after each evaluation of the criterion."""

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
    """Return a context with a callback that shows each evaluation; the callback is None where nothing is shown.

    It shows the number of the evaluation, the criterion and the largest absolute derivative.

    Parameters
    ----------
    progress : bool
        Show a bar (tqdm, on a terminal or in a notebook).
    verbose : bool
        Print one line per evaluation on standard error.

    Raises
    ------
    EngineError
        If ``progress`` is True and tqdm is not installed.
    """
    if progress:
        with _bar()(desc="fit", unit=" evaluations") as bar:

            def show(step: Step) -> None:
                bar.set_postfix_str(f"criterion {step.objective:.4f}, gradient {step.gradient_norm:.2g}", refresh=False)
                bar.update(step.n_evaluations - bar.n)

            yield show
    elif verbose:

        def print_step(step: Step) -> None:
            line = f"{step.n_evaluations:4d}  criterion {step.objective:.6f}  gradient {step.gradient_norm:.3g}"
            print(line, file=sys.stderr)

        yield print_step
    else:
        yield None


@contextmanager
def count(total: int, what: str, *, progress: bool) -> Iterator[Callable[[int], None]]:
    """Return a context with a callback that counts finished pieces of work.

    Parameters
    ----------
    total : int
        Number of pieces.
    what : str
        Name of the work, shown before the bar.
    progress : bool
        Show a bar (tqdm).

    Raises
    ------
    EngineError
        If ``progress`` is True and tqdm is not installed.
    """
    if not progress:
        yield lambda done: None
        return
    with _bar()(total=total, desc=what) as bar:
        yield bar.update


def _bar() -> Any:
    """Return tqdm's class of progress bars."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise EngineError(f"progress=True needs tqdm, which is not installed: {how_to_install('tqdm')}") from error
    return tqdm
