# Print what R shows about fits: tests, variances, effects, intervals, means, and fits of glmer() and glmmTMB().
#
# Run from anywhere:  Rscript tests/reference/printed_tables/make_tables.R
#
# Writes <id>.txt, what R prints, and tables.json, the numbers behind the text at 17 significant digits, by rows and
# columns, with the versions that made them.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(emmeans)
  library(glmmTMB)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"), digits = 7, width = 80, warn = 1)

flag <- grep("^--file=", commandArgs(FALSE), value = TRUE)
here <- dirname(normalizePath(sub("^--file=", "", flag)))
quietly <- function(expression) suppressMessages(suppressWarnings(expression))

write_text <- function(text, id) {
  connection <- file(file.path(here, paste0(id, ".txt")), "wb")
  on.exit(close(connection))
  writeLines(enc2utf8(text), connection, sep = "\n", useBytes = TRUE)
}

records <- list()

# Record what `show` prints and the frame of numbers behind it.
add <- function(id, printed, frame, show = print, width = 80) {
  options(width = width)
  write_text(capture.output(quietly(show(printed))), id)
  options(width = 80)
  frame <- as.data.frame(frame)
  labels <- vapply(frame, function(column) is.factor(column) || is.character(column), logical(1))
  records[[id]] <<- list(
    rows = as.character(rownames(frame)),
    labels = lapply(frame[labels], as.character),
    numbers = lapply(frame[!labels], as.numeric)
  )
}

sleep <- lme4::sleepstudy
sleep$half <- factor(ifelse(as.integer(sleep$Subject) %% 2 == 0, "even", "odd"))
machines <- nlme::Machines
machines$Machine <- factor(as.character(machines$Machine))
machines$Worker <- factor(as.character(machines$Worker))
pastes <- lme4::Pastes
penicillin <- lme4::Penicillin
cake <- lme4::cake
cake$temperature <- factor(as.character(cake$temperature))

slope <- lmerTest::lmer(Reaction ~ Days + (Days | Subject), sleep)
apart <- lmerTest::lmer(Reaction ~ Days + (Days || Subject), sleep)
worker <- lmerTest::lmer(score ~ Machine + (1 | Worker), machines)
crossed <- lmerTest::lmer(diameter ~ 1 + (1 | plate) + (1 | sample), penicillin)
baked <- lmerTest::lmer(angle ~ recipe * temperature + (1 | recipe:replicate), cake)
halves <- lmerTest::lmer(Reaction ~ half * Days + (1 | Subject), sleep)
nested <- lmerTest::lmer(strength ~ 1 + (1 | batch / cask), pastes)

# -- tests
add("anova_slope", anova(slope), anova(slope))
add("anova_cake", anova(baked), anova(baked))
add("anova_type_1", anova(halves, type = 1), anova(halves, type = 1))
add("anova_type_2", anova(halves, type = 2), anova(halves, type = 2))
add("anova_kenward_roger", anova(baked, ddf = "Kenward-Roger"), anova(baked, ddf = "Kenward-Roger"))
add("anova_lme4", lme4:::anova.merMod(as(slope, "lmerMod")), lme4:::anova.merMod(as(slope, "lmerMod")))
add("anova_narrow", anova(halves), anova(halves), width = 45)
add("ranova_slope", ranova(slope), ranova(slope))
add("ranova_crossed", ranova(crossed), ranova(crossed))
add("ranova_apart", ranova(apart), ranova(apart))

# -- variances
add("varcorr_slope", VarCorr(slope), VarCorr(slope))
add("varcorr_apart", VarCorr(apart), VarCorr(apart))
add("varcorr_crossed", VarCorr(crossed), VarCorr(crossed))
add("varcorr_both", VarCorr(slope), VarCorr(slope), show = function(v) print(v, comp = c("Variance", "Std.Dev.")))
add("varcorr_variance", VarCorr(nested), VarCorr(nested), show = function(v) print(v, comp = "Variance"))
add("varcorr_frame", as.data.frame(VarCorr(slope)), VarCorr(slope))

# -- effects
add("fixef_slope", fixef(slope), data.frame(value = fixef(slope)))
add("fixef_cake", fixef(baked), data.frame(value = fixef(baked)))
add("fixef_worker", fixef(worker), data.frame(value = fixef(worker)), width = 30)
add("coef_summary", coef(summary(slope)), coef(summary(slope)))
add("coef_summary_lme4", coef(summary(as(slope, "lmerMod"))), coef(summary(as(slope, "lmerMod"))))
add("ranef_slope", ranef(slope), ranef(slope)$Subject)
both <- ranef(crossed)
add("ranef_crossed", both, data.frame(both = c(both$plate[, 1], both$sample[, 1]), row.names = NULL))
add("ranef_worker", ranef(worker)$Worker, ranef(worker)$Worker)

# -- intervals
wald <- quietly(confint(slope, method = "Wald"))
add("confint_wald", wald, wald)
profile <- quietly(confint(slope))
add("confint_profile", profile, profile)
named <- quietly(confint(slope, oldNames = FALSE))
add("confint_profile_names", named, named)
beta <- quietly(confint(worker, parm = "beta_", method = "Wald", level = 0.9))
add("confint_beta", beta, beta)

# -- means
add("emmeans_worker", emmeans(worker, ~ Machine), emmeans(worker, ~ Machine))
add("emmeans_cake", emmeans(baked, ~ recipe), emmeans(baked, ~ recipe))
add("emmeans_by", emmeans(baked, ~ recipe | temperature), emmeans(baked, ~ recipe | temperature))
add("emmeans_two", emmeans(baked, ~ recipe + temperature), emmeans(baked, ~ recipe + temperature))
add("emmeans_satterthwaite", emmeans(halves, ~ half, lmer.df = "satterthwaite"), emmeans(halves, ~ half, lmer.df = "satterthwaite"))
add("emmeans_asymptotic", emmeans(worker, ~ Machine, lmer.df = "asymptotic"), emmeans(worker, ~ Machine, lmer.df = "asymptotic"))
add("pairs_worker", pairs(emmeans(worker, ~ Machine)), pairs(emmeans(worker, ~ Machine)))
add("pairs_by", pairs(emmeans(halves, ~ half | Days, at = list(Days = c(0, 5)))), pairs(emmeans(halves, ~ half | Days, at = list(Days = c(0, 5)))))
add("pairs_holm", pairs(emmeans(worker, ~ Machine), adjust = "holm"), pairs(emmeans(worker, ~ Machine), adjust = "holm"))
add("pairs_none", pairs(emmeans(worker, ~ Machine), adjust = "none"), pairs(emmeans(worker, ~ Machine), adjust = "none"))
listed <- emmeans(worker, pairwise ~ Machine)
add("emmeans_and_contrasts", listed, as.data.frame(listed$contrasts))
trends <- emtrends(halves, ~ half, var = "Days")
add("emtrends_halves", trends, trends)
add("pairs_confint", confint(pairs(emmeans(worker, ~ Machine))), confint(pairs(emmeans(worker, ~ Machine))))

# -- fits of other functions
record_fit <- function(id, fit, width = 80) {
  options(width = width)
  write_text(capture.output(quietly(print(summary(fit)))), id)
  options(width = 80)
  is_tmb <- inherits(fit, "glmmTMB")
  table <- if (is_tmb) summary(fit)$coefficients$cond else coef(summary(fit))
  vc <- if (is_tmb) VarCorr(fit)$cond else VarCorr(fit)
  sds <- unlist(lapply(vc, function(v) unname(attr(v, "stddev"))))
  correlations <- unlist(lapply(vc, function(v) { r <- attr(v, "correlation"); unname(r[lower.tri(r)]) }))
  records[[id]] <<- list(
    criterion = unbox(-2 * as.numeric(logLik(fit))),
    AIC = unbox(AIC(fit)), BIC = unbox(BIC(fit)),
    nobs = unbox(nobs(fit)), df_resid = unbox(df.residual(fit)),
    sigma = unbox(sigma(fit)),
    sds = unname(sds), correlations = if (is.null(correlations)) list() else unname(correlations),
    fixef_names = rownames(table), fixef = unname(table[, 1]), std_errors = unname(table[, 2]),
    z = unname(table[, 3]), p = unname(table[, 4])
  )
}
record_fit("glmer_binomial", quietly(glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), lme4::cbpp, binomial)))
record_fit("glmer_poisson", quietly(glmer(TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION), lme4::grouseticks, poisson)))
record_fit("glmer_gamma", quietly(glmer(Reaction ~ I(Days / 10) + (1 | Subject), sleep, Gamma("log"))))
tmb <- function(...) quietly(glmmTMB(...))
record_fit("tmb_slope", tmb(Reaction ~ Days + (Days | Subject), sleep))
record_fit("tmb_slope_reml", tmb(Reaction ~ Days + (Days | Subject), sleep, REML = TRUE))
record_fit("tmb_crossed", tmb(diameter ~ 1 + (1 | plate) + (1 | sample), penicillin))
record_fit("tmb_poisson", tmb(TICKS ~ YEAR + (1 | BROOD), lme4::grouseticks, family = poisson))
record_fit("tmb_negative_binomial", tmb(TICKS ~ YEAR + (1 | BROOD), lme4::grouseticks, family = nbinom2))

# Models of zero inflation and of the dispersion: the numbers of each part, by the part's name.
record_models <- function(id, fit) {
  write_text(capture.output(quietly(print(summary(fit)))), id)
  parts <- Filter(Negate(is.null), summary(fit)$coefficients)
  records[[id]] <<- list(
    criterion = unbox(-2 * as.numeric(logLik(fit))), AIC = unbox(AIC(fit)), BIC = unbox(BIC(fit)),
    nobs = unbox(nobs(fit)), df_resid = unbox(df.residual(fit)),
    sds = lapply(VarCorr(fit), function(part) unname(unlist(lapply(part, attr, "stddev")))),
    parts = lapply(parts, function(table) {
      list(names = rownames(table), fixef = unname(table[, 1]), std_errors = unname(table[, 2]), z = unname(table[, 3]), p = unname(table[, 4]))
    })
  )
}
record_models("tmb_zero_inflated", tmb(count ~ spp + mined + (1 | site), zi = ~ mined, family = nbinom2, Salamanders))
record_models("tmb_zero_inflated_variances", tmb(count ~ mined + (1 | site), zi = ~ mined + (1 | site), family = poisson, Salamanders))
record_models("tmb_zero_inflated_only", tmb(count ~ mined, zi = ~ mined + (1 | site), family = poisson, Salamanders))
record_models("tmb_dispersion", tmb(Reaction ~ Days + (Days | Subject), sleep, dispformula = ~ Days))
record_models("tmb_three_models", tmb(count ~ mined + (1 | site), zi = ~ mined, dispformula = ~ mined, family = nbinom2, Salamanders))

versions <- lapply(c("lme4", "lmerTest", "emmeans", "glmmTMB", "pbkrtest"), function(p) unbox(as.character(packageVersion(p))))
names(versions) <- c("lme4", "lmerTest", "emmeans", "glmmTMB", "pbkrtest")
write_json(
  list(R = unbox(R.version.string), versions = versions, tables = records),
  file.path(here, "tables.json"), digits = I(17), na = "null", pretty = 1
)
