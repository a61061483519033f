# Print summaries of nlme's lme(), and record the numbers behind them.
#
# Run from anywhere:  Rscript tests/reference/printed_lme/make_lme.R
#
# Writes <id>.txt, what R prints, and lme.json, the numbers at 17 significant digits, with the versions that made them.

suppressPackageStartupMessages({
  library(nlme)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"), digits = 7, width = 80, warn = -1)

flag <- grep("^--file=", commandArgs(FALSE), value = TRUE)
here <- dirname(normalizePath(sub("^--file=", "", flag)))
records <- list()

add <- function(id, fit, show = summary, width = 80) {
  options(width = width)
  text <- capture.output(print(show(fit)))
  options(width = 80)
  connection <- file(file.path(here, paste0(id, ".txt")), "wb")
  on.exit(close(connection))
  writeLines(enc2utf8(text), connection, sep = "\n", useBytes = TRUE)
  structures <- rev(fit$modelStruct$reStruct)
  matrices <- lapply(structures, function(m) as.matrix(m) * fit$sigma^2)
  lower <- function(m) { r <- cov2cor(as.matrix(m)); if (inherits(m, "pdDiag")) NULL else unname(r[lower.tri(r)]) }
  table <- summary(fit)$tTable
  # Without the factor by which summary() widens standard errors under ML.
  errors <- sqrt(diag(fit$varFix))
  records[[id]] <<- list(
    reml = unbox(fit$method == "REML"), criterion = unbox(-2 * as.numeric(logLik(fit))), AIC = unbox(AIC(fit)),
    nobs = unbox(fit$dims$N), sigma = unbox(fit$sigma),
    sds = unname(unlist(lapply(matrices, function(m) sqrt(diag(m))))),
    correlations = as.numeric(unlist(lapply(structures, lower))),
    fixef_names = rownames(table), fixef = unname(table[, "Value"]), std_errors = unname(errors),
    df = unname(table[, "DF"]), t = unname(table[, "Value"] / errors), p = unname(table[, "p-value"]),
    residuals = unname(quantile(residuals(fit, type = "pearson")))
  )
}

machines <- nlme::Machines
machines$Machine <- factor(as.character(machines$Machine))
oats <- nlme::Oats
oats$nitro <- factor(oats$nitro)
add("intercept", lme(distance ~ age, Orthodont, random = ~ 1 | Subject))
add("slope", lme(Reaction ~ Days, lme4::sleepstudy, random = ~ Days | Subject))
add("slope_print", lme(Reaction ~ Days, lme4::sleepstudy, random = ~ Days | Subject), show = identity)
add("slope_ml", lme(Reaction ~ Days, lme4::sleepstudy, random = ~ Days | Subject, method = "ML"))
add("slope_narrow", lme(Reaction ~ Days, lme4::sleepstudy, random = ~ Days | Subject), width = 50)
add("apart", lme(Reaction ~ Days, lme4::sleepstudy, random = list(Subject = pdDiag(~ Days))))
add("nested_ml", lme(yield ~ nitro * Variety, oats, random = ~ 1 | Block/Variety, method = "ML"))
add("nested_print", lme(yield ~ nitro, oats, random = ~ 1 | Block/Variety), show = identity)
add("pastes", lme(strength ~ 1, lme4::Pastes, random = ~ 1 | batch/cask))
add("three_effects", lme(score ~ Machine, machines, random = ~ Machine | Worker))

write_json(
  list(R = unbox(R.version.string), versions = list(nlme = unbox(as.character(packageVersion("nlme")))), fits = records),
  file.path(here, "lme.json"), digits = I(17), na = "null", pretty = 1
)
