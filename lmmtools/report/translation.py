"""One model in every notation: lme4, lmmtools, MixedLM, words, an equation."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from lmmtools.audience import wrap
from lmmtools.design.build import build_design
from lmmtools.design.factors import count_pairs, is_nested
from lmmtools.design.facts import ones_in_fixed
from lmmtools.design.of_source import build_source_design
from lmmtools.engines import mixedlm
from lmmtools.engines.mixedlm.reading import as_design
from lmmtools.engines.mixedlm.sketch import sketch_call
from lmmtools.errors import DataError, FormulaError, TranslationError
from lmmtools.formula.algebra import expand
from lmmtools.formula.declare import Declaration
from lmmtools.formula.expressions import fold_calls, plain_name
from lmmtools.formula.notation import write_call, write_lme4
from lmmtools.formula.parser import parse
from lmmtools.formula.terms import ModelFormula, parts_of_term
from lmmtools.formula.tokens import tokenize
from lmmtools.report.equation import Effects, Equation, write_equation
from lmmtools.sentences import join_with_and
from lmmtools.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.engines.mixedlm import MixedLMReading, MixedLMSpec
    from lmmtools.formula.terms import RandomTerm

__all__ = ["NOTATIONS", "Translation", "describe_model", "fixed_terms", "model_equation", "translate_model"]

# Field of a Translation -> its heading.
NOTATIONS = {
    "lme4": "lme4",
    "declaration": "lmmtools",
    "mixedlm": "statsmodels",
    "words": "In words",
    "latex": "LaTeX",
}

# With more grouping factors their relations are not described.
MAX_FACTORS = 6


@dataclass(frozen=True, slots=True, repr=False)
class Translation:
    """One model in every notation; ``str()`` prints them all.

    Attributes
    ----------
    lme4 : str
        The formula in lme4's notation, slashes and double bars written out.
    declaration : str
        The call of ``lmt.lmm`` with the random effects declared.
    mixedlm : str or None
        Runnable statsmodels code, given a DataFrame ``data``; None where MixedLM has no such model.
    words : str
        The model in sentences, one per line.
    latex : str
        The equation, an ``aligned`` block for math mode.
    notes : tuple of str
        Why a notation is missing, and what a notation does not show.
    spec : MixedLMSpec or None
        The call as keyword arguments with the data prepared, where data were given.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.translate("y ~ x + (1 | g)").lme4
    'y ~ x + (1|g)'
    """

    lme4: str
    declaration: str
    mixedlm: str | None
    words: str
    latex: str
    notes: tuple[str, ...] = ()
    spec: MixedLMSpec | None = None

    def __str__(self) -> str:
        words = NOTATIONS["words"]
        parts = [
            f"{heading}:\n{wrap(text, '    ') if heading == words else _indent(text)}"
            for heading, text in self._texts()
        ]
        return "\n\n".join([*parts, *(wrap(f"Note: {note}") for note in self.notes)])

    def __repr__(self) -> str:
        return f"<translation of {self.lme4}>"

    def _texts(self) -> list[tuple[str, str]]:
        found = [(heading, getattr(self, name)) for name, heading in NOTATIONS.items()]
        return [(heading, text) for heading, text in found if text]

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{heading}</b></p><pre>{html.escape(text)}</pre>" for heading, text in self._texts()[:-1]]
        notes = [f"<p>{html.escape(note)}</p>" for note in self.notes]
        return "\n".join([*parts, f"$$\n{html.escape(self.latex)}\n$$", *notes])


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


def translate_model(model: Any, data: Any = None) -> Translation:
    """Return a model in every notation; see :func:`lmmtools.translate`."""
    if isinstance(model, str):
        return _from_formula(parse(model), data)
    if isinstance(model, ModelFormula):
        return _from_formula(model, data)
    if isinstance(model, Declaration):
        return _from_formula(ModelFormula("y", "1", model.terms), data)
    if data is not None:
        raise DataError(f"{type(model).__name__} has its data: translate() takes data= beside a formula only")
    design = getattr(model, "design", None)
    if design is not None:
        # What rows show of factors, and MixedLM's call, need the rows.
        is_elsewhere = getattr(design, "streamed", None) is not None
        return _from_formula(design.formula, None) if is_elsewhere else _from_design(design.formula, design)
    if isinstance(model, mixedlm.MixedLMSpec):
        model = mixedlm.make_model(**model.kwargs)
    if hasattr(model, "exog_vc") or hasattr(model, "cov_re"):
        return _from_mixedlm(model)
    raise DataError(
        f"translate() takes an lme4 formula, a declaration, an lmmtools or MixedLM model or result, not "
        f"{type(model).__name__}"
    )


def _from_formula(formula: ModelFormula, data: Any) -> Translation:
    if data is not None:
        source = open_source(data)
        return _from_design(
            formula, build_design(formula, data) if source is None else build_source_design(formula, source)
        )
    call, notes = None, list[str]()
    try:
        call = sketch_call(formula)
    except TranslationError as error:
        notes.append(f"No MixedLM call: {error}")
    return Translation(
        write_lme4(formula),
        write_call(formula),
        call,
        "\n".join(describe_model(formula, None)),
        write_equation(model_equation(formula)),
        tuple(notes),
    )


def _from_design(formula: ModelFormula, design: Design) -> Translation:
    call, notes = _spec(design)
    return Translation(
        write_lme4(formula),
        write_call(formula),
        None if call is None else str(call),
        "\n".join(describe_model(formula, design)),
        write_equation(model_equation(formula, design)),
        notes,
        call,
    )


def _spec(design: Design) -> tuple[MixedLMSpec | None, tuple[str, ...]]:
    try:
        return mixedlm.write_spec(design, mixedlm.lay_out(design)), ()
    except TranslationError as error:
        return None, (f"No MixedLM call: {error}",)


def _from_mixedlm(model: Any) -> Translation:
    """Return the translation of the model that MixedLM fits, which its call may not show."""
    reading = mixedlm.read_model(model)
    words = "\n".join(f"{sentence}." for sentence in reading.words)
    if any(len(c.pieces) > 1 for c in reading.components):
        notes = ("No lme4 formula, declaration or call of one is this model.", *reading.remarks)
        return Translation(
            reading.formula, write_call(_formula(reading)), None, words, _shared_equation(reading), notes
        )
    design = as_design(getattr(model, "model", model), reading).design
    out = _from_design(design.formula, design)
    arrays = () if reading.has_formula else ("the model came as arrays: names stand for their columns",)
    return replace(out, lme4=reading.formula, words=words, notes=(*out.notes, *arrays, *reading.remarks))


def _formula(reading: MixedLMReading) -> ModelFormula:
    """Return the declaration that is nearest to a model without an lme4 form."""
    terms = tuple(p.term for c in reading.components for p in c.pieces)
    return ModelFormula(reading.response, reading.fixed, terms, source=reading.formula)


# -- equations --------------------------------------------------------------------------------------------------------


def model_equation(formula: ModelFormula, design: Design | None = None) -> Equation:
    """Return the equation of a model, with columns and numbers of levels where there are data."""
    if design is None:
        effects = [Effects(t.group, _effect_names(t), None, k) for k, t in enumerate(formula.random, 1)]
        names = _fixed_names(formula.fixed)
        return Equation(plain_name(formula.response), tuple(names), tuple(effects), has_offset=bool(formula.offsets))
    ones = ones_in_fixed(design)
    columns = (None if is_one else name for name, is_one in zip(design.x_names, ones, strict=True))
    places = [next(i for i, b in enumerate(design.blocks) if b.term == t) for t in formula.random]
    first = {i: members[0] for members in design.shared for i in members}
    owners = list(dict.fromkeys(first.get(i, i) for i in places))
    effects = [
        Effects(b.group, _cnames(b.cnames), b.m, owners.index(first.get(i, i)) + 1)
        for i, b in ((i, design.blocks[i]) for i in places)
    ]
    return Equation(
        plain_name(formula.response),
        tuple(columns),
        tuple(effects),
        has_offset=design.offset is not None,
        has_weights=design.weights is not None,
    )


def _shared_equation(reading: MixedLMReading) -> str:
    effects = [
        Effects(p.term.group, _cnames(p.cnames), p.m, k) for k, c in enumerate(reading.components, 1) for p in c.pieces
    ]
    try:
        names = _fixed_names(reading.fixed)
    except FormulaError:
        names = [None, reading.fixed]
    return write_equation(Equation(reading.response, tuple(names), tuple(effects)))


def _fixed_names(text: str) -> list[str | None]:
    intercept, variables = fixed_terms(text)
    return [*([None] if intercept else []), *(plain_name(v) for v in variables)]


def _effect_names(term: RandomTerm) -> tuple[str | None, ...]:
    return (*((None,) if term.intercept else ()), *(plain_name(v) for v in term.variables))


def _cnames(names: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(None if name == "(Intercept)" else name for name in names)


def describe_model(formula: ModelFormula, design: Design | None) -> tuple[str, ...]:
    """Return sentences that describe a model; with data they include numbers of levels and nesting."""
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
    mean = f"The mean of {plain_name(formula.response)} is "
    if not variables:
        return f"{mean}{'a constant' if intercept else 'zero'}{offset}{columns}."
    says = _sum_of(variables) if design is None else _fixed_in_words(variables, design)
    return f"{mean}{says}{', with a constant' if intercept else ', without a constant'}{offset}{columns}."


def _sum_of(variables: Sequence[str]) -> str:
    """Return what a mean is where nothing is known of the columns."""
    names = join_with_and([plain_name(v) for v in variables])
    return f"{'the effect' if len(variables) == 1 else 'a sum of effects'} of {names}"


def _fixed_in_words(variables: Sequence[str], design: Design) -> str:
    """Return what the mean is in terms of numbers, of factors, and of products of both."""
    kinds = {v: [(part, _is_of_levels(part, design)) for part in parts_of_term(v)] for v in variables}
    numbers = [v for v, parts in kinds.items() if not any(is_level for _, is_level in parts)]
    levels = [v for v, parts in kinds.items() if all(is_level for _, is_level in parts)]
    linear = [f"linear in {join_with_and([plain_name(v) for v in numbers])}"] if numbers else []
    for v in variables:
        if v not in numbers and v not in levels:
            slope = ":".join(plain_name(part) for part, is_level in kinds[v] if not is_level)
            factors = [plain_name(part) for part, is_level in kinds[v] if is_level]
            of = f"level of {factors[0]}" if len(factors) == 1 else f"combination of {join_with_and(factors)}"
            linear.append(f"{'with' if linear else 'linear with'} a slope of {slope} for each {of}")
    alone = [f"the levels of {plain_name(v)}" for v in levels if len(kinds[v]) == 1]
    together = [
        f"combinations of {join_with_and([plain_name(p) for p, _ in kinds[v]])}" for v in levels if len(kinds[v]) > 1
    ]
    apart = [f"different between {join_with_and([*alone, *together])}"] if levels else []
    return join_with_and([*([", ".join(linear)] if linear else []), *apart])


def _is_of_levels(part: str, design: Design) -> bool:
    """Return whether a part of a term, ``"Machine"`` or ``"C(nitro)"``, stands for levels and not for a number."""
    name = part.strip().strip("`")
    if "(" in name and not name.startswith("C("):
        return False  # columns of a function, a spline's too, are numbers
    return any(piece.startswith(f"{name}[") for x in design.x_names for piece in parts_of_term(x))


def fixed_terms(text: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether a fixed part has an intercept, and its other terms."""
    return expand(fold_calls(tokenize(text), text, trusted=True), text)


def _effects(term: RandomTerm, m: int | None) -> str:
    names = ["intercept"] * term.intercept + [f"effect of {plain_name(v)}" for v in term.variables]
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
