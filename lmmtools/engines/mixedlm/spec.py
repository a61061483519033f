"""The MixedLM call of a model: keyword arguments, prepared data, and runnable code."""

from __future__ import annotations

import ast
import builtins
import keyword
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.frame import kind_of
from lmmtools.formula.checking import read_python
from lmmtools.formula.expressions import fold_calls, is_condition
from lmmtools.formula.notation import write_comment
from lmmtools.formula.tokens import quote_name, tokenize

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.engines.mixedlm.layout import MixedLMLayout

__all__ = ["MixedLMSpec", "component_names", "write_spec"]

# Names that mean a function inside a statsmodels formula, so that a column of that name would be hidden by them.
SHADOWED = frozenset(
    {"C", "Q", "I", "np", "bs", "cr", "cc", "te", "center", "standardize", "scale", "Treatment", "Sum"}
)
# MixedLM's gradient methods start far off and stop early or not at all on some models (bfgs is 30 units of the
# criterion off on log(Reaction) ~ Days + (Days|Subject)); Powell's, with a tight tolerance, is right on all tried.
OPTIMISER = 'method=["powell", "bfgs"], ftol=1e-12, maxiter=1000'
# Above this many levels a map from levels to islands is nothing to read; one group for all rows is right too.
MAX_MAPPED_LEVELS = 60


@dataclass(frozen=True, slots=True, eq=False)
class MixedLMSpec:
    """A MixedLM call; ``str()`` is the code that makes it, given a DataFrame ``data``.

    Attributes
    ----------
    formula : str
        Response and fixed effects.
    groups : str
        Column of ``data`` whose values are the independent groups.
    re_formula : str or None
        Correlated effects (or the intercept) of the groups.
    vc_formula : dict of str to str, or None
        Variance components.
    data : pandas.DataFrame
        The complete cases, with the columns that the call needs added.
    reml : bool
        Criterion written into the code.
    preparation : tuple of str
        Lines of code that turn the user's ``data`` into this one.
    notes : tuple of str
        Why the layout is right, in words.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> sorted(model.spec.kwargs)
    ['data', 'formula', 'groups', 're_formula', 'vc_formula']
    """

    formula: str
    groups: str
    re_formula: str | None
    vc_formula: dict[str, str] | None
    data: pd.DataFrame
    reml: bool = True
    preparation: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def kwargs(self) -> dict[str, Any]:
        """Arguments for ``MixedLM.from_formula(**spec.kwargs)``."""
        return {
            "formula": self.formula,
            "data": self.data,
            "groups": self.groups,
            "re_formula": self.re_formula,
            "vc_formula": None if self.vc_formula is None else dict(self.vc_formula),
        }

    def __str__(self) -> str:
        arguments = [repr(self.formula), "data", f"groups={self.groups!r}"]
        if self.re_formula is not None:
            arguments.append(f"re_formula={self.re_formula!r}")
        if self.vc_formula is not None:
            arguments.append(f"vc_formula={self.vc_formula!r}")
        call = ",\n    ".join(arguments)
        return "\n".join(
            [
                "import statsmodels.formula.api as smf",
                "",
                *map(write_comment, self.notes),
                *self.preparation,
                f"model = smf.mixedlm(\n    {call},\n)",
                f"result = model.fit(reml={self.reml}, {OPTIMISER})",
            ]
        )


@dataclass(slots=True)
class _Writer:
    """Collects added columns and the code lines that add them."""

    data: pd.DataFrame
    lines: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)

    def unused_name(self, wanted: str) -> str:
        """Return an identifier close to ``wanted`` that is no column yet."""
        base = "".join(c if c.isalnum() or c == "_" else "_" for c in wanted).strip("_") or "column"
        base = base if base.isidentifier() and is_plain_name(base) else f"x_{base}"
        name, i = base, 1
        while name in self.data.columns:
            i += 1
            name = f"{base}_{i}"
        return name

    def add_column(self, name: str, values: Any, code: str) -> str:
        """Add a column and the line of code that makes it; return its name."""
        self.data[name] = values
        self.lines.append(f'data["{name}"] = {code}')
        return name

    def add_import(self, line: str) -> None:
        """Add a line of imports, once."""
        if line not in self.imports:
            self.imports.append(line)


def is_plain_name(name: str) -> bool:
    """Whether a column called ``name`` may stand bare in a statsmodels formula."""
    return name.isidentifier() and not keyword.iskeyword(name) and name not in SHADOWED and not hasattr(builtins, name)


def write_spec(design: Design, layout: MixedLMLayout, *, reml: bool = True) -> MixedLMSpec:
    """Return the MixedLM call that ``layout`` lays out for ``design``."""
    writer = _Writer(design.frame.reset_index(drop=True).copy())
    if design.dropped.n_rows:
        writer.lines.append(f"data = data.dropna(subset={list(design.frame.columns)!r}).reset_index(drop=True)")
    else:
        writer.lines.append("data = data.reset_index(drop=True)")
    response = _write_response(design, writer)
    fixed = _write_fixed(design, writer)
    columns = {b.group: _make_factor_column(b, design, layout, writer) for b in design.blocks}
    groups, note = _write_groups(design, layout, columns, writer)
    re_formula = None
    if layout.re_block is not None:
        re_formula = _write_basis(design.blocks[layout.re_block], design.frame, writer)
    vc_formula = {}
    for i, name in zip(layout.vc_blocks, component_names(design, layout), strict=True):
        block = design.blocks[i]
        alone = layout.group_block is not None and design.blocks[layout.group_block].group == block.group
        vc_formula[name] = _write_component(block, columns[block.group], alone, design.frame, writer)
    hiding = [name for name in writer.data.columns if name in SHADOWED]
    if hiding:
        writer.data = writer.data.drop(columns=hiding)
        writer.lines.append(f"data = data.drop(columns={hiding!r})  # a column would hide the formula's function")
    return MixedLMSpec(
        f"{response} ~ {fixed}",
        groups,
        re_formula,
        vc_formula or None,
        writer.data,
        reml,
        (*writer.imports, *writer.lines),
        (note,),
    )


def is_elementary(expression: str) -> bool:
    """Whether patsy and formulaic read ``expression`` alike: names, numbers, + : * and C(name)."""
    tree = read_python(expression.replace(":", "|"))
    if tree is None:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id != "C" and not is_plain_name(node.id):
            return False
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name)
            and node.func.id == "C"
            and len(node.args) == 1
            and isinstance(node.args[0], ast.Name)
            and not node.keywords
        ):
            return False
        if not isinstance(
            node,
            ast.Expression | ast.Name | ast.Load | ast.Constant | ast.BinOp | ast.Add | ast.Mult | ast.BitOr | ast.Call,
        ):
            return False
    return True


def _write_matrix_column(expression: str, column: int, writer: _Writer) -> str:
    """Return the code for one column of formulaic's matrix; its imports are added."""
    writer.add_import("import formulaic")
    context = ""
    if "dummy(" in expression:  # lme4's function, which formulaic has not
        writer.add_import("from lmmtools.design.indicators import dummy_transform")
        context = ', context={"dummy": dummy_transform()}'
    return f"formulaic.model_matrix({expression!r}, data{context}).iloc[:, {column}].to_numpy(float)"


def _write_response(design: Design, writer: _Writer) -> str:
    """Return the response of the call, a column added where it is an expression or has an offset."""
    name = design.formula.response
    plain = is_plain_name(name) and name in writer.data.columns
    if plain and design.offset is None:
        return name
    if plain:
        code = f'data["{name}"]'
    elif name.strip("`") in writer.data.columns:
        code = f"data[{name.strip('`')!r}]"
    else:
        code = _write_matrix_column(f"0 + {name}", 0, writer)
    if design.offset is not None:
        for expression in design.formula.offsets:
            code += f" - {_write_matrix_column(f'0 + {expression}', 0, writer)}"
        if not design.formula.offsets:
            code += ' - data["offset"]  # the offset given beside the formula'
    return writer.add_column(writer.unused_name("response"), design.response, code)


def _write_fixed(design: Design, writer: _Writer) -> str:
    """Return the fixed part of the call, columns added where patsy reads it otherwise."""
    text = design.formula.fixed
    if is_elementary(text) and not design.dropped.columns:
        return text
    names = []
    full = _encoder_names(design)
    text = _spell_for_formulaic(text, design.frame)
    for j, label in enumerate(design.x_names):
        if label == "Intercept":
            continue
        code = _write_matrix_column(text, full.index(label) if label in full else j, writer)
        names.append(writer.add_column(writer.unused_name(f"x{j}"), design.X[:, j], f"{code}  {write_comment(label)}"))
    constant = "1" if "Intercept" in design.x_names else "0"
    return " + ".join([constant, *names])


def _spell_for_formulaic(text: str, frame: pd.DataFrame) -> str:
    """Return the terms as formulaic alone reads them as meant: booleans, numbers to it, are factors to R and patsy."""
    words = []
    for token in fold_calls(tokenize(text), text, trusted=True):
        own = quote_name(token.text) if token.kind == "name" else token.text
        is_column = token.kind == "name" and token.text in frame
        is_boolean = is_column and kind_of(frame[token.text]) == "boolean"
        words.append(f"C({own})" if is_boolean or (token.kind == "call" and is_condition(own)) else own)
    return " ".join(words)


def _encoder_names(design: Design) -> list[str]:
    """Return the names of the columns of X before any were dropped."""
    names = getattr(design.encoder, "column_names", None)
    return list(names) if names is not None else list(design.x_names)


def _make_factor_column(block: Block, design: Design, layout: MixedLMLayout, writer: _Writer) -> str:
    """Return the column of ``data`` that holds the block's grouping factor, added if need be."""
    factors = block.term.factors
    if len(factors) > 1:
        # Numbers of the pairs, never pasted labels: "a:b" + "c" and "a" + "b:c" must not meet.
        name = writer.unused_name("_".join(factors))
        return writer.add_column(name, block.codes, f"data.groupby({list(factors)!r}, observed=True).ngroup()")
    (column,) = factors
    is_categorical = hasattr(design.frame[column].dtype, "categories")
    is_groups = layout.group_block is not None and design.blocks[layout.group_block].group == block.group
    if is_plain_name(column) and (is_groups or not is_categorical or layout.n_islands == 1):
        return column
    # A categorical keeps all its levels in every group, and a name such as "body weight" or "C" cannot stand bare.
    return writer.add_column(
        writer.unused_name(f"{column}_id"), block.codes, f"data.groupby({column!r}, observed=True).ngroup()"
    )


def _write_groups(design: Design, layout: MixedLMLayout, columns: dict[str, str], writer: _Writer) -> tuple[str, str]:
    """Return the column of the groups, added if need be, and a note on them."""
    if layout.group_block is not None:
        block = design.blocks[layout.group_block]
        note = f"the levels of {block.group} are independent of each other: they are the groups"
        return columns[block.group], note
    if layout.n_islands == 1:
        name = writer.add_column(writer.unused_name("all_rows"), 1, "1")
        return name, "the factors connect all rows: one group holds everything, each factor is a variance component"
    coarsest = min(design.blocks, key=lambda b: b.m)
    if coarsest.m > MAX_MAPPED_LEVELS:
        name = writer.add_column(writer.unused_name("all_rows"), 1, "1")
        return name, f"one group is right (and slower than the {layout.n_islands} independent ones the data have)"
    island_of = np.zeros(coarsest.m, dtype=np.intp)
    island_of[coarsest.codes] = layout.islands
    source = columns[coarsest.group]
    mapping = dict(zip(writer.data[source].iloc[_first_rows(coarsest)].tolist(), island_of.tolist(), strict=True))
    name = writer.add_column(
        writer.unused_name("island"), layout.islands, f'data["{source}"].astype(object).map({mapping!r})'
    )
    return name, f"the data fall into {layout.n_islands} independent islands"


def _first_rows(block: Block) -> Any:
    """Return the first row of each level."""
    return np.unique(block.codes, return_index=True)[1]


def _write_basis(block: Block, data: pd.DataFrame, writer: _Writer) -> str:
    """Return the formula of a block's basis, columns added where patsy reads it otherwise."""
    text = block.term.basis
    if is_elementary(text):
        return text
    # Prepared columns: a transform that looks at its data (scale, poly, bs) must look at all of them at once.
    names = []
    text = _spell_for_formulaic(text, data)
    for j, label in enumerate(block.cnames):
        if label == "(Intercept)":
            continue
        code = f"{_write_matrix_column(text, j, writer)}  {write_comment(label)}"
        names.append(writer.add_column(writer.unused_name(f"z{j}"), block.basis[:, j], code))
    return " + ".join([str(int(block.term.intercept)), *names])


def _write_component(block: Block, column: str, alone: bool, data: pd.DataFrame, writer: _Writer) -> str:
    """Return the formula of a scalar component; inside its own group a slope needs no indicator."""
    if block.term.basis == "1":
        return f"0 + C({column})"
    slope = _write_basis(block, data, writer).removeprefix("0 + ")
    return f"0 + {slope}" if alone else f"0 + C({column}):{slope}"


def component_names(design: Design, layout: MixedLMLayout) -> list[str]:
    """Return the names of the variance components in ``vc_formula``, in the order of ``layout.vc_blocks``."""
    names: list[str] = []
    for i in layout.vc_blocks:
        block = design.blocks[i]
        base = block.group if block.term.basis == "1" else f"{block.group} {block.cnames[0]}"
        name, count = base, 1
        while name in names:
            count += 1
            name = f"{base} {count}"
        names.append(name)
    return names
