"""The hot loops: compiled where the package was built with a compiler, NumPy elsewhere.

Each noun has two modules with the same functions: ``_NOUN.pyx`` and ``numpy_NOUN.py``. What is imported from here is
the compiled one if it is there. The environment variable ``LMMTOOLS_KERNELS`` chooses: ``auto`` (the default),
``numpy``, or ``compiled``, where it is an error if there is none.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from lmmtools.core.kernels import numpy_blocks as blocks
    from lmmtools.core.kernels import numpy_cells as cells
    from lmmtools.core.kernels import numpy_dense as dense
    from lmmtools.core.kernels import numpy_eliminated as eliminated
    from lmmtools.core.kernels import numpy_fronts as fronts
    from lmmtools.core.kernels import numpy_newton as newton
    from lmmtools.core.kernels import numpy_pairs as pairs
    from lmmtools.core.kernels import numpy_sections as sections

__all__ = [
    "NOUNS",
    "VARIABLE",
    "blocks",
    "cells",
    "dense",
    "eliminated",
    "fronts",
    "newton",
    "pairs",
    "routes",
    "sections",
]

VARIABLE = "LMMTOOLS_KERNELS"
"""The environment variable that chooses the route; it is read when the kernels are imported."""

NOUNS = ("blocks", "cells", "dense", "eliminated", "fronts", "newton", "pairs", "sections")
"""The kernels."""

_CHOICES = ("auto", "numpy", "compiled")
_routes: dict[str, str] = {}


def routes() -> dict[str, str]:
    """Return the route of each kernel: ``compiled``, or ``numpy`` with the reason in brackets."""
    return dict(_routes)


def _load(noun: str) -> Any:
    """Return the module of one kernel, as the environment variable and the build have it."""
    wanted = os.environ.get(VARIABLE, "").strip() or "auto"
    if wanted not in _CHOICES:
        raise EngineError(f"The environment variable {VARIABLE} is {wanted!r}; it can be {', '.join(_CHOICES)}.")
    reason = f"{VARIABLE}=numpy"
    if wanted != "numpy":
        try:
            module = importlib.import_module(f"{__name__}._{noun}")
        except (ImportError, TypeError, ValueError) as error:
            # A TypeError says that SciPy's BLAS has another signature than the one it was compiled against.
            missing = isinstance(error, ModuleNotFoundError)
            reason = "not built" if missing else f"{type(error).__name__}: {error}"
            if wanted == "compiled":
                raise EngineError(
                    f"The environment variable {VARIABLE} is 'compiled', and there is no compiled kernel {noun!r}: "
                    f"{reason}. Install lmmtools where there is a C compiler, or leave the variable out."
                ) from error
        else:
            _routes[noun] = "compiled"
            return module
    _routes[noun] = f"numpy ({reason})"
    return importlib.import_module(f"{__name__}.numpy_{noun}")


if not TYPE_CHECKING:
    blocks = _load("blocks")
    cells = _load("cells")
    dense = _load("dense")
    eliminated = _load("eliminated")
    fronts = _load("fronts")
    newton = _load("newton")
    pairs = _load("pairs")
    sections = _load("sections")
