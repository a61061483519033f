"""Design: the response, X and the blocks of Z of one model on one data set, and their covariance matrices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lmmtools import memory
from lmmtools.design.dropped import describe_lost_rows
from lmmtools.design.rows_elsewhere import RowBatch
from lmmtools.design.sparse_columns import as_array
from lmmtools.design.theta import lambda_factors
from lmmtools.errors import OutOfMemoryError
from lmmtools.formula.terms import factor_parts
from lmmtools.html import facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.design.blocks import Block
    from lmmtools.design.dropped import Dropped
    from lmmtools.design.rows_elsewhere import Stream
    from lmmtools.design.sparse_columns import Matrix
    from lmmtools.formula.terms import ModelFormula


__all__ = ["ColumnsLater", "Design"]

V_COPIES = 4
"""Floats per stored number of V at the peak: it and its index, while it is summed and put in order."""


class _Fitted(Protocol):
    """The parts of a fit that D, R and V need."""

    @property
    def theta(self) -> NDArray[np.float64]: ...

    @property
    def sigma(self) -> float: ...


@dataclass(frozen=True, slots=True, eq=False)
class ColumnsLater:
    """Columns of a table, made a frame when it is looked at: that takes longer than all else to be made of few rows.

    Attributes
    ----------
    arrays : dict of str to ndarray or ExtensionArray, each shape (n,)
        Copies that later changes of the data do not reach.
    index : pandas.Index, shape (n,)
    name : hashable
        Of the columns' index.
    attrs : dict
        The table's.
    """

    arrays: dict[str, Any]
    index: pd.Index[Any]
    name: Any
    attrs: dict[Any, Any]

    def take(self) -> pd.DataFrame:
        """Return the columns."""
        import pandas as pd

        frame = pd.DataFrame(self.arrays, index=self.index, copy=False)
        frame.columns.name, frame.attrs = self.name, self.attrs
        return frame

    def __reduce__(self) -> Any:
        # Elsewhere nobody needs the other columns.
        return _hand_over, (self.take(),)


def _hand_over(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True, eq=False, repr=False)
class Design:
    """Response, fixed-effects matrix and random-effects blocks of one model on one data set.

    Attributes
    ----------
    formula : ModelFormula
        The model formula.
    y : ndarray, shape (n,)
        Response, in its units.
    fixed : ndarray or SparseColumns, shape (n, p)
        Fixed-effects matrix X of full column rank, as it is held: factors of many levels sparse.
    x_names : tuple of str, length p
        Column names as statsmodels writes them (``"Intercept"``, ``"recipe[T.B]"``).
    blocks : tuple of Block
        By decreasing number of levels, in lme4's order, ties included (`blocks.order_blocks`).
    weights : ndarray, shape (n,), or None
        Prior weights; the residual variance of row i is sigma**2 / weights[i].
    offset : ndarray, shape (n,), or None
        Known part of the mean, in y's units.
    rows : ndarray of intp, shape (n,)
        Position in the given data of each row used.
    complete : pandas.DataFrame or ColumnsLater
        What ``frame`` is made of.
    dropped : Dropped
        Rows, columns and levels left out.
    encoder : Encoder
        Makes X of new data; its columns before any were dropped.
    offset_encoders : tuple of Encoder
        Make the formula's offsets of new data.
    offset_column, weights_column : str or None
        The columns given as ``offset=`` and ``weights=``.
    has_given_offset : bool
        Whether an offset was given beside the formula, as a column or as values.
    whole : pandas.DataFrame or None
        All rows of the data, where the fixed part looks at rows before, ``lag(x)``, and some were left out.
    shared : tuple of tuple of int
        Sets of blocks that have one covariance matrix between them; empty except for a MixedLM model that was read.
    streamed : Stream or None
        Where the rows are read from when they are needed; the arrays above then have a shape alone. None: in memory.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.design.n, fit.design.p, fit.design.q
    (30, 1, 6)
    """

    formula: ModelFormula
    y: NDArray[np.float64]
    fixed: Matrix
    x_names: tuple[str, ...]
    blocks: tuple[Block, ...]
    weights: NDArray[np.float64] | None
    offset: NDArray[np.float64] | None
    rows: NDArray[np.intp]
    complete: pd.DataFrame | ColumnsLater
    dropped: Dropped
    encoder: Any = None
    offset_encoders: tuple[Any, ...] = ()
    offset_column: str | None = None
    weights_column: str | None = None
    has_given_offset: bool = False
    shared: tuple[tuple[int, ...], ...] = ()
    whole: pd.DataFrame | None = None
    streamed: Stream | None = None

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Sizes of the design by name, for print."""
        terms = (f"{b.term}: {b.m:,} levels" for b in self.blocks)
        return [
            ("formula", str(self.formula)),
            ("rows", f"{self.n:,}"),
            ("fixed effects", f"{self.p}: {', '.join(self.x_names[:8])}{', ...' if self.p > 8 else ''}"),
            ("random effects", f"{self.q:,}"),
            *((f"term {k}", text) for k, text in enumerate(terms, 1)),
        ]

    def __repr__(self) -> str:
        return f"<Design {self.formula}: {self.n:,} rows, {self.p} fixed effects, {self.q:,} random effects>"

    def _repr_html_(self) -> str:
        return facts("Design", self.contents, (describe_lost_rows(self.dropped),) if self.dropped.n_rows else ())

    @property
    def is_streamed(self) -> bool:
        """Whether the rows are read in batches when they are needed, and not in memory."""
        return self.streamed is not None

    def batches(self, rows: int) -> Iterator[RowBatch]:
        """Yield the rows in order, in batches of at most ``rows``: views of the arrays, or read and coded."""
        if self.streamed is not None:
            for batch in self.streamed.batches(rows):
                yield self.in_blocks(batch)
            return
        for start in range(0, self.n, rows):
            yield self.take_batch(slice(start, start + rows))

    def take_batch(self, s: slice) -> RowBatch:
        """Return consecutive rows of those in memory: views of the arrays."""
        return RowBatch(
            self.y[s],
            self.fixed[s],
            None if self.weights is None else self.weights[s],
            None if self.offset is None else self.offset[s],
            tuple(b.codes[s] for b in self.blocks),
            tuple(b.basis[s] for b in self.blocks),
            self.rows[s],
        )

    def in_blocks(self, batch: RowBatch) -> RowBatch:
        """Return a batch as it was coded with the levels and bases of the blocks: fewer, or of fewer columns."""
        codes: Any = [b.codes for b in self.blocks]
        bases: Any = [b.basis for b in self.blocks]
        return replace(batch, codes=tuple(c.of(batch) for c in codes), bases=tuple(b.of(batch) for b in bases))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The complete cases of the columns used, rows in the given order, index as given."""
        return self.complete.take() if isinstance(self.complete, ColumnsLater) else self.complete

    @property
    def seen(self) -> pd.DataFrame:
        """The rows from which X is made: those used and, where the fixed part has ``lag(x)``, those left out."""
        return self.frame if self.whole is None else self.whole

    def take_used(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of the rows used, given a value for each row of ``seen``."""
        return values if self.whole is None else values[self.rows]

    @cached_property
    @partial(memory.door, called="design.X")
    def X(self) -> NDArray[np.float64]:
        """Fixed-effects matrix of full column rank as an array, shape (n, p)."""
        return as_array(self.fixed)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return int(self.fixed.shape[1])

    @property
    def q(self) -> int:
        """Number of random effects, the columns of Z."""
        return sum(b.q for b in self.blocks)

    @property
    def k(self) -> int:
        """Number of relative covariance parameters theta."""
        return sum(b.k for b in self.blocks)

    @property
    def k_free(self) -> int:
        """Number of covariance parameters that are free: k, those that blocks share counted once."""
        return self.k - sum(self.blocks[i].k for members in self.shared for i in members[1:])

    @cached_property
    def narrower_in_r(self) -> tuple[str, ...]:
        """What ``lmer()`` would leave out of X and of each term's columns, a sentence or two each."""
        from lmmtools.design.encoders import FormulaicEncoder, PlainEncoder
        from lmmtools.design.r_coding import find_narrower, has_all_margins

        sums: list[tuple[Block | None, Any, tuple[str, ...]]]
        sums = [(None, self.encoder, self.x_names), *((b, b.encoder, b.cnames) for b in self.blocks)]
        said = []
        for block, encoder, names in sums:
            is_known = isinstance(encoder, (PlainEncoder, FormulaicEncoder))
            if not is_known or has_all_margins(encoder.factors_by_term()):
                continue
            if self.streamed is not None:
                return tuple(self.streamed.few(self).narrower_in_r)
            columns = self.fixed if block is None else block.basis
            found = find_narrower(encoder, self.frame, columns, names)
            if found is not None:
                said.append(f"{found}" if block is None else f"In {block.term}: {found}")
        return tuple(said)

    @property
    def response(self) -> NDArray[np.float64]:
        """The response y less the offset, shape (n,)."""
        return self.y if self.offset is None else self.y - self.offset

    @cached_property
    @partial(memory.door, called="design.Z")
    def Z(self) -> sparse.csc_array:
        """Random-effects matrix, sparse, shape (n, q): blocks in order, within a block level by level."""
        from scipy import sparse

        return sparse.csc_array(sparse.hstack([b.to_sparse() for b in self.blocks], format="csc"))

    @partial(memory.door, called="design.D()")
    def D(self, result: _Fitted) -> sparse.csc_array:
        """Covariance of the random effects, shape (q, q), in squared units of y."""
        return _random_effects_covariance(self.blocks, result.theta, result.sigma)

    @partial(memory.door, called="design.R()")
    def R(self, result: _Fitted) -> sparse.csc_array:
        """Covariance of the residuals, diagonal, shape (n, n), in squared units of y."""
        return _residual_covariance(self.n, self.weights, result.sigma)

    @partial(memory.door, called="design.V()")
    def V(self, result: _Fitted) -> sparse.csc_array:
        """Marginal covariance of y, Z D Z' + R, shape (n, n), in squared units of y."""
        return _marginal_covariance(self.Z, self.D(result), self.R(result))

    @cached_property
    def factors(self) -> dict[str, tuple[int, ...]]:
        """Grouping factor -> indices of the blocks on it, factors in block order."""
        found: dict[str, list[int]] = {}
        for i, block in enumerate(self.blocks):
            found.setdefault(block.group, []).append(i)
        return {name: tuple(blocks) for name, blocks in found.items()}

    def find_factor(self, name: Any) -> str | None:
        """Return the grouping factor called ``name``, an interaction either way round; None if there is none."""
        parts = factor_parts(str(name))
        return next((factor for factor in self.factors if factor_parts(factor) == parts), None)


def _random_effects_covariance(blocks: Sequence[Block], theta: NDArray[np.float64], sigma: float) -> sparse.csc_array:
    """Return D = sigma**2 Lambda Lambda', shape (q, q), block diagonal with one l x l block per level."""
    from scipy import sparse

    pieces = [
        sparse.kron(sparse.eye_array(block.m), sigma**2 * lam @ lam.T)
        for block, lam in zip(blocks, lambda_factors(theta, blocks), strict=True)
    ]
    return sparse.csc_array(sparse.block_diag(pieces, format="csc"))


def _residual_covariance(n: int, weights: NDArray[np.float64] | None, sigma: float) -> sparse.csc_array:
    """Return R = sigma**2 W^-1, diagonal, shape (n, n)."""
    from scipy import sparse

    variances = np.full(n, sigma**2) if weights is None else sigma**2 / weights
    return sparse.csc_array(sparse.diags_array(variances))


def _marginal_covariance(Z: sparse.csc_array, D: sparse.csc_array, R: sparse.csc_array) -> sparse.csc_array:
    """Return V = Z D Z' + R, shape (n, n)."""
    from scipy import sparse

    ZD = sparse.csr_array(Z @ D)
    # What each row of ZD meets through the rows of Z, an upper bound on the numbers of V.
    pairs = float(np.diff(sparse.csc_array(ZD).indptr).astype(float) @ np.diff(Z.indptr))
    memory.need_memory(
        V_COPIES * min(pairs, float(Z.shape[0]) ** 2),
        OutOfMemoryError,
        f"V, whose {Z.shape[0]:,} rows meet in up to {pairs:,.0f} pairs,",
        "Take fewer rows, or leave out terms whose levels have many: V is for small data.",
    )
    return sparse.csc_array(ZD @ Z.T + R)
