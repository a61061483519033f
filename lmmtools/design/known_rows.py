"""A matrix that is known for the rows of the fit alone: a model that came as arrays has no recipe for new data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from lmmtools.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KnownRows"]


@dataclass(frozen=True, slots=True)
class KnownRows:
    """Stands for the encoder of a matrix where there is none.

    Attributes
    ----------
    column_names : tuple of str, length p
    what : str
        The matrix, for the message: ``"the fixed-effects part 'bs(x, 4)'"``.
    """

    column_names: tuple[str, ...]
    what: str

    def encode(self, frame: pd.DataFrame) -> NoReturn:
        """Refuse new data.

        Raises
        ------
        DataError
            Always.
        """
        raise DataError(
            f"{self.what} is known for the rows of the fit only, so that {len(frame)} new rows have no prediction. "
            "Declare the model to lmmtools.lmm(), whose results predict."
        )
