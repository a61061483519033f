"""The number of threads of BLAS: one inside the engine, and all that were found for single large products.

OpenBLAS wakes its threads for matrices of a hundred rows, and they spin for milliseconds after each call, where the
work itself is done in microseconds: a fit of 400 rows takes ten times as long with two threads as with one, and more
where another process wants the core. So every door to the engine is ``single``: inside, the BLAS libraries of the
process (the wheels of NumPy and SciPy bring one each) take one thread. Inside of that, ``cores_for`` gives back what
was found for a single call that has enough to do.

The number of threads belongs to the process, not to the thread that sets it. So the doors are counted: the first to be
entered notes what it found, the last to be left restores it, and while several Python threads are inside, each has one.
Nobody is ever given more threads than were found: limits by the environment or by ``threadpoolctl`` hold. OpenBLAS
built on OpenMP is the exception: it asks OpenMP, whose number is each thread's own, and so each thread restores its
own.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast

from lmmtools.memory import out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["LARGE", "Pool", "cores", "cores_for", "given_back", "single"]

P = ParamSpec("P")
R = TypeVar("R")

LARGE = 200_000_000
"""Multiplications (4 ms of one core's work) from which a product of matrices, syrk, trsm and trmm are no slower on two
cores that are busy with four other processes; on two idle cores they are faster from 40 million on."""


class Library(Protocol):
    """The methods used of threadpoolctl's controller of one library."""

    def get_num_threads(self) -> int | None:
        """Return how many threads the next call will take."""

    def set_num_threads(self, num_threads: int) -> object:
        """Set how many threads the next call takes."""


class _OfThread(threading.local):
    """State of each Python thread: how many doors it is inside, and the threads that OpenMP gave it."""

    depth = 0
    wide = 0
    found: tuple[int, ...] = ()


class Pool:
    """The BLAS libraries of a process and who is inside.

    Parameters
    ----------
    shared : sequence of Library, optional
        Those whose number of threads is the process's; by default those that NumPy and SciPy use.
    own : sequence of Library
        Those whose number is each thread's own.
    """

    def __init__(self, shared: Sequence[Library] | None = None, own: Sequence[Library] = ()) -> None:
        self._shared = shared
        self._own = own
        self._lock = threading.RLock()
        self._here = _OfThread()
        self._inside: set[int] = set()
        self._wide: set[int] = set()
        self._found: tuple[int, ...] = ()
        self._is_single = False

    def enter(self) -> None:
        """Enter a door: BLAS takes one thread from here on."""
        here = self._here
        here.depth += 1
        if here.depth == 1:
            try:
                self._enter_first(here)
            except BaseException:  # Ctrl-C must not leave a thread inside forever
                here.depth = 0
                self._leave_last(here)
                raise

    @property
    def is_inside(self) -> bool:
        """Whether this Python thread is inside a door."""
        return self._here.depth > 0

    def leave(self) -> None:
        """Leave a door; the last one restores the numbers of threads that were found."""
        here = self._here
        here.depth -= 1
        if here.depth == 0:
            try:
                self._leave_last(here)
            except BaseException:
                self._leave_last(here)
                raise

    def _enter_first(self, here: _OfThread) -> None:
        """Enter the outermost door of a thread."""
        with self._lock:
            shared = self._libraries()
            if not self._inside:
                self._found = _read(shared)
            self._inside.add(threading.get_ident())
            self._set_libraries()
        here.found = _read(self._own)
        _write(self._own, here.found, 1)

    def _leave_last(self, here: _OfThread) -> None:
        """Leave the outermost door of a thread."""
        if here.found:
            _write(self._own, here.found)
        with self._lock:
            self._inside.discard(threading.get_ident())
            self._set_libraries()

    def widen(self) -> None:
        """Begin work on large matrices, with all threads that were found if no other Python thread is inside."""
        here = self._here
        if not here.depth:
            return
        here.wide += 1
        if here.wide == 1:
            with self._lock:
                self._wide.add(threading.get_ident())
                self._set_libraries()
                is_alone = len(self._inside) == 1
            if is_alone:
                _write(self._own, here.found)

    def narrow(self) -> None:
        """End work on large matrices."""
        here = self._here
        if not here.depth:
            return
        here.wide -= 1
        if here.wide == 0:
            with self._lock:
                self._wide.discard(threading.get_ident())
                self._set_libraries()
            _write(self._own, here.found, 1)

    def available(self) -> int:
        """Return how many threads large work of this thread would have: one outside of doors."""
        if not self._here.depth or len(self._inside) > 1:
            return 1
        return max((*self._found, *self._here.found), default=1)

    def step_out(self) -> tuple[int, int]:
        """Leave all doors of this thread at once; returns what ``step_in`` takes."""
        here = self._here
        deep = here.depth, here.wide
        if here.wide:
            here.wide = 1
            self.narrow()
        if here.depth:
            here.depth = 1
            self.leave()
        return deep

    def step_in(self, deep: tuple[int, int]) -> None:
        """Enter the doors again that ``step_out`` left."""
        depth, wide = deep
        if depth:
            self.enter()
            self._here.depth = depth
        if wide:
            self.widen()
            self._here.wide = wide

    def _set_libraries(self) -> None:
        """Set the libraries' numbers of threads by who is inside; the lock is held."""
        is_single = len(self._inside) > 1 or (len(self._inside) == 1 and not self._wide)
        # An interrupt here leaves the flag set, so that the next thread to leave restores the numbers.
        if is_single and not self._is_single:
            self._is_single = True
            _write(self._libraries(), self._found, 1)
        elif self._is_single and not is_single:
            _write(self._libraries(), self._found)
            self._is_single = False

    def _libraries(self) -> Sequence[Library]:
        """Return the libraries whose number of threads is the process's, found when first asked."""
        if self._shared is None:
            self._shared, self._own = _find_libraries()
        return self._shared

    def before_fork(self) -> None:
        """Take the lock, so that no other thread changes anything while the process is copied."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Release the lock."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Forget the threads that were not copied; where one of them had set a limit, what it found is back."""
        self._lock = threading.RLock()
        self._inside &= {threading.get_ident()}
        self._wide &= {threading.get_ident()}
        self._set_libraries()


def _find_libraries() -> tuple[list[Library], list[Library]]:
    """Return the BLAS libraries that are loaded, and the OpenMP libraries that decide for some of them.

    That walks all libraries of the process, which takes about a millisecond: once per process.
    """
    import scipy.linalg.blas  # noqa: F401  # loads the BLAS of SciPy's own
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().lib_controllers
    blas = [c for c in found if c.user_api == "blas"]
    openmp: list[Library] = [c for c in found if c.user_api == "openmp"]
    asks_openmp = [c for c in blas if c.internal_api == "openblas" and getattr(c, "threading_layer", "") == "openmp"]
    if not (asks_openmp and openmp):
        return [_at_hand(c) for c in blas], []
    return [_at_hand(c) for c in blas if c not in asks_openmp], openmp


class _OpenBlas:
    """The two functions of one OpenBLAS: a controller looks for them by name in each call, at ten times their cost."""

    def __init__(self, read: Callable[[], int], write: Callable[[int], object]) -> None:
        self.get_num_threads, self.set_num_threads = read, write


def _at_hand(controller: Any) -> Library:
    """Return the library of a controller with its functions at hand where they are found, else the controller."""
    find = getattr(controller, "_get_symbol", None)
    if controller.internal_api != "openblas" or controller.threading_layer == "openmp" or find is None:
        return cast("Library", controller)
    read, write = find("openblas_get_num_threads"), find("openblas_set_num_threads")
    return cast("Library", controller if read is None or write is None else _OpenBlas(read, write))


def _read(libraries: Sequence[Library]) -> tuple[int, ...]:
    """Return the threads of each library; 1, which nothing changes, where it does not say."""
    return tuple(library.get_num_threads() or 1 for library in libraries)


def _write(libraries: Sequence[Library], found: Sequence[int], limit: int | None = None) -> None:
    """Set each library to what was found, or to a lower limit; those that had one thread are left alone."""
    for library, threads in zip(libraries, found, strict=True):
        if threads > 1:
            library.set_num_threads(threads if limit is None else min(limit, threads))


_POOL = Pool()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _POOL.before_fork(),
        after_in_parent=lambda: _POOL.after_fork_in_parent(),
        after_in_child=lambda: _POOL.after_fork_in_child(),
    )


class _Single:
    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            if _POOL.is_inside:
                return function(*args, **kwargs)
            with self:
                return function(*args, **kwargs)

        return inside

    def __enter__(self) -> None:
        _POOL.enter()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        _POOL.leave()
        if isinstance(error, MemoryError) and not _POOL.is_inside:
            raise out_of_memory(error) from error


single = _Single()
"""A door to the engine, ``with single:`` or ``@single``: inside, BLAS takes one thread, or what ``cores_for`` says.

What runs out of memory inside, though its size was not foreseen, leaves the outermost door as an EngineError.
"""


class _Wide(AbstractContextManager[None]):
    def __enter__(self) -> None:
        _POOL.widen()

    def __exit__(self, *_: object) -> None:
        _POOL.narrow()


_WIDE, _AS_IT_IS = _Wide(), nullcontext()


def cores_for(multiplications: int) -> AbstractContextManager[None]:
    """Return a context for one call of BLAS or LAPACK, with all threads that were found if it has enough to do."""
    return _WIDE if multiplications >= LARGE else _AS_IT_IS


def cores() -> int:
    """Return how many threads a call has for which ``cores_for`` finds enough to do."""
    return _POOL.available()


class given_back:  # noqa: N801  # a context, written like a function
    """A context for the user's functions that the engine calls: BLAS has the threads that were found."""

    __slots__ = ("_deep",)

    def __enter__(self) -> None:
        self._deep = _POOL.step_out()

    def __exit__(self, *_: object) -> None:
        _POOL.step_in(self._deep)
