"""Random draws in pieces: how many, from which generator, in this process or in others, with the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from numbers import Integral
from typing import Any

import numpy as np

from lmmtools.audience import how_to_install
from lmmtools.errors import DataError, EngineError, FewDrawsWarning, OutOfMemoryError, warn_caller
from lmmtools.memory import need_memory

__all__ = ["as_generator", "check_count", "check_draws", "keep_draws", "run_pieces", "spawn_pieces"]

PIECE = 50
"""Draws per piece; each piece has its own random stream, so that draws do not depend on the number of processes."""


def check_count(n: Any, name: str = "n", least: int = 1) -> int:
    """Return the number of draws as an int.

    Raises
    ------
    DataError
        If it is not a whole number, or less than ``least``.
    """
    if not isinstance(n, Integral) or n < least:
        raise DataError(f"{name}={n!r} draws cannot be made; ask for a whole number, at least {least}")
    return int(n)


def check_draws(n: int, rows: int, copies: float) -> None:
    """Refuse more draws of all rows at once than there is memory for.

    Parameters
    ----------
    n : int
        Draws that are held at once.
    rows : int
    copies : float
        Arrays of rows by draws at the peak.

    Raises
    ------
    OutOfMemoryError
        If there is not the memory.
    """
    need_memory(
        copies * n * rows,
        OutOfMemoryError,
        f"{n:,} draws of {rows:,} rows at once, {copies:g} arrays of them at the peak,",
        "Ask for fewer draws at a time.",
    )


def keep_draws(error: MemoryError, made: int, n: int) -> None:
    """Warn that memory ran out after some of n draws, which are kept; raise the error where there are none.

    Raises
    ------
    MemoryError
        The error, where no draw was made.
    """
    if not made:
        raise error
    warn_caller(FewDrawsWarning, f"Memory ran out after {made:,} of {n:,} draws. The result holds these: {error}")


def as_generator(rng: Any) -> np.random.Generator:
    """Return the generator of a seed, or the generator itself.

    Raises
    ------
    DataError
        If ``rng`` is neither a generator nor a seed.
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise DataError(f"rng={rng!r} is no source of random numbers ({error}); give a seed or a Generator") from None


def spawn_pieces(n: int, rng: np.random.Generator | int | None) -> list[tuple[int, np.random.SeedSequence]]:
    """Return (draws, seed) of each piece of n draws.

    Raises
    ------
    DataError
        If n is not a positive whole number, or ``rng`` is neither a generator nor a seed.
    """
    n = check_count(n)
    # From the generator's state: a seed and a new generator of that seed give the same draws, a used one does not.
    seed = int(as_generator(rng).integers(2**63))
    sizes = [PIECE] * (n // PIECE) + ([n % PIECE] if n % PIECE else [])
    return list(zip(sizes, np.random.SeedSequence(seed).spawn(len(sizes)), strict=True))


def run_pieces(work: Callable[..., Any], pieces: Sequence[tuple[Any, ...]], n_jobs: int | None) -> Iterator[Any]:
    """Yield ``work(*piece)`` in order.

    Parameters
    ----------
    work : callable
        A module-level function, which can be pickled for other processes.
    pieces : sequence of tuple
    n_jobs : int or None
        1: here. Otherwise as joblib takes it (-1: all cores, None: as ``joblib.parallel_config`` says), on the backend
        that ``joblib.parallel_config`` names: processes of this machine by default, a Dask or Ray cluster where one is
        set up.

    Raises
    ------
    DataError
        If ``n_jobs`` is zero or not a whole number.
    EngineError
        If joblib is needed and not installed.
    """
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise DataError(f"n_jobs={n_jobs!r} processes cannot be used; give a whole number, or -1 for all cores")
    if n_jobs == 1:
        for piece in pieces:
            yield work(*piece)
        return
    try:
        from joblib import Parallel, delayed
    except ImportError as error:
        raise EngineError(f"n_jobs other than 1 needs joblib: {how_to_install('joblib')}") from error
    try:
        yield from Parallel(n_jobs=n_jobs, return_as="generator")(delayed(work)(*piece) for piece in pieces)
    except BrokenProcessPool as error:
        raise OutOfMemoryError(
            "A process that made draws was ended by the system, as happens where memory runs out. Use fewer at once, "
            f"n_jobs={max(1, (n_jobs or 2) // 2)}, or run it where there is more memory."
        ) from error
