"""The Design record: what the data make of a model formula."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from lmmtools.design import covariance
from lmmtools.formula.terms import factor_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.design.blocks import Block
    from lmmtools.formula.terms import ModelFormula

__all__ = ["Design", "Dropped", "name_causes"]


class _Fitted(Protocol):
    """What D, R and V need of a result."""

    @property
    def theta(self) -> NDArray[np.float64]: ...

    @property
    def sigma(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Dropped:
    """What the model frame left out, and why.

    Attributes
    ----------
    n_input : int
        Rows of the data as given.
    rows : dict of str to int
        Rows lost to missing values, by the column (or expression) that had them; a row may count in several.
    n_rows : int
        Rows lost altogether.
    columns : tuple of str
        Columns of X left out because they depend linearly on the ones before them.
    levels : dict of str to tuple of str
        Levels that a factor declares and the used rows do not have.
    undefined : dict of str to str
        Those of ``rows`` that are no missing values but expressions without a value, and what it is:
        ``{"log(z)": "log(z) of a negative number"}``.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.design.dropped
    Dropped(n_input=30, rows={}, n_rows=0, columns=(), levels={}, undefined={})
    """

    n_input: int
    rows: dict[str, int] = field(default_factory=dict)
    n_rows: int = 0
    columns: tuple[str, ...] = ()
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)


class _Lost(Protocol):
    """What `name_causes` needs of a record of rows left out."""

    @property
    def rows(self) -> Mapping[str, int]: ...

    @property
    def undefined(self) -> Mapping[str, str]: ...


def name_causes(dropped: _Lost) -> str:
    """Return what rows were left out for: ``"missing values (x 3) and log(z) of a negative number (75)"``."""
    missing = ", ".join(f"{name} {count}" for name, count in dropped.rows.items() if name not in dropped.undefined)
    causes = [f"missing values ({missing})"] if missing else []
    undefined: dict[str, int] = {}
    for name, cause in dropped.undefined.items():
        undefined[cause] = max(dropped.rows.get(name, 0), undefined.get(cause, 0))
    causes += [f"{cause} ({count})" for cause, count in undefined.items()]
    return " and ".join(causes)


@dataclass(frozen=True, eq=False)
class Design:
    """Response, fixed-effects matrix and random-effects blocks of one model on one data set.

    Attributes
    ----------
    formula : ModelFormula
        What was declared.
    y : ndarray, shape (n,)
        Response, in its units.
    X : ndarray, shape (n, p)
        Fixed-effects matrix of full column rank.
    x_names : tuple of str, length p
        Column names as statsmodels writes them (``"Intercept"``, ``"recipe[T.B]"``).
    blocks : tuple of Block
        By decreasing number of levels, in lme4's order, ties included (`build.order_blocks`).
    weights : ndarray, shape (n,), or None
        Prior weights; the residual variance of row i is sigma**2 / weights[i].
    offset : ndarray, shape (n,), or None
        Known part of the mean, in y's units.
    rows : ndarray of intp, shape (n,)
        Position in the given data of each row used.
    frame : pandas.DataFrame
        The complete cases of the columns used, rows in the given order, index as given.
    dropped : Dropped
        What was left out.
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
        Sets of blocks that have one covariance matrix between them; empty but for a MixedLM model that was read.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.design.n, fit.design.p, fit.design.q
    (30, 1, 6)
    """

    formula: ModelFormula
    y: NDArray[np.float64]
    X: NDArray[np.float64]
    x_names: tuple[str, ...]
    blocks: tuple[Block, ...]
    weights: NDArray[np.float64] | None
    offset: NDArray[np.float64] | None
    rows: NDArray[np.intp]
    frame: pd.DataFrame
    dropped: Dropped
    encoder: Any = None
    offset_encoders: tuple[Any, ...] = ()
    offset_column: str | None = None
    weights_column: str | None = None
    has_given_offset: bool = False
    shared: tuple[tuple[int, ...], ...] = ()
    whole: pd.DataFrame | None = None

    @property
    def seen(self) -> pd.DataFrame:
        """The rows that the fixed part looks at: those used, and where it has ``lag(x)`` those left out as well."""
        return self.frame if self.whole is None else self.whole

    def take_used(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rows used, of values for each row of ``seen``."""
        return values if self.whole is None else values[self.rows]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return int(self.X.shape[1])

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
        """What ``lmer()`` would leave out of X and of the columns of random effects, a sentence or two for each."""
        from lmmtools.design.encoders import FormulaicEncoder, PlainEncoder
        from lmmtools.design.r_coding import find_narrower

        sums = [("", self.encoder, self.X, self.x_names)]
        sums += [(f"In {b.term}: ", b.encoder, b.basis, b.cnames) for b in self.blocks]
        return tuple(
            f"{where}{found}"
            for where, encoder, columns, names in sums
            if isinstance(encoder, (PlainEncoder, FormulaicEncoder))
            and (found := find_narrower(encoder, self.frame, columns, names)) is not None
        )

    @property
    def response(self) -> NDArray[np.float64]:
        """The response y less the offset, shape (n,)."""
        return self.y if self.offset is None else self.y - self.offset

    @cached_property
    def Z(self) -> sparse.csc_array:
        """Random-effects matrix, sparse, shape (n, q): blocks in order, within a block level by level."""
        from scipy import sparse

        return sparse.csc_array(sparse.hstack([b.to_sparse() for b in self.blocks], format="csc"))

    def D(self, result: _Fitted) -> sparse.csc_array:
        """Covariance of the random effects, shape (q, q), in squared units of y."""
        return covariance.random_effects_covariance(self.blocks, result.theta, result.sigma)

    def R(self, result: _Fitted) -> sparse.csc_array:
        """Covariance of the residuals, diagonal, shape (n, n), in squared units of y."""
        return covariance.residual_covariance(self.n, self.weights, result.sigma)

    def V(self, result: _Fitted) -> sparse.csc_array:
        """Marginal covariance of y, Z D Z' + R, shape (n, n), in squared units of y."""
        return covariance.marginal_covariance(self.Z, self.D(result), self.R(result))

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
