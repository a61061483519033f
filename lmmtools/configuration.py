"""``show_config()``: versions, whether kernels are compiled, and the BLAS libraries with their threads."""

from __future__ import annotations

import platform
from typing import Any, Literal

from lmmtools import memory

__all__ = ["show_config"]


@memory.door
def show_config(mode: Literal["text", "dict"] = "text") -> dict[str, Any] | None:
    """Print the versions, whether compiled kernels or NumPy do the work, and the BLAS libraries with their threads.

    Parameters
    ----------
    mode : {"text", "dict"}
        Whether to print, or to return the same as a dictionary.

    Returns
    -------
    dict or None
        ``versions`` (package to version), ``platform``, ``kernels`` (kernel to route) and ``blas`` (of each library:
        ``library``, ``version``, ``file``, and the ``threads`` that it has outside of a fit); None where it is printed.

    Raises
    ------
    LmmError
        If ``mode`` is neither, or the environment variable ``LMMTOOLS_KERNELS`` cannot be followed.

    See Also
    --------
    Model.fit : The fit, inside of which BLAS takes one thread but for large matrices.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.show_config(mode="dict")
    >>> sorted(found)
    ['blas', 'kernels', 'platform', 'versions']
    >>> set(route.split()[0] for route in found["kernels"].values()) <= {"compiled", "numpy"}
    True
    """
    from lmmtools.core.kernels import routes
    from lmmtools.errors import LmmError
    from lmmtools.report.provenance import versions

    if mode not in ("text", "dict"):
        raise LmmError(f"mode is {mode!r}; it can be 'text', which prints, or 'dict', which returns a dictionary.")
    found = {
        "versions": versions(),
        "platform": f"{platform.machine()}, {platform.system()}",
        "kernels": routes(),
        "blas": _blas(),
    }
    if mode == "dict":
        return found
    print(_as_text(found))
    return None


def _blas() -> list[dict[str, Any]]:
    """Return the BLAS libraries that are loaded, NumPy's and SciPy's."""
    import scipy.linalg.blas  # noqa: F401  # loads the BLAS of SciPy's own
    from threadpoolctl import threadpool_info

    return [
        {
            "library": library["internal_api"],
            "version": library["version"],
            "threads": library["num_threads"],
            "file": library["filepath"],
        }
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]


def _as_text(found: dict[str, Any]) -> str:
    """Return the configuration as lines, a group each."""
    rows = [(name, version) for name, version in found["versions"].items()]
    rows.append(("platform", found["platform"]))
    rows += [(f"kernel {name}", route) for name, route in found["kernels"].items()]
    rows += [
        (f"BLAS {library['library']}", f"{library['version']}, threads {library['threads']}, {library['file']}")
        for library in found["blas"]
    ]
    if not found["blas"]:
        rows.append(("BLAS", "not known to threadpoolctl: its threads are left as they are"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
