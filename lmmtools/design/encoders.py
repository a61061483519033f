"""Model matrices: a sum of terms and columns -> a matrix, and the encoder that makes it of new data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lmmtools.design.formulaic_encoder import FormulaicEncoder, learn_formulaic
from lmmtools.design.plain_encoder import PlainEncoder, learn_plain
from lmmtools.design.sparse_columns import as_array
from lmmtools.errors import DataError
from lmmtools.formula.algebra import expand_terms
from lmmtools.formula.expressions import check_calls, fold_calls
from lmmtools.formula.tokens import quote_name, tokenize

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.sparse_columns import Matrix

__all__ = ["Encoder", "FormulaicEncoder", "PlainEncoder", "learn_columns", "learn_matrix"]

# Both have `column_names` and `encode(frame)`, which returns the matrix (n, p).
Encoder = PlainEncoder | FormulaicEncoder


def learn_matrix(
    text: str, columns: Mapping[str, pd.Series[Any]], n: int, **options: Any
) -> tuple[NDArray[np.float64], Encoder]:
    """Return the matrix of a sum of terms as an array, shape (n, p), and its encoder; options of `learn_columns`."""
    matrix, encoder = learn_columns(text, columns, n, **options)
    return as_array(matrix), encoder


def learn_columns(
    text: str,
    columns: Mapping[str, pd.Series[Any]],
    n: int,
    *,
    constant: str = "Intercept",
    context: Mapping[str, Any] | None = None,
    everything: Mapping[str, pd.Series[Any]] | None = None,
    rows: NDArray[np.intp] | None = None,
    may_be_sparse: bool = False,
    is_part: bool = False,
) -> tuple[Matrix, Encoder]:
    """Return the matrix of a sum of terms on complete cases, shape (n, p), and its encoder.

    Parameters
    ----------
    text : str
        The terms in normal form, ``"1 + x + np.log(z)"``.
    columns : mapping of str to Series, each shape (n,)
        The data by name, without missing values.
    n : int
        Number of rows.
    constant : str
        Name of the constant column.
    context : mapping, optional
        Names beyond the data's that a trusted formula may use; it may call any function. None: it is not trusted.
    everything : mapping of str to Series, optional
        The data before rows with missing values were left out.  R learns ``scale(x)``, ``poly(x, 2)`` and the like from
        all rows that have an x, whatever else they miss, and so do lme4 and statsmodels; without it, from ``columns``.
    rows : ndarray of intp, shape (n,), optional
        Which rows of ``everything`` the columns are: ``lag(x)`` looks at the row before, whether that is one or not.
    may_be_sparse : bool
        Whether large columns of factors are held sparse.
    is_part : bool
        Whether the columns are some rows of many, whose infinite values are counted elsewhere.

    Raises
    ------
    FormulaError
        Terms that are not trusted and call what a formula may not.
    DataError
        A column of dates, a factor with one level, a transform that fails or makes infinite values.
    """
    terms = _plain_terms(text)
    learned = None if terms is None else learn_plain(terms, columns, n, constant, may_be_sparse=may_be_sparse)
    if learned is not None:
        return learned
    if context is None:
        check_calls(text)
    matrix, encoder = learn_formulaic(
        text,
        columns,
        constant,
        context or {},
        everything or {},
        rows,
        may_be_sparse=may_be_sparse,
        is_part=is_part,
    )
    if len(matrix) != n:
        raise DataError(f"{text!r} has {len(matrix)} rows where the data have {n}: it needs a column in it.")
    return matrix, encoder


@lru_cache(maxsize=512)
def _plain_terms(text: str) -> tuple[tuple[str, ...], ...] | None:
    """Return the terms as tuples of column names, ``()`` the constant, None if they hold a call or an offset."""
    tokens = fold_calls(tokenize(text), text, trusted=True)
    if any(t.kind in ("call", "offset") for t in tokens):
        return None
    names = {quote_name(t.text): t.text for t in tokens if t.kind == "name"}
    return tuple(tuple(names[factor] for factor in term) for term in expand_terms(tokens, text))
