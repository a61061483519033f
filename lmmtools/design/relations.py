"""How two factors relate: nested, crossed, partially crossed, or the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.design.components import connected_components, count_pairs
from lmmtools.design.labels import Reuse, find_reuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.factors import Factor

__all__ = ["Pair", "relate", "tell_apart"]

Relation = Literal["equivalent", "nested", "implicitly nested", "crossed", "partially crossed"]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """How two factors relate on the rows used.

    Attributes
    ----------
    a, b : str
        The factors.
    relation : str
        ``"nested"``: each level of ``inner`` occurs within one level of ``outer``; ``"crossed"``: every combination of
        levels occurs; ``"partially crossed"``: some combinations; ``"implicitly nested"``: crossed by their labels,
        wholly or partly, but the data suggest that ``inner``'s labels are reused within each level of ``outer``;
        ``"equivalent"``: the two split the rows alike.
    inner, outer : str or None
        Which is within which, for the nested relations.
    a_levels, b_levels : pandas.Index, shapes (m_a,) and (m_b,)
        Labels of the levels.
    a_codes, b_codes, counts : ndarray of intp, shape (cells,)
        The combinations that occur and their numbers of rows, by a, then by b.
    n_components : int
        Sets of levels of the two factors that no row joins.
    reuse : Reuse or None
        Signs that labels are reused: strong ones make the relation ``"implicitly nested"``, weak ones are a caution.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.structure(lmt.datasets.load("Penicillin"), ["plate", "sample"])
    >>> found.pairs[0].is_one_per_cell, found.pairs[0].n_cells
    (True, 144)
    """

    a: str
    b: str
    relation: Relation
    inner: str | None
    outer: str | None
    a_levels: pd.Index[Any]
    b_levels: pd.Index[Any]
    a_codes: NDArray[np.intp]
    b_codes: NDArray[np.intp]
    counts: NDArray[np.intp]
    n_components: int
    reuse: Reuse | None = None

    @property
    def n_cells(self) -> int:
        """Combinations of levels that occur."""
        return len(self.counts)

    @property
    def n_possible(self) -> int:
        """Combinations of levels that there could be."""
        return len(self.a_levels) * len(self.b_levels)

    @property
    def count_min(self) -> int:
        """Fewest rows of a combination that occurs."""
        return int(self.counts.min())

    @property
    def count_max(self) -> int:
        """Most rows of a combination."""
        return int(self.counts.max())

    @property
    def is_one_per_cell(self) -> bool:
        """Whether no combination has two rows, so that the interaction cannot be told from the residual."""
        return self.count_max == 1

    @property
    def by_labels(self) -> Literal["equivalent", "nested", "crossed", "partially crossed"]:
        """The relation if labels are taken at their word: equal labels, equal levels."""
        if self.relation != "implicitly nested":
            return self.relation
        return "crossed" if self.n_cells == self.n_possible else "partially crossed"


def tell_apart(pair: Pair) -> Pair:
    """Return the outer factor of a pair that labels make implicitly nested, with the combinations as the inner one.

    Parameters
    ----------
    pair : Pair
        One with ``inner`` and ``outer``.
    """
    import pandas as pd

    is_outer_first = pair.outer == pair.a
    levels, codes = (pair.a_levels, pair.a_codes) if is_outer_first else (pair.b_levels, pair.b_codes)
    inner_levels, inner_codes = (pair.b_levels, pair.b_codes) if is_outer_first else (pair.a_levels, pair.a_codes)
    order = np.lexsort((inner_codes, codes))
    codes, inner_codes, counts = codes[order], inner_codes[order], pair.counts[order]
    labels = [f"{levels[i]}:{inner_levels[j]}" for i, j in zip(codes, inner_codes, strict=True)]
    outer, inner = str(pair.outer), f"{pair.outer}:{pair.inner}"
    cells = np.arange(len(codes), dtype=np.intp)
    return Pair(outer, inner, "nested", inner, outer, levels, pd.Index(labels), codes, cells, counts, len(levels), None)


def relate(names: tuple[str, str], factors: tuple[Factor, Factor], ids: Mapping[str, NDArray[np.intp]]) -> Pair:
    """Return how two factors relate.

    Parameters
    ----------
    names : (str, str)
        Their names.
    factors : (Factor, Factor)
        Their codes on the same rows.
    ids : mapping of str to ndarray of intp, shape (n,)
        Codes of other columns that could number the combinations of the two.
    """
    a, b = factors
    a_codes, b_codes, counts = count_pairs(a.codes, b.codes)
    m_a, m_b, cells = len(a.levels), len(b.levels), len(counts)
    # A level of a factor occurs in one combination only just where there are as many combinations as levels.
    relation: Relation
    inner, outer = None, None
    if cells == m_a == m_b:
        relation = "equivalent"
    elif cells == m_b:
        relation, inner, outer = "nested", names[1], names[0]
    elif cells == m_a:
        relation, inner, outer = "nested", names[0], names[1]
    else:
        relation = "crossed" if cells == m_a * m_b else "partially crossed"
    reuse = None
    if relation in ("crossed", "partially crossed"):
        reuse = find_reuse(names, factors, (a_codes, b_codes, counts), ids)
    if reuse is not None and reuse.is_strong:
        relation, inner, outer = "implicitly nested", reuse.inner, reuse.outer
    islands = int(connected_components([a_codes, b_codes], [m_a, m_b]).max()) + 1
    return Pair(
        names[0], names[1], relation, inner, outer, a.levels, b.levels, a_codes, b_codes, counts, islands, reuse
    )
