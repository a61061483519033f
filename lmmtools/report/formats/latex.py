r"""LaTeX tables with booktabs rules.

The preamble needs ``\usepackage{booktabs}``; for tables of fits side by side also ``dcolumn``, which puts the points
of numbers below each other, and ``longtable`` for those that are longer than a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.report.cells import format_fact
from lmmtools.report.latex_table import float_table, set_table
from lmmtools.report.latex_text import LONG_WORD, escape, escape_broken, set_cell
from lmmtools.report.table import Facts, Prose, Table

if TYPE_CHECKING:
    from lmmtools.report.table import Document, Part

__all__ = ["escape", "render"]

# Characters beyond which facts are set ragged right: typewriter type does not stretch.
_LONG_LINE = 55
# Lines beyond which a document is not one float: a float does not break over pages.
_LINES_OF_PAGE = 40


def render(document: Document) -> str:
    """Return the document as LaTeX."""
    parts = [_render_part(part) for part in document.parts]
    if document.is_one_float and _count_lines(document) <= _LINES_OF_PAGE:
        return _render_float(document)
    title = [rf"\noindent\textbf{{{escape(document.title)}}}"] if document.title else []
    return "\n\n".join(p for p in [*title, *parts] if p)


def _count_lines(document: Document) -> int:
    """Return about how many lines a document takes: titles, headers, rows, notes."""
    return sum(
        len(part.rows) + len(part.notes) + 3
        if isinstance(part, Table)
        else 1 + sum(1 + len(t) // 70 for t in _texts(part))
        for part in document.parts
    )


def _texts(part: Part) -> list[str]:
    return [format_fact(f) for f in part.facts] if isinstance(part, Facts) else list(getattr(part, "lines", ()))


def _render_float(document: Document) -> str:
    """Return a document as one float, its title the caption."""
    parts = [set_table(part) if isinstance(part, Table) else _render_part(part) for part in document.parts]
    caption = [rf"\caption{{{escape_broken(document.title)}}}\par\smallskip"] if document.title else []
    body = "\n\\par\\medskip\n".join(p for p in parts if p)
    return "\n".join([r"\begin{table}[htbp]", *caption, body, r"\end{table}"])


def _render_part(part: Part) -> str:
    if isinstance(part, Table):
        return float_table(part)
    if isinstance(part, Facts):
        lines = [rf"\noindent {escape_broken(f.label)}: {_fact(format_fact(f), f.name)}" for f in part.facts]
        text = " \\\\\n".join(lines).replace("\\\\\n\\noindent ", "\\\\\n")
        is_long = any(len(format_fact(f)) > _LONG_LINE for f in part.facts)
        return _ragged(text) if is_long else text
    return _render_prose(part)


def _ragged(text: str) -> str:
    """Return a paragraph set ragged right."""
    return f"{{\\raggedright\n{text}\\par}}"


def _fact(text: str, name: str) -> str:
    return rf"\texttt{{{escape_broken(text)}}}" if name == "formula" else set_cell(text)


def _render_prose(part: Prose) -> str:
    title = [rf"\noindent\textbf{{{escape_broken(part.title)}}}"] if part.title else []
    # A list without items is an error in LaTeX.
    if not part.lines:
        return ""
    if part.is_list or part.name == "notes":
        items = [rf"  \item {_paragraph(line)}" for line in part.lines]
        return "\n".join([*title, r"\begin{itemize}", *items, r"\end{itemize}"])
    return "\n\n".join([*title, *(_block(line) for line in part.lines)])


def _paragraph(line: str) -> str:
    text = escape_broken(line)
    return text if max(map(len, line.split()), default=0) <= LONG_WORD else _ragged(text)


def _block(line: str) -> str:
    r"""Return a paragraph; text with line breaks is set verbatim.

    Text that holds ``\end`` could close ``verbatim`` early and is set line by line.
    """
    if "\n" not in line:
        return rf"\noindent {_paragraph(line)}"
    if r"\end" in line:
        return " \\\\\n".join(rf"\noindent \texttt{{{escape(row)}}}" for row in line.splitlines())
    return f"\\begin{{verbatim}}\n{line}\n\\end{{verbatim}}"
