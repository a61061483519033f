"""The errors and warnings that lmmtools raises, one class per situation."""

from __future__ import annotations

import sys
import warnings

from lmmtools.tracebacks import render_traceback

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
    "OutOfMemoryError",
    "PrintoutError",
    "ProfileLimitWarning",
    "ReproducedWarning",
    "RowsNeededError",
    "StructureWarning",
    "TranslationError",
    "UnknownArgumentError",
    "UnknownNameError",
    "caret",
    "warn_caller",
]


class LmmError(Exception):
    """Base class of all errors that lmmtools raises on purpose.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> try:
    ...     lmt.lmm("Reaction ~ Day + (1 | Subject)", lmt.datasets.load("sleepstudy"))
    ... except lmt.LmmError as error:
    ...     print(type(error).__name__)
    DataError
    """

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows of the error: the caller's line and the message; by ``%tb`` all."""
        return render_traceback(self)


class FormulaError(LmmError, ValueError):
    """A formula or declaration that does not parse, or that lmmtools has no meaning for; the message marks the place.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> try:
    ...     lmt.lmm("Reaction ~ Days + (1 | Subject", lmt.datasets.load("sleepstudy"))
    ... except lmt.FormulaError as error:
    ...     print(error)
    This ( is never closed:
        Reaction ~ Days + (1 | Subject
                          ^
    """


class DataError(LmmError, ValueError):
    """Data that do not determine the declared model, or lack a column of it; also an argument with a wrong value.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> try:
    ...     lmt.lmm("Reaction ~ Day + (1 | Subject)", lmt.datasets.load("sleepstudy"))
    ... except lmt.DataError as error:
    ...     print(error)
    The data have no column 'Day', which the model uses. Did you mean 'Days'?
    """


class PrintoutError(DataError):
    """A printed summary that cannot be read: it was cut or changed, or comes from another package.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> try:
    ...     lmt.read_lme4_summary("Linear mixed model fit by REML")
    ... except lmt.errors.PrintoutError as error:
    ...     print(error)
    The printout is not complete; missing: the criterion ...
    """


class TranslationError(LmmError, ValueError):
    """A model that the chosen engine or notation cannot express.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("angle ~ temp + (temp | recipe) + (temp | replicate)", lmt.datasets.load("cake"))
    >>> try:
    ...     model.spec
    ... except lmt.TranslationError as error:
    ...     print(error)
    (temp | replicate) and (temp | recipe) have no MixedLM form: ...
    Use engine="pls", or write (temp || recipe).
    """


class EngineError(LmmError, RuntimeError):
    """An engine that is missing, failed, or cannot give a right answer; also a package that is not installed.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> try:
    ...     model.fit(engine="nlme")
    ... except lmt.EngineError as error:
    ...     print(error)
    there is no engine 'nlme'; write one of 'auto', 'lme4', 'mixedlm', 'pls'
    """


class OutOfMemoryError(EngineError, MemoryError):
    """Work for which there is not the memory; the message says how much it takes, for what, and what would help.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> issubclass(lmt.errors.OutOfMemoryError, lmt.EngineError)
    True
    """


class RowsNeededError(LmmError, RuntimeError):
    """What needs all rows in memory, of a fit whose rows are read from files or a query when they are needed.

    Attributes
    ----------
    called : str
        The method or attribute that was asked for, ``"fit.simulate()"``; empty where it is not known.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> issubclass(lmt.errors.RowsNeededError, lmt.LmmError)
    True
    """

    called: str = ""

    def __str__(self) -> str:
        text = super().__str__()
        if not self.called:
            return text
        return f"{self.called}{text.removeprefix('This')}" if text.startswith("This ") else f"{self.called}: {text}"


class UnknownNameError(LmmError, AttributeError):
    """A name that another package has and lmmtools has not; the message says what to write here.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> try:
    ...     lmt.lmer
    ... except AttributeError as error:
    ...     print(error)
    lmmtools has no lmer: write lmt.lmm(formula, data).fit()
    """


class UnknownArgumentError(DataError, TypeError):
    """An argument that a function does not take; the message says what to write here.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> try:
    ...     lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(REML=False)
    ... except TypeError as error:
    ...     print(error)
    fit() has no REML=: write reml=True or reml=False
    """


class LmmWarning(UserWarning):
    """Base class of lmmtools' warnings. Their texts are also in ``fit.warnings``.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> import warnings
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2"))
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", lmt.LmmWarning)
    ...     fit = model.fit()
    >>> len(fit.warnings)
    1
    """


class BoundaryWarning(LmmWarning):
    """The fit is singular: a variance is zero, or a correlation is one; ``fit.boundary`` has the components.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit()
    >>> print(fit.boundary)
    the variance of (Intercept) by Batch is zero: any more of it would make the criterion worse
    """


class ConvergenceWarning(LmmWarning):
    """The optimum is not certified: the criterion may have a lower value; ``fit.certificate`` has the details."""


class ReproducedWarning(ConvergenceWarning):
    """The model reproduces the response, so that the criterion falls without end and has no lowest value."""


class DroppedRowsWarning(LmmWarning):
    """Rows with missing values were left out; ``fit.design.dropped`` counts them by column.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("sleepstudy")
    >>> data.loc[:2, "Reaction"] = float("nan")
    >>> fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit()
    >>> fit.design.dropped.n_rows, dict(fit.design.dropped.rows)
    (3, {'Reaction': 3})
    """


class DroppedColumnsWarning(LmmWarning):
    """Columns of X that depend linearly on others were left out; ``fit.design.dropped.columns`` names them."""


class CodingWarning(LmmWarning):
    """R codes the factors of the formula in fewer columns, so that ``lmer()`` fits another model for this formula."""


class StructureWarning(LmmWarning):
    """The data suggest a model other than the one declared."""


class FewDrawsWarning(LmmWarning):
    """Too few draws for the limits that were requested: draw more."""


class ProfileLimitWarning(LmmWarning):
    """A limit of a profile does not exist or was not found, and is NaN."""


class AgreementWarning(LmmWarning):
    """Two engines compute different criteria at the same parameters."""


# A terminal would wrap a longer line, and the carets would not stand under their characters.
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
