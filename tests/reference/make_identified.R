# lme4's fits of models with a random effect for every row or more effects than rows, its checks by counting off.
#   Rscript make_identified.R  > identified.json
# The data are closed forms, so that any language can make them: row i = 0..n-1, h(k) = fractional part of k * golden ratio.
suppressPackageStartupMessages(library(lme4))
h <- function(k) (k * (sqrt(5) - 1) / 2) %% 1
z <- function(k) qnorm((h(k) * 998 + 1) / 1000)
n <- 60L
i <- 0:(n - 1L)
d <- data.frame(i = i, row = factor(i), g = factor(i %/% 2L), cell = factor(i %/% 3L), lab = factor(i %/% 4L))
d$x <- z(3 * i + 1)
d$t <- as.numeric(h(7 * i + 2) < 0.5)
d$w <- 1 / (0.1 + 2 * h(11 * i + 5))
d$y <- 1 + 0.5 * d$x + 1.5 * z(13 * (i %/% 2L) + 1001) * d$x + z(17 * (i %/% 4L) + 77) + z(5 * i + 9) * (0.6 + 1.2 * d$t)
control <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), calc.derivs = FALSE,
  check.nobs.vs.nlev = "ignore", check.nobs.vs.nRE = "ignore", check.nobs.vs.rankZ = "ignore"
)
models <- list(
  c("y ~ 1 + (1 | row)", "w"), c("y ~ 1 + (1 | lab/row)", "w"), c("y ~ x + (1 | lab) + (0 + t | row)", ""),
  c("y ~ x + (1 | lab) + (0 + x | row)", ""), c("y ~ x + (x | g)", ""),
  c("y ~ x + (x + t | cell)", "")
)
number <- function(x) paste0("[", paste(sprintf("%.15g", x), collapse = ", "), "]")
records <- character()
for (m in models) for (reml in c(TRUE, FALSE)) {
  arguments <- list(formula(m[1]), data = d, REML = reml, control = control)
  if (nzchar(m[2])) arguments$weights <- d$w
  fit <- suppressMessages(do.call(lmer, arguments))
  records <- c(records, sprintf(
    '  {"formula": "%s", "weights": "%s", "reml": %s, "criterion": %.12g, "theta": %s, "sigma": %.10g, "beta": %s}',
    m[1], m[2], tolower(reml), -2 * as.numeric(logLik(fit)), number(getME(fit, "theta")), sigma(fit), number(fixef(fit))
  ))
}
cat(sprintf('{"versions": {"R": "%s", "lme4": "%s"},\n "fits": [\n%s\n]}\n',
  paste(R.version$major, R.version$minor, sep = "."), packageVersion("lme4"), paste(records, collapse = ",\n")))
