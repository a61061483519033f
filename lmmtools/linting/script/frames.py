"""Frames, columns and arrays in a script: which rows they have, and what the script tells of their columns."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script.values import Choice, Dotted, Fact, Function, Text, Thing, is_scalar, write_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

__all__ = ["array_of", "assign_column", "call_method", "judge", "make_frame", "name_of_type", "select"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Methods of a column or an array that keep rows and labels.
_SAME_VALUES = _names(
    "to_numpy tolist to_list copy ravel flatten reshape values array squeeze view cat str map fillna "
    "replace to_frame infer_objects convert_dtypes asarray reset_index to_pandas compute collect "
)
# Methods of a frame that keep its rows and their order.
_SAME_FRAME = _names(
    "copy rename convert_dtypes infer_objects reset_index set_index to_pandas compute persist collect "
    "fillna replace drop rename_axis set_axis add_prefix add_suffix pipe round clip to_frame drop_columns "
    "with_columns insert "
)
# Attributes of a frame that are no columns.
_NO_COLUMNS = _names("index columns shape size dtypes dtype ndim empty axes attrs")
# Methods that give other rows, the same ones wherever they read the same.
_OTHER_ROWS = _names("dropna query head tail sort_values sort_index drop_duplicates filter nlargest nsmallest loc")
_KINDS = {
    **dict.fromkeys(("str", "string", "object", "O", "U"), "text"),
    "category": "category",
    **dict.fromkeys(("int", "float", "int64", "float64", "int32", "float32", "int16", "int8", "Int64"), "number"),
}
_ONES = frozenset({"ones", "zeros", "ones_like", "zeros_like"})
# Roots of names that hold settings, whose items are no columns.
_SETTINGS = re.compile(
    r"(?i)cfg|conf|setting|option|opts|param|spec|plan|args|kwargs|kw|meta|environ|plan|form|request"
)
# A frame with more assigned columns is not followed further.
_MOST_COLUMNS = 500


def name_of_type(value: Any, node: ast.expr) -> str:
    """Return the name of a type given to ``astype``: ``str``, ``"category"``, ``np.int64``."""
    if isinstance(value, str):
        return value
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def judge(value: Any) -> Fact:
    """Return what an assigned value tells of a column."""
    if isinstance(value, Choice):
        facts = {judge(v) for v in value.values}
        return facts.pop() if len(facts) == 1 else Fact("made")
    if is_scalar(value) or value is None or isinstance(value, Text):
        return Fact("constant")
    if isinstance(value, tuple):
        if value and all(isinstance(v, str) for v in value):
            return Fact("constant" if len(set(value)) == 1 else "text")
        is_number = bool(value) and all(isinstance(v, int | float) for v in value)
        return Fact("number" if is_number else "made")
    if isinstance(value, Thing):
        own = frozenset({value.column}) if value.column is not None and value.is_sure else frozenset[str]()
        return Fact(value.kind or "made", value.sources or own)
    return Fact("made")


def make_frame(key: Hashable, content: Any, node: ast.expr) -> Thing:
    """Return the frame that ``pd.DataFrame(content)`` makes."""
    frame = Thing(key, key, node, is_frame=True)
    if isinstance(content, Thing):
        is_frame = content.is_frame and content.column is None
        return replace(content, node=node) if is_frame else frame
    if not isinstance(content, dict):
        return frame
    facts = {k: replace(judge(v), sources=frozenset[str]()) for k, v in content.items() if isinstance(k, str)}
    # A scalar alone makes one row; beside columns it is the same for all rows.
    if facts and all(f.kind == "constant" for f in facts.values()):
        facts = {}
    return replace(frame, columns=facts)


def assign_column(frame: Thing, name: str, value: Any) -> Thing:
    """Return a frame after the assignment of a column."""
    if len(frame.columns) >= _MOST_COLUMNS:
        return frame
    return replace(frame, is_frame=True, columns={**frame.columns, name: judge(value)})


def select(owner: Thing, item: Any, node: ast.Subscript) -> Any:
    """Return ``owner[item]``: a column, columns, or other rows."""
    base = ast.unparse(node.value) if isinstance(node.value, ast.Name | ast.Attribute) else ""
    key = ("item", owner.key, item if is_scalar(item) else id(node))
    if isinstance(item, str):
        return _column(owner, item, key, node, is_sure=owner.is_frame or not _SETTINGS.search(base))
    if isinstance(item, tuple) and len(item) > 0 and all(isinstance(i, str) for i in item):
        facts = {c: f for c, f in owner.columns.items() if c in item}
        return replace(owner, key=key, node=node, is_frame=True, selected=item, columns=facts, column=None)
    is_name = isinstance(item, Thing) and isinstance(node.slice, ast.Name | ast.Attribute | ast.Subscript)
    if isinstance(item, Text) or (is_name and item.kind != "mask"):
        # A column whose name is not known, or rows.
        origin = item.origin if isinstance(item, Thing) else ""
        return Thing(key, key, node, origin or owner.origin, columns=owner.columns, is_dropped=owner.is_dropped)
    key = ("rows", owner.key, write_key(node.slice))
    holds = owner.holds
    return Thing(
        key, key, node, owner.origin, None, True, True, (), owner.columns, is_dropped=owner.is_dropped, holds=holds
    )


def _column(owner: Thing, name: str, key: Hashable, node: ast.expr, *, is_sure: bool) -> Thing:
    fact = owner.columns.get(name, Fact(""))
    return Thing(
        key,
        owner.rows,
        node,
        owner.origin,
        name,
        is_sure,
        kind=fact.kind,
        sources=fact.sources,
        is_dropped=owner.is_dropped,
    )


def select_attribute(owner: Thing, name: str, node: ast.expr) -> Thing:
    """Return ``owner.name``: perhaps a column."""
    key = ("item", owner.key, name)
    if name in _SAME_VALUES or name in ("dt", "T") or (name == "codes" and owner.column is not None):
        return replace(owner, node=node)
    if name in _NO_COLUMNS:
        return Thing(key, owner.rows, node, owner.origin)
    return _column(owner, name, key, node, is_sure=owner.is_frame)


def select_located(owner: Thing, items: Sequence[Any], node: ast.Subscript) -> Any:
    """Return ``owner.loc[rows, columns]``."""
    rows = items[0] if items else None
    is_all = isinstance(rows, slice) and rows == slice(None)
    first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
    key = ("rows", owner.key, write_key(first))
    frame = owner if is_all else replace(owner, key=key, rows=key, node=node, is_frame=True, column=None)
    if len(items) < 2:
        return frame
    if isinstance(items[1], str):
        return _column(frame, items[1], ("item", frame.key, items[1]), node, is_sure=True)
    if isinstance(items[1], tuple) and all(isinstance(i, str) for i in items[1]):
        return replace(frame, key=key, selected=items[1], is_frame=True)
    return Thing(key, frame.rows, node, owner.origin)


def array_of(
    path: str, arguments: Sequence[Any], named: Mapping[str, Any], node: ast.expr
) -> Thing | tuple[Thing, ...] | None:
    """Return what a function of NumPy or pandas makes, by its last name; None for those that are not known here."""
    key, name = ("node", id(node)), path.rpartition(".")[2]
    first = arguments[0] if arguments else None
    if name in _ONES:
        return Thing(key, key, node, kind="constant")
    if name in ("repeat", "full", "full_like", "tile"):
        place = 0 if name in ("repeat", "tile") else 1
        value = arguments[place] if len(arguments) > place else named.get("fill_value")
        is_one = is_scalar(value) or (isinstance(value, tuple) and len(value) == 1)
        return Thing(key, key, node, kind="constant" if is_one else "")
    if name == "DataFrame":
        content = first if first is not None else named.get("data")
        return make_frame(key, content, node)
    if name in ("Series", "asarray", "array", "Categorical", "Index", "atleast_1d", "ravel", "squeeze", "factorize"):
        content = first if first is not None else named.get("data")
        if isinstance(content, Thing) and content.column is not None:
            kind = {"Categorical": "category", "factorize": "number"}.get(name, content.kind)
            column = replace(content, node=node, kind=kind)
            return (column, Thing(key, key, node)) if name == "factorize" else column
        if isinstance(content, Thing) and content.is_frame:
            return replace(content, node=node)
        fact = judge(content) if content is not None else Fact("")
        is_spread = name != "Series" or "index" in named or len(arguments) > 1 or not is_scalar(content)
        kind = "category" if name == "Categorical" else fact.kind
        origin = content.origin if isinstance(content, Thing) else ""
        return Thing(key, key, node, origin, kind=kind if is_spread or kind != "constant" else "made")
    if name in ("cut", "qcut"):
        return Thing(key, key, node, kind="category")
    if name in ("to_numeric", "arange", "linspace"):
        return Thing(key, key, node, kind="number")
    if name.startswith("read_") or name in ("concat", "merge", "melt", "get_dummies", "json_normalize"):
        return Thing(key, key, node, is_frame=True, is_dropped=_all_dropped(first))
    return None


def _all_dropped(first: Any) -> bool:
    items = first if isinstance(first, tuple) else (first,)
    return bool(items) and all(isinstance(i, Thing) and i.is_dropped for i in items)


def call_method(
    owner: Thing, name: str, arguments: Sequence[Any], named: Mapping[str, Any], node: ast.Call
) -> Thing | None:
    """Return what a method of a frame or column returns; None for those that are not known here."""
    key: Hashable = ("node", id(node))
    if name == "astype" and (node.args or node.keywords):
        return _cast(owner, arguments[0] if arguments else named.get("dtype"), node)
    if name == "assign":
        frame = owner
        for column, value in named.items():
            body = value.node.body if isinstance(value, Function) and isinstance(value.node, ast.Lambda) else None
            known = ast.literal_eval(body) if isinstance(body, ast.Constant) else value
            frame = assign_column(frame, column, known)
        return replace(frame, key=key, node=node, is_frame=True)
    if name == "insert" and len(arguments) > 2 and isinstance(arguments[1], str):
        return assign_column(owner, arguments[1], arguments[2])
    if owner.column is not None and name in _SAME_VALUES:
        # A recoding by a table may join labels; the rows stay.
        return replace(owner, node=node, kind="" if name in ("map", "replace") else owner.kind)
    if owner.column is None and name in _SAME_FRAME:
        return replace(owner, key=key, node=node, is_frame=owner.is_frame or name != "copy")
    if name in ("ngroup", "factorize"):
        return Thing(key, owner.rows, node, kind="number")
    if name in ("get", "pop", "xs") and arguments and isinstance(arguments[0], str) and owner.is_frame:
        return _column(owner, arguments[0], key, node, is_sure=True)
    if name in ("groupby", "iterrows", "itertuples", "items"):
        return replace(owner, key=key, rows=key, node=node, column=None)
    if name == "get_level_values" and arguments and isinstance(arguments[0], str):
        return Thing(key, owner.rows, node, owner.origin, arguments[0])
    if name in _OTHER_ROWS or name == "sample":
        key = key if name == "sample" else ("rows", owner.key, name, write_key(*node.args, *node.keywords))
        is_dropped = owner.is_dropped or name == "dropna"
        return replace(owner, key=key, rows=key, node=node, is_dropped=is_dropped, is_frame=owner.column is None)
    if name in ("merge", "join", "melt", "explode", "pivot", "stack", "unstack", "append", "groupby", "agg"):
        return Thing(key, key, node, is_frame=True, columns=owner.columns)
    return None


def _cast(owner: Thing, kinds: Any, node: ast.Call) -> Thing:
    key = ("node", id(node))
    given = node.args[0] if node.args else node.keywords[0].value
    if owner.column is not None or owner.kind or not (isinstance(kinds, dict) or isinstance(given, ast.Dict)):
        kind = _KINDS.get(name_of_type(kinds, given), "made")
        is_one = owner.kind == "constant"
        return replace(owner, node=node, kind=owner.kind if is_one else kind)
    facts = dict(owner.columns)
    if isinstance(given, ast.Dict) and isinstance(kinds, dict):
        for (column, value), part in zip(kinds.items(), given.values, strict=False):
            facts[str(column)] = Fact(_KINDS.get(name_of_type(value, part), "made"))
    elif isinstance(kinds, dict):
        for column, value in kinds.items():
            name = value if isinstance(value, str) else value.path if isinstance(value, Dotted) else ""
            facts[str(column)] = Fact(_KINDS.get(name.rpartition(".")[2], "made"))
    return replace(owner, key=key, node=node, is_frame=True, columns=facts)


def join_labels(left: Any, right: Any, key: Hashable, node: ast.expr) -> Thing | None:
    """Return the column that ``df["a"].astype(str) + "_" + df["b"]`` makes; None for other sums."""
    things = [v for v in (left, right) if isinstance(v, Thing)]
    if not things or any(not t.column and not t.sources for t in things):
        return None
    if any(not isinstance(v, Thing | str) for v in (left, right)) or len({t.rows for t in things}) > 1:
        return None
    if not any(isinstance(v, str) or v.kind == "text" for v in (left, right)):
        return None
    sources = frozenset(s for t in things for s in (t.sources or {t.column or ""}))
    return Thing(key, things[0].rows, node, things[0].origin, kind="text", sources=sources)
