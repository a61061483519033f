"""How two factors relate: nested, crossed, partially crossed or the same; and signs that labels are reused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.design.factors import connected_components, count_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.factors import Factor


__all__ = ["Pair", "Reuse", "relate", "tell_apart"]

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
        The inner and the outer factor of a nested relation.
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
        """The relation if equal labels are equal levels."""
        if self.relation != "implicitly nested":
            return self.relation
        return "crossed" if self.n_cells == self.n_possible else "partially crossed"


def tell_apart(pair: Pair) -> Pair:
    """Return an implicitly nested pair as a nested one: the combinations of both factors within the outer factor.

    Parameters
    ----------
    pair : Pair
        A pair with ``inner`` and ``outer``.
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
        reuse = _find_reuse(names, factors, (a_codes, b_codes, counts), ids)
    if reuse is not None and reuse.is_strong:
        relation, inner, outer = "implicitly nested", reuse.inner, reuse.outer
    islands = int(connected_components([a_codes, b_codes], [m_a, m_b]).max()) + 1
    return Pair(
        names[0], names[1], relation, inner, outer, a.levels, b.levels, a_codes, b_codes, counts, islands, reuse
    )


# Runs of labels of so many different lengths are hardly an accident of missing combinations.
_MIN_RUN_LENGTHS = 3
_NUMBERED = re.compile(r"(\D*)(\d+)")


@dataclass(frozen=True, slots=True)
class Reuse:
    """Signs that the labels of ``inner`` are reused within each level of ``outer``.

    Attributes
    ----------
    inner, outer : str
        The factors.
    kind : {"numbered", "runs", "generic"}
        ``"numbered"``: another column has a level of its own for each combination; ``"runs"``: each level of ``outer``
        starts its labels over and stops somewhere else; ``"generic"``: the labels merely count, a, b, c or 1, 2, 3.
    column : str or None
        The other column, for ``"numbered"``.
    is_strong : bool
        Whether the sign is strong enough to prefer nesting; otherwise it is a caution.
    example : (str, str, str)
        A label of ``inner`` and two levels of ``outer`` that have it.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> reuse = lmt.structure(lmt.datasets.load("Pastes"), ["batch", "cask"]).pairs[0].reuse
    >>> reuse.inner, reuse.outer, reuse.kind, reuse.example
    ('cask', 'batch', 'numbered', ('a', 'A', 'B'))
    >>> print(reuse.evidence)
    The column sample has a level of its own for each combination of batch and cask.
    """

    inner: str
    outer: str
    kind: Literal["numbered", "runs", "generic"]
    column: str | None
    is_strong: bool
    example: tuple[str, str, str]

    @property
    def condition(self) -> str:
        """The question that only the user can answer, as the condition of a sentence."""
        label, first, second = self.example
        return (
            f"{self.inner} {label} of {self.outer} {first} has nothing to do with "
            f"{self.inner} {label} of {self.outer} {second}"
        )

    @property
    def evidence(self) -> str:
        """What the data show, as a sentence."""
        if self.kind == "numbered":
            both = f"{self.outer} and {self.inner}"
            return f"The column {self.column} has a level of its own for each combination of {both}."
        if self.kind == "runs":
            return f"The labels of {self.inner} start over in each level of {self.outer} and stop at different places."
        return f"The labels of {self.inner} merely count."


def _find_reuse(
    names: tuple[str, str],
    factors: tuple[Factor, Factor],
    cells: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]],
    ids: Mapping[str, NDArray[np.intp]],
) -> Reuse | None:
    """Return the strongest sign that labels are reused in a (partially) crossed pair, None if there is none.

    Parameters
    ----------
    names : (str, str)
        The factors' names.
    factors : (Factor, Factor)
        The factors, on the same rows.
    cells : (a_codes, b_codes, counts), each shape (cells,)
        The combinations that occur.
    ids : mapping of str to ndarray of intp, shape (n,)
        Codes of the columns that might number the combinations.
    """
    a, b = factors
    a_cells, b_cells, counts = cells
    is_replicated = bool(counts.max() > 1)
    # Where no combination has two rows, any column that tells the rows apart would pass for a number of combinations.
    column = _numbering_column(factors, len(counts), ids) if is_replicated else None
    runs = (_count_run_lengths(a.levels, a_cells, b_cells), _count_run_lengths(b.levels, b_cells, a_cells))
    position = _inner_position(factors, runs)
    inner, outer = names[position], names[1 - position]
    if column is not None:
        return Reuse(inner, outer, "numbered", column, True, _find_example(position, factors, cells))
    for k in (position, 1 - position):
        if runs[k] > 1:
            is_strong = is_replicated and runs[k] >= _MIN_RUN_LENGTHS
            return Reuse(names[k], names[1 - k], "runs", None, is_strong, _find_example(k, factors, cells))
    # Nested and unreplicated, the inner factor would be the residual: nobody means that.
    if runs[position] == 1 and len(counts) == len(a.levels) * len(b.levels) and counts.min() > 1:
        return Reuse(inner, outer, "generic", None, False, _find_example(position, factors, cells))
    return None


def _inner_position(factors: tuple[Factor, Factor], runs: tuple[int, int]) -> int:
    """Return which factor would be the inner one: that whose labels count; of two such, the one with fewer levels."""
    a, b = factors
    if (runs[0] > 0) != (runs[1] > 0):
        return 0 if runs[0] else 1
    if (runs[0] > 1) != (runs[1] > 1):
        return 0 if runs[0] > 1 else 1
    return 0 if len(a.levels) < len(b.levels) else 1


def _numbering_column(factors: tuple[Factor, Factor], n_cells: int, ids: Mapping[str, NDArray[np.intp]]) -> str | None:
    """Return the first column that has one level for each combination of the factors, None if there is none."""
    a, b = factors
    cell = a.codes.astype(np.int64) * len(b.levels) + b.codes
    _, cell_codes = np.unique(cell, return_inverse=True)
    for name, codes in ids.items():
        if int(codes.max()) + 1 == n_cells and len(count_pairs(cell_codes.ravel(), codes)[0]) == n_cells:
            return name
    return None


def _count_run_lengths(levels: pd.Index[Any], own: NDArray[np.intp], other: NDArray[np.intp]) -> int:
    """Return the number of different lengths of the runs of labels 1 .. k within the levels of the other factor.

    Zero if the labels do not count, or some level of the other factor does not start at the first or leaves one out.
    """
    places = _places_in_sequence(levels)
    if places is None:
        return 0
    size = np.bincount(other)
    last = np.zeros(len(size), dtype=np.intp)
    np.maximum.at(last, other, places[own])
    # Distinct places starting at 0: as many as the last one says if none is left out.
    return len(np.unique(size)) if bool(np.all(last + 1 == size)) else 0


def _places_in_sequence(levels: pd.Index[Any]) -> NDArray[np.intp] | None:
    """Return the place of each label in the sequence a, b, c or 1, 2, 3 (with a common beginning); None if in none."""
    labels = [str(label) for label in levels]
    numbered = [_NUMBERED.fullmatch(label) for label in labels]
    if all(numbered):
        beginnings = {m.group(1) for m in numbered if m}
        numbers, starts = [int(m.group(2)) for m in numbered if m], (0, 1)
    elif all(len(label) == 1 and label.isalpha() for label in labels):
        beginnings = {""}
        numbers, starts = [ord(label) for label in labels], (ord("a"), ord("A"))
    else:
        return None
    first = min(numbers)
    is_count = first in starts and sorted(numbers) == list(range(first, first + len(numbers)))
    is_one_sequence = len(beginnings) == 1 and len(labels) > 1
    return np.array([n - first for n in numbers], dtype=np.intp) if is_count and is_one_sequence else None


def _find_example(
    position: int,
    factors: tuple[Factor, Factor],
    cells: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]],
) -> tuple[str, str, str]:
    """Return a label of the inner factor and two levels of the outer one that have it."""
    own, other = cells[position], cells[1 - position]
    label = int(np.argmax(np.bincount(own) > 1))
    first, second = other[own == label][:2]
    inner, outer = factors[position].levels, factors[1 - position].levels
    return str(inner[label]), str(outer[first]), str(outer[second])
