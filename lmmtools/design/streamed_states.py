"""The states of ``scale(x)`` and ``center(x)``: means and spreads of all rows, which passes over them give."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.formulaic_encoder import evaluate_part
from lmmtools.design.moments import Moments
from lmmtools.design.streamed_rows import read_columns
from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.design.formulaic_encoder import FormulaicEncoder
    from lmmtools.design.survey import Survey
    from lmmtools.sources import Source

    Learner = tuple[FormulaicEncoder, list[dict[str, Any]], ast.Call]

__all__ = ["learn_states"]


def learn_states(encoders: Sequence[FormulaicEncoder], survey: Survey, source: Source) -> None:
    """Put the means and spreads of all rows into ``scale(x)``, ``center(x)`` and the like."""
    wanted: dict[str, Learner] = {}
    for encoder in encoders:
        for key, state in encoder.spec.transform_state.items():
            node = ast.parse(key, mode="eval").body
            if isinstance(state, dict) and {"center", "scale"} & set(state) and isinstance(node, ast.Call):
                own = _restore_names(ast.unparse(node.args[0]), encoder)
                wanted.setdefault(f"{ast.unparse(node)} {own}", (encoder, [], node))[1].append(state)
    rest = []
    for encoder, states, node in wanted.values():
        column = encoder.sources.get(ast.unparse(node.args[0]))
        if column is not None:
            for state in states:
                _set_state(state, survey.own[column.name], node)
        else:
            rest.append((encoder, states, node))
    for _, _, node in rest:
        if any(isinstance(n, ast.Call) and n is not node and _is_stateful(n) for n in ast.walk(node)):
            raise DataError(
                "A formula that centres or scales what is centred or scaled needs a pass over the rows for each; "
                "make the inner one a column of the data."
            )
    if rest:
        _learn_from_rows(rest, survey, source)


def _learn_from_rows(rest: list[Learner], survey: Survey, source: Source) -> None:
    """Learn the states of calls whose argument is an expression, in a pass over the rows."""
    found = [Moments() for _ in rest]
    for columns, _ in read_columns(source, survey.plan.names):
        for moments, (encoder, _, node) in zip(found, rest, strict=True):
            moments.add(evaluate_part(encoder, ast.unparse(node.args[0]), columns))
    for moments, (_, states, node) in zip(found, rest, strict=True):
        for state in states:
            _set_state(state, moments, node)


def _is_stateful(node: ast.Call) -> bool:
    return ast.unparse(node.func).rpartition(".")[2] in ("scale", "center", "standardize")


def _restore_names(text: str, encoder: FormulaicEncoder) -> str:
    """Return an expression with columns under their own names."""
    for safe, source in encoder.sources.items():
        text = text.replace(safe, repr(source.name))
    return text


def _set_state(state: dict[str, Any], moments: Moments, node: ast.Call) -> None:
    """Put the mean and the spread of all rows where a call has learned them from few."""
    given = dict(zip(("data", "center", "scale", "ddof"), node.args, strict=False))
    given |= {k.arg: k.value for k in node.keywords if k.arg is not None}

    def learns(key: str) -> bool:
        value = given.get(key)
        return value is None or (isinstance(value, ast.Constant) and value.value is True)

    if state.get("center") is not None and learns("center"):
        state["center"] = np.float64(moments.mean)
    if state.get("scale") is not None and learns("scale"):
        centre = 0.0 if state.get("center") is None else float(state["center"])
        state["scale"] = np.float64(moments.spread_about(centre, state.get("ddof", 1)))
