# Records lme4's predictions at chosen levels of nesting (predict(..., re.form = )).
#   Rscript tests/reference/make_prediction.R        writes prediction.json beside this file
# Fits stop at tight tolerances, so that what is recorded is the optimum's.
suppressPackageStartupMessages({library(lme4); library(jsonlite)})

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), check.conv.singular = "ignore")
text <- function(formula) paste(deparse(formula, 500), collapse = "")
record <- function(name, data, formula, newdata, choices) {
  fit <- lmer(formula, get(data), control = tight)
  lapply(choices, function(choice) {
    new_levels <- isTRUE(choice$new_levels)
    rows <- if (new_levels) choice$newdata else newdata
    mean <- predict(fit, rows, re.form = choice$re.form, allow.new.levels = new_levels)
    list(name = name, data = data, formula = text(formula),
         re_form = if (is.null(choice$re.form)) "NULL" else if (inherits(choice$re.form, "formula")) text(choice$re.form) else "NA",
         random = choice$random, newdata = lapply(rows, function(x) if (is.factor(x)) as.character(x) else x),
         new_levels = new_levels, mean = unname(mean))
  })
}
all_and_none <- list(list(re.form = NULL, random = TRUE), list(re.form = NA, random = FALSE))
batches <- data.frame(batch = c("A", "A", "C", "J"), cask = c("a", "c", "b", "c"))
plates <- data.frame(plate = c("a", "b", "x"), sample = c("A", "F", "C"))
days <- data.frame(Days = c(0, 2.5, 12), Subject = c("308", "335", "372"))
strangers <- data.frame(Days = c(1, 4), Subject = c("308", "999"))
predictions <- c(
  record("pastes", "Pastes", strength ~ 1 + (1 | batch / cask), batches, c(all_and_none, list(
    list(re.form = ~ (1 | batch), random = "batch"), list(re.form = ~ (1 | cask:batch), random = "cask:batch")))),
  record("penicillin", "Penicillin", diameter ~ 1 + (1 | plate) + (1 | sample), plates, c(all_and_none, list(
    list(re.form = ~ (1 | sample), random = I("sample"))))),
  record("sleepstudy", "sleepstudy", Reaction ~ Days + (Days | Subject), days, c(all_and_none, list(
    list(re.form = NULL, random = TRUE, new_levels = TRUE, newdata = strangers),
    list(re.form = ~ (1 | Subject), random = "(1 | Subject)"),
    list(re.form = ~ (0 + Days | Subject), random = "(0 + Days | Subject)")))),
  record("sleepstudy_uncorrelated", "sleepstudy", Reaction ~ Days + (1 | Subject) + (0 + Days | Subject), days,
    c(all_and_none, list(list(re.form = ~ (0 + Days | Subject), random = "(0 + Days | Subject)"),
                         list(re.form = ~ (Days | Subject), random = "(Days | Subject)"))))
)
versions <- list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")))
folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
write_json(list(versions = versions, predictions = predictions), file.path(folder, "prediction.json"),
           digits = 15, auto_unbox = TRUE, pretty = TRUE)
