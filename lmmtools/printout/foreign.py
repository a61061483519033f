"""Whose printout a text is, when it is not lme4's."""

from __future__ import annotations

import re

__all__ = ["name_source"]

# What only this printout has -> what it is, and what to do.
_SOURCES = (
    (r"Generali[sz]ed linear mixed model fit|\[?'?glmerMod", "a generalised linear mixed model of lme4's glmer()", ""),
    (r"Nonlinear mixed model fit|nlmerMod", "a nonlinear mixed model of lme4's nlmer()", ""),
    (
        r"Linear mixed-effects model fit by|Number of Observations: ?\d",
        "a fit of nlme's lme()",
        "fit the model with lme4's lmer() and paste its summary",
    ),
    (r"Generali[sz]ed least squares fit by", "a fit of nlme's gls()", ""),
    (
        r"(?m)^\s*Conditional model:|Family: gaussian *\( ?identity",
        "a fit of glmmTMB",
        "fit the model with lme4's lmer() and paste its summary",
    ),
    (
        r"Mixed Linear Model Regression Results",
        "a fit of statsmodels' MixedLM",
        "lmmtools.read_mixedlm_summary(text) reads it",
    ),
    (
        r"Variance components:|-2 logLik\b.*\bAICc",
        "a fit of MixedModels.jl",
        "fit the model with lme4's lmer() and paste its summary",
    ),
    (r"Robust linear mixed model fit", "a fit of robustlmm", ""),
    (r"blmerMod|Cov prior", "a fit of blme, whose criterion has priors in it", ""),
    (r"The Mixed Procedure|Covariance Parameter Estimates", "output of SAS PROC MIXED", ""),
    (r"Mixed-effects (?:REML|ML) regression", "output of Stata's mixed", ""),
    (r"Group-Level Effects:|Population-Level Effects:|Multilevel Hyperparameters:", "a fit of brms", ""),
    (r"Estimates of Covariance Parameters|Tests of Fixed Effects", "output of SPSS MIXED", ""),
    (r"Residual standard error:", "a linear model of R's lm(), without random effects", ""),
)


def name_source(text: str) -> str | None:
    """Return what a text is that is no printed lmer() fit, and what to give instead; None if it is not known."""
    for pattern, source, cure in _SOURCES:
        if re.search(pattern, text):
            cure = cure or "read_lme4_summary() reads what summary(lmer(...)) prints"
            return f"{source}: {cure}"
    return None
