"""The random effects that factors stand for, as lme4 writes them and as declarations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmmtools.design.factor_counts import FactorCounts
    from lmmtools.design.relations import Pair

__all__ = ["Suggestion", "suggest"]


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
            return f"(1 | {':'.join(map(_quote, self.factors[0].columns))})"
        return f"(1 | {'/'.join(_quote(f.name) for f in self.factors)})"


def suggest(factors: Sequence[FactorCounts], pairs: Sequence[Pair], n_rows: int) -> Suggestion | None:
    """Return random intercepts for the factors that can have one, None if none can.

    A factor with one level, or with one row per level, is left out, and the second of two that split the rows alike.
    """
    usable = {f.name: f for f in factors if 1 < f.m < n_rows}
    for pair in pairs:
        if pair.relation == "equivalent" and pair.a in usable:
            usable.pop(pair.b, None)
    if not usable:
        return None
    chains = [_Chain(tuple(usable[name] for name in chain)) for chain in _chains(usable, pairs)]
    return Suggestion(" + ".join(chain.formula for chain in chains), _declaration(chains))


def _chains(usable: dict[str, FactorCounts], pairs: Sequence[Pair]) -> list[list[str]]:
    """Split the factors into chains of nesting; no factor is in two."""
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


def _declaration(chains: Iterable[_Chain]) -> str:
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


def _quote(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"
