"""The text of a MixedLM call: its arguments, and the terms of its patsy formulas."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from lmmtools.errors import FormulaError
from lmmtools.formula.algebra import expand_terms
from lmmtools.formula.checking import read_python
from lmmtools.formula.expressions import fold_calls
from lmmtools.formula.tokens import tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DeclaredComponent",
    "FitCall",
    "MixedLMCall",
    "Part",
    "Side",
    "Use",
    "columns_in",
    "is_formula",
    "read_side",
    "split_formula",
]

_TERMS = re.compile(r"C\(\w+\)|\w+(\s*[:/+*|]\s*\w+)+")


@dataclass(frozen=True, slots=True)
class FitCall:
    """The arguments of ``model.fit(...)`` or ``model.fit_regularized(...)``.

    Attributes
    ----------
    keywords : tuple of str
        Names of the arguments that are given.
    method : tuple of str or None
        Optimisers; None if not given, or not shown by the text.
    reml : bool or None
        None if not shown by the text.
    is_penalised : bool
        Whether a penalty moves the fixed effects: ``fit_regularized`` with an ``alpha``, or ``fit(fe_pen=...)``.
    """

    keywords: tuple[str, ...] = ()
    method: tuple[str, ...] | None = None
    reml: bool | None = True
    is_penalised: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """What the code does with a figure of a result that it is no good for.

    Attributes
    ----------
    code : str
        Of the finding.
    text : str
        The expression, as the code writes it.
    other : str
        The fixed effects of the fit whose figure it is compared with.
    """

    code: str
    text: str
    other: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredComponent:
    """One entry of ``vc_formula``.

    Attributes
    ----------
    name : str
    side : Side or None
        None where the formula cannot be read.
    """

    name: str
    side: Side | None


@dataclass(frozen=True, slots=True)
class MixedLMCall:
    """A call of ``mixedlm`` or ``MixedLM``, as far as its text shows it.

    Attributes
    ----------
    api : {"formula", "arrays", "bayes"}
        ``smf.mixedlm`` and ``MixedLM.from_formula``, the class itself, or ``from_formula`` of the Bayesian generalised
        models, whose components hold for all rows.
    formula, groups, re_formula : str or None
        ``groups`` is the name of a column. None if not given, or not shown by the text (then in ``unknown``).
    vc_formula : mapping of str to str, or None
    given : frozenset of str
        Names of all arguments given.
    unknown : frozenset of str
        Arguments whose value the text does not show; ``"**"`` if there may be others.
    is_one_group : bool
        Whether all rows are known to be in one group.
    data : str
        The data as the code writes them.
    groups_frame : str or None
        The frame that the groups are taken from, where it is not a name of a column.
    groups_list : tuple of str
        Names of columns, where the groups are given as a list of them.
    groups_parts : tuple of str
        Columns whose labels are joined to the groups, where these are an expression and no column.
    kinds : mapping of str to {"text", "category", "number"}
        Types that the code gives to columns (``df["g"] = df["g"].astype(str)``), where the text shows them.
    made : frozenset of str
        Columns that the code assigns.
    fits : tuple of FitCall
    shown_response, shown_fixed : str or None
        What the text shows of response and fixed effects where ``formula`` is not wholly shown, ``?`` for the rest.
    origins : mapping of str to str
        Where arguments come from that the text does not show: ``"parameters of `run()`"``.
    made_of : mapping of str to frozenset of str
        Columns that the code joins of the labels of others, and of which.
    is_dropped : bool
        Whether rows with missing values are dropped, by the call or before it.
    uses : tuple of Use
        What the code does with figures of the result that they are no good for.
    extras : mapping of str to str
        Arguments that the interface does not have, as the code writes them.
    """

    api: Literal["formula", "arrays", "bayes"] = "formula"
    formula: str | None = None
    groups: str | None = None
    re_formula: str | None = None
    vc_formula: Mapping[str, str] | None = None
    given: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    is_one_group: bool = False
    data: str = "data"
    groups_frame: str | None = None
    groups_list: tuple[str, ...] = ()
    groups_parts: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    made: frozenset[str] = frozenset()
    fits: tuple[FitCall, ...] = ()
    shown_response: str | None = None
    shown_fixed: str | None = None
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    made_of: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    is_dropped: bool = False
    uses: tuple[Use, ...] = ()
    extras: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def from_arguments(
        cls, formula: str, groups: Any, re_formula: str | None, vc_formula: Mapping[str, str] | None
    ) -> MixedLMCall:
        """Return the call with these arguments; its groups are unknown unless they are the name of a column."""
        names = {"formula": formula, "groups": groups, "re_formula": re_formula, "vc_formula": vc_formula}
        given = frozenset(name for name, value in names.items() if value is not None)
        name = groups if isinstance(groups, str) else getattr(groups, "name", None)
        unknown = frozenset({"groups"}) if groups is not None and name is None else frozenset[str]()
        is_list = isinstance(groups, (list, tuple)) and all(isinstance(g, str) for g in groups)
        return cls(
            formula=formula,
            groups=None if name is None else str(name),
            re_formula=re_formula,
            vc_formula=vc_formula,
            given=given | {"data"},
            unknown=unknown,
            groups_list=tuple(groups) if is_list else (),
        )

    @property
    def is_readable(self) -> bool:
        """Whether the text shows formula, groups, ``re_formula`` and ``vc_formula``."""
        hidden = self.unknown & {"formula", "groups", "re_formula", "vc_formula", "**"}
        known = self.groups is not None or self.is_one_group
        return self.api == "formula" and not hidden and self.formula is not None and known

    def shows(self, *names: str) -> bool:
        """Whether the text shows these arguments, or that they are not given."""
        return not any(n in self.unknown or ("**" in self.unknown and n not in self.given) for n in names)

    @property
    def components_name(self) -> str:
        """The name of the argument that holds the components."""
        return "vc_formulas" if self.api == "bayes" else "vc_formula"

    @property
    def components(self) -> tuple[DeclaredComponent, ...]:
        """The entries of ``vc_formula``."""
        return tuple(DeclaredComponent(name, read_side(text)) for name, text in (self.vc_formula or {}).items())

    def labels_of(self, component: DeclaredComponent) -> tuple[str, ...]:
        """Return the columns that a component takes for labels: in ``C()``, or made text by the code."""
        parts = component.side.parts if component.side is not None else ()
        names = (n for p in parts for n in (*p.factors, *(v for v in p.variables if self.is_labels(v))))
        return tuple(dict.fromkeys(names))

    def is_labels(self, variable: str) -> bool:
        """Whether the code makes a column text or categories, which patsy codes by levels without ``C()``."""
        return self.kinds.get(variable) in ("text", "category")

    @property
    def fixed_text(self) -> str | None:
        """The right side of the formula, None if the text does not show the whole of it."""
        parts = split_formula(self.formula) if self.formula is not None else None
        if parts:
            return parts[1]
        return None if self.shown_fixed is None or "?" in self.shown_fixed or self.api == "arrays" else self.shown_fixed

    @property
    def fixed(self) -> Side | None:
        """The fixed effects, expanded into terms; None if they are not shown or cannot be parsed."""
        return read_side(self.fixed_text) if self.fixed_text is not None else None


@dataclass(frozen=True, slots=True)
class Part:
    """One term of a formula.

    Attributes
    ----------
    factors : tuple of str
        Columns inside ``C(...)``.
    variables : tuple of str
        The other variables of the product, as formula text. A column of strings is one, although patsy codes it by
        levels.
    """

    factors: tuple[str, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """The right side of a formula, expanded into terms.

    Attributes
    ----------
    text : str
        As written.
    intercept : bool
        Whether it has an intercept, written or implied.
    parts : tuple of Part
    """

    text: str
    intercept: bool
    parts: tuple[Part, ...]

    @property
    def factors(self) -> tuple[str, ...]:
        """Columns inside ``C(...)``, each once."""
        return tuple(dict.fromkeys(f for p in self.parts for f in p.factors))


def read_side(text: str) -> Side | None:
    """Return the terms of a one-sided formula; None if it cannot be parsed (an unclosed parenthesis, lme4's bar)."""
    bare = text.strip().removeprefix("~")
    if not bare.strip():
        return None
    try:
        terms = expand_terms(fold_calls(tokenize(bare), bare, trusted=True), bare)
    except FormulaError:
        return None
    return Side(text, () in terms, tuple(_part(term) for term in terms if term))


def split_formula(text: str) -> tuple[str, str] | None:
    """Return response and right side of a formula; None if it has not exactly one tilde."""
    left, tilde, right = text.partition("~")
    if not tilde or "~" in right or not left.strip() or not right.strip():
        return None
    return left.strip(), right.strip()


def is_formula(groups: str) -> bool:
    """Whether the name of groups reads as terms of a formula: ``a:b``, ``a/b``, ``a + b``, ``C(g)``."""
    return _TERMS.fullmatch(groups.strip()) is not None


def columns_in(text: str) -> frozenset[str]:
    """Return the columns that a one-sided formula names; none if it cannot be parsed."""
    try:
        tokens = fold_calls(tokenize(text), text, trusted=True)
    except FormulaError:
        return frozenset()
    bare = {t.text for t in tokens if t.kind == "name"}
    return frozenset(bare | {c for t in tokens if t.kind == "call" for c in t.columns})


def _part(term: tuple[str, ...]) -> Part:
    factors, variables = [], []
    for text in term:
        name = _factor_name(text)
        if name is None:
            variables.append(text)
        else:
            factors.append(name)
    return Part(tuple(factors), tuple(variables))


def _factor_name(text: str) -> str | None:
    """Return the column in ``C(column, ...)``; None for any other text."""
    if not text.startswith("C("):
        return None
    inside = text[2:-1]
    if inside.startswith("`"):
        return inside[1:].partition("`")[0]
    tree = read_python(text)
    if tree is None or not (isinstance(tree.body, ast.Call) and tree.body.args):
        return None
    first = tree.body.args[0]
    is_quoted = isinstance(first, ast.Call) and ast.unparse(first.func) == "Q" and len(first.args) == 1
    if is_quoted and isinstance(first, ast.Call) and isinstance(first.args[0], ast.Constant):
        return str(first.args[0].value)
    return ast.unparse(first)
