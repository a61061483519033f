"""Numbers as the APA's manual writes them, and sentences that hold them, in text, Markdown, HTML and LaTeX."""

from __future__ import annotations

import html
import math
import textwrap
from dataclasses import dataclass
from typing import TypeAlias

from lmmtools.report.formats import markdown
from lmmtools.report.latex_text import escape as escape_latex
from lmmtools.report.table import LINE_WIDTH

__all__ = [
    "Code",
    "Piece",
    "Sentence",
    "Statistic",
    "amount",
    "decimals_for",
    "p_value",
    "share",
    "write_html",
    "write_latex",
    "write_markdown",
    "write_text",
]

LEAST_P = 0.001
NO_BREAK = "\N{NO-BREAK SPACE}"
MOST_DECIMALS = 6
"""An error smaller than this many decimals show is written with a power of ten."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """A symbol with its value: ``t(17.00) = 6.77``.

    Attributes
    ----------
    symbol : str
        ``"t"``, ``"p"``, ``"SE"``; ``"R2"`` and ``"χ2"`` are squares.
    value : str
        The number, or a bound.
    relation : str
    arguments : str
        What stands in parentheses behind the symbol; empty for nothing.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> next(p for p in fit.report().sentences[3] if getattr(p, "symbol", "") == "t").value
    '78.80'
    """

    symbol: str
    value: str
    relation: str = "="
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A formula, set as it is written.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.report().sentences[0][1].text
    'Yield ~ 1 + (1 | Batch)'
    """

    text: str


Piece: TypeAlias = str | Statistic | Code
Sentence: TypeAlias = tuple[Piece, ...]


_POWERS = {"R2": ("R", "²"), "χ2": ("χ", "²")}
_MATH = {"R2": "R^2", "χ2": r"\chi^2", "SE": r"\mathit{SE}"}


def decimals_for(size: float) -> int:
    """Return to how many decimals numbers with a standard error of this size are written: two digits of it, or two."""
    if not (math.isfinite(size) and size > 0):
        return 2
    digits = 1 - math.floor(math.log10(size))
    return min(max(digits, 0 if size >= 1000 else 1 if size >= 100 else 2), MOST_DECIMALS + 1)


def amount(value: float, decimals: int = 2) -> str:
    """Return a number with its decimals, with a power of ten where that many do not show it."""
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else "infinite" if value > 0 else "-infinite"
    if decimals > MOST_DECIMALS or abs(value) >= 1e9:
        return f"{value:.3g}"
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if not float(text) else text


def share(value: float, decimals: int = 2) -> str:
    """Return a number that cannot exceed one, a share or a correlation, without the zero before its point."""
    text = amount(value, decimals)
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def p_value(p: float) -> Statistic:
    """Return a p-value with three decimals, or as a bound."""
    if math.isnan(p):
        return Statistic("p", "undefined")
    if p < LEAST_P:
        return Statistic("p", share(LEAST_P, 3), "<")
    if p > 1.0 - LEAST_P / 2:
        return Statistic("p", share(1.0 - LEAST_P, 3), ">")
    return Statistic("p", share(p, 3))


def write_text(sentences: tuple[Sentence, ...]) -> str:
    """Return sentences as lines of plain text."""
    words = " ".join("".join(map(_plain, sentence)) for sentence in sentences)
    lines = textwrap.fill(words, LINE_WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines.replace(NO_BREAK, " ")


def write_markdown(sentences: tuple[Sentence, ...]) -> str:
    """Return sentences as one paragraph of Markdown."""
    return " ".join("".join(map(_in_markdown, sentence)) for sentence in sentences)


def write_html(sentences: tuple[Sentence, ...]) -> str:
    """Return sentences as one paragraph of HTML."""
    return f"<p>{' '.join(''.join(map(_in_html, sentence)) for sentence in sentences)}</p>"


def write_latex(sentences: tuple[Sentence, ...]) -> str:
    """Return sentences as one paragraph of LaTeX."""
    return " ".join("".join(map(_in_latex, sentence)) for sentence in sentences)


def _plain(piece: Piece) -> str:
    if isinstance(piece, Statistic):
        arguments = f"({piece.arguments})" if piece.arguments else ""
        return f"{piece.symbol}{arguments} {piece.relation} {piece.value}".replace(" ", NO_BREAK)
    return piece.text if isinstance(piece, Code) else piece


def _in_markdown(piece: Piece) -> str:
    if isinstance(piece, Statistic):
        arguments = f"({piece.arguments})" if piece.arguments else ""
        symbol = _POWERS.get(piece.symbol, (piece.symbol, ""))
        name = f"*{symbol[0]}*{symbol[1]}"
        return f"{name}{arguments} {markdown.escape(piece.relation)} {piece.value}"
    return markdown.code(piece.text) if isinstance(piece, Code) else markdown.escape(piece)


def _in_html(piece: Piece) -> str:
    if isinstance(piece, Statistic):
        arguments = f"({piece.arguments})" if piece.arguments else ""
        symbol = _POWERS.get(piece.symbol, (piece.symbol, ""))
        return f"<em>{symbol[0]}</em>{symbol[1]}{arguments} {html.escape(piece.relation)} {piece.value}"
    return f"<code>{html.escape(piece.text)}</code>" if isinstance(piece, Code) else html.escape(piece)


def _in_latex(piece: Piece) -> str:
    if isinstance(piece, Statistic):
        symbol = _MATH.get(piece.symbol, piece.symbol)
        arguments = f"({piece.arguments})" if piece.arguments else ""
        if piece.value[-1:].isalpha():
            return f"${symbol}{arguments}$ {piece.value}"
        mantissa, _, exponent = piece.value.partition("e")
        power = rf" \times 10^{{{int(exponent)}}}" if exponent else ""
        return f"${symbol}{arguments} {piece.relation} {mantissa}{power}$"
    return rf"\texttt{{{escape_latex(piece.text)}}}" if isinstance(piece, Code) else escape_latex(piece)
