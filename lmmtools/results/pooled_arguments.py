"""What ``lmt.pool`` takes, checked: fits of one model, and where degrees of freedom come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.degrees import read_method
from lmmtools.results.lmm_results import LMMResults
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from lmmtools.inference.degrees import Method

__all__ = ["CompleteData", "read_dfcom", "read_fits"]

CompleteData = Literal["residual", "satterthwaite", "kenward-roger", "infinite"]


def read_fits(fits: Any) -> tuple[LMMResults, ...]:
    """Return fits as a tuple.

    Raises
    ------
    DataError
        If they are no fits of lmmtools, or fewer than two, or of different models.
    """
    if isinstance(fits, LMMResults):
        raise DataError("pool() takes a list of fits, one per imputed data set; there is one fit here")
    try:
        found = tuple(fits)
    except TypeError:
        raise DataError(
            f"pool() takes a list of fits, one per imputed data set, and not {type(fits).__name__}"
        ) from None
    wrong = next((i for i, fit in enumerate(found, 1) if not isinstance(fit, LMMResults)), None)
    if wrong is not None:
        kind = type(found[wrong - 1]).__name__
        raise DataError(
            f"item {wrong} is {kind} and no fit: pool() takes what lmm(formula, data).fit() returns, one per data set"
        )
    if len(found) < 2:
        raise DataError(
            f"there {'is one fit' if found else 'are no fits'}: pooling needs two imputed data sets or more"
        )
    first = found[0]
    for i, fit in enumerate(found[1:], 2):
        if fit.design.x_names != first.design.x_names:
            here = [n for n in fit.design.x_names if n not in first.design.x_names]
            lost = [n for n in first.design.x_names if n not in fit.design.x_names]
            what = "; ".join(
                f"{how} {join_with_and(names)}" for how, names in (("it has", here), ("it lacks", lost)) if names
            )
            raise DataError(
                f"fit {i} has other fixed effects than fit 1 ({what or 'in another order'}): pool one model"
            )
        if [(t.name, t.cnames) for t in fit.varcorr] != [(t.name, t.cnames) for t in first.varcorr]:
            raise DataError(f"fit {i} has other random effects than fit 1: pool fits of one model")
        if fit.nobs != first.nobs:
            raise DataError(
                f"fit {i} used {fit.nobs} rows and fit 1 {first.nobs}: imputed data sets have the same rows"
            )
        if fit.reml != first.reml:
            raise DataError(f"fit {i} is by {'REML' if fit.reml else 'ML'} and fit 1 is not: fit all alike")
    return found


def read_dfcom(dfcom: Any, cov: str | None, cluster: Any) -> tuple[str | float, Method]:
    """Return where degrees of freedom of complete data come from, and the method of the fits' covariances."""
    if cov is not None or cluster is not None:
        if dfcom == "kenward-roger":
            raise DataError(f'dfcom="kenward-roger" is of the model\'s covariance; leave it out with cov={cov!r}')
        return ("satterthwaite" if dfcom == "residual" else _number(dfcom)), read_method("satterthwaite", cov, cluster)
    if dfcom in ("satterthwaite", "kenward-roger"):
        return str(dfcom), read_method(dfcom)
    return ("residual" if dfcom == "residual" else _number(dfcom)), read_method("z")


def _number(dfcom: Any) -> str | float:
    """Return ``dfcom`` as a number, or "satterthwaite".

    Raises
    ------
    DataError
        If it is neither a method nor a number above zero.
    """
    if dfcom == "infinite":
        return float(np.inf)
    if dfcom == "satterthwaite":
        return "satterthwaite"
    if isinstance(dfcom, (int, float, np.number)) and not isinstance(dfcom, bool) and dfcom > 0:
        return float(dfcom)
    known = '"residual", "satterthwaite", "kenward-roger", "infinite" or a number above zero'
    raise DataError(f"dfcom={dfcom!r} is not known; use {known}")
