# Print what packages for tables show about fits: broom.mixed, parameters, performance, sjPlot.
#
# Run from anywhere:  Rscript tests/reference/printed_parameters/make_parameters.R
#
# Writes <id>.txt, what R prints, and parameters.json, the frames behind the texts at 17 significant digits, with the
# versions that made them.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(broom.mixed)
  library(glmmTMB)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"), digits = 7, width = 80, warn = -1, cli.unicode = TRUE)

flag <- grep("^--file=", commandArgs(FALSE), value = TRUE)
here <- dirname(normalizePath(sub("^--file=", "", flag)))
quietly <- function(expression) suppressMessages(suppressWarnings(expression))

write_text <- function(text, id) {
  connection <- file(file.path(here, paste0(id, ".txt")), "wb")
  on.exit(close(connection))
  writeLines(enc2utf8(text), connection, sep = "\n", useBytes = TRUE)
}

records <- list()

# Record what `show` prints of a frame, and the frame; `fit` names the model.
add <- function(id, frame, fit, show = print, width = 80) {
  options(width = width)
  write_text(capture.output(quietly(show(frame))), id)
  options(width = 80)
  records[[id]] <<- list(fit = unbox(fit), frame = as.data.frame(frame))
}

sleep <- lme4::sleepstudy
machines <- nlme::Machines
machines$Machine <- factor(as.character(machines$Machine))
machines$Worker <- factor(as.character(machines$Worker))
penicillin <- lme4::Penicillin

slope <- lmerTest::lmer(Reaction ~ Days + (Days | Subject), sleep)
plain <- lme4::lmer(Reaction ~ Days + (Days | Subject), sleep)
worker <- lmerTest::lmer(score ~ Machine + (1 | Worker), machines)
crossed <- lme4::lmer(diameter ~ 1 + (1 | plate) + (1 | sample), penicillin, REML = FALSE)
zero <- glmmTMB(count ~ mined + (1 | site), zi = ~ mined, family = nbinom2, Salamanders)

# -- broom.mixed
frame <- function(x) print(as.data.frame(x))
add("tidy_slope", tidy(slope), "slope")
add("tidy_slope_wide", tidy(slope, conf.int = TRUE), "slope", width = 120)
add("tidy_slope_narrow", tidy(slope, conf.int = TRUE), "slope", width = 60)
add("tidy_slope_frame", tidy(slope, conf.int = TRUE), "slope", frame)
add("tidy_slope_frame_narrow", tidy(slope, conf.int = TRUE), "slope", frame, width = 62)
add("tidy_slope_kable", tidy(slope), "slope", function(x) print(knitr::kable(x)))
add("tidy_slope_kable_digits", tidy(slope, conf.int = TRUE), "slope", function(x) print(knitr::kable(x, digits = 3)))
add("tidy_slope_simple", tidy(slope), "slope", function(x) print(knitr::kable(x, "simple", digits = 2)))
add("tidy_plain", tidy(plain), "slope")
add("tidy_plain_limits", tidy(plain, conf.int = TRUE, effects = "fixed"), "slope")
add("tidy_variances", tidy(plain, effects = "ran_pars", scales = "vcov"), "slope")
add("tidy_modes", tidy(plain, effects = "ran_vals"), "slope")
add("tidy_modes_all", tidy(plain, effects = "ran_vals"), "slope", function(x) print(x, n = 40))
add("tidy_modes_frame", tidy(plain, effects = "ran_vals", conf.int = TRUE), "slope", frame, width = 100)
add("tidy_kenward_roger", tidy(worker, ddf.method = "Kenward-Roger"), "worker")
add("tidy_worker", tidy(worker), "worker")
add("tidy_crossed", tidy(crossed), "crossed")
add("tidy_zero_inflated", tidy(zero), "zero")
add("glance_slope", glance(slope), "slope")
add("glance_crossed", glance(crossed), "crossed")
add("glance_slope_frame", glance(slope), "slope", frame)
add("glance_slope_kable", glance(slope), "slope", function(x) print(knitr::kable(x)))

# -- parameters and performance: the frames have the columns that are printed
sexes <- lme4::lmer(distance ~ age * Sex + (age | Subject), nlme::Orthodont)
apart <- lme4::lmer(Reaction ~ Days + (1 | Subject), sleep, REML = FALSE)
mp <- parameters::model_parameters
markdown <- function(x) cat(parameters::print_md(x), sep = "\n")
add("parameters_slope", mp(plain), "slope")
add("parameters_sexes", mp(sexes), "sexes")
add("parameters_kenward", mp(worker, ci_method = "kenward", effects = "fixed"), "worker")
add("parameters_satterthwaite", mp(worker, ci_method = "satterthwaite", effects = "fixed", digits = 3), "worker", function(x) print(x, digits = 3))
add("parameters_level", mp(apart, ci = 0.9), "apart")
add("parameters_random", mp(sexes, effects = "random"), "sexes")
add("parameters_markdown", mp(sexes), "sexes", markdown)
add("parameters_wald", mp(worker, ci_method = "wald", effects = "fixed"), "worker")
add("parameters_summary", mp(sexes), "sexes", function(x) invisible(summary(x)))
add("parameters_zero_inflated", mp(zero), "zero")
add("parameters_lme", mp(nlme::lme(distance ~ age * Sex, nlme::Orthodont, random = ~ age | Subject)), "sexes")
add("performance_slope", performance::model_performance(plain), "slope")
add("performance_apart", performance::model_performance(apart), "apart")
singular <- quietly(lme4::lmer(Yield ~ 1 + (1 | Batch), lme4::Dyestuff2))
add("performance_singular", quietly(performance::model_performance(singular)), "singular")
unlisted <- function(x) as.data.frame(unclass(x)[sapply(x, is.numeric)])
add("icc_slope", unlisted(performance::icc(plain)), "slope", function(x) print(performance::icc(plain)))
add("r2_slope", unlisted(performance::r2(plain)), "slope", function(x) print(performance::r2(plain)))

# -- sjPlot: its HTML as a browser copies it, cells apart by tabs
tab <- function(...) quietly(sjPlot::tab_model(...))
as_copied <- function(table) {
  html <- gsub("\\s*\n\\s*", " ", table$page.content)
  html <- gsub("</t[dh]>\\s*<t[dh][^>]*>", "\t", html)
  html <- gsub("<tr>|<br ?/?>", "\n", gsub("</tr>", "", html))
  html <- gsub("<[^>]+>", "", html)
  for (entity in list(c("&nbsp;", "\u00a0"), c("&ndash;", "\u2013"), c("&lt;", "<"), c("&sigma;", "\u03c3"), c("&tau;", "\u03c4"), c("&rho;", "\u03c1"))) {
    html <- gsub(entity[1], entity[2], html)
  }
  cat(Filter(nzchar, trimws(strsplit(html, "\n")[[1]])), sep = "\n")
}
terms <- function(fit, ...) mp(fit, effects = "fixed", ...)
add("sjplot_slope", terms(plain), "slope", function(x) as_copied(tab(plain)))
add("sjplot_slope_columns", terms(plain), "slope", function(x) as_copied(tab(plain, show.se = TRUE, show.stat = TRUE, show.df = TRUE)))
add("sjplot_slope_collapsed", terms(plain), "slope", function(x) as_copied(tab(plain, collapse.ci = TRUE)))
add("sjplot_digits", terms(plain), "slope", function(x) as_copied(tab(plain, digits = 3, show.aic = TRUE, show.dev = TRUE, show.loglik = TRUE)))
add("sjplot_kenward", terms(worker, ci_method = "kenward"), "worker", function(x) as_copied(tab(worker, df.method = "kr", show.df = TRUE)))
add("sjplot_sexes", terms(sexes), "sexes", function(x) as_copied(tab(sexes)))
add("sjplot_crossed", terms(crossed), "crossed", function(x) as_copied(tab(crossed)))

packages <- c("lme4", "lmerTest", "glmmTMB", "broom.mixed", "tibble", "pillar", "knitr", "parameters", "performance", "sjPlot")
versions <- lapply(packages, function(p) unbox(as.character(packageVersion(p))))
names(versions) <- packages
write_json(
  list(R = unbox(R.version.string), versions = versions, tables = records),
  file.path(here, "parameters.json"), digits = I(17), na = "null", pretty = 1
)
