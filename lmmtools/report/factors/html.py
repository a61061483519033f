"""A structure as an HTML fragment: sentences, small tables, pictures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmmtools.report.factors.incidence_html import render_picture, render_table
from lmmtools.report.factors.text import (
    MAX_TABLES,
    compact_panels,
    factor_rows,
    is_small,
    island_sentence,
    joint_sentence,
    pair_sentence,
    rows_sentence,
)

if TYPE_CHECKING:
    from lmmtools.design.incidence import Incidence
    from lmmtools.design.structure import FactorStructure

__all__ = ["render_structure"]

_CELL = "text-align: left; padding: 0.1em 0.7em"


def render_structure(structure: FactorStructure) -> str:
    """Return the structure as one ``<section>`` with the parts of its text."""
    parts = [f"<p>{escape(rows_sentence(structure))}</p>", _factors(structure)]
    for k, pair in enumerate(structure.pairs):
        parts.append(f"<p>{escape(pair_sentence(pair))}</p>")
        if k < MAX_TABLES:
            parts += [_picture(title, incidence) for title, incidence in compact_panels(pair)]
    if len(structure.factors) > 2:
        parts.append(f"<p>{escape(joint_sentence(structure))}</p>")
    parts.append(f"<p>{escape(island_sentence(structure))}</p>")
    if structure.findings:
        parts += ["<ul>", *(f"<li>{escape(str(finding))}</li>" for finding in structure.findings), "</ul>"]
    if structure.suggestion is not None:
        formula, declaration = escape(structure.suggestion.formula), escape(structure.suggestion.declaration)
        parts.append(f"<p>Random effects: <code>{formula}</code>, that is <code>{declaration}</code></p>")
    return "\n".join(['<section class="lmmtools">', *parts, "</section>"])


def _factors(structure: FactorStructure) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}">{escape(name)}</th>'
        f'<td style="{_CELL}">{levels}</td><td style="{_CELL}">{rows}</td></tr>'
        for name, levels, rows in factor_rows(structure)
    )
    caption = '<caption style="text-align: left">Factors</caption>'
    return f'<table style="border-collapse: collapse">{caption}<tbody>{rows}</tbody></table>'


def _picture(title: str, incidence: Incidence) -> str:
    if is_small(incidence):
        return render_table(incidence, incidence.blocks(*incidence.shape))
    return render_picture(title, incidence)
