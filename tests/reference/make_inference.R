# Records lmerTest's degrees of freedom, tests of contrasts, and likelihood-ratio tests.
#   Rscript tests/reference/make_inference.R        writes inference.json beside this file
# Fits stop at tight tolerances, so that what is recorded is the optimum's.
suppressPackageStartupMessages({library(lmerTest); library(jsonlite)})

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), check.conv.singular = "ignore")
uneven <- sleepstudy[(seq_len(180) * 7) %% 11 != 0, ]
models <- list(
  list("sleepstudy_slopes", Reaction ~ Days + (Days | Subject), sleepstudy, "all", TRUE),
  list("sleepstudy_uncorrelated", Reaction ~ Days + (Days || Subject), sleepstudy, "all", TRUE),
  list("sleepstudy_uneven", Reaction ~ Days + (1 | Subject), uneven, "uneven", TRUE),
  list("sleepstudy_uneven_slopes", Reaction ~ Days + (Days | Subject), uneven, "uneven", TRUE),
  list("sleepstudy_ml", Reaction ~ Days + (Days | Subject), sleepstudy, "all", FALSE),
  list("penicillin", diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, "all", TRUE),
  list("pastes", strength ~ 1 + (1 | batch / cask), Pastes, "all", TRUE),
  list("cake", angle ~ recipe * temp + (1 | recipe:replicate), cake, "all", TRUE)
)
record <- function(m) {
  fit <- suppressWarnings(lmer(m[[2]], m[[3]], REML = m[[5]], control = tight))
  p <- length(fixef(fit))
  one <- coef(summary(fit))
  last <- diag(p)[seq(max(1, p - 1), p), , drop = FALSE]
  joint <- contestMD(fit, last)
  list(name = m[[1]], reml = m[[5]], rows = m[[4]], formula = paste(deparse(m[[2]], 500), collapse = ""),
       df = unname(one[, "df"]), t = unname(one[, "t value"]), p = unname(one[, "Pr(>|t|)"]),
       F = joint[["F value"]], num_df = joint[["NumDF"]], den_df = joint[["DenDF"]], F_p = joint[["Pr(>F)"]],
       sum_sq = joint[["Sum Sq"]])
}
both <- suppressMessages(anova(
  lmer(Reaction ~ Days + (Days || Subject), sleepstudy, control = tight),
  lmer(Reaction ~ Days + (Days | Subject), sleepstudy, control = tight)
))
lrt <- list(aic = both$AIC, bic = both$BIC, llf = both$logLik, chisq = both$Chisq[2], df = both$Df[2],
            p = both$`Pr(>Chisq)`[2])
versions <- list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
                 lmerTest = as.character(packageVersion("lmerTest")))
folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
write_json(list(versions = versions, fits = lapply(models, record), lrt = lrt), file.path(folder, "inference.json"),
           digits = 15, auto_unbox = TRUE, pretty = TRUE)
