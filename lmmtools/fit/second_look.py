"""What statsmodels says of an optimum: its likelihood there once somebody looks, its own search on request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmmtools import core
from lmmtools.engines.estimate import AGREEMENT_TOL
from lmmtools.errors import AgreementWarning, EngineError, TranslationError, warn_caller

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Agreement, Estimate

__all__ = [
    "AFFORDABLE_SECONDS",
    "Confirmation",
    "SecondLook",
    "describe_disagreement",
    "describe_seconds",
    "has_mixedlm_result",
    "search_again",
    "take_second_look",
]

# MixedLM evaluates its likelihood unasked where one evaluation is estimated to take at most this many seconds.
AFFORDABLE_SECONDS = 0.1

# ``fit.mixedlm`` makes MixedLM's result, which takes ten to thirty times as long, up to this many seconds of one
# evaluation.
RESULT_SECONDS = 1.0

# Two criteria are the same up to SAME_CRITERION, since searches stop at slightly different parameters, and up to this
# share of the criterion, since one closed form computed in two ways is rounded differently.
SAME_CRITERION, SAME_SHARE = 1e-5, 1e-9

Status = Literal["compared", "not wanted", "no such model", "too slow", "failed"]


@dataclass(frozen=True, slots=True)
class SecondLook:
    """A second engine's criterion at a fit's parameters, or the reason why there is none.

    Attributes
    ----------
    status : str
        ``"compared"``; ``"not wanted"``: the chosen engine takes no second look; ``"no such model"``: MixedLM cannot
        express the model; ``"too slow"``: one evaluation is estimated to take more than ``AFFORDABLE_SECONDS``;
        ``"failed"``: MixedLM could not evaluate its likelihood.
    agreement : Agreement or None
        The second engine's criterion and its difference from the fit's, where they were compared.
    why : str
        MixedLM's message where it cannot express the model or failed.
    search_seconds : float
        Estimated time of MixedLM's own search, where the status is ``"too slow"``.
    disagreement : str
        The text of the warning where the two criteria differ by more than rounding, else empty.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> model.fit().second_look.agreement.engine
    'mixedlm'
    """

    status: Status
    agreement: Agreement | None = None
    why: str = ""
    search_seconds: float = 0.0
    disagreement: str = ""


def take_second_look(design: Design, estimate: Estimate) -> SecondLook:
    """Return a second engine's criterion at a fit's parameters: the one that the engine brought, else MixedLM's.

    MixedLM evaluates its likelihood here, after ``engine="auto"``, if that is quick enough.

    Warns
    -----
    AgreementWarning
        If MixedLM's criterion differs from the fit's by more than rounding.
    """
    if not estimate.is_to_be_checked:
        status: Status = "not wanted" if estimate.agreement is None else "compared"
        return SecondLook(status, estimate.agreement)

    from lmmtools.engines import mixedlm

    try:
        layout = mixedlm.lay_out(design)
    except TranslationError as error:
        return SecondLook("no such model", why=str(error).splitlines()[0])
    if mixedlm.estimate_seconds(design, layout) > AFFORDABLE_SECONDS:
        return SecondLook("too slow", search_seconds=mixedlm.estimate_fit_seconds(design, layout))
    try:
        agreement = mixedlm.agree(design, layout, estimate)
    except EngineError as error:
        return SecondLook("failed", why=str(error))
    text = describe_disagreement(estimate, agreement)
    if text:
        warn_caller(AgreementWarning, text)
    return SecondLook("compared", agreement, disagreement=text)


def has_mixedlm_result(design: Design, estimate: Estimate) -> bool:
    """Return whether a fit has a ``MixedLMResults``: MixedLM made it, or expresses the model and is quick enough."""
    from lmmtools.engines import mixedlm

    if not estimate.is_to_be_checked:
        return estimate.engine == "mixedlm"
    try:
        layout = mixedlm.lay_out(design)
    except TranslationError:
        return False
    return mixedlm.estimate_seconds(design, layout) <= RESULT_SECONDS


def describe_disagreement(estimate: Estimate, agreement: Agreement) -> str:
    """Return the warning for a second engine with another criterion at the same parameters, "" if it agrees."""
    if abs(agreement.difference) <= AGREEMENT_TOL:
        return ""
    better = agreement.engine if agreement.difference < 0 else estimate.engine
    return (
        f"engines disagree: {estimate.engine} has {estimate.objective:.6f}, {agreement.engine} "
        f"{agreement.objective:.6f} at the same parameters; {better} has the lower (better) criterion. One of "
        "them has lost digits: centre and scale columns that are far from zero or of very different sizes"
    )


def describe_seconds(seconds: float) -> str:
    """Return a time in words to one digit: ``"40 seconds"``, ``"3 minutes"``, ``"2 hours"``."""
    unit, length = "second", 1.0
    for longer, its_length in (("minute", 60.0), ("hour", 3600.0)):
        if seconds >= its_length * 55 / 60:
            unit, length = longer, its_length
    number = max(1, int(float(f"{seconds / length:.1g}")))
    return f"{number:,} {unit}{'s' * (number != 1)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Confirmation:
    """The result of MixedLM's own search, compared with a fit's optimum; prints as a sentence.

    Attributes
    ----------
    reml : bool
        Whether the criteria are REML criteria; else deviances.
    objective : float
        The fit's criterion.
    found : float
        MixedLM's criterion where its search ended; the least-squares criterion if every variance was zero there.
    theta : ndarray, shape (k,)
        Relative covariance parameters where the search ended, as ``fit.theta``.
    n_evaluations : int
        Evaluations of the criterion that MixedLM made.
    seconds : float
        Wall-clock time of the search.
    messages : tuple of str
        MixedLM's own messages.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.confirm().is_same_optimum
    True
    """

    reml: bool
    objective: float
    found: float
    theta: NDArray[np.float64]
    n_evaluations: int
    seconds: float
    messages: tuple[str, ...]

    @property
    def difference(self) -> float:
        """``found`` minus ``objective``: below zero where MixedLM found a lower criterion."""
        return self.found - self.objective

    @property
    def confirmed(self) -> bool:
        """Whether MixedLM found nothing lower, to rounding."""
        return self.difference >= -self._tolerance

    @property
    def is_same_optimum(self) -> bool:
        """Whether MixedLM's search ended at the fit's criterion, to rounding."""
        return abs(self.difference) <= self._tolerance

    @property
    def _tolerance(self) -> float:
        return SAME_CRITERION + SAME_SHARE * abs(self.objective)

    def __str__(self) -> str:
        name = "REML criterion" if self.reml else "deviance"
        if self.is_same_optimum:
            return (
                f"MixedLM confirms the optimum: its own search, from its own start, ended at the same {name}, "
                f"{self.found:.4f}."
            )
        apart = f"{abs(self.difference):.4g}"
        if self.confirmed:
            return (
                f"MixedLM found nothing lower: its own search, from its own start, stopped at the {name} "
                f"{self.found:.4f}, {apart} above the fit's {self.objective:.4f}."
            )
        return (
            f"MixedLM does not confirm the optimum: its own search, from its own start, found the {name} "
            f"{self.found:.4f}, {apart} below the fit's {self.objective:.4f}. To fit again from there, write "
            "model.fit(start=fit.confirm().theta)."
        )

    def __repr__(self) -> str:
        return f"<Confirmation: {self}>"


def search_again(design: Design, estimate: Estimate) -> Confirmation:
    """Return the result of MixedLM's own search, from its own start, beside the optimum of an estimate.

    Raises
    ------
    TranslationError
        If MixedLM cannot express the model.
    EngineError
        If MixedLM's optimisers fail, or blocks of the design share a variance.
    """
    from lmmtools.engines import mixedlm

    core.refuse_shared(design, "search")
    layout = mixedlm.lay_out(design)
    started = time.perf_counter()
    search = mixedlm.search(design, layout, reml=estimate.reml)
    seconds = time.perf_counter() - started
    if search.theta is None:
        raise EngineError(f"MixedLM's own search failed, and so confirms nothing: {'; '.join(search.messages)}")
    # MixedLM's likelihood without the components that it brought to zero, where its algebra is not reliable.
    _, found = mixedlm.evaluate_likelihood(design, layout, search.theta, reml=estimate.reml)
    return Confirmation(
        estimate.reml, estimate.objective, found, search.theta, search.n_evaluations, seconds, search.messages
    )
