"""The HTML page of a fit: its parts, adapted to a page, in the template."""

from __future__ import annotations

import re
from html import escape, unescape
from importlib.util import find_spec
from typing import TYPE_CHECKING

from lmmtools.audience import how_to_install
from lmmtools.errors import DataError, EngineError
from lmmtools.formula.expressions import plain_name
from lmmtools.page.figures import draw_figures
from lmmtools.page.flags import read_flags
from lmmtools.report.equation import write_mathml
from lmmtools.report.factors.structure import structure
from lmmtools.report.translation import model_equation, translate_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit
    from lmmtools.report.comparison import Comparison
    from lmmtools.report.provenance import Provenance
    from lmmtools.report.summary import Summary

__all__ = ["check_needs", "pre", "render_page", "scrollable"]

_NOTATIONS = {
    "lme4": "As lme4 writes it",
    "declaration": "Declared in lmmtools",
    "mixedlm": "The same model in statsmodels",
    "latex": "The equation in LaTeX",
}

_TABLE = re.compile(r"(<table\b[^>]*>)(.*?</table>)", re.DOTALL)
_CAPTION = re.compile(r"<caption\b[^>]*>(.*?)</caption>", re.DOTALL)
# SVG needs it in a file of its own, but not within HTML.
_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'


def check_needs() -> None:
    """Raise an EngineError if a package that a page needs is missing, before any long work.

    Raises
    ------
    EngineError
        If jinja2 or matplotlib is not installed.
    """
    missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
    if missing:
        raise EngineError(f"a report page needs {' and '.join(missing)}: {how_to_install(*missing)}")


class _Page(str):
    """The text of a page, which a prompt or a notebook shows by its length."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<HTML page of {len(self):,} characters>"


def render_page(
    fit: Fit,
    summary: Summary,
    provenance: Provenance,
    *,
    comparison: Comparison | None = None,
    why_none: str = "",
    title: str | None = None,
) -> str:
    """Return the page of a fit as self-contained HTML, without scripts.

    Parameters
    ----------
    fit : LMMResults
    summary : Summary
        The summary that is shown.
    provenance : Provenance
        Where the numbers come from.
    comparison : Comparison, optional
        Fits beside this one.
    why_none : str
        Why there is no comparison where one was wanted; may be empty.
    title : str, optional
        Heading of the page; by default it names the response.

    Raises
    ------
    EngineError
        If jinja2 or matplotlib is not installed.
    """
    check_needs()
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lmmtools.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    design = fit.design
    translation = translate_model(fit)
    comparing = "" if comparison is None else scrollable(comparison.to_html(), "Fits side by side")
    page = environment.get_template("page.html").render(
        title=title or f"Linear mixed model of {plain_name(design.formula.response)}",
        formula=design.formula.source or str(design.formula),
        data_name=fit.names.data,
        fit=fit,
        groups=dict(fit.ngroups),
        words=translation.words.replace("sigma^2", "σ²").splitlines(),
        mathml=write_mathml(model_equation(design.formula, design)),
        notations=[
            (heading, pre(text, heading))
            for name, heading in _NOTATIONS.items()
            if (text := getattr(translation, name))
        ],
        notes=translation.notes,
        structure=_structure(design),
        summary=scrollable(summary.to_html(), "Summary"),
        flags=read_flags(fit),
        figures=draw_figures(fit),
        comparison=comparing,
        why_none=why_none,
        provenance=provenance,
        call=pre(f"import lmmtools as lmt\n\nfit = {provenance.call}", "The call"),
    )
    return _Page(page)


def _structure(design: Design) -> str:
    """Return the structure of the grouping factors as HTML; empty where they are not columns (models of arrays)."""
    if design.streamed is not None:  # how factors cross and nest is seen in all rows
        return ""
    factors: Sequence[tuple[str, ...]] = [design.blocks[i[0]].term.factors for i in design.factors.values()]
    try:
        found = structure(design.frame, factors)
    except DataError:
        return ""
    return scrollable(found.to_html(), "Structure")


def scrollable(fragment: str, name: str) -> str:
    """Return a fragment with each table in a named box that scrolls, by keyboard too.

    The name is the table's caption; a table without one gets ``name`` for its caption.
    """
    return _TABLE.sub(lambda match: _box(match[1], match[2], name), fragment).replace(_NAMESPACE, "")


def pre(text: str, name: str) -> str:
    """Return code in a named box that scrolls."""
    return f'<pre role="region" tabindex="0" aria-label="{escape(name, quote=True)}"><code>{escape(text)}</code></pre>'


def _box(start: str, rest: str, name: str) -> str:
    caption = _CAPTION.search(rest)
    if caption is None:
        start += f"<caption>{escape(name)}</caption>"
    label = escape(unescape(caption[1]) if caption else name, quote=True)
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">{start}{rest}</div>'
