"""Stata's ``mixed``, and ``xtmixed`` before it."""

from __future__ import annotations

import math
import re
from statistics import NormalDist
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.mixedlm import correlation_of
from lmmtools.printout.number import PrintedNumber, RoundedNumber, is_number_text, is_quotient
from lmmtools.printout.printed_fit import PrintedCoefficient, PrintedMixedLM
from lmmtools.printout.rtable import name_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "Stata's mixed"
IS_FIT = True
_COUNT = r"\d{1,3}(?:[.,]\d{3})+|\d+"
_TITLE = re.compile(rf"Mixed-effects (?P<method>REML|ML) regression Number of obs ?= ?(?P<nobs>{_COUNT})$")
_LIKELIHOOD = re.compile(r"[Ll]og (?:restricted-)?likelihood ?= ?(?P<value>\S+)(?: |$)")
_GROUPS = re.compile(rf"Group variable: (?P<name>\S+) Number of groups ?= ?(?P<count>{_COUNT})$")
_FIXED = re.compile(
    r"(?P<response>\S+) \| (?:Coef\.|Coefficient) Std\. [Ee]rr\. (?P<test>[tz]) P>\|[tz]\| "
    r"\[(?P<level>\d+(?:\.\d+)?)% [Cc]onf\. [Ii]nterval\]"
)
_RANDOM = re.compile(r"Random-effects [Pp]arameters \| Estimate Std\. [Ee]rr\. \[[\d.]+% [Cc]onf\. [Ii]nterval\]")
_DEGREES = re.compile(r"DF method: (?P<method>.+?)(?: DF: .*)?")
_LEVELS = re.compile(rf"(?P<name>\S+) \| (?P<count>{_COUNT}) [\d.,]+ [\d.,]+ [\d.,]+")
_STRUCTURE = re.compile(r"(?P<group>[\w.]+): (?:Identity|Independent|Unstructured)(?: \|)?")
_PARAMETER = re.compile(r"(?P<kind>var|cov|sd|corr)\((?P<names>[^()]+)\)")
# Levels of a factor as random effects; within all rows, or within a group.
_FACTOR, _EVERYWHERE = "R.", "_all"
_DASH = re.compile(r"[\u2010-\u2014]")
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
    variances, covariances, correlations, scale = _read_random(lines)
    degrees = next((m["method"] for line in lines if (m := _DEGREES.fullmatch(line.words))), None)
    return PrintedMixedLM(
        reml=title["method"] == "REML",
        log_likelihood=PrintedNumber(llf["value"]),
        scale=scale,
        nobs=_count(title["nobs"]),
        ngroups=_read_groups(lines),
        fixed=tuple(fixed),
        variances=variances,
        covariances=covariances,
        correlations=correlations
        | {
            label: correlation_of(value, *(variances[name] for name in _pair(label)))
            for label, value in covariances.items()
        },
        ratio_errors={},
        response=response,
        engine="Stata",
        method="z" if degrees is None else f"t-tests use Stata's {_DASH.sub('-', degrees)}",
    )


def _count(text: str) -> int:
    """Return a number of rows or groups, without the signs between its thousands."""
    return int(re.sub(r"[.,]", "", text))


def _read_groups(lines: Sequence[Line]) -> dict[str, int]:
    """Return the numbers of groups: of the one, or of each in the table of nested groups."""
    alone = next((m for line in lines if (m := _GROUPS.match(line.words))), None)
    if alone is not None:
        return {alone["name"]: _count(alone["count"])}
    found: dict[str, int] = {}
    path: list[str] = []
    k = next((k for k, line in enumerate(lines) if line.words.startswith("Group variable |")), len(lines))
    for line in lines[k + 2 :]:
        row = _LEVELS.fullmatch(line.words)
        if row is None:
            break
        path.append(row["name"])
        found[":".join(path)] = _count(row["count"])
    return found


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
    if heading is None:
        raise PrintoutError("The table of fixed effects is missing, or its heading was changed: was the text cut?")
    found: list[PrintedCoefficient] = []
    factor = ""
    for name, numbers, line in _rows(lines, _FIXED):
        if not numbers:
            factor = name
            continue
        if len(numbers) != 6 or None in numbers:
            raise PrintoutError(f"{name_line(line)} has not six numbers after a name: was the text cut?")
        estimate, error, z, p, low, high = (n for n in numbers if n is not None)
        _check(line, heading, estimate, error, z, low, high)
        found.append(
            PrintedCoefficient("(Intercept)" if name == "_cons" else f"{factor}{name}", estimate, error, None, z, p)
        )
    return heading["response"], found


def _check(
    line: Line,
    heading: re.Match[str],
    estimate: PrintedNumber,
    error: PrintedNumber,
    z: PrintedNumber,
    low: PrintedNumber,
    high: PrintedNumber,
) -> None:
    """Raise PrintoutError unless z is estimate over error, and the limits are those of the level printed."""
    if not is_quotient(z, estimate, error):
        raise PrintoutError(
            f"{heading['test']} is not the coefficient over its error in {name_line(line)}: a digit was changed."
        )
    if heading["test"] == "t":
        slack = 2.02 * estimate.half_unit + 1.01 * (low.half_unit + high.half_unit)
        if abs(low + high - 2.0 * estimate) > slack or low > high:
            raise PrintoutError(f"The coefficient is not in the middle of its limits in {name_line(line)}.")
        return
    q = NormalDist().inv_cdf(0.5 + float(heading["level"]) / 200.0)
    for limit, sign in ((low, -1.0), (high, 1.0)):
        slack = estimate.half_unit + q * error.half_unit + limit.half_unit
        if abs(estimate + sign * q * error - limit) > 1.01 * slack:
            level = heading["level"]
            raise PrintoutError(f"{limit} is not the {level}% limit in {name_line(line)}: a digit was lost or changed.")


def _read_random(
    lines: Sequence[Line],
) -> tuple[dict[str, RoundedNumber], dict[str, RoundedNumber], dict[str, RoundedNumber], RoundedNumber]:
    """Return variances, covariances, correlations and the residual variance.

    A group is nested in those above it. Standard deviations are squared, where they are printed.
    """
    variances: dict[str, RoundedNumber] = {}
    pairs: dict[str, dict[str, RoundedNumber]] = {"cov": {}, "corr": {}}
    scale: RoundedNumber | None = None
    group = ""
    kinds: set[str] = set()
    for name, numbers, line in _rows(lines, _RANDOM):
        if found := _STRUCTURE.fullmatch(name):
            is_nested = group and _EVERYWHERE not in (group, found["group"])
            group = f"{group}:{found['group']}" if is_nested else found["group"]
            continue
        parameter = _PARAMETER.fullmatch(name)
        if parameter is None or not numbers or numbers[0] is None or not math.isfinite(numbers[0]) or len(numbers) != 4:
            raise PrintoutError(
                f"{name_line(line)} is no variance or covariance with its limits, as this reader knows."
            )
        value = numbers[0]
        kind = parameter["kind"]
        kinds.add({"cov": "var", "corr": "sd"}.get(kind, kind))
        is_spread = kind in ("var", "sd")
        names = ["(Intercept)" if each == "_cons" else each for each in parameter["names"].split(",")]
        if is_spread and names == ["Residual"] and value >= 0 and scale is None:
            scale = value.squared() if kind == "sd" else value
        elif group and is_spread and len(names) == 1 and value >= 0:
            _add(variances, _label(group, names[0]), value.squared() if kind == "sd" else value, line)
        elif group and not is_spread and len(names) == 2 and (kind == "cov" or abs(value) <= 1):
            # The constant is last in Stata, first elsewhere.
            first, second = sorted(names, key=lambda each: each != "(Intercept)")
            _add(pairs[kind], f"{group} {first}, {second}", value, line)
        else:
            raise PrintoutError(f"{name_line(line)} belongs to no group, or is negative: was a line lost?")
    labels = [*pairs["cov"], *pairs["corr"]]
    if scale is None or not variances or any(name not in variances for label in labels for name in _pair(label)):
        raise PrintoutError("The table of variances has no row var(Residual), or lacks a variance: was the text cut?")
    if len(kinds) > 1:
        raise PrintoutError("The table has both variances and standard deviations: are there two fits?")
    return variances, pairs["cov"], pairs["corr"], scale


def _label(group: str, effect: str) -> str:
    """Return the label of a variance; ``R.item`` is the intercept of each item, within the group."""
    if not effect.startswith(_FACTOR):
        return f"{group} {effect}"
    factor = effect.removeprefix(_FACTOR)
    return f"{factor if group == _EVERYWHERE else f'{group}:{factor}'} (Intercept)"


def _add(table: dict[str, RoundedNumber], label: str, value: RoundedNumber, line: Line) -> None:
    if label in table:
        raise PrintoutError(f"{name_line(line)} comes twice: was a line lost?")
    table[label] = value
