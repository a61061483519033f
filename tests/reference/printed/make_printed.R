# Print lme4 and lmerTest fits in the ways that people paste them, and record the numbers behind the text.
#
# Run from anywhere:  Rscript tests/reference/printed/make_printed.R
#
# Writes <id>.txt (what R prints) and printed.json (the same fits at 17 significant digits, with the versions that made
# them) beside this script; other/<id>.txt are printouts of other packages, which no reader of lme4's may take for one.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(nlme)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"), digits = 7, warn = 1)

flag <- grep("^--file=", commandArgs(FALSE), value = TRUE)
here <- dirname(normalizePath(sub("^--file=", "", flag)))
quietly <- function(expression) suppressMessages(suppressWarnings(expression))

write_text <- function(text, name) {
  connection <- file(file.path(here, name), "wb")
  on.exit(close(connection))
  writeLines(enc2utf8(text), connection, sep = "\n", useBytes = TRUE)
}

records <- list()

# Record what was printed of `fit` by `show`, on a page of `width` characters.
add <- function(id, fit, show = function(fit) print(summary(fit)), width = 80, ddf = NULL) {
  options(width = width)
  write_text(capture.output(quietly(show(fit))), paste0(id, ".txt"))
  # lmerTest's summary() is loaded and would add its columns to a fit of lme4.
  table <- if (is.null(ddf)) coef(lme4:::summary.merMod(fit)) else coef(summary(fit, ddf = ddf))
  column <- function(name) if (name %in% colnames(table)) unname(table[, name]) else NULL
  records[[id]] <<- Filter(Negate(is.null), list(
    reml = unbox(isREML(fit)),
    criterion = unbox(-2 * as.numeric(logLik(fit))),
    nobs = unbox(nobs(fit)),
    ngrps = lapply(as.list(ngrps(fit)), unbox),
    varcorr = lapply(as.data.frame(VarCorr(fit)), function(column) unname(column)),
    fixef_names = as.character(names(fixef(fit))),
    fixef = unname(fixef(fit)),
    std_errors = column("Std. Error"),
    t_values = column("t value"),
    df = column("df"),
    p_values = column("Pr(>|t|)"),
    is_singular = unbox(isSingular(fit))
  ))
}

# The call as it is written, so that it is printed so.
lmer4 <- function(...) quietly(eval(as.call(c(quote(lme4::lmer), as.list(substitute(list(...)))[-1])), globalenv()))
lmerT <- function(...) quietly(eval(as.call(c(quote(lmerTest::lmer), as.list(substitute(list(...)))[-1])), globalenv()))

# ---------------------------------------------------------------- the data

sleep <- lme4::sleepstudy
sleep$`days of sleep deprivation` <- sleep$Days
sleep$`the participants` <- sleep$Subject
sleep$dose <- factor(c("dose 1", "dose 2", "dose 3.5")[1 + sleep$Days %% 3])
sleep$o <- 10 * ((seq_len(nrow(sleep)) - 1) %% 4)
sleep$w <- 0.5 * (1 + (seq_len(nrow(sleep)) - 1) %% 5)
machines <- as.data.frame(nlme::Machines)
machines$operator_of_the_machine_in_the_first_plant <- machines$Worker
machines$type_of_the_machine_in_the_first_plant_ <- machines$Machine
machines$operator <- machines$Worker
cake <- lme4::cake
ratings <- droplevels(subset(lme4::InstEval, as.integer(s) < 200))

slope <- lmer4(Reaction ~ Days + (Days | Subject), sleep)
slope_ml <- lmer4(Reaction ~ Days + (Days | Subject), sleep, REML = FALSE)
slope_tests <- lmerT(Reaction ~ Days + (Days | Subject), sleep)
factors <- lmer4(score ~ Machine + (Machine | Worker), machines)

# ---------------------------------------------------------------- lmerTest

add("lmertest_satterthwaite", slope_tests, ddf = "Satterthwaite")
add("lmertest_kenward_roger", slope_tests, function(fit) print(summary(fit, ddf = "Kenward-Roger")), ddf = "Kenward-Roger")
add("lmertest_narrow", slope_tests, width = 40, ddf = "Satterthwaite")
add("lmertest_ml", lmerT(Reaction ~ Days + (Days || Subject), sleep, REML = FALSE), ddf = "Satterthwaite")
add("lmertest_print", slope_tests, print)
add("lmertest_many", lmerT(angle ~ recipe * temperature + (1 | recipe:replicate), cake), ddf = "Satterthwaite")
add("lmertest_stars", lmerT(y ~ service * dept + (1 | s) + (1 | d), ratings), ddf = "Satterthwaite")
add("lmertest_without_stars", slope_tests, function(fit) {
  options(show.signif.stars = FALSE)
  on.exit(options(show.signif.stars = TRUE))
  print(summary(fit), correlation = FALSE)
}, ddf = "Satterthwaite")

# ---------------------------------------------------------------- print() and the options of print(summary())

add("print_reml", slope, print)
add("print_ml", slope_ml, print)
add("print_narrow", factors, print, width = 40)
add("only_std_dev", slope_ml, function(fit) print(summary(fit), ranef.comp = "Std.Dev."))
add("only_variance", slope_ml, function(fit) print(summary(fit), ranef.comp = "Variance"))
add("seven_digits", slope_ml, function(fit) print(summary(fit), digits = 7))
add("two_digits", slope_ml, function(fit) print(summary(fit), digits = 2))
add("decimal_commas", slope, function(fit) {
  options(OutDec = ",")
  on.exit(options(OutDec = "."))
  print(summary(fit))
})
add("symbols", factors, function(fit) print(summary(fit), symbolic.cor = TRUE))
add("correlations_asked_for", lmer4(angle ~ recipe * temperature + (1 | recipe:replicate), cake), function(fit) {
  print(summary(fit), correlation = TRUE)
})
for (width in c(20, 30, 40, 50, 60)) add(paste0("width_", width), factors, width = width)
add("width_30_numbers", lmer4(Reaction ~ Days + I(Days^2) + (Days + I(Days^2) | Subject), sleep), width = 30)

# ---------------------------------------------------------------- names

spaces <- lmer4(
  Reaction ~ `days of sleep deprivation` + (`days of sleep deprivation` | `the participants`), sleep
)
add("names_with_spaces", spaces)
add("names_with_spaces_print", spaces, print)
levels_with_numbers <- lmer4(Reaction ~ dose + (dose | Subject), sleep)
add("levels_with_numbers", levels_with_numbers)
add("levels_with_numbers_print", levels_with_numbers, print)
add("levels_with_numbers_narrow", levels_with_numbers, width = 45)
add("columns_apart", lmer4(
  score ~ type_of_the_machine_in_the_first_plant_ +
    (type_of_the_machine_in_the_first_plant_ | operator_of_the_machine_in_the_first_plant), machines
), width = 75)
add("groups_apart", lmer4(
  score ~ Machine + (0 + type_of_the_machine_in_the_first_plant_ | operator_of_the_machine_in_the_first_plant) +
    (1 | operator:Machine), machines
), width = 75)

# ---------------------------------------------------------------- kinds of models

add("no_fixed_effects", lmer4(Reaction ~ 0 + (1 | Subject), sleep))
add("no_fixed_effects_print", lmer4(Reaction ~ 0 + (1 | Subject), sleep), print)
add("singular", lmer4(Yield ~ 1 + (1 | Batch), lme4::Dyestuff2))
add("singular_print", lmer4(Yield ~ 1 + (1 | Batch), lme4::Dyestuff2), print)
add("singular_slope", lmer4(angle ~ recipe + temp + (temp | recipe:replicate), cake))
add("call_with_options", lmer4(
  Reaction ~ Days + (1 | Subject), sleep, subset = Days > 1, weights = w, offset = o,
  control = lmerControl(optimizer = "bobyqa")
))
add("zero_decimal", lmer4(Reaction ~ Days + (1 | Subject), sleep, subset = Days > 1))
add("not_converged", lmer4(
  Reaction ~ Days + (Days | Subject), sleep,
  control = lmerControl(optimizer = "Nelder_Mead", optCtrl = list(maxfun = 12))
))
add("three_terms", lmer4(y ~ service + (1 | s) + (1 | d) + (1 | dept), ratings))
add("nested", lmer4(strength ~ 1 + (1 | batch/cask), lme4::Pastes))
add("rank_deficient", lmer4(Reaction ~ Days + I(2 * Days) + (1 | Subject), sleep))
add("tiny_and_large", lmer4(I(Reaction * 1e-6) ~ I(Days * 1e4) + (1 | Subject), sleep))

# ---------------------------------------------------------------- other packages

dir.create(file.path(here, "other"), showWarnings = FALSE)
options(width = 80)
other <- function(id, fit, show = function(fit) print(summary(fit))) {
  write_text(capture.output(quietly(show(fit))), file.path("other", paste0(id, ".txt")))
}
other("nlme", lme(Reaction ~ Days, random = ~ Days | Subject, data = lme4::sleepstudy))
other("nlme_print", lme(Reaction ~ Days, random = ~ Days | Subject, data = lme4::sleepstudy), print)
other("nlme_gls", gls(Reaction ~ Days, lme4::sleepstudy))
other("glmer", glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), lme4::cbpp, binomial))
other("lm", lm(Reaction ~ Days, lme4::sleepstudy))

version <- function(package) unbox(as.character(packageVersion(package)))
record <- list(
  versions = list(
    R = unbox(as.character(getRversion())), lme4 = version("lme4"), lmerTest = version("lmerTest"),
    pbkrtest = version("pbkrtest")
  ),
  fits = records
)
write_text(toJSON(record, digits = I(17), na = "null", null = "null", pretty = 1), "printed.json")
