"""Ten and more right forms of the answer to each exercise of the notebooks, tried in the notebook's own process."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

import lmmtools as lmt
from lmmtools import exercises

LAST: dict[str, Any] = {}
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]

OWN: dict[tuple[str, int], list[Any]] = {
    ("01", 3): [
        "(1|hospital/ward)",
        "(1 | hospital / ward)",
        "(1|hospital) + (1|hospital:ward)",
        "(1|hospital) + (1|ward:hospital)",
        "(1|hospital:ward) + (1|hospital)",
        "1 + (1|hospital/ward)",
        "+ (1|hospital/ward)",
        "stay ~ 1 + (1|hospital/ward)",
        "stay ~ (1|hospital) + (1|hospital:ward)",
        "~ (1|hospital/ward)",
        "'(1|hospital/ward)'",
        ["(1|hospital)", "(1|hospital:ward)"],
        lmt.nested("hospital", "ward"),
    ],
    ("03", 1): [
        "(1|sample) + (1|sample:plate)",
        "(1|sample)+(1|plate:sample)",
        "(1|sample:plate) + (1|sample)",
        "(1|sample/plate)",
        "(1 | sample / plate)",
        "diameter ~ 1 + (1|sample/plate)",
        "diameter ~ (1|sample) + (1|sample:plate)",
        "1 + (1|sample/plate)",
        '"(1|sample/plate)"',
        ("(1|sample)", "(1|sample:plate)"),
        lmt.nested("sample", "plate"),
    ],
    ("05", 2): [
        (3, False),
        [3, False],
        (3.0, False),
        (np.int64(3), np.False_),
        ("3", "no"),
        (3, "False"),
        ("three", "No"),
        "(3, False)",
        "3, no",
        "3 and no",
        "[3; false]",
    ],
    ("05", 3): [
        "(1|recipe:replicate)",
        "(1|replicate:recipe)",
        "(1 | recipe : replicate)",
        "angle ~ recipe + temp + (1|recipe:replicate)",
        "angle ~ recipe * temperature + (1|recipe:replicate)",
        "~ (1|recipe:replicate)",
        "+ (1|recipe:replicate)",
        "'(1|recipe:replicate)'",
        ["(1|recipe:replicate)"],
        ("(1 | replicate:recipe)",),
        "1 + (1|replicate:recipe)",
    ],
    ("10", 1): [
        "0 + C(sample)",
        "0+C(sample)",
        "C(sample) + 0",
        "C(sample) - 1",
        "-1 + C(sample)",
        "0 + sample",
        "~ 0 + C(sample)",
        "~0+C(sample)",
        "'0 + C(sample)'",
        " 0 + C( sample ) ",
        '"C(sample) - 1"',
    ],
}
"""(Notebook, exercise) -> right forms, where these do not follow from the solution."""


def record(check: Any) -> Any:
    """Return a check that remembers the last right answer and its options."""

    def checked(answer: Any, right: Any, **options: Any) -> Any:
        LAST.update(right=right, options=options)
        return check(answer, right, **options)

    return checked


def refused(notebook: str, number: int, solution: Any) -> list[str]:
    """Return the right forms of an answer that the last check takes for wrong; at least ten are tried."""
    forms = OWN.get((notebook, number)) or forms_of(solution, LAST["options"].get("rtol", exercises.RTOL))
    assert len(forms) >= 10, (notebook, number)
    return [f"{f!r}: {v}" for f in forms if not (v := exercises.check(f, LAST["right"], **LAST["options"]))]


def forms_of(solution: Any, rtol: float) -> list[Any]:
    """Return right forms of a text, a whole number or another number."""
    if isinstance(solution, str):
        return _texts(solution)
    if isinstance(solution, int | np.integer):
        return _whole_numbers(int(solution))
    return _numbers(float(solution), rtol)


def _texts(s: str) -> list[Any]:
    own = [s, s.upper(), s.capitalize(), f" {s} ", f"'{s}'", f'"{s}"', f"\u201c{s}\u201d", f"{s}.", [s], (s,), {s}]
    return [*own, np.str_(s), f"the {s}", pd.Series([s]), np.array([s])]


def _whole_numbers(n: int) -> list[Any]:
    own = [n, float(n), np.int64(n), np.float32(n), str(n), f" {n} ", f"{n}.0", f"{n:,}", f"'{n}'", f"{n} levels"]
    own += [Decimal(n), Fraction(n), [n], (n,), np.array([n]), np.array(n), pd.Series([n], index=["x"]), f"= {n}"]
    return own + ([WORDS[n], f"{WORDS[n]} levels"] if n < len(WORDS) else [])


def _numbers(x: float, rtol: float) -> list[Any]:
    digits = 7 if rtol < 0.005 else 4
    text = f"{x:.{digits}g}"
    own = [x, np.float64(x), text, f" {text} ", f"'{text}'", f"= {text}", f"about {text}", Decimal(text), Fraction(x)]
    own += [[x], (x,), np.array([x]), np.array(x), pd.Series([x], index=["x"]), pd.DataFrame({"a": [x]})["a"]]
    own += [f"{x:.{digits}e}", f"{x:.9f}".replace(".", ","), f"{text} mm^2", x * (1 + rtol / 2), round(x, 6)]
    return own + ([f"{100 * x:.{digits}g}%", f"{100 * x:.{digits}g} %"] if 0 < x < 1 else [])
