# Record how R prints numbers: rformat_cases.json, beside this script.
#
# Run from anywhere:  Rscript tests/unit/report/make_rformat_cases.R
# Numbers are written as hexadecimal floating point, so that no digit is lost on the way.

suppressPackageStartupMessages(library(jsonlite))
options(digits = 7, scipen = 0, width = 80, OutDec = ".")
set.seed(20240501)

flag <- grep("^--file=", commandArgs(FALSE), value = TRUE)
here <- dirname(normalizePath(sub("^--file=", "", flag)))

hex <- function(x) ifelse(is.na(x) & !is.nan(x), "NA", sprintf("%a", x))

# Vectors of many magnitudes; some rounded, so that trailing zeros and ties occur.
some_numbers <- function() {
  size <- sample(1:6, 1)
  spread <- sample(c(0, 1, 3, 8), 1)
  x <- rnorm(size) * 10^(sample(-6:8, 1) + runif(size, -spread, spread))
  if (runif(1) < 0.4) x <- signif(x, sample(1:5, 1))
  if (runif(1) < 0.2) x[sample(size, 1)] <- 0
  x
}

chosen_numbers <- list(
  0, -0.0, 1, 100000, 123456, 1e5, 1e-5, 0.0001, 0.00012345, 99999.7, 9.99996, 9.9999, 0.1 + 0.2, 1e15, 123456789,
  c(1, NA, 3.25), c(NaN, 1.5), c(Inf, -1.25), c(-Inf, NA), c(0, 13.81), c(1e10, 1e-10), c(150000, 0.5), 1e100, 1e-300,
  c(2.5, 0.125), c(612.10, 35.07, 654.94), c(24.741, 5.922, 25.592), -0.30, c(0.15, 0.25, 0.35), 1e5 + 0.1
)

format_case <- function(x, digits, nsmall) {
  list(x = hex(x), digits = unbox(digits), nsmall = unbox(nsmall), text = format(x, digits = digits, nsmall = nsmall))
}
formats <- c(
  unlist(lapply(chosen_numbers, function(x) lapply(c(2, 4, 7), function(d) format_case(x, d, 0))), recursive = FALSE),
  lapply(1:600, function(i) format_case(some_numbers(), sample(1:9, 1), sample(c(0, 0, 0, 2, 3), 1)))
)

rounds <- lapply(1:300, function(i) {
  decimals <- sample(0:6, 1)
  x <- if (i %% 2) rnorm(1) * 10^runif(1, -3, 6) else round(rnorm(1) * 100, decimals) + 5 * 10^-(decimals + 1)
  list(x = unbox(hex(x)), decimals = unbox(decimals), value = unbox(hex(round(x, decimals))))
})

zaps <- lapply(1:200, function(i) {
  x <- some_numbers()
  digits <- sample(3:6, 1)
  list(x = hex(x), digits = unbox(digits), value = hex(zapsmall(x, digits)))
})

# The cells of a table of coefficients as summary() of an lme4 fit prints it.
coefficient_case <- function(estimate, error) {
  table <- cbind(Estimate = estimate, `Std. Error` = error, `t value` = estimate / error)
  rownames(table) <- paste0("x", seq_along(estimate))
  printed <- capture.output(printCoefmat(table, digits = 4))
  cells <- do.call(rbind, strsplit(trimws(printed[-1]), " +"))[, -1, drop = FALSE]
  list(estimate = hex(estimate), error = hex(error), t = hex(table[, 3]), cells = unname(cells))
}
coefficients <- lapply(1:200, function(i) {
  size <- sample(1:6, 1)
  scale <- 10^sample(-5:6, 1)
  error <- abs(rnorm(size)) * scale * 10^runif(size, -1, 1)
  coefficient_case(error * rnorm(size) * 10^sample(-3:2, 1), error)
})

pvalues <- lapply(1:150, function(i) {
  p <- pmin(1, 10^-(runif(sample(1:5, 1), 0, sample(c(1, 4, 12, 20), 1))))
  list(p = hex(p), digits = unbox(3), text = format.pval(p, digits = 3, eps = .Machine$double.eps))
})

# Names of effects, as R and as Python spell them.
pieces <- c(
  "(Intercept)", "Days", "recipe", "temperature", "Variety", "nitro", "service1", "dept", "Type", "T4", "Sex", "Female",
  "MachineB", "recipe[T.B]", "C(nitro)[T.0.4]", "Variety[T.Golden Rain]", "I(Days^2)", "np.log(Days + 1)", "x1", "x2",
  "Marvellous", "age", "log(x)", "poly(x, 2)1", "a b c", "UPPER", "lower", "aeiou", "Zebra Crossing", "wafer 1"
)
abbreviations <- lapply(1:300, function(i) {
  size <- sample(1:12, 1)
  names <- replicate(size, paste(sample(pieces, sample(1:2, 1)), collapse = ":"))
  if (i <= length(pieces)) names <- pieces[i]
  names <- unique(names)
  minlength <- sample(c(6, 11), 1)
  list(names = names, minlength = unbox(minlength), short = unname(abbreviate(names, minlength)))
})

cases <- list(
  R = unbox(as.character(getRversion())), format = formats, round = rounds, zapsmall = zaps,
  coefficients = coefficients, pvalues = pvalues, abbreviate = abbreviations
)
writeLines(toJSON(cases, pretty = FALSE), file.path(here, "rformat_cases.json"))
