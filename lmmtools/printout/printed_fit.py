"""The records of printed fits, lme4's and MixedLM's: number by number, with the digits that are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.printout.number import RoundedNumber

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmmtools.printout.number import PrintedNumber

__all__ = ["PrintedCoefficient", "PrintedEffect", "PrintedMixedLM", "PrintedSummary"]


@dataclass(frozen=True, slots=True)
class PrintedEffect:
    """One row of the table of random effects.

    Attributes
    ----------
    group : str
        Grouping factor, ``"Subject"``, ``"Subject.1"`` for a second term on it; ``"Residual"`` for the residual.
    name : str
        The effect, ``"(Intercept)"``; empty for the residual.
    variance : PrintedNumber or None
        In squared units of y; None if only standard deviations are printed.
    sd : PrintedNumber or None
        In units of y; None if only variances are printed.
    correlations : tuple of PrintedNumber
        With the effects of the same term above it, in their order; empty if they are uncorrelated by the model.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> printed = lmt.read_lme4_summary(str(fit.summary()))
    >>> printed.random[0]
    PrintedEffect(group='Batch', name='(Intercept)', variance=1764, sd=42.00, correlations=())
    """

    group: str
    name: str
    variance: PrintedNumber | None
    sd: PrintedNumber | None
    correlations: tuple[PrintedNumber, ...] = ()


@dataclass(frozen=True, slots=True)
class PrintedCoefficient:
    """One row of the table of fixed effects; None for what is not printed.

    Attributes
    ----------
    name : str
        As R names it.
    estimate, std_error : PrintedNumber
        In units of y per unit of x.
    df, t, p : PrintedNumber
        Degrees of freedom, t value, p value.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> printed = lmt.read_lme4_summary(str(fit.summary()))
    >>> printed.fixed[0].estimate
    1527.50
    """

    name: str
    estimate: PrintedNumber
    std_error: PrintedNumber | RoundedNumber | None = None
    df: PrintedNumber | None = None
    t: PrintedNumber | RoundedNumber | None = None
    p: PrintedNumber | None = None


@dataclass(frozen=True, slots=True)
class PrintedSummary:
    """The numbers of a printed fit, of lme4 or of a package with such tables; each knows its text and last digit.

    Attributes
    ----------
    reml : bool
        Whether the criterion is REML.
    criterion : PrintedNumber
        REML criterion, or deviance (-2 log L) under ML.
    random : tuple of PrintedEffect
        The table of random effects, without the residual.
    residual : PrintedEffect
        Its last row.
    nobs : int
        Rows used.
    ngroups : dict of str to int
        Levels per grouping factor.
    fixed : tuple of PrintedCoefficient
        The table of fixed effects.
    formula, data_name, weights, offset, subset, control : str or None
        The call, as far as it is printed.
    method : str or None
        What was done for degrees of freedom, ``"t-tests use Satterthwaite's method"``.
    criteria : dict of str to PrintedNumber
        ``AIC``, ``BIC``, ``logLik``, ``deviance``, ``df.resid``, where printed.
    scaled_residuals : tuple of PrintedNumber or None
        Minimum, quartiles and maximum of the scaled residuals.
    fixed_correlations : tuple of tuple of PrintedNumber, or None
        Row by row the lower triangle: the correlations of the second effect, of the third, ...
    messages : tuple of str
        What lme4 said of the fit: ``"boundary (singular) fit: ..."``, ``"Model failed to converge ..."``.
    engine : str
        ``"lme4"``, ``"glmmTMB"``, ``"nlme"``, ``"MixedModels.jl"``.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> lmt.read_lme4_summary(str(fit.summary())).sigma
    49.51
    """

    reml: bool
    criterion: PrintedNumber | RoundedNumber
    random: tuple[PrintedEffect, ...]
    residual: PrintedEffect
    nobs: int
    ngroups: Mapping[str, int]
    fixed: tuple[PrintedCoefficient, ...]
    formula: str | None = None
    data_name: str | None = None
    weights: str | None = None
    offset: str | None = None
    subset: str | None = None
    control: str | None = None
    method: str | None = None
    criteria: Mapping[str, PrintedNumber] | None = None
    scaled_residuals: tuple[PrintedNumber, ...] | None = None
    fixed_correlations: tuple[tuple[PrintedNumber, ...], ...] | None = None
    messages: tuple[str, ...] = ()
    engine: str = "lme4"

    @property
    def sigma(self) -> RoundedNumber:
        """Residual standard deviation, in units of y."""
        return _sd(self.residual)

    @property
    def residual_variance(self) -> RoundedNumber:
        """Residual variance, in squared units of y."""
        return _variance(self.residual)

    @property
    def variances(self) -> dict[str, RoundedNumber]:
        """``"plate (Intercept)"`` -> variance; the square of the standard deviation if that alone is printed."""
        return {f"{e.group} {e.name}": _variance(e) for e in self.random}

    @property
    def std_devs(self) -> dict[str, RoundedNumber]:
        """``"plate (Intercept)"`` -> standard deviation; the root of the variance if that alone is printed."""
        return {f"{e.group} {e.name}": _sd(e) for e in self.random}

    @property
    def correlations(self) -> dict[str, PrintedNumber]:
        """``"Subject (Intercept), Days"`` -> correlation."""
        above: dict[str, list[str]] = {}
        found: dict[str, PrintedNumber] = {}
        for effect in self.random:
            names = above.setdefault(effect.group, [])
            found |= {f"{effect.group} {n}, {effect.name}": c for n, c in zip(names, effect.correlations, strict=False)}
            names.append(effect.name)
        return found

    @property
    def fixef(self) -> dict[str, PrintedNumber]:
        """Fixed effects by R's names."""
        return {c.name: c.estimate for c in self.fixed}

    @property
    def std_errors(self) -> dict[str, PrintedNumber | RoundedNumber]:
        """Standard errors by R's names; empty if they are not printed."""
        return {c.name: c.std_error for c in self.fixed if c.std_error is not None}

    @property
    def is_singular(self) -> bool | None:
        """True if lme4 says that the fit is at the boundary; None if it says nothing."""
        return True if any("singular" in m and "Hessian" not in m for m in self.messages) else None

    @property
    def converged(self) -> bool | None:
        """False if lme4 says that the fit failed to converge; None if it says nothing."""
        return (
            False if any(m for m in self.messages if "failed to converge" in m or "failure to converge" in m) else None
        )

    def __str__(self) -> str:
        rows = [
            f"printed {self.engine} fit by {'REML' if self.reml else 'ML'}: {self.formula or 'formula not printed'}",
            f"  criterion {self.criterion.text}; {self.nobs} rows; "
            + ", ".join(f"{m} levels of {g}" for g, m in self.ngroups.items()),
        ]
        for effect in (*self.random, self.residual):
            values = [f"{k} {v}" for k, v in (("variance", effect.variance), ("sd", effect.sd)) if v is not None]
            correlated = [f"corr {', '.join(map(str, effect.correlations))}"] if effect.correlations else []
            rows.append(f"  {effect.group} {effect.name}".rstrip() + ": " + ", ".join(values + correlated))
        for c in self.fixed:
            columns = (("", c.estimate), ("se ", c.std_error), ("df ", c.df), ("t ", c.t), ("p ", c.p))
            rows.append(f"  {c.name}: " + ", ".join(f"{k}{v.text}" for k, v in columns if v is not None))
        return "\n".join([*rows, *(f"  {m}" for m in self.messages)])


@dataclass(frozen=True, slots=True)
class PrintedMixedLM:
    """The numbers of a printed MixedLM summary, each with the digits that it shows.

    Attributes
    ----------
    reml : bool
        Whether the fit is by REML.
    log_likelihood : PrintedNumber
        (Restricted) log-likelihood, with the constants that lme4's ``logLik()`` has.
    scale : RoundedNumber
        Residual variance, in squared units of y.
    nobs : int
        Rows used.
    ngroups : dict of str to int
        Number of MixedLM's groups, by the name of their first random effect; empty without covariances, where the first
        variance may be one of a component inside the groups.
    fixed : tuple of PrintedCoefficient
        The fixed effects; ``t`` is MixedLM's z.
    variances : dict of str to RoundedNumber
        ``"Subject (Intercept)"`` -> variance, in squared units of y. MixedLM prints the name of a variance component
        and not its grouping: ``cask`` inside ``batch`` is ``"cask (Intercept)"``.
    covariances : dict of str to RoundedNumber
        ``"Subject (Intercept), Days"`` -> covariance.
    correlations : dict of str to RoundedNumber
        The covariances as correlations, with the half unit that follows from the printed digits.
    ratio_errors : dict of str to PrintedNumber
        The numbers beside the variances: standard errors of variance ratios times the root of the scale, which are not
        those of the variances.
    converged : bool or None
        Whether MixedLM reports convergence; None if it does not say.
    response : str or None
        Name of the response.
    messages : tuple of str
        Empty: MixedLM prints no warnings.
    engine, method : str
        ``"mixedlm"`` or ``"Stata"``, and what its p-values come from: ``"z"``.
    formula, is_singular, criteria, scaled_residuals, fixed_correlations : None
        None: lme4 prints these, MixedLM does not.
    """

    reml: bool
    log_likelihood: PrintedNumber
    scale: RoundedNumber
    nobs: int
    ngroups: Mapping[str, int]
    fixed: tuple[PrintedCoefficient, ...]
    variances: Mapping[str, RoundedNumber]
    covariances: Mapping[str, RoundedNumber]
    correlations: Mapping[str, RoundedNumber]
    ratio_errors: Mapping[str, PrintedNumber]
    converged: bool | None = None
    response: str | None = None
    messages: tuple[str, ...] = ()
    engine: str = "mixedlm"
    method: str = "z"
    formula: str | None = None
    is_singular: bool | None = None
    criteria: Mapping[str, PrintedNumber] | None = None
    scaled_residuals: tuple[PrintedNumber, ...] | None = None
    fixed_correlations: tuple[tuple[PrintedNumber, ...], ...] | None = None

    @property
    def criterion(self) -> RoundedNumber:
        """REML criterion, or deviance (-2 log L) under ML: minus twice the log-likelihood."""
        return RoundedNumber(-2.0 * self.log_likelihood, 2.0 * self.log_likelihood.half_unit)

    @property
    def sigma(self) -> RoundedNumber:
        """Residual standard deviation, in units of y."""
        return self.scale.root()

    @property
    def residual_variance(self) -> RoundedNumber:
        """Residual variance, in squared units of y."""
        return self.scale

    @property
    def std_devs(self) -> dict[str, RoundedNumber]:
        """Roots of the variances."""
        return {label: variance.root() for label, variance in self.variances.items()}

    @property
    def fixef(self) -> dict[str, PrintedNumber]:
        """Fixed effects by statsmodels' names."""
        return {c.name: c.estimate for c in self.fixed}

    @property
    def std_errors(self) -> dict[str, PrintedNumber | RoundedNumber]:
        """Standard errors by statsmodels' names; empty for those that are not printed."""
        return {c.name: c.std_error for c in self.fixed if c.std_error is not None}

    def __str__(self) -> str:
        name = "MixedLM" if self.engine == "mixedlm" else self.engine
        rows = [
            f"printed {name} fit of {self.response or 'a response'} by {'REML' if self.reml else 'ML'}: "
            f"log-likelihood {self.log_likelihood}; {self.nobs} rows",
            *(f"  variance, {label}: {value.text}" for label, value in self.variances.items()),
            *(f"  covariance, {label}: {value.text}" for label, value in self.covariances.items()),
            f"  variance, residual: {self.scale.text}",
            *(f"  {c.name}: {c.estimate}" + (f", se {c.std_error}" if c.std_error else "") for c in self.fixed),
        ]
        return "\n".join(rows)


def _variance(effect: PrintedEffect) -> RoundedNumber:
    if effect.variance is not None:
        return effect.variance
    assert effect.sd is not None
    return effect.sd.squared()


def _sd(effect: PrintedEffect) -> RoundedNumber:
    if effect.sd is not None:
        return effect.sd
    assert effect.variance is not None
    return effect.variance.root()
