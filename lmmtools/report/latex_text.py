"""Text for LaTeX: special characters escaped, long words with places to break, numbers in math mode."""

from __future__ import annotations

import re

__all__ = ["LONG_WORD", "LONG_WORD_IN_COLUMN", "escape", "escape_broken", "set_cell"]

_BACKSLASH = "\\"
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
_GREEK = (
    ("α", "alpha"), ("β", "beta"), ("γ", "gamma"), ("δ", "delta"), ("ε", "varepsilon"), ("ζ", "zeta"), ("η", "eta"),
    ("θ", "theta"), ("ι", "iota"), ("κ", "kappa"), ("λ", "lambda"), ("μ", "mu"), ("µ", "mu"), ("ν", "nu"), ("ξ", "xi"),
    ("π", "pi"), ("ρ", "rho"), ("σ", "sigma"), ("τ", "tau"), ("υ", "upsilon"), ("φ", "varphi"), ("χ", "chi"),
    ("ψ", "psi"), ("ω", "omega"), ("Γ", "Gamma"), ("Δ", "Delta"), ("Θ", "Theta"), ("Λ", "Lambda"), ("Ξ", "Xi"),
    ("Π", "Pi"), ("Σ", "Sigma"), ("Φ", "Phi"), ("Ψ", "Psi"), ("Ω", "Omega"),
    ("−", "-"), ("×", "times"), ("±", "pm"), ("≤", "leq"), ("≥", "geq"), ("·", "cdot"), ("²", "^2"), ("³", "^3"),
    ("†", "dagger"), ("‡", "ddagger"), ("∞", "infty"),
)  # fmt: skip
# pdflatex has these characters in math mode only.
_ESCAPES |= {c: rf"\ensuremath{{{name if name[0] in '^-' else _BACKSLASH + name}}}" for c, name in _GREEK}
_SPECIAL = re.compile("|".join(re.escape(c) for c in _ESCAPES))
# Characters beyond which a word may be broken at its punctuation: LaTeX does not hyphenate names.
LONG_WORD, LONG_WORD_IN_COLUMN = 25, 10
_JOINT = re.compile(r"(?<=[_.:;/*|+\-=,()\[\]{}\\])(?=.)")
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?:e([+-]\d+))?")


def escape(text: str) -> str:
    """Return the text with everything that LaTeX would take for a command escaped."""
    # A bracket after \\ would be read as its argument, and babel makes the quotation mark a command in some languages.
    return _SPECIAL.sub(lambda found: _ESCAPES[found.group()], " ".join(text.splitlines()))


def escape_broken(text: str, longest: int = LONG_WORD) -> str:
    r"""Return the text escaped, with ``\allowbreak`` in words that are longer than ``longest``."""
    words = re.split(r"(\s+)", " ".join(text.splitlines()))
    return "".join(
        r"\allowbreak{}".join(map(escape, _JOINT.split(word))) if len(word) > longest else escape(word)
        for word in words
    )


def set_cell(text: str, longest: int = LONG_WORD) -> str:
    """Return a cell, escaped; numbers with a minus sign or an exponent are in math mode."""
    text = text.strip()
    number = _NUMBER.fullmatch(text)
    if number is None:
        return escape_broken(text, longest)
    mantissa, exponent = number.groups()
    if exponent is not None:
        return rf"${mantissa} \times 10^{{{int(exponent)}}}$"
    return f"${mantissa}$" if mantissa.startswith("-") else mantissa
