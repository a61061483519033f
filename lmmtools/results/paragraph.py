"""What a paper says of a fit, as one paragraph: ``fit.report()``. Each number is read from the fit or its tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools._version import __version__
from lmmtools.design.dropped import describe_lost_columns, describe_lost_rows
from lmmtools.formula.expressions import plain_name
from lmmtools.inference.anova import anova_table
from lmmtools.inference.degrees import is_normal, method_in_title, method_name, read_method
from lmmtools.inference.intervals import confidence_intervals
from lmmtools.inference.robust import Robust
from lmmtools.inference.tails import check_level
from lmmtools.inference.variance.icc_r2 import icc, r2
from lmmtools.inference.wald_tests import t_tests
from lmmtools.report.apa import (
    Code,
    Piece,
    Sentence,
    Statistic,
    amount,
    decimals_for,
    p_value,
    share,
    write_html,
    write_latex,
    write_markdown,
    write_text,
)
from lmmtools.sentences import count_noun, join_with_and

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.fit.record import Fit
    from lmmtools.fit.varcorr import VarCorrTerm
    from lmmtools.inference.degrees import Method
    from lmmtools.inference.wald_tests import FTest

__all__ = ["Paragraph", "describe_fit"]

ENGINES = {"mixedlm": "statsmodels' MixedLM", "lme4": "R's lme4"}
MOST_CORRELATIONS = 3
"""Of more correlations of a term, the smallest and the largest are given."""

MOST_EFFECTS = 20
"""More fixed effects than a paragraph can hold; then terms alone are tested in it."""

LEAST_SHARE = 1e-12
"""A share of the variance below this is what rounding leaves of none."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Paragraph:
    """What a paper says of a fit; prints as text.

    Attributes
    ----------
    sentences : tuple of tuple of (str, Statistic or Code)
        Text, statistics and formulas, in order.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> print(fit.report().to_text().splitlines()[0])
    A linear mixed model of Reaction was fitted to 180 observations of 18 levels of
    """

    sentences: tuple[Sentence, ...]

    def to_text(self) -> str:
        """Return the paragraph in lines of plain text."""
        return write_text(self.sentences)

    def to_markdown(self) -> str:
        """Return the paragraph in Markdown, symbols in italics."""
        return write_markdown(self.sentences)

    def to_html(self) -> str:
        """Return the paragraph in HTML, symbols in italics."""
        return write_html(self.sentences)

    def to_latex(self) -> str:
        """Return the paragraph in LaTeX, statistics in math mode."""
        return write_latex(self.sentences)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()


def describe_fit(
    fit: Fit, ddf: str = "satterthwaite", level: float = 0.95, cov: str | None = None, cluster: Any = None
) -> Paragraph:
    """Return what a paper says of a fit; see :meth:`LMMResults.report`."""
    method, level = read_method(ddf, cov, cluster), check_level(level)
    sentences = [
        *_model(fit),
        *_random_effects(fit),
        *_boundary(fit),
        *_shares(fit),
        *_fixed_effects(fit, method, level),
    ]
    return Paragraph(tuple(sentences))


def _model(fit: Fit) -> Iterator[Sentence]:
    """Yield what was fitted, to which rows, how and by what."""
    design = fit.design
    levels = join_with_and(f"{m:,} levels of {factor}" for factor, m in fit.ngroups.items())
    how = "restricted maximum likelihood" if fit.reml else "maximum likelihood"
    beside = [
        name
        for name, is_there in (
            (f"prior weights{_named(fit.names.weights)}", design.weights is not None),
            (f"an offset{_named(fit.names.offset)}", design.offset is not None),
        )
        if is_there
    ]
    program = f"lmmtools {__version__}"
    if fit.engine in ENGINES:
        program += f" with {ENGINES[fit.engine]}"
    yield (
        f"A linear mixed model of {plain_name(design.formula.response)} was fitted to "
        f"{count_noun(fit.nobs, 'observation')} of {levels} by {how}"
        f"{f' with {join_with_and(beside)}' if beside else ''} ({program}; formula: ",
        Code(" ".join((design.formula.source or str(design.formula)).split())),
        ").",
    )
    if design.dropped.n_rows:
        yield (_sentence(describe_lost_rows(design.dropped)),)
    if design.dropped.columns:
        yield (_sentence(describe_lost_columns(design.dropped)),)
    if not fit.converged:
        yield ("The optimum of the criterion is not certified: these numbers are not those of a fitted model.",)


def _named(name: str | None) -> str:
    return f" ({name})" if name else ""


def _sentence(text: str) -> str:
    """Return a note as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _random_effects(fit: Fit) -> Iterator[Sentence]:
    """Yield the standard deviations of the random effects and of the residuals, with correlations."""
    pieces: list[Piece] = ["Standard deviations were "]
    for term in fit.varcorr:
        pieces += [*_term(term), "; "]
    last = f"{amount(fit.sigma, decimals_for(fit.sigma))} for the residuals"
    unit = " at a weight of one" if fit.design.weights is not None else ""
    yield (*pieces[:-1], ", and " if len(pieces) > 2 else "", f"{last}{unit}.")


def _term(term: VarCorrTerm) -> list[Piece]:
    """Return the standard deviations and correlations of one term's effects."""
    names = ["intercepts" if name == "(Intercept)" else f"effects of {name}" for name in term.cnames]
    sds = [f"{amount(sd, decimals_for(sd))} for {name}" for sd, name in zip(term.sd.tolist(), names, strict=True)]
    pieces: list[Piece] = [f"{join_with_and(sds)} by {term.group}"]
    found = term.corr[np.tril_indices(len(names), -1)]
    known = found[np.isfinite(found)].tolist()
    if known and len(known) == len(found) <= MOST_CORRELATIONS:
        for i, r in enumerate(known):
            pieces += [" (" if i == 0 else ", ", Statistic("r", share(r))]
        pieces.append(")")
    elif known:
        pieces += [" (", Statistic("r", share(min(known))), f" to {share(max(known))})"]
    return pieces


def _boundary(fit: Fit) -> Iterator[Sentence]:
    """Yield which variances are at zero, and what that means."""
    if not fit.is_singular:
        return
    rows = "; ".join(str(row) for row in fit.boundary)
    yield (_sentence(f"The fit is singular: {rows}" if rows else "The fit is singular"),)
    kinds = {row.kind for row in fit.boundary if not row.is_spanned}
    if "zero variance" in kinds:
        yield ("A variance of zero says that residuals alone make as much of this variation, not that there is none.",)
    if "perfect correlation" in kinds:
        yield ("A perfect correlation says that the data do not tell these effects apart, not that they are one.",)


def _shares(fit: Fit) -> Iterator[Sentence]:
    """Yield the shares of the variance that fixed and random effects have."""
    explained, correlation = r2(fit), icc(fit)
    together = explained.conditional
    if not np.isfinite([explained.marginal, together, correlation.adjusted]).all():
        return
    if explained.marginal < LEAST_SHARE:
        yield (
            f"The random effects account for {100 * together:.0f}% of the variance (intraclass correlation "
            f"{share(correlation.adjusted)}).",
        )
        return
    yield (
        f"The fixed effects account for {100 * explained.marginal:.0f}% of the variance (marginal ",
        Statistic("R2", share(explained.marginal)),
        f"), fixed and random effects together for {100 * together:.0f}% (conditional ",
        Statistic("R2", share(together)),
        f"); the intraclass correlation, given the fixed effects, is {share(correlation.adjusted)}.",
    )


def _fixed_effects(fit: Fit, ddf: Method, level: float) -> Iterator[Sentence]:
    """Yield the fixed effects with their tests, F tests of terms with several, and by which method."""
    if not fit.design.p:
        yield ("The model has no fixed effects.",)
        return
    found = t_tests(fit, None, ddf)
    limits = confidence_intervals(fit, round(1.0 - level, 12), "wald", None, ddf).to_numpy()
    pieces: list[Piece] = ["The fixed effects are: "]
    is_long = len(found.names) > MOST_EFFECTS
    for i, name in enumerate(() if is_long else found.names):
        pieces += [
            "the intercept, " if name == "Intercept" else f"{name}, ",
            *_effect(found.estimate[i], found.std_error[i], limits[i], level),
            ", ",
            _statistic(found.t[i], found.df[i], ddf),
            ", ",
            p_value(found.p[i]),
            "; ",
        ]
    if is_long:
        yield (f"The estimates of the {len(found.names)} fixed effects belong in a table.",)
    else:
        yield (*pieces[:-1], ".")
    yield from _terms(fit, ddf)
    if isinstance(ddf, Robust):
        yield (_sentence(method_name(ddf)),)
    else:
        yield (f"Tests and intervals use {'the normal distribution' if ddf == 'z' else method_in_title(ddf)}.",)
    for note in found.notes:
        yield (_sentence(note),)


def _effect(estimate: float, error: float, limits: Any, level: float) -> list[Piece]:
    """Return an estimate with its error and interval."""
    decimals = decimals_for(error)
    low, high = (amount(value, decimals) for value in limits)
    return [
        Statistic("b", amount(estimate, decimals)),
        ", ",
        Statistic("SE", amount(error, decimals)),
        f", {100 * level:g}% CI [{low}, {high}]",
    ]


def _statistic(value: float, df: float, ddf: Method) -> Statistic:
    return (
        Statistic("z", amount(value)) if is_normal(ddf) else Statistic("t", amount(value), arguments=_degrees(df, ddf))
    )


def _degrees(df: float, ddf: Method) -> str:
    """Return degrees of freedom: whole ones where the method counts, with two decimals where it approximates."""
    return amount(df, 0 if ddf == "residual" else 2)


def _terms(fit: Fit, ddf: Method) -> Iterator[Sentence]:
    """Yield F tests of the terms that have several columns."""
    if fit.design.encoder is None:  # read from arrays, which do not say what belongs to one term
        return
    table = anova_table(fit, 3, ddf)
    tests = [(name, test) for name, test in zip(table.terms, table.tests, strict=True) if test.num_df > 1]
    if not tests:
        return
    pieces: list[Piece] = ["Of terms with several coefficients, each after all other terms (type III): "]
    for name, test in tests:
        pieces += [f"{name}, ", _joint_statistic(test, ddf), ", ", p_value(test.p), "; "]
    yield (*pieces[:-1], ".")


def _joint_statistic(test: FTest, ddf: Method) -> Statistic:
    numerator = amount(test.num_df, 0)
    if is_normal(ddf):
        return Statistic("χ2", amount(test.F * test.num_df), arguments=numerator)
    return Statistic("F", amount(test.F), arguments=f"{numerator}, {_degrees(test.den_df, ddf)}")
