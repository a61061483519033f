"""A printed fit, whoever printed it: the reader is found by what the text says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.printout.mixedlm import is_mixedlm_summary, read_mixedlm_summary
from lmmtools.printout.read import read_lme4_summary

if TYPE_CHECKING:
    from lmmtools.printout.mixedlm import PrintedMixedLM
    from lmmtools.printout.record import PrintedSummary

__all__ = ["read_printout"]


def read_printout(text: str) -> PrintedSummary | PrintedMixedLM:
    """Return the numbers of a printed fit: lme4's ``summary()``, or MixedLM's.

    Raises
    ------
    PrintoutError
        If it is neither, is cut, or its numbers contradict each other.
    """
    if isinstance(text, str) and is_mixedlm_summary(text):
        return read_mixedlm_summary(text)
    return read_lme4_summary(text)
