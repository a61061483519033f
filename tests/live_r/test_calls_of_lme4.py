"""Every row of the table "call by call" for lme4's users: both sides run, with and without prior weights."""

from __future__ import annotations

import json
import re
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from tests.live_lme4 import is_installed, require_lme4
from tests.test_docs import DOCS

pytestmark = pytest.mark.live_r

# Both at an optimum; lme4's optimiser leaves about six digits of a variance, and so of what depends on it.
REL = 2e-4

R = """
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(jsonlite)})
d <- read.csv("d.csv", stringsAsFactors = TRUE)
number <- function(x) tryCatch(as.numeric(unlist(x)), error = function(e) conditionMessage(e))
values <- function(weighted) {
  d$w <- if (weighted) d$v else 1
  fm <- lmer(Reaction ~ Days + f + (Days | Subject), d, weights = w)
  m0 <- lmer(Reaction ~ Days + f + (1 | Subject), d, weights = w)
  d$h <- factor(substr(d$s2, nchar(as.character(d$s2)), 100))
  mx <- lmer(Reaction ~ Days * f + f * h + (1 | Subject), d, weights = w)
  ml <- lmer(Reaction ~ Days + f + (Days | Subject), d, weights = w, REML = FALSE)
  new <- data.frame(Days = c(3, 12), f = c("a", "b"), Subject = c("s1", "s2"))
  unseen <- data.frame(Days = 3, f = "a", Subject = "nobody")
  L <- rbind(c(0, 1, 0), c(0, 0, 1))
  list(EXPRESSIONS)
}
writeLines(toJSON(list(plain = values(FALSE), weighted = values(TRUE)), digits = NA, auto_unbox = FALSE), "out.json")
"""


@dataclass(frozen=True)
class Row:
    """What one row of the table says, as an R expression and a function of the fits here; None where R draws."""

    r: str
    ours: Callable[[Any], Any]
    rel: float = REL
    plain_only: str = ""
    package: str = ""


def vcov_rows(fit: lmt.LMMResults) -> list[float]:
    return fit.varcorr.to_frame()[["vcov", "sdcor"]].to_numpy().T.ravel().tolist()


def numbers_of(table: Any, columns: str) -> list[float]:
    """Return some columns of a table, one after the other."""
    values: list[float] = table.to_frame()[columns.split()].to_numpy(dtype=float).T.ravel().tolist()
    return values


def one_level_a_row(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(row=range(len(data)), unequal=data["w"] * (1 + data["Days"]))


def simulated(re_form: str) -> str:
    """Return the R expression of what `spread` returns."""
    draws = f"as.matrix(simulate(fm, 400, newdata = d, re.form = {re_form}, seed = 1))"
    return f"(function(Y) c(mean(Y), mean(apply(Y, 1, sd))))({draws})"


def spread(Y: Any) -> list[float]:
    """Return the mean of all draws and the rows' standard deviation, averaged."""
    draws = np.asarray(Y, dtype=float)
    return [float(draws.mean()), float(draws.std(axis=1, ddof=1).mean())]


# clubSandwich looks at the call of the fit, and refuses weights there.
IN_CLUB = "local({library(clubSandwich); m <- lme4::lmer(Reaction ~ Days + f + (Days | Subject), d);"

# Three data sets, for which it does not matter where they are from.
IMPUTED = """
sets <- lapply(1:3, function(i) transform(d, w = w, o = o + Reaction / 50 + sin(seq_along(o) * i)))
fit <- function(formula) lapply(sets, function(s) lme4::lmer(formula, s, weights = w, REML = FALSE));
large <- fit(Reaction ~ Days + f + o + (Days | Subject)); small <- fit(Reaction ~ Days + (Days | Subject));
"""


def imputed_fits(c: Any) -> list[Any]:
    sets = [c.d.assign(o=c.d["o"] + c.d["Reaction"] / 50 + np.sin(np.arange(1, len(c.d) + 1) * i)) for i in (1, 2, 3)]
    formulas = "Reaction ~ Days + f + o + (Days | Subject)", "Reaction ~ Days + (Days | Subject)"
    return [lmt.pool([lmt.lmm(f, s, weights="w").fit(reml=False) for s in sets]) for f in formulas]


# Ours divides the residual variance by them, as the model has it.
UNWEIGHTED = "lme4 1.1-31 leaves prior weights out where it simulates"
# 400 draws of 180 rows: the error of a standard deviation is under one in a hundred, of means less.
DRAWN = 0.04

ROWS = {
    "lmer(f, d)": Row("REMLcrit(fm)", lambda c: c.fm.objective),
    "lmer(f, d, REML = FALSE)": Row("deviance(ml)", lambda c: c.ml.objective),
    "lmer(..., weights = w, offset = o)": Row(
        "REMLcrit(lmer(Reaction ~ Days + (1 | Subject), d, weights = w, offset = o))",
        lambda c: lmt.lmm("Reaction ~ Days + (1 | Subject)", c.d, weights="w", offset="o").fit().objective,
    ),
    "lmer(..., subset = x > 0)": Row(
        "REMLcrit(lmer(Reaction ~ Days + (1 | Subject), d, weights = w, subset = Days > 2))",
        lambda c: lmt.lmm("Reaction ~ Days + (1 | Subject)", c.d[c.d.Days > 2], weights="w").fit().objective,
    ),
    "lmer(..., na.action = na.fail)": Row(
        "as.numeric(inherits(try(lmer(Reaction ~ z + (1 | Subject), d, na.action = na.fail), TRUE), 'try-error'))",
        lambda c: float(is_refused(lambda: lmt.lmm("Reaction ~ z + (1 | Subject)", c.d, na_action="raise"))),
    ),
    "lmer(..., control = lmerControl(...))": Row(
        "REMLcrit(update(fm, control = lmerControl(optimizer = 'bobyqa')))",
        lambda c: c.model.fit(max_iter=200, tol=1e-9, start=c.fm.theta).objective,
    ),
    'check.nobs.vs.nlev = "ignore"': Row(
        "REMLcrit(lmer(Reaction ~ Days + (1 | row), transform(d, row = seq_len(nrow(d))), weights = w * (1 + Days), "
        "control = lmerControl(check.nobs.vs.nlev = 'ignore', check.nobs.vs.nRE = 'ignore')))",
        lambda c: (
            lmt.lmm("Reaction ~ Days + (1 | row)", one_level_a_row(c.d), weights="unequal").fit(check=False).objective
        ),
    ),
    "summary(fm)": Row("summary(m0)$sigma", lambda c: c.m0.sigma * ("Fixed effects" in str(c.m0.summary()))),
    "fixef(fm) vcov(fm)": Row(
        "list(fixef(fm), c(as.matrix(vcov(fm))))", lambda c: [*c.fm.params, *np.ravel(c.fm.cov_params())]
    ),
    "coef(summary(fm))": Row(
        "c(coef(summary(fm))[, c('Estimate', 'Std. Error', 't value')])",
        lambda c: [*c.fm.params, *c.fm.bse, *c.fm.tvalues],
    ),
    "coef(fm)": Row(
        "c(as.matrix(coef(fm)$Subject))",
        lambda c: c.fm.coef["Subject"][list(c.fm.params.index)].to_numpy().T.ravel(),
        1e-3,
    ),
    "VarCorr(fm) as.data.frame(VarCorr(fm))": Row(
        "as.data.frame(VarCorr(fm))[, c('vcov', 'sdcor')]", lambda c: vcov_rows(c.fm), 2e-3
    ),
    "ranef(fm) ranef(fm, condVar = TRUE)": Row(
        "list(ranef(fm)$Subject, attr(ranef(fm, condVar = TRUE)$Subject, 'postVar')[, , 1])",
        lambda c: [
            *c.fm.random_effects["Subject"].to_numpy().T.ravel(),
            *np.ravel(c.fm.random_effects_cov["Subject"].to_numpy()[:2]),
        ],
        2e-3,
    ),
    'sigma(fm) getME(fm, "theta")': Row(
        "list(sigma(fm), getME(fm, 'theta'))", lambda c: [c.fm.sigma, *c.fm.theta], 1e-3
    ),
    "REMLcrit(fm) deviance(fm)": Row("c(REMLcrit(fm), deviance(ml))", lambda c: [c.fm.objective, c.ml.objective]),
    "logLik(fm) AIC(fm) BIC(fm)": Row("c(logLik(fm), AIC(fm), BIC(fm))", lambda c: [c.fm.llf, c.fm.aic, c.fm.bic]),
    "nobs ngrps df.residual": Row(
        "c(nobs(fm), ngrps(fm), df.residual(fm))", lambda c: [c.fm.nobs, c.fm.ngroups["Subject"], c.fm.df_resid]
    ),
    "fitted(fm) resid(fm)": Row("list(fitted(fm), resid(fm))", lambda c: [*c.fm.fittedvalues, *c.fm.resid], 1e-3),
    'resid(fm, "pearson", scaled = TRUE)': Row(
        "resid(fm, 'pearson', scaled = TRUE)", lambda c: c.fm.scaled_resid, 1e-3
    ),
    "resid(fm, scaled = TRUE)": Row("resid(fm, scaled = TRUE)", lambda c: c.fm.resid / c.fm.sigma, 1e-2),
    'resid(fm, "pearson")': Row("resid(fm, 'pearson')", lambda c: c.fm.residuals("pearson"), 1e-3),
    "rstudent(fm) hatvalues(fm)": Row(
        "list(rstudent(fm), hatvalues(fm))", lambda c: [*c.fm.residuals("standardized"), *c.fm.hat_values], 1e-3
    ),
    "predict(fm, new)": Row("predict(fm, new)", lambda c: c.fm.predict(c.new)),
    "predict(fm, new, re.form = NA)": Row(
        "predict(fm, new, re.form = NA)", lambda c: c.fm.predict(c.new, random=False)
    ),
    "predict(fm, new, re.form = ~ (1 | g))": Row(
        "predict(fm, new, re.form = ~ (1 | Subject))", lambda c: c.fm.predict(c.new, random="(1 | Subject)")
    ),
    "predict(..., allow.new.levels = TRUE)": Row(
        "predict(fm, unseen, allow.new.levels = TRUE)",
        lambda c: c.fm.predict(c.new.iloc[:1].assign(Subject="nobody"), unseen="population"),
    ),
    "isSingular(fm)": Row("as.numeric(isSingular(fm))", lambda c: float(c.fm.is_singular)),
    "anova(m0, m1)": Row(
        "unlist(anova(m0, fm)[2, c('Chisq', 'Df', 'Pr(>Chisq)')])",
        lambda c: lmt.anova(c.m0, c.fm).to_frame()[["chisq", "df", "p"]].iloc[1],
        5e-3,
    ),
    'confint(fm, method = "Wald")': Row(
        "c(confint(fm, method = 'Wald', parm = 'beta_'))", lambda c: c.fm.conf_int().to_numpy().T.ravel()
    ),
    "confint(fm) profile(fm)": Row(
        "c(suppressMessages(confint(m0, quiet = TRUE)))",
        lambda c: c.m0.conf_int(method="profile").to_numpy().T.ravel(),
        5e-3,
        plain_only="lme4 1.1-31 has limits of fixed effects there at which its own deviance rises by less than 0.1",
    ),
    "bootMer(fm, f, 1000) simulate(fm, 5)": Row(
        "c(dim(simulate(m0, 5)), dim(bootMer(m0, fixef, 3)$t))",
        lambda c: [
            *np.asarray(c.m0.simulate(5)).shape,
            *np.asarray(c.m0.bootstrap(3, lambda r: r.params, rng=1).draws).shape,
        ],
    ),
    "simulate(fm, 5, newdata=d, re.form=NA)": Row(
        simulated("NA"), lambda c: spread(c.fm.simulate(400, data=c.d, rng=1)), DRAWN, UNWEIGHTED
    ),
    "simulate(fm, 5, newdata=d, re.form=NULL)": Row(
        simulated("NULL"), lambda c: spread(c.fm.simulate(400, data=c.d, random="fitted", rng=1)), DRAWN, UNWEIGHTED
    ),
    "rePCA(fm) as.data.frame(ranef(fm))": Row(
        "list(rePCA(fm)$Subject$sdev, as.data.frame(ranef(m0))[, c('condval', 'condsd')])",
        lambda c: [*principal(c.fm), *c.m0.ranef_frame()[["condval", "condsd"]].to_numpy().T.ravel()],
        2e-3,
    ),
    'influence(fm, "g") cooks.distance(fm)': Row(
        "list(unlist(influence(m0, 'Subject')$'fixed.effects[-Subject]'), cooks.distance(fm))",
        lambda c: [*deleted(c.m0), *c.fm.cooks_distance],
        5e-3,
    ),
    "refitML(fm) extractAIC(fm)": Row(
        "c(deviance(refitML(fm)), extractAIC(fm))",
        lambda c: [
            c.fm.update("~ .", reml=False).objective,
            c.fm.update("~ .", reml=False).k_params,
            c.fm.update("~ .", reml=False).aic,
        ],
    ),
    # lme4 1.1-31 stops a refit early, and its REMLcrit() is not the criterion at the refit's theta (16 above it here).
    "refit(fm, y)": Row(
        "c(fixef(refit(fm, d$y2)), sigma(refit(fm, d$y2)))",
        lambda c: [*c.fm.refit(c.d.y2).params, c.fm.refit(c.d.y2).sigma],
        5e-3,
    ),
    "update(fm, . ~ . + x)": Row(
        "REMLcrit(update(fm, . ~ . + o))",
        lambda c: c.fm.update("~ . + o").objective,
    ),
    'drop1(fm, test = "Chisq")': Row(
        "drop1(lme4::lmer(formula(fm), d, weights = w, REML = FALSE), test = 'Chisq')['f', 'LRT']",
        lambda c: c.fm.drop1("chisq").to_frame().loc["f", "lrt"],
        2e-3,
    ),
    'lmer(y ~ x + (0 + dummy(f, "b") | g), d)': Row(
        "REMLcrit(lmer(Reaction ~ Days + f + (1 | Subject) + (0 + dummy(f, 'b') | Subject), d, weights = w))",
        lambda c: (
            lmt.lmm("Reaction ~ Days + f + (1 | Subject) + (0 + dummy(f, 'b') | Subject)", c.d, weights="w")
            .fit()
            .objective
        ),
    ),
    "lmList(y ~ x | g, d)": Row(
        "local({l <- lmList(Reaction ~ Days | Subject, d); list(coef(l), sigma(l), c(confint(l)[1, , ]))})",
        lambda c: listed(lmt.lmer_list("Reaction ~ Days | Subject", c.d)),
    ),
    "as.data.frame(profile(fm))": Row(
        "length(unique(as.data.frame(suppressMessages(profile(m0, which = 'beta_')))$.par))",
        lambda c: c.m0.profile("beta_").to_frame()["parameter"].nunique(),
    ),
    "xyplot(profile(fm)) densityplot": Row(
        "1",
        lambda c: float(c.m0.plot.profile_zeta("Days") is not None and c.m0.plot.profile_density("Days") is not None),
    ),
    "formula(fm) terms(fm) isREML(fm)": Row(
        "c(isREML(fm), isREML(ml), nchar(gsub(' ', '', deparse(formula(fm)))))",
        lambda c: [c.fm.reml, c.ml.reml, len(str(c.fm.formula).replace(" ", ""))],
    ),
    "model.frame model.matrix weights": Row(
        "list(nrow(model.frame(fm)), model.matrix(fm), weights(fm))",
        lambda c: [len(c.fm.design.frame), *c.fm.design.X.T.ravel(), *c.fm.design.weights],
    ),
    'getME(fm, "X") "Z" "y"': Row(
        "list(getME(fm, 'X'), rowSums(as.matrix(getME(fm, 'Z'))), getME(fm, 'y'))",
        lambda c: [*c.fm.design.X.T.ravel(), *np.asarray(c.fm.design.Z.sum(axis=1)).ravel(), *c.fm.design.y],
    ),
    "lmerTest summary(fm)": Row(
        "c(coef(summary(fm))[, c('df', 'Pr(>|t|)')])",
        lambda c: c.fm.tests(ddf="satterthwaite").to_frame()[["df", "p"]].to_numpy().T.ravel(),
        2e-3,
    ),
    "lmerTest contest(fm, L)": Row(
        "unlist(contest(fm, L)[c('F value', 'DenDF', 'Pr(>F)')])",
        lambda c: c.fm.f_test([[0, 1, 0], [0, 0, 1]]).to_frame()[["F", "den_df", "p"]].iloc[0],
        2e-3,
    ),
    "lmerTest anova(fm) ranova(fm)": Row(
        "list(c(as.matrix(anova(fm)[, c('F value', 'DenDF')])), lmerTest::ranova(m0)$LRT[2])",
        lambda c: [
            *c.fm.anova().to_frame()[["F", "den_df"]].to_numpy().T.ravel(),
            c.m0.ranova().to_frame()["lrt"].iloc[-1],
        ],
        2e-3,
    ),
    "lmerTest ls_means difflsmeans": Row(
        "list(as.data.frame(ls_means(m0))[, c('Estimate', 'Std. Error', 'df')], "
        "as.data.frame(difflsmeans(m0))[, c('Estimate', 'Std. Error', 'df', 'Pr(>|t|)')])",
        lambda c: [
            *c.m0.marginal_means("f").to_frame()[["emmean", "se", "df"]].to_numpy().T.ravel(),
            *c.m0.pairwise("f", adjust="none").to_frame()[["estimate", "se", "df", "p"]].to_numpy().T.ravel(),
        ],
        2e-3,
    ),
    "lmerTest show_tests(anova(fm))": Row(
        "sapply(show_tests(anova(fm)), nrow)", lambda c: [len(L) for L in c.fm.anova().contrasts]
    ),
    # lmerTest's step() does not find the weights of a function's frame; tests/unit/inference/test_step.py has it.
    "lmerTest drop1(fm) step(fm)": Row(
        "c(as.matrix(drop1(fm)[, c('F value', 'DenDF')]))",
        lambda c: c.fm.drop1().to_frame()[["F", "den_df"]].to_numpy().T.ravel(),
        2e-3,
    ),
    "pbkrtest PBmodcomp(fm, m0)": Row(
        "PBmodcomp(ml, update(ml, . ~ . - f), nsim = 5, seed = 1)$test['LRT', 'stat']",
        lambda c: lmt.bootstrap_test(c.without_f, c.ml, n=5, rng=1).statistic,
        2e-3,
    ),
    "pbkrtest KRmodcomp vcovAdj": Row(
        "list(unlist(KRmodcomp(fm, L)$test['Ftest', c('stat', 'ddf', 'p.value')]), sqrt(diag(as.matrix(vcovAdj(fm)))))",
        lambda c: [
            *c.fm.f_test([[0, 1, 0], [0, 0, 1]], ddf="kenward-roger").to_frame()[["F", "den_df", "p"]].iloc[0],
            *c.fm.tests(ddf="kenward-roger").to_frame()["std_error"],
        ],
        2e-3,
        plain_only="pbkrtest leaves the weights out of its covariances (docs/limitations.rst)",
    ),
    "broom.mixed tidy glance": Row(
        "list(fixef(fm), AIC(fm))",
        lambda c: [*c.fm.tidy().query("effect == 'fixed'")["estimate"], c.fm.glance()["aic"].iloc[0]],
    ),
    'broom.mixed tidy(scales = "vcov")': Row(
        "broom.mixed::tidy(fm, effects = 'ran_pars', scales = 'vcov')$estimate",
        lambda c: c.fm.tidy("ran_pars", scales="vcov")["estimate"],
        2e-3,
        package="broom.mixed",
    ),
    'broom.mixed tidy("ran_coefs")': Row(
        "broom.mixed::tidy(fm, effects = 'ran_coefs')$estimate",
        lambda c: c.fm.tidy("ran_coefs")["estimate"],
        1e-3,
        package="broom.mixed",
    ),
    "clubSandwich vcovCR coef_test": Row(
        f"{IN_CLUB} V <- vcovCR(m, type = 'CR2'); "
        "list(as.matrix(V), as.data.frame(coef_test(m, V))[, c('SE', 'df_Satt')])})",
        lambda c: [
            *c.fm.cov_params("CR2").to_numpy().ravel(),
            *c.fm.tests(cov="CR2").to_frame()[["std_error", "df"]].to_numpy().T.ravel(),
        ],
        2e-3,
        plain_only="clubSandwich takes no prior weights",
        package="clubSandwich",
    ),
    'clubSandwich Wald_test(fm, L, "CR2")': Row(
        f"{IN_CLUB} unlist(as.data.frame(Wald_test(m, L, 'CR2'))[, c('Fstat', 'df_denom')])}})",
        lambda c: c.fm.f_test([[0, 1, 0], [0, 0, 1]], cov="CR2").to_frame()[["F", "den_df"]].iloc[0],
        2e-3,
        plain_only="clubSandwich takes no prior weights",
        package="clubSandwich",
    ),
    "car vif(fm)": Row(
        "car::vif(fm)",
        lambda c: c.fm.collinearity().gvif,
        package="car",
    ),
    "performance check_normality(fm)": Row(
        "as.numeric(performance::check_normality(fm))",
        lambda c: c.fm.residual_tests().p[0],
        2e-3,
        package="performance",
    ),
    "effectsize omega_squared(fm)": Row(
        "as.data.frame(effectsize::omega_squared(anova(fm), verbose = FALSE))[, 2]",
        lambda c: c.fm.eta_squared().to_frame()["omega_sq"],
        2e-3,
        package="effectsize",
    ),
    "emmeans eff_size(e, sigma, edf)": Row(
        "as.data.frame(eff_size(emmeans(m0, 'f', lmer.df = 'satterthwaite'), sigma(m0), 100))[, 2]",
        lambda c: c.m0.cohens_d("f", standardizer="residual").d,
        2e-3,
    ),
    "mice summary(pool(fits))": Row(
        f"local({{library(mice); library(broom.mixed); {IMPUTED} "
        "summary(pool(as.mira(large)))[, c('estimate', 'std.error', 'df')]})",
        lambda c: imputed_fits(c)[0].to_frame()[["estimate", "std_error", "df"]].to_numpy().T.ravel(),
        2e-3,
        package="mice",
    ),
    'mitml testModels(f1, f0, "D3")': Row(
        f"local({{library(mitml); {IMPUTED.replace(', weights = w', '')} "
        "testModels(large, small, method = 'D3')$test[1, c(1, 3)]})",
        lambda c: imputed_fits(c)[0].test(imputed_fits(c)[1]).to_frame()[["F", "den_df"]].iloc[0],
        5e-3,
        plain_only="mitml looks for the weights where they are not",
        package="mitml",
    ),
    "emmeans emmeans pairs": Row(
        "list(as.data.frame(emmeans(m0, 'f', lmer.df = 'satterthwaite'))[, 2:4], "
        "as.data.frame(pairs(emmeans(m0, 'f', lmer.df = 'satterthwaite')))[, 2:3])",
        lambda c: [
            *c.m0.marginal_means("f").to_frame()[["emmean", "se", "df"]].to_numpy().T.ravel(),
            *c.m0.pairwise("f").to_frame()[["estimate", "se"]].to_numpy().T.ravel(),
        ],
        2e-3,
    ),
    'emmeans contrast(e, "trt.vs.ctrl")': Row(
        "as.data.frame(contrast(emmeans(m0, 'f', lmer.df = 'satterthwaite'), 'trt.vs.ctrl'))[, 2:5]",
        lambda c: (
            c.m0.contrasts("f", method="reference").to_frame()[["estimate", "se", "df", "t"]].to_numpy().T.ravel()
        ),
        2e-3,
    ),
    'emmeans emmeans(weights = "cells")': Row(
        "as.data.frame(emmeans(mx, 'f', weights = 'cells', lmer.df = 'satterthwaite'))[, 2:6]",
        lambda c: numbers_of(c.mx.marginal_means("f", weights="cells"), "emmean se df lower upper"),
        2e-3,
    ),
    "emmeans emmeans(cov.reduce = range)": Row(
        "as.data.frame(emmeans(mx, 'Days', cov.reduce = range, lmer.df = 'satterthwaite'))[, 1:4]",
        lambda c: numbers_of(c.mx.marginal_means("Days", cov_reduce=lambda x: [x.min(), x.max()]), "Days emmean se df"),
        2e-3,
    ),
    'emmeans contrast(interaction="poly")': Row(
        "as.data.frame(contrast(emmeans(mx, ~ f * h, lmer.df = 'satterthwaite'), interaction = 'poly'))[, 3:7]",
        lambda c: numbers_of(c.mx.contrasts(["f", "h"], interaction="poly"), "estimate se df t p"),
        2e-3,
    ),
    'emmeans pairs(e, simple = "each")': Row(
        "(function(x) c(as.data.frame(x[[1]])$p.value, as.data.frame(x[[2]])$p.value))("
        "pairs(emmeans(mx, ~ f * h, lmer.df = 'satterthwaite'), simple = 'each'))",
        lambda c: numbers_of(c.mx.contrasts(["f", "h"], simple="each"), "p"),
        5e-3,
    ),
    'emmeans test(c, delta=5, side="=")': Row(
        "as.data.frame(test(pairs(emmeans(mx, 'f', lmer.df = 'satterthwaite')), delta = 5, side = '='))[, 5:6]",
        lambda c: numbers_of(c.mx.contrasts("f", delta=5, side="equivalence"), "t p"),
        5e-3,
    ),
    'emmeans emtrends(fm, "f", "x")': Row(
        "unlist(list(as.data.frame(emtrends(mx, 'f', 'Days', lmer.df = 'satterthwaite'))[, 2:4],"
        " as.data.frame(pairs(emtrends(mx, 'f', 'Days', lmer.df = 'satterthwaite')))$p.value))",
        lambda c: [
            *numbers_of(c.mx.marginal_means("f", slope_of="Days"), "slope se df"),
            *numbers_of(c.mx.pairwise("f", slope_of="Days"), "p"),
        ],
        5e-3,
    ),
    'emmeans joint_tests(fm, by = "f")': Row(
        "as.data.frame(joint_tests(mx, by = 'f', lmer.df = 'satterthwaite'))[, 3:6]",
        lambda c: numbers_of(c.mx.joint_tests(by="f"), "num_df den_df F p"),
        2e-2,
    ),
    'emmeans summary(e, type = "response")': Row(
        "as.data.frame(emmeans(lmer(log(Reaction) ~ f + (1 | Subject), d, weights = w), 'f', type = 'response',"
        " lmer.df = 'satterthwaite'))[, 2:6]",
        lambda c: numbers_of(
            lmt.lmm("log(Reaction) ~ f + (1 | Subject)", c.d, weights="w").fit().marginal_means("f", type="response"),
            "response se df lower upper",
        ),
        2e-3,
    ),
    "emmeans emmip(fm, f ~ x)": Row(
        "emmip(mx, f ~ Days, at = list(Days = c(0, 5)), plotit = FALSE)$yvar[c(1, 3, 2, 4)]",
        lambda c: [
            float(y)
            for line in c.mx.plot.interaction("f ~ Days", at={"Days": [0, 5]}, is_interval_shown=False).get_lines()
            for y in line.get_ydata()
        ][:4],
    ),
    "multcomp cld(e)": Row(
        "as.integer(factor(trimws(multcomp::cld(emmeans(mx, 'f', lmer.df = 'satterthwaite'))$.group)))",
        lambda c: [ord(letter) - ord("a") + 1 for letter in c.mx.marginal_means("f").cld().to_frame().group],
        package="multcomp",
    ),
    "isNested(a, b)": Row(
        "as.numeric(isNested(d$s2, d$Subject))",
        lambda c: float("s2 is nested in Subject" in str(lmt.structure(c.d, ["s2", "Subject"]))),
    ),
    "lattice::dotplot(ranef(fm))": Row("1", lambda c: float(c.fm.plot.caterpillar("Subject") is not None)),
    "plot(fm) qqnorm(resid(fm))": Row(
        "1", lambda c: float(c.fm.plot.residuals() is not None and c.fm.plot.qq() is not None)
    ),
    "emmip(fm, a ~ x | b)": Row("1", lambda c: float(c.m0.plot.interaction("f ~ Days") is not None)),
    'plot(emmeans(fm, "a"), comparisons = TRUE)': Row(
        "1", lambda c: float(c.m0.plot.means("f", comparisons=True) is not None)
    ),
    "car::Anova(fm, type = 2)": Row(
        "car::Anova(fm, type = 2)$Chisq",
        lambda c: c.fm.anova(2, ddf="z").to_frame().eval("F * num_df"),
        2e-3,
        package="car",
    ),
    "report::report(fm)": Row("1", lambda c: float("linear mixed model of Reaction" in str(c.fm.report()))),
    "parameters::model_parameters(fm)": Row(
        "as.data.frame(parameters::model_parameters(fm, effects = 'fixed', ci_method = 'satterthwaite'))"
        "[, c('Coefficient', 'SE', 'CI_low', 'CI_high', 'p')]",
        lambda c: (
            c.fm.tidy("fixed", conf_int=True)[["estimate", "std_error", "conf_low", "conf_high", "p_value"]]
            .to_numpy()
            .T.ravel()
        ),
        2e-3,
        package="parameters",
    ),
    "parameters::bootstrap_parameters(fm)": Row(
        "3", lambda c: len(c.fm.bootstrap(40, rng=1).conf_int().loc[list(c.fm.params.index)])
    ),
    "effectsize::standardize_parameters(fm)": Row(
        "effectsize::standardize_parameters(m0, method = 'refit')$Std_Coefficient",
        lambda c: lmt.lmm("scale(Reaction) ~ scale(Days) + f + (1 | Subject)", c.d, weights="w").fit().params,
        2e-3,
        plain_only="effectsize takes weighted means and deviations where the fit has weights",
        package="effectsize",
    ),
    "performance::r2(fm) icc(fm)": Row(
        "c(unlist(performance::r2(m0))[1:2], performance::icc(m0)$ICC_adjusted)",
        lambda c: [c.m0.r2().conditional, c.m0.r2().marginal, c.m0.icc().adjusted],
        2e-3,
        plain_only="performance leaves the weights out of the residual variance",
        package="performance",
    ),
    "performance_rmse performance_mae": Row(
        "c(performance::performance_rmse(fm), performance::performance_mae(fm))",
        lambda c: [(c.fm.resid**2).mean() ** 0.5, c.fm.resid.abs().mean()],
        1e-3,
        package="performance",
    ),
    "check_singularity check_convergence": Row(
        "c(performance::check_singularity(fm), performance::check_convergence(fm))",
        lambda c: [c.fm.is_singular, c.fm.converged],
        package="performance",
    ),
    "compare_performance(m0, fm)": Row(
        "as.data.frame(performance::compare_performance(m0, fm, metrics = 'AIC', estimator = 'REML'))$AIC",
        lambda c: [c.m0.aic, c.fm.aic] if "Days" in str(lmt.tables.side_by_side(c.m0, c.fm)) else [],
        package="performance",
    ),
    # performance takes the likelihood at the REML estimates, and does not fit again.
    "test_likelihoodratio(m0, fm)": Row(
        "as.data.frame(performance::test_likelihoodratio(m0, fm, estimator = 'ML'))$Chi2[2]",
        lambda c: lmt.anova(c.m0, c.fm).to_frame()["chisq"].iloc[1],
        2e-2,
        package="performance",
    ),
    "check_predictions(fm)": Row("1", lambda c: float(c.fm.plot.predictive() is not None)),
    "performance::check_model(fm)": Row("1", lambda c: float(c.fm.plot() is not None)),
}


def listed(found: Any) -> list[float]:
    """Return coefficients, pooled sigma and the first level's intervals, in R's order."""
    first = found.conf_int().to_numpy()[:2]
    return [*found.coef.to_numpy().T.ravel(), found.pooled_sigma, *first.ravel()]


def is_refused(run: Callable[[], Any]) -> bool:
    try:
        run()
    except lmt.LmmError:
        return True
    return False


def principal(fit: lmt.LMMResults) -> Any:
    return fit.repca().to_frame()["sd"]


def deleted(fit: lmt.LMMResults) -> Any:
    changes = fit.influence("Subject", refit=True).fixed_effects.to_numpy()
    return (changes + fit.params.to_numpy()).T.ravel()


@pytest.mark.filterwarnings("ignore")
def test_with_weights_the_deviance_rises_by_the_cut_off_at_a_profile_limit() -> None:
    """What lme4's own deviance says of the limits that its profile has otherwise (R prints 3.8417 at this one)."""
    d = make_data()
    fit = lmt.lmm("Reaction ~ Days + f + (1 | Subject)", d, weights="v").fit(reml=False)
    limit = fit.conf_int(method="profile").loc["Intercept", 0]
    moved = d.assign(b=(d.f == "b") * 1.0)
    held = lmt.lmm("Reaction ~ 0 + Days + b + (1 | Subject)", moved, weights="v", offset=np.full(len(d), limit))
    assert held.fit(reml=False).objective - fit.objective == pytest.approx(3.841459, abs=2e-3)


def table_rows() -> list[str]:
    """Each row of the table as its R calls, joined by blanks."""
    text = (DOCS / "from_lme4.rst").read_text(encoding="utf-8").partition("Call by call")[2].partition("Number by")[0]
    lines = [line for line in text.splitlines() if line.startswith("``")]
    return [
        " ".join(re.findall(r"``(.*?)``", line.split("  ``" if "  ``" in line else "  ")[0] + "")) for line in lines
    ]


@dataclass(frozen=True)
class Case:
    d: pd.DataFrame
    new: pd.DataFrame
    model: Any
    fm: Any
    m0: Any
    ml: Any
    without_f: Any
    mx: Any


def make_data() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    m, n = 16, 8
    Subject = np.repeat([f"s{i:02d}" for i in range(m)], n)
    days = np.tile(np.arange(n), m).astype(float)
    f = rng.choice(["a", "b"], m * n)
    u = rng.standard_normal((m, 2)) * [25.0, 6.0]
    k = np.repeat(np.arange(m), n)
    y = 250 + 10 * days + 8 * (f == "b") + u[k, 0] + u[k, 1] * days + 22 * rng.standard_normal(m * n)
    frame = pd.DataFrame({"Reaction": y, "Days": days, "f": f, "Subject": Subject, "v": rng.uniform(0.4, 2.5, m * n)})
    z = np.where(np.arange(m * n) == 3, np.nan, rng.standard_normal(m * n))
    second = [f"{s}{i % 2}" for i, s in enumerate(Subject)]
    return frame.assign(o=rng.standard_normal(m * n), y2=y + 5 * rng.standard_normal(m * n), z=z, s2=second)


@pytest.fixture(scope="module")
def in_r(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[float]]]:
    require_lme4("lmerTest", "pbkrtest", "emmeans", "jsonlite")
    folder = tmp_path_factory.mktemp("calls")
    make_data().to_csv(folder / "d.csv", index=False)
    runs = [row.r if not row.package or is_installed(row.package) else "NA" for row in ROWS.values()]
    expressions = ",\n  ".join(f"number({run})" for run in runs).replace("'s1'", "'s01'")
    script = R.replace("EXPRESSIONS", expressions).replace('c("s1", "s2")', 'c("s01", "s02")')
    (folder / "calls.R").write_text(script)
    done = subprocess.run(["Rscript", "calls.R"], cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, list[list[float]]] = json.loads((folder / "out.json").read_text())
    return found


@pytest.fixture(scope="module", params=["plain", "weighted"])
def case(request: pytest.FixtureRequest) -> tuple[str, Case]:
    d = make_data()
    d["w"] = d.v if request.param == "weighted" else 1.0
    new = pd.DataFrame({"Days": [3.0, 12.0], "f": ["a", "b"], "Subject": ["s01", "s02"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lmt.lmm("Reaction ~ Days + f + (Days | Subject)", d, weights="w")
        m0 = lmt.lmm("Reaction ~ Days + f + (1 | Subject)", d, weights="w").fit()
        without = lmt.lmm("Reaction ~ Days + (Days | Subject)", d, weights="w").fit(reml=False)
        crossed = d.assign(h=d.s2.str[-1])
        mx = lmt.lmm("Reaction ~ Days * f + f * h + (1 | Subject)", crossed, weights="w").fit()
        return request.param, Case(d, new, model, model.fit(), m0, model.fit(reml=False), without, mx)


def test_every_row_of_the_table_is_here() -> None:
    assert table_rows() == list(ROWS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("calls", ROWS)
def test_a_row_gives_rs_numbers(case: tuple[str, Case], in_r: dict[str, list[list[float]]], calls: str) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    name, c = case
    row = ROWS[calls]
    if row.plain_only and name == "weighted":
        pytest.skip(row.plain_only)
    if row.package and not is_installed(row.package):
        pytest.skip(f"R has no {row.package}")
    ours = np.asarray(row.ours(c), dtype=float).ravel()
    assert not isinstance(in_r[name][list(ROWS).index(calls)][0], str), in_r[name][list(ROWS).index(calls)]
    theirs = np.asarray(in_r[name][list(ROWS).index(calls)], dtype=float)
    assert ours.shape == theirs.shape, (ours, theirs)
    scale = np.abs(theirs).max(initial=1e-300)
    np.testing.assert_allclose(ours, theirs, rtol=row.rel, atol=row.rel * 1e-2 * scale)
