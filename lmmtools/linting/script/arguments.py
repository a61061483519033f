"""The arguments of a MixedLM call in a script -> MixedLMCall, one for each way that the script may take to it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from lmmtools.linting.call import FitCall, MixedLMCall, split_formula
from lmmtools.linting.script.values import REST, Choice, Text, Thing, is_scalar, pick, shorten, sites

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

__all__ = ["Arguments", "read_calls", "read_fit"]

_FORMULA_ORDER = ("formula", "data", "re_formula", "vc_formula", "subset", "use_sparse", "missing")
_ARRAY_ORDER = ("endog", "exog", "groups", "exog_re", "exog_vc", "use_sqrt", "missing")
_BAYES_ORDER = ("formula", "vc_formulas", "data", "vcp_p", "fe_p")
_ORDERS = {"formula": _FORMULA_ORDER, "arrays": _ARRAY_ORDER, "bayes": _BAYES_ORDER}
# Beside these orders, what the interfaces take by name.
_BY_NAME = {
    "formula": frozenset({"groups", "use_sqrt", "eval_env", "drop_cols", "missing_idx", "model_spec", "design_info"}),
    "arrays": frozenset({"missing_idx", "model_spec", "design_info", "formula"}),
    "bayes": frozenset({"family", "vcp_names", "vc_names"}),
}
_FIT_ORDER = ("start_params", "reml", "niter_sa", "do_cg", "fe_pen", "cov_pen", "free", "full_output", "method")
_FIT_REGULARIZED_ORDER = ("start_params", "method", "alpha", "ceps", "ptol", "maxit")
# A longer list holds the groups of the rows and no names of columns.
_MOST_GROUPINGS = 12
# More ways to one call are not told apart.
_MOST_WAYS = 24


@dataclass(slots=True)
class Arguments:
    """The values of a call's arguments, with the expressions where the call writes them."""

    positional: list[Any] = field(default_factory=list)
    named: dict[str, Any] = field(default_factory=dict)
    nodes: dict[int | str, ast.expr] = field(default_factory=dict)
    is_open: bool = False

    def bind(self, order: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, ast.expr]]:
        """Return values and expressions by the names of the parameters."""
        values = {**dict(zip(order, self.positional, strict=False)), **self.named}
        nodes = {(order[k] if isinstance(k, int) else k): n for k, n in self.nodes.items() if not _is_over(k, order)}
        return values, nodes


def _is_over(place: int | str, order: tuple[str, ...]) -> bool:
    return isinstance(place, int) and place >= len(order)


def read_calls(arguments: Arguments, api: str) -> list[MixedLMCall]:
    """Return the calls that a call of MixedLM may be, each once.

    Parameters
    ----------
    arguments : Arguments
    api : {"formula", "arrays", "bayes"}
    """
    values, nodes = arguments.bind(_ORDERS[api])
    read = {"formula": _read_formula, "arrays": _read_arrays, "bayes": _read_bayes}[api]
    found: list[MixedLMCall] = []
    for way in _ways(values):
        call = replace(read(way, nodes, arguments), extras=_read_extras(way, nodes, api))
        if call not in found:
            found.append(call)
    return found


def _read_extras(values: Mapping[str, Any], nodes: Mapping[str, ast.expr], api: str) -> dict[str, str]:
    """Return the arguments that an interface does not have, as the code writes them."""
    extras = {k: v for k, v in values.items() if v is not None and k not in _ORDERS[api] and k not in _BY_NAME[api]}
    return {k: shorten(nodes[k]) if k in nodes else repr(v) if is_scalar(v) else "..." for k, v in extras.items()}


def _ways(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the values on every way, at most ``_MOST_WAYS``."""
    places: dict[Hashable, int] = {}
    for value in values.values():
        for site, count in sites(value):
            places[site] = max(count, places.get(site, 0))
    chosen, total = [], 1
    for site, count in places.items():
        if total * count <= _MOST_WAYS:
            chosen.append((site, count))
            total *= count
    ways = []
    for arms in product(*(range(count) for _, count in chosen)):
        way = dict(values)
        for (site, _), arm in zip(chosen, arms, strict=True):
            way = {k: pick(v, site, arm) for k, v in way.items()}
        ways.append(way)
    return ways


def _hide(name: str, value: Any, unknown: dict[str, str]) -> None:
    unknown[name] = value.origin if isinstance(value, Thing) else ""


def _read_formula(given: Mapping[str, Any], nodes: Mapping[str, ast.expr], arguments: Arguments) -> MixedLMCall:
    unknown: dict[str, str] = {"**": ""} if arguments.is_open else {}
    formula, response, fixed = _read_fixed(given, unknown)
    if formula is None and not ("**" in unknown and "formula" not in given):
        _hide("formula", given.get("formula"), unknown)
    re_formula = given.get("re_formula")
    if re_formula is not None and not isinstance(re_formula, str):
        _hide("re_formula", re_formula, unknown)
        re_formula = None
    components = _read_components(given.get("vc_formula"), unknown)
    data = given.get("data")
    frame = data if isinstance(data, Thing) else None
    groups = _read_groups(given.get("groups"), nodes.get("groups"), frame)
    if (
        groups.name is None
        and not groups.is_constant
        and not groups.parts
        and not ("**" in unknown and "groups" not in given)
    ):
        _hide("groups", given.get("groups"), unknown)
    facts = frame.columns if frame is not None else {}
    missing = given.get("missing")
    return MixedLMCall(
        formula=formula,
        groups=groups.name,
        re_formula=re_formula,
        vc_formula=components,
        given=frozenset(given),
        unknown=frozenset(unknown),
        is_one_group=groups.is_constant,
        data=shorten(nodes["data"]) if "data" in nodes else "data",
        groups_frame=groups.frame,
        groups_list=groups.listed,
        groups_parts=groups.parts,
        kinds={c: f.kind for c, f in facts.items() if f.kind in ("text", "category", "number")},
        made=frozenset(facts),
        made_of={c: f.sources for c, f in facts.items() if f.sources},
        is_dropped=missing == "drop" or (frame is not None and frame.is_dropped),
        shown_response=response,
        shown_fixed=fixed,
        origins=unknown,
    )


def _read_bayes(given: Mapping[str, Any], nodes: Mapping[str, ast.expr], arguments: Arguments) -> MixedLMCall:
    """Return the record of a call of a generalised model, whose components stand in one group that holds all rows."""
    names = {"vc_formulas": "vc_formula"}
    inner = {names.get(k, k): v for k, v in given.items()}
    return replace(_read_formula({**inner, "groups": 1}, nodes, arguments), api="bayes", given=frozenset(inner))


def _read_fixed(given: Mapping[str, Any], unknown: dict[str, str]) -> tuple[str | None, str | None, str | None]:
    """Return the formula if it is wholly known, and what is known of response and fixed effects otherwise."""
    value = given.get("formula")
    if isinstance(value, str):
        return value, None, None
    if isinstance(value, Text):
        parts = split_formula(value.show())
        if parts is not None:
            return None, parts[0], parts[1]
    return None, None, None


def _read_components(value: Any, unknown: dict[str, str]) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, dict) and REST not in value and all(isinstance(v, str) for v in value.values()):
        return {str(k): v for k, v in value.items()}
    hidden = next((v for v in value.values() if isinstance(v, Thing)), None) if isinstance(value, dict) else value
    _hide("vc_formula", hidden, unknown)
    return None


@dataclass(frozen=True, slots=True)
class _Groups:
    name: str | None
    text: str
    frame: str | None = None
    is_constant: bool = False
    listed: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether the text shows which groups the rows have."""
        return self.name is not None or self.is_constant or bool(self.parts)


def _read_groups(value: Any, node: ast.expr | None, frame: Thing | None, *, is_array: bool = False) -> _Groups:
    text = shorten(node) if node is not None else (repr(value) if isinstance(value, str | tuple) else "")
    if isinstance(value, str):
        is_one = frame is not None and value in frame.columns and frame.columns[value].kind == "constant"
        return _Groups(value, repr(value), is_constant=is_one)
    if isinstance(value, tuple):
        is_list = 0 < len(value) <= _MOST_GROUPINGS and all(isinstance(v, str) for v in value)
        if is_list and len(set(value)) == len(value):
            return _Groups(None, text, listed=value)
        if value and all(isinstance(v, Thing) and v.column is not None for v in value):
            return _Groups(None, text, listed=tuple(v.column for v in value))
        return _Groups(
            None, text, is_constant=len(value) > 0 and is_scalar(value[0]) and len(set(map(str, value))) == 1
        )
    if not isinstance(value, Thing):
        return _Groups(None, text, is_constant=is_scalar(value))
    if value.selected and value.column is None:
        if is_array and len(value.selected) == 1:
            return _Groups(value.selected[0], text)
        return _Groups(None, text, listed=value.selected)
    is_same = frame is not None and value.rows == frame.rows
    if value.column is not None and (value.is_sure or is_same):
        is_one = value.kind == "constant"
        base = getattr(value.node, "value", None) if value.node is not None else None
        return _Groups(value.column, text, None if is_same or is_one else _root_text(base, text), is_one)
    if len(value.sources) > 1 and is_same:
        return _Groups(None, text, parts=tuple(sorted(value.sources)))
    return _Groups(None, text, is_constant=value.kind == "constant")


def _root_text(base: ast.AST | None, text: str) -> str:
    """Return the frame of a column as the code writes it."""
    while isinstance(base, ast.Call | ast.Attribute) and not isinstance(getattr(base, "value", None), ast.Name):
        inner = base.func if isinstance(base, ast.Call) else base.value
        if inner is None or inner is base:
            break
        base = inner
    if isinstance(base, ast.Subscript):
        base = base.value
    return shorten(base) if base is not None else text


def _read_arrays(given: Mapping[str, Any], nodes: Mapping[str, ast.expr], arguments: Arguments) -> MixedLMCall:
    unknown: dict[str, str] = {"**": ""} if arguments.is_open else {}
    value = given.get("groups")
    endog = given.get("endog")
    groups = _read_groups(value, nodes.get("groups"), endog if isinstance(endog, Thing) else None, is_array=True)
    if not groups.is_shown:
        _hide("groups", value, unknown)
    re_formula = _read_exog_re(given.get("exog_re"), unknown)
    if given.get("exog_vc") is not None:
        _hide("exog_vc", given["exog_vc"], unknown)
    return MixedLMCall(
        api="arrays",
        groups=groups.name,
        re_formula=re_formula,
        given=frozenset(given) | ({"missing=drop"} if given.get("missing") == "drop" else set()),
        unknown=frozenset(unknown),
        is_one_group=groups.is_constant,
        data=shorten(nodes["endog"]) if "endog" in nodes else "data",
        groups_list=groups.listed,
        groups_parts=groups.parts,
        shown_response=endog.column if isinstance(endog, Thing) and endog.is_sure else None,
        shown_fixed=_write_columns(given.get("exog")),
        origins=unknown,
    )


def _columns(value: Any) -> list[str] | None:
    """Return the columns of a matrix, "1" for a column of ones; None where the text does not show them."""
    if isinstance(value, tuple):
        found = [_columns(v) for v in value]
        return [c for part in found for c in part or ()] if all(f is not None for f in found) else None
    if not isinstance(value, Thing):
        return None
    if value.kind == "constant":
        return ["1"]
    if value.column is not None and value.is_sure:
        return [value.column]
    if value.selected:
        return ["1" if _is_ones(c, value) else c for c in value.selected]
    return None


def _is_ones(column: str, frame: Thing) -> bool:
    return column == "const" or (column in frame.columns and frame.columns[column].kind == "constant")


def _read_exog_re(value: Any, unknown: dict[str, str]) -> str | None:
    """Return the formula that ``exog_re`` stands for; None where it is not given or not shown."""
    if value is None:
        return None
    columns = _columns(value)
    if columns is None:
        _hide("exog_re", value, unknown)
        return None
    return " + ".join(
        ["1" if "1" in columns else "0", *(f"Q({c!r})" if not c.isidentifier() else c for c in columns if c != "1")]
    )


def _write_columns(value: Any) -> str | None:
    columns = _columns(value)
    return " + ".join(dict.fromkeys(columns)) if columns else None


def read_fit(arguments: Arguments, name: str) -> FitCall:
    """Return the arguments of ``.fit(...)`` or ``.fit_regularized(...)``; ``name`` is the method."""
    if name == "fit_regularized":
        given, _ = arguments.bind(_FIT_REGULARIZED_ORDER)
        # alpha is 0 by default: no penalty.
        alpha = given.get("alpha")
        is_penalised = alpha is not None and not (is_scalar(alpha) and not alpha)
        return FitCall(tuple(sorted(given)), None, True, is_penalised)
    given, _ = arguments.bind(_FIT_ORDER)
    method, reml = given.get("method"), given.get("reml", True)
    methods = (method,) if isinstance(method, str) else method
    is_shown = isinstance(methods, tuple) and all(isinstance(m, str) for m in methods)
    is_open = isinstance(reml, Thing | Choice | Text) or (arguments.is_open and "reml" not in given)
    return FitCall(
        tuple(sorted(given)),
        methods if is_shown else None,
        None if is_open else bool(reml),
        given.get("fe_pen") is not None,
    )
