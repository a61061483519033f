"""Tests of the fixed terms by single deletions, as lmerTest's and lme4's ``drop1``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools.design.fixed_terms import fixed_terms
from lmmtools.design.redeclare import redeclare
from lmmtools.errors import DataError
from lmmtools.formula.parser import parse
from lmmtools.formula.updating import update_formula
from lmmtools.inference.anova import NO_TERMS, columns_of_terms, describe_untested
from lmmtools.inference.degrees import check_ddf, method_in_title
from lmmtools.inference.likelihood_ratio import fitted_by_ml, ratio_fields
from lmmtools.inference.tails import chi2_tail
from lmmtools.inference.wald_tests import FTest, f_fields, joint_test
from lmmtools.report.result_table import Field, ResultTable, Tabular, pick, row_labels, stars
from lmmtools.report.table import NumberFormat, Prose

if TYPE_CHECKING:
    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import Method
    from lmmtools.inference.robust import Robust

__all__ = ["SingleDeletions", "SingleLikelihoodRatios", "drop_one", "droppable_terms", "without_term"]

DIGITS = 5


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SingleDeletions(Tabular):
    """An F test of each term of the fixed part that no other term contains.

    ``to_frame()`` has the columns ``sum_sq mean_sq num_df den_df F p``, a row per term.

    Attributes
    ----------
    terms : tuple of str
    tests : tuple of FTest
        In the order of the terms.
    ddf : str
    formula : str
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("angle ~ recipe * temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
    >>> fit.drop1().terms
    ('recipe:temp',)
    """

    terms: tuple[str, ...]
    tests: tuple[FTest, ...]
    ddf: Method
    formula: str
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("", self.terms),
            *f_fields(self.tests, NumberFormat("zapped", DIGITS), DIGITS),
            stars(pick(self.tests, "p")),
        )
        title = f"Single term deletions using {method_in_title(self.ddf)}"
        notes = dict.fromkeys((*(note for test in self.tests for note in test.notes), *self.notes))
        return ResultTable("drop1", fields, title, tuple(notes), (Prose("model", (f"Model: {self.formula}",)),))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SingleLikelihoodRatios(Tabular):
    """The model by maximum likelihood, and the model without each term of the fixed part that no other contains.

    ``to_frame()`` has the columns ``npar aic lrt p``, a row per model; ``npar`` counts the parameters left out.

    Attributes
    ----------
    terms : tuple of str
        ``"<none>"`` first.
    npar : tuple of int or None
    aic : tuple of float
    lrt, p : tuple of float or None
        Likelihood ratio, and its p-value from the chi-squared distribution.
    formula : str
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
    >>> fit.drop1(test="chisq").to_frame()[["npar", "lrt"]].round(3)
            npar     lrt
    <none>   NaN     NaN
    recipe   2.0   0.530
    temp     1.0  79.531
    """

    terms: tuple[str, ...]
    npar: tuple[int | None, ...]
    aic: tuple[float, ...]
    lrt: tuple[float | None, ...]
    p: tuple[float | None, ...]
    formula: str
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("", self.terms),
            *ratio_fields(self, "npar", "aic", "lrt"),
            Field("p", "Pr(Chi)", self.p, NumberFormat("pvalue", DIGITS - 1)),
            stars(self.p),
        )
        above = (Prose("model", (f"Model: {self.formula}",)),)
        return ResultTable("drop1", fields, "Single term deletions", self.notes, above)


def drop_one(
    fit: Fit, test: Literal["F", "chisq"] = "F", ddf: str | Robust = "satterthwaite"
) -> SingleDeletions | SingleLikelihoodRatios:
    """Return the tests of single deletions from the fixed part; see :meth:`LMMResults.drop1`."""
    method = check_ddf(ddf)
    terms = droppable_terms(fit.design)
    if test not in ("F", "chisq"):
        raise DataError(f'test={test!r} is no test of single deletions; use "F" or "chisq"')
    formula = fit.design.formula.source or str(fit.design.formula)
    notes = [*([] if terms else [NO_TERMS]), *describe_untested(fit.design)]
    if test == "F":
        tests = tuple(_test_term(fit, at, method) for at in terms.values())
        return SingleDeletions(tuple(terms), tests, method, formula, tuple(notes))
    if fit.reml:
        notes.insert(0, "refitted by maximum likelihood instead of REML")
    whole = fitted_by_ml(fit)
    smaller = [without_term(whole, name) for name in terms]
    lrt = [max(2.0 * (whole.llf - other.llf), 0.0) for other in smaller]
    npar = [whole.k_params - other.k_params for other in smaller]
    notes += [
        f"{name}: other terms take the place of its columns, so that nothing is tested"
        for name, count in zip(terms, npar, strict=True)
        if not count
    ]
    return SingleLikelihoodRatios(
        ("<none>", *terms),
        (None, *npar),
        (whole.aic, *(other.aic for other in smaller)),
        (None, *lrt),
        (None, *(chi2_tail(ratio, df) for ratio, df in zip(lrt, npar, strict=True))),
        formula,
        tuple(notes),
    )


def droppable_terms(design: Design) -> dict[str, list[int]]:
    """Return the fixed terms that no other term contains, as a formula writes them -> their columns of X.

    As R's ``drop.scope``: a term contains another if it has all its variables and more. The constant is none of them,
    nor is a term whose columns were all dropped as dependent.
    """
    terms = fixed_terms(design)
    own = columns_of_terms(design, terms)
    return {
        term.written: columns
        for term, columns in zip(terms, own, strict=True)
        if term.name and columns and not any(term.variables < other.variables for other in terms)
    }


def without_term(fit: Fit, term: str) -> Fit:
    """Return the fit of the model without a term of the fixed part, on the same rows and by the same criterion."""
    formula = fit.design.formula
    return fit.on_design(
        redeclare(fit.design, parse(update_formula(formula, f"~ . - {term}"), trusted=formula.trusted))
    )


def _test_term(fit: Fit, columns: list[int], ddf: Method) -> FTest:
    """Return the F test that the coefficients of some columns of X are zero."""
    return joint_test(fit, np.eye(fit.design.p)[columns], None, ddf)
