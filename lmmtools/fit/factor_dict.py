"""A dictionary keyed by grouping factor, in which ``"cask:batch"`` and ``"batch:cask"`` are the same factor."""

from __future__ import annotations

from typing import TypeVar

from lmmtools.formula.terms import factor_parts

__all__ = ["FactorDict"]

V = TypeVar("V")


class FactorDict(dict[str, V]):
    """Grouping factor -> value, in lme4's order; an interaction is found whichever way round it is written."""

    def __missing__(self, key: str) -> V:
        parts = factor_parts(str(key))
        for name, value in self.items():
            if factor_parts(name) == parts:
                return value
        raise KeyError(f"no grouping factor {key!r}; there are {', '.join(map(repr, self))}")
