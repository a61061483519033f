"""The errors and warnings that lmmtools raises, one class per situation."""

from __future__ import annotations

import sys
import warnings

__all__ = [
    "AgreementWarning",
    "BoundaryWarning",
    "CodingWarning",
    "ConvergenceWarning",
    "DataError",
    "DroppedColumnsWarning",
    "DroppedRowsWarning",
    "EngineError",
    "FewDrawsWarning",
    "FormulaError",
    "LmmError",
    "LmmWarning",
    "PrintoutError",
    "ProfileLimitWarning",
    "ReproducedWarning",
    "StructureWarning",
    "TranslationError",
    "caret",
    "warn_caller",
]


class LmmError(Exception):
    """Base class of everything that lmmtools raises on purpose."""


class FormulaError(LmmError, ValueError):
    """A formula or declaration that does not parse, or has no meaning here."""


class DataError(LmmError, ValueError):
    """Data that cannot carry the declared model: a missing column, a factor with one level, ..."""


class PrintoutError(DataError):
    """A printed summary that cannot be read: cut, from another package, or changed."""


class TranslationError(LmmError, ValueError):
    """A model that the asked-for engine or notation cannot express."""


class EngineError(LmmError, RuntimeError):
    """An engine that is missing, failed, or cannot give a right answer."""


class LmmWarning(UserWarning):
    """Base class of lmmtools' warnings; each is also kept on ``fit.warnings``."""


class BoundaryWarning(LmmWarning):
    """The fit is singular: a variance is zero, or a correlation is one."""


class ConvergenceWarning(LmmWarning):
    """The optimum could not be certified."""


class ReproducedWarning(ConvergenceWarning):
    """The model reproduces the response: the criterion falls without end, and has no lowest value."""


class DroppedRowsWarning(LmmWarning):
    """Rows with missing values were left out."""


class DroppedColumnsWarning(LmmWarning):
    """Columns of X that depend linearly on others were left out."""


class CodingWarning(LmmWarning):
    """R codes the factors of the formula in fewer columns: ``lmer()`` fits another model to it."""


class StructureWarning(LmmWarning):
    """The data suggest another model than the one declared."""


class FewDrawsWarning(LmmWarning):
    """Too few draws for the limits that were asked for."""


class ProfileLimitWarning(LmmWarning):
    """A limit of a profile that does not exist, or was not found: it is NaN."""


class AgreementWarning(LmmWarning):
    """Two engines disagree about the optimum."""


# A longer text would be broken by a terminal, and its carets stand under other characters.
_WIDEST = 110


def caret(text: str, start: int, stop: int, *, indent: str = "    ") -> str:
    """Return ``text`` with carets under the characters ``start`` to ``stop`` (end excluded).

    Parameters
    ----------
    text : str
        One line, usually the formula; of a long one, the part around the place is shown.
    start, stop : int
        Positions in ``text``.
    indent : str
        Put before both lines.
    """
    if len(text) > _WIDEST:
        first = max(0, min(start - _WIDEST // 2, len(text) - _WIDEST))
        last = first + _WIDEST
        before, after = "..." * (first > 0), "..." * (last < len(text))
        text = f"{before}{text[first:last]}{after}"
        start, stop = start - first + len(before), min(stop, last) - first + len(before)
    width = max(1, stop - start)
    return f"{indent}{text}\n{indent}{' ' * start}{'^' * width}"


# Modules between a call of the user and a line of lmmtools: the package itself, and the standard library's decorators.
_WITHIN = ("lmmtools", "functools", "contextlib")


def warn_caller(category: type[LmmWarning], text: str) -> None:
    """Warn, and point to the line outside lmmtools that called it, however many calls lie between."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _WITHIN:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
