# Fit the reference models with lme4 and record what it says about them.
#
# Run from anywhere:  Rscript tests/reference/make_reference.R
#
# Writes lme4.json (every number, 17 significant digits) and summaries/<id>.<REML|ML>.txt
# (what summary() prints) beside this script. README.rst describes both.
#
# Every model is fitted twice: once as lme4 does by default, and once more to the exact optimum,
# because the default optimiser stops early here and there. The numbers in lme4.json are those of
# the exact optimum; what the default gave stands beside them.

suppressPackageStartupMessages({
  library(lme4)
  library(nlme)
  library(jsonlite)
})

# Ordered factors get treatment coding like all others, as formula engines in Python do it.
options(contrasts = c("contr.treatment", "contr.treatment"), width = 80, digits = 7, warn = 1)

script_dir <- function() {
  flag <- grep("^--file=", commandArgs(FALSE), value = TRUE)
  if (length(flag) != 1L) stop("run this script with Rscript")
  dirname(normalizePath(sub("^--file=", "", flag)))
}
here <- script_dir()

# ---------------------------------------------------------------- the models

# One model. `python` is the formula where R's spelling would mean something else in Python. `edit` changes the
# data before the fit: a sentence, the R function, and the Python statement that does the same to `data`.
model <- function(id, data, formula, python = formula, edit = NULL, weights = NULL, offset = NULL) {
  list(id = id, data = data, formula = formula, python = python, edit = edit, weights = weights, offset = offset)
}

add_weights <- list(
  what = "A column w of prior weights is added: 0.5, 1.0, 1.5, 2.0, 2.5, 0.5, ... over the rows in order.",
  r = function(data) transform(data, w = 0.5 * (1 + (seq_len(nrow(data)) - 1) %% 5)),
  python = "data['w'] = 0.5 * (1 + np.arange(len(data)) % 5)"
)
add_offset <- list(
  what = "A column o is added to serve as offset: 0, 10, 20, 30, 0, 10, ... over the rows in order.",
  r = function(data) transform(data, o = 10 * ((seq_len(nrow(data)) - 1) %% 4)),
  python = "data['o'] = 10.0 * (np.arange(len(data)) % 4)"
)
drop_response <- list(
  what = "Reaction is set missing in every row whose position, counted from 0, is a multiple of 7.",
  r = function(data) {
    data$Reaction[(seq_len(nrow(data)) - 1) %% 7 == 0] <- NA
    data
  },
  python = "data.loc[np.arange(len(data)) % 7 == 0, 'Reaction'] = np.nan"
)
drop_anywhere <- list(
  what = paste(
    "With rows counted from 0: Reaction is set missing in rows 0, 7, 14, ...; Days in rows 3, 14, 25, ...;",
    "Subject in rows 5, 24, 43, ... and in all of rows 20 to 29, which empties the level 310."
  ),
  r = function(data) {
    row <- seq_len(nrow(data)) - 1
    data$Reaction[row %% 7 == 0] <- NA
    data$Days[row %% 11 == 3] <- NA
    data$Subject[row %% 19 == 5 | (row >= 20 & row < 30)] <- NA
    data
  },
  python = paste(
    "row = np.arange(len(data));",
    "data.loc[row % 7 == 0, 'Reaction'] = np.nan;",
    "data.loc[row % 11 == 3, 'Days'] = np.nan;",
    "data.loc[(row % 19 == 5) | ((row >= 20) & (row < 30)), 'Subject'] = np.nan"
  )
)
drop_rows <- list(
  what = "Only the rows whose position, counted from 0, leaves 0, 1, 3 or 4 when divided by 7 are kept (unbalanced).",
  r = function(data) data[(seq_len(nrow(data)) - 1) %% 7 %in% c(0, 1, 3, 4), ],
  python = "data = data[np.isin(np.arange(len(data)) % 7, [0, 1, 3, 4])]"
)

models <- list(
  model("dyestuff", "Dyestuff", "Yield ~ 1 + (1 | Batch)"),
  model("dyestuff2", "Dyestuff2", "Yield ~ 1 + (1 | Batch)"),
  model("penicillin", "Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
  model("penicillin_unbalanced", "Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", edit = drop_rows),
  model("pastes_nested", "Pastes", "strength ~ 1 + (1 | batch/cask)"),
  model("pastes_sample", "Pastes", "strength ~ 1 + (1 | batch) + (1 | sample)"),
  model("pastes_cask_crossed", "Pastes", "strength ~ 1 + (1 | batch) + (1 | cask)"),
  model("sleepstudy_intercept", "sleepstudy", "Reaction ~ Days + (1 | Subject)"),
  model("sleepstudy_slope", "sleepstudy", "Reaction ~ Days + (Days | Subject)"),
  model("sleepstudy_uncorrelated", "sleepstudy", "Reaction ~ Days + (Days || Subject)"),
  model("sleepstudy_two_bars", "sleepstudy", "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"),
  model("sleepstudy_slope_only", "sleepstudy", "Reaction ~ Days + (0 + Days | Subject)"),
  model("sleepstudy_random_only", "sleepstudy", "Reaction ~ 1 + (Days | Subject)"),
  model("sleepstudy_no_intercept", "sleepstudy", "Reaction ~ 0 + Days + (Days | Subject)"),
  model(
    "sleepstudy_quadratic", "sleepstudy", "Reaction ~ Days + I(Days^2) + (Days | Subject)",
    python = "Reaction ~ Days + I(Days**2) + (Days | Subject)"
  ),
  model(
    "sleepstudy_quadratic_random", "sleepstudy", "Reaction ~ Days + (I(Days^2) | Subject)",
    python = "Reaction ~ Days + (I(Days**2) | Subject)"
  ),
  model(
    "sleepstudy_quadratic_both", "sleepstudy", "Reaction ~ Days + I(Days^2) + (Days + I(Days^2) | Subject)",
    python = "Reaction ~ Days + I(Days**2) + (Days + I(Days**2) | Subject)"
  ),
  model(
    "sleepstudy_log", "sleepstudy", "Reaction ~ log(Days + 1) + (log(Days + 1) | Subject)",
    python = "Reaction ~ np.log(Days + 1) + (np.log(Days + 1) | Subject)"
  ),
  model(
    "sleepstudy_log_response", "sleepstudy", "log(Reaction) ~ Days + (Days | Subject)",
    python = "np.log(Reaction) ~ Days + (Days | Subject)"
  ),
  model("sleepstudy_weights", "sleepstudy", "Reaction ~ Days + (Days | Subject)", edit = add_weights, weights = "w"),
  model("sleepstudy_offset", "sleepstudy", "Reaction ~ Days + (Days | Subject)", edit = add_offset, offset = "o"),
  model("sleepstudy_missing", "sleepstudy", "Reaction ~ Days + (Days | Subject)", edit = drop_response),
  model("sleepstudy_missing_anywhere", "sleepstudy", "Reaction ~ Days + (Days | Subject)", edit = drop_anywhere),
  model("sleepstudy_rank_deficient", "sleepstudy", "Reaction ~ Days + I(2 * Days) + (1 | Subject)"),
  model("cake_factor", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)"),
  model("cake_numeric", "cake", "angle ~ recipe * temp + (1 | recipe:replicate)"),
  model("cake_nested", "cake", "angle ~ recipe + temp + (1 | replicate/recipe)"),
  model("cake_slope", "cake", "angle ~ recipe + temp + (temp | recipe:replicate)"),
  model("insteval_service", "InstEval", "y ~ service + (1 | s) + (1 | d) + (1 | dept)"),
  model("insteval_dept_service", "InstEval", "y ~ 1 + (1 | s) + (1 | d) + (1 | dept:service)"),
  model("insteval_dept_fixed", "InstEval", "y ~ service * dept + (1 | s) + (1 | d)"),
  model("ergostool", "ergoStool", "effort ~ Type + (1 | Subject)"),
  model("ergostool_cell_means", "ergoStool", "effort ~ 0 + Type + (1 | Subject)"),
  model("machines_worker", "Machines", "score ~ Machine + (1 | Worker)"),
  model("machines_nested", "Machines", "score ~ Machine + (1 | Worker/Machine)"),
  model("machines_factor", "Machines", "score ~ Machine + (Machine | Worker)"),
  model("machines_cell_means", "Machines", "score ~ Machine + (0 + Machine | Worker)"),
  model("oats_nested", "Oats", "yield ~ nitro + (1 | Block/Variety)"),
  model(
    "oats_factor", "Oats", "yield ~ Variety * factor(nitro) + (1 | Block/Variety)",
    python = "yield ~ Variety * C(nitro) + (1 | Block/Variety)"
  ),
  model("oats_slope", "Oats", "yield ~ nitro + (nitro | Block) + (1 | Block:Variety)"),
  model("orthodont", "Orthodont", "distance ~ age * Sex + (age | Subject)"),
  model("orthodont_centred", "Orthodont", "distance ~ I(age - 11) * Sex + (I(age - 11) | Subject)"),
  model("orthodont_uncorrelated", "Orthodont", "distance ~ age * Sex + (I(age - 11) || Subject)"),
  model("oxide_nested", "Oxide", "Thickness ~ 1 + (1 | Lot/Wafer)"),
  model("oxide_source", "Oxide", "Thickness ~ Source + (1 | Lot/Wafer)"),
  model("oxide_rank_deficient", "Oxide", "Thickness ~ Source + Lot + (1 | Lot:Wafer)")
)

# ---------------------------------------------------------------- the exact optimum

# Rounding makes the criterion uncertain by about this much, relatively.
noise <- 1e-13

# Coordinates that may move both ways: all but the variances at zero.
free_coordinates <- function(par, lower) !(is.finite(lower) & par <= lower)

free_gradient <- function(fn, par, free) {
  along <- function(x) fn(replace(par, free, x))
  # Wide steps: with four extrapolations the truncation error is negligible and the rounding error small.
  numDeriv::grad(along, par[free], method.args = list(d = 0.01, r = 4))
}

newton_polish <- function(fn, par, lower, steps = 4) {
  free <- free_coordinates(par, lower)
  if (!any(free)) return(par)
  along <- function(x) fn(replace(par, free, x))
  for (step in seq_len(steps)) {
    gradient <- free_gradient(fn, par, free)
    hessian <- numDeriv::hessian(along, par[free], method.args = list(d = 0.01, r = 4))
    eigen_values <- eigen(hessian, symmetric = TRUE, only.values = TRUE)$values
    # No polish along a flat or concave direction: the parameters are not determined there.
    if (min(eigen_values) < 1e-8 * max(eigen_values)) break
    proposal <- replace(par, free, par[free] - solve(hessian, gradient))
    if (any(proposal < lower)) break
    # At the optimum the criterion can no longer tell two points apart; the gradient can.
    if (fn(proposal) > fn(par) + noise * abs(fn(par))) break
    if (max(abs(free_gradient(fn, proposal, free))) >= max(abs(gradient))) break
    par <- proposal
  }
  par
}

local_searches <- list(
  function(fn, par, lower) {
    nloptr::nloptr(
      par, fn, lb = lower,
      opts = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-10, ftol_abs = 0, ftol_rel = 0, maxeval = 5000)
    )$solution
  },
  function(fn, par, lower) {
    nlminb(par, fn, lower = lower, control = list(rel.tol = 1e-15, x.tol = 1e-12, eval.max = 5000, iter.max = 2000))$par
  },
  function(fn, par, lower) {
    # Off the bounds first, or a variance that a search put to zero too early would stay there.
    par <- pmax(par, ifelse(is.finite(lower), 1e-3, -Inf))
    nloptr::nloptr(
      par, fn, lb = lower,
      opts = list(algorithm = "NLOPT_LN_SBPLX", xtol_abs = 1e-9, ftol_abs = 0, ftol_rel = 0, maxeval = 4000)
    )$solution
  }
)

# Zero the standard deviations that may as well be zero.
snap_to_zero <- function(fn, par, lower) {
  for (k in which(is.finite(lower) & par > 0 & par < 1e-3)) {
    at_zero <- replace(par, k, 0)
    if (fn(at_zero) <= fn(par) + noise * abs(fn(par))) par <- at_zero
  }
  par
}

# An optimiser for lmerControl(): several searches one after the other, then Newton steps.
exact_optimum <- function(fn, par, lower, upper, control) {
  best <- par
  for (search in local_searches) {
    found <- snap_to_zero(fn, search(fn, best, lower), lower)
    if (fn(found) <= fn(best)) best <- found
  }
  best <- newton_polish(fn, best, lower)
  # The last evaluation is the one whose state the fit keeps.
  list(par = best, fval = fn(best), conv = 0, message = NULL)
}

# ---------------------------------------------------------------- what is recorded

as_rows <- function(matrix) unname(as.matrix(matrix))

# R's coefficient names as formulaic writes them: recipeB -> recipe[T.B], (Intercept) -> Intercept.
python_names <- function(names, fit, intercept) {
  frame <- model.frame(fit)
  factors <- Filter(is.factor, frame)
  spell <- function(variable) {
    variable <- sub("^factor\\((.*)\\)$", "C(\\1)", variable)
    variable <- gsub("^", "**", variable, fixed = TRUE)
    sub("^log\\(", "np.log(", variable)
  }
  piece <- function(text) {
    for (variable in names(factors)) {
      level <- match(text, paste0(variable, levels(factors[[variable]])))
      if (!is.na(level)) {
        reduced <- intercept || level > 1 && FALSE
        label <- levels(factors[[variable]])[level]
        return(sprintf(if (reduced) "%s[T.%s]" else "%s[%s]", spell(variable), label))
      }
    }
    spell(text)
  }
  vapply(names, function(name) {
    if (name == "(Intercept)") return("Intercept")
    paste(vapply(strsplit(name, ":", fixed = TRUE)[[1]], piece, ""), collapse = ":")
  }, "", USE.NAMES = FALSE)
}

random_effects <- function(fit, keep) {
  effects <- ranef(fit, condVar = TRUE)
  lapply(effects, function(of_factor) {
    rows <- seq_len(min(keep, nrow(of_factor)))
    variances <- attr(of_factor, "postVar")
    # One array for one bar; a list of arrays when several bars have the same factor.
    if (!is.list(variances)) variances <- list(variances)
    last <- cumsum(vapply(variances, nrow, 1L))
    first <- last - vapply(variances, nrow, 1L) + 1L
    list(
      n_levels = unbox(nrow(of_factor)),
      levels = rownames(of_factor)[rows],
      effects = names(of_factor),
      modes = as_rows(of_factor[rows, , drop = FALSE]),
      cond_var = Map(function(array, from, to) {
        list(effects = names(of_factor)[from:to], values = aperm(array[, , rows, drop = FALSE], c(3, 1, 2)))
      }, unname(variances), first, last)
    )
  })
}

variance_rows <- function(fit) {
  frame <- as.data.frame(VarCorr(fit))
  lapply(frame, function(column) unname(column))
}

fit_record <- function(fit, intercept, keep_levels, keep_fitted) {
  log_lik <- logLik(fit)
  fixed <- fixef(fit)
  table <- coef(summary(fit))
  dropped <- attr(getME(fit, "X"), "col.dropped")
  theta <- getME(fit, "theta")
  fitted_values <- unname(fitted(fit))
  list(
    reml = unbox(isREML(fit)),
    criterion = unbox(-2 * as.numeric(log_lik)),
    logLik = unbox(as.numeric(log_lik)),
    AIC = unbox(AIC(fit)),
    BIC = unbox(BIC(fit)),
    df_residual = unbox(df.residual(fit)),
    n_params = unbox(attr(log_lik, "df")),
    nobs = unbox(nobs(fit)),
    ngrps = lapply(as.list(ngrps(fit)), unbox),
    theta = unname(theta),
    theta_names = names(theta),
    sigma = unbox(sigma(fit)),
    varcorr = variance_rows(fit),
    fixef_names = names(fixed),
    fixef_names_python = python_names(names(fixed), fit, intercept),
    fixef = unname(fixed),
    std_errors = unname(table[, "Std. Error"]),
    t_values = unname(table[, "t value"]),
    fixef_vcov = as_rows(vcov(fit)),
    dropped_columns = as.character(names(dropped)),
    ranef = random_effects(fit, keep_levels),
    scaled_residual_quantiles = unname(quantile(residuals(fit, type = "pearson", scaled = TRUE))),
    fitted = fitted_values[seq_len(min(keep_fitted, length(fitted_values)))],
    is_singular = unbox(isSingular(fit))
  )
}

fit_messages <- function(fit) {
  as.character(c(fit@optinfo$message, fit@optinfo$conv$lme4$messages, unlist(fit@optinfo$warnings)))
}

summary_text <- function(fit) sub(" +$", "", capture.output(print(summary(fit))))

# ---------------------------------------------------------------- fitting

quietly <- function(expression) suppressMessages(suppressWarnings(expression))

fit_both <- function(entry, reml) {
  data <- as.data.frame(get(entry$data))
  if (!is.null(entry$edit)) data <- entry$edit$r(data)
  scope <- new.env(parent = globalenv())
  assign(entry$data, data, scope)
  call <- list(quote(lmer), formula = as.formula(entry$formula, env = scope), data = as.name(entry$data), REML = reml)
  if (!is.null(entry$weights)) call$weights <- as.name(entry$weights)
  if (!is.null(entry$offset)) call$offset <- as.name(entry$offset)
  default <- quietly(eval(as.call(call), scope))
  exact <- quietly(eval(as.call(c(call, control = list(lmerControl(optimizer = exact_optimum)))), scope))
  # So that the two print alike wherever their numbers agree.
  exact@call <- default@call
  exact@optinfo$optimizer <- default@optinfo$optimizer
  list(default = default, exact = exact, rows = nrow(data))
}

optimum_record <- function(fit) {
  criterion <- getME(fit, "devfun")
  theta <- unname(getME(fit, "theta"))
  free <- free_coordinates(theta, getME(fit, "lower"))
  gradient <- rep(NA_real_, length(theta))
  if (any(free)) gradient[free] <- free_gradient(criterion, theta, free)
  gradient
}

write_summaries <- function(id, method, fits) {
  texts <- lapply(fits[c("default", "exact")], summary_text)
  name <- function(suffix) sprintf("summaries/%s.%s%s.txt", id, method, suffix)
  write_text <- function(text, path) {
    connection <- file(file.path(here, path), "wb")
    on.exit(close(connection))
    writeLines(text, connection, sep = "\n")
  }
  write_text(texts$default, name(""))
  same <- identical(texts$default, texts$exact)
  if (!same) write_text(texts$exact, name(".exact"))
  list(default = unbox(name("")), exact = unbox(name(if (same) "" else ".exact")))
}

record_fit <- function(entry, reml) {
  method <- if (reml) "REML" else "ML"
  fits <- fit_both(entry, reml)
  large <- fits$rows > 1000
  intercept <- attr(terms(nobars(as.formula(entry$formula))), "intercept") == 1
  record <- fit_record(fits$exact, intercept, if (large) 20 else Inf, if (large) 20 else Inf)
  # Before the gradient: evaluating the criterion elsewhere moves the state that summary() prints.
  files <- write_summaries(entry$id, method, fits)
  gradient <- optimum_record(fits$exact)
  record <- c(record, list(
    theta_gradient = gradient,
    messages = fit_messages(fits$exact),
    criterion_default = unbox(-2 * as.numeric(logLik(fits$default))),
    theta_default = unname(getME(fits$default, "theta")),
    is_singular_default = unbox(isSingular(fits$default)),
    optimizer_default = unbox(fits$default@optinfo$optimizer),
    messages_default = fit_messages(fits$default),
    rows_dropped = unbox(fits$rows - nobs(fits$exact)),
    summary_files = files
  ))
  cat(sprintf(
    "%-28s %-4s %18.8f  default %+.1e  |gradient| %.0e%s\n", entry$id, method, record$criterion,
    record$criterion_default - record$criterion, max(abs(gradient), 0, na.rm = TRUE),
    if (record$is_singular) "  singular" else ""
  ))
  record
}

record_model <- function(entry) {
  edit <- entry$edit
  list(
    dataset = unbox(entry$data),
    formula = unbox(entry$formula),
    python_formula = unbox(entry$python),
    data_edit = if (is.null(edit)) NA else list(description = unbox(edit$what), python = unbox(edit$python)),
    weights = unbox(if (is.null(entry$weights)) NA_character_ else entry$weights),
    offset = unbox(if (is.null(entry$offset)) NA_character_ else entry$offset),
    fits = list(REML = record_fit(entry, TRUE), ML = record_fit(entry, FALSE))
  )
}

# ---------------------------------------------------------------- the run

unlink(file.path(here, "summaries"), recursive = TRUE)
dir.create(file.path(here, "summaries"))

version <- function(package) unbox(as.character(packageVersion(package)))
reference <- list(
  versions = list(
    R = unbox(as.character(getRversion())),
    lme4 = version("lme4"), nlme = version("nlme"), Matrix = version("Matrix"), nloptr = version("nloptr")
  ),
  notes = c(
    "Written by make_reference.R; described in README.rst.",
    "Contrasts are treatment contrasts for all factors, ordered ones included.",
    "Numbers are those of the exact optimum; names ending in _default are those of lme4's default optimiser.",
    "InstEval: random effects of the first 20 levels of each factor and the first 20 fitted values only.",
    "null stands for R's NA and NaN, such as the correlation of an effect without variance."
  ),
  models = setNames(lapply(models, record_model), vapply(models, `[[`, "", "id"))
)

json <- toJSON(reference, digits = I(17), na = "null", null = "null", pretty = 1, always_decimal = FALSE)
connection <- file(file.path(here, "lme4.json"), "wb")
writeLines(json, connection, sep = "\n")
close(connection)
