"""A reading in words: one sentence or two for each component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.formula.notation import write_term
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.engines.mixedlm.reading.components import Component, Piece

__all__ = ["describe_components", "describe_groups", "remark"]


def describe_groups(group: str, n_groups: int, n: int) -> str:
    """Return into how many groups MixedLM takes the n rows, as a sentence without full stop."""
    if n_groups == 1:
        return f"{group} makes the groups: all {n} rows are one group"
    return f"{group} makes the groups: {n_groups} of them, independent of each other"


def describe_components(components: Sequence[Component], confounded: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return what a model assumes of its random effects, sentence by sentence, without full stops."""
    return (*(describe_component(c) for c in components), *_describe_confounded(confounded))


def remark(components: Sequence[Component], confounded: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return in what a model is not what its lme4 formula says, and which variances it cannot tell apart."""
    caveats = [f"{c.name}: {caveat}" for c in components for caveat in c.caveats]
    return (*caveats, *_describe_confounded(confounded))


def _describe_confounded(pairs: Sequence[tuple[str, str]]) -> list[str]:
    out = []
    for first, second in pairs:
        if second == "Residual":
            out.append(
                f"{first} has one row for each level: its variance and the residual's cannot be told apart, only "
                "their sum is identified"
            )
        else:
            out.append(f"{first} and {second} are the same effects: only the sum of their variances is identified")
    return out


def describe_component(component: Component) -> str:
    """Return a component in a sentence or two."""
    if not component.pieces:
        return f"{component.name}: nothing, {component.caveats[0]}"
    pieces = "; and ".join(_describe_piece(p) for p in component.pieces)
    sentences = [f"{component.name}: {pieces}"]
    if component.is_crossed_inside and component.factors:
        sentences.append(_inside(component))
    sentences += [f"Not quite: {caveat}" for caveat in component.caveats]
    return ". ".join(sentences)


def _describe_piece(piece: Piece) -> str:
    group = " and ".join(piece.term.factors)
    each = f"each {group}" if len(piece.term.factors) == 1 else f"each combination of {group}"
    names = ["intercept" if c == "(Intercept)" else f"slope of {c}" for c in piece.cnames]
    rows = piece.rows_per_level
    levels = "1 level" if piece.m == 1 else f"{piece.m} levels"
    count = f"{levels}, one row each" if rows.max() == 1 == rows.min() else levels
    if len(names) == 1:
        article = "an" if names[0] == "intercept" else "a"
        return f"{article} {names[0]} for {each} ({count}): {write_term(piece.term)}"
    return f"{join_with_and(names)} for {each}, correlated ({count}): {write_term(piece.term)}"


def _inside(component: Component) -> str:
    factor = ":".join(component.factors)
    return (
        f"Levels of {factor} occur in several levels of {component.group}, but what is declared inside the groups "
        f"starts anew in each: a level of {factor} in one {component.group} has nothing to do with the same level "
        "in another"
    )
