"""The codes of findings: what each says, the harm that it does, and its cure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.errors import DataError
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CODES", "Code", "check_codes"]


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding.

    Attributes
    ----------
    name : str
        As ``Finding.code``; it stays the same between versions.
    severity : str
        ``"error"``, ``"warning"`` or ``"info"``, and where it is which.
    wrong : str
        What is wrong, in one sentence.
    harm : str
        What comes of it.
    cure : str
        What to write instead.
    """

    name: str
    severity: str
    wrong: str
    harm: str
    cure: str

    @property
    def level(self) -> str:
        """The severity without its condition."""
        return self.severity.partition(",")[0]


_LIST = (
    Code(
        "badly-scaled",
        "warning",
        "Columns of X differ so much in scale that MixedLM's optimiser may fail.",
        "The optimiser works in the units of the columns: it stops early, or reports standard errors of a Hessian that "
        "is numerically singular.",
        "Rescale the column: divide it by a power of ten, or standardise it.",
    ),
    Code(
        "badly-scaled-slope",
        "warning",
        "A random slope multiplies very large or very small values, so that its variance is far from the others.",
        "Steps of the optimiser that suit one variance are far too long or too short for the other; the fit ends short "
        "of the optimum.",
        "Rescale the covariate.",
    ),
    Code(
        "bar-in-formula",
        "error",
        "There is a bar of lme4's in the formula of the fixed effects.",
        "patsy takes ``|`` for Python's ``or`` of two columns: the call fails, or one column of numbers joins the "
        "fixed effects and there is no random effect; MixedLM fits it and says nothing.",
        "``groups``, ``re_formula`` and ``vc_formula`` in place of the bar, or ``lmm()``, which reads it.",
    ),
    Code(
        "boundary-false",
        "info",
        "MixedLM warns of the boundary, and the variance is small only because of its units.",
        "A sound fit is taken for a singular one, and its random effect is dropped for no reason.",
        "Nothing to do; or rescale the response, and the warning goes away.",
    ),
    Code(
        "boundary-missed",
        "warning",
        "A variance is zero and MixedLM did not say so.",
        "Standard errors and tests of variances do not hold on the boundary; a tiny number is reported as an estimate "
        "of a variance that the data put at zero.",
        "Report the zero variance as such, or leave the term out: the other estimates stay the same.",
    ),
    Code(
        "crossed-inside",
        "error",
        "A factor that is crossed with the groups is declared inside them.",
        "The model has the factor's levels anew in each group, (1|g:f) in place of (1|f): what is common to a level in "
        "all groups goes into the residual, and standard errors of the fixed effects are wrong.",
        "One group for all rows, each factor a variance component; the code that lint prints does it.",
    ),
    Code(
        "duplicate-index",
        "warning",
        "The index of the data has duplicates, as after ``concat``.",
        "MixedLM looks rows up by the index where it drops missing values and builds variance components, and takes "
        "the wrong ones, or one row several times.",
        "``data = data.reset_index(drop=True)``",
    ),
    Code(
        "factor-inside",
        "info",
        "A factor is declared inside the groups; from the text lint cannot tell whether it is nested or crossed.",
        "Right for a nested factor; for a crossed one the model is that of ``crossed-inside``.",
        "Give lint the data, ``lmmtools lint SCRIPT --data FILE``; if the factor is crossed, declare it so.",
    ),
    Code(
        "fitted-as-fixed",
        "error",
        "The code takes ``fittedvalues`` for the fixed effects' part of a fit.",
        "MixedLM's fitted values contain the predicted random effects: added to the variances of a fit, their "
        "variance counts the "
        "random effects a second time, and a marginal R² made of it comes out near the conditional one.",
        "``result.model.exog @ result.fe_params``, or ``result.predict()``",
    ),
    Code(
        "group-also-fixed",
        "error",
        "A factor has a fixed effect for each of its levels and a random intercept.",
        "The fixed effects take all that tells the levels apart: the variance is zero, or where the optimiser stopped.",
        "Leave the factor out of the fixed effects, or out of the random ones.",
    ),
    Code(
        "groups-elsewhere",
        "warning",
        "The groups come from another frame than the data.",
        "MixedLM puts the two together by place, whatever their indices say: after a sort or a filter of one of them, "
        "rows get the groups of other rows.",
        "Put the groups into the data as a column, and name the column.",
    ),
    Code(
        "groups-formula",
        "warning",
        "``groups`` reads as a formula; MixedLM takes it for the name of a column.",
        "The call fails, or takes a column that happens to have this name.",
        "Name one column as ``groups``; other factors are variance components.",
    ),
    Code(
        "groups-misaligned",
        "error",
        "The groups have another length than the data, or another index, which MixedLM does not look at.",
        "Rows get the groups of other rows: variances and standard errors belong to groups that nobody meant.",
        "Put the groups into the data as a column, which pandas aligns by the index.",
    ),
    Code(
        "groups-missing",
        "error",
        "The call gives no ``groups``.",
        "MixedLM takes groups by their name alone, the third argument by place is ``re_formula``; the call fails "
        "when it is run.",
        '``groups="..."``',
    ),
    Code(
        "groups-not-one-column",
        "error",
        "``groups`` is a list of columns; MixedLM takes one column.",
        "MixedLM takes the names for the groups of its rows, one for each, and the call fails when it is run.",
        "One group for all rows, or the coarsest factor; the others are variance components.",
    ),
    Code(
        "intercept-inside",
        "warning",
        "A variance component has an intercept beside the levels of a factor.",
        "Its columns are a column of ones and contrasts with a reference level, all with one variance: the variance "
        "depends on which level comes first, and is not that of the factor.",
        'Write ``0 + C(...)``; an intercept of the groups is ``re_formula="1"``.',
    ),
    Code(
        "levels-not-below-rows",
        "error",
        "A term has as many levels as there are rows or more.",
        "Its variance and the residual variance cannot be told apart; what is printed for them is where the optimiser "
        "stopped.",
        "Use a coarser factor, or leave the term out.",
    ),
    Code(
        "lme4-bars",
        "error",
        "There is a bar of lme4's in ``re_formula`` or ``vc_formula``; the bar in the formula is ``bar-in-formula``.",
        "patsy takes ``|`` for Python's ``or`` of two columns: the call fails, or the random effect is of one column "
        "of numbers that nobody meant.",
        "``groups``, ``re_formula`` and ``vc_formula`` in place of the bar, or ``lmm()``, which reads it.",
    ),
    Code(
        "nested-by-labels",
        "info",
        "A factor is crossed by its declaration and nested by its labels.",
        "None as long as no label occurs in two groups; once one does, the model changes and nothing says so.",
        "Nothing, as long as labels are not shared.",
    ),
    Code(
        "nested-crossed",
        "error",
        "A nested factor whose labels are reused is declared as crossed.",
        "Class 1 of every school counts as one class: different units share an effect, and their variance is "
        "underestimated.",
        "Declare it within the outer factor.",
    ),
    Code(
        "no-estimate",
        "error",
        "The result has no usable estimate.",
        "Its numbers are missing, infinite, or of no positive definite covariance; tables made of them mean nothing.",
        "Fit again as the cure shows.",
    ),
    Code(
        "no-group-intercept",
        "warning, or info where the data do not ask for it",
        "``vc_formula`` is given without ``re_formula``, so that the groups have no intercept.",
        "What rows of one group have in common goes into the components and the residual; standard errors of effects "
        "between groups are too small.",
        '``re_formula="1"``',
    ),
    Code(
        "no-model",
        "error",
        "MixedLM makes no model of the call and the data, for the reason that is shown.",
        "The call fails when it is run.",
        "Correct the call.",
    ),
    Code(
        "no-random-intercept",
        "warning",
        "``exog_re`` has columns for slopes and no column of ones, whose place it takes.",
        "The groups have random slopes and no random intercept: all have the same mean where the slope's column is "
        "zero, and what sets them apart there goes into the slopes and the residual.",
        '``sm.add_constant(exog_re, has_constant="add")``',
    ),
    Code(
        "no-such-argument",
        "error",
        "The call gives an argument that MixedLM does not have: ``family=``, ``weights=``, ``reml=``.",
        "The call fails when it is run; ``exog_re`` and ``exog_vc`` beside a formula are written over in silence.",
        "What the cure names: the argument of ``fit()``, the right name, or the model that has it.",
    ),
    Code(
        "not-run",
        "info",
        "A formula holds what lint does not evaluate; the call is linted from its text alone.",
        "None to the model; lint may miss what only the data show.",
        "Make the column in the data first, and name it in the formula.",
    ),
    Code(
        "number-as-slope",
        "error, or warning without the data",
        "Labels that are numbers are taken for a covariate.",
        "In place of an intercept for each level the model has one slope for each group, of a variable that is no "
        "quantity.",
        "Write ``0 + C(...)``.",
    ),
    Code(
        "one-level",
        "warning",
        "A random effect is of a factor with one level, as of one group that holds all rows.",
        "There is no variance between levels to estimate; what is printed for it is where the optimiser stopped. "
        "lme4 refuses it.",
        "Leave ``re_formula`` out.",
    ),
    Code(
        "one-row-per-level",
        "error",
        "A term has one row for each level.",
        "Its variance and the residual's cannot be told apart, only their sum is known; what is printed for the two is "
        "where the optimiser stopped.",
        "Leave the term out, or declare the coarser factor that was meant.",
    ),
    Code(
        "params-scaled",
        "error",
        'The code takes entries of ``params``, ``bse`` or ``conf_int()`` for variances, ``params["Group Var"]``.',
        "There variances and covariances are divided by the residual variance: a variance of 900 beside a residual "
        "variance of 600 stands as 1.5, and shares of variance made of it are wrong.",
        "``result.cov_re`` and ``result.vcomp``, beside ``result.scale``",
    ),
    Code(
        "penalised",
        "warning",
        "The fixed effects are shrunk by a penalty (``fit_regularized``, or ``fe_pen=``).",
        "The standard errors, z and p beside them are not those of a REML or ML fit, nor is the likelihood.",
        "``model.fit()`` for standard errors and tests.",
    ),
    Code(
        "reference-coded",
        "error",
        "A variance component codes a factor by contrasts.",
        "The reference level has no effect of its own, and the variance is that of differences from it: another "
        "reference gives another variance and another likelihood.",
        "Write ``0 + C(...)``.",
    ),
    Code(
        "reml-aic",
        "warning",
        "The code reads ``aic`` or ``bic`` of a REML fit.",
        "MixedLM gives nan. Every comparison with nan is false: a search for the lowest keeps the first model, a "
        "sort leaves "
        "the models in any order.",
        "``model.fit(reml=False)``",
    ),
    Code(
        "reml-compared",
        "error",
        "The code compares log-likelihoods of REML fits with different fixed effects.",
        "Each is that of other contrasts of the data: the difference changes with the units of a covariate, and a "
        "p-value made "
        "of it means nothing.",
        "``model.fit(reml=False)`` for each fit that is compared.",
    ),
    Code(
        "same-component",
        "error",
        "Two terms are the same random effects.",
        "Only the sum of their variances is known; how it is divided is where the optimiser stopped.",
        "Leave one of the two out.",
    ),
    Code(
        "shared-variance",
        "warning",
        "A variance component has effects of several kinds: an intercept and a slope, or two factors.",
        "They all have one variance by declaration; with a covariate among them, the fit depends on its units.",
        "A component for each kind.",
    ),
    Code(
        "slope-constant",
        "warning, or error if it is correlated with an intercept",
        "A random slope is of a variable that does not vary within the levels of its factor.",
        "The slope cannot be told from an intercept whose variance depends on the variable; with a correlation nothing "
        "of the three is identified.",
        "Leave the slope out; the fixed effect stays.",
    ),
    Code(
        "slope-not-fixed",
        "warning",
        "A random slope has no fixed effect.",
        "The mean of the slopes is taken for zero; what it really is goes into their variance, which comes out too "
        "large.",
        "Add the slope to the fixed effects.",
    ),
    Code(
        "stopped-short",
        "error, or warning within 0.1 of the optimum",
        "MixedLM's optimiser stopped above the optimum.",
        "Estimates, standard errors and likelihood ratios are those of a place on the way, also where ``converged`` is "
        "true.",
        "Fit again as the cure shows.",
    ),
    Code(
        "uncorrelated-slopes",
        "info",
        "Intercepts and slopes are separate variance components, hence taken for uncorrelated.",
        "Where they are correlated, the fit depends on where the covariate has its zero.",
        "Where the correlation is wanted, the ``lmm()`` call that the cure shows.",
    ),
    Code(
        "unused-levels",
        "error, or info where only the groups or variance components have it",
        "A categorical column has levels that no row has.",
        "In the fixed effects they make columns of zeros: MixedLM fails, or its estimates are not unique.",
        "``.cat.remove_unused_categories()``",
    ),
    Code(
        "variance-pvalue",
        "warning",
        "The code reads the p-value or the z of a variance.",
        "A Wald test takes the estimate for normal around zero, where its range ends: a variance that the data "
        "are sure of may "
        "have a p-value above 0.05.",
        "The likelihood-ratio test of ``lmm()``'s ``ranova()``.",
    ),
    Code(
        "vcomp-forgotten",
        "warning",
        "The code makes a total of ``cov_re`` and ``scale``, and the model has variance components beside them.",
        "The total lacks their variances, and an ICC made of it is too large.",
        "``result.cov_re.iloc[0, 0] + result.vcomp.sum() + result.scale``",
    ),
)
CODES = {code.name: code for code in _LIST}


def check_codes(names: Iterable[str], where: str) -> frozenset[str]:
    """Return the names of codes as a set.

    Raises
    ------
    DataError
        If there is no such code; ``where`` says who named it.
    """
    found = frozenset(names)
    for name in sorted(found - CODES.keys()):
        close = difflib.get_close_matches(name, CODES, 1)
        there = f"Did you mean {close[0]!r}?" if close else f"There are: {list_first(CODES, 40)}."
        raise DataError(f"{where}: lint has no code {name!r}. {there}")
    return found
