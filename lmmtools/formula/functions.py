"""What a formula may call, under R's and Python's names, and what to write instead of what it may not."""

from __future__ import annotations

import re

__all__ = [
    "CONSTANTS",
    "CONTRASTS",
    "CURES",
    "CURES_IN_FILES",
    "FUNCTIONS",
    "NUMERICAL",
    "OPERATOR_CURES",
    "R_CONTRASTS",
    "SAME_CONTRASTS",
    "UNARY",
    "is_matrix",
]

_ELEMENTWISE = (
    "log",
    "log2",
    "log10",
    "log1p",
    "exp",
    "exp2",
    "expm1",
    "sqrt",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
)
_TRIGONOMETRIC = ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")
CONTRASTS = ("Treatment", "Sum", "Helmert", "Poly", "Diff")
R_CONTRASTS = tuple(f"contr.{name}" for name in ("treatment", "sum", "helmert", "poly", "diff", "SAS"))

# Other packages' names for the same coding: MASS's successive differences, car's with other column names.
SAME_CONTRASTS = {
    "contr.sdif": "contr.diff",
    "contr.Treatment": "contr.treatment",
    "contr.Sum": "contr.sum",
    "contr.Helmert": "contr.helmert",
}

# Functions of one column, which numpy would also let write into a second one.
UNARY = frozenset(
    (
        *(f"np.{name}" for name in (*_ELEMENTWISE, *_TRIGONOMETRIC, "square", "cbrt") if name != "round"),
        *("log", "log2", "log10", "exp", "exp2"),
    )
)

_MATRICES = ("scale", "standardize", "poly", "bs", "cr", "cc", "cs")
# Functions of numbers, which have no meaning for a factor's labels.
NUMERICAL = UNARY | {"np.maximum", "np.minimum", "np.round", "center", *_MATRICES}

# What a formula may call -> the name under which formulaic's evaluation finds it.
FUNCTIONS = {
    **{name: name for name in ("I", "C", "scale", "center", "standardize", "poly", "bs", "cr", "cc", "cs", "lag")},
    "dummy": "dummy",
    **{name: name for name in ("log", "log2", "log10", "exp", "exp2")},
    **{f"np.{name}": f"np.{name}" for name in (*_ELEMENTWISE, *_TRIGONOMETRIC, "square", "cbrt", "maximum", "minimum")},
    **{name: f"np.{name}" for name in (*_ELEMENTWISE, *_TRIGONOMETRIC) if name not in ("log", "log2", "log10", "exp")},
    **{name: name for name in (*CONTRASTS, *R_CONTRASTS)},
    **SAME_CONTRASTS,
    "exp2": "exp2",
    "factor": "C",
    "as.factor": "C",
    "ceiling": "np.ceil",
    "asin": "np.arcsin",
    "acos": "np.arccos",
    "atan": "np.arctan",
}
CONSTANTS = {
    "TRUE": "True",
    "FALSE": "False",
    "NULL": "None",
    "True": "True",
    "False": "False",
    "None": "None",
    "np.pi": "np.pi",
    "np.e": "np.e",
    "pi": "np.pi",
}
CURES = {
    "s": "Write bs(x, df=5) or cr(x, df=6) for a spline with five columns beside the constant, without a penalty.",
    "relevel": 'Write C(f, Treatment("B")) to make "B" the reference level.',
    "ordered": "Write C(f, Poly) for polynomial contrasts, or make the column an ordered categorical first.",
    "as.ordered": "Write C(f, Poly) for polynomial contrasts, or make the column an ordered categorical first.",
    "cut": 'Make the column first: data["group"] = pd.cut(data["x"], bins).',
    "ifelse": 'Make the column first: data["z"] = np.where(condition, a, b).',
    "as.numeric": 'Convert the column first: data["x"] = pd.to_numeric(data["x"]).',
    "as.integer": 'Convert the column first: data["x"] = data["x"].astype(int).',
    "interaction": "Write a:b for the combinations of two factors.",
    "droplevels": "Leave it out: unused levels are always dropped.",
    **dict.fromkeys(("logit", "qlogis"), "Write log(p / (1 - p)) for the logit of p."),
    **dict.fromkeys(("boxcox", "BoxCox"), "Write I((y**0.3 - 1) / 0.3) for Box and Cox's transformation with 0.3."),
    "cbind": "A model has one response; fit one model for each.",
    "pmin": "Write np.minimum(a, b).",
    "pmax": "Write np.maximum(a, b).",
    "mean": "Write center(x) for x - mean(x).",
    "sd": "Write scale(x) for (x - mean(x)) / sd(x).",
}
CURES_IN_FILES = {
    **dict.fromkeys(("cut", "ifelse"), "Make the column in the data first."),
    **dict.fromkeys(("as.numeric", "as.integer"), "Leave it out: columns of numbers are read as numbers."),
}
"""What to say at a command line instead, where the column is of a file."""
OPERATOR_CURES = {
    "%in%": "Make the column first, for example with Series.isin.",
    "%%": "Write % for the remainder.",
    "%/%": "Write // for integer division.",
    "&&": "Write (a > 1) & (b > 2), each comparison in parentheses.",
    "||": "Write (a > 1) | (b > 2), each comparison in parentheses.",
    "!": "Write ~ for not, != for not equal.",
    "<-": "Put a space between < and -.",
    "$": "Write the column's name alone.",
}
_MATRIX = re.compile(rf"(?<!\w)(?:{'|'.join((*_MATRICES, 'dummy'))})\(")


def is_matrix(factor: str) -> bool:
    """Whether R holds the value of an expression as a matrix, be it of one column: ``scale(x)``, ``dummy(f, "a")``."""
    return _MATRIX.search(factor) is not None
