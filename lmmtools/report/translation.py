"""One model in every notation: lme4, lmmtools, MixedLM, words, LaTeX."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lmmtools.design.build import build_design
from lmmtools.engines import mixedlm
from lmmtools.engines.mixedlm.reading import as_design
from lmmtools.engines.mixedlm.sketch import sketch_call
from lmmtools.errors import DataError, FormulaError, TranslationError
from lmmtools.formula.declare import Declaration
from lmmtools.formula.notation import write_call, write_lme4
from lmmtools.formula.parser import parse
from lmmtools.formula.terms import ModelFormula
from lmmtools.report.equation import Effects, Equation, write_equation
from lmmtools.report.wording import describe_model, fixed_terms

if TYPE_CHECKING:
    from lmmtools.design.matrices import Design
    from lmmtools.engines.mixedlm import MixedLMReading, MixedLMSpec
    from lmmtools.formula.terms import RandomTerm

__all__ = ["NOTATIONS", "Translation", "model_equation", "translate_model"]

# Field of a Translation -> its heading.
NOTATIONS = {
    "lme4": "lme4",
    "declaration": "lmmtools",
    "mixedlm": "statsmodels",
    "words": "In words",
    "latex": "LaTeX",
}


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
        What the model says, a sentence a line.
    latex : str
        The equation, an ``aligned`` block for math mode.
    notes : tuple of str
        Why a notation is missing, and where one is not the whole truth.
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
        parts = [f"{heading}:\n{_indent(text)}" for heading, text in self._texts()]
        return "\n\n".join([*parts, *(f"Note: {note}" for note in self.notes)])

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
        return _from_design(design.formula, design)
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
        return _from_design(formula, build_design(formula, data))
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
        return mixedlm.write_spec(design, mixedlm.plan(design)), ()
    except TranslationError as error:
        return None, (f"No MixedLM call: {error}",)


def _from_mixedlm(model: Any) -> Translation:
    """Translate what a MixedLM model is, not what its call looks like."""
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
    """Return the declared formula that comes nearest to a model without an lme4 form."""
    terms = tuple(p.term for c in reading.components for p in c.pieces)
    return ModelFormula(reading.response, reading.fixed, terms, source=reading.formula)


# -- equations --------------------------------------------------------------------------------------------------------


def model_equation(formula: ModelFormula, design: Design | None = None) -> Equation:
    """Return the equation of a model, with columns and numbers of levels where there are data."""
    if design is None:
        effects = [Effects(t.group, _effect_names(t), None, k) for k, t in enumerate(formula.random, 1)]
        names = _fixed_names(formula.fixed)
        return Equation(formula.response, tuple(names), tuple(effects), has_offset=bool(formula.offsets))
    ones = (design.X == 1.0).all(axis=0)
    columns = (None if is_one else name for name, is_one in zip(design.x_names, ones, strict=True))
    places = [next(i for i, b in enumerate(design.blocks) if b.term == t) for t in formula.random]
    first = {i: members[0] for members in design.shared for i in members}
    owners = list(dict.fromkeys(first.get(i, i) for i in places))
    effects = [
        Effects(b.group, _cnames(b.cnames), b.m, owners.index(first.get(i, i)) + 1)
        for i, b in ((i, design.blocks[i]) for i in places)
    ]
    return Equation(
        formula.response,
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
    return [*([None] if intercept else []), *variables]


def _effect_names(term: RandomTerm) -> tuple[str | None, ...]:
    return (*((None,) if term.intercept else ()), *term.variables)


def _cnames(names: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(None if name == "(Intercept)" else name for name in names)
