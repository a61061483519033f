"""Rows that are not in memory: the records of a batch of them, and what stands for their arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from lmmtools.errors import RowsNeededError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.sparse_columns import Matrix

    Floats = NDArray[np.float64]

__all__ = ["RowBatch", "RowsElsewhere"]


@dataclass(frozen=True, slots=True, eq=False)
class RowBatch:
    """Some consecutive rows of a design.

    Attributes
    ----------
    y : ndarray, shape (r,)
        Response, in its units.
    X : ndarray or SparseColumns, shape (r, p)
    weights, offset : ndarray, shape (r,), or None
    codes : tuple of ndarray of intp, each (r,)
        Level of each row, one array per block.
    bases : tuple of ndarray, each (r, l)
        Basis of each row, one array per block.
    rows : ndarray of intp, shape (r,)
        Position of each row in the data.
    frame : pandas.DataFrame or None
        The columns used; None where only the arrays are wanted.
    """

    y: Floats
    X: Matrix
    weights: Floats | None
    offset: Floats | None
    codes: tuple[NDArray[np.intp], ...]
    bases: tuple[Floats, ...]
    rows: NDArray[np.intp]
    frame: pd.DataFrame | None = None

    @property
    def response(self) -> Floats:
        """The response less the offset, shape (r,)."""
        return self.y if self.offset is None else self.y - self.offset

    def __len__(self) -> int:
        return len(self.y)


class RowsElsewhere:
    """Stands for an array of a value for each row, where rows are read when they are needed: only its shape is known.

    Anything else raises `RowsNeededError`.
    """

    __slots__ = ("name", "shape", "what")

    def __init__(self, what: str, shape: tuple[int, ...], name: str) -> None:
        self.what, self.shape, self.name = what, shape, name

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self.what} of {self.shape[0]} rows of {self.name}>"

    def __reduce__(self) -> Any:
        return RowsElsewhere, (self.what, self.shape, self.name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RowsNeededError(
            f"This needs {self.what} of all {self.shape[0]:,} rows in memory, and the rows are read from {self.name} "
            'when they are needed. fit.augment("out/") writes fitted values, residuals and leverages beside the '
            "columns in one pass; for anything else read the rows that you need, as a frame, and fit the model to them."
        )

    __array__ = __array_ufunc__ = __array_function__ = _refuse
    __getitem__ = __iter__ = __contains__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __matmul__ = __rmatmul__ = __pow__ = __neg__ = __abs__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse
