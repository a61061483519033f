"""A mixed model in words, a sentence for each part."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from lmmtools.design.factors import count_pairs, is_nested
from lmmtools.formula.algebra import expand
from lmmtools.formula.expressions import fold_calls
from lmmtools.formula.tokens import tokenize
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.formula.terms import ModelFormula, RandomTerm

__all__ = ["describe_model", "fixed_terms"]

# Pairs of so many factors are still read.
MAX_FACTORS = 6


def describe_model(formula: ModelFormula, design: Design | None) -> tuple[str, ...]:
    """Return what a model says, sentence by sentence, with numbers of levels and nesting where there are data."""
    blocks: list[Block | None] = [None] * len(formula.random)
    if design is not None:
        blocks = [next(b for b in design.blocks if b.term is t or b.term == t) for t in formula.random]
    out = [_mean(formula, design)]
    out += [_effects(t, None if b is None else b.m) for t, b in zip(formula.random, blocks, strict=True)]
    if design is not None:
        out += _structure(design)
    weighted = design is not None and design.weights is not None
    out.append(
        "What is left of each row is independent normal noise of "
        + ("variance sigma^2 / weight." if weighted else "one variance, sigma^2.")
    )
    return tuple(out)


def _mean(formula: ModelFormula, design: Design | None) -> str:
    intercept, variables = fixed_terms(formula.fixed)
    columns = "" if design is None else f" ({design.p} fixed effect{'s' * (design.p != 1)}, {design.n} rows)"
    offset = " plus a known offset" if formula.offsets or (design is not None and design.offset is not None) else ""
    mean = f"The mean of {formula.response} is "
    if not variables:
        return f"{mean}{'a constant' if intercept else 'zero'}{offset}{columns}."
    listed = join_with_and(variables)
    return f"{mean}linear in {listed}{', with a constant' if intercept else ', without a constant'}{offset}{columns}."


def fixed_terms(text: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether a fixed part has the constant, and its other terms."""
    return expand(fold_calls(tokenize(text), text, trusted=True), text)


def _effects(term: RandomTerm, m: int | None) -> str:
    names = ["intercept"] * term.intercept + [f"effect of {v}" for v in term.variables]
    each = " and ".join(term.factors)
    each = f"Each {each}" if len(term.factors) == 1 else f"Each combination of {each}"
    levels = "" if m is None else f" ({m})"
    if len(names) == 1:
        return f"{each}{levels} has its own {names[0]}, drawn from a normal distribution of one variance."
    own = f"{each}{levels} has its own {join_with_and(names)}"
    return f"{own}, drawn together from a normal distribution: they may be correlated."


def _structure(design: Design) -> list[str]:
    firsts = [design.blocks[i[0]] for i in design.factors.values()]
    if len(firsts) > MAX_FACTORS:
        return []
    return [sentence for a, b in combinations(firsts, 2) for sentence in _relation(a, b)]


def _relation(a: Block, b: Block) -> list[str]:
    inside, outside = is_nested(a.codes, b.codes), is_nested(b.codes, a.codes)
    if inside and outside:
        return [f"{a.group} and {b.group} split the rows alike."]
    if inside or outside:
        inner, outer = (a, b) if inside else (b, a)
        return [f"{inner.group} is nested in {outer.group}: each of its levels lies within one of {outer.group}."]
    met, possible = len(count_pairs(a.codes, b.codes)[0]), a.m * b.m
    if met == possible:
        return [f"{a.group} and {b.group} are crossed: every level of one meets every level of the other."]
    return [f"{a.group} and {b.group} are partially crossed: {met} of {possible} combinations occur."]
