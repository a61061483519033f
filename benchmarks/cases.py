"""What is timed: a model on data, with its known optimum."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from benchmarks.generators import simulate

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CASES", "Against", "Case", "write_data"]

Task = Literal["fit", "summary", "evaluation", "refit", "bootstrap", "satterthwaite", "kenward_roger", "profile"]


@dataclass(frozen=True, slots=True)
class Against:
    """An aim that depends on a rival: its time divided by ``factor``."""

    rival: str
    factor: float


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    name : str
    task : {"fit", "summary", "evaluation", "refit", "bootstrap", "satterthwaite", "kenward_roger", "profile"}
        ``fit``: from formula and DataFrame to a finished result. ``summary``: from there to the printed report, what
        statsmodels is asked for it included. ``evaluation``: criterion (and gradient, where there
        is one) at given theta. ``refit``: another response on a fitted model (the fitted values with the residuals
        in reverse). ``bootstrap``: simulate 1,000 responses and refit each. ``satterthwaite``, ``kenward_roger``: the
        coefficient table of a fitted model with those degrees of freedom. ``profile``: profile likelihood of all
        parameters of a fitted model, and their 95% intervals.
    data : str
        Name of a simulated data set, or of one that lmmtools ships.
    fixed : str
        Response and fixed part, ``"y ~ x"``.
    random : tuple of str
        lme4's terms without parentheses, ``"1 + x | subj"``.
    factors : tuple of str
        Columns that are grouping factors or categorical.
    optimum, optimum_ml : float
        Criterion at the optimum, REML and -2 log L. The REML figures are lme4's (``tests/reference``), polished; for
        the simulated data lme4's with tight tolerances, and for ``maximal`` the certified one, lower than lme4's.
    repeats : int
        Runs in one process, after one that is not counted.
    aims : tuple of float or Against
        Seconds that lmmtools is to stay under, and rivals' times to hold.
    aim_bytes : float or None
        Peak memory above the data frame that lmmtools is to stay under.
    is_long : bool
        Whether the case runs with ``--long`` only.
    """

    name: str
    task: Task
    data: str
    fixed: str
    random: tuple[str, ...]
    factors: tuple[str, ...]
    optimum: float
    optimum_ml: float
    repeats: int
    aims: tuple[float | Against, ...]
    aim_bytes: float | None = None
    is_long: bool = False

    @property
    def formula(self) -> str:
        """The lme4 formula."""
        return " + ".join([self.fixed, *(f"({term})" for term in self.random)])

    def to_json(self) -> str:
        """Return what a rival's process needs to know."""
        return json.dumps({**asdict(self), "formula": self.formula})


NOT_USED = float("nan")
"""An optimum that is not known from elsewhere, or that a task does not compare."""

_SLEEP = ("sleepstudy", "Reaction ~ Days", ("Days | Subject",), ("Subject",), 1743.628271958, 1751.939344463)
_PENICILLIN = (
    "Penicillin",
    "diameter ~ 1",
    ("1 | plate", "1 | sample"),
    ("plate", "sample"),
    330.860588991,
    332.188348669,
)
_PASTES = ("Pastes", "strength ~ 1", ("1 | batch/cask",), ("batch", "cask"), 246.990745853, 247.994465862)
_DYESTUFF2 = ("Dyestuff2", "Yield ~ 1", ("1 | Batch",), ("Batch",), 161.828277812, 162.873036654)
_CAKE = (
    "cake",
    "angle ~ recipe * temp",
    ("1 | recipe:replicate",),
    ("recipe", "replicate"),
    1703.267480075,
    1696.073256632,
)
_INSTEVAL = (
    "InstEval",
    "y ~ service",
    ("1 | s", "1 | d", "1 | dept"),
    ("s", "d", "dept", "service"),
    237733.834127519,
    237721.768774496,
)
_SLOPES = ("slopes", "y ~ x", ("1 + x | subj",), ("subj",), 970277.287337, 970272.977078)
_NESTED = (
    "nested",
    "y ~ x",
    ("1 | region/school/klass",),
    ("region", "school", "klass"),
    705586.243830,
    705582.039271,
)
_MAXIMAL = (
    "maximal",
    "y ~ S + P + L",
    ("1 + S + P + L | subj", "1 + S + P + L | item"),
    ("subj", "item"),
    28614.014900,
    28649.405631,
)
_MOVERS = ("y ~ 1", ("1 | worker", "1 | firm"), ("worker", "firm"), 958041.967545, 958033.901235)
_ISLANDS = ("y ~ 1", ("1 | rater", "1 | target"), ("rater", "target"), 391975.875669, 391968.219392)
_RATINGS = ("y ~ 1", ("1 | g", "1 | h"), ("g", "h"))
_RATINGS_1M = (*_RATINGS, 2659259.381485, 2659252.334398)
_COVARIATES = (
    "y ~ " + " + ".join(f"x{k}" for k in range(1, 50)),
    ("1 | g",),
    ("g",),
    289263.334520,
    NOT_USED,
)
_LEVELS = ("y ~ f", ("1 | g",), ("f", "g"))

_ANSWERS = ("y ~ x", ("1 | person", "1 | item"), ("person", "item"), NOT_USED, NOT_USED)

# 1 ms where glmm takes 0.4, and ahead of everybody else.
SMALL = (Against("glmm", 0.4), Against("lme_python", 1.0), Against("mixedlm", 1.0))
AHEAD = (Against("glmm", 1.0), Against("mixedlm", 1.0))
INFERENCE = (Against("lme4", 20.0),)
REFIT = (0.00025,)

CASES: tuple[Case, ...] = (
    Case("sleepstudy", "fit", *_SLEEP, 30, SMALL),
    Case("Penicillin", "fit", *_PENICILLIN, 30, SMALL),
    Case("Pastes", "fit", *_PASTES, 30, SMALL),
    Case("Dyestuff2", "fit", *_DYESTUFF2, 30, SMALL),
    Case("cake", "fit", *_CAKE, 30, SMALL),
    Case("sleepstudy, fit and summary", "summary", *_SLEEP, 30, (Against("lme4", 1.0),)),
    Case("sleepstudy, criterion", "evaluation", *_SLEEP, 200, (0.0003,)),
    Case("sleepstudy, refit", "refit", *_SLEEP[:4], 1728.957678599, NOT_USED, 50, REFIT),
    Case("Penicillin, refit", "refit", *_PENICILLIN[:4], 327.542506245, NOT_USED, 50, REFIT),
    Case("InstEval, refit", "refit", *_INSTEVAL[:4], NOT_USED, NOT_USED, 5, (0.25,)),
    Case("sleepstudy, 1,000 refits", "bootstrap", *_SLEEP, 3, INFERENCE),
    Case("Penicillin, 1,000 refits", "bootstrap", *_PENICILLIN, 3, INFERENCE),
    Case("sleepstudy, profile", "profile", *_SLEEP, 5, INFERENCE),
    Case("sleepstudy, Satterthwaite", "satterthwaite", *_SLEEP, 30, INFERENCE),
    Case("InstEval, Satterthwaite", "satterthwaite", *_INSTEVAL, 3, INFERENCE),
    Case("answers, 5,000 rows, Kenward-Roger", "kenward_roger", "answers", *_ANSWERS, 3, INFERENCE),
    Case("InstEval, 73,421 rows", "fit", *_INSTEVAL, 3, (0.45, *AHEAD)),
    Case("slopes, 100,000 rows", "fit", *_SLOPES, 5, AHEAD),
    Case("slopes, 1,000,000 rows", "fit", "slopes1m", *_SLOPES[1:4], 9702617.337674, NOT_USED, 3, AHEAD),
    Case("nested, 100,000 rows", "fit", *_NESTED, 5, (0.1, *AHEAD)),
    Case("maximal, 1,792 rows", "fit", *_MAXIMAL, 3, (0.3, *AHEAD)),
    Case("movers, 300,000 rows", "fit", "movers", *_MOVERS, 3, AHEAD),
    Case("islands, 120,000 rows", "fit", "islands", *_ISLANDS, 3, AHEAD),
    Case("50 covariates, 100,000 rows", "fit", "covariates", *_COVARIATES, 3, (0.25, *AHEAD)),
    Case("100 fixed levels, 100,000 rows", "fit", "levels100", *_LEVELS, 289136.572166, NOT_USED, 3, AHEAD),
    Case("1,000 fixed levels, 100,000 rows", "fit", "levels1000", *_LEVELS, 289912.792529, NOT_USED, 3, (1.5,), 2e8),
    Case("ratings, 200,000 rows", "fit", "ratings200k", *_RATINGS, 537375.695873, 537369.523500, 3, (1.0, *AHEAD)),
    Case("ratings, 1,000,000 rows", "fit", "ratings1m", *_RATINGS_1M, 1, (6.0, *AHEAD), 1e9),
    Case("crossed, 2,500,000 rows", "fit", "crossed", *_RATINGS, NOT_USED, NOT_USED, 1, (45.0,), 1.2e9, is_long=True),
)


def write_data(folder: Path, cases: tuple[Case, ...]) -> None:
    """Write the data sets that the cases need as CSV files; those that are there already stay."""
    import lmmtools as lmt

    folder.mkdir(parents=True, exist_ok=True)
    missing = {c.data for c in cases if not (folder / f"{c.data}.csv").exists()}
    if not missing:
        return
    simulated: dict[str, pd.DataFrame] = simulate(missing - set(lmt.datasets.names()))
    for name in sorted(missing):
        data = simulated[name] if name in simulated else lmt.datasets.load(name)
        data.to_csv(folder / f"{name}.csv", index=False)
