"""Progress of long work: a bar on a terminal or in a notebook, or one printed line per evaluation; passes over rows."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lmmtools.audience import how_to_install
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Rows", "Step", "count", "count_rows", "on_rows", "watch", "watch_rows"]


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


@dataclass(frozen=True, slots=True)
class Rows:
    """How far a pass over rows has come.

    Attributes
    ----------
    done : int
        Rows read.
    total : int or None
        Rows of the pass, where known.
    seconds : float
        Since the pass began.
    """

    done: int
    total: int | None
    seconds: float

    def __str__(self) -> str:
        rate = self.done / max(self.seconds, 1e-9)
        of = "" if self.total is None else f" of {self.total:,}"
        left = "" if self.total is None else f", {(self.total - self.done) / max(rate, 1e-9):.0f} s to go"
        return f"{self.done:,}{of} rows, {rate / 1e6:.2g} million a second{left}"


# The last one is told; of all threads, since a pass may run in another than the one that waits for it.
_WATCHERS: list[Callable[[Rows], None]] = []


@contextmanager
def on_rows(tell: Callable[[Rows], None]) -> Iterator[None]:
    """Return a context in which passes over rows that are read in batches call ``tell`` after each batch."""
    _WATCHERS.append(tell)
    try:
        yield
    finally:
        _WATCHERS.remove(tell)


def count_rows(total: int | None) -> Callable[[int], None] | None:
    """Return what a pass calls with the number of rows that it has read more, None where nobody watches."""
    if not _WATCHERS:
        return None
    tell, started = _WATCHERS[-1], time.perf_counter()
    done = 0

    def add(rows: int) -> None:
        nonlocal done
        done += rows
        tell(Rows(done, total, time.perf_counter() - started))

    return add


@contextmanager
def watch_rows(*, progress: bool) -> Iterator[None]:
    """Return a context that shows passes over rows: a bar for each, with its rate and the time to go.

    Parameters
    ----------
    progress : bool
        Show the bars (tqdm).

    Raises
    ------
    EngineError
        If ``progress`` is True and tqdm is not installed.
    """
    if not progress:
        yield
        return
    make_bar = _bar()
    bars: list[Any] = []

    def show(rows: Rows) -> None:
        if not bars or rows.done < bars[-1].n:  # another pass
            if bars:
                bars.pop().close()
            bars.append(make_bar(total=rows.total, desc="rows", unit=" rows", unit_scale=True))
        bars[-1].update(rows.done - bars[-1].n)
        if rows.done == rows.total:
            bars.pop().close()

    try:
        with on_rows(show):
            yield
    finally:
        for bar in bars:
            bar.close()


@contextmanager
def watch(*, progress: bool, verbose: bool) -> Iterator[Callable[[Step], None] | None]:
    """Return a context with a callback that shows each evaluation; the callback is None where nothing is shown.

    It shows the number of the evaluation, the criterion and the largest absolute derivative. With ``progress``, passes
    over rows that are read in batches are shown too.

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
        make_bar = _bar()
        bars: list[Any] = []

        def show(step: Step) -> None:
            if not bars:  # after passes over rows have shown theirs
                bars.append(make_bar(desc="fit", unit=" evaluations"))
            said = f"criterion {step.objective:.4f}, gradient {step.gradient_norm:.2g}"
            bars[0].set_postfix_str(said, refresh=False)
            bars[0].update(step.n_evaluations - bars[0].n)

        try:
            with watch_rows(progress=True):
                yield show
        finally:
            for bar in bars:
                bar.close()
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
