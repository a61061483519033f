r"""LaTeX tables with booktabs rules; the preamble needs ``\usepackage{booktabs}``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.report.cells import format_cells, format_fact
from lmmtools.report.latex_page import fit_page
from lmmtools.report.table import Facts, Prose, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.report.latex_page import Layout
    from lmmtools.report.table import Column, Document, Part

__all__ = ["escape", "render"]

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "]": "{]}",
    '"': r"{\char34}",
    "`": r"\textasciigrave{}",
}
_SPECIAL = re.compile("|".join(re.escape(c) for c in _ESCAPES))
# A word longer than this may be broken where its parts meet: LaTeX does not hyphenate names.
_LONG_WORD, _LONG_WORD_IN_COLUMN = 25, 10
_JOINT = re.compile(r"(?<=[_.:;/*|+\-=,()\[\]{}\\])(?=.)")
# A formula longer than this breaks over lines: typewriter type has no stretch.
_LONG_LINE = 55
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?:e([+-]\d+))?")


def escape(text: str) -> str:
    """Return the text with everything that LaTeX would take for a command escaped."""
    # A bracket after a line end would be read as its argument, and some languages make the quotation mark a command:
    # both are escaped so that the text compiles wherever it is put.
    return _SPECIAL.sub(lambda found: _ESCAPES[found.group()], " ".join(text.splitlines()))


def render(document: Document) -> str:
    """Return the document as LaTeX."""
    parts = [rf"\noindent\textbf{{{escape(document.title)}}}"] if document.title else []
    parts.extend(_render_part(part) for part in document.parts)
    return "\n\n".join(p for p in parts if p)


def _render_part(part: Part) -> str:
    if isinstance(part, Table):
        return _render_table(part)
    if isinstance(part, Facts):
        lines = [rf"\noindent {_escape_broken(f.label)}: {_fact(format_fact(f), f.name)}" for f in part.facts]
        text = " \\\\\n".join(lines).replace("\\\\\n\\noindent ", "\\\\\n")
        is_long = any(len(format_fact(f)) > _LONG_LINE for f in part.facts)
        return _ragged(text) if is_long else text
    return _render_prose(part)


def _ragged(text: str) -> str:
    """Return a paragraph whose lines end where its words do."""
    return f"{{\\raggedright\n{text}\\par}}"


def _escape_broken(text: str, longest: int = _LONG_WORD) -> str:
    """Return the text escaped, with places where a line may end in words that are longer than ``longest``."""
    words = re.split(r"(\s+)", " ".join(text.splitlines()))
    return "".join(
        r"\allowbreak{}".join(map(escape, _JOINT.split(word))) if len(word) > longest else escape(word)
        for word in words
    )


def _fact(text: str, name: str) -> str:
    return rf"\texttt{{{_escape_broken(text)}}}" if name == "formula" else _cell(text)


def _render_prose(part: Prose) -> str:
    title = [rf"\noindent\textbf{{{_escape_broken(part.title)}}}"] if part.title else []
    # LaTeX refuses a list without items.
    if not part.lines:
        return ""
    if part.is_list or part.name == "notes":
        items = [rf"  \item {_paragraph(line)}" for line in part.lines]
        return "\n".join([*title, r"\begin{itemize}", *items, r"\end{itemize}"])
    return "\n\n".join([*title, *(_block(line) for line in part.lines)])


def _paragraph(line: str) -> str:
    text = _escape_broken(line)
    return text if max(map(len, line.split()), default=0) <= _LONG_WORD else _ragged(text)


def _block(line: str) -> str:
    r"""Return a paragraph; text with line breaks is set as it is.

    ``verbatim`` ends at its own closing command: text that holds one, in a name, is set line by line.
    """
    if "\n" not in line:
        return rf"\noindent {_paragraph(line)}"
    if r"\end" in line:
        return " \\\\\n".join(rf"\noindent \texttt{{{escape(row)}}}" for row in line.splitlines())
    return f"\\begin{{verbatim}}\n{line}\n\\end{{verbatim}}"


def _cell(text: str, longest: int = _LONG_WORD) -> str:
    """Return a cell; numbers with a sign or an exponent in math mode, so that the minus is a minus."""
    text = text.strip()
    number = _NUMBER.fullmatch(text)
    if number is None:
        return _escape_broken(text, longest)
    mantissa, exponent = number.groups()
    if exponent is not None:
        return rf"${mantissa} \times 10^{{{int(exponent)}}}$"
    return f"${mantissa}$" if mantissa.startswith("-") else mantissa


def _is_text(column: Column) -> bool:
    return column.numbers.rule == "text" and column.align == "left"


def _render_table(table: Table) -> str:
    cells = [[c.name for c in table.columns], *format_cells(table)]
    lengths = [max(len(row[j].strip()) for row in cells) for j in range(len(table.columns))]
    is_text = [_is_text(c) for c in table.columns]
    layout = fit_page(lengths, is_text, [c.is_label or (j == 0 and is_text[j]) for j, c in enumerate(table.columns)])
    lines = [r"\begin{table}[htbp]", r"\centering"]
    if layout.size:
        lines += [layout.size, rf"\setlength{{\tabcolsep}}{{{layout.separation:g}pt}}"]
    if table.title:
        lines.append(rf"\caption{{{_escape_broken(table.title)}}}")
    lines.append("\n\\par\\medskip\n".join(_render_piece(cells, columns, is_text, layout) for columns in layout.pieces))
    lines += [rf"\par\smallskip {_escape_broken(note)}" for note in table.notes]
    lines.append(r"\end{table}")
    return "\n".join(lines)


def _render_piece(
    cells: Sequence[Sequence[str]], columns: Sequence[int], is_text: Sequence[bool], layout: Layout
) -> str:
    """Return some columns of a table, the first row its header."""
    widths = layout.widths
    align = ["l" if is_text[j] else "r" for j in columns]
    align = [a if widths[j] is None else f"p{{{widths[j]:.0f}pt}}" for a, j in zip(align, columns, strict=True)]
    longest = [_LONG_WORD if width is None else _LONG_WORD_IN_COLUMN for width in widths]
    header = " & ".join(_wrap(_escape_broken(cells[0][j], longest[j]), widths[j]) for j in columns)
    rows = [" & ".join(_wrap(_cell(row[j], longest[j]), widths[j]) for j in columns) for row in cells[1:]]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{''.join(align)}}}",
            r"\toprule",
            rf"{header} \\",
            r"\midrule",
            *(rf"{row} \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _wrap(text: str, width: float | None) -> str:
    """Return a cell that wraps with ragged lines; within its braces the end of a row keeps its meaning."""
    return text if width is None or not text else rf"{{\raggedright {text}\par}}"
