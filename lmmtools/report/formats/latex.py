r"""LaTeX tables with booktabs rules; the preamble needs ``\usepackage{booktabs}``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.report.cells import format_cells, format_fact
from lmmtools.report.table import Facts, Prose, Table

if TYPE_CHECKING:
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
        lines = [rf"\noindent {escape(f.label)}: {_fact(format_fact(f), f.name)}" for f in part.facts]
        return " \\\\\n".join(lines).replace("\\\\\n\\noindent ", "\\\\\n")
    return _render_prose(part)


def _fact(text: str, name: str) -> str:
    return rf"\texttt{{{escape(text)}}}" if name == "formula" else _cell(text)


def _render_prose(part: Prose) -> str:
    title = [rf"\noindent\textbf{{{escape(part.title)}}}"] if part.title else []
    # LaTeX refuses a list without items.
    if not part.lines:
        return ""
    if part.is_list or part.name == "notes":
        items = [rf"  \item {escape(line)}" for line in part.lines]
        return "\n".join([*title, r"\begin{itemize}", *items, r"\end{itemize}"])
    return "\n\n".join([*title, *(_block(line) for line in part.lines)])


def _block(line: str) -> str:
    r"""Return a paragraph; text with line breaks is set as it is.

    ``verbatim`` ends at its own closing command: text that holds one, in a name, is set line by line.
    """
    if "\n" not in line:
        return rf"\noindent {escape(line)}"
    if r"\end" in line:
        return " \\\\\n".join(rf"\noindent \texttt{{{escape(row)}}}" for row in line.splitlines())
    return f"\\begin{{verbatim}}\n{line}\n\\end{{verbatim}}"


def _cell(text: str) -> str:
    """Return a cell; numbers with a sign or an exponent in math mode, so that the minus is a minus."""
    text = text.strip()
    number = _NUMBER.fullmatch(text)
    if number is None:
        return escape(text)
    mantissa, exponent = number.groups()
    if exponent is not None:
        return rf"${mantissa} \times 10^{{{int(exponent)}}}$"
    return f"${mantissa}$" if mantissa.startswith("-") else mantissa


def _align(column: Column) -> str:
    return "l" if column.numbers.rule == "text" and column.align == "left" else "r"


def _render_table(table: Table) -> str:
    rows = [" & ".join(map(_cell, row)) for row in format_cells(table)]
    lines = [r"\begin{table}[htbp]", r"\centering"]
    if table.title:
        lines.append(rf"\caption{{{escape(table.title)}}}")
    lines += [
        rf"\begin{{tabular}}{{{''.join(map(_align, table.columns))}}}",
        r"\toprule",
        " & ".join(escape(c.name) for c in table.columns) + r" \\",
        r"\midrule",
        *(rf"{row} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    lines += [rf"\par\smallskip {escape(note)}" for note in table.notes]
    lines.append(r"\end{table}")
    return "\n".join(lines)
