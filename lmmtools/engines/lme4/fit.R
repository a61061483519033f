# Fit the models that a folder describes with lme4, all in this one process.
#
#   Rscript fit.R FOLDER
#
# FOLDER/jobs.dcf has one record per model, of numbers and fixed words only; FOLDER/data*.bin hold the numbers. Formulas
# are built here, from calls and the generated names lmm_y, lmm_X, lmm_g1, lmm_z1, ...: no text is ever parsed.
# Writes FOLDER/started at once, FOLDER/results.json at the end. Only base R and lme4 are needed.

folder <- commandArgs(TRUE)[1]
invisible(file.create(file.path(folder, "started")))
options(
  warn = 1, OutDec = ".", na.action = "na.fail", contrasts = c("contr.treatment", "contr.poly"), width = 200,
  warning.length = 8000L
)

# ------------------------------------------------------------------------------------------------ results as JSON

json_string <- function(x) {
  x <- enc2utf8(as.character(x))
  x[is.na(x) | !validUTF8(x)] <- "?"
  x <- gsub("\\", "\\\\", x, fixed = TRUE)
  x <- gsub("\"", "\\\"", x, fixed = TRUE)
  x <- gsub("\n", "\\n", x, fixed = TRUE)
  x <- gsub("\t", "\\t", x, fixed = TRUE)
  x <- gsub("[\001-\037]", " ", x)
  paste0("\"", x, "\"", recycle0 = TRUE)
}
json_strings <- function(x) paste0("[", paste(json_string(x), collapse = ","), "]")
json_number <- function(x) {
  x <- as.double(x)
  # 17 significant digits give every double back exactly.
  ifelse(is.finite(x), sprintf("%.17g", x), ifelse(is.nan(x) | is.na(x), "NaN", ifelse(x > 0, "Infinity", "-Infinity")))
}
json_numbers <- function(x) paste0("[", paste(json_number(x), collapse = ","), "]")
json_object <- function(...) {
  parts <- c(...)
  paste0("{", paste0(json_string(names(parts)), ":", parts, collapse = ","), "}")
}

finish <- function(text) {
  draft <- file.path(folder, "results.part")
  con <- file(draft, open = "wb")
  writeLines(text, con, useBytes = TRUE)
  close(con)
  # The result appears whole or not at all.
  invisible(file.rename(draft, file.path(folder, "results.json")))
  quit(save = "no", status = 0L)
}

installed <- function(package) {
  if (nzchar(system.file(package = package))) as.character(utils::packageVersion(package)) else ""
}

about <- c(
  r = json_string(paste(R.version$major, R.version$minor, sep = ".")),
  lme4 = json_string(installed("lme4")),
  lmerTest = json_string(installed("lmerTest")),
  pbkrtest = json_string(installed("pbkrtest")),
  libraries = json_strings(.libPaths())
)

# ------------------------------------------------------------------------------------------------ jobs and their data

words <- function(x) {
  found <- strsplit(trimws(x), "[[:space:]]+")[[1]]
  found[nzchar(found)]
}
numbers <- function(x) as.numeric(words(x))
is_yes <- function(x) identical(x, "yes")

read_data <- function(job) {
  n <- as.integer(job$rows)
  p <- as.integer(job$columns)
  con <- file(file.path(folder, paste0("data", as.integer(job$data), ".bin")), open = "rb")
  on.exit(close(con))
  doubles <- function(count) {
    values <- readBin(con, "double", n = count, size = 8L, endian = "little")
    if (length(values) != count) stop("the data file is cut")
    values
  }
  integers <- function(count) {
    values <- readBin(con, "integer", n = count, size = 4L, endian = "little")
    if (length(values) != count) stop("the data file is cut")
    values
  }
  frame <- data.frame(lmm_y = doubles(n))
  if (p > 0L) frame$lmm_X <- matrix(doubles(n * p), n, p, dimnames = list(NULL, seq_len(p)))
  if (is_yes(job$weights)) frame$lmm_w <- doubles(n)
  if (is_yes(job$offset)) frame$lmm_o <- doubles(n)
  sizes <- numbers(job$factors)
  for (i in seq_along(sizes)) {
    labels <- as.character(seq_len(sizes[i]))
    frame[[paste0("lmm_g", i)]] <- structure(integers(n), levels = labels, class = "factor")
  }
  widths <- numbers(job$widths)
  for (k in which(widths > 0)) {
    columns <- list(NULL, paste0("_", seq_len(widths[k])))
    frame[[paste0("lmm_z", k)]] <- matrix(doubles(n * widths[k]), n, widths[k], dimnames = columns)
  }
  frame
}

# lmm_y ~ 0 + lmm_X + (1 | lmm_g1) + (0 + lmm_z2 | lmm_g1) + ..., as a call. A width of 0 is the constant alone.
build_formula <- function(job) {
  widths <- numbers(job$widths)
  groups <- numbers(job$groups)
  right <- if (as.integer(job$columns) > 0L) call("+", 0, quote(lmm_X)) else 0
  for (k in seq_along(widths)) {
    basis <- if (widths[k] > 0) call("+", 0, as.name(paste0("lmm_z", k))) else 1
    term <- call("(", call("|", basis, as.name(paste0("lmm_g", groups[k]))))
    right <- call("+", right, term)
  }
  stats::as.formula(call("~", quote(lmm_y), right), env = globalenv())
}

build_control <- function(job) {
  optimizer <- match.arg(job$optimizer, c("nloptwrap", "bobyqa", "Nelder_Mead", "nlminbwrap"))
  settings <- function(field) {
    pairs <- strsplit(words(job[[field]]), "=", fixed = TRUE)
    stats::setNames(lapply(pairs, `[`, 2L), vapply(pairs, `[`, "", 1L))
  }
  tuning <- lapply(settings("tuning"), as.numeric)
  if (nzchar(job$algorithm)) tuning$algorithm <- match.arg(job$algorithm, c("NLOPT_LN_BOBYQA", "NLOPT_LN_NELDERMEAD"))
  arguments <- list(optimizer = optimizer, check.rankX = "ignore")
  if (length(tuning)) arguments$optCtrl <- tuning
  arguments <- c(arguments, lapply(settings("tolerances"), as.numeric), lapply(settings("flags"), is_yes))
  checks <- lapply(settings("checks"), match.arg, c("ignore", "warning", "message", "stop"))
  do.call(lme4::lmerControl, c(arguments, checks))
}

# ------------------------------------------------------------------------------------------------ one model

fit_model <- function(job) {
  frame <- read_data(job)
  arguments <- list(formula = build_formula(job), data = quote(frame), REML = is_yes(job$reml))
  arguments$control <- build_control(job)
  if (is_yes(job$weights)) arguments$weights <- quote(lmm_w)
  if (is_yes(job$offset)) arguments$offset <- quote(lmm_o)
  if (nzchar(job$start)) arguments$start <- numbers(job$start)
  lmer <- lme4::lmer
  clock <- proc.time()[["elapsed"]]
  fit <- do.call("lmer", arguments)
  seconds <- proc.time()[["elapsed"]] - clock
  has_fixed <- as.integer(job$columns) > 0L
  levels <- vapply(lme4::getME(fit, "flist"), nlevels, 1L)[attr(lme4::getME(fit, "flist"), "assign")]
  c(
    objective = json_number(-2 * as.numeric(stats::logLik(fit))),
    theta = json_numbers(lme4::getME(fit, "theta")),
    beta = json_numbers(if (has_fixed) lme4::fixef(fit)),
    beta_cov = json_numbers(if (has_fixed) as.vector(as.matrix(stats::vcov(fit)))),
    sigma = json_number(stats::sigma(fit)),
    modes = json_numbers(as.vector(lme4::getME(fit, "b"))),
    levels = json_numbers(levels),
    widths = json_numbers(lengths(lme4::getME(fit, "cnms"))),
    evaluations = json_number(max(0, fit@optinfo$feval, na.rm = TRUE)),
    seconds = json_number(seconds)
  )
}

# The model's record: its numbers or the error, and all that R said on the way.
run_job <- function(job) {
  said <- character()
  hear <- function(condition) said <<- c(said, trimws(conditionMessage(condition)))
  numbers <- tryCatch(
    withCallingHandlers(
      fit_model(job),
      warning = function(w) {
        hear(w)
        invokeRestart("muffleWarning")
      },
      message = function(m) {
        hear(m)
        invokeRestart("muffleMessage")
      }
    ),
    error = function(e) c(error = json_string(conditionMessage(e)))
  )
  json_object(c(numbers, said = json_strings(unique(said))))
}

# ------------------------------------------------------------------------------------------------ all of them

if (!nzchar(installed("lme4"))) finish(json_object(c(about, missing = json_strings("lme4"))))
broken <- tryCatch(
  {
    suppressPackageStartupMessages(loadNamespace("lme4"))
    NULL
  },
  error = conditionMessage
)
if (!is.null(broken)) finish(json_object(c(about, broken = json_string(broken))))
jobs <- read.dcf(file.path(folder, "jobs.dcf"))
fits <- vapply(seq_len(nrow(jobs)), function(i) run_job(as.list(jobs[i, ])), "")
finish(json_object(c(about, fits = paste0("[", paste(fits, collapse = ","), "]"))))
