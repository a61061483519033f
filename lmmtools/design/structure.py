"""What the data show about the factors of a study, and the random effects that the factors stand for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.factors import Factor, FactorCounts, Islands, combine_factors, connected_components, encode_factor
from lmmtools.design.findings import find_structure_findings
from lmmtools.design.frame import as_frame, is_missing, kind_of, need_columns
from lmmtools.design.relations import Pair, relate
from lmmtools.errors import DataError
from lmmtools.formula.tokens import quote_name
from lmmtools.sentences import join_with_and
from lmmtools.sources import read_small

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.factors import FactorCounts
    from lmmtools.design.findings import Finding
    from lmmtools.design.incidence import Incidence, Order
    from lmmtools.design.relations import Pair
    from lmmtools.sources import Source


__all__ = ["FactorStructure", "Suggestion", "examine"]

PAIR_COLUMNS = [
    "a",
    "b",
    "relation",
    "by_labels",
    "inner",
    "outer",
    "a_levels",
    "b_levels",
    "cells",
    "possible",
    "share",
    "min_rows",
    "max_rows",
    "islands",
]


@dataclass(frozen=True, slots=True, eq=False)
class FactorStructure:
    """The factors of a study and how they relate, as the data show it.

    ``lmmtools.structure`` returns it as a ``Structure``, where the attributes are described.
    """

    n_rows: int
    n_missing: int
    factors: tuple[FactorCounts, ...]
    pairs: tuple[Pair, ...]
    components: Islands
    cell_counts: NDArray[np.intp]
    findings: tuple[Finding, ...]
    suggestion: Suggestion | None

    def pair(self, a: str, b: str) -> Pair:
        """Return how factors ``a`` and ``b`` relate, in either order.

        Raises
        ------
        KeyError
            If they are not two of the factors.
        """
        for pair in self.pairs:
            if {pair.a, pair.b} == {a, b}:
                return pair
        raise KeyError(f"{a!r} and {b!r} are not two of the factors {[f.name for f in self.factors]}")

    def incidence(self, a: str, b: str, order: Order = "structure") -> Incidence:
        """Return the combinations of levels of ``a`` and ``b`` at their places in an ordered table, for pictures.

        Parameters
        ----------
        a, b : str
            Two of the factors: ``a`` goes down, ``b`` across.
        order : {"structure", "levels"}
            ``"structure"``: levels in an order that shows nesting, crossing and islands; ``"levels"``: their own.

        Raises
        ------
        DataError
            If they are not two of the factors, or there is no such order.
        """
        from lmmtools.design.incidence import build_incidence

        names = [f.name for f in self.factors]
        if a == b or a not in names or b not in names:
            raise DataError(f"{a!r} and {b!r} are not two of the factors {', '.join(names)}.")
        if order not in ("structure", "levels"):
            raise DataError(f"order is 'structure' or 'levels', not {order!r}.")
        return build_incidence(self.pair(a, b), a, order)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair of factors.

        Columns: ``a``, ``b``, ``relation``, ``by_labels`` (the relation if equal labels are equal levels), ``inner``,
        ``outer``, ``a_levels``, ``b_levels``, ``cells`` (combinations that occur), ``possible``, ``share``,
        ``min_rows`` and ``max_rows`` (of a combination that occurs), ``islands``.
        """
        import pandas as pd

        rows = [
            {
                "a": p.a,
                "b": p.b,
                "relation": p.relation,
                "by_labels": p.by_labels,
                "inner": p.inner,
                "outer": p.outer,
                "a_levels": len(p.a_levels),
                "b_levels": len(p.b_levels),
                "cells": p.n_cells,
                "possible": p.n_possible,
                "share": p.n_cells / p.n_possible,
                "min_rows": p.count_min,
                "max_rows": p.count_max,
                "islands": p.n_components,
            }
            for p in self.pairs
        ]
        return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def examine(data: Any, factors: str | Sequence[str | tuple[str, ...]]) -> FactorStructure:
    """Return how the factors of ``data`` relate; see :func:`lmmtools.structure`.

    Parameters
    ----------
    data : DataFrame
        A pandas frame, or anything narwhals accepts.
    factors : sequence of str or tuple of str
        Columns; an interaction is ``"a:b"`` or ``("a", "b")``.

    Raises
    ------
    DataError
        If a column is missing, no factor is given or one twice, or no row has a value in every factor.
    """
    given = list(factors) if isinstance(factors, Iterable) and not isinstance(factors, str) else [factors]
    if not given:
        raise DataError("structure() needs at least one factor: a column name, 'a:b', or ('a', 'b').")
    frame = as_frame(data)
    columns = [_columns_of_factor(factor, frame) for factor in given]
    names = [":".join(c) for c in columns]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise DataError(f"The factor {repeated!r} is given twice; give each factor once.")
    frame, n_missing = _leave_out_incomplete(frame, sorted({c for cs in columns for c in cs}))
    encoded = [combine_factors([encode_factor(frame[c]) for c in cs]) for cs in columns]
    return _relate_all(frame, n_missing, names, columns, encoded)


def read_factors(source: Source, factors: str | Sequence[str | tuple[str, ...]]) -> pd.DataFrame:
    """Return the rows of a source: all columns where memory holds them well, else those of the factors.

    Raises
    ------
    DataError
        If these are too many for memory.
    """
    whole = read_small(source, source.columns, is_spread_too=True)
    if whole is not None:
        return whole
    given = list(factors) if isinstance(factors, Iterable) and not isinstance(factors, str) else [factors]
    names = pd.DataFrame(columns=list(source.columns))
    columns = sorted({c for factor in given for c in _columns_of_factor(factor, names)})
    found = read_small(source, columns, is_spread_too=True)
    if found is None:
        raise DataError(
            f"structure() needs {join_with_and(columns)} of all rows in memory, and {source.name} has more rows than "
            "that. Give a part of them, whose levels meet as in all: the rows of some levels."
        )
    return found


def _relate_all(
    frame: pd.DataFrame,
    n_missing: int,
    names: list[str],
    columns: list[tuple[str, ...]],
    encoded: list[Factor],
) -> FactorStructure:
    ids = _code_id_columns(frame)
    pairs = tuple(
        relate(
            (names[i], names[j]),
            (encoded[i], encoded[j]),
            {k: v for k, v in ids.items() if k not in columns[i] + columns[j]},
        )
        for i, j in combinations(range(len(names)), 2)
    )
    counts = tuple(
        FactorCounts(name, cs, f.levels, np.bincount(f.codes, minlength=len(f.levels)).astype(np.intp))
        for name, cs, f in zip(names, columns, encoded, strict=True)
    )
    number = connected_components([f.codes for f in encoded], [len(f.levels) for f in encoded])
    joint = encoded[0].codes
    for factor in encoded[1:]:
        cells = joint.astype(np.int64) * len(factor.levels) + factor.codes
        joint = np.unique(cells, return_inverse=True)[1].ravel().astype(np.intp)
    return FactorStructure(
        n_rows=len(frame),
        n_missing=n_missing,
        factors=counts,
        pairs=pairs,
        components=Islands(number, np.bincount(number).astype(np.intp)),
        cell_counts=np.bincount(joint)[np.unique(joint)].astype(np.intp),
        findings=find_structure_findings(counts, pairs, len(frame), n_missing),
        suggestion=_suggest_terms(counts, pairs, len(frame)),
    )


def _columns_of_factor(factor: str | tuple[str, ...], frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of a factor; a name with a colon is one column if there is such a column."""
    if isinstance(factor, str):
        names = (factor,) if factor in frame.columns else tuple(part.strip() for part in factor.split(":"))
    else:
        names = tuple(factor) if isinstance(factor, (tuple, list)) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise DataError(f"A factor is a column name, 'a:b' or ('a', 'b'), not {factor!r}.")
    need_columns(frame, names, "structure()")
    return names


def _leave_out_incomplete(frame: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, int]:
    """Return the rows that have a value in each column, and how many have not."""
    lost = np.zeros(len(frame), dtype=bool)
    for column in columns:
        lost |= is_missing(frame[column])
    if lost.all():
        reason = "The data have no rows." if len(frame) == 0 else f"No row has a value in each of {', '.join(columns)}."
        raise DataError(f"{reason} Check how the data were read.")
    return (frame[~lost], int(lost.sum())) if lost.any() else (frame, 0)


def _code_id_columns(frame: pd.DataFrame) -> dict[str, NDArray[np.intp]]:
    """Return the codes of the columns that could number combinations: labels and integers without missing values."""
    import pandas as pd

    codes: dict[str, NDArray[np.intp]] = {}
    for name in frame.columns[~frame.columns.duplicated(keep=False)]:
        column = frame[name]
        is_whole = pd.api.types.is_integer_dtype(column.dtype)
        if (is_whole or kind_of(column) == "factor") and not is_missing(column).any():
            try:
                codes[str(name)] = pd.factorize(column)[0].astype(np.intp)
            except TypeError:  # values that cannot be hashed cannot number combinations
                continue
    return codes


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Random intercepts for factors.

    Attributes
    ----------
    formula : str
        Terms of an lme4 formula, ``"(1 | batch/cask)"``.
    declaration : str
        The same as Python code, ``"nested('batch', 'cask')"``.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.structure(lmt.datasets.load("Penicillin"), ["plate", "sample"])
    >>> found.suggestion.declaration
    "crossed('plate', 'sample')"
    """

    formula: str
    declaration: str

    def __str__(self) -> str:
        return f"{self.formula}, that is {self.declaration}"


@dataclass(frozen=True, slots=True)
class _Chain:
    """Factors, outermost first, each nested in the one before; a single factor alone."""

    factors: tuple[FactorCounts, ...]

    @property
    def formula(self) -> str:
        if len(self.factors) == 1:
            return f"(1 | {':'.join(map(quote_name, self.factors[0].columns))})"
        return f"(1 | {'/'.join(quote_name(f.name) for f in self.factors)})"


def _suggest_terms(factors: Sequence[FactorCounts], pairs: Sequence[Pair], n_rows: int) -> Suggestion | None:
    """Return random intercepts for the factors that can have one, None if none can.

    A factor with one level, or with one row per level, is left out, and the second of two that split the rows alike.
    """
    usable = {f.name: f for f in factors if 1 < f.m < n_rows}
    for pair in pairs:
        if pair.relation == "equivalent" and pair.a in usable:
            usable.pop(pair.b, None)
    if not usable:
        return None
    chains = [_Chain(tuple(usable[name] for name in chain)) for chain in _split_into_chains(usable, pairs)]
    return Suggestion(" + ".join(chain.formula for chain in chains), _write_declaration(chains))


def _split_into_chains(usable: dict[str, FactorCounts], pairs: Sequence[Pair]) -> list[list[str]]:
    """Return the factors as chains of nesting, each factor in one chain."""
    outers: dict[str, set[str]] = {name: set() for name in usable}
    done: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.inner not in usable or pair.outer not in usable or pair.inner is None or pair.outer is None:
            continue
        if pair.relation == "nested":
            outers[pair.inner].add(pair.outer)
        elif pair.inner not in done and pair.outer not in done:
            done[pair.outer] = done[pair.inner] = [pair.outer, pair.inner]
            # A column that numbers the combinations is the inner factor under another name.
            if pair.reuse is not None and pair.reuse.column in usable:
                done[pair.reuse.column] = []
    inners = {outer for names in outers.values() for outer in names}
    for name in sorted(usable, key=lambda name: name in inners):
        chain = [*sorted(outers[name], key=lambda outer: len(outers[outer])), name]
        is_line = all(set(chain[:i]) == outers[link] for i, link in enumerate(chain))
        is_plain = all(len(usable[link].columns) == 1 for link in chain)
        if len(chain) > 1 and is_line and is_plain and name not in inners and not any(c in done for c in chain):
            done.update(dict.fromkeys(chain, chain))
    chains = [done.get(name, [name]) for name in usable]
    return [chain for i, chain in enumerate(chains) if chain and chain not in chains[:i]]


def _write_declaration(chains: Iterable[_Chain]) -> str:
    """Return the chains as calls: single columns together in one ``crossed``."""
    calls: list[str] = []
    singles: list[str] = []
    for chain in chains:
        if len(chain.factors) > 1:
            calls.append(f"nested({', '.join(repr(f.name) for f in chain.factors)})")
        elif len(chain.factors[0].columns) > 1:
            calls.append(f"random({chain.factors[0].columns!r})")
        else:
            singles.append(repr(chain.factors[0].name))
    return " + ".join([f"crossed({', '.join(singles)})"] * bool(singles) + calls)
