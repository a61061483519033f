# Records what lme4's bootMer and pbkrtest's PBmodcomp draw: standard errors and p-values, good to their Monte Carlo error.
#   Rscript tests/reference/make_bootstrap.R        writes bootstrap.json beside this file
suppressPackageStartupMessages({library(lme4); library(pbkrtest); library(jsonlite)})

everything <- function(fit) {
  # Standard deviations and correlations as the profile orders them (the lower triangle, column by column), then sigma and
  # the fixed effects.
  triangle <- function(cov) {
    own <- attr(cov, "correlation")
    diag(own) <- attr(cov, "stddev")
    own[lower.tri(own, diag = TRUE)]
  }
  c(unlist(lapply(VarCorr(fit), triangle)), sigma(fit), fixef(fit))
}
record <- function(name, formula, data, rows) {
  fit <- lmer(formula, data)
  b <- suppressMessages(suppressWarnings(bootMer(fit, everything, nsim = 4000, seed = 20)))
  list(name = name, data = rows, formula = paste(deparse(formula, 500), collapse = ""), se = unname(apply(b$t, 2, sd, na.rm = TRUE)))
}
set.seed(21)
large <- lmer(sugpct ~ block + sow + harvest + (1 | block:harvest), beets, REML = FALSE)
small <- update(large, . ~ . - harvest)
test <- suppressMessages(suppressWarnings(PBmodcomp(large, small, nsim = 4000)))$test
folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
versions <- list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
                 pbkrtest = as.character(packageVersion("pbkrtest")))
write_json(list(versions = versions, draws = 4000, bootMer = list(
  record("correlated", Reaction ~ Days + (Days | Subject), sleepstudy, "sleepstudy"),
  record("slopes", Reaction ~ Days + (Days || Subject), sleepstudy, "sleepstudy"),
  record("crossed", diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, "Penicillin")
), PBmodcomp = list(statistic = test["LRT", "stat"], p_chisq = test["LRT", "p.value"], p = test["PBtest", "p.value"])),
file.path(folder, "bootstrap.json"), digits = 10, auto_unbox = TRUE, pretty = TRUE)
