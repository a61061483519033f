"""The table of a run: our medians, and every rival's as a multiple of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["HEADINGS", "US", "format_seconds", "least_seconds", "list_versions", "notes", "render", "render_short"]

US = "lmmtools"
# What is timed in the rows of fits; the other rows are named after what they do.
OUR_CALL = "lmm(...).fit()"
# The engine by name is shown beside the default where their medians differ by more than this, in any row.
PLS, SAME_TIME = "lmmtools_pls", 1.25
HEADINGS = {
    "lmmtools_pls": 'engine="pls"',
    "lme_python": "lme-python",
    "interlace_lme": "interlace-lme",
    "gpboost_cholesky": "gpboost (Cholesky)",
}


def render(record: Mapping[str, Any]) -> str:
    """Return the table as reStructuredText: a row per case, a column per rival with multiples of the time of lmmtools.

    A rival that reached the optimum in less time than lmmtools stands in bold type.
    """
    rivals = [name for name in record["rivals"] if name != US and not _is_same_call(record, name)]
    ours = {case["name"]: case["outcomes"][US] for case in record["cases"]}
    columns = {
        "processor": [format_seconds(o["cpu"]) for o in ours.values()],
        "memory": [_bytes(o) for o in ours.values()],
        "aim": [_aims(case) for case in record["cases"]],
    }
    return _write_table(record, columns, rivals)


def render_short(record: Mapping[str, Any]) -> str:
    """Return the table without processor time and aims, for a record of few cases and rivals."""
    memory = [_bytes(case["outcomes"][US]) for case in record["cases"]]
    return _write_table(record, {"memory": memory}, [name for name in record["rivals"] if name != US])


def _write_table(record: Mapping[str, Any], columns: Mapping[str, Sequence[str]], rivals: Sequence[str]) -> str:
    """Return a row per case: our time, some columns more of ours, and the multiples of rivals with their marks."""
    headers = ["", OUR_CALL, *columns, *(HEADINGS.get(name, name) for name in rivals)]
    remarks = _remarks(record)
    number = {text: i for i, text in enumerate(dict.fromkeys(remarks.values()), 1)}
    marks = {key: f" [{number[text]}]" for key, text in remarks.items()}
    rows = []
    for i, case in enumerate(record["cases"]):
        ours = case["outcomes"][US]
        row = [case["name"], format_seconds(ours["seconds"]), *(column[i] for column in columns.values())]
        for name in rivals:
            row.append(_times(case["outcomes"].get(name), ours) + marks.get((case["name"], name), ""))
        rows.append(row)
    return tabulate(rows, headers, tablefmt="rst", colalign=("left", *["right"] * (len(headers) - 1)))


def _is_same_call(record: Mapping[str, Any], name: str) -> bool:
    """Return whether a column would only repeat ours."""
    if name != PLS:
        return False
    outcomes = [case["outcomes"] for case in record["cases"] if name in case["outcomes"]]
    ratios = [o[name]["seconds"] / o[US]["seconds"] for o in outcomes if o[name]["seconds"] and o[US]["seconds"]]
    return all(1 / SAME_TIME <= ratio <= SAME_TIME for ratio in ratios)


def notes(record: Mapping[str, Any]) -> list[str]:
    """Return the remarks that the table's marks point to, and the rivals' memory where there is an aim for it."""
    marked = [f"[{i}] {text}" for i, text in enumerate(dict.fromkeys(_remarks(record).values()), 1)]
    if PLS in record["rivals"] and _is_same_call(record, PLS):
        marked.append(f'engine="pls" by name takes the same time in every row, within a factor of {SAME_TIME:g}.')
    return [*marked, *(_memory(case) for case in record["cases"] if _has_memory(case))]


def _has_memory(case: Mapping[str, Any]) -> bool:
    """Return whether a case has an aim of memory and the run measured it."""
    return bool(case["aim_bytes"] and case["outcomes"][US]["peak_bytes"])


def _memory(case: Mapping[str, Any]) -> str:
    aim, peaks = case["aim_bytes"], {n: o["peak_bytes"] for n, o in case["outcomes"].items() if o["peak_bytes"]}
    ours = peaks.pop(US)
    verdict = "met" if ours <= aim else f"missed by {ours / aim:.2g}x"
    others = "".join(f"; {HEADINGS.get(n, n)} {_megabytes(b)}" for n, b in peaks.items())
    return (
        f"{case['name']}: {US} takes {_megabytes(ours)} at its peak above the data frame (aim {_megabytes(aim)}: "
        f"{verdict}){others}."
    )


def _bytes(outcome: Mapping[str, Any]) -> str:
    return "" if outcome["peak_bytes"] is None else _megabytes(outcome["peak_bytes"])


def _megabytes(number: float) -> str:
    return f"{max(number / 1e6, 0.0):,.0f} MB"


def format_seconds(seconds: float | None) -> str:
    """Return ``"3.2 ms"``, ``"0.85 s"``, ``"8.4 s"``."""
    if seconds is None:
        return ""
    if seconds < 0.0995:
        return f"{1e3 * seconds:#.2g}".rstrip(".") + " ms"
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"


def _times(outcome: Mapping[str, Any] | None, ours: Mapping[str, Any]) -> str:
    if outcome is None or least_seconds(outcome) is None:
        return "-"
    ratio = least_seconds(outcome) / ours["seconds"]
    more = "> " if outcome["seconds"] is None else ""
    digits = 2 if ratio < 0.095 else 1 if ratio < 10 else 0
    text = f"{more}{ratio:.{digits}f}x"
    return f"**{text}**" if ratio < 1 and outcome["gap"] is None and not more else text


def least_seconds(outcome: Mapping[str, Any]) -> Any:
    """Return its time, the least that it can be where it was stopped, or None."""
    stopped = re.fullmatch(r"over (\d+) s", outcome["failure"])
    return float(stopped[1]) if stopped else outcome["seconds"]


def _aims(case: Mapping[str, Any]) -> str:
    """Return which aims are missed, and by how much, ``"0.50 s: missed by 1.7x"``, or that all are met."""
    limits = dict(filter(None, (_limit(case, aim) for aim in case["aims"])))
    ours = case["outcomes"][US]["seconds"]
    missed = [f"{name}: missed by {ours / limit:.3g}x" for name, limit in limits.items() if ours > limit]
    return "; ".join(missed) or ", ".join(limits) + ": met" * bool(limits)


def _limit(case: Mapping[str, Any], aim: Any) -> tuple[str, float] | None:
    """Return the name of an aim and its seconds; None where the rival that it needs did not run."""
    if not isinstance(aim, dict):
        return format_seconds(aim), aim
    factor, name = aim["factor"], HEADINGS.get(aim["rival"], aim["rival"])
    rival = case["outcomes"].get(aim["rival"])
    if rival is None or least_seconds(rival) is None:
        return None
    if factor > 1:
        name = f"{factor:g}x under {name}"
    elif factor < 1:
        name = f"{1 / factor:g} times {name}"
    return name, least_seconds(rival) / factor


def _remarks(record: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return what must be said of a time, by case and rival: another criterion, or why there is none."""
    found: dict[tuple[str, str], str] = {}
    for case in record["cases"]:
        for name, outcome in case["outcomes"].items():
            heading = HEADINGS.get(name, name)
            if outcome["gap"] is not None:
                side = "above" if outcome["gap"] > 0 else "below"
                found[case["name"], name] = (
                    f"{heading}: its criterion is {abs(outcome['gap']):.3g} {side} the optimum's."
                )
            elif outcome["failure"]:
                found[case["name"], name] = f"{heading}: {_sentence(outcome['failure'])}"
    return found


def _sentence(failure: str, width: int = 100) -> str:
    text = " ".join(failure.split()).removeprefix("NotImplementedError: ")
    return text if len(text) <= width else text[: width - 3] + "..."


def list_versions(record: Mapping[str, Any]) -> Sequence[str]:
    """Return ``"lme4 1.1-31 (R 4.2.2)"`` for each rival that ran."""
    versions: dict[str, str] = {}
    for case in record["cases"]:
        for name, outcome in case["outcomes"].items():
            if outcome["version"]:
                versions[name] = outcome["version"]
    return [f"{HEADINGS.get(name, name)} {version}" for name, version in versions.items() if name in record["rivals"]]
