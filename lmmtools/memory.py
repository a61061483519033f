"""Free memory, errors before work that needs more than there is, and doors that say so where it was not foreseen."""

from __future__ import annotations

import errno
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lmmtools.errors import RowsNeededError
from lmmtools.other_names import explain_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lmmtools.errors import LmmError

__all__ = ["door", "doors", "free_memory", "need_library", "need_memory", "out_of_memory", "say_bytes"]

C = TypeVar("C", bound=type)
F = TypeVar("F", bound="Callable[..., Any]")

NUMBER = 8
"""Bytes of a float."""

MATTERS = 100_000_000
"""Bytes below which free memory is not read: reading takes longer than a small fit."""

CGROUPS = Path("/sys/fs/cgroup")

OWN_CGROUPS = Path("/proc/self/cgroup")

CALLED = {"LMMResults": "fit", "Model": "model", "FitPlots": "fit.plot"}
"""What users call an instance of a class."""

UNMAPPED = "failed to map segment from shared object"
"""What the loader says of a library for which there is no memory."""

WINDOWS_FIELDS = ("total", "free", "total_page", "free_page", "total_own", "free_own", "more")


def need_memory(numbers: float, error: type[LmmError], what: str, cure: str) -> None:
    """Raise an error if there is not the memory for so many floats.

    Parameters
    ----------
    numbers : float
        Floats held at once, at the peak.
    error : type of LmmError
    what : str
        The subject of the message's first sentence: what needs them, and why so many.
    cure : str
        What would help, a sentence.
    """
    needed = NUMBER * numbers
    if needed < MATTERS:
        return
    free = free_memory()
    if free is not None and needed > free:
        raise error(f"{what} needs about {say_bytes(needed)} of memory, where {say_bytes(free)} are free. {cure}")


def need_library(name: str, size: float) -> None:
    """Raise an OutOfMemoryError if the process may not take the address space that loading a library needs.

    Libraries with allocators of their own end the process where they find none.

    Parameters
    ----------
    name : str
    size : float
        Bytes, with all that it loads.
    """
    from lmmtools.errors import OutOfMemoryError

    if name in sys.modules or sys.platform == "win32":
        return
    free = min(_read_process(), default=None)
    if free is not None and free < size:
        raise OutOfMemoryError(
            f"Loading {name} takes about {say_bytes(size)} of address space, where {say_bytes(free)} are free under "
            f"the process's limit. Raise it (ulimit -v), or import {name} before."
        )


def door(function: F, called: str = "") -> F:
    """Return the function with errors that say more: what users call is such a door.

    A MemoryError becomes an OutOfMemoryError, the TypeError of an argument that the function does not take an
    UnknownArgumentError that says what to write. A RowsNeededError says what was ``called``, the outermost such door.
    """

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (MemoryError, ImportError, OSError) as error:
            if not _is_lack_of_memory(error):
                raise
            raise out_of_memory(error) from error
        except TypeError as error:
            explained = explain_call(function, args, kwargs)
            if explained is None:
                raise
            raise explained from error
        except RowsNeededError as error:
            error.called = called or error.called
            raise

    return guarded  # type: ignore[return-value]


def doors(cls: C) -> C:
    """Return the class with all its public methods and properties, inherited ones too, made doors."""
    for name in dir(cls):
        found = next(vars(base)[name] for base in cls.__mro__ if name in vars(base))
        if name.startswith("_") or isinstance(found, type):
            continue
        called = f"{CALLED.get(cls.__name__, cls.__name__)}.{name}"
        if isinstance(found, property):
            setattr(cls, name, property(door(found.fget, called), doc=found.__doc__) if found.fget else found)
        elif isinstance(found, functools.cached_property):
            made = functools.cached_property(door(found.func, called))
            made.__set_name__(cls, name)
            setattr(cls, name, made)
        elif isinstance(found, (classmethod, staticmethod)):
            setattr(cls, name, type(found)(door(found.__func__, f"{called}()")))
        elif callable(found):
            setattr(cls, name, door(found, f"{called}()"))
    return cls


def _is_lack_of_memory(error: Exception) -> bool:
    """Return whether an error is that memory ran out: of numbers, of a system call, or of a library that is loaded."""
    if isinstance(error, ImportError):
        return UNMAPPED in str(error)
    return isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM


def out_of_memory(error: Exception) -> LmmError:
    """Return the error for work that ran out of memory though its size was not foreseen."""
    from lmmtools.errors import LmmError, OutOfMemoryError

    if isinstance(error, LmmError):
        return error
    asked = str(error).strip().rstrip(".") or "the memory that was asked for was not there"
    free = free_memory()
    left = "" if free is None else f"; {say_bytes(free)} are free"
    return OutOfMemoryError(
        f"There is not enough memory: {asked}{left}. Ask for fewer draws, levels or columns at a time, or run it where "
        "there is more memory."
    )


def say_bytes(number: float) -> str:
    """Return a number of bytes as text: ``1.5 GB``, ``340 MB``."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{max(number, 0.0) / 1e6:.0f} MB"


def free_memory() -> float | None:
    """Return the bytes that this process may still take, or None where the system does not say."""
    return min(_read_limits(), default=None)


def _read_limits() -> Iterator[float]:
    """Yield the free bytes under each limit that can be read."""
    if sys.platform == "win32":
        yield from _read_windows()
        return
    yield from _read_machine()
    yield from _read_process()
    yield from _read_cgroups()


def _read_machine() -> Iterator[float]:
    """Yield the free bytes of the machine, swap included; its size where no more is known."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        yield 1024.0 * sum(int(fields[name].split()[0]) for name in ("MemAvailable", "SwapFree"))
    except (OSError, KeyError, ValueError):
        import os

        try:
            yield float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError):
            return


def _read_process() -> Iterator[float]:
    """Yield the free bytes under the limit of the process's address space (``ulimit -v``)."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return
    try:
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        used = 0
    yield float(limit - used)


def _read_cgroups() -> Iterator[float]:
    """Yield the free bytes under the limits of the process's control groups: containers and batch systems."""
    try:
        own = OWN_CGROUPS.read_text("ascii").splitlines()
    except OSError:
        return
    for line in own:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            home, limit, usage, cache = CGROUPS, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            home, limit, usage = CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        group = home / path.lstrip("/")
        for at in (group, *group.parents):
            yield from _read_cgroup(at, limit, usage, cache)
            if at == home:
                break


def _read_cgroup(at: Path, limit: str, usage: str, cache: str) -> Iterator[float]:
    """Yield the free bytes under the limit of one control group, if it has one."""
    try:
        most = float((at / limit).read_text("ascii"))  # "max" means no limit, and fails here
        used = float((at / usage).read_text("ascii"))
        lines = (at / "memory.stat").read_text("ascii").splitlines()
        # Cached files are given up when memory is needed.
        yield most - used + sum(float(line.split()[1]) for line in lines if line.split()[0] == cache)
    except (OSError, ValueError, IndexError):
        return


def _read_windows() -> Iterator[float]:
    """Yield the free bytes by Windows, page file included."""
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in WINDOWS_FIELDS),
        )

    status = Status(length=ctypes.sizeof(Status))
    if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined,unused-ignore]
        yield float(min(status.free_page, status.free_own))
