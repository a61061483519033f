"""Stata's ``mixed``, and ``xtmixed`` before it."""

from __future__ import annotations

import math
import re
from statistics import NormalDist
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.mixedlm import correlation_of
from lmmtools.printout.number import PrintedNumber, is_number_text, is_quotient
from lmmtools.printout.printed_fit import PrintedCoefficient, PrintedMixedLM
from lmmtools.printout.rtable import name_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "Stata's mixed"
IS_FIT = True
_TITLE = re.compile(r"Mixed-effects (?P<method>REML|ML) regression Number of obs ?= ?(?P<nobs>[\d,]+)")
_LIKELIHOOD = re.compile(r"[Ll]og (?:restricted-)?likelihood ?= ?(?P<value>-?[\d.]+)")
_GROUPS = re.compile(r"Group variable: (?P<name>\S+) Number of groups ?= ?(?P<count>[\d,]+)")
_FIXED = re.compile(
    r"(?P<response>\S+) \| (?:Coef\.|Coefficient) Std\. [Ee]rr\. z P>\|z\| \[95% [Cc]onf\. [Ii]nterval\]"
)
_RANDOM = re.compile(r"Random-effects [Pp]arameters \| Estimate Std\. [Ee]rr\. \[95% [Cc]onf\. [Ii]nterval\]")
_STRUCTURE = re.compile(r"(?P<group>[\w.]+): (?:Identity|Independent|Unstructured)(?: \|)?")
_PARAMETER = re.compile(r"(?P<kind>var|cov)\((?P<names>[^()]+)\)")
_RULE = re.compile(r"[-+─┼]{20,}")
_END = re.compile(r"-{20,}|─{20,}")


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the title; None if there is none."""
    return next((k for k, line in enumerate(lines) if _TITLE.match(line.words) and not line.is_break), None)


def read(lines: Sequence[Line], start: int) -> PrintedMixedLM:
    """Return the fit that begins at ``start``."""
    lines = lines[start:]
    title = _TITLE.match(lines[0].words)
    assert title is not None
    if any(_TITLE.match(line.words) for line in lines[1:]):
        raise PrintoutError("The text holds more than one printed fit: give one.")
    llf = next((m for line in lines if (m := _LIKELIHOOD.match(line.words))), None)
    if llf is None or not is_number_text(llf["value"]):
        raise PrintoutError("The line 'Log likelihood' is missing, or has no number: was the text cut?")
    response, fixed = _read_fixed(lines)
    variances, covariances, scale = _read_random(lines)
    groups = next((m for line in lines if (m := _GROUPS.match(line.words))), None)
    return PrintedMixedLM(
        reml=title["method"] == "REML",
        log_likelihood=PrintedNumber(llf["value"]),
        scale=scale,
        nobs=int(title["nobs"].replace(",", "")),
        ngroups={} if groups is None else {groups["name"]: int(groups["count"].replace(",", ""))},
        fixed=tuple(fixed),
        variances=variances,
        covariances=covariances,
        correlations={
            label: correlation_of(value, *(variances[name] for name in _pair(label)))
            for label, value in covariances.items()
        },
        ratio_errors={},
        response=response,
        engine="Stata",
    )


def _pair(label: str) -> tuple[str, str]:
    """Return the labels of the two variances of a covariance, ``"g a, b"``."""
    first, _, second = label.partition(", ")
    return first, f"{first.partition(' ')[0]} {second}"


def _rows(
    lines: Sequence[Line], heading: re.Pattern[str]
) -> Iterator[tuple[str, tuple[PrintedNumber | None, ...], Line]]:
    """Yield name, numbers (None for a dot) and line of each row of the table below a heading, up to its last rule."""
    k = next((k for k, line in enumerate(lines) if heading.fullmatch(line.words)), None)
    if k is None:
        raise PrintoutError("A table of the fit is missing, or its numbers are not z tests at 95%: was the text cut?")
    is_closed = False
    for line in lines[k + 1 :]:
        if _END.fullmatch(line.words):
            is_closed = True
            break
        if _RULE.fullmatch(line.words):
            continue
        name, bar, cells = line.words.partition("|")
        words = cells.split()
        if not bar or not all(word == "." or is_number_text(word) for word in words):
            raise PrintoutError(f"{name_line(line)} is no row of the table: was the text cut, or broken by a page?")
        yield name.strip(), tuple(None if word == "." else PrintedNumber(word) for word in words), line
    if not is_closed:
        raise PrintoutError("A table of the fit has no rule below it: was the text cut?")


def _read_fixed(lines: Sequence[Line]) -> tuple[str, list[PrintedCoefficient]]:
    heading = next((m for line in lines if (m := _FIXED.fullmatch(line.words))), None)
    found: list[PrintedCoefficient] = []
    factor = ""
    for name, numbers, line in _rows(lines, _FIXED):
        if not numbers:
            factor = name
            continue
        if len(numbers) != 6 or None in numbers:
            raise PrintoutError(f"{name_line(line)} has not six numbers after a name: was the text cut?")
        estimate, error, z, p, low, high = (n for n in numbers if n is not None)
        _check(line, estimate, error, z, low, high)
        found.append(
            PrintedCoefficient("(Intercept)" if name == "_cons" else f"{factor}{name}", estimate, error, None, z, p)
        )
    assert heading is not None
    return heading["response"], found


def _check(line: Line, estimate: PrintedNumber, error: PrintedNumber, z: PrintedNumber, *limits: PrintedNumber) -> None:
    """Raise PrintoutError unless z is estimate over error, and the limits are those of 95%."""
    if not is_quotient(z, estimate, error):
        raise PrintoutError(f"z is not the coefficient over its error in {name_line(line)}: a digit was changed.")
    q = NormalDist().inv_cdf(0.975)
    for limit, sign in zip(limits, (-1.0, 1.0), strict=True):
        slack = estimate.half_unit + q * error.half_unit + limit.half_unit
        if abs(estimate + sign * q * error - limit) > 1.01 * slack:
            raise PrintoutError(f"{limit} is not the 95% limit in {name_line(line)}: a digit was lost or changed.")


def _read_random(
    lines: Sequence[Line],
) -> tuple[dict[str, PrintedNumber], dict[str, PrintedNumber], PrintedNumber]:
    """Return variances, covariances and the residual variance; groups are nested from one to the next."""
    variances: dict[str, PrintedNumber] = {}
    covariances: dict[str, PrintedNumber] = {}
    scale: PrintedNumber | None = None
    group = ""
    for name, numbers, line in _rows(lines, _RANDOM):
        if found := _STRUCTURE.fullmatch(name):
            group = f"{group}:{found['group']}" if group else found["group"]
            continue
        parameter = _PARAMETER.fullmatch(name)
        if parameter is None or not numbers or numbers[0] is None or not math.isfinite(numbers[0]) or len(numbers) != 4:
            raise PrintoutError(
                f"{name_line(line)} is no variance or covariance with its limits, as this reader knows."
            )
        value = numbers[0]
        names = ["(Intercept)" if each == "_cons" else each for each in parameter["names"].split(",")]
        if parameter["kind"] == "var" and names == ["Residual"]:
            scale = value
        elif group and parameter["kind"] == "var" and len(names) == 1 and value >= 0:
            _add(variances, f"{group} {names[0]}", value, line)
        elif group and parameter["kind"] == "cov" and len(names) == 2:
            # The constant is last in Stata, first elsewhere.
            first, second = sorted(names, key=lambda each: each != "(Intercept)")
            _add(covariances, f"{group} {first}, {second}", value, line)
        else:
            raise PrintoutError(f"{name_line(line)} belongs to no group, or is negative: was a line lost?")
    if scale is None or not variances or any(name not in variances for label in covariances for name in _pair(label)):
        raise PrintoutError("The table of variances has no row var(Residual), or lacks a variance: was the text cut?")
    return variances, covariances, scale


def _add(table: dict[str, PrintedNumber], label: str, value: PrintedNumber, line: Line) -> None:
    if label in table:
        raise PrintoutError(f"{name_line(line)} comes twice: was a line lost?")
    table[label] = value
