"""``lmmtools demo``: the four classic data sets from declaration to comparison, and the Penicillin trap."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmmtools.audience import wrap
from lmmtools.cli.terminal import DONE

if TYPE_CHECKING:
    import argparse

    from lmmtools.api import Model

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  lmmtools demo
  lmmtools demo | less

Needs no data and no R: the data sets and lme4's recorded fits of them come with
the package.
"""


@dataclass(frozen=True, slots=True)
class Example:
    """One data set of the demo.

    Attributes
    ----------
    dataset, formula : str
        What is fitted.
    declaration : str
        How it was declared, as Python code.
    recorded : str
        Key of the recorded lme4 fit.
    point : str
        What the example shows.
    """

    dataset: str
    formula: str
    declaration: str
    recorded: str
    point: str


CHAPTERS = (
    Example(
        "Penicillin",
        "diameter ~ 1",
        'crossed("plate", "sample")',
        "penicillin",
        "Crossed factors: each of 6 samples was tested on each of 24 plates.",
    ),
    Example(
        "Dyestuff",
        "Yield ~ 1",
        'random("Batch")',
        "dyestuff",
        "One factor: 5 yields from each of 6 batches.",
    ),
    Example(
        "Dyestuff2",
        "Yield ~ 1",
        'random("Batch")',
        "dyestuff2",
        "A variance of zero: the batches differ less than chance alone would make them.",
    ),
    Example(
        "Pastes",
        "strength ~ 1",
        'nested("batch", "cask")',
        "pastes_nested",
        "Nested factors: casks a, b, c of one batch have nothing to do with a, b, c of another.",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lmmtools demo`` (there are none)."""


def run(options: argparse.Namespace) -> int:
    """Print the demo."""
    print(_trap())
    for example in CHAPTERS:
        print(_chapter(example))
    return DONE


def _heading(text: str, rule: str = "=") -> str:
    return f"\n{text}\n{rule * len(text)}\n"


def _declare(example: Example) -> Model:
    from lmmtools import api, datasets
    from lmmtools.formula import declare

    known: dict[str, Any] = {"crossed": declare.crossed, "random": declare.random, "nested": declare.nested}
    name, _, rest = example.declaration.partition("(")
    factors = [part.strip(' ")') for part in rest.split(",")]
    return api.lmm(example.formula, datasets.load(example.dataset), random=known[name](*factors))


def _chapter(example: Example) -> str:
    from lmmtools.api import compare
    from lmmtools.datasets import recorded
    from lmmtools.errors import LmmWarning

    model = _declare(example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmmWarning)
        fit = model.fit(engine="mixedlm")
    lme4, version = recorded(example.recorded)
    table = compare(lme4, fit, names=[f"lme4 {version}", "statsmodels here"])
    declared = f'lmm("{example.formula}", {example.dataset}, random={example.declaration})'
    return "\n".join(
        [
            _heading(f"{example.dataset}: {model.formula}"),
            wrap(example.point, otherwise=110),
            _heading("Declared", "-"),
            f"    {declared}",
            _heading("The same in statsmodels", "-"),
            *(f"    {line}".rstrip() for line in str(model.spec).splitlines()),
            _heading("Fitted", "-"),
            str(fit.summary()),
            _heading("Side by side with lme4", "-"),
            str(table),
        ]
    )


def _trap() -> str:
    """Return the chapter on the Penicillin data, fitted in the obvious way and in the right way."""
    from tabulate import tabulate

    from lmmtools import api, datasets

    # Text, as in a CSV file. Categoricals give another wrong answer: all levels in every group.
    data = datasets.load("Penicillin").astype({"plate": object, "sample": object})
    obvious = {"groups": "plate", "vc_formula": {"plate": "1 + C(plate)", "sample": "0 + C(sample)"}}
    spec = api.lmm("diameter ~ 1 + (1|plate) + (1|sample)", data).spec
    rows = [
        ["obvious: groups='plate'", *_statsmodels_numbers("diameter ~ 1", data, obvious)],
        ["cure: one group for all rows", *_statsmodels_numbers(spec.formula, spec.data, spec.kwargs)],
    ]
    lines = [
        _heading("The trap: Penicillin in statsmodels, written the obvious way"),
        "    smf.mixedlm('diameter ~ 1', data, groups='plate',",
        "                vc_formula={'plate': '1 + C(plate)', 'sample': '0 + C(sample)'}).fit()",
        "",
        wrap(
            "converges without a word, and is another model: within the group of one plate, 'sample' is one random "
            "number per plate and sample, not per sample. lme4's (1|plate) + (1|sample) has REML criterion 330.8606.",
            otherwise=110,
        ),
        "",
        tabulate(
            rows,
            headers=["MixedLM call", "REML criterion", "plate", "sample", "residual"],
            floatfmt=("", ".4f", ".4f", ".4f", ".4f"),
        ),
    ]
    return "\n".join(lines)


def _statsmodels_numbers(formula: str, data: Any, call: dict[str, Any]) -> list[float]:
    """Return criterion and variances of plate, sample and residual of a MixedLM call, which is fitted here."""
    import statsmodels.formula.api as smf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = smf.mixedlm(
            formula, data, groups=call["groups"], re_formula=call.get("re_formula"), vc_formula=call["vc_formula"]
        ).fit()
    variances = dict(zip(result.model.exog_vc.names, result.vcomp, strict=True))
    return [-2 * result.llf, variances["plate"], variances["sample"], result.scale]
