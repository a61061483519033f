"""The printed text of statsmodels' ``MixedLM`` summary -> PrintedMixedLM."""

from __future__ import annotations

import math
import re
from statistics import NormalDist
from typing import TYPE_CHECKING

from lmmtools import memory
from lmmtools.errors import PrintoutError
from lmmtools.printout.layout import clean_lines
from lmmtools.printout.number import PrintedNumber, RoundedNumber, is_count_text, is_quotient
from lmmtools.printout.printed_fit import PrintedCoefficient, PrintedMixedLM
from lmmtools.printout.row import read_tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmmtools.printout.layout import Line

__all__ = ["correlation_of", "is_mixedlm_summary", "read_mixedlm_summary"]

_KEYS = (
    "Model:",
    "Dependent Variable:",
    "No. Observations:",
    "Method:",
    "No. Groups:",
    "Scale:",
    "Min. group size:",
    "Log-Likelihood:",
    "Max. group size:",
    "Converged:",
    "Mean group size:",
)
_NEEDED = ("No. Observations:", "Method:", "Scale:", "Log-Likelihood:")
_KEY = re.compile("|".join(map(re.escape, _KEYS)))
_MODEL = re.compile(r"Model:\s*MixedLM\b")
_HEADING = re.compile(r"Coef\.\s+Std\.\s?Err\.\s+z\s+P>\|z\|\s+\[\s?(?P<low>0?\.\d+)\s+(?P<high>0?\.\d+)\s?\]")
_RULE = re.compile(r"[-=]{5,}")
# Later versions say Var and Cov, those before 0.10 RE of both.
_VARIANCE = re.compile(r"(?P<name>.+) (?P<kind>Var|Cov|RE)")
_COVARIANCE = re.compile(r"(?P<first>.+) x (?P<second>.+) (?:Cov|RE)")
_COLUMNS = 6


def is_mixedlm_summary(text: str) -> bool:
    """Whether a text is what ``print(result.summary())`` of MixedLM writes."""
    return "Mixed Linear Model Regression Results" in text or _MODEL.search(text) is not None


@memory.door
def read_mixedlm_summary(text: str) -> PrintedMixedLM:
    """Return the numbers of a printed MixedLM summary, each with the digits that it shows.

    Parameters
    ----------
    text : str
        What ``print(result.summary())`` of statsmodels writes (0.13 to 0.15), from ``Model:`` to the end.

    Raises
    ------
    PrintoutError
        If the text is cut, holds several summaries, or its numbers contradict each other.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> import statsmodels.formula.api as smf
    >>> data = lmt.datasets.load("Dyestuff")
    >>> text = str(smf.mixedlm("Yield ~ 1", data, groups="Batch").fit().summary())
    >>> lmt.read_mixedlm_summary(text).nobs
    30
    """
    if len(_MODEL.findall(text)) > 1:
        raise PrintoutError("The text holds more than one printed MixedLM fit: give one.")
    lines = clean_lines(text)
    facts = _read_facts(lines)
    reml = {"REML": True, "ML": False}.get(facts["Method:"])
    if reml is None:
        raise PrintoutError(f"The line 'Method:' says {facts['Method:'][:40]!r}, neither REML nor ML.")
    fixed, random = _read_table(lines)
    variances, covariances, pairs, errors = _read_random(random)
    groups = facts.get("No. Groups:", "")
    first = next(iter(variances)).removesuffix(" (Intercept)")
    return PrintedMixedLM(
        reml=reml,
        log_likelihood=_read_number(facts, "Log-Likelihood:"),
        scale=_read_number(facts, "Scale:"),
        nobs=_read_count(facts, "No. Observations:"),
        # A first variance without covariances may be that of a component, whose levels are not counted in the header.
        ngroups={first: int(groups)} if covariances and is_count_text(groups) else {},
        fixed=tuple(fixed),
        variances=variances,
        covariances=covariances,
        correlations={
            label: correlation_of(value, *(variances[effect] for effect in pairs[label]))
            for label, value in covariances.items()
        },
        ratio_errors=errors,
        converged={"Yes": True, "No": False}.get(facts.get("Converged:", "")),
        response=facts.get("Dependent Variable:"),
    )


def _read_facts(lines: Sequence[Line]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for line in lines:
        found = list(_KEY.finditer(line.words))
        for k, key in enumerate(found):
            end = found[k + 1].start() if k + 1 < len(found) else len(line.words)
            facts.setdefault(key[0], line.words[key.end() : end].strip())
    missing = [key.rstrip(":") for key in _NEEDED if not facts.get(key)]
    if missing:
        raise PrintoutError(
            f"The printed MixedLM summary is not complete; missing: {', '.join(missing)}. Paste all that "
            "print(result.summary()) writes."
        )
    return facts


def _read_number(facts: Mapping[str, str], key: str) -> PrintedNumber:
    try:
        value = PrintedNumber(facts[key])
    except ValueError:
        value = None
    if value is None or not math.isfinite(value):
        raise PrintoutError(f"'{key}' is followed by {facts[key][:40]!r}, which is no number.")
    return value


def _read_count(facts: Mapping[str, str], key: str) -> int:
    if not is_count_text(facts[key]):
        raise PrintoutError(f"'{key}' is followed by {facts[key][:40]!r}, which is no count.")
    return int(facts[key])


_Row = tuple[str, tuple[PrintedNumber, ...]]


def _read_table(lines: Sequence[Line]) -> tuple[list[PrintedCoefficient], list[_Row]]:
    """Return the fixed effects and the rows of variances."""
    start = next((k for k, line in enumerate(lines) if _HEADING.search(line.words)), None)
    if start is None:
        raise PrintoutError("The summary has no table 'Coef. Std.Err. z P>|z| [0.025 0.975]': was the text cut?")
    heading = _HEADING.search(lines[start].words)
    assert heading is not None
    fixed: list[PrintedCoefficient] = []
    random: list[_Row] = []
    for name, numbers in _rows(lines[start + 1 :]):
        is_variance = _VARIANCE.fullmatch(name) is not None and len(numbers) < _COLUMNS
        if is_variance:
            random.append((name, numbers))
        elif random:
            raise PrintoutError(f"The row {name!r} stands below the variances and is none: was the text changed?")
        elif len(numbers) == 1:
            fixed.append(PrintedCoefficient(name, numbers[0]))
        else:
            _check_row(name, numbers, float(heading["high"]))
            fixed.append(PrintedCoefficient(name, numbers[0], numbers[1], None, numbers[2], numbers[3]))
    if not random:
        raise PrintoutError("The table has no row 'Group Var' or the like: was the text cut?")
    return fixed, random


def _rows(lines: Sequence[Line]) -> Iterator[_Row]:
    """Yield name and numbers of each row, up to the rule that ends the table."""
    has_rows = False
    # Where the first number of each row ends: they are aligned to the right.
    ends: set[int] = set()
    for line in lines:
        if line.is_blank:
            continue
        if _RULE.fullmatch(line.words):
            if has_rows:
                return
            continue
        tail = read_tail(line.text)
        # What stands before Var and Cov ends a name; six numbers end the row of a fixed effect.
        count = next((k for k in (1, 2) if k == len(tail) and _VARIANCE.fullmatch(_label(tail.label(k)))), 0)
        count = count or (_COLUMNS if len(tail) >= _COLUMNS else 1 if len(tail) == 1 else 0)
        name = _label(tail.label(count)) if count else ""
        if not name:
            raise PrintoutError(
                f"Line {line.number}, in the table of coefficients, has not {_COLUMNS} numbers after a name (one or "
                f"two after that of a variance): {line.words!r:.120}. Was the text cut?"
            )
        if count == 1 and _VARIANCE.fullmatch(name):
            _check_place(line, ends)
        elif count and line.text != line.words:
            stop = tail.starts[len(tail) - count + 1] if count > 1 else len(line.text)
            ends.add(len(line.text[:stop].rstrip()))
        has_rows = True
        yield name, tail.last(count)
    raise PrintoutError("The table of coefficients has no line === below it: was the text cut?")


def _check_place(line: Line, ends: set[int]) -> None:
    """Raise PrintoutError unless the one number in the row of a variance stands in the first column."""
    if line.text != line.words and len(line.text.rstrip()) not in ends:
        raise PrintoutError(
            f"Line {line.number} has one number, and not in the column of the variances: {line.words!r:.120}. Was one "
            "lost?"
        )


def _label(text: str) -> str:
    return " ".join(text.split())


def _check_row(name: str, numbers: tuple[PrintedNumber, ...], level: float) -> None:
    """Raise PrintoutError unless z is estimate / error and the limits are estimate -/+ quantile * error."""
    estimate, error, z, _, low, high = numbers
    if not all(map(math.isfinite, numbers)):
        return
    if not is_quotient(z, estimate, error):
        raise PrintoutError(
            f"z of {name!r}, {z}, is not its coefficient {estimate} over its standard error {error}: a digit was lost "
            "or changed."
        )
    q = NormalDist().inv_cdf(level)
    for limit, sign in ((low, -1.0), (high, 1.0)):
        slack = estimate.half_unit + q * error.half_unit + limit.half_unit
        if abs(estimate + sign * q * error - limit) > slack * (1 + 1e-9) + 1e-12 * abs(estimate):
            raise PrintoutError(
                f"The limit {limit} of {name!r} is not what its coefficient {estimate} and standard error {error} "
                "give: a digit was lost or changed."
            )


def _read_random(
    rows: Sequence[_Row],
) -> tuple[dict[str, PrintedNumber], dict[str, PrintedNumber], dict[str, tuple[str, str]], dict[str, PrintedNumber]]:
    """Return variances, covariances, the two effects of each covariance, and the numbers beside them, by labels.

    MixedLM prints the lower triangle of the covariance matrix row by row, then the variance components.
    """
    names = _read_triangle(rows)
    group = names[0] if names else ""
    labels = {name: f"{group} {'(Intercept)' if k == 0 else name}" for k, name in enumerate(names)}
    variances: dict[str, PrintedNumber] = {}
    covariances: dict[str, PrintedNumber] = {}
    pairs: dict[str, tuple[str, str]] = {}
    errors: dict[str, PrintedNumber] = {}
    size = len(names) * (len(names) + 1) // 2
    for k, (name, numbers) in enumerate(rows):
        pair = _COVARIANCE.fullmatch(name) if k < size else None
        found = _VARIANCE.fullmatch(name)
        assert found is not None
        if pair is not None and pair["first"] in labels and pair["second"] in labels:
            label = f"{labels[pair['first']]}, {pair['second']}"
            pairs[label] = labels[pair["first"]], labels[pair["second"]]
            table = covariances
        else:
            label = labels[found["name"]] if k < size else f"{found['name']} (Intercept)"
            table = variances
        if label in table:
            raise PrintoutError(f"The table has two rows {name!r}.")
        if table is variances and not numbers[0] >= 0:
            raise PrintoutError(f"The variance in the row {name!r} is {numbers[0]}, below zero or none.")
        table[label] = numbers[0]
        if len(numbers) > 1:
            errors[label] = numbers[1]
    return variances, covariances, pairs, errors


def _read_triangle(rows: Sequence[_Row]) -> list[str]:
    """Return the names of the correlated effects; none if the first rows are no triangle with covariances.

    Raises
    ------
    PrintoutError
        If a covariance has no place in the triangle: a row is missing.
    """
    names: list[str] = []
    k = 0
    while k < len(rows):
        own = [_COVARIANCE.fullmatch(name) for name, _ in rows[k : k + len(names)]]
        is_next = len(own) == len(names) and all(
            pair is not None and pair["first"] == name for pair, name in zip(own, names, strict=True)
        )
        if names and not is_next:
            break
        at = k + len(names)
        found = _VARIANCE.fullmatch(rows[at][0]) if at < len(rows) else None
        if (
            found is None
            or found["kind"] == "Cov"
            or any(pair is not None and pair["second"] != found["name"] for pair in own)
        ):
            break
        names.append(found["name"])
        k = at + 1
    size = len(names) * (len(names) + 1) // 2
    left = [name for name, _ in rows[size:] if name.endswith(" Cov")]
    if left:
        raise PrintoutError(f"The covariance {left[0]!r} stands in no complete triangle of rows: was the text cut?")
    return names


def correlation_of(covariance: RoundedNumber, first: RoundedNumber, second: RoundedNumber) -> RoundedNumber:
    """Return the correlation, with the half unit that follows from the three numbers'."""
    least = max(first - first.half_unit, 0.0) * max(second - second.half_unit, 0.0)
    if least == 0:
        return RoundedNumber(0.0, 1.0)
    value = covariance / math.sqrt(first * second)
    low, high = covariance - covariance.half_unit, covariance + covariance.half_unit
    widest = math.sqrt((first + first.half_unit) * (second + second.half_unit))
    narrowest = math.sqrt(least)
    reached = [c / root for c in (low, high) for root in (widest, narrowest)]
    return RoundedNumber(value, max(abs(r - value) for r in reached))
