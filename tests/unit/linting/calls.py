"""MixedLM calls as people write them, each with what lint must say (codes) and that it must say no more.

``calls`` returns keyword arguments of ``smf.mixedlm`` with the data; the codes are those of errors and warnings, and of
notes where ``notes`` names them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import lmmtools as lmt


@dataclass(frozen=True)
class Call:
    name: str
    make: Callable[[], dict[str, Any]]
    codes: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()


def _data(name: str, **kinds: Any) -> pd.DataFrame:
    return lmt.datasets.load(name).astype(kinds)


def penicillin() -> pd.DataFrame:
    return _data("Penicillin", plate=str, sample=str)


def pastes() -> pd.DataFrame:
    return _data("Pastes", batch=str, cask=str, sample=str)


def sleep() -> pd.DataFrame:
    return _data("sleepstudy", Subject=int)


def growth() -> pd.DataFrame:
    """Pigs weighed weekly, in pens: made up, as in a growth study."""
    rng = np.random.default_rng(1)
    pig = np.repeat(np.arange(48), 9)
    week = np.tile(np.arange(1, 10), 48)
    pen = pig // 6
    gain = 6.2 + 0.6 * rng.standard_normal(48)[pig]
    weight = 19 + 2.5 * rng.standard_normal(48)[pig] + gain * week + 1.5 * rng.standard_normal(8)[pen]
    weight = weight + 1.3 * rng.standard_normal(len(pig))
    return pd.DataFrame({"weight": weight, "week": week, "pig": 1000 + pig, "pen": pen, "sex": pig % 2})


def schools() -> pd.DataFrame:
    """Pupils in classes in schools; classes are numbered from 1 in every school."""
    rng = np.random.default_rng(2)
    school = np.repeat(np.arange(12), 40)
    klass = np.tile(np.repeat(np.arange(1, 5), 10), 12)
    both = school * 4 + klass - 1
    ses = rng.standard_normal(480)
    score = 50 + 4 * rng.standard_normal(12)[school] + 3 * rng.standard_normal(48)[both] + 2 * ses
    score = score + 5 * rng.standard_normal(480)
    size = rng.integers(100, 900, 12)[school]
    return pd.DataFrame({"score": score, "ses": ses, "school": school, "klass": klass, "room": both, "size": size})


def raters() -> pd.DataFrame:
    """Subjects rated on items: crossed, two ratings each."""
    rng = np.random.default_rng(3)
    s, i, _ = (v.ravel() for v in np.meshgrid(np.arange(20), np.arange(15), np.arange(2), indexing="ij"))
    rt = 600 + 60 * rng.standard_normal(20)[s] + 30 * rng.standard_normal(15)[i] + 40 * rng.standard_normal(len(s))
    return pd.DataFrame({"rt": rt, "subj": [f"S{k:02d}" for k in s], "item": [f"I{k:02d}" for k in i], "trial": i})


def arguments(formula: str, data: pd.DataFrame, groups: Any, **more: Any) -> dict[str, Any]:
    return {"formula": formula, "data": data, "groups": groups, **more}


def one_group(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(everything=1)


CALLS = [
    # Right models: nothing to say.
    Call("random intercept", lambda: arguments("weight ~ week", growth(), "pig")),
    Call("random intercept, groups as the frame's own column", lambda: _own_column()),
    Call("random intercept and slope", lambda: arguments("weight ~ week", growth(), "pig", re_formula="~week")),
    Call("random slope only", lambda: arguments("weight ~ week", growth(), "pig", re_formula="0 + week")),
    Call("sleepstudy", lambda: arguments("Reaction ~ Days", sleep(), "Subject", re_formula="1 + Days")),
    Call("an intercept alone, text groups", lambda: arguments("rt ~ 1", raters(), "subj")),
    Call(
        "crossed, one group",
        lambda: arguments(
            "diameter ~ 1",
            one_group(penicillin()),
            "everything",
            vc_formula={"plate": "0 + C(plate)", "sample": "0 + C(sample)"},
        ),
    ),
    Call(
        "crossed subjects and items",
        lambda: arguments(
            "rt ~ 1", one_group(raters()), "everything", vc_formula={"s": "0 + C(subj)", "i": "0 + C(item)"}
        ),
    ),
    Call(
        "crossed with their interaction",
        lambda: arguments(
            "rt ~ 1",
            one_group(raters()),
            "everything",
            vc_formula={"s": "0 + C(subj)", "i": "0 + C(item)", "si": "0 + C(subj):C(item)"},
        ),
    ),
    Call(
        "nested, labels of their own",
        lambda: arguments("score ~ ses", schools(), "school", re_formula="1", vc_formula={"room": "0 + C(room)"}),
    ),
    Call(
        "nested, labels reused: right by luck",
        lambda: arguments("strength ~ 1", pastes(), "batch", re_formula="1", vc_formula={"cask": "0 + C(cask)"}),
        notes=frozenset({"nested-by-labels"}),
    ),
    Call(
        "nested classes, labels reused",
        lambda: arguments("score ~ ses", schools(), "school", re_formula="1", vc_formula={"c": "0 + C(klass)"}),
        notes=frozenset({"nested-by-labels"}),
    ),
    Call(
        "nested by a combined label in one group",
        lambda: arguments(
            "strength ~ 1",
            one_group(pastes()),
            "everything",
            vc_formula={"batch": "0 + C(batch)", "sample": "0 + C(sample)"},
        ),
    ),
    Call(
        "uncorrelated slope as a component",
        lambda: arguments("weight ~ week", growth(), "pig", re_formula="1", vc_formula={"slope": "0 + week"}),
        notes=frozenset({"uncorrelated-slopes"}),
    ),
    Call(
        "slope by a factor, crossed",
        lambda: arguments(
            "rt ~ trial",
            one_group(raters()),
            "everything",
            vc_formula={"s": "0 + C(subj)", "st": "0 + C(subj):trial", "i": "0 + C(item)"},
        ),
        notes=frozenset({"uncorrelated-slopes"}),
    ),
    Call("groups as a list", lambda: arguments("weight ~ week", growth(), list(growth()["pig"]))),
    # Wrong ones.
    Call(
        "the seed of it all",
        lambda: arguments(
            "diameter ~ 1",
            penicillin(),
            "plate",
            vc_formula={"plate": "1 + C(plate)", "sample": "0 + C(sample)"},
        ),
        frozenset({"crossed-inside", "one-row-per-level", "intercept-inside"}),
    ),
    Call(
        "crossed inside, with the groups' intercept",
        lambda: arguments("rt ~ 1", raters(), "subj", re_formula="1", vc_formula={"item": "0 + C(item)"}),
        frozenset({"crossed-inside"}),
    ),
    Call(
        "nested declared crossed",
        lambda: arguments(
            "strength ~ 1",
            one_group(pastes()),
            "everything",
            vc_formula={"batch": "0 + C(batch)", "cask": "0 + C(cask)"},
        ),
        frozenset({"nested-crossed"}),
    ),
    Call(
        "vc_formula without re_formula",
        lambda: arguments("score ~ ses", schools(), "school", vc_formula={"room": "0 + C(room)"}),
        frozenset({"no-group-intercept"}),
    ),
    Call(
        "C() missing on whole-number labels",
        lambda: arguments("weight ~ week", growth(), "pen", re_formula="1", vc_formula={"pig": "0 + pig"}),
        frozenset({"number-as-slope"}),
    ),
    Call(
        "contrasts in a component",
        lambda: arguments("rt ~ 1", one_group(raters()), "everything", vc_formula={"s": "C(subj)", "i": "0 + C(item)"}),
        frozenset({"reference-coded"}),
    ),
    Call(
        "one row per level",
        lambda: arguments(
            "diameter ~ 1",
            one_group(penicillin()),
            "everything",
            vc_formula={"p": "0 + C(plate)", "s": "0 + C(sample)", "ps": "0 + C(plate):C(sample)"},
        ),
        frozenset({"one-row-per-level"}),
    ),
    Call("the residual as groups", lambda: _row_groups(), frozenset({"one-row-per-level"})),
    Call(
        "groups from another order",
        lambda: arguments("weight ~ week", growth(), growth().sample(frac=1, random_state=1)["pig"]),
        frozenset({"groups-misaligned"}),
    ),
    Call("an index with duplicates", lambda: _concatenated(), frozenset({"duplicate-index"})),
    Call(
        "slope for what does not vary within groups",
        lambda: arguments("score ~ size", schools(), "school", re_formula="1 + size"),
        frozenset({"slope-constant"}),
    ),
    Call("unused levels in the fixed effects", lambda: _unused(), frozenset({"unused-levels"})),
    Call(
        "a covariate in tiny units",
        lambda: arguments(
            "weight ~ week", growth().assign(week=lambda d: d["week"] * 1e-6), "pig", re_formula="1 + week"
        ),
        frozenset({"badly-scaled-slope"}),
    ),
    Call(
        "the same component twice",
        lambda: arguments(
            "rt ~ 1", one_group(raters()), "everything", vc_formula={"s": "0 + C(subj)", "again": "0 + C(subj)"}
        ),
        frozenset({"same-component"}),
    ),
]


def _own_column() -> dict[str, Any]:
    data = growth()
    return arguments("weight ~ week", data, data["pig"])


def _row_groups() -> dict[str, Any]:
    data = raters()
    return arguments("rt ~ 1", data.assign(row=np.arange(len(data))), "row")


def _concatenated() -> dict[str, Any]:
    data = growth()
    return arguments("weight ~ week", pd.concat([data.iloc[:216], data.iloc[216:].reset_index(drop=True)]), "pig")


def _unused() -> dict[str, Any]:
    data = growth()
    data["sex"] = pd.Categorical(data["sex"], categories=[0, 1, 2])
    return arguments("weight ~ week + C(sex)", data, "pig")
