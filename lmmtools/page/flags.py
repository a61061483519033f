"""The flags of a fit and what each means for it: certificate, boundary, left-out data, second engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmmtools.design.dropped import describe_lost_rows, list_unused_levels
from lmmtools.design.identification import find_ambiguities
from lmmtools.formula.expressions import plain_name
from lmmtools.sentences import count_noun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.engines.estimate import Certificate
    from lmmtools.fit.boundary import BoundaryRow
    from lmmtools.fit.record import Fit

__all__ = ["Flag", "read_flags"]

# Levels below which a variance is known only to its order of magnitude.
FEW_LEVELS = 6
_SECOND = {"mixedlm": "MixedLM of statsmodels", "pls": "The pls engine", "lme4": "lme4 in R"}
_NOT_ASKED = {
    "no such model": ("No second engine has this model", "The criterion is the pls engine's alone."),
    "too slow": (
        "No second engine was asked",
        "MixedLM of statsmodels would take long for a model of this size; fit.confirm() lets it search.",
    ),
    "failed": ("A second engine failed", "The criterion is the pls engine's alone."),
}

Tone = Literal["good", "note", "caution", "bad"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a fit.

    Attributes
    ----------
    tone : {"good", "note", "caution", "bad"}
        Good news, information, something to consider, or something to act on.
    title : str
        The flag in a few words.
    sentences : tuple of str
        What it means for this fit.
    """

    tone: Tone
    title: str
    sentences: tuple[str, ...]


def read_flags(fit: Fit) -> tuple[Flag, ...]:
    """Return the flags of a fit, those to act on first."""
    order = ("bad", "caution", "note", "good")
    return tuple(sorted(_flags(fit), key=lambda flag: order.index(flag.tone)))


def _flags(fit: Fit) -> Iterator[Flag]:
    yield _optimum(fit)
    yield from _boundary(fit)
    yield from _ambiguous(fit)
    yield _rows_used(fit)
    yield from _left_out(fit)
    yield from _weights_and_offset(fit)
    yield from _few_levels(fit)
    yield from _second_engine(fit)
    yield _criterion(fit)
    if fit.remarks:
        yield Flag("caution", "What this model really is", tuple(_with_full_stop(text) for text in fit.remarks))


def _optimum(fit: Fit) -> Flag:
    c = fit.certificate
    name = "REML criterion" if fit.reml else "deviance"
    if not fit.converged:
        return Flag(
            "bad",
            "Not converged",
            (
                f"The optimum is not certified: the {name} could still fall{_possible_decrease(c.near_decrease)}.",
                "Do not report these numbers. Fit again with another engine (engine='pls') or more iterations, and "
                "look for effects that the data cannot tell apart.",
            ),
        )
    if c.min_curvature == float("inf"):
        evidence = f"Every variance is at its boundary, and the {name} would only rise from there."
        return _certified(c, name, evidence)
    evidence = (
        f"Along every free direction the {name}'s derivative vanishes (at most {c.gradient_norm:.1g} in units of a "
        "parameter's own step) and its curvature is positive."
    )
    return _certified(c, name, evidence)


def _certified(c: Certificate, name: str, evidence: str) -> Flag:
    if c.scope == "global":
        return Flag("good", "Converged to the global optimum", (evidence, f"No variance has a lower {name}."))
    if c.reproduced_by:
        lower = f"It is no lowest value: the model reproduces the response where variances grow, and the {name} falls."
        return Flag("caution", "Converged to a local optimum", (evidence, lower))
    lower = f"A lower {name} was looked for elsewhere and not found, which is no proof that there is none."
    return Flag("good", "Converged to a local optimum", (evidence, lower))


def _possible_decrease(decrease: float | None) -> str:
    return "" if decrease is None else f" by about {decrease:.2g}"


def _boundary(fit: Fit) -> Iterator[Flag]:
    rows = tuple(fit.boundary)
    if not rows:
        yield Flag(
            "good",
            "Not singular",
            ("Every variance is above zero, and no effects of a factor determine each other.",),
        )
    for row in rows:
        if row.is_spanned:
            yield _spanned(row)
        else:
            yield (_zero_variance if row.kind == "zero variance" else _perfect_correlation)(fit, row)


def _ambiguous(fit: Fit) -> Iterator[Flag]:
    for pair in find_ambiguities(fit.design):
        title = f"Nothing tells the variances of {pair.first} and {pair.second} apart"
        rest = "Fixed effects, their standard errors and predictions do not depend on it."
        yield Flag("caution", title, (_with_full_stop(str(pair)), rest))


def _spanned(row: BoundaryRow) -> Flag:
    return Flag(
        "caution",
        f"Nothing tells the variance of {row.effect} by {row.group}",
        (
            f"The fixed effects tell the levels of {row.group} apart already: the restricted likelihood is the same "
            "whatever this variance is. It is held at zero.",
            "That is a convention: every other number, the standard errors of the fixed effects too, is that of the "
            "model without it, and would grow with the variance. Take the term out, or its fixed counterpart.",
        ),
    )


def _zero_variance(fit: Fit, row: BoundaryRow) -> Flag:
    what = f"The variance of {row.effect} by {row.group}"
    sentences = [
        f"{what} is estimated at zero: what differs between the {fit.ngroups[row.group]:,} levels of {row.group} is no "
        f"more than residual noise (standard deviation {fit.sigma:.4g}) and the other terms explain.",
        "This is an estimate and no error of computation; lme4 says of it: boundary (singular) fit.",
        *_certificate_sentences(row),
    ]
    if len(fit.design.blocks) == 1 and len(fit.design.blocks[0].cnames) == 1:
        sentences.append("Without it nothing is random but the residual: the estimates are those of least squares.")
    else:
        sentences.append("Every other number is that of the model without it.")
    sentences.append(
        "A variance of zero is not evidence that there is none: with few levels or rows even a sizeable one is often "
        "estimated at zero. Keep it if the study's plan has it."
    )
    return Flag("caution", f"Boundary: no variance of {row.effect} by {row.group}", tuple(sentences))


def _perfect_correlation(fit: Fit, row: BoundaryRow) -> Flag:
    return Flag(
        "caution",
        f"Boundary: {row.effect} by {row.group} is determined by the effects before it",
        (
            f"The {fit.ngroups[row.group]:,} levels of {row.group} do not show {row.effect} as an effect of its own: "
            "it follows from the others (a correlation of -1 or 1, or a covariance matrix that has lost rank).",
            "The model asks for more than the data hold; lme4 says of it: boundary (singular) fit.",
            *_certificate_sentences(row),
            f"Correlations with it mean little here. A smaller model, (... || {row.group}) without correlations or one "
            f"without {row.effect} by {row.group}, may say the same: compare them with lmt.anova.",
        ),
    )


def _certificate_sentences(row: BoundaryRow) -> tuple[str, ...]:
    if row.certificate is None:
        return ()
    if row.falls_inside:
        return (f"But the criterion would still fall inside the boundary (derivative {row.certificate:.3g}).",)
    more = "more of it" if row.kind == "zero variance" else "variance of its own"
    return (f"It is certified: any {more} would make the criterion worse.",)


def _rows_used(fit: Fit) -> Flag:
    dropped = fit.design.dropped
    if not dropped.n_rows:
        return Flag("good", "All rows used", (f"None of the {fit.nobs:,} rows lacks a value that the model needs.",))
    share = 100 * dropped.n_rows / dropped.n_input
    return Flag(
        "caution",
        f"{count_noun(dropped.n_rows, 'row')} left out",
        (
            f"{describe_lost_rows(dropped)}, {share:.2g}% of the data; the fit is of the other {fit.nobs:,}.",
            "The estimates hold if whether a row is left out does not depend on what its response would have been.",
        ),
    )


def _left_out(fit: Fit) -> Iterator[Flag]:
    dropped = fit.design.dropped
    if dropped.columns:
        yield Flag(
            "caution",
            f"{count_noun(len(dropped.columns), 'fixed effect')} left out",
            (
                f"{', '.join(dropped.columns)}: a combination of the columns before, so that the data cannot tell the "
                "effect apart. Predictions are the same with any choice of columns; single coefficients are not.",
            ),
        )
    for text in fit.design.narrower_in_r:
        yield Flag("caution", "lmer() fits another model to this formula", (_with_full_stop(text),))
    for factor, levels in dropped.levels.items():
        if levels:
            yield Flag(
                "note",
                f"Unused levels of {factor}",
                (f"No row that is used has {list_unused_levels(levels)}: nothing is estimated for it.",),
            )


def _weights_and_offset(fit: Fit) -> Iterator[Flag]:
    """Yield flags on what weights and offsets do to the numbers."""
    weights, offset, response = fit.design.weights, fit.design.offset, plain_name(fit.design.formula.response)
    if weights is not None:
        low, high = float(weights.min()), float(weights.max())
        yield Flag(
            "note",
            f"Prior weights{_colon_and_name(fit.names.weights)}",
            (
                f"The residual variance of a row is sigma^2 divided by its weight, from {low:.4g} to {high:.4g} here: "
                f"the residual standard deviation of {fit.sigma:.4g} is that of a row of weight 1, and goes from "
                f"{fit.sigma / high**0.5:.4g} to {fit.sigma / low**0.5:.4g} over the rows.",
                "Estimates and standard errors depend on the ratios of the weights only.",
            ),
        )
    if offset is not None:
        yield Flag(
            "note",
            f"Offset{_colon_and_name(fit.names.offset)}",
            (
                f"A known part of each row's mean, from {float(offset.min()):.4g} to {float(offset.max()):.4g}, is "
                f"taken off {response} before anything is estimated; fitted values have it added again.",
            ),
        )


def _colon_and_name(name: str | None) -> str:
    return "" if name is None else f": {name}"


def _few_levels(fit: Fit) -> Iterator[Flag]:
    few = {group: m for group, m in fit.ngroups.items() if m < FEW_LEVELS}
    for group, m in few.items():
        yield Flag(
            "caution",
            f"Few levels of {group}",
            (
                f"The variance by {group} rests on {m} levels: its estimate is very uncertain, and so are standard "
                f"errors that depend on it. To speak of these {m} levels only, {group} can be a fixed effect instead.",
            ),
        )


def _second_engine(fit: Fit) -> Iterator[Flag]:
    second = fit.second_look
    if second.status in _NOT_ASKED:
        title, sentence = _NOT_ASKED[second.status]
        yield Flag("note", title, (sentence, _with_full_stop(second.why)) if second.why else (sentence,))
    agreement = second.agreement
    if agreement is None:
        return
    who = _SECOND.get(agreement.engine, agreement.engine.capitalize())
    name = "REML criterion" if fit.reml else "deviance"
    # The sentence below says eight digits.
    if abs(agreement.difference) < 1e-8:
        yield Flag(
            "good",
            "A second engine computes the same",
            (
                f"{who}, which computes it in another way, has the same {name} at these parameters, "
                f"{agreement.objective:.4f}, to eight digits or more.",
                "That no other parameters are better is what fit.confirm() lets MixedLM search for.",
            ),
        )
    else:
        yield Flag(
            "bad",
            "Engines disagree",
            (
                f"{who} has {agreement.objective:.6f} as {name} where {fit.engine} has {fit.objective:.6f}.",
                "Please report it with the data, if you can: one of the two is wrong.",
            ),
        )


def _criterion(fit: Fit) -> Flag:
    if fit.reml:
        return Flag(
            "note",
            "Fitted by REML",
            (
                "Variances are estimated after allowing for the fixed effects. Criterion, AIC and BIC compare models "
                "with the same fixed effects only; lmt.anova refits by maximum likelihood to compare others.",
            ),
        )
    return Flag(
        "note",
        "Fitted by maximum likelihood",
        (
            "Models with different fixed effects can be compared. Variances are a little too small, the more so the "
            f"fewer the levels; fit with reml=True to report them ({count_noun(fit.design.p, 'fixed effect')} here).",
        ),
    )


def _with_full_stop(text: str) -> str:
    # As it begins: that may be the name of a column.
    text = text.strip()
    return text + ("" if text.endswith((".", "!", "?")) else ".")
